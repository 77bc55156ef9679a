"""`report compare`: pairs counted by hand, tests against scipy and against all pairs."""

import csv
import io
import json
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm  # type: ignore[import-untyped] # it ships no types
from stored import Stored, bytes_of, one_line, report, store_run, succeed

from db.queries.results import ScoredImage
from report.comparing.paired_difference import paired_difference
from report.comparing.two_runs import compare
from report.loading.pairing import LeftOut, PairingError, pair
from report.metrics.estimate import Estimate

OTHER = "cd" * 32
# Labels, and scores of A and B: at 0.5 A finds 3 of 4 malignant, B 2; A has 1 false alarm, B 2.
LABELS = (1, 1, 1, 1, 0, 0, 0, 0)
A = (0.9, 0.8, 0.6, 0.2, 0.7, 0.4, 0.3, 0.1)
B = (0.8, 0.4, 0.45, 0.6, 0.3, 0.55, 0.9, 0.2)
AT = ("--threshold-a", "0.5", "--threshold-b", "0.5")
GRID = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)
IMAGES = st.lists(st.tuples(st.integers(0, 1), GRID, GRID), min_size=1, max_size=25)
TWO_OR_MORE = st.lists(st.tuples(GRID, GRID), min_size=2, max_size=12)


def images(scores: tuple[float, ...]) -> list[Stored]:
    return [
        Stored(f"test/{at}.jpg", label, score)
        for at, (label, score) in enumerate(zip(LABELS, scores, strict=True))
    ]


def both(url: str) -> None:
    store_run(url, images(A), name="ours")
    store_run(url, images(B), digest=OTHER)


def as_json(*arguments: str) -> dict[str, Any]:
    got: dict[str, Any] = json.loads(succeed("compare", "1", "2", "--format", "json", *arguments))
    return got


def scored(*rows: tuple[str, int | None, float, int | None]) -> list[ScoredImage]:
    return [
        ScoredImage(path, label, score, None if content is None else bytes_of(content))
        for path, label, score, content in rows
    ]


def brute_auc(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, float]:
    """The AUCs, and the variance of their difference from all pairs (DeLong 1988, by its sums)."""
    malignant, benign = scores[:, labels == 1], scores[:, labels == 0]
    above = malignant[:, :, None] > benign[:, None, :]
    wins = above + 0.5 * (malignant[:, :, None] == benign[:, None, :])
    first = np.cov(wins.mean(axis=2)) / malignant.shape[1]
    second = np.cov(wins.mean(axis=1)) / benign.shape[1]
    contrast = np.array([1, -1])
    return wins.mean(axis=(1, 2)), float(contrast @ (first + second) @ contrast)


def test_counted_by_hand(url: str) -> None:
    both(url)
    got = as_json(*AT)
    assert got["images"] == {
        "compared": 8, "only_a": 0, "only_b": 0, "unlabelled": 0, "other_bytes": 0,
    }  # fmt: skip
    malignant, benign = got["malignant"], got["benign"]
    sides = [malignant["sensitivity"][side]["value"] for side in "ab"]
    assert sides == [3 / 4, 2 / 4]
    assert (malignant["only_a_positive"], malignant["only_b_positive"]) == (2, 1)
    assert malignant["p"] == pytest.approx(1.0)
    assert [benign["specificity"][side]["value"] for side in "ab"] == [3 / 4, 2 / 4]
    assert (benign["only_a_positive"], benign["only_b_positive"]) == (1, 2)
    assert got["roc_auc"]["a"]["value"] == 12 / 16
    assert got["roc_auc"]["b"]["value"] == 10 / 16
    assert [(row["path"], row["label"]) for row in got["changed"]] == [
        ("test/1.jpg", 1), ("test/2.jpg", 1), ("test/3.jpg", 1),
        ("test/4.jpg", 0), ("test/5.jpg", 0), ("test/6.jpg", 0),
    ]  # fmt: skip
    assert got["changed"][0] == {
        "path": "test/1.jpg", "label": 1, "score_a": 0.8, "score_b": 0.4,
        "positive_a": True, "positive_b": False,
    }  # fmt: skip


def test_the_same_in_words(url: str) -> None:
    both(url)
    said = succeed("compare", "ours", "2", *AT).splitlines()
    assert said[0].startswith("A: run 1 (ours), threshold 0.5, exploratory: given")
    assert said[1].startswith("B: run 2, threshold 0.5, exploratory: given")
    rows = {line.split("  ")[0]: line.split()[1:] for line in said}
    assert rows["compared"][:3] == ["8", "4", "malignant,"]
    assert rows["malignant"] == ["2", "1", "p", "=", "1"]
    assert rows["benign"] == ["1", "2", "p", "=", "1"]
    assert "6 images changed sides" in said
    assert said[-6].split() == [
        "test/1.jpg",
        "malignant",
        "0.8000",
        "positive",
        "0.4000",
        "negative",
    ]


def test_csv_lists_what_changed_sides_safe_for_spreadsheets(url: str) -> None:
    for scores, digest in ((A, "ab" * 32), (B, OTHER)):
        listed = images(scores)
        store_run(url, [listed[0], listed[1]._replace(path="=1.jpg"), *listed[2:]], digest=digest)
    read = list(csv.DictReader(io.StringIO(succeed("compare", "1", "2", "--format", "csv", *AT))))
    assert len(read) == 6
    assert read[0] == {
        "path": "'=1.jpg", "label": "1", "score_a": "0.8", "score_b": "0.4",
        "positive_a": "1", "positive_b": "0",
    }  # fmt: skip


def test_many_that_changed_sides_are_named_in_part(url: str) -> None:
    listed = [Stored(f"{at}.jpg", int(at >= 25), 0.9) for at in range(30)]
    store_run(url, listed)
    store_run(url, [one._replace(outcome=0.1) for one in listed], digest=OTHER)
    said = succeed("compare", "1", "2", *AT).splitlines()
    assert "30 images changed sides, the first 20 of them (--format csv lists all)" in said
    named = [line.split()[0] for line in said[-20:]]
    assert named[:6] == ["25.jpg", "26.jpg", "27.jpg", "28.jpg", "29.jpg", "0.jpg"]
    assert len(as_json(*AT)["changed"]) == 30


def test_what_is_left_out_is_counted(url: str) -> None:
    common = [Stored("x.jpg", 1, 0.9), Stored("y.jpg", 0, 0.1)]
    store_run(
        url,
        [
            *common,
            Stored("a.jpg", 1, 0.5),
            Stored("failed.jpg", 1, 0.5),
            Stored("unlabelled.jpg", None, 0.5),
            Stored("half.jpg", None, 0.5),
            Stored("changed.jpg", 0, 0.5, digest=bytes_of(1)),
            Stored("same.jpg", 0, 0.5, digest=bytes_of(2)),
        ],
    )
    store_run(
        url,
        [
            *common,
            Stored("b.jpg", 1, 0.5),
            Stored("b2.jpg", 1, 0.5),
            Stored("failed.jpg", 1, "corrupt"),
            Stored("unlabelled.jpg", None, 0.5),
            Stored("half.jpg", 1, 0.5),
            Stored("changed.jpg", 0, 0.5, digest=bytes_of(3)),
            Stored("same.jpg", 0, 0.5, digest=bytes_of(2)),
        ],
        digest=OTHER,
    )
    assert as_json(*AT)["images"] == {
        "compared": 4, "only_a": 2, "only_b": 2, "unlabelled": 1, "other_bytes": 1,
    }  # fmt: skip


def test_imported_scores_are_matched_by_the_files_name(url: str) -> None:
    Path("scores.csv").write_text("id,score\nISIC_1,0.9\nISIC_2,0.2\nISIC_3,0.4\n")
    Path("truth.csv").write_text("id,label\nISIC_1,1\nISIC_2,0\nISIC_3,1\n")
    ours = [Stored("t/melanoma/ISIC_1.jpg", 1, 0.6), Stored("t/nevus/ISIC_2.JPG", 0, 0.5)]
    store_run(url, ours)
    succeed("import-scores", "scores.csv", "--truth", "truth.csv", "--name", "theirs")
    got = as_json(*AT)
    assert (got["images"]["compared"], got["images"]["only_b"]) == (2, 1)
    assert [row["path"] for row in got["changed"]] == ["t/nevus/ISIC_2.JPG"]
    assert "B: imported scores: column score of scores.csv" in succeed("compare", "1", "2", *AT)


def test_two_files_of_one_name_cannot_be_told_apart() -> None:
    ours = scored(("a/x.jpg", 1, 0.5, None), ("b/x.png", 0, 0.5, None))
    theirs = scored(("x", 1, 0.5, None))
    with pytest.raises(PairingError, match=r"a/x\.jpg and b/x\.png are both called x"):
        pair(ours, theirs, by_name=True)
    assert pair(ours, ours, by_name=False).left_out == LeftOut(0, 0, 0, 0)


def test_labels_that_disagree_are_an_error_that_names_images(url: str) -> None:
    store_run(url, images(A))
    wrong = [one._replace(label=1 - (one.label or 0)) for one in images(B)]
    store_run(url, [*images(B)[:1], *wrong[1:]], digest=OTHER)
    said = one_line(report("compare", "1", "2", *AT))
    assert said.startswith(
        "Error: the two runs disagree about the label of 7 images: test/1.jpg, test/2.jpg"
    )
    assert "test/5.jpg and 2 more" in said


def test_no_labelled_image_in_common(url: str) -> None:
    store_run(url, [Stored("x.jpg", None, 0.5)])
    store_run(url, [Stored("x.jpg", None, 0.5)], digest=OTHER)
    said = one_line(report("compare", "1", "2", *AT))
    assert said == "Error: runs 1 and 2 have no labelled image that both scored"


def test_an_unfinished_run_is_refused(url: str) -> None:
    store_run(url, images(A))
    store_run(url, [*images(B), Stored("late.jpg", 1, None)], digest=OTHER)
    said = one_line(report("compare", "1", "2", *AT), code=3)
    assert said.startswith("run 2: 1 of 9 images are pending")


def test_thresholds_are_those_of_a_report(url: str) -> None:
    store_run(url, images(A), card={"threshold": {"value": 0.65, "how": "in training"}})
    store_run(url, images(B), digest=OTHER)
    said = succeed("compare", "1", "2")
    assert "B: run 2, no threshold" in said
    assert "give one, such as --threshold-b 0.23" in said
    succeed("choose-threshold", "2", "--target-sensitivity", "1")
    got = as_json()
    assert (got["a"]["threshold"]["value"], got["a"]["threshold"]["kind"]) == (0.65, "prespecified")
    assert got["b"]["threshold"]["kind"] == "exploratory"
    assert "B: warning: the threshold was chosen on these images" in succeed("compare", "1", "2")


def test_runs_without_thresholds_are_compared_by_their_aucs(url: str) -> None:
    both(url)
    got, at_half = as_json("--margin", "0.05"), as_json(*AT)
    assert (got["a"]["threshold"], got["changed"]) == (None, None)
    assert got["roc_auc"] == at_half["roc_auc"]
    assert (got["malignant"]["only_a_positive"], got["malignant"]["p"]) == (None, None)
    for of_class, figure in ((got["malignant"], "sensitivity"), (got["benign"], "specificity")):
        reasons = [of_class[figure][side]["reason"] for side in ("a", "b", "difference")]
        assert reasons == [f"{side} no threshold" for side in ("A has", "B has", "A and B have")]
    assert got["non_inferiority"]["sensitivity"]["reason"] == "A and B have no threshold"

    said = succeed("compare", "1", "2", "--output", "figures")
    assert "A: run 1 (ours), no threshold, so sensitivity and specificity are n/a" in said
    cells = [cell for line in said.splitlines() for cell in re.split("  +", line)]
    undefined = [cell for cell in cells if cell.startswith("n/a")]
    assert len(undefined) == 12
    assert all(re.fullmatch(r"n/a \([AB].* no threshold\)", cell) for cell in undefined)
    rows = list(csv.DictReader(io.StringIO(succeed("compare", "1", "2", "--format", "csv"))))
    assert {row["figure"]: row["reason"] for row in rows}["specificity_b"] == "B has no threshold"
    assert float(rows[2]["value"]) == 2 / 16
    assert "| sensitivity | n/a (A has no threshold) |" in succeed(
        "compare", "1", "2", "--format", "markdown"
    )
    drawn = Path("figures/roc_compared.svg").read_text()
    assert "exploratory" not in drawn


def test_one_threshold_gives_the_figures_of_its_run(url: str) -> None:
    both(url)
    got = as_json("--threshold-b", "0.5")
    assert got["malignant"]["sensitivity"]["b"]["value"] == 2 / 4
    assert got["malignant"]["sensitivity"]["a"]["reason"] == "A has no threshold"
    assert got["benign"]["specificity"]["difference"]["reason"] == "A has no threshold"


def test_a_card_with_a_wrong_threshold_is_refused(url: str) -> None:
    store_run(url, images(A), card={"threshold": {"value": 7}})
    store_run(url, images(B), digest=OTHER)
    done = report("compare", "1", "2")
    assert done.exit_code == 2
    assert "run 1: the checkpoint's model card holds" in done.stderr
    assert "such as --threshold-a 0.23" in done.stderr


def test_differences_and_non_inferiority(url: str) -> None:
    both(url)
    got = as_json(*AT, "--margin", "0.6", "--confidence", "0.9")
    found = got["malignant"]["sensitivity"]["difference"]
    assert tuple(found.values()) == approx_of(paired_difference(2, 1, 4, 0.9))
    # Of the benign images, those that only B calls positive are right in A only.
    assert got["benign"]["specificity"]["difference"] == found
    decided = got["non_inferiority"]
    assert (decided["margin"], decided["alpha"]) == (0.6, 0.05)
    assert decided["sensitivity"] == {"bound": found["low"], "not_inferior": found["low"] > -0.6}
    assert decided["roc_auc"]["bound"] == got["roc_auc"]["difference"]["low"]

    said = succeed("compare", "1", "2", *AT, "--margin", "0.6")
    low = as_json(*AT)["malignant"]["sensitivity"]["difference"]["low"]
    assert (
        "sensitivity: A is not inferior to B: the lower bound of A − B, "
        f"−{-low:.3f} (one-sided, alpha 0.025), is within the margin of 0.6" in said
    )
    narrow = succeed("compare", "1", "2", *AT, "--margin", str(-low * 0.99999))
    assert "sensitivity: not shown that A is not inferior to B: the lower bound" in narrow
    assert "A: ours" in said
    assert "B: run 2" in said
    assert "-0." not in said


def approx_of(figure: Estimate) -> Any:
    return pytest.approx((figure.value, figure.low, figure.high))


def test_no_p_is_zero(url: str) -> None:
    listed = [Stored(f"{at}.jpg", int(at >= 40), 0.9 - at * 37 % 80 / 1000) for at in range(80)]
    store_run(url, listed)
    store_run(url, [one._replace(outcome=at / 100) for at, one in enumerate(listed)], digest=OTHER)
    said = succeed("compare", "1", "2", *AT)
    assert said.count("p < 0.001") == 2  # of the AUCs, and of 40 benign images
    assert not re.search(r"p = 0(\.0+)?\b(?!\.)", said)
    assert "p = 0.00195" in said  # of 10 discordant malignant images: 2 / 2¹⁰


def test_one_class_only(url: str) -> None:
    store_run(url, images(A)[:4])
    store_run(url, images(B)[:4], digest=OTHER)
    got = as_json(*AT, "--output", "figures")
    assert got["roc_auc"]["difference"] == {
        "value": None, "low": None, "high": None, "reason": "only malignant images",
    }  # fmt: skip
    assert (got["benign"]["p"], got["benign"]["reason"]) == (None, "no benign images")
    assert "n/a (no benign images)" in succeed("compare", "1", "2", *AT)


def test_a_run_with_itself(url: str) -> None:
    store_run(url, images(A))
    got = json.loads(succeed("compare", "1", "1", "--format", "json", *AT))
    assert got["roc_auc"]["difference"]["value"] == 0
    assert (got["roc_auc"]["p"], got["changed"]) == (None, [])
    assert got["malignant"]["p"] == 1
    assert "no image changed sides" in succeed("compare", "1", "1", *AT)


def test_both_curves_in_one_picture(url: str) -> None:
    both(url)
    done = report("compare", "1", "2", *AT, "--output", "new/figures", "--format", "json")
    json.loads(done.stdout)
    png, svg = Path("new/figures/roc_compared.png"), Path("new/figures/roc_compared.svg")
    assert done.stderr.splitlines() == [f"wrote {png}", f"wrote {svg}"]
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    assert (800 <= width <= 2000, 800 <= height <= 2000) == (True, True)
    assert ET.parse(svg).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    Path("file").touch()
    refused = report("compare", "1", "2", *AT, "--output", "file/figures")
    assert refused.exit_code == 1
    assert "cannot write pictures to file/figures" in refused.stderr


@given(IMAGES, st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_mcnemar_is_scipys_binomial_test(
    rows: list[tuple[int, float, float]], first: float, second: float
) -> None:
    labels = np.array([row[0] for row in rows])
    scores = np.array([[row[1] for row in rows], [row[2] for row in rows]])
    got = compare(labels, scores, (first, second))
    for kind, found in ((1, got.malignant), (0, got.benign)):
        answers = [(a >= first, b >= second) for label, a, b in rows if label == kind]
        only_a, only_b = answers.count((True, False)), answers.count((False, True))
        assert (found.only_a_positive, found.only_b_positive) == (only_a, only_b)
        if not answers:
            assert found.p is None
        elif only_a + only_b == 0:
            assert found.p == 1
        else:
            assert found.p == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)
    changed = [at for at, (_, a, b) in enumerate(rows) if (a >= first) != (b >= second)]
    assert got.changed.tolist() == changed


@given(TWO_OR_MORE, TWO_OR_MORE)
@settings(deadline=None)
def test_the_paired_test_is_delongs_over_all_pairs(
    malignant: list[tuple[float, float]], benign: list[tuple[float, float]]
) -> None:
    labels = np.array([1] * len(malignant) + [0] * len(benign))
    scores = np.array(malignant + benign).T
    test = compare(labels, scores, (0.5, 0.5)).auc_test
    aucs, variance = brute_auc(labels, scores)
    assert test is not None
    assert test.difference == pytest.approx(aucs[0] - aucs[1])
    if test.p is None:
        assert variance == pytest.approx(0, abs=1e-12)
        return
    z = (aucs[0] - aucs[1]) / np.sqrt(variance)
    assert test.p == pytest.approx(2 * norm.sf(abs(z)), abs=1e-9)


@pytest.mark.usefixtures("url")
def test_the_two_teams_of_isic_2017(shared: Path) -> None:
    folder = shared / "data" / "isic2017_scores"
    teams, columns = ("recod_titans", "gonzalez_diaz"), []
    for name in teams:
        files = (str(folder / f"{name}.csv"), "--truth", str(folder / "truth.csv"))
        succeed("import-scores", *files, "--name", name)
    for name in ("truth", *teams):
        with (folder / f"{name}.csv").open(newline="") as file:
            columns.append({row["image_id"]: row["melanoma"] for row in csv.DictReader(file)})
    truth, first, second = columns
    labels = np.array([int(label) for label in truth.values()])
    scores = np.array([[float(team[image]) for image in truth] for team in (first, second)])
    aucs, variance = brute_auc(labels, scores)

    got = as_json(*AT)
    assert got["images"]["compared"] == 600
    assert got["roc_auc"]["difference"]["value"] == pytest.approx(aucs[0] - aucs[1])
    assert got["roc_auc"]["z"] == pytest.approx((aucs[0] - aucs[1]) / np.sqrt(variance))
    changed = ((scores[0] >= 0.5) != (scores[1] >= 0.5)).sum()
    assert len(got["changed"]) == changed > 0


def clustered(scores: tuple[float, ...], names: str) -> list[Stored]:
    """Lesions by their letters; `-` has none."""
    lesions = [{} if name == "-" else {"lesion": name} for name in names]
    pairs = zip(images(scores), lesions, strict=True)
    return [one._replace(attributes={"sex": "male", **lesion}) for one, lesion in pairs]


def test_images_of_a_lesion_are_not_independent(url: str) -> None:
    store_run(url, clustered(A, "aabc-d-e"), name="ours")
    store_run(url, clustered(B, "aab-fd--"), digest=OTHER)
    got = as_json(*AT, "--cluster", "lesion", "--margin", "0.1")
    # The fifth image has its lesion from B; the seventh has none in either, so it is one by itself.
    assert got["cluster"] == {"column": "lesion", "clusters": 7, "alone": 1}
    codes = np.array([0, 0, 1, 2, 3, 4, 5, 6])
    expected = compare(np.array(LABELS), np.array([A, B]), (0.5, 0.5), 0.95, codes)
    found = got["malignant"]["sensitivity"]["difference"]
    assert tuple(found.values()) == approx_of(expected.malignant.difference)
    assert got["malignant"]["p"] == pytest.approx(expected.malignant.p)
    assert (got["malignant"]["only_a_positive"], got["malignant"]["only_b_positive"]) == (2, 1)
    assert got["roc_auc"]["p"] == pytest.approx(expected.auc_test and expected.auc_test.p)
    assert got["roc_auc"]["p"] != as_json(*AT)["roc_auc"]["p"]
    assert got["non_inferiority"]["sensitivity"]["bound"] == found["low"]

    said = succeed("compare", "1", "2", *AT, "--cluster", "lesion")
    assert "intervals and tests by lesion: 7 clusters; 1 of them of one image without any" in said
    assert "(Obuchowski, paired)" in said
    assert "McNemar" not in said
    store_run(url, clustered(A, "aabcfdxe"), digest="ef" * 32)
    three = succeed("compare", "1", "2", "3", "--cluster", "lesion")
    assert "p (Obuchowski)" in three
    assert "by lesion: 7 clusters" in three


def test_clusters_that_are_refused(url: str) -> None:
    store_run(url, clustered(A, "aabcfd-e"))
    store_run(url, clustered(B, "aabcfd-a"), digest=OTHER)
    said = one_line(report("compare", "1", "2", "--cluster", "patient"))
    assert said.endswith("has this column of a manifest; there are lesion, sex")
    said = one_line(report("compare", "1", "2", "--cluster", "lesion"))
    assert "the runs have different values for test/7.jpg, e and a" in said
    store_run(url, [Stored("else.jpg", 1, 0.5), Stored("other.jpg", 0, 0.4)], digest="ef" * 32)
    done = report("compare", "1", "3", "--cluster", "lesion")
    assert (done.exit_code, "for runs over the same images" in done.stderr) == (2, True)
