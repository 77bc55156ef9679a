"""Programs of this environment in forks of a server that holds their libraries; see `fork_server`.

A `producer` starts in a tenth of a second instead of half a second, a `report` in a quarter of one
instead of two.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from select import select

# What an interpreter, a library or the system's loader looks at before a program runs.
_OF_STARTS = ("COVERAGE", "LANG", "LC_", "LD_", "MALLOC", "OMP_", "OPENBLAS", "PYTHON")
_SERVER = Path(__file__).with_name("fork_server.py")
_starting = threading.Lock()  # by whichever of a session's threads comes first


class _Server:
    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, str(_SERVER), str(theirs.fileno())]
            # In a group of its own: a terminal's Ctrl-C is for the tests.
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                # Or NumPy would start threads, which no fork has.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.started_with = dict(os.environ)
        self.user = os.geteuid()
        self._control = ours
        atexit.register(self._end)

    def ask(self, program: Mapping[str, object], descriptors: Sequence[int]) -> None:
        socket.send_fds(self._control, [json.dumps(program).encode()], list(descriptors))

    def _end(self) -> None:
        self._control.close()
        self._process.wait()


@cache
def _only_server() -> _Server:
    return _Server()


def _server() -> _Server:
    with _starting:
        return _only_server()


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a fork is like a process that was started with this environment."""
    server = _server()
    before = server.started_with
    other = {name for name in {*before, *environment} if before.get(name) != environment.get(name)}
    folders = environment.get("PYTHONPATH", "").split(os.pathsep)
    return (
        server.user == os.geteuid()
        and not any(name.startswith(_OF_STARTS) for name in other - {"PYTHONPATH"})
        and not any(Path(folder, "sitecustomize.py").exists() for folder in folders)
    )


class Forked:
    """A program under way in a session of its own, as `subprocess.Popen` of it would be."""

    def __init__(
        self, words: Sequence[str], folder: Path, environment: Mapping[str, str], output: int
    ) -> None:
        self._words = list(words)
        self._code: int | None = None
        told, telling = os.pipe()
        program = _program(words, folder, environment, own_session=True)
        with Path(os.devnull).open("rb") as nothing:
            _server().ask(program, [nothing.fileno(), output, output, telling])
        os.close(telling)
        # Without a buffer, or nothing would be left to wait for.
        self._status = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._status.readline())
        while self.poll() is None and not self._leads():
            time.sleep(0.001)  # signals go to its group, which it makes itself

    def _leads(self) -> bool:
        try:
            return os.getpgid(self.pid) == self.pid
        except ProcessLookupError:
            return False

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self._code is None and select([self._status], [], [], 0)[0]:
            self._take_code()
        return self._code

    def wait(self, timeout: float) -> int:
        """The exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if self._code is None:
            if not select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self._words, timeout)
            self._take_code()
        assert self._code is not None
        return self._code

    def _take_code(self) -> None:
        self._code = int(self._status.readline())
        self._status.close()


def _program(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], *, own_session: bool
) -> dict[str, object]:
    return {
        "words": list(words),
        "folder": str(folder),
        "environment": dict(environment),
        "own_session": own_session,
    }


def run(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a script of Python to its end, as `subprocess.run` with `text=True` does."""
    program = _program(words, folder, environment, own_session=False)
    outputs = [os.memfd_create(name) for name in ("stdout", "stderr")]
    try:
        given, giving = os.pipe()
        told, telling = os.pipe()
        _server().ask(program, [given, *outputs, telling])
        os.close(given)
        os.close(telling)
        writer = threading.Thread(target=_write, args=(giving, stdin))
        writer.start()
        try:
            code = _await(told, seconds, words)
        finally:
            os.close(told)
            writer.join()
        return subprocess.CompletedProcess(list(words), code, *map(_text, outputs))
    finally:
        for output in outputs:
            os.close(output)


def _write(descriptor: int, text: str) -> None:
    with suppress(BrokenPipeError), open(descriptor, "w") as file:  # it need not read all
        file.write(text)


def _await(status: int, seconds: float, words: Sequence[str]) -> int:
    """The exit code, which comes behind the number of the process."""
    # Without a buffer, or nothing would be left to wait for.
    with open(status, "rb", buffering=0, closefd=False) as lines:
        child = int(lines.readline())
        if not select([status], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(words), seconds)
        return int(lines.readline())


def _text(descriptor: int) -> str:
    with open(descriptor, closefd=False) as file:
        file.seek(0)
        return file.read()
