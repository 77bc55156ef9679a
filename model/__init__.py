"""Checkpoints: the file, its card, and what it may contain."""
