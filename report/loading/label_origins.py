"""Where the labels of a run came from: class folders or a manifest. Pure."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import numpy as np

from base.arrays import LabelArray
from imaging.listing.class_folders import count_by_class_folder, folders_above
from imaging.listing.labels import LABELS
from report.report_model import Labelled

# The column of a manifest that `producer enqueue` reads labels from.
_MANIFEST_COLUMN = "label"


def label_origins(
    source: str, labels: LabelArray, labelled: Iterator[tuple[str, int]]
) -> tuple[Labelled, ...]:
    """The origins of the labels of an enqueued run, malignant first, then by folder.

    Args:
        source: the run's source, as stored.
        labels: of all images, `[listed]`, -1 for none.
        labelled: path and label of each labelled image; read to the end only for class folders.
    """
    first = next(labelled, None)
    if first is None:
        return ()
    if folders_above(source, first[0]) is None:
        counted = ((label, int(np.count_nonzero(labels == label))) for label in (1, 0))
        return tuple(
            Labelled(label, images, column=_MANIFEST_COLUMN) for label, images in counted if images
        )
    above = Counter(
        (folders_above(source, path) or "", label) for path, label in chain([first], labelled)
    )
    folders = count_by_class_folder(above, LABELS)
    ordered = sorted(folders.items(), key=lambda item: (-item[0][1], item[0][0]))
    return tuple(Labelled(label, images, folder or None) for (folder, label), images in ordered)
