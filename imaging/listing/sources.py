"""Folders, globs and manifests as a stream of images with their labels. Needs no TensorFlow.

Producer and trainer both use it, so that a class folder means the same to both.
"""

import glob
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from base.console.foreign import shown
from base.listed_image import ListedImage
from imaging.data_root import Root
from imaging.errors import SourceError
from imaging.listing.absent_reasons import likely_reason
from imaging.listing.archives import refuse_archive
from imaging.listing.class_folders import ClassFolders, ClassPaths
from imaging.listing.image_signs import (
    IMAGE_SUFFIXES,
    begins_like_image,
    has_image_ending,
)
from imaging.listing.labels import LABELS
from imaging.listing.manifest import read_manifest
from imaging.listing.selection import SelectedPaths, Selection
from imaging.listing.stored_keys import image_key
from imaging.listing.tables.image_index import ImageIndex
from imaging.listing.tables.manifest_options import PLAIN, ManifestOptions
from imaging.listing.walking import FolderWalk, LinkCheck, list_glob
from imaging.stores.object_store import Store, is_address


def list_source(
    source: str,
    root: Root,
    labels: Mapping[str, int | None] = LABELS,
    options: ManifestOptions = PLAIN,
    selection: Selection | None = None,
) -> Iterator[ListedImage]:
    """Stream the images of `source`, a folder, an image, a glob, a CSV manifest or `-`, in order.

    Raises:
        SourceError: it does not exist, is outside `root`, or lists no images or ambiguous ones.
    """
    given = options.given()
    if given and source != "-" and not is_manifest(Path(source)):
        raise SourceError(f"{source}: {given} needs a CSV manifest, and there is none of this name")
    selection = selection or Selection()
    try:
        listed = _dispatch(source, root, labels, options, selection)
        first = next(listed, None)
    except OSError as error:  # such as an unreadable folder, or a name that is too long
        raise SourceError(f"{source}: {error.strerror}") from error
    if first is None:
        besides = "".join(f"; {line}" for line in selection.lines())
        if source == "-" or is_manifest(Path(source)):
            why = ": there is no row below its header"
        else:
            why = f" ({' '.join(sorted(IMAGE_SUFFIXES))})"
        raise SourceError(f"{source} lists no images{why}{besides}")
    yield first
    yield from listed


def _dispatch(
    source: str,
    root: Root,
    labels: Mapping[str, int | None],
    options: ManifestOptions,
    selection: Selection,
) -> Iterator[ListedImage]:
    path = Path(source)
    if not path.is_dir():
        refuse_archive(source)
    if source != "-" and not is_manifest(path):
        return _of_folders(source, root, ClassFolders(labels), selection)
    selection.require_matches(source)  # patterns are for folders
    if source == "-":
        return _rows(sys.stdin.buffer, "standard input", root, labels, options)
    return _manifest(path, root, labels, options)


def is_manifest(path: Path) -> bool:
    """Whether it is to be read as CSV; it may be a pipe."""
    return path.exists() and not path.is_dir() and not _is_image(path)


def _is_image(path: Path) -> bool:
    """Whether a file is an image; one that may not be read is taken for a manifest."""
    if has_image_ending(path.name):
        return path.is_file()
    return os.access(path, os.R_OK) and begins_like_image(str(path))


def _of_folders(
    source: str, root: Root, classes: ClassFolders, selection: Selection
) -> Iterator[ListedImage]:
    """List a folder, a glob or an image; what a person named must be found in it."""
    yield from _found(source, root, classes, selection)
    classes.require_found(selection.given, source)
    selection.require_matches(source)


def _found(
    source: str, root: Root, classes: ClassFolders, selection: Selection
) -> Iterator[ListedImage]:
    path = Path(source)
    if isinstance(root, Store):
        return _stored(source, root, classes, selection)
    if is_address(source):
        raise SourceError(_no_store(source, source, root))
    if path.is_dir():
        return FolderWalk(root, classes, selection).images(str(path))
    if path.exists():
        LinkCheck(root).real(source)
        return iter([ListedImage(image_key(source, root, source), None)])
    if glob.has_magic(source):
        return list_glob(source, root, classes, selection)
    raise SourceError(f"{source}: there is no such folder, manifest or image")


def _stored(
    source: str, store: Store, classes: ClassFolders, selection: Selection
) -> Iterator[ListedImage]:
    """List an address, or a path relative to the store, like a folder, by the endings of names."""
    top = store.key(source, source)
    under = "" if top == "." else f"{top}/"
    keys = store.list(top)
    if not keys:
        raise SourceError(f"{source}: there is nothing of that name under DATA_ROOT ({store})")
    selected = SelectedPaths(selection)
    inner = (key.removeprefix(under) for key in keys)
    listed = [path for path in inner if not selected.omits(path) and _is_named(path, selection)]
    folders = {path.rpartition("/")[0] for path in listed}
    places = ClassPaths(classes, folders, source.rstrip("/"))
    for path in listed:
        place = places.place(path.rpartition("/")[0])
        if place.fault:
            raise SourceError(place.fault)
        yield ListedImage(under + path, place.label)


def _is_named(path: str, selection: Selection) -> bool:
    """Whether the name of an object is that of an image; others are counted."""
    if has_image_ending(path.rpartition("/")[2]):
        return True
    selection.pass_over(path)
    return False


def _manifest(
    path: Path, root: Root, labels: Mapping[str, int | None], options: ManifestOptions
) -> Iterator[ListedImage]:
    try:
        with path.open("rb") as file:
            yield from _rows(file, str(path), root, labels, options)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error


def _rows(
    file: BinaryIO,
    name: str,
    root: Root,
    labels: Mapping[str, int | None],
    options: ManifestOptions,
) -> Iterator[ListedImage]:
    """Rows of a manifest; its relative paths are relative to the data root."""
    index = _index(options.images, root)
    for row in read_manifest(file, name, options, labels, index):
        plain = isinstance(root, Path) and _is_plain(row.path)
        yield row if plain else row._replace(path=_placed(row.path, root, row.where))


def _index(folders: tuple[str, ...], root: Root) -> ImageIndex | None:
    """The images of the folders in which ids are looked up; None without any folder."""
    if not folders:
        return None
    keys = (image.path for folder in folders for image in _images_in(folder, root))
    first = folders[0]
    if isinstance(root, Store):
        top = root.key(first, first)
    else:
        top = image_key(first, root, f"--images {first}")
    return ImageIndex(folders, keys, top, IMAGE_SUFFIXES)


def _images_in(folder: str, root: Root) -> Iterator[ListedImage]:
    """The images of a folder of `--images`."""
    no_classes = ClassFolders({})
    if isinstance(root, Store):
        return _stored(folder, root, no_classes, Selection())
    if not Path(folder).is_dir():
        raise SourceError(f"--images {shown(folder)}: there is no such folder")
    return FolderWalk(root, no_classes, Selection()).images(folder)


def _placed(path: str, root: Root, where: str) -> str:
    """A path or an address in a manifest, relative to the root."""
    if isinstance(root, Store):
        return root.key(path, where)
    if is_address(path):
        raise SourceError(_no_store(path, where, root))
    try:
        return image_key(str(root / path), root, where)
    except SourceError as error:
        if os.path.lexists(root / path):
            raise
        reason = likely_reason(path, root, where.rpartition(":")[0])  # a path of another machine
        raise SourceError(f"{error.message}{reason}") from error


def _no_store(address: str, where: str, root: Path) -> str:
    return (
        f"{where}: {shown(address)} is an address, and DATA_ROOT ({root.resolve()}) a folder: set "
        "DATA_ROOT to an address that holds all images, here and for the workers"
    )


def _is_plain(path: str) -> bool:
    """Whether `path` is relative with nothing to resolve, so that `image_key` would not change it.

    This holds for almost every path of a manifest; `image_key` takes ten times as long as reading
    its row.
    """
    framed = f"/{path}/"
    return not ("//" in framed or "/./" in framed or "/../" in framed)
