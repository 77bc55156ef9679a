"""Every help page, as it is shown on a terminal of 80 columns."""

import os
import subprocess

import click
import pytest
from commands import ALL, COLUMNS, PROGRAMS
from processes import SCRIPTS


def examples(context: click.Context) -> list[str]:
    """The lines of a help text that are set apart as commands."""
    lines = (context.command.help or "").splitlines()
    first_words = tuple(f"{name} " for name in PROGRAMS)
    return [
        line.strip()
        for line in lines
        if line.startswith("    ") and line.strip().startswith(first_words)
    ]


def test_all_commands_are_looked_at() -> None:
    assert {"producer enqueue", "report choose-threshold", "trainer cache clear"} <= set(ALL)
    assert sum(bool(examples(context)) for context in ALL.values()) >= 7


@pytest.mark.parametrize("words", ALL)
def test_a_help_page_is_readable(words: str) -> None:
    lines = ALL[words].get_help().splitlines()
    assert [line for line in lines if "\\b" in line or "\b" in line] == []
    assert [line for line in lines if len(line) > COLUMNS] == []
    for example in examples(ALL[words]):
        assert example in [line.strip() for line in lines], "an example has a line of its own"


@pytest.mark.parametrize(
    "words", [words for words in ALL if isinstance(ALL[words].command, click.Group)]
)
def test_no_summary_is_cut_off(words: str) -> None:
    _, _, summaries = ALL[words].get_help().partition("Commands:")
    assert "..." not in summaries


def test_the_workers_own_options_are_readable() -> None:
    done = subprocess.run(
        [SCRIPTS / "celery", "-A", "worker", "worker", "--help"],
        env={**os.environ, "COLUMNS": str(COLUMNS)},
        capture_output=True,
        text=True,
        check=True,
    )
    own = done.stdout.rpartition("\nOptions:\n")[2].splitlines()
    assert [line for line in own if "--drain" in line]
    assert [line for line in own if "\\b" in line or len(line) > COLUMNS] == []
