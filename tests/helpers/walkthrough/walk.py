"""Walks through a page: runs it, and compares or writes what it shows."""

from collections.abc import Callable, Iterator
from pathlib import Path

from processes import PROJECT

from walkthrough import pictures
from walkthrough.blur import differences, kept
from walkthrough.page import Picture, Step, excerpt, steps
from walkthrough.shell import Ran, Shell

# The pages that are made by running them, and the folder in which their reader stands at first.
PAGES = {"README.md": "dermscore", "docs/tutorial.md": "."}


def walk(page: Path, base: Path, start: str, say: Callable[[str], None]) -> Iterator[str]:
    """Run a page in an empty folder; gives what it shows otherwise than it is."""
    text = page.read_text()
    shell = Shell(base, start)
    for step in steps(page.name, text):
        say(step.commands)
        ran = shell.run(step.commands)
        yield from (f"{page.name}:{step.line}: {what}" for what in _wrong(step, ran))
        for picture in step.pictures:
            image = pictures.taken(picture, shell.folder)
            if image is None:
                say(f"no Chromium: {picture.target} was not looked at")
            elif not pictures.alike(image, page.parent / picture.target):
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
            fresh = kept(list(shown.lines), excerpt(ran.output, shown.pieces))
            written.append((shown.first, shown.end, fresh))
        _draw(step.pictures, page, shell.folder)
    for first, end, fresh in reversed(written):
        lines[first:end] = fresh
    page.write_text("\n".join(lines) + "\n")


def _draw(wanted: list[Picture], page: Path, folder: Path) -> None:
    for picture in wanted:
        image = pictures.taken(picture, folder)
        if image is not None:
            pictures.write(image, page.parent / picture.target)


def _wrong(step: Step, ran: Ran) -> Iterator[str]:
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
        yield from differences(list(shown.lines), found)


def walked_pages() -> list[tuple[Path, str]]:
    """Every page of `PAGES` with where it starts."""
    return [(PROJECT / name, start) for name, start in PAGES.items()]
