"""Frozen graphs of checked checkpoints, kept on disk so that the next worker starts sooner."""
