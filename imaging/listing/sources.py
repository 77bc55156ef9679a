"""Folders, globs and manifests as a stream of images with their labels. Needs no TensorFlow.

Producer and trainer both use it, so that a class folder means the same to both.
"""

import glob
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from base.console.foreign import shown
from base.console.shell import typed
from base.listed_image import ListedImage
from imaging.data_root import Root
from imaging.errors import SourceError
from imaging.filenames import spelled_back, storable
from imaging.listing.labels import BENIGN, LABELS, MALIGNANT
from imaging.listing.manifest import read_manifest
from imaging.stores.object_store import Store, is_address

_DECODED = (
    *(".avif", ".bmp", ".dcm", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".png", ".tif", ".tiff", ".webp"),
)
IMAGE_SUFFIXES = frozenset(_DECODED)


def list_source(
    source: str, root: Root, labels: Mapping[str, int] = LABELS
) -> Iterator[ListedImage]:
    """Stream the images of `source`, a folder, an image, a glob, a CSV manifest or `-`, in order.

    Raises:
        SourceError: it does not exist, is outside `root`, or lists no images or ambiguous ones.
    """
    try:
        listed = _dispatch(source, root, labels)
        first = next(listed, None)
    except OSError as error:  # such as an unreadable folder, or a name that is too long
        raise SourceError(f"{source}: {error.strerror}") from error
    if first is None:
        raise SourceError(f"{source} lists no images ({' '.join(_DECODED)})")
    yield first
    yield from listed


def source_key(source: str, root: Root) -> str:
    """The name under which a source is stored: relative to `root` if it is inside.

    A name that is not UTF-8 cannot be stored as it is: its bytes are escaped.
    """
    if isinstance(root, Store):
        # A manifest is a file on this machine, even if its images are elsewhere.
        here = Path(source)
        return storable(str(here.absolute())) if here.is_file() else root.key(source, source)
    path = Path(os.path.abspath(source))  # noqa: PTH100 - keeps symlinks, unlike resolve
    top = Path(os.path.abspath(root))  # noqa: PTH100
    key = path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)
    return storable(key)


def class_folder(source: str, path: str) -> str | None:
    """The folder that gave a labelled image its label, by the rule of `list_source`.

    Takes the stored names of both. Empty if the name is not stored: the folder of a glob may be the
    root itself. None if the source is a manifest, which has its own column of labels.
    """
    under = "" if source == "." else f"{source}/"
    if path.startswith(under) and source != "-":
        return path[len(under) :].partition("/")[0]
    above, _, name = path.rpartition("/")
    # A manifest may be called data[1].csv.
    if glob.has_magic(source) and fnmatchcase(name, source.rpartition("/")[2]):
        return above.rpartition("/")[2]
    return None


def _dispatch(source: str, root: Root, labels: Mapping[str, int]) -> Iterator[ListedImage]:
    path = Path(source)
    if source == "-":
        return _rows(sys.stdin.buffer, "standard input", root)
    if isinstance(root, Store):
        return _manifest(path, root) if path.is_file() else _stored(source, root, labels)
    if is_address(source):
        raise SourceError(_no_store(source, source, root))
    if path.is_dir():
        return _folder(path, root, labels)
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        return iter([ListedImage(_under(root, path, source), None)])
    if path.exists():
        return _manifest(path, root)
    if glob.has_magic(source):
        return _glob(source, root, labels)
    raise SourceError(f"{source}: there is no such folder, manifest or image")


def _folder(folder: Path, root: Path, labels: Mapping[str, int]) -> Iterator[ListedImage]:
    """Use class folders on the first level, if any is known; all other images have no label."""
    _under(root, folder, str(folder))
    classes = sorted(entry.name for entry in folder.iterdir() if _is_class_folder(entry))
    _check_classes(str(folder), classes, labels)
    for file in walk_images(folder):
        inside = file.relative_to(folder)
        label = labels.get(inside.parts[0]) if len(inside.parts) > 1 else None
        yield ListedImage(_under(root, file, str(file)), label)


def _check_classes(where: str, classes: Sequence[str], labels: Mapping[str, int]) -> None:
    """Refuse a folder in which only some of the classes are known: something was forgotten."""
    unknown = [name for name in classes if name not in labels]
    if len(unknown) < len(classes) and unknown:
        benign, malignant = (typed(f"{unknown[0]}={label}") for label in (BENIGN, MALIGNANT))
        raise SourceError(
            f"{shown(f'{where}/{unknown[0]}')} is not a known class folder: say what it means with "
            f"--label {benign} (benign) or --label {malignant} (malignant)"
        )


def _stored(source: str, store: Store, labels: Mapping[str, int]) -> Iterator[ListedImage]:
    """List an address, or a path relative to the store, like a folder."""
    top = store.key(source, source)
    under = "" if top == "." else f"{top}/"
    keys = store.list(top)
    if not keys:
        raise SourceError(f"{source}: there is nothing of that name under DATA_ROOT ({store})")
    inner = (key.removeprefix(under).split("/") for key in keys)
    classes = sorted({parts[0] for parts in inner if len(parts) > 1 and parts[0][0] != "."})
    _check_classes(source.rstrip("/"), classes, labels)
    for key in keys:
        parts = key.removeprefix(under).split("/")
        hidden = any(part.startswith(".") for part in parts)
        if not hidden and PurePosixPath(key).suffix.lower() in IMAGE_SUFFIXES:
            yield ListedImage(key, labels.get(parts[0]) if len(parts) > 1 else None)


def _is_class_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def walk_images(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Files that look like images, depth first, ordered by name; links are followed, not loops."""
    here = folder.resolve()
    if here in above:
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise SourceError(f"{folder}: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):  # leftovers of macOS and version control
            continue
        if entry.is_dir():
            yield from walk_images(entry, above | {here})
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            yield entry


def _glob(pattern: str, root: Path, labels: Mapping[str, int]) -> Iterator[ListedImage]:
    """List a glob; the class folder directly above an image gives its label."""
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - may be absolute
        file = Path(name)
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.is_dir():
            yield ListedImage(_under(root, file, name), labels.get(file.parent.name))


def _manifest(path: Path, root: Root) -> Iterator[ListedImage]:
    try:
        with path.open("rb") as file:
            yield from _rows(file, str(path), root)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error


def _rows(file: object, name: str, root: Root) -> Iterator[ListedImage]:
    """Rows of a manifest; its relative paths are relative to the data root."""
    for row in read_manifest(file, name):  # type: ignore[arg-type] # a binary stream either way
        plain = isinstance(root, Path) and _is_plain(row.path)
        path = row.path if plain else _placed(row.path, root, row.where)
        yield ListedImage(path, row.label, row.attributes, row.where)


def _placed(path: str, root: Root, where: str) -> str:
    """A path or an address in a manifest, relative to the root."""
    if isinstance(root, Store):
        return root.key(path, where)
    if is_address(path):
        raise SourceError(_no_store(path, where, root))
    return _under(root, root / path, where)


def _no_store(address: str, where: str, root: Path) -> str:
    return (
        f"{where}: {shown(address)} is an address, and DATA_ROOT ({root.resolve()}) a folder: set "
        "DATA_ROOT to an address that holds all images, here and for the workers"
    )


def _is_plain(path: str) -> bool:
    """Whether `path` is relative with nothing to resolve, so that `_under` would not change it.

    This holds for almost every path of a manifest; `_under` takes ten times as long as reading its
    row.
    """
    framed = f"/{path}/"
    return not ("//" in framed or "/./" in framed or "/../" in framed)


def _under(root: Path, path: Path, where: str) -> str:
    """`path` relative to `root`, with / between its parts."""
    key = source_key(str(path), root)
    if PurePosixPath(key).is_absolute():
        raise SourceError(
            f"{where}: {shown(key)} lies outside DATA_ROOT ({root.resolve()}); "
            "set DATA_ROOT to a folder that holds all images, here and for the workers"
        )
    if "\\" in key:
        _check_spelling(root, path, key)
    return key


def _check_spelling(root: Path, path: Path, key: str) -> None:
    """Refuse two files with the same stored name: one of them would be lost."""
    spelled = spelled_back(key)
    if spelled is not None and all(os.path.lexists(root / name) for name in (key, spelled)):
        raise SourceError(
            f"{path.parent}: two files are called {shown(key)}, one of them in bytes that are not "
            "UTF-8: rename one"
        )
