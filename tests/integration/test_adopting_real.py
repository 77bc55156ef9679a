"""Three real classifiers, adopted with one line each, against plain Keras and tf_keras code."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from owners import OWNERS_RANGES, keras, pixels, tf_keras, trainer_adopt, write_csv

from imaging.decoding.decoder import Decoder
from model.card import ModelCard, Resize
from model.held_checkpoint import hold_checkpoint
from trainer.adopting.adoption import owned_by, read_facts
from trainer.adopting.fitting import Owned, find_fits
from trainer.adopting.predictions import Predictions, read_predictions
from trainer.adopting.ranges import RANGES
from trainer.adopting.request import AdoptRequest, Preprocessing
from worker.scoring.loaded_model import Backbones, LoadedModel

TOLERANCE = 1e-3
# Of 80 images, those that wrong settings are tried on.
FEW = 12


class Theirs(NamedTuple):
    """A model of ../shared/models/theirs, and what is known of it."""

    file: str
    library: Any
    side: int
    input_range: str
    classes: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()

    @property
    def says(self) -> list[str]:
        names = ["--classes", ",".join(self.classes), "--positive", ",".join(self.positive)]
        return ["--input-range", self.input_range, *(names if self.classes else [])]


THEIRS = (
    Theirs("sigmoid_128.h5", keras, 128, "unit"),
    Theirs(
        "ham7_softmax_28.h5", tf_keras, 28, "byte",
        ("nv", "mel", "bkl", "bcc", "akiec", "vasc", "df"), ("mel",),
    ),
    Theirs(
        "softmax2_224_keras2.h5", tf_keras, 224, "signed", ("benign", "malignant"), ("malignant",)
    ),
)  # fmt: skip


class Real:
    """One of them, loaded by its own Keras, and the scores that its owner's code gives."""

    def __init__(self, theirs: Theirs, shared: Path, folder: Path) -> None:
        self.theirs, self.folder = theirs, folder
        self.source = shared / "models" / "theirs" / theirs.file
        self.root = shared / "data" / "isic" / "test"
        self.names = sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*.jpg"))
        self.network = theirs.library.models.load_model(self.source, compile=False)
        self.rows = self.predict(self.pixels())
        self.table = self.write("predictions.csv", self.rows)
        self.few = read_predictions(self.write("few.csv", self.rows[:FEW]), theirs.classes)

    def pixels(self, count: int | None = None, **resize: Any) -> Any:
        side = self.theirs.side
        return pixels(self.root, self.names[:count], (side, side), **resize)

    def predict(self, given: Any) -> Any:
        return self.network.predict(OWNERS_RANGES[self.theirs.input_range](given), verbose=0)

    def write(self, name: str, rows: Any) -> Path:
        columns = dict(zip(self.theirs.classes or ("score",), rows.T, strict=True))
        return write_csv(self.folder / name, self.names[: len(rows)], columns)

    @cached_property
    def owned(self) -> Owned:
        request = AdoptRequest(
            self.source,
            self.folder / "out.keras",
            Preprocessing(self.theirs.input_range),
            classes=self.theirs.classes,
            positive=self.theirs.positive,
        )
        with tempfile.TemporaryDirectory() as folder:
            return owned_by(request, read_facts(request, Path(folder)))

    def named(self, owned: Owned, predictions: Predictions) -> str:
        """The options that the best fit changes."""
        fits = find_fits(owned, self.root, predictions, TOLERANCE)
        return " ".join(fits[0].changes) if fits else ""


@pytest.fixture(scope="module", params=THEIRS, ids=[one.file for one in THEIRS])
def real(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Real]:
    if not (shared / "models" / "theirs").is_dir():
        pytest.skip("no real models beside the project")
    with pytest.MonkeyPatch.context() as patch:
        case = Real(request.param, shared, tmp_path_factory.mktemp("real"))
        patch.setenv("DATA_ROOT", str(case.root))
        yield case


def test_it_adopts_with_one_line_and_scores_as_its_owner_does(real: Real) -> None:
    out = real.folder / "adopted.keras"

    told = trainer_adopt(real.source, "-o", out, *real.theirs.says, "--check", real.table)

    assert told.exit_code == 0, told.output
    card = ModelCard.read(out)
    check = card.adopted.check if card.adopted else None
    assert check is not None
    assert (check.n, check.largest_difference < 1e-4) == (80, True)
    with hold_checkpoint(out) as held:
        model = LoadedModel(held, "float32", Backbones())
    images = Decoder(card.decode).decode_files(real.root, real.names).images
    np.testing.assert_allclose(model.backbone.graph(images), real.rows, atol=1e-4)
    at = [real.theirs.classes.index(name) for name in real.theirs.positive] or [0]
    np.testing.assert_allclose(model.score_images(images), real.rows[:, at].sum(1), atol=1e-4)


def test_every_wrong_range_is_caught_and_named(real: Real) -> None:
    right = real.theirs.input_range
    owned = real.owned
    images = real.pixels(FEW) / np.float32(255)
    for wrong in RANGES.keys() - {right}:
        given = np.ascontiguousarray(RANGES[wrong].of(images), np.float32)
        assert np.abs(owned.raw(given) - real.rows[:FEW]).max() > TOLERANCE
        said = owned._replace(preprocessing=replace(owned.preprocessing, input_range=wrong))
        assert real.named(said, real.few) == f"--input-range {right}"


def test_every_wrong_column_is_caught_and_named(real: Real) -> None:
    classes, owned = real.theirs.classes or ("benign", "malignant"), real.owned
    rows = real.rows if real.theirs.classes else np.hstack([1 - real.rows, real.rows])
    for at, name in enumerate(classes):
        if (name,) != (real.theirs.positive or ("malignant",)):
            table = write_csv(
                real.folder / "column.csv", real.names[:FEW], {"score": rows[:FEW, at]}
            )
            named = real.named(owned, read_predictions(table, real.theirs.classes))
            one = "--classes malignant,benign --positive malignant"
            assert named == (f"--positive {name}" if real.theirs.classes else one)


RESIZES: dict[str, tuple[Resize, bool]] = {
    "bicubic": ("bicubic", False),
    "nearest": ("nearest", False),
    "area": ("area", False),
    "lanczos3": ("lanczos", False),
    "bilinear, antialias": ("bilinear", True),
}


def test_every_wrong_resize_is_caught_and_named(real: Real) -> None:
    owned = real.owned
    for method, (resize, antialias) in RESIZES.items():
        name = method.partition(",")[0]
        rows = real.predict(real.pixels(FEW, method=name, antialias=antialias))
        assert np.abs(rows - real.rows[:FEW]).max() > TOLERANCE
        predictions = read_predictions(real.write("resized.csv", rows), real.theirs.classes)
        option = "--antialias" if antialias else f"--resize {resize}"
        assert real.named(owned, predictions) == option


@pytest.mark.parametrize(("resize", "most"), [("nearest", 1e-5), ("lanczos", 1e-3)])
def test_an_owner_who_reads_images_with_pillow_is_matched(
    real: Real, resize: Resize, most: float
) -> None:
    side = real.theirs.side
    read = partial(keras.utils.load_img, target_size=(side, side), interpolation=resize)
    given = np.stack([np.asarray(read(real.root / name), np.float32) for name in real.names[:FEW]])
    rows = real.predict(given)
    table, out = real.write("pillow.csv", rows), real.folder / f"{resize}.keras"
    said = [*real.theirs.says, "--resize", resize, "--library", "pillow", "--check", table]

    told = trainer_adopt(real.source, "-o", out, *said)

    assert told.exit_code == 0, told.output
    adopted = ModelCard.read(out).adopted
    assert adopted is not None
    assert adopted.check is not None
    assert adopted.check.largest_difference < most
    if resize == "nearest":
        plain = replace(real.owned.preprocessing, resize=resize)
        predictions = read_predictions(table, real.theirs.classes)
        named = real.named(real.owned._replace(preprocessing=plain), predictions)
        assert named in ("--library pillow", "--library opencv")
