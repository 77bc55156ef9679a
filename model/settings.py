"""`DATA_ROOT`, read in one place for producer, worker and trainer."""

from pathlib import Path

from pydantic_settings import BaseSettings

from model.errors import SourceError


class DataSettings(BaseSettings):
    """The folder that all images lie under; stored paths are relative to it."""

    data_root: Path = Path()


def data_root() -> Path:
    """The data root.

    Raises:
        SourceError: `DATA_ROOT` names no folder.
    """
    root = DataSettings().data_root
    if not root.is_dir():
        raise SourceError(f"DATA_ROOT={root} is not a folder")
    return root
