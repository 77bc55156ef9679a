"""A checkpoint: its file, its card, and what may be inside it."""
