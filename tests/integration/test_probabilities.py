"""Checkpoints of several classes: the score is a sum, and all probabilities are stored with it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing import draw
from networks import (
    Saved,
    classes_checkpoint,
    engine,
    hub_checkpoint,
    nothing_known,
    paths_in,
    save_module,
)
from sqlalchemy import text

from base.arrays import Float32Array
from base.listed_image import ListedImage
from base.runtime import tf
from db.queries.deleting import close_run, delete_images
from db.queries.following import prune_images
from db.queries.leases import BatchKey
from db.queries.listing import cut_batches, stage_images
from db.queries.outcomes import Seconds
from db.queries.refusals import refusals_of
from db.queries.retry import clear_errors
from db.queries.runs import RunSpec, add_checkpoint
from db.session import Database
from db.tables import Run
from imaging.decoding.decoder import Decoder
from imaging.errors import ImageError
from model.backbones import split
from model.card import ModelCard
from model.checkpoint import load_checkpoint
from model.errors import CheckpointError
from worker.scoring.batch_processor import BatchProcessor
from worker.scoring.batch_scores import BatchScores, KnownDigests, RunScores

Numbers = tuple[float, ...]


class Engine:
    """Gives each image its `rows`, the first of which is the score; no row is a damaged file."""

    device = "nothing"

    def __init__(self, rows: dict[str, Numbers]) -> None:
        self.rows = rows

    def prepare(self, spec: RunSpec) -> None:
        pass

    def score(
        self, runs: Sequence[RunSpec], paths: Sequence[str], _known: KnownDigests
    ) -> BatchScores:
        found = {at: self.rows[path] for at, path in enumerate(paths) if path in self.rows}
        scored = RunScores(
            {at: row[0] for at, row in found.items()},
            {at: ImageError("corrupt", "damaged") for at in range(len(paths)) if at not in found},
            {},
            {},
            {at: np.array(row, np.float32) for at, row in found.items()},
        )
        return BatchScores([scored for _ in runs], Seconds())

    def failure(self, digest: str, _precision: str) -> None:
        raise NotImplementedError(digest)

    def close(self) -> None:
        raise NotImplementedError


def enlist(database: Database, *names: str, saved: Saved | None = None) -> BatchKey:
    """A run of one batch."""
    digest, path = (saved.digest, str(saved.path)) if saved else ("a" * 64, "model.keras")
    with database.write() as session:
        checkpoint = add_checkpoint(session, digest, path, {})
        run = Run(source="data", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
        session.add(run)
        session.flush()
        stage_images(session, run, [ListedImage(name, None, None) for name in names])
        cut_batches(session, run.id)
        return BatchKey(run.id, 1)


def scored(database: Database, key: BatchKey, rows: dict[str, Numbers]) -> None:
    BatchProcessor(database, Engine(rows), "ana").score(key)


def stored(database: Database, run: int = 1) -> dict[str, tuple[float | None, Any]]:
    """Score and probabilities by path, as plain SQL gives them."""
    query = (
        "SELECT path, score, CAST(probabilities AS text) FROM images JOIN predictions"
        " ON image_id = images.id WHERE run_id = :run"
    )
    with database.read() as session:
        rows = session.execute(text(query), {"run": run}).all()
    return {path: (score, None if text is None else json.loads(text)) for path, score, text in rows}


def test_all_probabilities_are_stored_to_the_last_digit_of_float32(database: Database) -> None:
    third, tiny = float(np.float32(1 / 3)), 1e-30
    key = enlist(database, "a", "b", "c")

    scored(database, key, {"a": (third, 2 / 3, tiny), "b": (0.0, 1.0, 0.0)})

    found = stored(database)
    score, row = found["a"]
    assert score == third
    expected = np.array([third, 2 / 3, tiny], np.float32)
    assert (np.array(row, np.float32) == expected).all(), "to the bit"
    assert row == [0.33333334, 0.6666667, 1e-30], "in few digits"
    assert found["b"] == (0.0, [0, 1, 0])
    assert found["c"] == (None, None), "no probabilities beside an error"


def test_sql_names_a_class_alike_in_both_databases(database: Database) -> None:
    scored(database, enlist(database, "a"), {"a": (0.25, 0.75)})
    query = "SELECT CAST(probabilities ->> 1 AS float) FROM predictions"
    with database.read() as session:
        assert session.scalar(text(query)) == 0.75


def test_probabilities_go_where_their_score_goes(database: Database) -> None:
    """What is scored again, pruned or deleted takes them along, and a late worker changes none."""
    key = enlist(database, "a", "b", "c")
    scored(database, key, {"a": (0.25, 0.75), "b": (0.5, 0.5)})
    before = stored(database)
    with database.write() as session:
        assert clear_errors(session, key.run_id, ["corrupt"]) == {"corrupt": 1}

    scored(database, key, {"a": (1.0, 0.0), "b": (1.0, 0.0), "c": (0.125, 0.875)})
    assert stored(database) == {**before, "c": (0.125, [0.125, 0.875])}

    with database.write() as session:
        ((row,),) = session.execute(text("SELECT id FROM images WHERE path = 'b'")).all()
        prune_images(session, key.run_id, [row])
    assert stored(database) == {"a": before["a"], "c": (0.125, [0.125, 0.875])}
    with database.write() as session:
        close_run(session, key.run_id)
        delete_images(session, key.run_id)
    assert stored(database) == {}


class Overtaken(Engine):
    """Another worker takes the batch over, and finishes it, while this one scores."""

    database: Database

    def score(self, *arguments: Any) -> BatchScores:
        with self.database.write() as session:
            session.execute(text("UPDATE batches SET leased_until = 0"))
        scored(self.database, BatchKey(1, 1), {"a": (0.25, 0.75)})
        return super().score(*arguments)


def test_a_worker_that_lost_its_lease_changes_nothing(database: Database) -> None:
    key = enlist(database, "a")
    late = Overtaken({"a": (1.0, 0.0)})
    late.database = database

    BatchProcessor(database, late, "ben").score(key)

    assert stored(database) == {"a": (0.25, [0.25, 0.75])}


@pytest.mark.parametrize("wrong", [1.5, -0.25])
def test_a_number_that_is_no_probability_stops_the_run_whatever_its_class(
    database: Database, wrong: float
) -> None:
    key = enlist(database, "a", "b")

    scored(database, key, {"a": (0.25, 0.75), "b": (0.25, wrong)})

    assert stored(database) == {}
    with database.read() as session:
        (refused,) = refusals_of(session, key.run_id)
    assert f"gave {wrong} for b" in refused.reason
    assert refused.stops


def test_rounding_beyond_the_ends_is_clipped(database: Database) -> None:
    scored(database, enlist(database, "a"), {"a": (1 + 5e-7, -5e-7)})
    assert stored(database) == {"a": (1.0, [1, 0])}


def test_an_image_without_one_of_its_probabilities_is_an_error(database: Database) -> None:
    key = enlist(database, "a", "b")
    scored(database, key, {"a": (0.25, float("nan")), "b": (0.25, 0.75)})
    assert stored(database) == {"a": (None, None), "b": (0.25, [0.25, 0.75])}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed in range(3):
        draw(folder / f"{seed}.jpg", seed=seed)
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return classes_checkpoint(
        tmp_path_factory.mktemp("classes"), positive=("red", "blue"), summed=(1, 0, 1)
    )


def rows_of(run: RunScores) -> Float32Array:
    return np.stack([run.probabilities[at] for at in sorted(run.probabilities)])


def by_keras(saved: Saved, root: Path) -> Float32Array:
    """The features below the last layer, which are the probabilities of the network."""
    network, card = load_checkpoint(saved.path)
    rows: Any = Decoder(card.decode).decode_files(root, paths_in(root)).images
    for layer in split(network, card.backbone).backbone:
        rows = layer(rows)
    found: Float32Array = rows.numpy()
    return found


def test_the_worker_gives_the_probabilities_of_the_network_and_their_sum(
    root: Path, saved: Saved, tmp_path: Path
) -> None:
    specs = [saved.spec()]
    (run,) = engine(root, tmp_path).score(specs, paths_in(root), nothing_known).runs

    found = rows_of(run)
    assert found == pytest.approx(by_keras(saved, root), abs=1e-6)
    assert np.ptp(found, axis=0).min() > 1e-3, "the network tells images apart"
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert list(run.scores.values()) == pytest.approx(found[:, 0] + found[:, 2], abs=1e-6)


def test_kept_features_give_the_same_probabilities(
    root: Path, saved: Saved, tmp_path: Path
) -> None:
    spec = saved.spec(keep_features=True)
    first, second = (
        _scored_and_closed(engine(root, tmp_path), spec, paths_in(root)) for _ in range(2)
    )
    assert list(tmp_path.rglob("*.features"))
    assert (rows_of(second) == rows_of(first)).all(), "to the bit"
    assert second.scores == first.scores


def _scored_and_closed(worker: Any, spec: RunSpec, paths: list[str]) -> RunScores:
    (run,) = worker.score([spec], paths, nothing_known).runs
    worker.close()
    found: RunScores = run
    return found


def test_checkpoints_scored_together_each_have_their_own(
    root: Path, saved: Saved, tmp_path: Path
) -> None:
    plain = hub_checkpoint(tmp_path / "plain.keras", save_module(tmp_path / "module"), 1)
    specs = [plain.spec(1), saved.spec(2)]

    one, other = engine(root, tmp_path / "cache").score(specs, paths_in(root), nothing_known).runs

    assert one.probabilities == {}
    assert rows_of(other).shape == (3, 3)


@pytest.mark.parametrize(
    ("classes", "positive", "reason"),
    [
        (("red", "green"), ("red",), "has 2 classes by its card, and (3,) probabilities"),
        (("red", "green", "blue"), ("green",), "is not the sum of green, the positive classes"),
    ],
)
def test_a_card_that_is_not_the_networks_is_refused(
    root: Path, tmp_path: Path, classes: tuple[str, ...], positive: tuple[str, ...], reason: str
) -> None:
    wrong = classes_checkpoint(tmp_path, classes, positive)
    with pytest.raises(CheckpointError) as caught:
        engine(root, tmp_path / "cache").prepare(wrong.spec())
    assert reason in caught.value.message


class Sure(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Seven probabilities by a convolution, which bfloat16 computes otherwise than float32."""

    def __init__(self) -> None:
        super().__init__()
        drawn = np.random.default_rng(0)
        self.kernel = tf.Variable(drawn.normal(size=(3, 3, 3, 16)).astype(np.float32))
        self.weights = tf.Variable(drawn.normal(size=(16, 7)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        rows = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 1, "SAME"))
        return tf.nn.softmax(tf.matmul(tf.reduce_mean(rows, [1, 2]), self.weights))


def test_a_sum_in_half_precision_is_rounded_and_stops_no_run(root: Path, tmp_path: Path) -> None:
    """There a softmax does not sum to 1, and this score is the sum of all classes."""
    names = tuple("abcdefg")
    saved = classes_checkpoint(tmp_path, names, names, summed=(1,) * 7, module=Sure())
    spec = saved.spec(precision="bfloat16")
    worker = engine(root, tmp_path / "cache")
    try:
        worker.prepare(spec)
    except CheckpointError as error:
        if "compute in bfloat16" not in error.message:
            raise
        pytest.skip(error.message)
    (run,) = worker.score([spec], paths_in(root), nothing_known).runs
    assert list(run.scores.values()) == pytest.approx([1] * 3, abs=5e-3)
    assert max(run.scores.values()) <= 1


class Logits(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Only the negative class leaves [0, 1]."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        return tf.reduce_mean(images, [1, 2]) * tf.constant([[0.5, 4.0, 0.5]])


def test_logits_are_refused_whatever_class_shows_them(root: Path, tmp_path: Path) -> None:
    wrong = classes_checkpoint(tmp_path, module=Logits())
    with pytest.raises(CheckpointError, match="not scores in"):
        engine(root, tmp_path / "cache").prepare(wrong.spec())


def test_a_card_of_one_score_is_written_as_it_was() -> None:
    plain = {"digest": "a" * 64, "decode": {}}
    card = ModelCard.model_validate(plain)
    assert not {"classes", "positive"} & card.as_json().keys()
    of_classes = ModelCard.model_validate({**plain, "classes": ["a", "b"], "positive": ["b"]})
    assert of_classes.as_json()["classes"] == ["a", "b"]
    assert ModelCard.model_validate(of_classes.as_json()) == of_classes
