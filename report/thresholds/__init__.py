"""The threshold of a report: chosen, prespecified, written out. Pure."""
