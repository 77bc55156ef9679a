"""`report combine`: a run of the means of other runs' scores, and what is said of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from processes import Ledger
from stored import Stored, bytes_of, one_line, report, store_run, succeed

from producer.cli import main as producer

OTHER = "cd" * 32
LABELS = (1, 0, 1, 0)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return use(f"sqlite:///{tmp_path}/ledger.db", tmp_path, monkeypatch)


def use(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.chdir(folder)
    return url


def images(
    *scores: float | str | None, labels: tuple[int | None, ...] = LABELS, first: int = 0
) -> list[Stored]:
    """Images from the number `first` on."""
    return [
        Stored(f"data/{at}.jpg", label, score, {"sex": "fm"[at % 2]}, bytes_of(at))
        for at, (label, score) in enumerate(zip(labels, scores, strict=False), first)
    ]


@pytest.fixture
def both(url: str) -> str:
    return store_both(url)


def store_both(url: str) -> str:
    """Runs 1 and 2 of two checkpoints; the means are 0.75, 0.25, 0.5 and none."""
    store_run(url, images(0.5, 0.25, 0.75, 0.5))
    card = {"data": {"images": [bytes_of(0), bytes_of(9)], "valid_images": [], "synthetic": True}}
    store_run(url, images(1.0, 0.25, 0.25, "corrupt"), digest=OTHER, card=card)
    return url


def as_json(*arguments: str) -> dict[str, Any]:
    got: dict[str, Any] = json.loads(succeed(*arguments, "--format", "json"))
    return got


def test_a_finished_run_of_means(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = store_both(use(database_url, tmp_path, monkeypatch))
    said = succeed("combine", "1", "2", "--name", "both")

    assert said.splitlines() == [
        "run 3 (both): 4 images, 2 malignant, 2 benign, 1 not scored in all runs",
        "mean of runs 1, 2 (checkpoints x.keras abababababab, x.keras cdcdcdcdcdcd)",
        "next: report --run 3 --threshold 0.5",
    ]
    ledger = Ledger(both)
    scores = ("data/0.jpg", 0.75), ("data/1.jpg", 0.25), ("data/2.jpg", 0.5)
    assert ledger.scores(3) == dict(scores)
    (unscored,) = (row for row in ledger.predictions(3) if row.score is None)
    assert (unscored.error, unscored.detail) == (
        "no_score",
        "run 2 has no score for it: corrupt",
    )
    assert ledger.unfinished() == 0
    assert ledger.scores(1)["data/0.jpg"] == 0.5, "the members stay as they were"
    history = CliRunner().invoke(producer, ["history", "3"]).stdout
    assert "combined" in history


@pytest.mark.usefixtures("both")
def test_the_report_says_what_it_is() -> None:
    succeed("combine", "1", "2", "--name", "both")
    text = succeed("both", "--threshold", "0.5", "--by", "sex")
    lines = text.splitlines()
    assert "mean of runs 1, 2 (checkpoints x.keras abababababab, x.keras cdcdcdcdcdcd)" in lines
    assert "synthetic images: these figures say nothing about patients" in lines
    assert lines[-1].startswith("run 3 (both) of data/test, checkpoint mean of x.keras (")
    assert lines[-1].endswith("), combined, 0 errors")
    assert any(line.split()[:3] == ["no", "score", "given"] for line in lines)
    got = as_json("both", "--threshold", "0.5")
    assert got["run"]["precision"] == "combined"
    members = got["checkpoint"]["combined"]["members"]
    assert [(one["run"], one["digest"], one["precision"]) for one in members] == [
        (1, "ab" * 32, "float32"),
        (2, OTHER, "float32"),
    ]
    assert got["checkpoint"]["combined"]["how"] == "mean"
    assert got["confusion"] == {"tp": 2, "fp": 0, "tn": 1, "fn": 0}
    assert got["checkpoint"]["digest"] not in {"ab" * 32, OTHER}
    assert "combined" not in as_json("1", "--threshold", "0.5")["checkpoint"]


@pytest.mark.usefixtures("both")
def test_the_page_names_the_members() -> None:
    succeed("combine", "1", "2", "--name", "both")
    succeed("page", "both", "-o", "both.html", "--threshold", "0.5")
    page = Path("both.html").read_text(encoding="utf-8")
    assert "mean of runs 1, 2 (checkpoints x.keras abababababab, x.keras cdcdcdcdcdcd)" in page
    for digest in ("ab" * 32, OTHER):
        assert f"data/test, checkpoint x.keras ({digest}), float32" in page


@pytest.mark.usefixtures("both")
def test_images_that_any_member_was_trained_on_are_counted() -> None:
    assert as_json("1", "--threshold", "0.5")["flow"]["trained_on"] == 0
    succeed("combine", "1", "2", "--name", "both")
    assert as_json("both", "--threshold", "0.5")["flow"]["trained_on"] == 1
    assert "trained on 1 of the 3 scored images" in succeed("both", "--threshold", "0.5")
    succeed("combine", "both", "1", "--name", "nested")
    assert as_json("nested", "--threshold", "0.5")["flow"]["trained_on"] == 1


def test_ranks_are_said_to_be_no_probabilities(both: str) -> None:
    said = succeed("combine", "1", "2", "--rank", "--name", "ranked")
    assert "mean of the ranks in runs 1, 2 (checkpoints " in said
    assert "ranks are no probabilities" in succeed("ranked", "--threshold", "0.5")
    # Of three images each: ranks 1, 0, 2 and 2, 0.5, 0.5, of at most 2.
    expected = {"data/0.jpg": 0.75, "data/1.jpg": 0.125, "data/2.jpg": 0.625}
    assert Ledger(both).scores(3) == expected


def test_a_threshold_of_one_set_is_prespecified_for_the_same_checkpoints(both: str) -> None:
    others = images(0.25, 0.75, first=20)
    store_run(both, others, source="data/other")
    store_run(both, others, source="data/other", digest=OTHER)
    succeed("combine", "1", "2", "--name", "both")
    succeed("choose-threshold", "both", "--youden")
    said = succeed("combine", "4", "3", "--name", "others")
    assert said.splitlines()[-1] == "next: report --run 6"
    assert as_json("others")["threshold"]["kind"] == "prespecified"
    succeed("combine", "3", "4", "--rank", "--name", "ranked")
    succeed("choose-threshold", "ranked", "--youden")
    succeed("combine", "1", "2", "--rank", "--name", "ranks of others")
    assert report("ranks of others").exit_code == 2, "no threshold is kept for it"


def test_imported_runs_work_too(both: str) -> None:
    Path("theirs.csv").write_text("id,score\n0,0.0\n1,0.75\n2,0.25\n")
    Path("truth.csv").write_text("id,label\n0,1\n1,0\n2,\n")
    succeed("import-scores", "theirs.csv", "--truth", "truth.csv", "--name", "theirs")
    said = succeed("combine", "theirs", "1", "--name", "mixed")
    assert said.startswith("run 4 (mixed): 4 images, 2 malignant, 2 benign, 1 not scored in all")
    expected = {"data/0.jpg": 0.25, "data/1.jpg": 0.5, "data/2.jpg": 0.5}
    assert Ledger(both).scores(4) == expected
    got = as_json("mixed", "--threshold", "0.5")
    assert got["run"]["source"] == "data/test"
    digest = hashlib.sha256(Path("theirs.csv").read_bytes()).hexdigest()[:12]
    assert digest in succeed("theirs", "--threshold", "0.5")
    compared = as_json("compare", "mixed", "theirs", "--threshold-a", "0.5", "--threshold-b", "0.5")
    assert compared["images"]["only_a"] == compared["images"]["only_b"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("1",), "name two runs or more: RUN RUN, or --run RUN --run RUN"),
        (("1", "--run", "2"), "name two runs or more"),
        (("1", "first"), "a run is named twice"),
        (("1", "9"), "there is no run 9"),
        (("1", "2", "--name", "first"), "--name first: there is already a run of this name"),
        (("1", "2", "--name", "7"), "a name must not be empty or a number"),
        (("1", "3"), "no image has a score in each of the runs 1, 3"),
        (("1", "4"), "the runs disagree about the label of 1 image: data/0.jpg; find out which"),
    ],
)
def test_what_cannot_be_combined(url: str, words: tuple[str, ...], said: str) -> None:
    store_run(url, images(0.5, 0.5), name="first")
    store_run(url, images(0.5, 0.5), digest=OTHER)
    store_run(url, [Stored("elsewhere.jpg", 1, 0.5)], source="elsewhere")
    store_run(url, images(0.5, 0.5, labels=(0, 0)))
    before = Ledger(url).counts()
    done = report("combine", *words, *(() if "--name" in words else ("--name", "new")))
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert Ledger(url).counts() == before


def test_a_run_that_is_not_finished_is_waited_for(url: str) -> None:
    store_run(url, images(0.5, 0.5))
    store_run(url, images(0.5, None), digest=OTHER)
    said = one_line(report("combine", "1", "2", "--name", "both"), 3)
    assert said.startswith("run 2: 1 of 2 images are pending")


def test_runs_by_option_and_other_numbers_of_views(url: str) -> None:
    store_run(url, images(0.5, 0.25))
    store_run(url, images(1.0, 0.25))
    Ledger(url).change("UPDATE runs SET views = 8 WHERE id = 2")
    said = succeed("combine", "--run", "1", "--run", "2", "--name", "both")
    line = "mean of runs 1, 2 (checkpoints x.keras abababababab, x.keras abababababab, 8 views)"
    assert said.splitlines()[1] == line
    assert Ledger(url).scores(3) == {"data/0.jpg": 0.75, "data/1.jpg": 0.25}
