"""A checkpoint whose loading never ends costs its own run, and no other."""

import shutil
from pathlib import Path

import numpy as np
from colours import draw_folder
from faults import colour_site, crew
from hostile_modules import IMAGES, Mean, put_into_checkpoint
from processes import Site, stub_checkpoint

from base.runtime import tf
from worker.health.watchdog import HUNG_EXIT_CODE

HANGS = "3"  # seconds: the stub takes none, on however busy a machine


def endless_run(site: Site) -> None:
    """The newest run, which a worker would begin with."""
    (site.folder / "other").mkdir()
    file = stub_checkpoint(site.folder / "other", b"another stub\n")
    for suffix in (".keras", ".json"):
        shutil.move(file.with_suffix(suffix), site.folder / f"endless{suffix}")
    named = str(site.folder / "endless.keras")
    site.succeed("producer", "enqueue", "images", "--checkpoint", named)


def test_other_runs_end_beside_one_whose_checkpoint_never_loads(tmp_path: Path) -> None:
    site = colour_site(tmp_path, HANG_SECONDS=HANGS)
    expected = draw_folder(tmp_path, range(4))
    site.succeed("producer", "enqueue", "images")
    endless_run(site)
    del site.settings["CHECKPOINT"]

    with crew(site, 1) as workers:
        workers.await_true(lambda: len(site.ledger.scores(1)) == 4, "run 1 was scored")
        codes = [worker.await_end() for worker in workers.ended]
        assert codes == [HUNG_EXIT_CODE] * 3, workers.last_words
        assert "the loading of" in workers.ended[0].output
        assert "endless.keras did not end within 3 seconds" in workers.ended[0].output

    assert site.ledger.scores(1) == expected
    assert site.ledger.scores(2) == {}
    status = " ".join(site.succeed("producer", "status", "2").stdout.split())
    assert "loading it did not end within 3 seconds (HANG_SECONDS), in 3 workers" in status


class Endless(Mean):
    """A module whose features are never done."""

    @tf.function(input_signature=[IMAGES])
    def __call__(self, images: object) -> object:
        rows = super().__call__(images)
        return tf.while_loop(
            lambda some: tf.reduce_all(some < np.inf), lambda some: (some * 0.5,), (rows,)
        )[0]


def test_a_module_with_an_endless_loop_ends_a_real_worker_by_the_watchdog(tmp_path: Path) -> None:
    tf.saved_model.save(Endless(), str(tmp_path / "module"))
    checkpoint = put_into_checkpoint(tmp_path)
    draw_folder(tmp_path, range(2))
    site = Site(tmp_path, {"CHECKPOINT": str(checkpoint), "HANG_SECONDS": "30"})
    site.succeed("producer", "enqueue", "images")

    with site.worker() as worker:
        assert worker.await_end() == HUNG_EXIT_CODE, worker.last_words
        assert "c.keras did not end within 30 seconds (HANG_SECONDS)" in worker.output

    reason = "loading it did not end within 30 seconds (HANG_SECONDS)"
    assert site.ledger.rows("SELECT reason FROM refusals") == [(reason,)]
