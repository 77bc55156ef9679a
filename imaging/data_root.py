"""`DATA_ROOT`, read in one place for producer, worker and trainer."""

from pathlib import Path

from base.settings import read_settings
from imaging.errors import SourceError
from imaging.stores.object_store import Store, is_address, open_store

# The place of all images: a folder, or an address in an object store.
Root = Path | Store


def data_root() -> Root:
    """The data root.

    Raises:
        SourceError: `DATA_ROOT` is not a folder, or is an address that cannot be used.
    """
    setting = read_settings().data_root
    if is_address(setting):
        return open_store(setting)
    root = Path(setting)
    if not root.is_dir():
        where = "" if root.is_absolute() else f" ({root.absolute()})"
        raise SourceError(f"DATA_ROOT={root} is not a folder{where}")
    return root


def data_folder() -> Path:
    """The data root for a command that can only read folders.

    Raises:
        SourceError: `DATA_ROOT` is not a folder.
    """
    root = data_root()
    if isinstance(root, Store):
        raise SourceError(f"DATA_ROOT={root}: training reads folders; copy the images to one")
    return root
