"""A model whose card promises a probability, and that gives logits: its two probes look well."""

import re
from pathlib import Path

import numpy as np
import pytest
from networks import DECODE, Saved, engine, sequential
from PIL import Image as Picture
from sqlalchemy import select

from base.listed_image import ListedImage
from base.runtime import keras
from db.queries.leases import BatchKey
from db.queries.listing import cut_batches, stage_images
from db.queries.refusals import refusals_of
from db.queries.runs import add_checkpoint
from db.session import Database, open_database
from db.tables import Batch, Prediction, Run
from imaging.listing.sources import list_source
from model.checkpoint import save_checkpoint
from model.errors import CheckpointError
from trainer.evaluate import evaluate_checkpoint
from worker.scoring.batch_processor import BatchProcessor

# Red 0.1 and 0.2, which give 0.3 and 0.6, and 0.8, which gives 2.4: three times red without green.
REDS = {"nevus/1.png": 26, "nevus/2.png": 51, "melanoma/3.png": 204}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, red in REDS.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Picture.new("RGB", (40, 40), (red, 0, 0)).save(tmp_path / "data" / name)
    return tmp_path / "data"


@pytest.fixture
def promised(tmp_path: Path) -> Saved:
    unit = keras.layers.Dense(1)
    network = sequential(keras.layers.GlobalAveragePooling2D(), unit)
    unit.set_weights([np.array([[3], [-3], [0]], np.float32), np.zeros(1, np.float32)])
    card = {"decode": DECODE, "output": "probability"}
    path, made = save_checkpoint(network, tmp_path / "promised.keras", card)
    return Saved(path, made.digest)


def enlist(database: Database, saved: Saved) -> BatchKey:
    with database.write() as session:
        checkpoint = add_checkpoint(session, saved.digest, str(saved.path), {})
        run = Run(source="data", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
        session.add(run)
        session.flush()
        stage_images(session, run, [ListedImage(name, None, None) for name in REDS])
        cut_batches(session, run.id)
        return BatchKey(run.id, 1)


def test_the_worker_stops_its_run_instead_of_losing_the_most_suspicious_image(
    root: Path, promised: Saved, tmp_path: Path
) -> None:
    database = open_database(f"sqlite:///{tmp_path}/ledger.db")
    key = enlist(database, promised)

    BatchProcessor(database, engine(root, tmp_path / "cache"), "ana").score(key)

    with database.read() as session:
        assert session.scalars(select(Prediction)).all() == []
        assert session.scalar(select(Batch.finished_at)) is None
        (refused,) = refusals_of(session, key.run_id)
    assert refused.stops
    assert re.match(r".*/promised\.keras gave 2\.(39|4)\d* for melanoma/3\.png, ", refused.reason)
    database.close()


def test_evaluation_says_the_same(root: Path, promised: Saved) -> None:
    with pytest.raises(CheckpointError, match=r"gave 2\.(39|4)\d* for .*melanoma/3\.png"):
        evaluate_checkpoint(promised.path, str(root), list_source(str(root), root), root, 0.5)
