"""The commands as real processes, in a folder and an environment of their own."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import forks
from leftovers import COMMANDS
from sqlalchemy import Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from base.settings import Settings

PROJECT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
# Seconds after which a condition that is awaited counts as never coming true.
PATIENCE = 600.0
POLL_SECONDS = 0.02
LAST_WORDS = 8000  # characters
# Run in forks that have their libraries already: a session runs a thousand of them.
FORKED = ("producer", "report")
# The last line of a worker that has loaded what it needs.
GREETED = "  images under "
TABLES = ("checkpoints", "runs", "batches", "images", "predictions")
_IMAGES = [None, 299, 299, 3]
STUB_CONFIG = {
    "module": "keras",
    "class_name": "Sequential",
    "config": {
        "layers": [
            {
                "module": "keras.layers",
                "class_name": "InputLayer",
                "config": {"batch_shape": _IMAGES, "dtype": "float32"},
            },
            {"module": "keras.layers", "class_name": "Flatten", "config": {}},
            {
                "module": "keras.layers",
                "class_name": "Dense",
                "config": {"units": 1, "activation": "sigmoid"},
                "build_config": {"input_shape": [None, 299 * 299 * 3]},
            },
        ]
    },
}
# What a test run may have set for itself, and what would hide TensorFlow's noise.
_NOT_INHERITED = {*(name.upper() for name in Settings.model_fields), "TF_CPP_MIN_LOG_LEVEL"}


class Prediction(NamedTuple):
    """A row of `predictions`, by the path of its image."""

    path: str
    score: float | None
    error: str | None
    detail: str | None
    worker: str
    scored_at: float


@cache
def _engine(url: str) -> Engine:
    """The one of an address: its first connection asks a server some things about itself."""
    address = make_url(url)
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    return create_engine(address, poolclass=NullPool)


class Ledger:
    """Reads a ledger in plain SQL, past the code under test."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)

    def rows(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def change(self, statement: str, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(text(statement), values)

    def is_free(self) -> bool:
        """Whether batches can be written: no transaction holds one, or all of SQLite."""
        waits = "SET lock_timeout = '1s'"
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                waits = "PRAGMA busy_timeout = 1000"
            connection.execute(text(waits))
            try:
                connection.execute(text("UPDATE batches SET attempts = attempts"))
            except OperationalError:
                return False
            finally:
                connection.rollback()
        return True

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        return {table: self.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}

    def predictions(self, run: int = 1) -> list[Prediction]:
        """Every listed image that has a prediction, in the order they were listed."""
        rows = self.rows(
            "SELECT path, score, error, detail, worker, scored_at FROM images "
            "JOIN predictions ON image_id = images.id WHERE run_id = :run ORDER BY images.id",
            run=run,
        )
        return [Prediction(*row) for row in rows]

    def scores(self, run: int = 1) -> dict[str, float | None]:
        """Score by path of the run's images that have one."""
        return {row.path: row.score for row in self.predictions(run) if row.error is None}

    def images(self, run: int = 1) -> list[str]:
        """Paths in the order they were listed."""
        found = self.rows("SELECT path FROM images WHERE run_id = :run ORDER BY id", run=run)
        return [path for (path,) in found]

    def leased(self) -> list[str]:
        """The workers that hold a batch, a name for each batch."""
        found = self.rows(
            "SELECT worker FROM batches WHERE leased_until IS NOT NULL AND finished_at IS NULL"
        )
        return [worker for (worker,) in found]

    def unfinished(self) -> int:
        """How many batches are owed."""
        count: int = self.rows("SELECT count(*) FROM batches WHERE finished_at IS NULL")[0][0]
        return count


class Done(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@contextmanager
def ctrl_c_heeded() -> Iterator[None]:
    """Children started inside heed Ctrl-C.

    Where the tests themselves run with Ctrl-C ignored, as a shell's background jobs do, a child
    would ignore it too. Only the main thread can say so, for all.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Process:
    """A command under way, in a process group of its own; all that it prints goes to `log`."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: dict[str, str],
        log: Path,
        *,
        forked: bool = False,
    ) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | forks.Forked
        with ctrl_c_heeded(), log.open("wb") as output:
            if forked:
                self._process = forks.Forked(command, folder, environment, output.fileno())
                return
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self.send(signal.SIGKILL)
        self._process.wait(PATIENCE)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def last_words(self) -> str:
        """The end of the output, for a failing test to show."""
        return self.output[-LAST_WORDS:]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command and to all that it started."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(self._process.pid, number)

    def await_end(self, seconds: float = PATIENCE) -> int:
        """The exit code, negative for the signal that ended it."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s:\n{self.last_words}") from None

    def await_true(
        self, condition: Callable[[], object], what: str, seconds: float = PATIENCE
    ) -> None:
        """Wait until the condition holds; an end of the process before that is a failure."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, f"ended before {what}:\n{self.last_words}"
            assert time.monotonic() < deadline, f"never {what}:\n{self.last_words}"
            time.sleep(POLL_SECONDS)

    def await_standstill(self, mark: Path) -> None:
        """Wait until it stopped at the point of this file (points.py), so that SIGCONT is not lost.

        The file is there a moment before the stop: a SIGCONT between the two would do nothing.
        """
        self.await_true(lambda: mark.exists() and self._state == "T", "it stood still")

    @property
    def _state(self) -> str:
        """Its state as in proc(5), such as R, S or T (stopped)."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0]

    def await_output(self, words: str) -> None:
        self.await_true(lambda: words in self.output, f"it said {words!r}")


@dataclass(frozen=True)
class Site:
    """A working folder with what is set in its environment; `enter` goes before each command."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    enter: Sequence[str] = ()

    @property
    def ledger(self) -> Ledger:
        default = f"sqlite:///{self.folder / 'dermscore.db'}"
        return Ledger(self.settings.get("DATABASE_URL", default))

    @property
    def environment(self) -> dict[str, str]:
        inherited = {k: value for k, value in os.environ.items() if k not in _NOT_INHERITED}
        return {**inherited, **_temporary_folder(), **self.settings}

    def waiting(self) -> int:
        """Messages in the queue of the embedded broker."""
        return len(list(self.folder.glob("dermscore.queue/waiting/*/*.msg")))

    def run(
        self, command: str, *arguments: str, stdin: str = "", seconds: float = PATIENCE
    ) -> Done:
        """Run a command to its end."""
        environment = self.environment
        words = [*self.enter, str(SCRIPTS / command), *arguments]
        if self._can_fork(command, arguments, environment):
            done = forks.run(words, self.folder, environment, stdin, seconds)
        else:
            done = subprocess.run(
                words,
                cwd=self.folder,
                env=environment,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        return Done(done.returncode, done.stdout, done.stderr)

    def succeed(
        self, command: str, *arguments: str, stdin: str = "", seconds: float = PATIENCE
    ) -> Done:
        """Run a command that must end well."""
        done = self.run(command, *arguments, stdin=stdin, seconds=seconds)
        assert done.code == 0, f"{command} {' '.join(arguments)} ended with {done}"
        return done

    def start(self, command: str, *arguments: str) -> Process:
        """Start a command; use it as a context, so that it never outlives its test."""
        number = len(list(self.folder.glob("*.log")))
        log = self.folder / f"{number}-{command}.log"
        words = [*self.enter, str(SCRIPTS / command), *arguments]
        environment = self.environment
        forked = self._can_fork(command, arguments, environment)
        return Process(words, self.folder, environment, log, forked=forked)

    def _can_fork(
        self, command: str, arguments: Sequence[str], environment: dict[str, str]
    ) -> bool:
        """Whether it does without TensorFlow, and starts in a fork as it does by itself."""
        light = command in FORKED or (command == "celery" and "stub_worker" in arguments)
        return light and not self.enter and forks.can_fork(environment)

    def worker(self, *options: str) -> Process:
        return self.start("celery", "-A", "worker", "worker", *options)

    def drain(self) -> str:
        """Let a worker do what is owed; returns what it printed."""
        with self.worker("--drain") as worker:
            code = worker.await_end()
            assert code == 0, f"the worker ended with {code}:\n{worker.last_words}"
            return worker.output


def _temporary_folder() -> dict[str, str]:
    """Where a session's commands keep temporary files, if a session made that."""
    folder = Path(tempfile.gettempdir(), COMMANDS)
    return {"TMPDIR": str(folder)} if folder.is_dir() else {}


def freeze(worker: Process, ledger: Ledger) -> None:
    """Stop a worker that is in no transaction: others would wait for what that holds."""
    worker.send(signal.SIGSTOP)
    while not ledger.is_free():
        worker.send(signal.SIGCONT)
        time.sleep(POLL_SECONDS)
        worker.send(signal.SIGSTOP)


def name_if_holding(worker: Process, ledger: Ledger) -> str | None:
    """Its name in the ledger if it holds a batch."""
    return next((name for name in ledger.leased() if f"-{worker.pid}-" in name), None)


def stop_if_holding(worker: Process, ledger: Ledger) -> str | None:
    """The same, and it stands still from then on."""
    worker.send(signal.SIGSTOP)  # or it could be done with it in the meantime
    name = name_if_holding(worker, ledger)
    if name is None:
        worker.send(signal.SIGCONT)
    return name


def kill_a_holder(workers: Sequence[Process], ledger: Ledger) -> tuple[Process, str]:
    """`kill -9` one that holds a batch; it, and its name in the ledger."""
    deadline = time.monotonic() + PATIENCE
    while True:
        for worker in workers:
            name = stop_if_holding(worker, ledger)
            if name is not None:
                worker.send(signal.SIGKILL)
                return worker, name
            assert not worker.ended, f"ended before it held a batch:\n{worker.last_words}"
        assert time.monotonic() < deadline, f"none held a batch:\n{workers[0].last_words}"
        time.sleep(POLL_SECONDS)


def begin_together(workers: Sequence[Process], ledger: Ledger) -> None:
    """Let workers begin with their work at once: who is up stands still until all are."""
    starting = list(workers)
    while starting:
        for worker in [one for one in starting if GREETED in one.output]:
            freeze(worker, ledger)
            starting.remove(worker)
        for worker in starting:
            assert not worker.ended, f"ended before it was up:\n{worker.last_words}"
        time.sleep(POLL_SECONDS)
    for worker in workers:
        worker.send(signal.SIGCONT)


class Trained(NamedTuple):
    """A folder with drawn images in `data` and a small checkpoint that its ledger knows."""

    site: Site
    checkpoint: Path
    digest: str


class CleanRun(NamedTuple):
    """The three commands without a fault, what each printed, and the scores by path."""

    site: Site
    enqueued: Done
    worker_output: str
    reported: Done
    scores: dict[str, float | None]


def small_checkpoint(base: Path) -> Trained:
    """206 images drawn and a small network trained on them."""
    folder = base / "trained"
    folder.mkdir()
    site = Site(folder)
    drawing = [str(PROJECT / "demo" / "draw.py"), "data", "--train", "40", "--valid", "16"]
    site.succeed("python", *drawing, "--test", "150")
    options = ("--backbone", "small", "--epochs", "2")
    site.succeed("trainer", "train", "data/train", "data/valid", *options)
    (checkpoint,) = (folder / "checkpoints").glob("*.keras")
    ((digest,),) = site.ledger.rows("SELECT digest FROM checkpoints")
    return Trained(site, checkpoint, digest)


def stub_checkpoint(folder: Path, content: bytes = b"a stub", name: str = "stub.keras") -> Path:
    """A file and a card for the stub of `stub_worker`, which checks the digest and no more.

    The producer looks at the config inside, which is one of a network; its weights are `content`.
    """
    checkpoint = folder / name
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("config.json", json.dumps(STUB_CONFIG))
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", content)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    checkpoint.with_suffix(".json").write_text(json.dumps({"digest": digest, "decode": {}}))
    return checkpoint


def clean_run(trained: Trained) -> CleanRun:
    """The three commands as they stand, with nothing set, right after the training."""
    site = trained.site
    enqueued = site.succeed("producer", "enqueue", "data/test")
    worker_output = site.drain()
    reported = site.succeed("report", "--threshold", "0.23")
    return CleanRun(site, enqueued, worker_output, reported, site.ledger.scores())


def fresh_site(folder: Path, trained: Trained, **settings: str) -> Site:
    """A folder that holds `data/test` and nothing else; `CHECKPOINT` names the trained one."""
    shutil.copytree(trained.site.folder / "data" / "test", folder / "data" / "test")
    return Site(folder, {"CHECKPOINT": str(trained.checkpoint), **settings})


def error_lines(output: str) -> list[str]:
    """The lines that tell a person what went wrong."""
    return [line for line in output.splitlines() if line.startswith("Error: ")]
