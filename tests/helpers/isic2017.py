"""What two teams submitted to the ISIC 2017 challenge, with the truth."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from base.arrays import Float64Array, LabelArray


class Submitted(NamedTuple):
    """600 images: 1 melanoma, score of melanoma, and sex or an empty word."""

    labels: LabelArray
    scores: Float64Array
    sexes: list[str]


def submitted(shared: Path, team: str) -> Submitted:
    folder = shared / "data" / "isic2017_scores"
    with (folder / "truth.csv").open(newline="") as file:
        truth = {row["image_id"]: row for row in csv.DictReader(file)}
    with (folder / f"{team}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.array([float(truth[row["image_id"]]["melanoma"]) for row in rows]).astype(np.int8)
    scores = np.array([float(row["melanoma"]) for row in rows])
    return Submitted(labels, scores, [truth[row["image_id"]]["sex"] for row in rows])
