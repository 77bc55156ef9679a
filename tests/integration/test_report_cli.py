import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from base.listed_image import ListedImage
from db.queries import leases, listing, outcomes, runs
from db.session import open_database
from db.tables import Run
from report.cli import main
from report.render.formats import FIGURES

Image = tuple[int | None, float | str | None]  # label; score, error code, or None while pending

COMMAND = [sys.executable, "-c", "from report.cli import main; main(prog_name='report')"]
DIGEST = "0123456789abcdef" * 4
SENSITIVITY, SPECIFICITY = "0.6752136752136753", "0.6376811594202898"
SYNTHETIC = "synthetic images: these figures say nothing about patients"
PICTURES = (
    "roc",
    "confusion_matrix",
    "precision_recall",
    "calibration",
    "score_distributions",
    "decision_curve",
    "flow",
)
SOME: list[Image] = [(1, 0.9), (1, 0.4), (0, 0.2), (0, 0.6), (0, 0.1)]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DATABASE_URL", address)
    return address


def store(
    url: str,
    images: Sequence[Image],
    *,
    card: dict[str, Any] | None = None,
    name: str | None = None,
    cut: bool = True,
) -> int:
    """A run of these images, as producer and worker would leave it; returns its number."""
    with closing(open_database(url)) as database, database.write() as session:
        path = "results/benign-vs-malignant_64_rmsprop_0.454.keras"
        checkpoint = runs.add_checkpoint(session, DIGEST, path, card or {})
        run = Run(
            name=name,
            source="data/my test",
            checkpoint_id=checkpoint.id,
            precision="float32",
            batch_size=64,
        )
        session.add(run)
        session.flush()
        rows = [ListedImage(f"{at}.jpg", label, None) for at, (label, _) in enumerate(images)]
        listing.stage_images(session, run, rows)
        if cut:
            listing.cut_batches(session, run.id)
        for number in listing.claim_unleased(session, run.id):
            batch = leases.BatchKey(run.id, number)
            pending = leases.pending_images(session, [batch])
            stored = [(row, images[int(Path(path).stem)][1]) for _, row, path, *_ in pending]
            outcomes.store_outcomes(
                session, "worker", [outcome(row, what) for row, what in stored if what is not None]
            )
            outcomes.finish_batch(session, batch)
        return run.id


def outcome(image_id: int, what: float | str) -> outcomes.Outcome:
    if isinstance(what, str):
        return outcomes.Outcome(image_id, None, what, "a sentence", None)
    return outcomes.Outcome(image_id, what, None, None, None)


def report(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="report")


def process(
    *arguments: str, command: Sequence[str] = COMMAND, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def tutorial() -> list[Image]:
    """The tutorial's operating point at 0.23: 79 TP, 38 FN, 308 TN, 175 FP."""
    return [
        *((1, float(score)) for score in np.linspace(0.30, 0.99, 79)),
        *((1, float(score)) for score in np.linspace(0.10, 0.22, 38)),
        *((0, float(score)) for score in np.linspace(0.01, 0.20, 308)),
        *((0, float(score)) for score in np.linspace(0.23, 0.50, 175)),
    ]


def pairs_in_order(images: Sequence[Image]) -> float:
    """The AUC from its meaning: how often a malignant image scores above a benign one."""
    malignant = np.array([score for label, score in images if label == 1])
    benign = np.array([score for label, score in images if label == 0])
    above = (malignant[:, None] > benign).sum() + (malignant[:, None] == benign).sum() / 2
    return float(above / (len(malignant) * len(benign)))


def test_the_tutorials_figures(url: str) -> None:
    images = tutorial()
    store(url, images)
    done = process("--threshold", "0.23")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert lines["sensitivity"].endswith("  0.675 (0.586 to 0.753)  79/117")
    assert lines["specificity"].endswith("  0.638 (0.594 to 0.679)  308/483")
    figures = re.sub(r"at threshold \S+", "", done.stdout)
    assert max(map(len, re.findall(r"\d\.(\d+)", figures))) == 3  # tables are for people
    assert "0.645 (0.606 to 0.682)  387/600" in lines["accuracy"]
    assert "always benign: 0.805" in lines["accuracy"]
    assert lines["balanced accuracy"].split()[2] == "0.656"
    # What the tutorial calls its ROC AUC is none.
    auc = f"{pairs_in_order(images):.3f}"
    assert auc != "0.656"
    assert lines["ROC AUC"].split()[2] == auc
    assert lines["truly benign"].split()[2:] == ["308", "175", "483"]
    assert lines["truly malignant"].split()[2:] == ["38", "79", "117"]


def test_json_in_full_precision(url: str) -> None:
    images = tutorial()
    number = store(url, images, name="first")
    done = report("--threshold", "0.23", "--format", "json")
    assert done.exit_code == 0
    got = json.loads(done.stdout)
    assert got["run"] == {
        "number": number,
        "name": "first",
        "source": "data/my test",
        "precision": "float32",
        "views": 1,
    }
    assert got["checkpoint"] == {
        "file": "benign-vs-malignant_64_rmsprop_0.454.keras",
        "digest": DIGEST,
        "synthetic": False,
        "quantised": False,
    }
    assert got["threshold"] == {"value": 0.23, "kind": "exploratory"}
    assert got["confusion"] == {"tp": 79, "fp": 175, "tn": 308, "fn": 38}
    assert repr(got["sensitivity"]["value"]) == SENSITIVITY
    assert repr(got["specificity"]["value"]) == SPECIFICITY
    assert got["sensitivity"]["low"] == pytest.approx(0.586, abs=5e-4)
    assert got["sensitivity"]["high"] == pytest.approx(0.753, abs=5e-4)
    assert got["accuracy"]["baseline"] == 0.805
    balanced = got["balanced_accuracy"]
    assert balanced["value"] == (79 / 117 + 308 / 483) / 2
    assert balanced["low"] < balanced["value"] < balanced["high"]
    assert got["bootstrap"]["draws"] == 2000
    assert 0 < got["bootstrap"]["monte_carlo_errors"]["balanced_accuracy"] < 0.005
    frequencies = got["natural_frequencies"]
    assert (frequencies["patients"], frequencies["melanoma"], frequencies["prevalence"]) == (
        1000,
        195,
        0.195,
    )
    assert frequencies["words"] == (
        "of 1,000 patients, 195 with melanoma: 132 found, 63 missed, 292 false alarms"
    )
    assert len(got["smooth_calibration"]["score"]) == len(got["smooth_calibration"]["low"]) == 51
    assert got["observed_expected"]["words"]
    assert got["roc_auc"]["value"] == pytest.approx(pairs_in_order(images))


def test_csv_in_full_precision(url: str) -> None:
    store(url, [*tutorial(), (0, "too_large")])
    lines = report("--threshold", "0.23", "--format", "csv").stdout.splitlines()
    assert lines[0] == "figure,value,low,high,reason"
    rows = dict(line.split(",", 1) for line in lines)
    assert rows["sensitivity"].startswith(f"{SENSITIVITY},0.58596")
    assert rows["balanced_accuracy"].startswith(f"{(79 / 117 + 308 / 483) / 2!r},0.6")
    assert rows["natural_frequencies_missed"] == "63,,,"
    assert rows["bootstrap_draws"] == "2000,,,"
    assert rows["threshold_kind"] == "exploratory,,,"
    assert rows["error_too_large"] == "1,,,"
    assert rows["checkpoint"] == f"{DIGEST},,,"


def test_flow_counts_every_image_once(url: str) -> None:
    images: list[Image] = [
        *SOME,
        (None, 0.5),
        (1, "too_large"),
        (None, "too_large"),
        (0, "not_decodable"),
    ]
    store(url, images)
    flow = json.loads(report("--threshold", "0.5", "--format", "json").stdout)["flow"]
    assert flow == {
        "listed": 9,
        "unreadable": 3,
        "scored": 6,
        "labelled": 7,
        "analysed": 5,
        "errors": {"too_large": 2, "not_decodable": 1},
        "trained_on": 0,
        "labels": [
            {"label": 1, "images": 3, "folder": None, "column": "label"},
            {"label": 0, "images": 4, "folder": None, "column": "label"},
        ],
        "gone": 0,
        "copies": 0,
        "copies_left_out": 0,
        "conflicting": 0,
        "turned": 0,
        "examples": {"gone": [], "copies": [], "opposed": []},
        "no_score": 0,
        "by_class": {
            "malignant": {"listed": 3, "unscored": 1, "errors": {"too_large": 1}},
            "benign": {"listed": 4, "unscored": 1, "errors": {"not_decodable": 1}},
            "unlabelled": {"listed": 2, "unscored": 1, "errors": {"too_large": 1}},
        },
    }
    shown = [line.split()[:2] for line in report("--threshold", "0.5").stdout.splitlines()]
    assert shown[1:10] == [
        ["listed", "9"],
        ["unreadable", "3"],
        ["too_large", "2"],
        ["not_decodable", "1"],
        ["scored", "6"],
        ["labelled", "7"],
        ["column", "label"],
        ["column", "label"],
        ["analysed", "5"],
    ]


def test_provenance_in_one_line(url: str) -> None:
    number = store(url, [*SOME, (0, "too_large")], name="clinic [2017]")
    shown = report("--threshold", "0.5").stdout
    assert SYNTHETIC not in shown
    assert shown.splitlines()[-1] == (
        f"run {number} (clinic [2017]) of data/my test, checkpoint "
        "benign-vs-malignant_64_rmsprop_0.454.keras (0123456789ab), float32, 1 error"
    )


def test_the_newest_run_unless_another_is_named(url: str) -> None:
    first = store(url, SOME, name="first")
    second = store(url, SOME)
    ask = ("--threshold", "0.5", "--format", "json")
    assert json.loads(report(*ask).stdout)["run"]["number"] == second
    for wanted in (str(first), "first"):
        assert json.loads(report(*ask, "--run", wanted).stdout)["run"]["number"] == first


def test_the_cards_threshold_is_prespecified(url: str) -> None:
    how = "highest Youden index on the validation set"
    store(url, SOME, card={"threshold": {"value": 0.4, "how": how}})
    shown = report().stdout
    assert f"threshold 0.4, prespecified: from the model card, {how}" in shown
    assert re.search(r"sensitivity .*  2/2\n", shown)
    assert (
        "threshold 0.5, exploratory: given on the command line"
        in report("--threshold", "0.5").stdout
    )
    assert json.loads(report("--format", "json").stdout)["threshold"] == {
        "value": 0.4,
        "kind": "prespecified",
        "how": how,
    }


@pytest.mark.parametrize("threshold", [None, {}, {"value": 1.5}, {"value": None}, 0.3])
def test_without_a_threshold_it_asks_for_one(url: str, threshold: object) -> None:
    store(url, SOME, card={"threshold": threshold})
    done = report()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "give one, such as --threshold 0.23" in done.stderr


def test_a_threshold_with_a_decimal_comma(url: str) -> None:
    store(url, SOME)
    done = report("--threshold", "0,23")
    assert (done.exit_code, done.stdout) == (2, "")
    said = "0,23 is not a number between 0 and 1: write a decimal point, 0.23"
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize("threshold", ["1.5", "-0.1", "nan", "inf", "half"])
def test_a_threshold_outside_0_to_1_is_refused(url: str, threshold: str) -> None:
    store(url, SOME)
    done = report("--threshold", threshold)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{threshold} is not a number between 0 and 1" in done.stderr


def test_synthetic_images_are_called_so(url: str) -> None:
    store(url, SOME, card={"data": {"synthetic": True}})
    assert SYNTHETIC in report("--threshold", "0.5").stdout
    got = json.loads(report("--threshold", "0.5", "--format", "json").stdout)
    assert got["checkpoint"]["synthetic"] is True
    assert "synthetic,true,,," in report("--threshold", "0.5", "--format", "csv").stdout


def test_only_benign_images(url: str) -> None:
    store(url, [(0, 0.1), (0, 0.2)])
    shown = report("--threshold", "0.5").stdout
    lines = {line.split("  ")[0]: line for line in shown.splitlines()}
    for name in ("sensitivity", "balanced accuracy", "geometric mean", "F1", "LR+", "LR−"):
        assert "n/a (no malignant images)" in lines[name]
    for name in ("ROC AUC", "average precision", "slope"):
        assert "n/a (only benign images)" in lines[name]
    assert "n/a (no image is positive)" in lines["PPV"]
    got = json.loads(report("--threshold", "0.5", "--format", "json").stdout)
    assert got["sensitivity"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no malignant images",
    }
    assert got["roc_auc"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "only benign images",
    }
    assert got["specificity"]["value"] == 1.0


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([(None, 0.3), (None, 0.7)], "no labelled images"),
        ([(1, "too_large"), (None, 0.7)], "no labelled image was scored"),
    ],
)
def test_nothing_to_analyse(url: str, images: list[Image], reason: str) -> None:
    store(url, images)
    done = report("--threshold", "0.5")
    assert done.exit_code == 0
    got = json.loads(report("--threshold", "0.5", "--format", "json").stdout)
    undefined = [name for name in FIGURES if got[name]["reason"] == reason]
    assert undefined == list(FIGURES)
    for one in got["specificity_at_sensitivity"]:
        assert (one["value"], one["threshold"], one["reason"]) == (None, None, reason)
    assert "n/a" not in done.stdout  # a page of them would say nothing
    assert reason.replace("no labelled images", "no image has a label") in done.stdout
    assert (got["flow"]["listed"], got["flow"]["analysed"]) == (2, 0)
    assert got["accuracy"] == {
        "value": None,
        "low": None,
        "high": None,
        "baseline": None,
        "reason": reason,
    }


def test_a_pending_run_has_no_figures(url: str) -> None:
    number = store(url, [*tutorial()[:480], *[(0, None)] * 120])
    done = report("--threshold", "0.23")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith(f"run {number}: 120 of 600 images are pending")
    assert "`celery -A worker worker`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_interrupted_listing_is_named(url: str) -> None:
    number = store(url, [(0, None)] * 3, cut=False)
    done = report("--threshold", "0.23", "--format", "json")
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"run {number}: 3 of 3 images are pending" in done.stderr
    assert "listing was interrupted" in done.stderr
    assert "`producer enqueue 'data/my test'`" in done.stderr


def test_a_run_that_lists_nothing_has_no_figures(url: str) -> None:
    store(url, [])
    done = report("--threshold", "0.23")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "listing was interrupted" in done.stderr


def test_a_missing_run(url: str) -> None:
    store(url, SOME)
    done = report("--threshold", "0.5", "--run", "99")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no run 99" in done.stderr


def test_a_number_that_no_database_takes(url: str) -> None:
    store(url, SOME)
    for number in ("9" * 11, "9" * 24, "9" * 5000):
        done = report("--threshold", "0.5", "--run", number)
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"there is no run {number}" in done.stderr


def test_a_database_without_runs(url: str) -> None:
    open_database(url).close()
    done = report("--threshold", "0.5")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no run yet" in done.stderr


@pytest.mark.usefixtures("url")
def test_a_missing_database_is_not_made(tmp_path: Path) -> None:
    done = report("--threshold", "0.5")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no database" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:hushhush@127.0.0.1:9/scores")
    done = report("--threshold", "0.5")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "127.0.0.1:9/scores" in done.stderr
    assert "hushhush" not in done.stderr


def test_a_newer_database(url: str) -> None:
    store(url, SOME)
    with closing(open_database(url)) as database, database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    done = report("--threshold", "0.5")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "newer version (9999)" in done.stderr


OF_ONE_CLASS = ("confusion_matrix", "calibration", "score_distributions", "flow")
UNLABELLED = ("score_distributions", "flow")


@pytest.mark.parametrize(
    ("images", "drawn", "why_not"),
    [
        (SOME, PICTURES, None),
        ([(0, 0.1)], OF_ONE_CLASS, "only benign images"),
        ([(1, 0.1)], OF_ONE_CLASS, "only malignant images"),
        ([(None, 0.1)], UNLABELLED, "no labelled images"),
        ([(1, "corrupt"), (None, 0.1)], UNLABELLED, "no labelled image was scored"),
        ([(1, "corrupt")], (), "no labelled image was scored"),
    ],
)
def test_pictures(
    url: str, tmp_path: Path, images: list[Image], drawn: Sequence[str], why_not: str | None
) -> None:
    """Only what there is; a picture of an earlier report is no picture of these images."""
    store(url, images)
    folder = tmp_path / "new" / "figures"
    folder.mkdir(parents=True)
    for name in (*PICTURES, "mine"):
        (folder / f"{name}.png").write_bytes(b"an earlier one")
    done = report("--threshold", "0.5", "--format", "json", "--output", str(folder))
    assert done.exit_code == (0 if drawn else 4)  # nothing was scored
    json.loads(done.stdout)
    (folder / "mine.png").unlink()
    names = {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")}
    assert {path.name for path in folder.iterdir()} == names
    for path in folder.iterdir():
        assert f"wrote {path}" in done.stderr
    left_out = [name for name in PICTURES if name not in drawn]
    for name in left_out:
        assert f"removed {folder / name}.png: it was of an earlier report" in done.stderr
    said = f"not drawn ({why_not}): {', '.join(left_out)}\n"
    assert (said in done.stderr) == bool(left_out)
    for path in folder.glob("*.png"):
        head = path.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", head[16:])
        assert 800 <= width <= 2000
        assert 800 <= height <= 2000
        assert 10_000 < path.stat().st_size < 500_000
    for path in folder.glob("*.svg"):
        assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_a_folder_that_cannot_be_made(url: str, tmp_path: Path) -> None:
    store(url, SOME)
    (tmp_path / "file").touch()
    done = report("--threshold", "0.5", "--output", str(tmp_path / "file" / "figures"))
    assert done.exit_code == 1
    assert "cannot write pictures to" in done.stderr


def test_no_line_is_folded_in_a_file(url: str) -> None:
    store(url, SOME, name="a long name " * 20)
    done = process("--threshold", "0.5", COLUMNS="40")
    assert "a long name " * 20 + ") of data/my test, checkpoint benign" in done.stdout
    assert "\x1b" not in done.stdout


def test_tensorflow_is_never_loaded(url: str, tmp_path: Path) -> None:
    store(url, SOME)
    code = (
        "import sys; from report.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "print(sorted({'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    arguments = ("--threshold", "0.5", "--output", str(tmp_path))
    done = process(*arguments, command=(sys.executable, "-c", code))
    assert done.stdout.splitlines()[-1] == "[]"
