"""Every command and subcommand, by the words that call it."""

from collections.abc import Iterator, Sequence

import click

import db.upgrade
from producer.cli import main as producer
from report.cli import main as report
from trainer.cli import main as trainer
from worker.bench.command import main as worker_bench

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


def parse(words: Sequence[str]) -> None:
    """Fail where one of the project's commands does not take these words."""
    name, *rest = words
    command: click.Command = PROGRAMS[name]
    parent: click.Context | None = None
    while isinstance(command, click.Group):
        context = command.make_context(name, list(rest), parent=parent)
        left = [*context._protected_args, *context.args]  # noqa: SLF001 - what a group hands on
        if not left:
            return
        found = command.get_command(context, left[0])
        assert found is not None, f"{name} has no command {left[0]}"
        name, command, rest, parent = left[0], found, left[1:], context
    command.make_context(name, list(rest), parent=parent)


def every_command() -> dict[str, click.Context]:
    programs = {
        **PROGRAMS,
        "python -m db.upgrade": db.upgrade.main,
        "python -m worker.bench": worker_bench,
    }
    return {
        words: context
        for name, program in programs.items()
        for words, context in commands(
            click.Context(program, info_name=name, terminal_width=COLUMNS)
        )
    }


ALL = every_command()
