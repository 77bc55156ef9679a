"""The files of a feature store: segments, which are added whole and never changed.

A segment is a header, an index (the SHA-256 and the checksum of each row), then the rows. Readers
see it under its name only when it is whole; what is damaged later, the checksums notice.
"""

import secrets
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from base.permissions import take_over

# Seconds after which a draft belongs to a writer that was killed: writing one takes moments.
STALE_SECONDS = 3600
# Begins every segment and goes into every store's name: another format needs another one.
MAGIC = b"DERMFEA1"

Floats = npt.NDArray[np.float32]

_SUFFIX = ".features"
_DRAFT = ".part"
# Magic, rows, bytes of a row, CRC-32 of both numbers and the index.
_HEADER = struct.Struct("<8sIII")
_COUNTS = struct.Struct("<II")
_ENTRY = np.dtype([("digest", "<u8", 4), ("checksum", "<u4")])


class SegmentIndex:
    """Where the rows of all segments in `folder` lie, sorted by `prefixes`.

    `prefixes` are the first eight bytes of each digest; `damaged` lists the segments that nobody
    can read.
    """

    def __init__(self, folder: Path, row_bytes: int) -> None:
        self._files: list[Path] = []
        self.damaged: list[Path] = []
        parts = [np.empty(0, _ENTRY)]
        for path in sorted(_listed(folder, _SUFFIX), reverse=True):
            with suppress(OSError):  # cleared meanwhile
                entries = _read_index(path, row_bytes)
                if entries is None:
                    self.damaged.append(path)
                else:
                    self._files.append(path)
                    parts.append(entries)
        self._arrange(np.concatenate(parts), [len(part) for part in parts[1:]], row_bytes)

    def _arrange(self, entries: npt.NDArray[Any], counts: list[int], row_bytes: int) -> None:
        order = np.argsort(entries["digest"][:, 0], kind="stable")
        self._digests = np.ascontiguousarray(entries["digest"][order])
        self._checksums = entries["checksum"][order]
        self.prefixes = np.ascontiguousarray(self._digests[:, 0])
        self._file = np.repeat(np.arange(len(counts), dtype=np.int32), counts)[order]
        offsets = [_data_start(count) + row_bytes * np.arange(count) for count in counts]
        self._offset = np.concatenate([np.empty(0, np.int64), *offsets])[order]

    def begins(
        self, at: npt.NDArray[np.intp], prefixes: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.bool_]:
        """Whether the entries `at` `[k]` exist and have these first eight bytes `[k]`."""
        inside = at < len(self.prefixes)
        inside[inside] = self.prefixes[at[inside]] == prefixes[inside]
        return inside

    def read(
        self, at: npt.NDArray[np.intp], digests: npt.NDArray[np.uint64], rows: list[Floats]
    ) -> npt.NDArray[np.bool_]:
        """Read the entries `at` `[k]` into `rows` if they are sound; which `[k]` were.

        Plain reads and no memory map: under a map a bad sector or a file cut short is a SIGBUS, and
        a thousand segments are more open files than a process may have.
        """
        sound = np.zeros(len(at), np.bool_)
        same = (self._digests[at] == digests).all(axis=1)
        files = self._file[at]
        for number in np.unique(files[same]):
            with suppress(OSError), self._files[number].open("rb", buffering=0) as file:
                for one in np.flatnonzero(same & (files == number)):
                    sound[one] = self._read_row(file, at[one], rows[int(one)])
        return sound

    def _read_row(self, file: FileIO, entry: np.intp, row: Floats) -> bool:
        file.seek(self._offset[entry])
        whole = file.readinto(row.data) == row.nbytes
        return whole and _checksum(self._digests[entry], row) == self._checksums[entry]


def publish_segment(folder: Path, rows: Mapping[str, Floats], row_bytes: int) -> None:
    """Add rows of `row_bytes` each, by the SHA-256 of their images in hex, as one segment.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    # Readers go by name, the newest first: it replaces what was found damaged.
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}{_SUFFIX}"
    # No fsync: what a power failure takes, the checksums notice.
    write_whole(folder / name, _segment(rows, row_bytes))


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


def digest_words(digests: Sequence[str]) -> npt.NDArray[np.uint64]:
    """SHA-256 digests in hex as `[n, 4]`, the first eight bytes of each in the first column."""
    return np.frombuffer(bytes.fromhex("".join(digests)), "<u8").reshape(len(digests), 4)


def _read_index(path: Path, row_bytes: int) -> npt.NDArray[Any] | None:
    """The index of a segment; none if it is damaged."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        magic, count, size, checksum = _HEADER.unpack(header)
        # Judged before it is believed: a garbage count would ask for gigabytes.
        if magic != MAGIC or size != row_bytes or _data_start(count) > path.stat().st_size:
            return None
        index = file.read(count * _ENTRY.itemsize)
    sound = zlib.crc32(index, zlib.crc32(_COUNTS.pack(count, size))) == checksum
    return np.frombuffer(index, _ENTRY) if sound else None


def _segment(rows: Mapping[str, Floats], row_bytes: int) -> Iterator[bytes | memoryview]:
    entries = np.empty(len(rows), _ENTRY)
    entries["digest"] = digest_words(list(rows))
    pairs = zip(digest_words(list(rows)), rows.values(), strict=True)
    entries["checksum"] = [_checksum(digest, row) for digest, row in pairs]
    index, counts = entries.tobytes(), _COUNTS.pack(len(rows), row_bytes)
    yield _HEADER.pack(MAGIC, len(rows), row_bytes, zlib.crc32(index, zlib.crc32(counts)))
    yield index
    yield from (row.data for row in rows.values())


def _data_start(count: int) -> int:
    """Bytes before the first row of a segment of `count` rows."""
    return _HEADER.size + count * _ENTRY.itemsize


def _checksum(digest: npt.NDArray[np.uint64], row: Floats) -> int:
    """CRC-32 of digest and row, so that no row passes for another image's.

    Against damage and not against forgery, which CRC-32 finds in a third of blake2b's time.
    """
    return zlib.crc32(row.data, zlib.crc32(digest.data))


def _listed(folder: Path, suffix: str) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.endswith(suffix)]
    except OSError:  # nothing kept yet, or nothing that can be read
        return []
