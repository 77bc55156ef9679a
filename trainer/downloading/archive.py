"""An archive of the data set, from a partial download to a folder of images.

Every step can be interrupted. DIR first holds `train.zip.part` and `train.zip.source`, which names
the server's file, then the complete and checked `train.zip`, then the hidden folder `.train`, which
is renamed to `train` when it is complete.
"""

import shutil
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

from trainer.downloading.archive_entries import ArchiveError, Entry, list_entries
from trainer.downloading.transfer_progress import Show, in_units

# What zipfile raises for data that is damaged, encrypted or compressed in an unknown way.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError)


class DamagedArchiveError(ArchiveError):
    """The archive is not a complete zip file."""


class Part(NamedTuple):
    """One archive of the data set and where it goes."""

    name: str
    url: str
    home: Path

    @property
    def images(self) -> Path:
        """The unpacked folder."""
        return self.home / self.name

    @property
    def marker(self) -> Path:
        """The file that marks `images` as complete and made by this program."""
        return self.images / ".downloaded"

    @property
    def draft(self) -> Path:
        """The folder during unpacking; hidden, so that no command lists it."""
        return self.home / f".{self.name}"

    @property
    def archive(self) -> Path:
        """The complete and checked archive."""
        return self.home / f"{self.name}.zip"

    @property
    def partial(self) -> Path:
        """The partial download of the archive."""
        return self.home / f"{self.name}.zip.part"

    @property
    def bytes_downloaded(self) -> int:
        """How much of the archive is on the disk."""
        found = [path.stat().st_size for path in (self.archive, self.partial) if path.exists()]
        return found[0] if found else 0

    @property
    def bytes_unpacked(self) -> int:
        """How much of an interrupted unpacking is on the disk."""
        return sum(path.stat().st_size for path in self.draft.rglob("*") if path.is_file())

    @property
    def source(self) -> Path:
        """The file that says which file of which server `partial` is a part of."""
        return self.home / f"{self.name}.zip.source"


def accept_archive(part: Part) -> None:
    """Check every byte of a downloaded archive, then give it its final name.

    Raises:
        DamagedArchiveError: it is not a zip file, is cut short, or has a wrong checksum; it is
            deleted, so that the next call does not find it complete and damaged.
        ArchiveError: it is a zip file that must not be unpacked.
    """
    try:
        with zipfile.ZipFile(part.partial) as archive:
            list_entries(archive, part.partial.stat().st_size, part.name, part.url)
            bad = archive.testzip()
    except _DAMAGED as error:
        bad = str(error)
    if bad is not None:
        part.partial.unlink()
        raise DamagedArchiveError(f"{part.url} is not a whole zip archive: {bad}")
    if part.draft.exists():  # unpacked from another archive of this name
        shutil.rmtree(part.draft)
    part.partial.rename(part.archive)
    part.source.unlink(missing_ok=True)


def unpack_archive(part: Part, show: Show) -> None:
    """Unpack into the draft folder; skip files that an interrupted call completed.

    Raises:
        ArchiveError: the archive is damaged or refused, or the disk is too small.
    """
    path, draft = part.archive, part.draft
    try:
        with zipfile.ZipFile(path) as archive:
            entries = list_entries(archive, path.stat().st_size, part.name, str(path))
            missing = [entry for entry in entries if not _is_done(draft, entry)]
            draft.mkdir(exist_ok=True)
            require_room(draft, sum(_sizes(missing)), f"unpacking {path}")
            _unpack(archive, missing, draft, show)
    except _DAMAGED as error:
        raise DamagedArchiveError(
            f"{path} is damaged ({error}): delete it, and the same command downloads it again"
        ) from error
    (draft / part.marker.name).write_text(f"{part.url}\n")


def finish_part(part: Part, *, keep_archive: bool) -> None:
    """Give the unpacked folder its final name if it is complete."""
    if not (part.draft / part.marker.name).exists():
        return
    if not keep_archive:
        part.archive.unlink(missing_ok=True)
    part.draft.rename(part.images)


def require_room(folder: Path, need: int, what: str) -> None:
    """Refuse to write more than the disk has room for.

    Raises:
        ArchiveError: fewer than `need` bytes are free where `folder` is.
    """
    free = shutil.disk_usage(folder).free
    if need > free:
        raise ArchiveError(
            f"{what} needs {in_units(need)} on the disk of {folder}, {in_units(free)} are free"
        )


def _is_done(folder: Path, entry: Entry) -> bool:
    """Whether a file is complete: it is named when complete, but a power cut can truncate it."""
    target = folder / entry.target
    return target.is_file() and target.stat().st_size == entry.info.file_size


def _unpack(archive: zipfile.ZipFile, entries: list[Entry], folder: Path, show: Show) -> None:
    done, total = 0, sum(_sizes(entries))
    for entry in entries:
        target = folder / entry.target
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = folder / ".unpacking"
        with archive.open(entry.info) as packed, draft.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
        draft.replace(target)
        done += entry.info.file_size
        show(done, total)


def _sizes(entries: list[Entry]) -> list[int]:
    return [entry.info.file_size for entry in entries]
