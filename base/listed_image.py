"""One image as a source lists it."""

from typing import NamedTuple


class ListedImage(NamedTuple):
    """Its path relative to the data root, its label, and the other columns of its manifest's row.

    `where` names that row, `file:line`, for errors that are found later.
    """

    path: str
    label: int | None
    attributes: dict[str, str] | None = None
    where: str = ""
