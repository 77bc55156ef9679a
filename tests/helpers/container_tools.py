"""The tools that read the container files, from wheels or from the PATH."""

import os
import shutil
import subprocess

import pytest
from processes import PROJECT, SCRIPTS
from stack import PASSWORDS

SEARCHED = os.pathsep.join([str(SCRIPTS), os.environ["PATH"]])


def run(
    tool: str, *arguments: str, variables: dict[str, str] = PASSWORDS
) -> subprocess.CompletedProcess[str]:
    """The tool's answer; without promtool, the one that is not in the lock, the test is skipped."""
    found = shutil.which(tool, path=SEARCHED)
    if found is None:
        assert tool == "promtool", f"no {tool}: `make .venv/.dev` installs it"
        pytest.skip("no promtool here")
    environment = {key: value for key, value in os.environ.items() if key not in PASSWORDS}
    return subprocess.run(
        [found, *arguments],
        cwd=PROJECT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
