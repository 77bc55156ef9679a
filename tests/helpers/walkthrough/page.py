"""What is on a page: commands, what they printed, pictures, and the marks above them. Pure."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

import click

_FENCE = re.compile(r"```(\w*)$")
_MARK = re.compile(r"<!-- ([^:>]+?)(?:: (.+?))? -->$")
_ENDS = re.compile(r"ends with (\d+)$")
_PICTURE = re.compile(r"!\[.*\]\((.+?)\)")
_SIZE = re.compile(r"(\S+) (\d+)x(\d+)$")
MADE_ON = re.compile(r"^<!-- figures of: (.*) -->$", re.MULTILINE)
_BETWEEN = " .. "


class Shown(NamedTuple):
    """A block of output: the lines of the page between its fences, from 0, and what it shows."""

    first: int
    end: int
    lines: tuple[str, ...]
    pieces: str | None


class Picture(NamedTuple):
    """A picture of the page, the file that it is made of, and how much of a page it shows in px."""

    target: str
    source: str
    size: tuple[int, int] | None


@dataclass
class Step:
    """A block of commands with what the page shows of it."""

    line: int
    commands: str
    code: int = 0
    shown: list[Shown] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def made_on(text: str) -> str:
    """The kind of processor that the figures of the page are of."""
    found = MADE_ON.search(text)
    return found[1] if found else ""


def steps(name: str, text: str) -> list[Step]:
    """All that is to be run, from top to bottom.

    Raises:
        click.ClickException: a block would be run by nobody, or shows the output of nothing.
    """
    found: list[Step] = []
    lines = text.splitlines()
    marks: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line, here = lines[at], f"{name}:{at + 1}"
        mark = _MARK.match(line)
        if mark:
            marks[mark[1]] = mark[2] or ""
        elif line:
            at = _take(found, lines, at, marks, here)
            marks = {}
        at += 1
    if not found:
        raise click.ClickException(f"{name} has no command that is run")
    return found


def _take(found: list[Step], lines: list[str], at: int, marks: dict[str, str], here: str) -> int:
    """Take what begins in a line; returns the line in which it ends."""
    line = lines[at]
    fence, picture = _FENCE.match(line), _PICTURE.match(line)
    if fence:
        end = lines.index("```", at + 1)
        _take_block(found, fence[1], marks, here, lines[at + 1 : end], at + 1)
        return end
    if picture and "picture" in marks:
        if not found:
            raise click.ClickException(f"{here}: a picture of nothing")
        found[-1].pictures.append(_picture(picture[1], marks["picture"]))
    elif line.startswith("    ") and not _continues(lines, at):
        raise click.ClickException(f"{here}: nobody runs an indented block: make it ```sh")
    return at


def _take_block(
    found: list[Step], kind: str, marks: dict[str, str], here: str, lines: list[str], first: int
) -> None:
    if "not run" in marks:
        if not marks["not run"]:
            raise click.ClickException(f"{here}: say why it is not run")
        return
    if kind == "sh":
        codes = (int(ends[1]) for mark in marks if (ends := _ENDS.match(mark)))
        found.append(Step(first, "\n".join(lines), next(codes, 0)))
    elif kind == "text":
        if not found:
            raise click.ClickException(f"{here}: output of nothing")
        shown = Shown(first, first + len(lines), tuple(lines), marks.get("shown"))
        found[-1].shown.append(shown)


def _continues(lines: list[str], at: int) -> bool:
    """Whether the indented line belongs to an item of a list above it."""
    before = next((line for line in reversed(lines[:at]) if not line.startswith("    ")), "")
    return before.lstrip().startswith(("-", "1.", "2.", "3.")) and bool(before)


def _picture(target: str, mark: str) -> Picture:
    sized = _SIZE.match(mark)
    if sized:
        return Picture(target, sized[1], (int(sized[2]), int(sized[3])))
    return Picture(target, mark, None)


def excerpt(output: list[str], pieces: str | None) -> list[str]:
    """The lines that the pieces name, `...` where lines between them are left out.

    Raises:
        LookupError: a piece begins or ends nowhere.
    """
    if pieces is None:
        return output
    found: list[str] = []
    at = 0
    for piece in pieces.split(" | "):
        first, _, last = piece.partition(_BETWEEN)
        begin = _line_with(first, output, at)
        end = _line_with(last, output, begin) + 1 if last else begin + 1
        if found and begin > at:
            found.append("...")
        found += output[begin:end]
        at = end
    return found


def _line_with(words: str, output: list[str], since: int) -> int:
    """The first line that begins with the words, or else that has them."""
    rest = range(since, len(output))
    found = [at for at in rest if output[at].lstrip().startswith(words)]
    found = found or [at for at in rest if words in output[at]]
    if not found:
        raise LookupError(f"no line has {words!r} any more")
    return found[0]
