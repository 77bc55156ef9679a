"""Bounds of an image file; docs/images.md names them."""

MAX_BYTES = 50_000_000
