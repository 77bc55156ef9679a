"""Names under which sources and images are stored: relative to the data root."""

import os
from pathlib import Path, PurePosixPath

from base.console.foreign import shown
from imaging.data_root import Root
from imaging.errors import SourceError
from imaging.filenames import spelled_back, storable
from imaging.stores.object_store import Store


def source_key(source: str, root: Root) -> str:
    """The name under which a source is stored: relative to `root` if it is inside.

    A name that is not UTF-8 cannot be stored as it is: its bytes are escaped.
    """
    if isinstance(root, Store):
        # A manifest is a file on this machine, even if its images are elsewhere.
        here = Path(source)
        return storable(str(here.absolute())) if here.is_file() else root.key(source, source)
    return storable(_relative(source, root))


def image_key(path: str, root: Path, where: str) -> str:
    """The stored name of the image at `path`.

    Raises:
        SourceError: it is outside `root`, or another file has the same stored name.
    """
    return stored_name(inside(path, root, where), root)


def inside(path: str, root: Path, where: str) -> str:
    """`path` relative to `root`, with / between its parts, not yet escaped.

    Raises:
        SourceError: it is outside.
    """
    name = _relative(path, root)
    if PurePosixPath(name).is_absolute():
        raise SourceError(
            f"{where}: {shown(storable(name))} lies outside DATA_ROOT ({root.resolve()}); "
            "set DATA_ROOT to a folder that holds all images, here and for the workers"
        )
    return name


def stored_name(name: str, root: Path) -> str:
    """A name relative to `root` as it is stored.

    Raises:
        SourceError: another file has the same stored name, so that one of them would be lost.
    """
    key = storable(name)
    spelled = spelled_back(key) if "\\" in key else None
    if spelled is not None and all(os.path.lexists(root / each) for each in (key, spelled)):
        raise SourceError(
            f"{PurePosixPath(name).parent}: two files are called {shown(key)}, one of them in "
            "bytes that are not UTF-8: rename one"
        )
    return key


def _relative(name: str, root: Path) -> str:
    path = Path(os.path.abspath(name))  # noqa: PTH100 - keeps symlinks, unlike resolve
    top = Path(os.path.abspath(root))  # noqa: PTH100
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)
