"""The images of folders and globs, in order, with the labels that their class folders give."""

import glob
import os
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from base.console.foreign import shown
from base.listed_image import ListedImage
from imaging.errors import SourceError
from imaging.listing.class_folders import ClassFolders, ClassPaths, Place
from imaging.listing.image_signs import begins_like_image, has_image_ending
from imaging.listing.selection import SelectedPaths, Selection
from imaging.listing.stored_keys import inside, stored_name


class _Folder(NamedTuple):
    """A folder that is walked.

    `path` is how to open it, `stored` and `below` its names below the data root and the source with
    a slash at the end, or empty; `real` has no links; `above` are the real folders it was reached
    through.
    """

    path: str
    stored: str
    below: str
    place: Place
    real: str
    above: frozenset[str]


class FolderWalk:
    """Walks a source that is a folder."""

    def __init__(self, root: Path, classes: ClassFolders, selection: Selection) -> None:
        self._root = root
        self._links = LinkCheck(root)
        self._classes = classes
        self._selection = selection

    def images(self, folder: str) -> Iterator[ListedImage]:
        """Depth first, ordered by name; links are followed, but not in circles.

        Raises:
            SourceError: a folder cannot be read, a link leads out of the root, or a label is
                ambiguous.
        """
        stored = _with_slash(inside(folder, self._root, folder))
        real = self._links.real(folder)
        yield from self._walk(_Folder(folder, stored, "", Place(), real, frozenset()))

    def _walk(self, here: _Folder) -> Iterator[ListedImage]:
        try:
            with os.scandir(here.path) as found:
                entries = sorted(found, key=attrgetter("name"))
        except OSError as error:
            raise SourceError(f"{here.path}: {error.strerror}") from error
        folders = {entry.name for entry in entries if _is_folder(entry)}
        left = {name for name in folders if not self._selection.omits_folder(here.below + name)}
        beside_classes = any(map(self._classes.knows, left))
        for entry in entries:
            if entry.name in left:
                inner = self._enter(here, entry, beside_classes=beside_classes)
                if inner.real not in inner.above:
                    yield from self._walk(inner)
            elif entry.name not in folders and self._is_listed(here, entry):
                if here.place.fault:
                    raise SourceError(here.place.fault)
                yield ListedImage(
                    stored_name(here.stored + entry.name, self._root), here.place.label
                )

    def _enter(self, here: _Folder, entry: os.DirEntry[str], *, beside_classes: bool) -> _Folder:
        path, below = entry.path, here.below + entry.name
        return _Folder(
            path,
            f"{here.stored}{entry.name}/",
            f"{below}/",
            self._classes.enter(here.place, path, beside_classes=beside_classes),
            self._links.real(path) if entry.is_symlink() else f"{here.real}/{entry.name}",
            here.above | {here.real},
        )

    def _is_listed(self, here: _Folder, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if self._selection.excludes_some and self._selection.omits_file(here.below + name):
            return False
        if name[0] == "." or not (has_image_ending(name) or begins_like_image(entry.path)):
            self._selection.pass_over(entry.path)
            return False
        if entry.is_symlink():
            self._links.real(entry.path)
        return True


class LinkCheck:
    """Refuses links out of the data root, whose images workers would refuse one by one."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)

    def real(self, path: str) -> str:
        """`path` without links.

        Raises:
            SourceError: it leads out of the root.
        """
        real = os.path.realpath(path)
        common = os.path.commonpath([self._root, real])
        if common != self._root:
            raise SourceError(
                f"{shown(path)} leads to {shown(real)}, which lies outside DATA_ROOT "
                f"({shown(self._root)}), so workers would refuse its images: set DATA_ROOT to a "
                f"folder that holds both, such as {shown(common)}, here and for the workers"
            )
        return real


def list_glob(
    pattern: str, root: Path, classes: ClassFolders, selection: Selection
) -> Iterator[ListedImage]:
    """The images that a glob matches, ordered by path; the folders above them give the labels.

    Raises:
        SourceError: an image lies outside the root, or a label is ambiguous.
    """
    fixed = _with_slash(_fixed_part(pattern))
    links, selected = LinkCheck(root), SelectedPaths(selection)
    names = sorted(
        name
        for name in glob.iglob(pattern, recursive=True)  # noqa: PTH207 - may be absolute
        if not os.path.isdir(name)  # noqa: PTH112
        and not selected.omits(name.removeprefix(fixed))
        and _is_image(name, selection)
    )
    folders = {above: inside(above or ".", root, pattern) for above in set(map(_above, names))}
    class_paths = {above: _class_path(above, stored) for above, stored in folders.items()}
    places = ClassPaths(classes, class_paths.values())
    for above in folders:
        links.real(above or ".")
    for name in names:
        above, _, file = name.rpartition("/")
        place = places.place(class_paths[above])
        if place.fault:
            raise SourceError(place.fault)
        if os.path.islink(name):  # noqa: PTH114
            links.real(name)
        stored = stored_name(_with_slash(folders[above]) + file, root)
        yield ListedImage(stored, place.label)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link in a circle is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_image(path: str, selection: Selection) -> bool:
    is_one = has_image_ending(path.rpartition("/")[2]) or begins_like_image(path)
    if not is_one:
        selection.pass_over(path)
    return is_one


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _class_path(folder: str, stored: str) -> str:
    """The folders that may give labels: those below the root, or the root itself if it is typed."""
    return folder.rpartition("/")[2] if stored == "." else stored


def _fixed_part(pattern: str) -> str:
    """The folder of a glob up to its first magic part."""
    parts = pattern.split("/")
    fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:fixed])


def _with_slash(folder: str) -> str:
    return "" if folder in {"", "."} else f"{folder.rstrip('/')}/"
