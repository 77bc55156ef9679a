"""What a reader of the how-to for HAM10000 has: images, their CSV in its own form, a model."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from owners import SEVEN, as_h5, convolved, keras, loud, pixels, write_csv
from PIL import Image

# Header and file names are those of the published file.
HEADER = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
FIRST = 27419
PARTS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
CHECKED = 20
EACH = 4  # images of a diagnosis


def draw(path: Path, random: np.random.Generator) -> None:
    """A smooth picture of few colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = random.integers(0, 256, (5, 6, 3), np.uint8)
    Image.fromarray(coarse).resize((60, 48), Image.Resampling.BICUBIC).save(path)


def ham10000(folder: Path) -> dict[str, str]:
    """The data set with four images of each diagnosis; returns path to diagnosis.

    Two images are of one lesion, as many of the real ones are.
    """
    random = np.random.default_rng(10_000)
    diagnoses = SEVEN.split(",") * EACH
    drawn, rows = {}, []
    for at, diagnosis in enumerate(diagnoses):
        name, half = f"ISIC_{FIRST + at:07}", at % 7 + (at // 14) * 7
        path = f"{PARTS[at % 2]}/{name}.jpg"
        draw(folder / path, random)
        drawn[path] = diagnosis
        sex = ("male", "female")[at % 2]
        rows.append((f"HAM_{half:07}", name, diagnosis, "histo", "50.0", sex, "back"))
    with (folder / "HAM10000_metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return drawn


def model_of_seven(folder: Path, paths: Sequence[str]) -> dict[str, float]:
    """`theirs.h5` and, of its first images, `theirs.csv`; returns its scores for melanoma."""
    keras.utils.set_random_seed(7)
    given = pixels(folder, paths) / 255
    network = loud(convolved(keras, keras.layers.Dense(7, "softmax")), given)
    as_h5(network, folder).rename(folder / "theirs.h5")
    rows = network.predict(given, verbose=0)
    columns = dict(zip(SEVEN.split(","), rows[:CHECKED].T, strict=True))
    write_csv(folder / "theirs.csv", paths[:CHECKED], columns)
    at = SEVEN.split(",").index("mel")
    return {path: float(row[at]) for path, row in zip(paths, rows, strict=True)}
