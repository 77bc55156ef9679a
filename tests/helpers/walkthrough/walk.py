"""Walks through a page: runs it, and compares or writes what it shows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import click

from walkthrough import pictures
from walkthrough.blur import differences, kept
from walkthrough.page import MADE_ON, Picture, Step, excerpt, made_on, steps
from walkthrough.shell import Ran, Shell, processor

# The pages that are made by running them, and the folder in which their reader stands at first.
PAGES = {"README.md": "dermscore", "docs/tutorial.md": "."}


def walk(page: Path, base: Path, start: str, say: Callable[[str], None]) -> Iterator[str]:
    """Run a page in an empty folder; gives what it shows otherwise than it is."""
    text = page.read_text()
    shell = Shell(base, start)
    figures = made_on(text) in ("", processor())
    if not figures:
        say(f"figures are those of {made_on(text)}: here, on {processor()}, only words count")
    for step in steps(page.name, text):
        say(step.commands)
        ran = shell.run(step.commands)
        yield from (f"{page.name}:{step.line}: {what}" for what in _wrong(step, ran, figures))
        for picture in step.pictures:
            image = pictures.taken(picture, shell.folder)
            if image is None:
                say(f"no Chromium: {picture.target} was not looked at")
            elif figures and not pictures.alike(image, page.parent / picture.target):
                yield f"{page.name}: {picture.target} is not what {picture.source} shows"


def rewrite(page: Path, base: Path, start: str, say: Callable[[str], None]) -> None:
    """Run a page, and write into it what its commands print and draw."""
    lines = page.read_text().splitlines()
    shell = Shell(base, start)
    written: list[tuple[int, int, list[str]]] = []
    for step in steps(page.name, page.read_text()):
        say(step.commands)
        ran = shell.run(step.commands)
        for shown in step.shown:
            try:
                fresh = excerpt(ran.output, shown.pieces)
            except LookupError as error:
                where = f"{page.name}:{shown.first}: {error}"
                raise click.ClickException("\n".join([where, *ran.output])) from error
            written.append((shown.first, shown.end, kept(list(shown.lines), fresh)))
        _draw(step.pictures, page, shell.folder)
    for first, end, fresh in reversed(written):
        lines[first:end] = fresh
    here = f"<!-- figures of: {processor()} -->"
    page.write_text(MADE_ON.sub(here, "\n".join(lines) + "\n"))


def _draw(wanted: list[Picture], page: Path, folder: Path) -> None:
    for picture in wanted:
        image = pictures.taken(picture, folder)
        if image is not None:
            pictures.write(image, page.parent / picture.target)


def _wrong(step: Step, ran: Ran, figures: bool) -> Iterator[str]:
    if ran.code != step.code:
        yield "\n".join([f"ended with {ran.code} instead of {step.code}", *ran.output[-20:]])
    if ran.output and not step.shown:
        yield "\n".join(["it printed what the page does not show", *ran.output[-20:]])
    for shown in step.shown:
        try:
            found = excerpt(ran.output, shown.pieces)
        except LookupError as error:
            yield "\n".join([str(error), *ran.output[-20:]])
            continue
        yield from differences(list(shown.lines), found, figures=figures)
