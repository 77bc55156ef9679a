"""The files of an archive that may be unpacked.

Their names come from the archive's author, so every name is checked before anything is written.
"""

import stat
import zipfile
from pathlib import PurePosixPath
from typing import NamedTuple

import click

from trainer.downloading.transfer_progress import in_units

# JPEGs do not shrink in a zip: real archives unpack to 1.0 to 1.1 times their size. Three times
# leaves room for bitmaps, and small archives may unpack to a gigabyte at any ratio.
MAX_GROWTH = 3
ALWAYS_ALLOWED_BYTES = 1_000_000_000

_MAC_LEFTOVERS = ("__MACOSX", ".DS_Store")


class ArchiveError(click.ClickException):
    """An archive cannot be used; the message names it and says why."""


class Entry(NamedTuple):
    """A file of the archive, and its path below the part's folder."""

    info: zipfile.ZipInfo
    target: PurePosixPath


def list_entries(archive: zipfile.ZipFile, size: int, top: str, named: str) -> list[Entry]:
    """The files to unpack from an archive of `size` bytes, without macOS metadata.

    Raises:
        ArchiveError: a path leads outside, an entry is not a plain file, or it is too large.
    """
    for info in archive.infolist():
        fault = _fault(info)
        if fault:
            raise ArchiveError(f"{named} is refused: {info.orig_filename!r} {fault}")
    _check_growth(archive.infolist(), size, named)
    files = [info for info in archive.infolist() if not info.is_dir() and not _is_leftover(info)]
    if not files:
        raise ArchiveError(f"{named} holds no files")
    below_top = all(info.filename.startswith(f"{top}/") for info in files)
    cut = len(top) + 1 if below_top else 0
    entries = [Entry(info, PurePosixPath(info.filename[cut:])) for info in files]
    if len({entry.target for entry in entries}) < len(entries):
        raise ArchiveError(f"{named} is refused: it holds two files of one name")
    return entries


def _fault(info: zipfile.ZipInfo) -> str | None:
    """What is wrong with an entry, or None."""
    # Both names: zipfile cuts the second at a NUL, and may take it from an extra field.
    for name in (info.orig_filename, info.filename):
        parts = name.removesuffix("/").split("/")
        if ".." in parts or "\\" in name or "\0" in name or name.startswith("/") or ":" in parts[0]:
            return "leads outside the folder"
        if "" in parts or "." in parts:
            return "is not a plain name"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file"
    return "is encrypted" if info.flag_bits & 1 else None


def _check_growth(infos: list[zipfile.ZipInfo], packed: int, named: str) -> None:
    unpacked = sum(info.file_size for info in infos)
    if unpacked > max(ALWAYS_ALLOWED_BYTES, MAX_GROWTH * packed):
        raise ArchiveError(
            f"{named} is refused: {in_units(packed)} would unpack to {in_units(unpacked)}, "
            f"more than {MAX_GROWTH} times as much, which photographs never do"
        )


def _is_leftover(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename).parts
    return any(part in _MAC_LEFTOVERS or part.startswith("._") for part in parts)
