"""The folder of kept graphs, `graphs` in that of kept features. Needs no TensorFlow.

Any number of workers read and write it at once without a lock: a file appears whole, and is never
changed. What cannot be used is made again; what cannot be written costs time and nothing else.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from base.disk import reason_of
from base.permissions import make_folder
from model.features.feature_segments import sweep, write_whole
from model.graphs.graph_file import (
    GraphKey,
    Header,
    KeptGraphs,
    UnusableGraphsError,
    packed,
    read_graphs,
    read_header,
)

FOLDER = "graphs"
_SUFFIX = ".graphs"
# The files used last stay, as many as fit: forty of an InceptionV3's size.
MOST_BYTES = 4_000_000_000


class StoredFile(NamedTuple):
    """A file of kept graphs: what it holds, its bytes and time of use; no header if damaged."""

    path: Path
    header: Header | None
    size: int
    last_used: float


class GraphStore:
    """Reads and writes kept graphs; `warn` is told what cannot be used, and once what cannot be."""

    def __init__(self, features: Path, warn: Callable[[str], None]) -> None:
        self.folder = features / FOLDER
        self._warn = warn
        self._failed = False

    def get(self, key: GraphKey) -> KeptGraphs | None:
        """The graphs of this key, if they are kept and whole."""
        if self._failed:
            return None
        path = self._path(key)
        try:
            found = read_graphs(path, key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnusableGraphsError as error:
            self.discard(key, str(error))
            return None
        except OSError as error:
            self._fail("read", error)
            return None
        with suppress(OSError):  # by this time the oldest is removed first
            os.utime(path)
        return found

    def discard(self, key: GraphKey, why: str) -> None:
        """Tell why a file is not used, in words that follow its name, and remove it."""
        self._warn(f"{self._path(key)}{why}: it is not used, and made again")
        self.remove(key)

    def remove(self, key: GraphKey) -> None:
        """Remove a file; where that fails, it stays and is told again."""
        with suppress(OSError):
            self._path(key).unlink()

    def has(self, key: GraphKey) -> bool:
        """Whether there is a file of this key; only reading it shows whether it can be used."""
        return self._path(key).is_file()

    def keep(self, key: GraphKey, kept: KeptGraphs) -> None:
        """Keep graphs; the first failure to write them is told, and ends the keeping."""
        if self._failed:
            return
        path = self._path(key)
        try:
            make_folder(self.folder)
            write_whole(path, packed(key, kept))
        except OSError as error:
            self._fail("kept", error)
            return
        sweep(self.folder, ())
        self._remove_oldest(path)

    def _fail(self, what: str, error: OSError) -> None:
        self._failed = True
        self._warn(
            f"graphs cannot be {what} in {self.folder}: {reason_of(error)}; scoring goes on without"
        )

    def _path(self, key: GraphKey) -> Path:
        return self.folder / f"{key.name}{_SUFFIX}"

    def _remove_oldest(self, newest: Path) -> None:
        held = 0
        for file in sorted(stored_files(self.folder), key=lambda file: -file.last_used):
            held += file.size
            if held > MOST_BYTES and file.path != newest:
                with suppress(OSError):
                    file.path.unlink()


def stored_files(folder: Path) -> Iterator[StoredFile]:
    """The files of kept graphs in `folder`, by name.

    Raises:
        OSError: the folder cannot be read.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with suppress(FileNotFoundError):  # another worker has just removed it
            status = path.stat()
            yield StoredFile(path, read_header(path), status.st_size, status.st_mtime)
