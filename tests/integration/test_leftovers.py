"""What a test session leaves behind is named; a killed session's folder is removed by the next."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PROJECT

SESSION = """
import os, signal, sys, tempfile
from pathlib import Path
from leftovers import TemporaryFolder

own = TemporaryFolder()
assert Path(tempfile.gettempdir()) == own.path == Path(os.environ["TMPDIR"])
(own.path / "pytest-of-somebody").mkdir()
handle, name = tempfile.mkstemp(prefix="forgotten")
print(own.path, *own.left_behind(), sep="\\n", flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
own.remove(keep_pytests=sys.argv[1] == "failed")
"""


def session(folder: Path, end: str) -> tuple[Path, list[str]]:
    """A session's temporary folder within `folder`, and what it named."""
    done = subprocess.run(
        [sys.executable, "-c", SESSION, end],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(PROJECT / "tests" / "helpers")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if end == "killed" else 0), done.stderr
    path, *left = done.stdout.splitlines()
    return Path(path), left


def test_a_session_has_a_folder_of_its_own_and_names_what_is_left_in_it(tmp_path: Path) -> None:
    own, left = session(tmp_path, "well")
    assert own.parent == tmp_path
    assert [name[:9] for name in left] == ["forgotten"]
    assert list(tmp_path.iterdir()) == []


def test_of_failed_tests_pytests_folder_is_kept(tmp_path: Path) -> None:
    own, _ = session(tmp_path, "failed")
    assert [file.name for file in own.iterdir()] == ["pytest-of-somebody"]
    session(tmp_path, "well")
    assert own.exists(), "also by the next session"


@pytest.mark.parametrize("end", ["well", "killed"])
def test_the_folder_of_a_session_that_was_killed_is_removed_by_the_next(
    tmp_path: Path, end: str
) -> None:
    killed, _ = session(tmp_path, "killed")
    assert killed.exists()
    session(tmp_path, end)
    assert not killed.exists()
