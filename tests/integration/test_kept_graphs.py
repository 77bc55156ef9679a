"""Graphs that one worker keeps and the next one uses: the same scores, or no use of them at all."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from networks import SIDE, Saved, head, hub_checkpoint, save, save_module, sequential
from processes import PROJECT

from base.runtime import keras, tf
from model.card import card_path
from model.errors import CheckpointError
from model.graphs import checkpoint_graphs, graph_store
from model.graphs.checkpoint_graphs import GraphShelf
from model.graphs.graph_file import GraphKey, KeptGraph, KeptGraphs, packed, read_header
from model.graphs.graph_store import FOLDER, GraphStore
from trainer.commands.cache import command as cache
from worker.scoring.loaded_model import LoadedModel
from worker.scoring.model_registry import ModelRegistry


class Shelf:
    """A folder of features and what was said of the graphs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []

    def worker(self) -> ModelRegistry:
        """The registry of a new worker."""
        return ModelRegistry(None, GraphShelf(GraphStore(self.folder, self.said.append)))

    def files(self) -> list[Path]:
        """The largest last."""
        return sorted((self.folder / FOLDER).iterdir(), key=lambda file: file.stat().st_size)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_module(tmp_path_factory.mktemp("hub") / "module")


@pytest.fixture(scope="module")
def one(module: Path) -> Saved:
    return hub_checkpoint(module.parent / "one.keras", module, 1)


@pytest.fixture(scope="module")
def two(module: Path) -> Saved:
    return hub_checkpoint(module.parent / "two.keras", module, 2)


@pytest.fixture(scope="module")
def alone(module: Path) -> Saved:
    """A network without a recognisable backbone."""
    network = sequential(keras.layers.Flatten(), head(3, SIDE * SIDE * 3))
    return save(module.parent / "alone.keras", network)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "features")


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The checkpoints that Keras has unpacked."""
    import model.checkpoint as module

    load, found = module.load_held, []

    def note(held: object) -> object:
        found.append(held.path)  # type: ignore[attr-defined]
        return load(held)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_held", note)
    return found


def scores(model: LoadedModel) -> list[float]:
    images = np.random.default_rng(5).random((70, SIDE, SIDE, 3), np.float32)
    found: list[float] = model.score_images(images).tolist()
    return found


@pytest.mark.parametrize("name", ["one", "alone"])
def test_the_next_worker_scores_the_same_to_the_bit_without_keras(
    name: str, shelf: Shelf, unpacked: list[Path], request: pytest.FixtureRequest
) -> None:
    saved: Saved = request.getfixturevalue(name)
    plain = ModelRegistry(None).get(saved.spec())

    first, second = (shelf.worker().get(saved.spec()) for _ in range(2))

    assert unpacked == [saved.path, saved.path]
    assert scores(first) == scores(plain)
    assert scores(second) == scores(plain)
    assert second.backbone.key == plain.backbone.key
    assert shelf.said == []


def test_with_kept_graphs_a_process_scores_without_importing_keras(
    shelf: Shelf, one: Saved
) -> None:
    expected = scores(shelf.worker().get(one.spec()))
    script = f"""
import sys
from pathlib import Path
import numpy as np
from db.queries.runs import RunSpec
from model.graphs.checkpoint_graphs import GraphShelf
from model.graphs.graph_store import GraphStore
from worker.scoring.model_registry import ModelRegistry
spec = RunSpec(1, "data", {one.digest!r}, {str(one.path)!r}, "float32", False, 1)
model = ModelRegistry(None, GraphShelf(GraphStore(Path({str(shelf.folder)!r}), sys.exit))).get(spec)
images = np.random.default_rng(5).random((70, {SIDE}, {SIDE}, 3), np.float32)
heavy = {{"keras", "tf_keras", "tensorflow_hub", "sklearn", "matplotlib", "pandas"}}
print([sorted(heavy & set(sys.modules)), model.score_images(images).tolist()])
from tensorflow.keras import layers  # as code of a model's owner may
print(layers.Dense.__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    found, name = done.stdout.splitlines()
    assert json.loads(found.replace("'", '"')) == [[], expected]
    assert name == "Dense"


def test_heads_of_one_backbone_keep_it_once_and_share_it(
    shelf: Shelf, one: Saved, two: Saved
) -> None:
    shelf.worker().get(one.spec())
    shelf.worker().get(two.spec())
    assert len(shelf.files()) == 3

    worker = shelf.worker()
    again, other = worker.get(one.spec()), worker.get(two.spec())

    assert again.backbone.graph is other.backbone.graph
    assert scores(again) != scores(other)


def truncated(content: bytes) -> bytes:
    return content[:-1]


def turned(content: bytes) -> bytes:
    """One bit in the middle of the weights."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("which", [0, 1], ids=["head", "backbone"])
@pytest.mark.parametrize(
    "damage", [truncated, turned, lambda _: b"", lambda _: b"another file" * 9]
)
def test_a_damaged_file_is_told_and_made_again(
    damage: Callable[[bytes], bytes], which: int, shelf: Shelf, one: Saved, unpacked: list[Path]
) -> None:
    expected = scores(shelf.worker().get(one.spec()))
    file = shelf.files()[which]
    whole = file.read_bytes()
    file.write_bytes(damage(whole))

    assert scores(shelf.worker().get(one.spec())) == expected
    assert len(shelf.said) == 1
    assert f"{file} " in shelf.said[0]
    assert len(unpacked) == 2
    assert scores(shelf.worker().get(one.spec())) == expected
    assert len(unpacked) == 2
    assert len(shelf.said) == 1


def test_the_file_of_another_checkpoint_is_not_used(shelf: Shelf, one: Saved, two: Saved) -> None:
    expected = scores(shelf.worker().get(one.spec()))
    before = set(shelf.files())
    shelf.worker().get(two.spec())
    (of_two,) = set(shelf.files()) - before
    (of_one,) = [
        file for file in before if file.stat().st_size == min(f.stat().st_size for f in before)
    ]
    of_one.write_bytes(of_two.read_bytes())

    assert scores(shelf.worker().get(one.spec())) == expected
    assert "is kept for something else" in shelf.said[0]


def test_a_file_that_everybody_may_write_is_not_used(shelf: Shelf, one: Saved) -> None:
    shelf.worker().get(one.spec())
    shelf.files()[0].chmod(0o666)

    shelf.worker().get(one.spec())

    assert "everybody may write to it" in shelf.said[0]


def test_a_changed_card_or_release_is_not_answered_from_what_was_kept(
    shelf: Shelf, one: Saved, tmp_path: Path, unpacked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Saved(tmp_path / "copy.keras", one.digest)
    copy.path.write_bytes(one.path.read_bytes())
    card = card_path(one.path).read_text()
    card_path(copy.path).write_text(card)
    shelf.worker().get(copy.spec())
    card_path(copy.path).write_text(card.replace('"ratio": 1', '"ratio": 2'))

    shelf.worker().get(copy.spec())
    assert len(unpacked) == 2

    monkeypatch.setattr(checkpoint_graphs, "_version_of", lambda _: "another")
    shelf.worker().get(copy.spec())
    assert len(unpacked) == 3


def test_a_refused_checkpoint_keeps_nothing_and_is_refused_again(
    shelf: Shelf, tmp_path: Path
) -> None:
    flat = keras.layers.Flatten()
    unit = keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")
    network = sequential(flat, unit)
    unit.set_weights([np.full((SIDE * SIDE * 3, 1), np.nan, np.float32), np.zeros(1, np.float32)])
    saved = save(tmp_path / "wrong.keras", network)

    for _ in range(2):
        with pytest.raises(CheckpointError, match="not scores in"):
            shelf.worker().get(saved.spec())
    assert not (shelf.folder / FOLDER).exists()


def test_a_replaced_file_is_refused_although_its_graphs_are_kept(
    shelf: Shelf, one: Saved, two: Saved, tmp_path: Path
) -> None:
    shelf.worker().get(one.spec())
    copy = Saved(tmp_path / "one.keras", one.digest)
    copy.path.write_bytes(two.path.read_bytes())
    card_path(copy.path).write_text(card_path(one.path).read_text())

    with pytest.raises(CheckpointError, match="cut short, or replaced"):
        shelf.worker().get(copy.spec())


def test_a_folder_that_cannot_be_written_costs_one_warning(
    shelf: Shelf, one: Saved, two: Saved
) -> None:
    shelf.folder.write_text("a file where the folder should be")
    worker = shelf.worker()

    assert scores(worker.get(one.spec())) != scores(worker.get(two.spec()))
    assert len(shelf.said) == 1
    assert "graphs cannot be kept" in shelf.said[0]


def key(number: int) -> GraphKey:
    return GraphKey(digest=f"{number:064x}", card=None, given=(1,), versions={})


def test_the_files_used_last_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_store, "MOST_BYTES", 3000)  # two files of 1,000 bytes and a header
    store = GraphStore(tmp_path, print)
    kept = KeptGraphs({"backbone": KeptGraph(bytes(1000), "a:0", "b:0", (1,), (1,))})
    for number, age in ((1, 300), (2, 200)):
        store.keep(key(number), kept)
        path = tmp_path / FOLDER / f"{key(number).name}.graphs"
        used = path.stat().st_mtime - age
        os.utime(path, (used, used))
    assert store.get(key(1)) == kept  # which makes 2 the oldest

    store.keep(key(3), kept)

    assert [store.has(key(number)) for number in (1, 2, 3)] == [True, False, True]


def test_workers_that_keep_the_same_at_once_do_not_disturb_one_another(tmp_path: Path) -> None:
    said: list[str] = []
    kept = KeptGraphs({"backbone": KeptGraph(bytes(1_000_000), "a:0", "b:0", (1,), (1,))})

    def work(_: int) -> bool:
        store = GraphStore(tmp_path, said.append)
        store.keep(key(1), kept)
        return store.get(key(1)) == kept

    with ThreadPoolExecutor(4) as workers:
        assert all(workers.map(work, range(40)))
    assert said == []
    assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_a_graph_that_does_more_than_compute_is_not_run_but_made_again(
    shelf: Shelf, one: Saved, tmp_path: Path
) -> None:
    """Even if somebody has written a whole file of it."""
    expected = scores(shelf.worker().get(one.spec()))
    target = tmp_path / "written"
    with tf.Graph().as_default() as graph:
        rows = tf.compat.v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], "rows")
        with tf.control_dependencies([tf.io.write_file(str(target), "words")]):
            tf.reduce_mean(rows, [1, 2], name="out")
    data = graph.as_graph_def().SerializeToString()
    backbone = shelf.files()[-1]
    header = read_header(backbone)
    assert header is not None
    forged = KeptGraph(data, "rows:0", "out:0", (SIDE, SIDE, 3), (3,))
    backbone.write_bytes(b"".join(packed(header.key, KeptGraphs({"backbone": forged}))))

    assert scores(shelf.worker().get(one.spec())) == expected
    assert len(shelf.said) == 1
    assert "does more than a network computes" in shelf.said[0]
    assert not target.exists()
    assert scores(shelf.worker().get(one.spec())) == expected
    assert len(shelf.said) == 1


def test_the_cache_command_lists_and_clears_them(
    shelf: Shelf, one: Saved, alone: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATURE_CACHE", str(shelf.folder))
    for saved in (one, alone):
        shelf.worker().get(saved.spec())

    listed = CliRunner().invoke(cache, ["list"])
    assert "graphs of 2 checkpoints in 3 files" in listed.output
    digest = ModelRegistry(None).get(one.spec()).card.backbone
    assert digest is not None
    CliRunner().invoke(cache, ["clear", "--backbone", digest.digest[:12], "--yes"])
    assert len(shelf.files()) == 1
    CliRunner().invoke(cache, ["clear", "--yes"])
    assert shelf.files() == []
