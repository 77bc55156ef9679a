"""The program `producer`: lists images, enqueues their batches, shows how far they are."""
