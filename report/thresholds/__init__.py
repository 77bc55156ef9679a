"""The threshold of a report: how it is chosen, and how it is printed. Pure."""
