"""The pages of docs/howto as they stand: their fenced blocks, and a shell that types them."""

import re
import shlex
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from commands import PROGRAMS
from processes import PATIENCE, PROJECT, SCRIPTS, Site

FOLDER = PROJECT / "docs" / "howto"
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "@@ end of block"
# How a block of a kind is typed in a shell; those of other kinds are not.
_TYPED = {"sh": ". {file}", "python": "python {file}"}
# Blocks that cannot be typed here, by page and place; tests/integration/test_howto_not_run.py
# compares them with the files that they name.
NOT_RUN = {
    ("compose.md", 2): "no container engine",
    ("kubernetes.md", 1): "no cluster",
    ("kubernetes.md", 2): "no cluster",
    ("object-store.md", 1): "tests install nothing",
}


class Block(NamedTuple):
    """A fenced block: the name of its page, its place there from 1, its kind, its text."""

    page: str
    number: int
    kind: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command, without remarks."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(page: str) -> list[Block]:
    found = _FENCED.findall((FOLDER / page).read_text())
    return [Block(page, at, kind, text) for at, (kind, text) in enumerate(found, 1)]


def prose(page: str) -> str:
    """The page's text without its blocks."""
    return _FENCED.sub("", (FOLDER / page).read_text())


PAGES = sorted(path.name for path in FOLDER.glob("*.md"))


class Page:
    """A how-to that is followed in a folder, with stand-ins for what a reader has and it not."""

    def __init__(self, name: str, site: Site, stand_ins: Mapping[str, str]) -> None:
        self._blocks = [block for block in blocks(name) if (name, block.number) not in NOT_RUN]
        self.name = name
        self.site = site
        self._stand_ins = stand_ins
        self._used: set[int] = set()

    @property
    def unused(self) -> list[int]:
        """Blocks with which nothing was done yet."""
        return [block.number for block in self._blocks if block.number not in self._used]

    def text(self, kind: str) -> str:
        """The text of the first block of a kind that was not used yet."""
        fresh = (one for one in self._blocks if one.kind == kind and one.number not in self._used)
        block = next(fresh)
        self._used.add(block.number)
        return self._replaced(block)

    def type(self) -> list[str]:
        """Type its blocks into one shell, which ends at the first command that fails.

        Returns:
            What each of them printed, in their order.
        """
        wanted = [block for block in self._blocks if block.kind in _TYPED]
        self._used |= {block.number for block in wanted}
        kept = self.site.folder.with_name(f"{self.site.folder.name}-blocks")
        kept.mkdir()
        script = ["set -eu"]
        for block in wanted:
            file = kept / f"{block.number}.{block.kind}"
            file.write_text(self._replaced(block))
            script += [_TYPED[block.kind].format(file=file), f"echo '{_END}'"]
        done = shell(self.site, "bash", "-c", "\n".join(script))
        assert done.returncode == 0, f"{self.name} ended with {done.returncode}:\n{done.stdout}"
        *printed, _ = done.stdout.split(f"{_END}\n")
        return printed

    def _replaced(self, block: Block) -> str:
        text = block.text
        for name, value in self._stand_ins.items():
            text = text.replace(name, value)
        return text

    def names_every_stand_in(self) -> bool:
        """Whether none of them stands for something that the page no longer names."""
        text = "".join(block.text for block in self._blocks)
        return all(name in text for name in self._stand_ins)


def shell(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the project's on its PATH; both outputs are one."""
    environment = site.environment
    return subprocess.run(
        words,
        cwd=site.folder,
        env={**environment, "PATH": f"{SCRIPTS}:{environment['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def commands_in_prose(page: str) -> list[list[str]]:
    """Commands of the project's in a page's sentences and tables."""
    codes = [code for code in re.findall(r"`([^`]+)`", prose(page)) if "…" not in code]
    shown = [shlex.split(code) for code in codes if code.split()[0] in PROGRAMS]
    return [words for words in shown if len(words) > 1]
