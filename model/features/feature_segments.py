"""The files of a feature store: segments, which are added whole and never changed.

A segment is a header, an index (the SHA-256 and the checksum of each row), then the rows. Readers
see it under its name only when it is whole; later damage is found by the checksums.

The format is our own because each row is read, and checked, by itself. As Parquet, one row to a row
group and with page checksums, 10,240 rows took twice the processor time to write, and two pages
that change places are read as each other's rows; in a file of three rows, 263 of 728 bytes, of the
footer and the page headers, can change unnoticed. Arrow IPC files have no checksums, and SQLite has
none unless it is built with them.
"""

import secrets
import struct
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from base.arrays import Float32Array
from base.permissions import take_over

# A draft older than this many seconds belongs to a killed writer: writing one takes moments.
STALE_SECONDS = 3600
# Begins every segment and is part of every store's name: another format needs another value.
MAGIC = b"DERMFEA1"


_SUFFIX = ".features"
_DRAFT = ".part"
# Magic, rows, bytes of a row; then the CRC-32 of both numbers and the index, and the index.
_HEADER = struct.Struct("<8sII")
_INDEX_START = _HEADER.size + 4
_ENTRY = np.dtype([("digest", "S32"), ("checksum", "<u4")])
# An entry, the file it belongs to, and the offset of its row in it.
_PLACE = np.dtype([*_ENTRY.descr, ("file", "<u4"), ("offset", "<i8")])


class SegmentIndex:
    """The places of the rows of all segments in `folder`; `damaged` are unreadable segments."""

    def __init__(self, folder: Path, row_bytes: int) -> None:
        self._files: list[Path] = []
        self.damaged: list[Path] = []
        parts = [np.empty(0, _PLACE)]
        for path in sorted(_listed(folder, _SUFFIX), reverse=True):
            with suppress(OSError):  # it was cleared meanwhile
                entries = _read_index(path, row_bytes)
                if entries is None:
                    self.damaged.append(path)
                else:
                    parts.append(_places(entries, len(self._files), row_bytes))
                    self._files.append(path)
        places = np.concatenate(parts)
        self._places = places[np.argsort(places["digest"], kind="stable")]

    def __len__(self) -> int:
        """The number of images with rows; an image may be in several segments."""
        digests = self._places["digest"]
        return int(np.count_nonzero(digests[1:] != digests[:-1])) + bool(len(digests))

    def read(self, digest: str, row: Float32Array) -> bool:
        """Read the row of the image with this SHA-256 in hex; zero if there is no intact row."""
        wanted = bytes.fromhex(digest)
        digests, key = self._places["digest"], np.frombuffer(wanted, "S32")
        first, last = np.searchsorted(digests, key), np.searchsorted(digests, key, "right")
        # The newest first.
        if any(self._read_row(place, wanted, row) for place in self._places[first[0] : last[0]]):
            return True
        row.fill(0)
        return False

    def _read_row(self, place: np.void, digest: bytes, row: Float32Array) -> bool:
        """Read the row if it is intact.

        This is a plain read and not a memory map: with a map, a bad sector or a truncated file is a
        SIGBUS, and a thousand segments are more open files than a process may have.
        """
        with suppress(OSError), self._files[place["file"]].open("rb", buffering=0) as file:
            file.seek(place["offset"])
            whole = file.readinto(row.data) == row.nbytes
            return whole and _checksum(digest, row) == int(place["checksum"])
        return False


def publish_segment(folder: Path, rows: Mapping[str, Float32Array], row_bytes: int) -> None:
    """Add rows of `row_bytes` each, by the SHA-256 of their images in hex, as one segment.

    Raises:
        OSError: it cannot be written; no part of it is left.
    """
    # Readers go by name, newest first, so it replaces rows that were found damaged.
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}{_SUFFIX}"
    pairs = [(bytes.fromhex(digest), row) for digest, row in rows.items()]
    entries = np.array([(digest, _checksum(digest, row)) for digest, row in pairs], _ENTRY)
    header, index = _HEADER.pack(MAGIC, len(rows), row_bytes), entries.tobytes()
    data = (row.data for row in rows.values())
    # No fsync: the checksums find what a power failure destroys.
    write_whole(folder / name, [header, _index_checksum(header, index), index, *data])


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file that gets its name only when it is whole.

    Raises:
        OSError: it cannot be written; no part of it is left.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_DRAFT}")
    try:
        with draft.open("wb") as file:
            file.writelines(parts)
        take_over(draft, path)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sweep(folder: Path, damaged: Iterable[Path]) -> None:
    """Remove unreadable segments, and drafts of killed writers."""
    for path in (*damaged, *_listed(folder, _DRAFT)):
        with suppress(OSError):
            stale = time.time() - path.stat().st_mtime > STALE_SECONDS
            if stale or not path.name.endswith(_DRAFT):
                path.unlink()


def _read_index(path: Path, row_bytes: int) -> npt.NDArray[Any] | None:
    """The index of a segment; none if it is damaged."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        magic, count, size = _HEADER.unpack(header)
        # Checked before it is used: a damaged count could ask for gigabytes.
        if magic != MAGIC or size != row_bytes or _data_start(count) > path.stat().st_size:
            return None
        checksum, index = file.read(4), file.read(count * _ENTRY.itemsize)
    return np.frombuffer(index, _ENTRY) if checksum == _index_checksum(header, index) else None


def _places(entries: npt.NDArray[Any], file: int, row_bytes: int) -> npt.NDArray[Any]:
    places = np.empty(len(entries), _PLACE)
    places[list(_ENTRY.names or ())] = entries
    places["file"] = file
    places["offset"] = _data_start(len(entries)) + row_bytes * np.arange(len(entries))
    return places


def _data_start(count: int) -> int:
    """Bytes before the first row of a segment of `count` rows."""
    return _INDEX_START + count * _ENTRY.itemsize


def _index_checksum(header: bytes, index: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(index, zlib.crc32(header[len(MAGIC) :])))


def _checksum(digest: bytes, row: Float32Array) -> int:
    """CRC-32 of digest and row, so that no row is taken for another image's.

    It protects against damage, not against forgery, in a third of the time of blake2b.
    """
    return zlib.crc32(row.data, zlib.crc32(digest))


def _listed(folder: Path, suffix: str) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.endswith(suffix)]
    except OSError:  # nothing is kept yet, or it cannot be read
        return []
