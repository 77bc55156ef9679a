"""Hostile strings in every field of every command: no cursor is moved, and no line added."""

import csv
import io
import json
import logging
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from faults import colour_site, stub_worker
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from processes import stub_checkpoint

import producer.cli
import report.cli
import trainer.cli
from base.listed_image import ListedImage
from db.queries.leases import BatchKey, pending_images, take_leases
from db.queries.listing import claim_unleased, cut_batches, stage_images
from db.queries.outcomes import Outcome, finish_batch, store_outcomes
from db.queries.refusals import Wanted, note_refusal
from db.queries.report.thresholds import add_threshold
from db.queries.runs import add_checkpoint
from db.queries.workers import note_seen
from db.session import Database, open_database
from db.tables import Run
from report.build import build, read_finished
from report.plots.forest import draw_forest
from worker.observability.log import OneLine

# Controls, formats, separators of lines, surrogates, private use, unassigned.
NEVER = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
# What a ledger can hold of each kind: a terminal's sequences, line ends, directions, nothing.
BAD = (
    "\x1b[2J", "\x1b]0;x\x07", "\x9b2J", "\r", "\n", "\r\n", "\t", "\x7f", "\x85", "\u2028",
    "\u2029", "\u202e", "\u2066", "\u2069", "\u200b", "\u200f", "\ufeff", "\u00ad", "\ue000",
    "\U000e0041", "\x08", "\x0b", "\x0c", "\x1c",
)  # fmt: skip
MARKUP = ("|", "`", "$", "[red]", "<b>", "{{", "=1", "'", '"', "\\", ",", "*")
# Few letters, so that no table folds a row that it would not fold otherwise.
WORDS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["=a", "a"]),
    st.sampled_from(BAD),
    st.sampled_from(["", *BAD[::3], *MARKUP]),
    st.sampled_from(["", "z"]),
)
HARMLESS = "harmless"
SCORES = [(1, 0.9), (1, 0.4), (0, 0.1), (0, 0.6)]


class Ledger(NamedTuple):
    """A folder with a ledger in which every foreign word is `word`."""

    folder: Path
    word: str

    def run(self, program: Any, *arguments: str) -> str:
        """What the command says, on standard output and standard error together."""
        done = CliRunner().invoke(program, arguments, prog_name="it")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.output


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger without a row, to be copied: making one takes longer than all that is done to it."""
    folder = tmp_path_factory.mktemp("empty")
    with closing(open_database(f"sqlite:///{folder}/ledger.db")):
        return folder


def card_of(word: str) -> dict[str, Any]:
    data = {"train": word, "valid": word, "train_counts": {word: 1}, "images": [word]}
    return {
        "threshold": {"value": 0.5, "how": word},
        "backbone": {"option": word, "digest": word, "description": word},
        "class_names": [word, word],
        "data": {**data, "synthetic": True},
        "training": {"note": word, "recipe": {word: word}},
        "versions": {word: word},
        word: [word, {word: word}],
    }


def store(database: Database, word: str, digest: str, pending: int = 0) -> int:
    """A run in which everything that a ledger holds as text is `word`; returns its number."""
    with database.write() as session:
        checkpoint = add_checkpoint(session, digest, f"c/{word}.keras", card_of(word))
        run = Run(
            name=f"{word}{digest[:2]}", source=word, checkpoint_id=checkpoint.id,
            precision="float32", batch_size=64,
        )  # fmt: skip
        session.add(run)
        session.flush()
        paths = [f"{word}/{at}{word}.jpg" for at in range(len(SCORES) + 2 + pending)]
        rows = [
            ListedImage(path, SCORES[at][0] if at < len(SCORES) else 1, {word: word})
            for at, path in enumerate(paths)
        ]
        stage_images(session, run, rows)
        cut_batches(session, run.id)
        for number in claim_unleased(session, run.id):
            batch = BatchKey(run.id, number)
            take_leases(session, batch, word, 600)
            waiting = pending_images(session, [batch])
            outcomes = [
                Outcome(one.id, SCORES[at][1], None, None, None)
                if at < len(SCORES)
                else Outcome(one.id, None, "corrupt", word, None)
                for at, one in enumerate(waiting[: len(paths) - pending])
            ]
            store_outcomes(session, word, outcomes)
            finish_batch(session, batch)
        note_seen(session, word)
        note_refusal(session, word, Wanted(digest, "float32"), word)
        return run.id


def made(empty: Path, folder: Path, word: str) -> Ledger:
    """Three runs: one of two images without a score, one with a chosen threshold, one pending."""
    shutil.copytree(empty, folder)
    with closing(open_database(f"sqlite:///{folder}/ledger.db")) as database:
        store(database, word, "aa" * 32)
        second = store(database, word, "bb" * 32)
        store(database, word, "cc" * 32, pending=1)
        with database.write() as session:
            found = session.get_one(Run, second)
            add_threshold(session, found, "youden", 0.5, word)
    with (folder / "bad.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), (f"../{word}.jpg", 1)])
    with (folder / "columns.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("label", word), (1, word)])
    with (folder / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", f"{word}s"), (word, 0.5), ("b", 0.5)])
    with (folder / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "label", word), (word, 1, word)])
    (folder / "m.csv").write_text("path,label,x\nm.jpg,1,1\n")
    return Ledger(folder, word)


COMMANDS: list[tuple[Any, tuple[str, ...]]] = [
    (report.cli.main, ("1",)),
    (report.cli.main, ("1", "--by", "WORD")),
    (report.cli.main, ("2",)),
    *((report.cli.main, ("1", "--by", "WORD", "--format", to)) for to in ("markdown", "csv")),
    (report.cli.main, ("2", "--by", "WORD", "--format", "json")),
    (report.cli.main, ("3",)),
    (report.cli.main, ("1", "--by", "no WORD")),
    (report.cli.main, ("--run", "no WORD")),
    (report.cli.main, ("no WORD",)),
    (report.cli.main, ("1", "--threshold", "no WORD")),
    *((report.cli.main, ("compare", "1", "2", "--format", to)) for to in ("text", "json")),
    (
        report.cli.main,
        ("compare", "1", "2", "--format", "csv", "--threshold-a", ".3", "--threshold-b", ".7"),
    ),
    (report.cli.main, ("compare", "1", "2", "--threshold-a", ".3", "--threshold-b", ".7")),
    (report.cli.main, ("thresholds",)),
    (report.cli.main, ("export", "1")),
    (report.cli.main, ("export", "1", "--format", "isic")),
    (report.cli.main, ("check", "n_pos=WORD n_neg=1 sens=WORD")),
    (report.cli.main, ("import-scores", "scores.csv", "--truth", "truth.csv", "--name", "no WORD")),
    (
        report.cli.main,
        ("import-scores", "scores.csv", "--truth", "truth.csv", "--name", "x", "--score", "WORDs"),
    ),
    (
        report.cli.main,
        (
            "import-scores",
            "truth.csv",
            "--truth",
            "truth.csv",
            "--name",
            "no WORD",
            "--score",
            "label",
        ),
    ),
    (report.cli.main, ("choose-threshold", "1", "--youden")),
    (report.cli.main, ("choose-threshold", "2", "--target-sensitivity", "0.5")),
    (report.cli.main, ("thresholds", "--forget", "1")),
    (producer.cli.main, ("status",)),
    (producer.cli.main, ("status", "3")),
    (producer.cli.main, ("status", "--format", "json")),
    (producer.cli.main, ("status", "no WORD")),
    (producer.cli.main, ("runs",)),
    (producer.cli.main, ("runs", "--format", "json")),
    (producer.cli.main, ("enqueue", "bad.csv", "--checkpoint", "stub.keras")),
    (producer.cli.main, ("enqueue", "columns.csv", "--checkpoint", "stub.keras")),
    (producer.cli.main, ("enqueue", "no WORD", "--checkpoint", "stub.keras")),
    (producer.cli.main, ("enqueue", "m.csv", "--allow-missing", "--checkpoint", "no WORD.keras")),
    (
        producer.cli.main,
        ("enqueue", "m.csv", "--allow-missing", "--name", "WORDaa", "--checkpoint", "stub.keras"),
    ),
    (producer.cli.main, ("retry", "3", "--error", "WORD")),
    (producer.cli.main, ("WORD",)),
    (producer.cli.main, ("--WORD",)),
    (producer.cli.main, ("delete", "1", "--yes")),
    (trainer.cli.main, ("show", "no WORD")),
    (trainer.cli.main, ("manifest", "no WORD")),
    (trainer.cli.main, ("cache", "clear", "--backbone", "WORD")),
    (trainer.cli.main, ("WORD",)),
]


def said(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Each command with all that it says."""
    monkeypatch.chdir(ledger.folder)
    stub_checkpoint(ledger.folder)
    for program, arguments in COMMANDS:
        given_words = [one.replace("WORD", ledger.word) for one in arguments]
        yield f"{program.name} {' '.join(arguments)}", ledger.run(program, *given_words)


def assert_plain(command: str, output: str) -> None:
    """Nothing but letters and the program's own line ends."""
    bad = {one for one in output if one != "\n" and unicodedata.category(one) in NEVER}
    assert not bad, (command, bad, output)


@pytest.fixture(scope="module")
def site() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DATABASE_URL", "sqlite:///ledger.db")
        patched.setenv("DATA_ROOT", ".")
        patched.setenv("FEATURE_CACHE", "features")
        patched.setenv("QUEUE_DIR", "queue")
        yield patched


@pytest.fixture(scope="module")
def lines(
    empty: Path, site: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, int]:
    """How many lines each command says where every word is harmless."""
    folder = tmp_path_factory.mktemp("harmless") / "site"
    return {
        command: output.count("\n") for command, output in said(made(empty, folder, HARMLESS), site)
    }


# Without shrinking: a failure shows its word as it is, and each trial is forty commands.
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(word="\x1b[2J\n")
@example(word="\u202e|\r")
@given(word=WORDS)
def test_no_field_of_any_command_lets_a_control_through_or_adds_a_line(
    word: str,
    empty: Path,
    site: pytest.MonkeyPatch,
    lines: dict[str, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    ledger = made(empty, tmp_path_factory.mktemp("hostile") / "site", word)
    for command, output in said(ledger, site):
        assert_plain(command, output)
        assert output.count("\n") == lines[command], (command, output)


# --- files

WORST = "\x1b[2J\n<b>$x^2$|\u202e\u2066=1"


@pytest.fixture
def ledger(empty: Path, site: pytest.MonkeyPatch, tmp_path: Path) -> Ledger:
    """The ledger with the worst word in each field."""
    found = made(empty, tmp_path / "site", WORST)
    site.chdir(found.folder)
    return found


def test_the_page_holds_no_control_and_no_more_lines(
    ledger: Ledger, empty: Path, tmp_path: Path, site: pytest.MonkeyPatch
) -> None:
    pages = []
    for one in (ledger, made(empty, tmp_path / "harmless", HARMLESS)):
        site.chdir(one.folder)
        one.run(report.cli.main, "page", "2", "--by", one.word, "-o", "page.html")
        pages.append(Path("page.html").read_text(encoding="utf-8"))
    assert_plain("page", pages[0])
    assert pages[0].count("\n") == pages[1].count("\n")
    assert r"\x1b[2J\x0a&lt;b&gt;$x^2$|\u202e\u2066=1" in pages[0]


def test_parquet_and_json_keep_the_true_words(ledger: Ledger) -> None:
    ledger.run(report.cli.main, "export", "1", "--format", "parquet", "-o", "run.parquet")
    rows = pq.read_table("run.parquet").to_pylist()
    assert rows[0]["path"] == f"{WORST}/0{WORST}.jpg"
    assert json.loads(rows[0]["attributes"]) == {WORST: WORST}
    assert {row["detail"] for row in rows} == {None, WORST}
    told = json.loads(CliRunner().invoke(report.cli.main, ["1", "--format", "json"]).stdout)
    assert (told["run"]["source"], told["threshold"]["how"]) == (WORST, WORST)


@pytest.mark.usefixtures("ledger")
def test_a_csv_export_spells_names_out() -> None:
    told = CliRunner().invoke(report.cli.main, ["export", "1"]).stdout
    row = next(csv.DictReader(io.StringIO(told)))
    word = r"\x1b[2J\x0a<b>$x^2$|\u202e\u2066=1"
    assert row["path"] == f"{word}/0{word}.jpg"
    assert json.loads(row["attributes"]) == {WORST: WORST}


def test_pictures_are_drawn_whatever_stands_in_them(ledger: Ledger) -> None:
    read = read_finished("1", [WORST])
    drawn = draw_forest(build(read, None, 0.95, None))
    ledger.run(report.cli.main, "compare", "1", "2", "--output", "compared")
    made_of = io.StringIO()
    drawn.savefig(made_of, format="svg")
    for svg in (made_of.getvalue(), Path("compared/roc_compared.svg").read_text()):
        ET.fromstring(svg)
        assert_plain("svg", svg)
        assert r"\x1b[2J" in svg, "in a comment, for letters are drawn as curves"


# --- the worker's log


def fail(words: str) -> None:
    raise ValueError(words)


class Told:
    """What a worker's log shows of a record."""

    def __init__(self) -> None:
        self._formatter = OneLine("%(levelname)s %(message)s")

    def __call__(self, name: str, message: str, *values: object, error: Any = None) -> str:
        return self._formatter.format(
            logging.LogRecord(name, logging.ERROR, "file", 1, message, values, error)
        )


@given(st.text())
def test_a_log_record_is_one_line(word: str) -> None:
    for name in ("worker.scoring.batch_processor", "celery.worker.consumer", "py.warnings", word):
        told = Told()(name, "run %d: %s", 7, word)
        assert_plain("log", told)
        assert "\n" not in told
        assert told.startswith("ERROR run 7:")


@given(st.text())
def test_an_error_in_a_traceback_does_not_begin_a_record(word: str) -> None:
    try:
        fail(f"{word}\n2026-01-01 00:00:00 INFO all is well")
    except ValueError:
        told = Told()("worker.health.upkeep", "upkeep failed", error=sys.exc_info())
    assert_plain("log", told)
    first, *rest = told.split("\n")
    assert first == "ERROR upkeep failed"
    assert all(line.startswith("  ") for line in rest)


# --- real processes


def test_real_processes_say_no_control(tmp_path: Path) -> None:
    site = colour_site(tmp_path, STUB_MODE="instant")
    name = "stub\x1b[2J\nERROR all is lost\u202e"
    checkpoint = stub_checkpoint(tmp_path, name=f"{name}.keras")
    (tmp_path / f"{name}.csv").write_text("path\n\x1b[2J.jpg\n")
    done = site.run(
        *("producer", "enqueue", f"{name}.csv", "--allow-missing"),
        *("--name", name, "--checkpoint", checkpoint.name),
    )
    assert done.code == 0, done
    own = {"CHECKPOINT": str(checkpoint)}
    with stub_worker(site, "--drain", **own) as worker:
        worker.await_end()
    logged = worker.output
    assert r"\x1b[2J\x0aERROR all is lost\u202e.keras" in logged
    checkpoint.unlink()
    said_all = [
        done.stdout + done.stderr,
        logged,
        *(
            one.stdout + one.stderr
            for one in (
                site.run("producer", "status", name),
                site.run("producer", "runs"),
                site.run("report", "--run", name, "--threshold", "0.5"),
                site.run("trainer", "show", "--run", name),
            )
        ),
    ]
    for output in said_all:
        assert_plain("process", output)
        assert not any(line.startswith("ERROR all") for line in output.splitlines())
