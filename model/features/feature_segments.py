"""The files of a feature store: segments, which are added whole and never changed.

A segment is a header, an index (the SHA-256 and the checksum of each row), then the rows. Readers
see it under its name only when it is whole; what is damaged later, the checksums notice.
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

# Seconds after which a draft belongs to a writer that was killed: writing one takes moments.
STALE_SECONDS = 3600
# Begins every segment and goes into every store's name: another format needs another one.
MAGIC = b"DERMFEA1"


_SUFFIX = ".features"
_DRAFT = ".part"
# Magic, rows, bytes of a row; then the CRC-32 of both numbers and the index, and the index.
_HEADER = struct.Struct("<8sII")
_INDEX_START = _HEADER.size + 4
_ENTRY = np.dtype([("digest", "S32"), ("checksum", "<u4")])
# An entry, which file it is of, and where in it the row begins.
_PLACE = np.dtype([*_ENTRY.descr, ("file", "<u4"), ("offset", "<i8")])


class SegmentIndex:
    """Where the rows of all segments in `folder` lie; `damaged` are those that nobody can read."""

    def __init__(self, folder: Path, row_bytes: int) -> None:
        self._files: list[Path] = []
        self.damaged: list[Path] = []
        parts = [np.empty(0, _PLACE)]
        for path in sorted(_listed(folder, _SUFFIX), reverse=True):
            with suppress(OSError):  # cleared meanwhile
                entries = _read_index(path, row_bytes)
                if entries is None:
                    self.damaged.append(path)
                else:
                    parts.append(_places(entries, len(self._files), row_bytes))
                    self._files.append(path)
        places = np.concatenate(parts)
        self._places = places[np.argsort(places["digest"], kind="stable")]

    def __len__(self) -> int:
        """Images with rows, each of which may lie in several segments."""
        digests = self._places["digest"]
        return int(np.count_nonzero(digests[1:] != digests[:-1])) + bool(len(digests))

    def read(self, digest: str, row: Float32Array) -> bool:
        """Read the row of the image with this SHA-256 in hex; zero if there is no sound one."""
        wanted = bytes.fromhex(digest)
        digests, key = self._places["digest"], np.frombuffer(wanted, "S32")
        first, last = np.searchsorted(digests, key), np.searchsorted(digests, key, "right")
        # The newest first.
        if any(self._read_row(place, wanted, row) for place in self._places[first[0] : last[0]]):
            return True
        row.fill(0)
        return False

    def _read_row(self, place: np.void, digest: bytes, row: Float32Array) -> bool:
        """Read it if it is sound.

        A plain read and no memory map: under a map a bad sector or a file cut short is a SIGBUS,
        and a thousand segments are more open files than a process may have.
        """
        with suppress(OSError), self._files[place["file"]].open("rb", buffering=0) as file:
            file.seek(place["offset"])
            whole = file.readinto(row.data) == row.nbytes
            return whole and _checksum(digest, row) == int(place["checksum"])
        return False


def publish_segment(folder: Path, rows: Mapping[str, Float32Array], row_bytes: int) -> None:
    """Add rows of `row_bytes` each, by the SHA-256 of their images in hex, as one segment.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    # Readers go by name, the newest first: it replaces what was found damaged.
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}{_SUFFIX}"
    pairs = [(bytes.fromhex(digest), row) for digest, row in rows.items()]
    entries = np.array([(digest, _checksum(digest, row)) for digest, row in pairs], _ENTRY)
    header, index = _HEADER.pack(MAGIC, len(rows), row_bytes), entries.tobytes()
    data = (row.data for row in rows.values())
    # No fsync: what a power failure takes, the checksums notice.
    write_whole(folder / name, [header, _index_checksum(header, index), index, *data])


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file that is seen under its name only when it is whole.

    Raises:
        OSError: it cannot be written; nothing of it is left.
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
    """Remove segments that nobody can read, and drafts of writers that were killed."""
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
        # Judged before it is believed: a garbage count would ask for gigabytes.
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
    """CRC-32 of digest and row, so that no row passes for another image's.

    Against damage and not against forgery, which CRC-32 finds in a third of blake2b's time.
    """
    return zlib.crc32(row.data, zlib.crc32(digest))


def _listed(folder: Path, suffix: str) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.endswith(suffix)]
    except OSError:  # nothing kept yet, or nothing that can be read
        return []
