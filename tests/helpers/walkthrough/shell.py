"""Runs blocks of commands one after another, as somebody types them who starts with nothing."""

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from processes import PROJECT

from base.settings import Settings

# What a machine may have set, and a reader of the page has not.
_UNKNOWN = {name.upper() for name in Settings.model_fields}
_UNKNOWN |= {"CDPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "TF_CPP_MIN_LOG_LEVEL", "VIRTUAL_ENV"}
_NOWHERE = "http://127.0.0.1:9"  # nothing listens: a command that asks a network fails
_PATIENCE = 600.0  # seconds
# With these `make` takes an environment for up to date.
_INSTALLED = (".installed", ".dev")
# Whose folder it is in the page.
_HOME, _HOST = "/home/ana", "laptop"


# A block begins where the last one ended, and leaves that in a file however it ends.
_SCRIPT = """\
. {state}
_leave() {{ export -p; printf 'cd %q\\n' "$PWD"; }}
trap '_leave >{state}' EXIT
set -e -o pipefail
{commands}
"""


class Ran(NamedTuple):
    """What a block printed, standard error among it, and how it ended."""

    output: list[str]
    code: int


def processor() -> str:
    """The kind of processor, and how many cores a program may use."""
    found = {}
    for word in ("model name", "cpu family", "model"):
        line = re.search(rf"^{word}\s*: (.*)$", _cpuinfo(), re.MULTILINE)
        found[word] = line[1] if line else "unknown"
    name, family, model = found.values()
    return f"{name} (family {family}, model {model}), {len(os.sched_getaffinity(0))} cores"


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""


class Shell:
    """A folder that holds the project as `dermscore`, and nothing else."""

    def __init__(self, base: Path, start: str) -> None:
        """Start in a folder below `base`, such as `dermscore`, or in `base` itself with `.`."""
        self.base = base.resolve()
        self._state = self.base / ".shell"
        _clone(self.base / "dermscore")
        self._state.write_text(f"cd {self.base / start}\n")
        ours = {key: value for key, value in os.environ.items() if key not in _UNKNOWN}
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), _NOWHERE)
        self._environment = {**ours, **proxies, "no_proxy": "127.0.0.1,localhost"}

    @property
    def folder(self) -> Path:
        """Where the next block begins."""
        done = subprocess.run(
            ["bash", "-c", f". {self._state}; pwd"], capture_output=True, text=True, check=True
        )
        return Path(done.stdout.rstrip("\n"))

    def run(self, commands: str) -> Ran:
        """Run a block; the folder and the variables that it leaves are those of the next one."""
        script = _SCRIPT.format(state=shlex.quote(str(self._state)), commands=commands)
        done = subprocess.run(
            ["bash", "-c", script],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        printed = done.stdout.replace(str(self.base), _HOME)
        printed = printed.replace(f"celery@{socket.gethostname()}", f"celery@{_HOST}")
        return Ran([line.rstrip() for line in printed.rstrip("\n").splitlines()], done.returncode)


def _clone(folder: Path) -> None:
    """The project as a clone of it: nothing that a command has made there, but its environment."""
    folder.mkdir(exist_ok=True)
    asked = ["git", "-C", str(PROJECT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False)
    if listed.returncode:  # an unpacked archive, which holds nothing else
        names = {path.name for path in PROJECT.iterdir()} - {".venv", ".work"}
    else:
        names = {path.partition("/")[0] for path in listed.stdout.splitlines()}
    for name in sorted(names):
        if (PROJECT / name).exists():
            (folder / name).symlink_to(PROJECT / name)
    environment = folder / ".venv"
    environment.mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name not in _INSTALLED:
            (environment / part.name).symlink_to(part)
    for name in _INSTALLED:
        (environment / name).touch()
