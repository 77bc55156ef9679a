"""What the light file of each subcommand says fits the function that it loads."""

import inspect

import click
import pytest
from click.testing import CliRunner
from commands import ALL

from base.console.lazy_group import Deferred, calls

DEFERRED = {
    words: context.command
    for words, context in ALL.items()
    if isinstance(context.command.callback, Deferred)
}


def test_all_subcommands_are_loaded_when_they_run() -> None:
    groups = {"producer", "report", "trainer", "trainer cache"}
    assert set(ALL) - set(DEFERRED) == groups | {
        "python -m db.upgrade",
        "python -m worker.bench",
    }


@pytest.mark.parametrize("words", DEFERRED)
def test_the_function_takes_what_the_options_give(words: str) -> None:
    """A name that does not fit would come to light when somebody runs the command."""
    command = DEFERRED[words]
    assert isinstance(command.callback, Deferred)
    given = {param.name: None for param in command.params if param.expose_value}
    function = command.callback.load()
    inspect.signature(function).bind(**given)
    # A name in a string is nothing that import-linter sees.
    assert function.__module__.partition(".")[0] == words.partition(" ")[0]


def test_help_is_shown_without_the_module_that_does_the_work() -> None:
    @click.command()
    @click.option("--at", default=1)
    @calls("no.such.module:function")
    def command() -> None:
        """Say it."""

    assert CliRunner().invoke(command, ["--help"]).exit_code == 0
    assert isinstance(CliRunner().invoke(command, []).exception, ModuleNotFoundError)
