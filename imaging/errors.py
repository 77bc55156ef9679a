"""What can be wrong with an image, or with a list of images."""

from typing import Literal

import click

# The codes that stand in `predictions.error`; docs/images.md says what each one means.
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
    """An image cannot be scored: a code to count by, and a sentence for a person."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code: ErrorCode = code
        self.detail = detail


class SourceError(click.ClickException):
    """A folder or manifest cannot be listed; the message names the file and the line."""
