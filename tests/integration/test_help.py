"""Every help page, as it is shown on a terminal of 80 columns."""

import os
import subprocess
from collections.abc import Iterator

import click
import pytest
from processes import SCRIPTS

import db.upgrade
from producer.cli import main as producer
from report.cli import main as report
from trainer.cli import main as trainer

COLUMNS = 80
PROGRAMS = {"producer": producer, "report": report, "trainer": trainer}


def commands(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    """A command and all below it, each with the words that call it."""
    yield context.command_path, context
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(
                click.Context(command, parent=context, info_name=name, terminal_width=COLUMNS)
            )


def every_command() -> dict[str, click.Context]:
    programs = {**PROGRAMS, "python -m db.upgrade": db.upgrade.main}
    return {
        words: context
        for name, program in programs.items()
        for words, context in commands(
            click.Context(program, info_name=name, terminal_width=COLUMNS)
        )
    }


ALL = every_command()


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
