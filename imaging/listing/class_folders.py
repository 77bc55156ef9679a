"""Which folder above an image gives it its label. Pure."""

import glob
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from base.console.foreign import shown
from base.console.shell import typed
from imaging.errors import SourceError

_CLASSES = ("benign", "malignant")
_GAPS = re.compile(r"[\s_-]+")


def class_name(folder: str) -> str:
    """The name of a class folder in one spelling: `Seborrheic Keratosis` has underscores."""
    return _GAPS.sub("_", unicodedata.normalize("NFC", folder).strip().casefold())


class Place(NamedTuple):
    """What the folders above an image say about it.

    `folder` is the nearest class folder, empty if there is none, and `label` its meaning. `fault`
    says why no image may lie here, or is empty.
    """

    label: int | None = None
    folder: str = ""
    fault: str = ""


class ClassFolders:
    """The class folders of a source: what each means, and which were found."""

    def __init__(self, labels: Mapping[str, int | None]) -> None:
        """The meaning of each name; None takes the label from a name that comes earlier.

        Raises:
            SourceError: two spellings of a name are 0 and 1.
        """
        self._labels: dict[str, int | None] = {}
        self._found = set[str]()
        for name, label in labels.items():
            known = self._labels.get(class_name(name))
            if None not in (known, label) and known != label:
                raise SourceError(
                    f"--label {typed(f'{name}={label}')}: {class_name(name)} is known as {known}; "
                    f"rename the folder if it means {label}"
                )
            self._labels[class_name(name)] = label

    def knows(self, folder: str) -> bool:
        """Whether a folder of that name is a class folder."""
        return class_name(folder) in self._labels

    def enter(self, above: Place, path: str, *, beside_classes: bool) -> Place:
        """The place of images in the folder `path`, which lies in the place `above`.

        A folder beside class folders is one itself, or holds some: something was forgotten if not.
        """
        folder = path.rpartition("/")[2]
        name = class_name(folder)
        if above.folder and above.fault:
            return above
        if name not in self._labels:
            forgotten = beside_classes and not above.folder and not above.fault
            return above._replace(fault=_unknown(path, folder)) if forgotten else above
        self._found.add(name)
        label = self._labels[name]
        if above.folder and above.label != label:
            return above._replace(fault=_contradiction(path, above, folder, label))
        return Place(label, folder)

    def require_found(self, names: Iterable[str], source: str) -> None:
        """Refuse names that no folder has.

        Raises:
            SourceError: there are such names.
        """
        unmatched = [name for name in names if class_name(name) not in self._found]
        if unmatched:
            raise label_without_match(unmatched, f"folder of {shown(source)}")


class ClassPaths:
    """The places of folders whose paths are all known, as of a glob and of an object store."""

    def __init__(self, classes: ClassFolders, folders: Iterable[str], source: str = "") -> None:
        """`source` is the folder that the paths are relative to, for messages."""
        self._classes = classes
        self._under = f"{source}/" if source else ""
        self._places = {"": Place()}
        self._parents = set[str]()
        for folder in folders:
            self._note_parents(folder)

    def place(self, folder: str) -> Place:
        """The place of the images in `folder`, with / between its parts."""
        if folder not in self._places:
            parent = folder.rpartition("/")[0]
            self._places[folder] = self._classes.enter(
                self.place(parent), self._under + folder, beside_classes=parent in self._parents
            )
        return self._places[folder]

    def _note_parents(self, folder: str) -> None:
        while folder:
            parent, _, name = folder.rpartition("/")
            if self._classes.knows(name):
                self._parents.add(parent)
            folder = parent


def label_without_match(names: Iterable[str], what: str) -> SourceError:
    """The error for `--label` with names that no folder, or no value, has."""
    listed = ", ".join(typed(name) for name in sorted(names))
    return SourceError(f"--label {listed} matches no {what}: correct the name, or leave it out")


def refuse_reversed(
    checkpoint: str, class_names: Iterable[str], labels: Mapping[str, int | None]
) -> None:
    """Refuse a checkpoint whose card gives a class the other label than class folders do.

    Its scores would be those of the other class. `class_names` are the card's: benign, malignant.

    Raises:
        SourceError: the order of the names contradicts `labels`.
    """
    known = {class_name(name): label for name, label in labels.items()}
    for index, name in enumerate(class_names):
        if known.get(class_name(name)) == 1 - index:
            raise SourceError(
                f"checkpoint {checkpoint}: class_names in its model card say that {shown(name)} is "
                f"{index} ({_CLASSES[index]}), but images in the class folder of that name, or "
                f"with that label, are {1 - index} ({_CLASSES[1 - index]}): change the order of "
                "class_names if only the card is wrong; if the model gives the probability of the "
                "other class, save it with 1 - p as its score"
            )


def folders_above(source: str, path: str) -> str | None:
    """The folders that may have given a labelled image its label, joined by /.

    Takes the stored names of both. Empty if no name is stored: the folder of a glob may be the root
    itself. None if the source is a manifest, which has its own column of labels.
    """
    under = "" if source == "." else f"{source}/"
    if path.startswith(under) and source != "-":
        return path[len(under) :].rpartition("/")[0]
    above, _, name = path.rpartition("/")
    # A manifest may be called data[1].csv.
    is_glob = glob.has_magic(source) and fnmatchcase(name, source.rpartition("/")[2])
    return above if is_glob else None


def count_by_class_folder(
    images: Mapping[tuple[str, int], int], known: Mapping[str, int | None]
) -> Counter[tuple[str, int]]:
    """Images by class folder and label, from images by `folders_above` and label.

    The folder is the nearest `known` one. Which names `--label` gave is not stored. Such a folder
    is taken to be the one, of those that always go with the same label, that has most images.
    """
    totals: Counter[str] = Counter()
    labels = defaultdict[str, set[int]](set)
    for (folders, label), count in images.items():
        for folder in set(folders.split("/")):
            totals[folder] += count
            labels[folder].add(label)
    by_folder: Counter[tuple[str, int]] = Counter()
    for (folders, label), count in images.items():
        parts = folders.split("/")
        nearest = next((each for each in reversed(parts) if class_name(each) in known), None)
        likely = [each for each in parts if len(labels[each]) == 1] or parts
        by_folder[nearest or max(likely, key=totals.__getitem__), label] += count
    return by_folder


def _unknown(path: str, folder: str) -> str:
    benign, malignant = (typed(f"{folder}={label}") for label in (0, 1))
    return (
        f"{shown(path)} is not a known class folder: say what it means with "
        f"--label {benign} (benign) or --label {malignant} (malignant)"
    )


def _contradiction(path: str, above: Place, folder: str, label: int | None) -> str:
    return (
        f"{shown(path)} lies in two class folders of different meaning, {shown(above.folder)} "
        f"({above.label}) and {shown(folder)} ({label}): move or rename one of them"
    )
