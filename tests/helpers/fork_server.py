"""Runs programs in forks of itself, which have the libraries that take long to import already.

`python fork_server.py DESCRIPTOR`, a socket on which `forks` asks. Each program is a process of its
own all the same, and imports all of dermscore itself: only what others wrote is there before.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

LIBRARIES = (
    "PIL.Image", "alembic.command", "celery.app.amqp", "celery.app.task", "celery.apps.worker",
    "celery.backends.base", "celery.bin.celery", "celery.concurrency.thread",
    "celery.fixups.django", "celery.worker.consumer", "click", "kombu.transport.filesystem",
    "kombu.transport.redis", "pandas", "prometheus_client", "psycopg", "pydantic_settings",
    "rich.console", "rich.live", "rich.progress", "rich.table",
    "scipy.optimize", "scipy.stats", "sklearn.metrics", "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite", "sqlalchemy.ext.compiler", "sqlalchemy.orm",
    "statsmodels.stats.contingency_tables", "statsmodels.stats.proportion",
)  # fmt: skip
MOST_BYTES = 1 << 20  # of a message


class Asked(NamedTuple):
    """A program to run, and what stands for its standard input, output and error."""

    program: dict[str, Any]
    streams: list[int]


def serve(control: socket.socket) -> Asked | None:
    """Fork for each message; returns in the fork what it is to run, and None at the end."""
    while True:
        message, descriptors, *_ = socket.recv_fds(control, MOST_BYTES, 4)
        if not message:
            return None
        *streams, status = descriptors
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if _is_child(status):
                os.close(status)
                return Asked(json.loads(message), streams)
        for descriptor in descriptors:
            os.close(descriptor)


def _is_child(status: int) -> bool:
    """Fork again: the parent waits, tells the number and the exit code, and ends."""
    child = os.fork()
    if child == 0:
        return True
    os.write(status, b"%d\n" % child)
    _, ended = os.waitpid(child, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(ended))
    os._exit(0)


def become(asked: Asked, path: list[str]) -> None:
    """Do what the interpreter does at its start, and run the program."""
    for number, stream in enumerate(asked.streams):
        os.dup2(stream, number)
        os.close(stream)
    if asked.program["own_session"]:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see `ctrl_c_heeded`
    os.chdir(asked.program["folder"])
    os.environ.clear()
    os.environ.update(asked.program["environment"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv = asked.program["words"]
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [str(Path(sys.argv[0]).parent), *filter(None, added), *path]
    runpy.run_path(sys.argv[0], run_name="__main__")


def main() -> None:
    known = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    path = [folder for folder in sys.path if folder not in known]
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # or the first collection of each fork would copy all of it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those ended that wait
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        become(asked, path)


if __name__ == "__main__":
    main()
