"""The kept graphs of checkpoints, as `trainer cache` lists and deletes them."""

from pathlib import Path

import click

from model.graphs.graph_file import Header
from model.graphs.graph_store import FOLDER, StoredFile, stored_files


def cached_graphs(features: Path, backbone: str | None = None) -> list[StoredFile]:
    """The files of kept graphs beside the features, or those that hold or need a backbone.

    Raises:
        click.ClickException: the folder cannot be read.
    """
    folder = features / FOLDER
    try:
        files = list(stored_files(folder))
    except OSError as error:
        raise click.ClickException(f"{folder}: {error.strerror}") from error
    return [file for file in files if backbone is None or _is_of(file.header, backbone.lower())]


def summary(files: list[StoredFile]) -> str:
    """How many there are, and how large."""
    checkpoints = sum(
        file.header is not None and file.header.key.card is not None for file in files
    )
    size = sum(file.size for file in files)
    of = f"{checkpoints} checkpoint{'' if checkpoints == 1 else 's'}"
    return f"graphs of {of} in {len(files)} files, {size / 1e6:,.1f} MB,"


def remove(files: list[StoredFile]) -> None:
    """Delete files; a worker that reads one meanwhile keeps what it has.

    Raises:
        click.ClickException: one cannot be deleted.
    """
    for file in files:
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            raise click.ClickException(
                f"{file.path} cannot be deleted: {error.strerror}"
            ) from error


def _is_of(header: Header | None, backbone: str) -> bool:
    if header is None:
        return False
    digests = [header.shares, header.key.digest if header.key.card is None else None]
    return any(digest is not None and digest.startswith(backbone) for digest in digests)
