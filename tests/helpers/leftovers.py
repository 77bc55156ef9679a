"""What a test session leaves behind: in a temporary folder of its own, and in shared memory.

Of the system's temporary folder nobody could say what is whose: other sessions run at the same
time, other people's too, and a file of a fixed name there belongs to the user who came first.
"""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "ds"  # short: addresses of sockets have a limit of a hundred letters
# Within it, of commands under test: many are killed, and leave what Keras would have removed.
COMMANDS = "commands"
LOCK = ".session"  # held by a session as long as it lives
# What TensorFlow removes when its process ends, if nobody kills that; Python keeps their bytecode.
_OF_KILLED = "__autograph_generated_file"
_BYTECODE = "__pycache__"
# What PostgreSQL makes there is no test's: theirs keep it in their own folders.
_OTHERS = "PostgreSQL."


class TemporaryFolder:
    """The session's own, which all that it starts finds as the system's: `TMPDIR`."""

    def __init__(self) -> None:
        self._began = time.time()
        _remove_orphans()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = _held(self.path / LOCK)
        self.path.chmod(0o755)  # servers that are somebody else enter it
        (self.path / COMMANDS).mkdir()
        os.environ["TMPDIR"] = str(self.path)
        tempfile.tempdir = None  # of the answer before

    def left_behind(self) -> list[str]:
        """What is in it beside pytest's folder, which pytest itself looks after."""
        return sorted(
            file.name
            for file in self.path.iterdir()
            if file.name not in (LOCK, COMMANDS)
            and not (_is_pytests(file) or _is_tensorflows(file))
        )

    def unused_memory(self) -> list[str]:
        """Shared memory made since, of this user, which no process has open any more.

        It may be another session's of the same user.
        """
        if not SHARED_MEMORY.is_dir():
            return []
        found = [file for file in SHARED_MEMORY.iterdir() if _is_ours(file, self._began)]
        in_use = _mapped() if found else ""
        return sorted(str(file) for file in found if str(file) not in in_use)

    def remove(self, *, keep_pytests: bool) -> None:
        """All of it, or all but what pytest keeps of tests that failed."""
        for file in list(self.path.iterdir()):
            if not (keep_pytests and _is_pytests(file)):
                _remove(file)
        if not keep_pytests:
            _remove(self.path)


def _held(lock: Path) -> int | None:
    """Its descriptor, locked until this process ends; None where another lives that holds it."""
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_orphans() -> None:
    """The folders of this user's sessions that were killed."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        if lock.stat().st_uid == os.geteuid():
            descriptor = _held(lock)
            if descriptor is not None:
                _remove(lock.parent)
                os.close(descriptor)


def _is_tensorflows(file: Path) -> bool:
    if file.name == _BYTECODE:
        return all(_is_tensorflows(inner) for inner in file.iterdir())
    return file.name.startswith(_OF_KILLED)


def _is_pytests(file: Path) -> bool:
    return file.name.startswith("pytest-of-")


def _remove(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file, ignore_errors=True)
    else:
        file.unlink(missing_ok=True)


def _is_ours(file: Path, since: float) -> bool:
    try:
        stat = file.lstat()
    except FileNotFoundError:
        return False
    mine = stat.st_uid == os.geteuid() and not file.name.startswith(_OTHERS)
    return mine and stat.st_ctime >= since


def _mapped() -> str:
    """What the processes of this machine have in memory, as far as this user may see it."""
    maps = []
    for process in Path("/proc").glob("[0-9]*/maps"):
        try:
            maps.append(process.read_text(errors="replace"))
        except OSError:  # it ended, or it is somebody else's
            continue
    return "".join(maps)
