"""Thresholds that were laid down beforehand: stated, taken from a run, or of an imported model."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from stored import Stored, bytes_of, one_line, report, rows, store_run, succeed

LABELS, SCORES = [1, 1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.4, 0.6, 0.3, 0.2, 0.1]
OTHER = "cd" * 32
RULE = "ISIC rule: 0.5"
HOW = "sensitivity at least 0.9 (sensitivity 3/3, specificity 3/4)"


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


def threshold(*arguments: str) -> dict[str, object]:
    got: dict[str, object] = json.loads(succeed(*arguments, "--format", "json"))["threshold"]
    return got


def choose(run: str) -> None:
    succeed("choose-threshold", run, "--target-sensitivity", "0.9")


def test_a_threshold_of_a_protocol_is_prespecified_and_its_words_are_kept(
    url: str, tmp_path: Path
) -> None:
    store_run(url, rows(LABELS, SCORES))
    stated = ("--threshold", "0.5", "--prespecified", RULE)
    assert threshold(*stated) == {"value": 0.5, "kind": "prespecified", "how": RULE}
    line = f"threshold 0.5, prespecified: given on the command line as chosen beforehand: {RULE}"
    for layout in ("text", "markdown"):
        assert line in succeed(*stated, "--format", layout)
    table = csv.DictReader(io.StringIO(succeed(*stated, "--format", "csv")))
    found = {row["figure"]: row["value"] for row in table}
    assert (found["threshold_kind"], found["threshold_how"]) == ("prespecified", RULE)
    page = tmp_path / "page.html"
    succeed("page", "1", "-o", str(page), *stated)
    assert RULE in page.read_text(encoding="utf-8")
    assert threshold("--threshold", "0.5") == {"value": 0.5, "kind": "exploratory"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--prespecified", RULE), "give it as well, such as --threshold 0.5"),
        (("--threshold", "0.5", "--prespecified", " "), "--prespecified is empty"),
        (("--threshold", "0.5", "--threshold-from", "1"), "give one of --threshold and --thre"),
        (("--threshold-from", "1", "--prespecified", RULE), "give it as well"),
    ],
)
@pytest.mark.parametrize("command", [(), ("page", "1", "-o", "page.html")])
def test_options_that_contradict_each_other(
    url: str, options: tuple[str, ...], reason: str, command: tuple[str, ...]
) -> None:
    store_run(url, rows(LABELS, SCORES))
    done = report(*command, *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert reason in done.stderr


def test_a_threshold_from_another_run(url: str) -> None:
    store_run(url, rows(LABELS, SCORES), name="valid", source="data/valid")
    choose("valid")
    store_run(url, rows(LABELS, SCORES), source="data/later")
    succeed("choose-threshold", "2", "--target-specificity", "0.9")
    store_run(url, rows(LABELS, SCORES), source="data/test")
    got = threshold("3", "--threshold-from", "valid")
    assert (got["value"], got["kind"], got["how"]) == (0.35, "prespecified", HOW)
    assert threshold("3")["value"] != 0.35  # without it, the one that was chosen last
    said = succeed("3", "--threshold-from", "1")
    assert "threshold 0.35, prespecified: chosen on run 1 of data/valid on " in said
    assert "warning" not in said


@pytest.mark.parametrize(("numbers", "shared"), [((1, 2, 90), 2), ((90, 91, 92), 0)])
def test_a_threshold_from_a_run_that_shares_images(
    url: str, numbers: Sequence[int], shared: int
) -> None:
    def images(numbers: Sequence[int]) -> list[Stored]:
        scored = zip(numbers, [1, 0, 0], [0.9, 0.3, 0.1], strict=True)
        return [Stored(f"{at}.jpg", y, s, None, bytes_of(at)) for at, y, s in scored]

    store_run(url, images((1, 2, 3)), source="data/valid", digest=OTHER)
    choose("1")
    store_run(url, images(numbers), source="data/test")
    got = threshold("2", "--threshold-from", "1")
    assert got["kind"] == ("exploratory" if shared else "prespecified")
    said = succeed("2", "--threshold-from", "1")
    warning = f"warning: the threshold was chosen on {shared} of the 3 scored images (run 1)"
    assert (warning in said) == bool(shared)
    other = "chosen on the scores of another checkpoint, x.keras (cdcdcdcdcdcd): its scores may"
    assert other in said
    assert got["chosen_on"]["other_checkpoint"] == "x.keras (cdcdcdcdcdcd)"  # type: ignore[index]


def test_a_run_without_a_chosen_threshold_and_no_run(url: str) -> None:
    store_run(url, rows(LABELS, SCORES), name="valid")
    said = one_line(report("--threshold-from", "valid"))
    assert said.startswith("Error: --threshold-from valid: no threshold was chosen on run 1: ")
    assert "there is no run 7" in one_line(report("--threshold-from", "7"))


def imported(
    folder: Path, name: str, ids: str, *options: str, truth: str | None = None, lift: float = 0
) -> str:
    scored = dict(zip("abcdefgh", (0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1), strict=True))
    scores = folder / f"{name}.csv"
    cells = "".join(f"{i},{scored.get(i.lower(), 0.5) + lift}\n" for i in ids)
    scores.write_text(f"id,score\n{cells}")
    labels = folder / f"{truth or name}_truth.csv"
    labels.write_text("id,label\n" + "".join(f"{i},{int(i.lower() < 'e')}\n" for i in ids))
    return succeed("import-scores", str(scores), "--truth", str(labels), "--name", name, *options)


@pytest.mark.usefixtures("url")
def test_a_threshold_of_a_named_model_is_prespecified_for_its_other_imports(
    tmp_path: Path,
) -> None:
    first = imported(tmp_path, "valid", "abcdefgh", "--model", "recod")
    assert "next: report --run 1 --threshold 0.5" in first
    chosen = succeed("choose-threshold", "valid", "--youden")
    assert "kept for model recod: in reports of its other runs it is prespecified" in chosen
    assert "next: report --run 2\n" in imported(tmp_path, "test", "ABCDEFGH", "--model", "recod")
    imported(tmp_path, "third", "ABCDEFGH", "--model", "gonzalez")
    imported(tmp_path, "nameless", "ABCDEFGH")
    got = threshold("test")
    assert (got["value"], got["kind"], got["same_images"]) == (0.5, "prespecified", False)
    said = succeed("test")
    assert "imported scores of recod: column score of test.csv" in said
    assert "prespecified: chosen on run 1 of" in said
    assert "warning" not in said
    for other in ("third", "nameless"):
        assert report(other).exit_code == 2
    kept = json.loads(succeed("test", "--format", "json"))["checkpoint"]["imported"]
    assert kept["model"] == "recod"


@pytest.mark.usefixtures("url")
def test_images_that_two_imports_of_a_model_share_are_noticed_by_name(
    tmp_path: Path,
) -> None:
    imported(tmp_path, "valid", "abcdefgh", "--model", "recod")
    choose("valid")
    imported(tmp_path, "test", "ABCDefgh", "--model", "recod", truth="other")
    said = succeed("test")
    assert "warning: the threshold was chosen on 4 of the 8 scored images (run 1)" in said
    assert threshold("test")["kind"] == "exploratory"
    # The same images and another version of the scores.
    imported(tmp_path, "again", "abcdefgh", "--model", "recod", truth="third", lift=0.05)
    assert threshold("again")["kind"] == "exploratory"


@pytest.mark.usefixtures("url")
def test_the_thresholds_of_a_model_are_listed_once_and_forgotten_for_all(
    tmp_path: Path,
) -> None:
    imported(tmp_path, "valid", "abcdefgh", "--model", "recod")
    choose("valid")
    imported(tmp_path, "test", "ABCDEFGH", "--model", "recod")
    said = succeed("thresholds")
    assert said.startswith("the next report is of run 2: it takes threshold ")
    assert said.count("number 1") == 1
    assert "imported scores of recod" in said
    assert (
        succeed("thresholds", "--forget", "1")
        .splitlines()[1]
        .startswith("reports of imported scores of recod from now on: no threshold is kept")
    )
    assert report("test").exit_code == 2


@pytest.mark.usefixtures("url")
def test_an_import_with_a_model_leaves_an_earlier_one_without_it_as_it_was(tmp_path: Path) -> None:
    imported(tmp_path, "plain", "abcdefgh")
    files = (str(tmp_path / "plain.csv"), "--truth", str(tmp_path / "plain_truth.csv"))
    succeed("import-scores", *files, "--name", "named", "--model", " recod ")
    for name, model in (("plain", None), ("named", "recod")):
        told = json.loads(succeed(name, "--threshold", "0.5", "--format", "json"))["checkpoint"]
        assert told["imported"].get("model") == model
    refused = report("import-scores", *files, "--name", "n", "--model", " ")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--model is empty" in refused.stderr
