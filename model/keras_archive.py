"""The inside of a .keras file, read without Keras and with bounds: anybody may have written it."""

import json
import struct
import zipfile
from pathlib import PurePosixPath
from typing import IO, Any

# All that a .keras file holds; Keras would also take weights in NumPy's format.
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_ENTRIES = (_CONFIG, "metadata.json", _WEIGHTS)
_ASSETS = "assets"

# Bytes. The largest network of keras.applications has a config of 2 MB; as Python objects JSON
# takes up to thirty times its size.
MAX_CONFIG = 8_000_000
# A listing of the entries takes several times its size in memory, too; a module has some dozens.
_MAX_LISTING = 1_000_000
# What unpacks to so many bytes, and to so many times its own, is a bomb; Keras draws the same line.
_BOMB_BYTES, _BOMB_RATIO = 1 << 28, 100

# The record at the end of an archive: after its mark at 12 the size of the listing, in four bytes.
_END = struct.Struct("<4s8xI4xH")
_END_MARK = b"PK\5\6"
_LONGEST_COMMENT = 0xFFFF


def read_config(file: IO[bytes]) -> dict[str, Any]:
    """The network's config out of a .keras file, which holds nothing that does not belong there.

    Raises:
        ValueError: says what is wrong with the archive, or with the config.
        zipfile.BadZipFile: it is no archive, or was cut short.
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
    """What the archive's end says of its listing, which zipfile would read without a bound."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _LONGEST_COMMENT - _END.size))
    tail = file.read()
    offset = tail.rfind(_END_MARK)
    if offset < 0 or offset + _END.size > len(tail):
        raise zipfile.BadZipFile
    listing: int = _END.unpack_from(tail, offset)[1]
    return listing  # of an archive with more than 4 GB of entries it is the largest number


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
    """The config; what the listing says of its size may be a lie."""
    with archive.open(_CONFIG) as entry:
        data = entry.read(MAX_CONFIG + 1)
    if len(data) > MAX_CONFIG:
        raise ValueError(f"its {_CONFIG} is longer than {MAX_CONFIG:,} bytes")
    return data
