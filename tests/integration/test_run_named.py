"""Every command that takes a run takes it as its argument and with --run, by number or name."""

from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from page_runs import Shot, store

from producer.cli import main as producer
from report.cli import main as report

SHOTS = [Shot("a/1.jpg", 1, 0.9), Shot("a/2.jpg", 1, 0.4), Shot("a/3.jpg", 0, 0.2)]
REPORT = ("--threshold", "0.3")
COMPARED = ("--threshold-a", "0.3", "--threshold-b", "0.3", "--format", "json")
# Words before the run and behind it.
COMMANDS = [
    (report, (), (*REPORT, "--format", "json")),
    (report, ("export",), ()),
    (report, ("choose-threshold",), ("--youden",)),
    (producer, ("status",), ("--watch",)),
    (producer, ("history",), ()),
    (producer, ("resume",), ()),
    (producer, ("retry",), ("--error", "missing")),
]
IDS = ["report", "export", "choose-threshold", "status", "history", "resume", "retry"]


@pytest.fixture(autouse=True)
def _ledger(page_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs; the one that is asked for is not the newest."""
    monkeypatch.chdir(tmp_path)
    store(page_url, SHOTS, name="first")
    store(page_url, SHOTS[:2], name="second")


def call(program: click.Command, words: Sequence[str]) -> Result:
    return CliRunner().invoke(program, list(words))


@pytest.mark.parametrize(("program", "before", "behind"), COMMANDS, ids=IDS)
def test_every_form_means_the_same_run(
    program: click.Command, before: tuple[str, ...], behind: tuple[str, ...]
) -> None:
    forms = [("1",), ("first",), ("--run", "1"), ("--run", "first")]
    results = [call(program, (*before, *form, *behind)) for form in forms]
    results.append(call(program, (*before, *behind, "--run", "first")))
    assert [result.exit_code for result in results] == [0] * 5, [one.output for one in results]
    # What choose-threshold keeps has another number each time, and replaces the one before.
    assert len({result.stdout.partition("kept for")[0] for result in results}) == 1
    if before != ("resume",):  # nothing is owed of either
        assert call(program, (*before, "2", *behind)).stdout != results[0].stdout


@pytest.mark.parametrize("form", [("1",), ("--run", "first")])
def test_a_page_is_of_the_run_that_was_named(form: tuple[str, ...], html: Path) -> None:
    done = call(report, ("page", *form, *REPORT, "-o", str(html)))
    assert done.exit_code == 0, done.output
    assert "run 1" in html.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("form", [("1", "2"), ("--run", "first", "--run", "2")])
def test_two_runs_are_compared_in_the_order_in_which_they_were_named(form: tuple[str, ...]) -> None:
    plain = call(report, ("compare", "first", "second", *COMPARED))
    assert plain.exit_code == 0, plain.output
    assert call(report, ("compare", *form, *COMPARED)).stdout == plain.stdout


@pytest.mark.parametrize("words", [("1",), ("1", "--run", "2"), ("--run", "1"), ()])
def test_any_other_number_of_runs_is_refused(words: tuple[str, ...]) -> None:
    done = call(report, ("compare", *words, *COMPARED))
    assert done.exit_code == 2
    assert "name two runs or more: RUN RUN, or --run RUN --run RUN" in done.stderr


def test_a_run_is_not_named_twice() -> None:
    for program, words in ((report, ("export",)), (producer, ("status",))):
        done = call(program, (*words, "1", "--run", "2"))
        assert done.exit_code == 2
        assert "the run is named twice: 1, and --run 2" in done.stderr
    assert call(report, ("1", "2")).exit_code == 2


@pytest.mark.parametrize("words", [("1", "--run", "2"), ("--run", "2", "1"), ("1", "--run=2")])
def test_the_report_of_two_runs_is_of_neither(words: tuple[str, ...]) -> None:
    done = call(report, (*words, *REPORT))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the run is named twice: 1, and --run 2" in done.stderr


@pytest.mark.parametrize("form", [("1",), ("first",), ("--run", "1"), ("--run", "first")])
def test_a_run_that_is_deleted_is_named_likewise(form: tuple[str, ...]) -> None:
    asked = call(producer, ("delete", *form)).stdout
    assert asked.startswith("run 1 of ")


def test_a_command_that_needs_a_run_says_so() -> None:
    done = call(report, ("export",))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Missing argument 'RUN'" in done.stderr


@pytest.mark.parametrize(
    "words", [("--run", "1", "page"), ("1", "page"), ("--threshold", ".5", "page")]
)
def test_what_stands_before_a_subcommand_is_not_passed_over_in_silence(
    words: tuple[str, ...], html: Path
) -> None:
    """The page of the newest run would pass for that of the one that was named."""
    done = call(report, (*words, "-o", str(html)))
    assert done.exit_code == 2
    assert "stands before page" in done.stderr
    assert not html.exists()


def test_a_word_that_is_neither_command_nor_run_is_named() -> None:
    done = call(report, ("chekc",))
    assert done.exit_code == 2
    assert "No such command 'chekc', and there is no run chekc" in done.stderr
    assert "there is no run 9:" in call(report, ("9", *REPORT)).stderr
