"""Checkpoints cut short, damaged and swapped under their name, met by the real worker."""

import shutil
import time
import zipfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

from faults import Row, crew, recovered
from grounds import Ground
from processes import Process, Site, Trained

IMAGES = 20

Damage = Callable[[Path], None]


def broken_checkpoints(ground: Ground, backend: str, trained: Trained) -> list[Row]:
    """A run whose checkpoint is whole, three whose own are broken, which are repaired later on."""
    site, wholes = _enqueued(ground, backend, trained)
    kept = site.folder / "kept"
    shutil.copytree(site.folder / "checkpoints", kept)
    faults: dict[str, tuple[Damage, str]] = {
        "checkpoint cut short": (_cut, "cut short, or replaced"),
        "checkpoint of a wrong digest": (_flip_a_bit, "cut short, or replaced"),
        "checkpoint swapped under its name": (partial(_swap, wholes[0]), "is another checkpoint"),
    }
    for whole, (damage, _) in zip(wholes[1:], faults.values(), strict=True):
        damage(whole)
    with crew(site, 1, module="worker") as workers:
        (worker,) = workers.workers
        for run, (_, words) in enumerate(faults.values(), 2):
            said = partial(_is_refused, worker, run, wholes[run - 1], words)
            worker.await_true(said, f"refused run {run}")
        worker.await_true(lambda: len(site.ledger.scores()) == IMAGES, "scored what it could")
        for run in range(2, 5):
            assert site.ledger.predictions(run) == [], "nothing is scored by a broken one"
        shutil.copytree(kept, site.folder / "checkpoints", dirs_exist_ok=True)
        judged = partial(recovered, workers, since=time.time())
        expected = {path: score for path, score in site.ledger.scores().items() if score}
        rows = [judged(name, backend, 1, expected, run) for run, name in enumerate(faults, 2)]
        assert "Traceback" not in worker.output, worker.last_words
        return rows


def _enqueued(ground: Ground, backend: str, trained: Trained) -> tuple[Site, list[Path]]:
    """The same images for four checkpoints of one network, whose files differ."""
    site = ground.site(backend)
    for name in ("CHECKPOINT", "STUB_MODE"):  # neither is the real worker's
        del site.settings[name]
    images = sorted((trained.site.folder / "data" / "test").rglob("*.jpg"))[:IMAGES]
    (site.folder / "data").mkdir()
    for image in images:
        shutil.copy(image, site.folder / "data")
    (site.folder / "checkpoints").mkdir()
    wholes = []
    for number in range(1, 5):
        whole = _variant(trained, site.folder / "checkpoints" / f"{number}.keras")
        site.succeed("producer", "enqueue", "data", "--checkpoint", str(whole))
        wholes.append(whole)
    return site, wholes


def _variant(trained: Trained, path: Path) -> Path:
    """The trained checkpoint with another digest: a comment of the archive says its name."""
    shutil.copy(trained.checkpoint, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = path.name.encode()
    digest = sha256(path.read_bytes()).hexdigest()
    card = trained.checkpoint.with_suffix(".json").read_text()
    path.with_suffix(".json").write_text(card.replace(trained.digest, digest))
    return path


def _cut(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])


def _flip_a_bit(checkpoint: Path) -> None:
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)


def _swap(other: Path, checkpoint: Path) -> None:
    """Another whole checkpoint, with its own card, takes its name."""
    for suffix in (".keras", ".json"):
        shutil.copy(other.with_suffix(suffix), checkpoint.with_suffix(suffix))


def _is_refused(worker: Process, run: int, checkpoint: Path, words: str) -> bool:
    """Whether the worker said in one line that it has no such checkpoint, and why."""
    return any(
        f"ERROR run {run}" in line and str(checkpoint) in line and words in line
        for line in worker.output.splitlines()
    )
