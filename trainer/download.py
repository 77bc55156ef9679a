"""What `trainer download` does: fetch, check and unpack the tutorial's three archives."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from base.console import interrupt
from base.console.shell import typed
from base.console.telling import tell
from imaging.listing.sources import list_source
from trainer.commands.download import PARTS
from trainer.downloading.archive import (
    Part,
    accept_archive,
    finish_part,
    require_room,
    unpack_archive,
)
from trainer.downloading.fetch import DownloadError, archive_size, fetch_archive
from trainer.downloading.transfer_progress import in_units, transfer_progress


def download(home: Path, names: Sequence[str], url: str, retries: int, *, keep: bool) -> None:
    """Fetch, check and unpack these parts of the data set, or all, into folders of `home`."""
    parts = [Part(name, f"{url}/{name}.zip", home) for name in PARTS if name in (names or PARTS)]
    try:
        with interrupt.unwound(), _locked(home):
            _download_all(parts, retries, keep=keep)
    except OSError as error:
        raise DownloadError(f"{error.filename or home}: {error.strerror or error}") from error


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Allow one download into a folder at a time, because two would write the same file."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".download.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(
                f"another `trainer download {typed(str(home))}` is at work"
            ) from None
        yield


def _download_all(parts: list[Part], retries: int, *, keep: bool) -> None:
    for part in parts:
        finish_part(part, keep_archive=keep)  # for a call that was interrupted just before the end
    todo = [part for part in parts if not _is_downloaded(part)]
    if todo:
        _announce_sizes(todo, retries, keep=keep)
    for part in todo:
        if not part.archive.exists():
            fetch_archive(part, retries)
            tell(f"{part.name}: checking the archive", err=True)
            accept_archive(part)
        with transfer_progress(f"{part.name}: unpacking") as show:
            unpack_archive(part, show)
        finish_part(part, keep_archive=keep)
        images = sum(1 for _ in list_source(str(part.images), part.images, {}))
        tell(f"{part.name}: {images} images in {part.images}")


def _is_downloaded(part: Part) -> bool:
    if part.marker.exists():
        tell(f"{part.name}: already in {part.images}")
        return True
    if part.images.exists():
        raise DownloadError(
            f"{part.images} is there, but was not made by `trainer download`: "
            "move it away, or name another DIR"
        )
    return False


def _announce_sizes(parts: list[Part], retries: int, *, keep: bool) -> None:
    """Print how much to download, and refuse it if the disk does not have enough room."""
    sizes = [archive_size(part, retries) for part in parts]
    known = [size or 0 for size in sizes]
    downloaded = [part.bytes_downloaded for part in parts]
    missing = sum(
        max(0, size - downloaded_bytes)
        for size, downloaded_bytes in zip(known, downloaded, strict=True)
    )
    named = ", ".join(
        f"{part.name} {in_units(size) if size else 'of unknown size'}"
        for part, size in zip(parts, sizes, strict=True)
    )
    room = (
        room_needed(known, keep=keep) - sum(downloaded) - sum(part.bytes_unpacked for part in parts)
    )
    tell(f"{named}: {in_units(missing)} to download, {in_units(max(0, room))} of room needed")
    require_room(parts[0].home, room, "this")


def room_needed(sizes: list[int], *, keep: bool) -> int:
    """The most bytes that archives of these sizes and their contents take at any time.

    JPEGs do not shrink in a zip, so an archive unpacks to about its own size. The exact sizes are
    at the end of an archive; they are checked after the download.
    """
    most = before = 0
    for size in sizes:
        most = max(most, before + 2 * size)
        before += 2 * size if keep else size
    return most
