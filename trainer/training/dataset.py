"""The labelled images that a checkpoint is trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from base.console.telling import tell
from imaging.errors import SourceError
from imaging.listing.selection import Selection
from imaging.listing.sources import list_source
from imaging.listing.tables.manifest_options import PLAIN, ManifestOptions


class LabelledImages(NamedTuple):
    """Paths relative to the data root and their labels, in the order of the source."""

    source: str
    paths: list[str]
    labels: list[int]


def list_labelled(
    source: str,
    root: Path,
    labels: Mapping[str, int | None],
    options: ManifestOptions = PLAIN,
    selection: Selection | None = None,
) -> LabelledImages:
    """The labelled images of a source; rows whose diagnosis has no label are left out.

    Raises:
        SourceError: an image without label, or a class without images.
    """
    options = replace(options, labelled_only=True)
    listed = list(list_source(source, root, labels, options, selection))
    unlabelled = next((row.where or row.path for row in listed if row.label is None), None)
    if unlabelled is not None:
        raise SourceError(
            f"{unlabelled} has no label: training needs class folders (benign, malignant, "
            "melanoma, nevus, seborrheic_keratosis) or a manifest with a label in each row"
        )
    images = LabelledImages(
        source, [row.path for row in listed], [row.label for row in listed if row.label is not None]
    )
    require_both_classes(source, counts_of(images.labels))
    return images


def tell_excluded(selection: Selection) -> None:
    """Say what was left out, if something was to be."""
    if selection.excludes_some:
        for line in selection.lines():
            tell(line, err=True)


def counts_of(labels: Sequence[float]) -> dict[str, int]:
    """Images by class."""
    return {"benign": labels.count(0), "malignant": labels.count(1)}


def require_both_classes(source: str, counts: Mapping[str, int]) -> None:
    """Refuse a source of one class.

    Raises:
        SourceError: a class has no images, or none that can be read.
    """
    absent = [name for name, count in counts.items() if not count]
    if absent:
        raise SourceError(f"{source} holds no {absent[0]} images: training needs both classes")
