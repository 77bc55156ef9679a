"""Starts one measurement in a process of its own, whose peak of memory is then that of one row."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple


class Job(NamedTuple):
    """What to measure; `images` are paths below the data root."""

    checkpoint: str
    digest: str
    precision: str
    images: Sequence[str]


class Measured(NamedTuple):
    """Images per second of the network alone and through the worker's engine, bytes, and scores.

    `scores` are by path, without the images that could not be scored.
    """

    network_rate: float
    rate: float
    peak: int
    scores: dict[str, float]


class NotMeasured(NamedTuple):
    """Why this machine does not compute so."""

    reason: str


def measure(job: Job, root: str | None) -> Measured | NotMeasured:
    """Measure in a new process; `root` replaces `DATA_ROOT` there.

    The process ends with this one, whatever ends it: it watches its standard input.
    """
    environment = os.environ | ({} if root is None else {"DATA_ROOT": root})
    with tempfile.TemporaryFile() as said, _started(environment, said.fileno()) as process:
        assert process.stdin is not None, "it is a pipe"  # noqa: S101
        assert process.stdout is not None, "it is a pipe"  # noqa: S101
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # its end says why
        answer = process.stdout.read()
        code = process.wait()
        said.seek(0)
        errors = said.read().decode(errors="replace").split("\n")
    if code:
        return NotMeasured(_why(code, errors))
    found = json.loads(answer)
    return NotMeasured(found["reason"]) if "reason" in found else Measured(**found)


@contextmanager
def _started(environment: dict[str, str], said: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in a session of its own: Ctrl-C is this process's to handle."""
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.bench.one"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        start_new_session=True,
    )
    with process:  # closes its pipes and waits for its end
        try:
            yield process
        finally:
            process.kill()


def _why(code: int, errors: Sequence[str]) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, probably for want of memory"
    last = next((line.strip() for line in reversed(errors) if line.strip()), "")
    ended = f"its process ended with code {code}"
    return f"{ended}: {last[:200]}" if last else ended
