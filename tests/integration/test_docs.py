"""Documentation that cannot go stale: its commands exist, its links lead somewhere.

What each command does is shown by the tests of that command; those of docs/deployment.md that no
test runs are listed there, with the reason.
"""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

import pytest
from commands import PROGRAMS, parse
from processes import PROJECT

from worker.celery import app

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
DECISIONS = PROJECT / "docs" / "decisions"
# Files, such as model/errors.py, and folders of the project that the pages name.
NAMED = re.compile(
    r"`((?:\.ci|base|benchmarks|db|demo|deploy|imaging|model|producer|report|tests|trainer|worker)/[\w./-]*)`"
)
# Celery's own of `celery worker` that the pages use.
CELERYS = {"--concurrency", "-n", "--help"}


class Shown(NamedTuple):
    """A command in a block of a page."""

    page: str
    words: tuple[str, ...]


def typed(page: Path) -> Iterator[str]:
    """The lines of its blocks of commands: those that are indented, and those that are run."""
    text = re.sub(
        r"```sh\n(.*?)```",
        lambda block: indent(block[1], "    "),
        page.read_text(),
        flags=re.DOTALL,
    )
    plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)  # output and diagrams
    yield from (line for line in plain.splitlines() if line.startswith("    "))


def shown() -> Iterator[Shown]:
    for page in PAGES:
        for line in typed(page):
            yield from (Shown(page.name, words) for words in _commands(line))


def _commands(line: str) -> Iterator[tuple[str, ...]]:
    """What is typed, without variables before it and a remark after it."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # prose, with an apostrophe
        return
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    ends = [words.index(word) for word in (">", "|", "&") if word in words]
    words = words[: min(ends, default=None)]
    if words and (words[0] in PROGRAMS or words[:2] == ["celery", "-A"]):
        yield tuple(words)


ALL = list(shown())


def test_the_pages_show_commands() -> None:
    assert {one.words[0] for one in ALL} == {"producer", "celery", "report", "trainer"}
    assert len(ALL) > 40


@pytest.mark.parametrize(
    "one", [o for o in ALL if o.words[0] in PROGRAMS], ids=lambda one: " ".join(one.words)
)
def test_a_command_of_the_pages_is_one(
    one: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in one.words:
        if word.endswith(".csv"):  # files that a command looks for before anything else
            Path(word).touch()
    parse(one.words)


@pytest.mark.parametrize(
    "one", [o for o in ALL if o.words[0] == "celery"], ids=lambda one: " ".join(one.words)
)
def test_a_worker_of_the_pages_has_its_options(one: Shown) -> None:
    assert one.words[:4] == ("celery", "-A", "worker", "worker")
    ours = {name for option in app.user_options["worker"] for name in option.opts}
    options = {word for word in one.words[4:] if word.startswith("-")}
    assert options <= ours | CELERYS, one.page


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page in an address."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {word.replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        if "://" not in target:
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(there), f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_files_that_the_pages_name_exist(page: Path) -> None:
    if page.name != "CHANGELOG.md":  # which names what was
        text = page.read_text()
        absent = [name for name in NAMED.findall(text) if not (PROJECT / name).exists()]
        tests = set(re.findall(r"`(test_\w+\.py)`", text))
        tests -= {path.name for path in (PROJECT / "tests").rglob("test_*.py")}
        assert (absent, tests) == ([], set())


def test_the_readme_names_the_version() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert f"Version {version} " in (PROJECT / "README.md").read_text()
    assert f"\nversion: {version}\n" in (PROJECT / "CITATION.cff").read_text()


def test_every_decision_is_in_the_index_and_says_what_would_change_it() -> None:
    index = (DECISIONS / "README.md").read_text()
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        first, *rest = page.read_text().splitlines()
        title = first.removeprefix("# ").split(". ", 1)
        assert f"| {title[0]} | [{title[1]}]({page.name}) |" in index
        assert [line for line in rest if line.startswith("#")] == [
            "## Context",
            "## Decision",
            "## Consequence",
            "## What would change it",
        ]


# What follows a word with which a command writes a file or folder of the project's own folder.
WRITES = re.compile(
    r"(?:-o|--output|--logs|--profile|--file|>|tee|\.backup|cp \S+|mkdir -p) ([\w./ -]+?)"
    r"(?=\"|  |$| --| #| \|)"
)
# Where the commands write unless they are told otherwise.
BY_THEMSELVES = (
    "checkpoints/x.keras", "logs/x", "data/train/x.jpg", "data/train.csv", "dermscore.db",
    "dermscore.db-wal", "dermscore.features/x", "dermscore.queue/x", "my-secret.yaml",
)  # fmt: skip


def written() -> set[str]:
    lines = [line for page in PAGES for line in typed(page)]
    found = [
        name
        for line in lines
        if "--profile gpus" not in line
        for names in WRITES.findall(line)
        for name in names.split()
    ]
    return {name for name in found if not name.startswith(("/", "deploy/"))}


def test_what_documented_commands_write_is_ignored_by_git() -> None:
    names = written()
    assert {"report.html", "predictions.csv", "figures", ".env", "dermscore.backup.db"} <= names
    names |= set(BY_THEMSELVES)
    asked = subprocess.run(
        ["git", "-C", str(PROJECT), "check-ignore", "--no-index", "--stdin"],
        input="\n".join(f"{name}/" if "." not in name else name for name in sorted(names)),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode > 1:
        pytest.skip(f"no git here: {asked.stderr.strip()}")
    ignored = {line.rstrip("/") for line in asked.stdout.splitlines()}
    assert names - ignored == set()
