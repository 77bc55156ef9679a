"""What `trainer cache` does: list and delete cached features and kept graphs."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from base.console.foreign import for_terminal
from base.console.telling import tell
from model.card import LATER_SETTINGS
from model.features.feature_cache import KEY_FILE, FeatureKey, FeatureStore, feature_folder
from model.graphs.graph_store import FOLDER
from trainer.cached_graphs import cached_graphs, remove, summary

_STORE = re.compile(r"[0-9a-f]{32}")
_CLEARING = ".clearing-"


class CachedStore(NamedTuple):
    """A store on disk: its images, bytes and time of use; no key if the key file is damaged."""

    path: Path
    key: FeatureKey | None
    images: int
    size: int
    last_used: float


def list_cache() -> None:
    """List cached features by backbone, decode settings and variant, and sum up kept graphs."""
    folder = feature_folder()
    stores, graphs = list(cached_stores(folder)), cached_graphs(folder)
    if stores:
        _print_table(stores)
        tell(f"{_summary(stores)} in {folder}")
    else:
        tell(f"no features are cached in {folder}")
    if graphs:
        tell(f"{summary(graphs)} in {folder / FOLDER}")


def clear_cache(backbone: str | None, *, sure: bool) -> None:
    """Delete features and graphs of the backbone whose digest starts with `backbone`, or all."""
    folder = feature_folder()
    stores = [store for store in cached_stores(folder) if _is_of(store, backbone)]
    graphs = cached_graphs(folder, backbone)
    if not stores and not graphs:
        of_backbone = "" if backbone is None else f" of backbone {backbone}"
        tell(f"no features{of_backbone} are cached in {folder}")
        return
    if not sure:
        found = [_summary(stores)] if stores else []
        named = " ".join([*found, *([summary(graphs)] if graphs else [])])
        click.confirm(for_terminal(f"delete {named} in {folder}?"), abort=True)
    remove(graphs)
    for store in stores:
        _remove(store.path)
    for left in folder.glob(f"{_CLEARING}*"):  # left by an interrupted clear
        shutil.rmtree(left, ignore_errors=True)
    sizes = [*(store.size for store in stores), *(file.size for file in graphs)]
    tell(f"freed {_megabytes(sum(sizes))}")


def cached_stores(folder: Path) -> Iterator[CachedStore]:
    """The stores in `folder`, by name.

    Raises:
        click.ClickException: the folder cannot be read.
    """
    try:
        found = sorted(
            path for path in folder.iterdir() if _STORE.fullmatch(path.name) and path.is_dir()
        )
    except FileNotFoundError:
        return
    except OSError as error:
        raise click.ClickException(f"{folder}: {error.strerror}") from error
    for path in found:
        with suppress(FileNotFoundError):  # deleted in the meantime
            yield _cached_store(path)


def _cached_store(path: Path) -> CachedStore:
    try:
        key = FeatureKey.model_validate_json((path / KEY_FILE).read_bytes())
    except (OSError, ValidationError):
        key = None
    if key is not None and key.name != path.name:  # renamed by hand, or from another version
        key = None
    images = len(FeatureStore(path.parent, key)) if key else 0
    statuses = list(_statuses(path))
    size = sum(status.st_size for status in statuses)
    return CachedStore(path, key, images, size, max(status.st_mtime for status in statuses))


def _statuses(path: Path) -> Iterator[os.stat_result]:
    yield path.stat()
    for file in path.iterdir():
        with suppress(FileNotFoundError):  # a draft that was just renamed
            yield file.stat()


def _is_of(store: CachedStore, backbone: str | None) -> bool:
    if backbone is None:
        return True
    return store.key is not None and store.key.backbone.startswith(backbone.lower())


def _print_table(stores: list[CachedStore]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # so that a log wraps no column
    table = Table("backbone", "decode", "variant", "last used", box=None, pad_edge=False)
    table.add_column("images", justify="right")
    table.add_column("size", justify="right")
    for store in stores:
        table.add_row(*(Text(for_terminal(cell)) for cell in _cells(store)))
    console.print(table)


def _cells(store: CachedStore) -> list[str]:
    used = datetime.fromtimestamp(store.last_used).astimezone().strftime("%Y-%m-%d %H:%M")
    ends = [used, str(store.images), _megabytes(store.size)]
    if store.key is None:
        return ["damaged", "", "", *ends]
    decode = store.key.decode
    settings = f"{decode.height}x{decode.width}, DCT {decode.dct_method or 'default'}"
    if decode.ratio > 1:
        settings += f", ratio {decode.ratio}"
    for name, value in decode.model_dump().items():
        if name in LATER_SETTINGS:  # without those that are not changed
            settings += f", {name}" if value is True else f", {name} {value}"
    return [store.key.backbone[:12], settings, store.key.variant or "none", *ends]


def _summary(stores: list[CachedStore]) -> str:
    images = sum(store.images for store in stores)
    return f"features of {images} images, {_megabytes(sum(store.size for store in stores))},"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _remove(path: Path) -> None:
    """Delete a store; rename it first, because a training may be writing to it."""
    aside = path.with_name(_CLEARING + path.name)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be deleted: {error.strerror}") from error
