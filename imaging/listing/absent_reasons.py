"""Guesses why an image of a manifest is not where it should be, from files with similar names."""

import os
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from base.console.foreign import shown
from base.console.shell import typed
from imaging.listing.image_signs import IMAGE_SUFFIXES

_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/]|$)|\\\\[^\\]+\\[^\\]+")
# Folders beside the manifest and under the root that are looked into.
_MOST_FOLDERS = 100


class _Similar(NamedTuple):
    """A file with a similar path: `name` below `base`, without the first `dropped` parts."""

    base: Path
    name: str
    dropped: str


def likely_reason(path: str, root: Path, source: str) -> str:
    """Why `path`, relative to `root`, is absent, and what to type: the end of a sentence.

    Empty if no file is similar. `source` is the manifest that names the path, or `-`.
    """
    parts = [part for part in _plain(path).split("/") if part not in {"", "."}]
    searched = parts and ".." not in parts
    found = next(_similar(parts, root, source), None) if searched else None
    if found is None:
        return "".join(f": {each}, and no file has a similar name" for each in _spelling(path))
    return _explained(path, parts, found, root, source)


def _plain(path: str) -> str:
    return _DRIVE.sub("", path.strip(), count=1).replace("\\", "/")


def _spelling(path: str) -> Iterator[str]:
    """What is unusual about a path itself, if anything."""
    unusual = {
        "blanks around it": path != path.strip(),
        "a drive of Windows": _DRIVE.match(path.strip()) is not None,
        "backslashes": "\\" in path,
    }
    named = [what for what, is_so in unusual.items() if is_so]
    if named:
        yield f"it has {' and '.join(named)}"


def _explained(path: str, parts: list[str], found: _Similar, root: Path, source: str) -> str:
    there = (found.base / found.name).resolve()
    reasons = list(_spelling(path))
    wanted = "/".join(parts).removeprefix(found.dropped)
    if _folded(Path(found.name).stem) == _folded(Path(wanted).name):
        reasons.append(f"it lacks the ending {Path(found.name).suffix}")
    elif found.name != wanted:
        reasons.append(_difference(found.name, wanted))
    if found.dropped:
        reasons.append(f"it begins with {shown(found.dropped)}")
    because = f": {', '.join(reasons)}; " if reasons else ": "
    return f"{because}{shown(there)} is there: {_advice(path, found, root, source)}"


def _difference(name: str, wanted: str) -> str:
    """How two names differ that are the same to a person."""
    if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", wanted):
        form = "NFC" if unicodedata.is_normalized("NFC", name) else "NFD"
        return f"its accents are not those of the file name, which is in {form}"
    return "upper and lower case differ"


def _advice(path: str, found: _Similar, root: Path, source: str) -> str:
    there, top = (found.base / found.name).resolve(), root.resolve()
    new_root = f"DATA_ROOT={typed(str(found.base.resolve()))}"
    if found.name == path:
        return f"{new_root} producer enqueue {typed(source)}, and the same for the workers"
    if there.is_relative_to(top):
        return f"write {shown(there.relative_to(top))} in the manifest"
    return f"write {shown(found.name)} in the manifest, and set {new_root} here and for the workers"


def _similar(parts: list[str], root: Path, source: str) -> Iterator[_Similar]:
    """Files with a similar path: as it is anywhere first, then without its first parts."""
    folders = [root, *([Path(source).parent] if source != "-" else []), *root.resolve().parents]
    near = [*folders, *(inner for each in folders[:2] for inner in _folders_in(each))]
    for base in near:
        if name := _found_in(base, parts):
            yield _Similar(base, name, "")
    for first in range(1, len(parts)):
        for base in near:
            if name := _found_in(base, parts[first:]):
                yield _Similar(base, name, "".join(f"{part}/" for part in parts[:first]))


def _folders_in(folder: Path) -> list[Path]:
    """Some folders in a folder; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.is_dir())[
                :_MOST_FOLDERS
            ]
    except OSError:
        return []


def _found_in(base: Path, parts: list[str]) -> str | None:
    """The path below `base` of a file that differs in case, accents or ending only."""
    here, found = base, list[str]()
    for at, part in enumerate(parts):
        name = _entry_like(here, part, is_last=at == len(parts) - 1)
        if name is None:
            return None
        here, found = here / name, [*found, name]
    return "/".join(found) if os.path.isfile(here) else None  # noqa: PTH113 - raises nothing


def _entry_like(folder: Path, part: str, *, is_last: bool) -> str | None:
    if os.path.lexists(folder / part):
        return part
    names = _names_in(folder)
    stem = _folded(part)
    endings = sorted(IMAGE_SUFFIXES) if is_last else ()
    return next(
        (names[each] for each in (stem, *(stem + e for e in endings)) if each in names), None
    )


@lru_cache(maxsize=1_000)
def _names_in(folder: Path) -> dict[str, str]:
    """The names in a folder by their folded form; none if it cannot be read."""
    try:
        return {_folded(name): name for name in sorted(os.listdir(folder))}  # noqa: PTH208 - names
    except OSError:
        return {}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
