"""`DATA_ROOT`, read in one place for producer, worker and trainer."""

from pathlib import Path

from pydantic_settings import BaseSettings

from model.errors import SourceError
from model.stores import Store, is_address, open_store

# What all images lie under: a folder, or an address in an object store.
Root = Path | Store


class DataSettings(BaseSettings):
    """The folder or address that all images lie under; stored paths are relative to it."""

    data_root: str = ""


def data_root() -> Root:
    """The data root.

    Raises:
        SourceError: `DATA_ROOT` names no folder, or an address that cannot be used.
    """
    setting = DataSettings().data_root
    if is_address(setting):
        return open_store(setting)
    root = Path(setting)
    if not root.is_dir():
        raise SourceError(f"DATA_ROOT={root} is not a folder")
    return root


def data_folder() -> Path:
    """The data root of a command that reads folders alone.

    Raises:
        SourceError: `DATA_ROOT` names no folder.
    """
    root = data_root()
    if isinstance(root, Store):
        raise SourceError(f"DATA_ROOT={root}: training reads folders; copy the images to one")
    return root
