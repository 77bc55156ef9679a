"""Limits of an image file; docs/images.md lists them."""

MAX_BYTES = 50_000_000
