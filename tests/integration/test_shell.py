"""Words that a message suggests, read back by a real shell."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from base.console.shell import typed
from db.queries.resuming import enqueue_again
from db.queries.runs import add_checkpoint
from db.session import Database
from db.tables import Run

WORDS = [
    "plain", "two words", "#recycle=0", "it's", 'a "b"', "$HOME", "`ls`", "a\\b", "*.jpg", "~", "é",
    "", "a\nb\tc", "\x1b[31m", b"caf\xe9.jpg".decode(errors="surrogateescape"),
]  # fmt: skip


def read_back(typed_word: str) -> str:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    done = subprocess.run([bash, "-c", f"printf %s {typed_word}"], capture_output=True, check=True)
    return os.fsdecode(done.stdout)


@pytest.mark.parametrize("word", WORDS, ids=ascii)
def test_a_word_comes_back_as_it_was(word: str) -> None:
    assert typed(word).isprintable()
    assert read_back(typed(word)) == word


@pytest.fixture
def runs(database: Database, tmp_path: Path) -> Database:
    with database.write() as session:
        for name in ("old", "new"):
            add_checkpoint(session, name, f"{tmp_path}/{name} model.keras", {})
    return database


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run(source="data/test", checkpoint_id=2, precision="float32", views=1), "data/test"),
        (
            Run(source="two words/*.jpg", checkpoint_id=2, precision="bfloat16", views=8),
            "'two words/*.jpg' --precision bfloat16 --views 8",
        ),
        (
            Run(source="a", name="it's", checkpoint_id=1, precision="float32", views=1),
            "a --name 'it'\"'\"'s' --checkpoint '{}/old model.keras'",
        ),
        (Run(source="-x", checkpoint_id=2, precision="float32", views=1), "./-x"),
        (
            Run(source="-", name="piped", checkpoint_id=2, precision="float32", views=1),
            "- --name piped",
        ),
        (Run(source="-", checkpoint_id=2, precision="float32", views=1), None),
    ],
)
def test_a_listing_goes_on_by_the_words_of_its_own_run(
    runs: Database, tmp_path: Path, run: Run, expected: str | None
) -> None:
    with runs.read() as session:
        said = enqueue_again(session, run)
    assert (said and typed(*said)) == (expected and expected.replace("{}", str(tmp_path)))
