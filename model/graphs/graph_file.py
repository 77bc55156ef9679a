"""The file of kept graphs: a digest, a header that says what they are, then the graphs.

It appears under its name only when it is whole (`write_whole`), and all of it is digested when it
is read, so that no part of another or a damaged file is ever run.
"""

import hashlib
import os
import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# Begins every file and is part of every key: what is made in another way needs another value.
MAGIC = b"DERMGRA1"
# The digest of all that follows it, and the length of the header.
_START = struct.Struct("<8s32sI")
_MOST_HEADER = 1_000_000


class UnusableGraphsError(Exception):
    """A file that is not used; the message says why, in words that follow its name at once."""


class MissingGraphsError(UnusableGraphsError):
    """Graphs that are not kept any more."""


class KeptGraph(NamedTuple):
    """A frozen graph as bytes of a GraphDef, with the names of its input and output.

    It maps `[n, *given]` to `[n, *shape]`.
    """

    data: bytes
    feed: str
    fetch: str
    given: tuple[int | None, ...]
    shape: tuple[int, ...]


class GraphKey(BaseModel):
    """Everything that kept graphs depend on.

    `digest` is that of a checkpoint's file, and `card` that of its model card; without a card it is
    that of a backbone. `given` is the shape of an image, `versions` those of all that takes part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    card: str | None
    given: tuple[int, ...]
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """The name of the file, without its ending."""
        return hashlib.sha256(MAGIC + self.model_dump_json().encode()).hexdigest()[:32]


class _Part(BaseModel):
    """What the header says of one graph: as `KeptGraph`, with the number of bytes instead."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(ge=0)
    feed: str
    fetch: str
    given: tuple[int | None, ...]
    shape: tuple[int, ...]


class Header(BaseModel):
    """What a file holds; `shares` is the digest of a backbone that has a file of its own."""

    model_config = ConfigDict(extra="forbid")

    key: GraphKey
    shares: str | None
    parts: dict[str, _Part]


class KeptGraphs(NamedTuple):
    """The graphs of a file by their names, and the digest of the backbone that they need."""

    graphs: Mapping[str, KeptGraph]
    shares: str | None = None


def packed(key: GraphKey, kept: KeptGraphs) -> list[bytes]:
    """The parts of a file."""
    parts = {
        name: _Part(size=len(graph.data), **_without_data(graph))
        for name, graph in kept.graphs.items()
    }
    header = Header(key=key, shares=kept.shares, parts=parts).model_dump_json().encode()
    data = [graph.data for graph in kept.graphs.values()]
    length = len(header).to_bytes(4, "little")
    return [MAGIC, _digest(length, header, *data), length, header, *data]


def read_graphs(path: Path, key: GraphKey) -> KeptGraphs:
    """The graphs of a file that was written whole, for this key.

    Raises:
        FileNotFoundError: there is none.
        UnusableGraphsError: it is damaged, belongs to a stranger, or is for another key.
        OSError: it cannot be read.
    """
    content = memoryview(_content(path))
    header, start = _header(content)
    if _digest(content[_START.size - 4 :]) != content[8:40]:
        raise UnusableGraphsError(" is damaged")
    if header.key != key:
        raise UnusableGraphsError(" is kept for something else")
    graphs = {}
    for name, part in header.parts.items():
        data = bytes(content[start : start + part.size])
        start += part.size
        graphs[name] = KeptGraph(data, part.feed, part.fetch, part.given, part.shape)
    return KeptGraphs(graphs, header.shares)


def read_header(path: Path) -> Header | None:
    """What a file says that it holds, unchecked; None if that cannot be read.

    Raises:
        FileNotFoundError: there is none.
    """
    try:
        with _opened(path) as file:
            return _header(memoryview(file.read(_START.size + _MOST_HEADER)))[0]
    except FileNotFoundError:
        raise
    except (OSError, UnusableGraphsError):
        return None


def _content(path: Path) -> bytes:
    with _opened(path) as file:
        content: bytes = file.read()
    return content


def _opened(path: Path) -> Any:  # noqa: ANN401 - a binary file
    """The file, if nobody can have written it who may not write what this program runs."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    status, folder = os.fstat(file.fileno()), path.parent.stat()
    is_shared = folder.st_mode & stat.S_ISGID and folder.st_gid in os.getgroups()
    is_ours = status.st_uid in (os.geteuid(), 0) or is_shared
    if not stat.S_ISREG(status.st_mode) or not is_ours or status.st_mode & stat.S_IWOTH:
        file.close()
        raise UnusableGraphsError(" is no file of this user, or everybody may write to it")
    return file


def _header(content: memoryview) -> tuple[Header, int]:
    """The header, and where the graphs begin."""
    if len(content) < _START.size:
        raise UnusableGraphsError(" is cut short")
    magic, _, length = _START.unpack_from(content)
    start = _START.size + length
    if magic != MAGIC or length > _MOST_HEADER or start > len(content):
        raise UnusableGraphsError(" is not one that this release has written")
    try:
        return Header.model_validate_json(bytes(content[_START.size : start])), start
    except ValidationError as error:
        raise UnusableGraphsError(" is damaged") from error


def _digest(*parts: bytes | memoryview) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def _without_data(graph: KeptGraph) -> dict[str, Any]:
    return {name: value for name, value in graph._asdict().items() if name != "data"}
