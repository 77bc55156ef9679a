"""The help of every command, as a terminal of 80 columns shows it."""

import click
from commands import ALL, COLUMNS

from worker.celery import app

PAGES = {
    "producer": "lists images, enqueues them, and says how far their runs are.",
    "report": "says how good a run is, from its stored scores only.",
    "trainer": "makes, adopts and looks after checkpoints.",
    "worker": "scores what is enqueued. It is a Celery worker; these options are its own.",
}


def page(program: str) -> str:
    """The help of a program and of each of its subcommands."""
    lines = [f"# {program}", "", f"`{_typed(program)}` {PAGES[program]}", ""]
    for words, text in _texts(program):
        lines += [f"## {words}", "", "```text", text.rstrip(), "```", ""]
    lines += ["This page is made by `make reference`.", ""]
    return "\n".join(lines)


def _typed(program: str) -> str:
    return "celery -A worker worker" if program == "worker" else program


def _texts(program: str) -> list[tuple[str, str]]:
    if program == "worker":
        others = ("python -m worker.bench", "python -m db.upgrade")
        return [
            (_typed(program), _workers_own()),
            *((words, ALL[words].get_help()) for words in others),
        ]
    return [
        (words, context.get_help()) for words, context in ALL.items() if words.split()[0] == program
    ]


def _workers_own() -> str:
    """The options that `worker.celery` adds to those of Celery."""
    options = sorted(app.user_options["worker"], key=lambda option: str(option.name))
    own = click.Command("worker", params=options, add_help_option=False)
    context = click.Context(own, info_name=_typed("worker"), terminal_width=COLUMNS)
    return own.get_help(context)
