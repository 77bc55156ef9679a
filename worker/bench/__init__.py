"""Compares precisions and checkpoints on this machine: `python -m worker.bench`."""
