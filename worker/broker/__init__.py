"""How messages travel: brokers by address, the embedded one, envelopes and signatures."""
