"""A quantised backbone's two files, taken out of a checkpoint without Keras.

So a worker that has kept the graph of the head needs no Keras to start again.
"""

import hashlib
import zipfile
from typing import IO, NamedTuple

from model.quantised.network_file import BIN, MAX_BIN, MAX_XML, XML, refuse_unsafe


class QuantisedNetwork(NamedTuple):
    """What OpenVINO reads of a network that makes features of `shape` of one image."""

    shape: tuple[int, ...]
    xml: bytes
    constants: bytes


def network_digest(xml: bytes, weights: bytes) -> str:
    """SHA-256 over the names and bytes of both files."""
    digest = hashlib.sha256()
    for name, data in ((XML, xml), (BIN, weights)):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def stored_network(file: IO[bytes], digest: str, shape: tuple[int, ...]) -> QuantisedNetwork | None:
    """The network of this digest in a .keras file; None if that does not hold it, and it alone.

    The file's entries were looked at before (`model.keras_archive.read_config`).

    Raises:
        CheckpointError: it contains something that no network of convolutions needs.
    """
    with zipfile.ZipFile(file) as archive:
        found = [_only(archive, name, most) for name, most in ((XML, MAX_XML), (BIN, MAX_BIN))]
    xml, constants = found
    if xml is None or constants is None or network_digest(xml, constants) != digest:
        return None
    refuse_unsafe(xml, len(constants))
    return QuantisedNetwork(shape, xml, constants)


def _only(archive: zipfile.ZipFile, name: str, most: int) -> bytes | None:
    """The one entry of this name, in whichever folder, if it is no longer than `most` bytes."""
    places = [info for info in archive.infolist() if info.filename.rpartition("/")[2] == name]
    if len(places) != 1:
        return None
    with archive.open(places[0]) as entry:
        data = entry.read(most + 1)
    return data if len(data) <= most else None
