"""The files of some folders by their ids: by name or path, with or without ending, in any case."""

import os
import unicodedata
from collections.abc import Iterable
from functools import partial
from pathlib import PurePosixPath

from base.console.foreign import shown
from imaging.errors import SourceError

_SHOWN = 5


class ImageIndex:
    """Finds the file of an id among images that are listed once.

    Args:
        folders: as they were typed, for messages.
        keys: the images in them, as they are stored, and where an image that is not found would
            be: the first folder, as it is stored.
        endings: what an image's name may end with.
    """

    def __init__(
        self, folders: tuple[str, ...], keys: Iterable[str], top: str, endings: frozenset[str]
    ) -> None:
        self.folders = folders
        self._top = "" if top == "." else f"{top}/"
        self._endings = endings
        # Whole names and names without ending; most have one file, which takes no list.
        self._keys: dict[str, str | list[str]] = {}
        self.count = 0
        for self.count, key in enumerate(keys, start=1):
            name = alike(key.rpartition("/")[2])
            self._add(name, key)
            self._add(os.path.splitext(name)[0], key)  # noqa: PTH122 - a string, a million times

    def find(self, image: str, where: str) -> str | None:
        """The file of an id or a path as it is stored; None if there is none.

        Raises:
            SourceError: there are two.
        """
        plain = alike(image.strip()).replace("\\", "/").removeprefix("./")
        stem, ending = os.path.splitext(plain)  # noqa: PTH122
        found = self._fitting(plain)
        if not found and ending in self._endings:
            found = self._fitting(stem)
        if len(found) > 1:
            raise SourceError(
                f"{where}: two files for {shown(image)}: {shown(found[0])} and {shown(found[1])}: "
                "name the folder of one of them with --images, or give the ending"
            )
        return found[0] if found else None

    def missing(self, image: str) -> str:
        """Where an image that was not found would be, as it is stored."""
        return f"{self._top}{image.strip()}"

    def _fitting(self, plain: str) -> list[str]:
        found = self._keys.get(plain.rpartition("/")[2], [])
        keys = [found] if isinstance(found, str) else found
        return list(filter(partial(_ends_with, path=plain), keys)) if "/" in plain else keys

    def _add(self, name: str, key: str) -> None:
        there = self._keys.setdefault(name, key)
        keys = [there] if isinstance(there, str) else there
        if key not in keys:
            self._keys[name] = [*keys, key]


def _ends_with(key: str, path: str) -> bool:
    """Whether a key is that path below some folder, whatever the ending."""
    whole = f"/{alike(key)}"
    return whole.endswith(f"/{path}") or str(PurePosixPath(whole).with_suffix("")).endswith(
        f"/{path}"
    )


def alike(name: str) -> str:
    """A name as names are compared: in any case, composed or decomposed."""
    if name.isascii():
        return name.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def first_few(names: list[str]) -> str:
    """The first names, and how many more there are."""
    few = ", ".join(map(shown, names[:_SHOWN]))
    return f"{few} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else few
