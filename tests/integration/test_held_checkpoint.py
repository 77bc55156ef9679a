"""A checkpoint is read once, digested as it is read, and loaded from what was read."""

import re
from pathlib import Path

import pytest
from networks import SIDE, Saved, head, save, sequential

from base.runtime import keras
from model.card import claimed_card
from model.checkpoint_requirements import refuse_unloadable_file
from model.errors import CheckpointError
from model.held_checkpoint import hold_checkpoint
from worker.scoring.model_registry import ModelRegistry

UNITS = 4096  # 50 MB of weights


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    network = sequential(
        keras.layers.Flatten(), keras.layers.Dense(UNITS, activation="relu"), head(0, UNITS)
    )
    return save(tmp_path_factory.mktemp("large") / "large.keras", network)


def bytes_read() -> int:
    """What this process has read so far, by any call of the system."""
    (count,) = re.findall(r"rchar: (\d+)", Path("/proc/self/io").read_text())
    return int(count)


def test_a_worker_reads_a_checkpoint_once_and_its_copy_once(large: Saved) -> None:
    """As it starts with `CHECKPOINT` set, and as it loads."""
    size = large.path.stat().st_size
    assert size > 4 * SIDE * SIDE * 3 * UNITS
    before = bytes_read()

    card = claimed_card(large.path)
    refuse_unloadable_file(large.path, card)
    scorer = ModelRegistry(large.path).get(large.spec())

    assert scorer.card.digest == large.digest
    # The file to copy and digest it, the copy for Keras; each digest more would be a third.
    assert bytes_read() - before < 2.5 * size


def test_what_is_held_does_not_change_with_the_file(large: Saved, tmp_path: Path) -> None:
    path = tmp_path / "copy.keras"
    path.write_bytes(large.path.read_bytes())
    path.with_suffix(".json").write_text(large.path.with_suffix(".json").read_text())

    with hold_checkpoint(path) as held:
        with path.open("r+b") as file:
            file.write(b"another")
        held.file.seek(0)
        assert held.file.read() == large.path.read_bytes()
    with pytest.raises(CheckpointError, match="cut short, or replaced"):
        hold_checkpoint(path)


def test_a_temporary_folder_that_takes_nothing_is_named(
    large: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc")  # where nobody makes a file

    with pytest.raises(CheckpointError, match=r"large\.keras cannot be copied .*\(TMPDIR\)"):
        hold_checkpoint(large.path)
