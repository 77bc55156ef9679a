"""What is made once for all processes of a test session, by the first that needs it."""

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[], Made]) -> Made:
    """What `make` returns, made by one of the session's processes; the others wait and read it.

    It is passed on by pickle, so it is to hold values and paths, and nobody is to change the files.
    """
    kept = _of_session(factory) / f"{name}.pickle"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, or the process dies
        if not kept.exists():
            made = make()
            part = kept.with_suffix(".part")
            part.write_bytes(pickle.dumps(made))
            part.rename(kept)
        found: Made = pickle.loads(kept.read_bytes())
        return found


def _of_session(factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes share: with xdist, each has a folder of its own in it."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
