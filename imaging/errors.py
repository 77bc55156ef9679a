"""Errors of images, and of lists of images."""

from typing import Literal

import click

# The codes in `predictions.error`; docs/reference/errors.md explains each one.
ErrorCode = Literal[
    "missing",
    "bad_name",
    "outside_root",
    "not_a_file",
    "unreadable",
    "empty",
    "too_large",
    "not_an_image",
    "unsupported",
    "bad_size",
    "corrupt",
    "wrong_digest",
    "bad_score",
    "worker_died",
]


class ImageError(Exception):
    """An image cannot be scored: a code for counting, and a sentence for a person."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code: ErrorCode = code
        self.detail = detail


class SourceError(click.ClickException):
    """A folder or manifest cannot be listed; the message names the file and the line."""
