"""The tutorial's recipe against the recommended one: ROC AUC on the test folder over five seeds.

Aim: the mean at least 0.05 higher, the spread at most half. The recipe was chosen on training and
validation images only; docs/training.md says how.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt
from common import backbone_option, describe_machine, images_folder
from sklearn.metrics import roc_auc_score

from imaging.decoding.decoder import Decoder
from imaging.listing.labels import LABELS
from model.card import Decode
from trainer.options import RECIPES
from trainer.training.backbone import FrozenBackbone, build_backbone
from trainer.training.dataset import list_labelled
from trainer.training.features import FeatureRows, compute_features
from trainer.training.recipe import Recipe
from trainer.training.train import HeadTraining

SEEDS = range(5)
DRAWS = 2000


def test_scores(
    backbone: FrozenBackbone, rows: Mapping[str, FeatureRows], recipe: Recipe
) -> npt.NDArray[np.float32]:
    """Scores `[n]` of the test rows by the epoch that the recipe keeps."""
    with tempfile.TemporaryDirectory() as folder:
        training = HeadTraining(backbone, rows["train"], rows["valid"], recipe)
        training.run(Path(folder) / "state", lambda _state: None, Path(folder) / "logs")
        head = training.head_with(training.chosen[0].weights)
        scores: npt.NDArray[np.float32] = head.predict(rows["test"].features, verbose=0)[:, 0]
        return scores


def paired_interval(
    labels: npt.NDArray[np.float32], first: list[Any], second: list[Any]
) -> tuple[float, float]:
    """95 % of the difference of mean AUCs over test images drawn again, within each class."""
    rng = np.random.default_rng(0)
    classes = [np.flatnonzero(labels == label) for label in (0, 1)]
    differences = []
    for _ in range(DRAWS):
        drawn = np.concatenate([rng.choice(rows, len(rows)) for rows in classes])
        aucs = [
            mean(roc_auc_score(labels[drawn], scores[drawn]) for scores in side)
            for side in (first, second)
        ]
        differences.append(aucs[1] - aucs[0])
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def features(backbone: FrozenBackbone, root: Path) -> dict[str, FeatureRows]:
    """The rows of the three folders."""
    decoder = Decoder(Decode())
    return {
        part: compute_features(
            backbone.forward, decoder, root, list_labelled(str(root / part), root, LABELS)
        )
        for part in ("train", "valid", "test")
    }


def main() -> None:
    """Both recipes on the same images."""
    root = images_folder()
    sides, figures = [], []
    print(describe_machine())
    for name, options in sorted(RECIPES.items(), reverse=True):  # tutorial first
        recipes = [Recipe(backbone=backbone_option(), seed=seed, **options) for seed in SEEDS]
        backbone = build_backbone(backbone_option(), Decode(), recipes[0].layers)
        rows = features(backbone, root)
        labels = rows["test"].labels
        side = [test_scores(backbone, rows, recipe) for recipe in recipes]
        aucs = [float(roc_auc_score(labels, scores)) for scores in side]
        sides.append(side)
        figures.append((mean(aucs), stdev(aucs), max(aucs) - min(aucs)))
        shown = " ".join(f"{auc:.4f}" for auc in aucs)
        print(
            f"{name}: test AUC {shown}; mean {mean(aucs):.4f}, sd {stdev(aucs):.4f}, "
            f"range {max(aucs) - min(aucs):.4f}"
        )
    low, high = paired_interval(labels, sides[0], sides[1])
    (before, sd_before, range_before), (after, sd_after, range_after) = figures
    print(
        f"difference of means {after - before:+.4f} (95 % {low:+.4f} to {high:+.4f}; aim: +0.05); "
        f"ratio of sd {sd_after / sd_before:.2f}, of range {range_after / range_before:.2f} "
        "(aim: at most 0.5)"
    )


if __name__ == "__main__":
    main()
