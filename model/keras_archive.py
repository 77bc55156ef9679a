"""Reads a .keras file without Keras and within bounds: anybody may have written it."""

import json
import struct
import zipfile
from pathlib import PurePosixPath
from typing import IO, Any

# Everything that a .keras file contains; Keras would also accept weights in NumPy's format.
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_ENTRIES = (_CONFIG, "metadata.json", _WEIGHTS)
_ASSETS = "assets"

# Bytes. The largest network of keras.applications has a config of 2 MB; as Python objects JSON
# takes up to thirty times its size.
MAX_CONFIG = 8_000_000
# A listing of the entries takes several times its size in memory, too; a module has some dozens.
_MAX_LISTING = 1_000_000
# An entry that unpacks to so many bytes, and so many times its size, is a bomb, also for Keras.
_BOMB_BYTES, _BOMB_RATIO = 1 << 28, 100

# The record at the end of an archive: the size of the listing is at 12, in four bytes.
_END = struct.Struct("<4s8xI4xH")
_END_MARK = b"PK\5\6"
_LONGEST_COMMENT = 0xFFFF


def read_config(file: IO[bytes]) -> dict[str, Any]:
    """The network's config from a .keras file that contains nothing unexpected.

    Raises:
        ValueError: something is wrong with the archive or with the config; the message says what.
        zipfile.BadZipFile: it is not an archive, or is truncated.
    """
    if _listing_size(file) > _MAX_LISTING:
        raise ValueError("its archive lists more entries than a network has")
    with zipfile.ZipFile(file) as archive:
        _refuse_other_entries(archive)
        data = _read_bounded(archive)
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {_CONFIG} is not JSON: {str(error)[:100]}") from error
    if not isinstance(config, dict):
        raise ValueError(f"its {_CONFIG} describes no network")  # noqa: TRY004 - one kind for all
    return config


def _listing_size(file: IO[bytes]) -> int:
    """The size of the archive's listing, which zipfile would read without a limit."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _LONGEST_COMMENT - _END.size))
    tail = file.read()
    offset = tail.rfind(_END_MARK)
    if offset < 0 or offset + _END.size > len(tail):
        raise zipfile.BadZipFile
    listing: int = _END.unpack_from(tail, offset)[1]
    return listing  # in an archive with more than 4 GB of entries it is the largest number


def _refuse_other_entries(archive: zipfile.ZipFile) -> None:
    names = archive.namelist()
    for info in archive.infolist():
        name, parts = info.filename, PurePosixPath(info.filename).parts
        if name not in _ENTRIES and (parts[:1] != (_ASSETS,) or ".." in parts):
            raise ValueError(f"it holds {name[:200]!r}, which does not belong in a .keras file")
        if info.file_size > max(_BOMB_BYTES, _BOMB_RATIO * info.compress_size):
            raise ValueError(f"its {name[:200]!r} unpacks to {info.file_size:,} bytes, like a bomb")
    for name in (_CONFIG, _WEIGHTS):
        if names.count(name) != 1:
            raise ValueError(f"it holds {names.count(name) or 'no'} {name}, where one belongs")


def _read_bounded(archive: zipfile.ZipFile) -> bytes:
    """The config; its size in the listing may be false."""
    with archive.open(_CONFIG) as entry:
        data = entry.read(MAX_CONFIG + 1)
    if len(data) > MAX_CONFIG:
        raise ValueError(f"its {_CONFIG} is longer than {MAX_CONFIG:,} bytes")
    return data
