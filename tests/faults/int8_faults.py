"""Faults that depend on the engine: inside OpenVINO, with a real int8 checkpoint."""

import signal
import time
from collections.abc import Mapping

from faults import SHORT_LEASE, Row, crew, enqueue, recovered
from grounds import Ground
from process_faults import HUNG_EXIT_CODE, with_bad_image
from processes import Process
from shutdowns import LAST_WORDS

# What the same image does, first in company, then three times alone; and how its process ends, if
# it does.
TURNS = (
    ("crash", -signal.SIGSEGV),
    ("hang", HUNG_EXIT_CODE),
    ("fail", None),
    ("fail", None),
)


def harmed_in_openvino(ground: Ground, backend: str, engine: Mapping[str, str]) -> list[Row]:
    """One image harms OpenVINO four times and is `worker_died` then; afterwards a SIGTERM."""
    # As long as loading may take on a busy machine.
    settings = {"STUB_IMAGE_SECONDS": "0.02", "HANG_SECONDS": "30", **SHORT_LEASE}
    site = ground.site(backend, **engine, **settings)
    for number, (kind, _) in enumerate(TURNS):
        (site.folder / f"harm.{number}.{kind}").touch()
    expected = with_bad_image(site, "harms")
    with crew(site, 1) as workers:
        ends = [code for _, code in TURNS if code is not None]
        workers.await_true(lambda: len(workers.ended) >= len(ends), "two had ended")
        name = "image that crashes OpenVINO, hangs, fails"
        died = recovered(workers, name, backend, len(TURNS), expected)
        codes = [worker.await_end() for worker in workers.ended]
        assert codes == ends, f"{codes}\n{workers.last_words}"
        # As many as it scores at a time: each that Celery saw would be one less.
        (worker,) = workers.workers
        assert worker.output.count("out of memory; it is tried again") == 2, worker.last_words
        more = enqueue(site, 160, "--batch-size", "32", folder="more")
        workers.await_true(site.ledger.leased, "a batch was held")
        worker.send(signal.SIGTERM)
        _judge_end(worker)
        ended = time.time()
        name = "SIGTERM in mid-batch of int8"
        return [died, recovered(workers, name, backend, 1, more, 2, since=ended)]


def _judge_end(worker: Process) -> None:
    assert worker.await_end() == 0, worker.last_words
    assert worker.output.rstrip().endswith(LAST_WORDS), worker.last_words
