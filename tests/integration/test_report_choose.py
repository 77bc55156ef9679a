"""`report choose-threshold`: against every cut there is, and how `report` uses what was chosen."""

import json
import math
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import Ledger
from sklearn.metrics import roc_curve
from stored import Stored, bytes_of, one_line, report, rows, store_run, succeed

from report.thresholds.operating_point import threshold_for_sensitivity
from report.thresholds.select_threshold import ChoiceError, Criterion, choose_by, cuts_of

# Sorted: malignant at 0.9, 0.7, 0.4; benign at 0.8, 0.5, 0.3, 0.1.
LABELS = (1, 0, 1, 0, 1, 0, 0)
SCORES = (0.9, 0.8, 0.7, 0.5, 0.4, 0.3, 0.1)
COARSE = st.sampled_from([0.0, 0.25, 0.5, float(np.nextafter(0.5, 1)), 0.75, 1.0]) | st.floats(0, 1)
IMAGES = st.lists(st.tuples(st.integers(0, 1), COARSE), min_size=2, max_size=14).filter(
    lambda images: len({label for label, _ in images}) == 2
)
Images = list[tuple[int, float]]


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


def arrays(images: Images) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = zip(*images, strict=True)
    return np.array(labels, np.int8), np.array(scores)


def errors_at(images: Images, threshold: float) -> tuple[int, int]:
    """Malignant images missed and benign ones that are positive."""
    missed = sum(label == 1 and score < threshold for label, score in images)
    return missed, sum(label == 0 and score >= threshold for label, score in images)


def cuts(images: Images) -> list[float]:
    return sorted({score for _, score in images})


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (Criterion("sensitivity", 0.3), (0.9 + 0.8) / 2),
        (Criterion("sensitivity", 0.9), (0.4 + 0.3) / 2),
        (Criterion("specificity", 0.75), (0.7 + 0.5) / 2),
        (Criterion("specificity", 0.76), (0.9 + 0.8) / 2),
        (Criterion("specificity", 0.5), (0.4 + 0.3) / 2),
        (Criterion("youden"), (0.4 + 0.3) / 2),  # 3/3 + 2/4 - 1
        (Criterion("cost", costs=(Fraction(10), Fraction(1))), (0.4 + 0.3) / 2),
        (Criterion("cost", costs=(Fraction(1), Fraction(10))), (0.9 + 0.8) / 2),
    ],
)
def test_by_hand(criterion: Criterion, expected: float) -> None:
    at = choose_by(criterion, np.array(LABELS), np.array(SCORES))
    assert at == pytest.approx(expected, abs=1e-15)


def test_of_equal_cuts_the_lowest_misses_fewer() -> None:
    # At 0.8: 1/2 and 2/2; at 0.2: 2/2 and 1/2. Both have a Youden index of 0.5.
    images = [(1, 0.8), (0, 0.6), (1, 0.4), (0, 0.2)]
    assert choose_by(Criterion("youden"), *arrays(images)) == pytest.approx(0.3)
    even = Criterion("cost", costs=(Fraction(1), Fraction(1)))
    assert choose_by(even, *arrays(images)) == pytest.approx(0.3)


def test_costs_that_are_no_binary_fractions_are_still_equal() -> None:
    # Three false alarms at 0.1 cost what one miss at 0.3 costs; in floats they would not.
    images = [(1, 0.9), (0, 0.8), (0, 0.7), (0, 0.6), (1, 0.5), (0, 0.4)]
    costs = (Fraction("0.3"), Fraction("0.1"))
    assert choose_by(Criterion("cost", costs=costs), *arrays(images)) == pytest.approx(0.45)


@given(IMAGES)
@settings(deadline=None)
def test_cuts_are_scikit_learns(images: Images) -> None:
    labels, scores = arrays(images)
    found = cuts_of(labels, scores)
    fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    assert found.scores.tolist() == thresholds[1:].tolist()
    np.testing.assert_allclose(found.tp / labels.sum(), tpr[1:])
    np.testing.assert_allclose(found.fp / (labels == 0).sum(), fpr[1:])


@given(IMAGES, st.floats(0.001, 1))
@settings(deadline=None)
def test_the_trainer_and_this_agree(images: Images, target: float) -> None:
    labels, scores = arrays(images)
    at = choose_by(Criterion("sensitivity", target), labels, scores)
    assert at == threshold_for_sensitivity(labels, scores, target)


@given(IMAGES, st.floats(0.001, 1))
@settings(deadline=None)
def test_no_lower_cut_reaches_the_specificity(images: Images, target: float) -> None:
    allowed = sum(label == 0 for label, _ in images) * (1 - target) + 1e-9
    reaching = [cut for cut in cuts(images) if errors_at(images, cut)[1] <= allowed]
    criterion = Criterion("specificity", target)
    if not reaching:
        with pytest.raises(ChoiceError, match="no observed score reaches"):
            choose_by(criterion, *arrays(images))
        return
    at = choose_by(criterion, *arrays(images))
    assert errors_at(images, at) == errors_at(images, reaching[0])


@given(IMAGES)
@settings(deadline=None)
def test_no_cut_has_a_higher_youden_index(images: Images) -> None:
    p = sum(label for label, _ in images)
    n = len(images) - p

    def index(threshold: float) -> Fraction:
        missed, alarms = errors_at(images, threshold)
        return Fraction(p - missed, p) - Fraction(alarms, n)

    best = max(map(index, cuts(images)))
    lowest = min(cut for cut in cuts(images) if index(cut) == best)
    at = choose_by(Criterion("youden"), *arrays(images))
    assert errors_at(images, at) == errors_at(images, lowest)


@given(
    IMAGES,
    st.fractions("0.001", 1000),
    st.fractions("0.001", 1000),
    st.sampled_from([None, 0.02, 0.1, 0.5]),
)
@settings(deadline=None)
def test_no_cut_costs_less(
    images: Images, miss: Fraction, alarm: Fraction, prevalence: float | None
) -> None:
    malignant = sum(label for label, _ in images)
    p = Fraction(malignant, len(images)) if prevalence is None else Fraction(str(prevalence))

    def cost(threshold: float) -> Fraction:
        missed, alarms = errors_at(images, threshold)
        benign = len(images) - malignant
        return Fraction(missed, malignant) * p * miss + Fraction(alarms, benign) * (1 - p) * alarm

    least = min(map(cost, cuts(images)))
    lowest = min(cut for cut in cuts(images) if cost(cut) == least)
    criterion = Criterion("cost", costs=(miss, alarm), prevalence=prevalence)
    at = choose_by(criterion, *arrays(images))
    assert errors_at(images, at) == errors_at(images, lowest)


def test_costs_at_another_prevalence_move_the_threshold_and_are_kept_so(url: str) -> None:
    # Half of these are malignant. Of 1,000 patients 20: a miss is 10 at 0.5, and 0.4 at 0.02.
    store_run(url, rows([1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.4, 0.3, 0.1]))
    assert succeed("choose-threshold", "1", "--cost", "10:1").startswith("threshold 0.35 ")
    said = succeed("choose-threshold", "1", "--cost", "10:1", "--prevalence", "0.02")
    assert said.startswith("threshold 0.75 ")
    how = (
        "the lowest cost at 10 a false negative and 1 a false positive, where 2 % are malignant "
        "(sensitivity 2/3, specificity 3/3)"
    )
    assert how in said
    assert how in succeed("thresholds")


@pytest.mark.parametrize("kind", ["sensitivity", "specificity", "youden", "cost"])
@pytest.mark.parametrize(("label", "missing"), [(0, "malignant"), (1, "benign")])
def test_a_class_that_is_missing(url: str, kind: str, label: int, missing: str) -> None:
    store_run(url, rows([label, label, None], [0.2, 0.3, 0.4]))
    options = {
        "sensitivity": ("--target-sensitivity", "0.9"),
        "specificity": ("--target-specificity", "0.9"),
        "youden": ("--youden",),
        "cost": ("--cost", "10:1"),
    }
    said = one_line(report("choose-threshold", "1", *options[kind]))
    assert said == f"Error: no threshold can be chosen without {missing} images that are scored"
    assert Ledger(url).rows("SELECT count(*) FROM thresholds") == [(0,)]


def test_it_is_kept_with_its_kind_run_checkpoint_and_date(url: str) -> None:
    run = store_run(url, rows([*LABELS, None, 1], [*SCORES, 0.99, "corrupt"]), name="valid")
    said = succeed("choose-threshold", "valid", "--target-sensitivity", "0.9")
    how = "sensitivity at least 0.9 (sensitivity 3/3, specificity 2/4)"
    assert said.splitlines()[0] == f"threshold 0.35 chosen on run {run} of data/test: {how}"
    (row,) = Ledger(url).rows(
        "SELECT run_id, checkpoint_id, kind, value, how, created_at FROM thresholds"
    )
    assert row[:5] == (run, 1, "sensitivity", 0.35, how)
    assert abs(row[5] - datetime.now(UTC).timestamp()) < 60


def test_for_other_runs_of_the_checkpoint_it_is_prespecified(url: str) -> None:
    card = {"threshold": {"value": 0.77, "how": "in training"}}
    valid = store_run(url, rows(LABELS, SCORES), source="data/valid", card=card)
    store_run(url, rows(LABELS, SCORES), source="data/test", card=card)
    other = store_run(url, rows(LABELS, SCORES), digest="cd" * 32, card=card)
    succeed("choose-threshold", str(valid), "--target-sensitivity", "0.9")
    ((chosen_at,),) = Ledger(url).rows("SELECT created_at FROM thresholds")
    today = datetime.fromtimestamp(chosen_at, UTC).strftime("%Y-%m-%d")

    said = succeed("--run", "2")
    assert f"threshold 0.35, prespecified: chosen on run {valid} of data/valid on {today}, " in said
    assert "warning" not in said
    got = json.loads(succeed("--run", "2", "--format", "json"))["threshold"]
    assert got == {
        "value": 0.35,
        "kind": "prespecified",
        "how": "sensitivity at least 0.9 (sensitivity 3/3, specificity 2/4)",
        "chosen_on": {"run": valid, "source": "data/valid", "date": today},
        "same_images": False,
    }
    assert "threshold 0.5, exploratory: given" in succeed("--run", "2", "--threshold", "0.5")
    assert "threshold 0.77, prespecified: from the model card" in succeed("--run", str(other))


@pytest.mark.parametrize("again", [False, True])
def test_on_the_images_it_was_chosen_on_it_is_optimistic(url: str, again: bool) -> None:
    run = store_run(url, rows(LABELS, SCORES))
    succeed("choose-threshold", str(run), "--youden")
    if again:  # another run of the same source
        run = store_run(url, rows(LABELS, SCORES))
    said = succeed("--run", str(run))
    warning = "warning: the threshold was chosen on these images (run 1): the figures at it are"
    assert warning in said
    assert "threshold 0.35, exploratory: chosen on run 1" in said
    got = json.loads(succeed("--run", str(run), "--format", "json"))["threshold"]
    assert (got["kind"], got["same_images"]) == ("exploratory", True)


@pytest.mark.parametrize(("numbers", "shared"), [((1, 2, 90), 2), ((90, 91, 92), 0)])
def test_the_same_bytes_under_other_names_are_noticed(
    url: str, numbers: tuple[int, ...], shared: int
) -> None:
    """A manifest of the folder, a copy of it: another source with the images it was chosen on."""
    chosen_on = [
        Stored(f"valid/{at}.jpg", at % 2, 0.2 * at, digest=bytes_of(at)) for at in range(4)
    ]
    unlabelled = Stored("valid/90.jpg", None, 0.5, digest=bytes_of(90))
    store_run(url, [*chosen_on, unlabelled], source="data/valid")
    others = [Stored(f"{at}.jpg", at % 2, 0.5, digest=bytes_of(at)) for at in numbers]
    store_run(url, others, source="copy.csv")
    succeed("choose-threshold", "1", "--youden")
    got = json.loads(succeed("--run", "2", "--format", "json"))["threshold"]
    kind = "exploratory" if shared else "prespecified"
    assert (got["kind"], got["same_images"]) == (kind, shared > 0)
    said = succeed("--run", "2")
    assert f", {kind}: chosen on run 1 of data/valid" in said
    warning = "warning: the threshold was chosen on 2 of the 3 scored images (run 1): the figures"
    assert (warning in said) == (shared > 0)


@pytest.mark.parametrize("seen", [True, False])
def test_the_cards_threshold_on_the_images_it_was_chosen_on(url: str, seen: bool) -> None:
    card = {
        "threshold": {"value": 0.4, "how": "in training"},
        "data": {"valid_images": [bytes_of(0), bytes_of(1)] if seen else [bytes_of(9)]},
    }
    images = [Stored(f"{at}.jpg", at % 2, 0.5, digest=bytes_of(at)) for at in range(2)]
    store_run(url, images, card=card)
    said, got = succeed(), json.loads(succeed("--format", "json"))["threshold"]
    kind = "exploratory" if seen else "prespecified"
    assert f"threshold 0.4, {kind}: from the model card, in training" in said
    assert (got["kind"], got.get("same_images")) == (kind, seen or None)
    warning = "warning: the threshold was chosen on these images (in training): the figures at it"
    assert (warning in said) == seen
    assert "warning" not in succeed("--threshold", "0.5")


def test_the_one_chosen_last_counts(url: str) -> None:
    store_run(url, rows(LABELS, SCORES), source="data/valid")
    store_run(url, rows(LABELS, SCORES))
    succeed("choose-threshold", "1", "--target-sensitivity", "0.9")
    succeed("choose-threshold", "1", "--target-sensitivity", "0.3")
    got = json.loads(succeed("--run", "2", "--format", "json"))["threshold"]
    assert math.isclose(got["value"], 0.85)


def test_an_unfinished_run_is_refused(url: str) -> None:
    store_run(url, [*rows(LABELS, SCORES), Stored("late.jpg", 1, None)])
    said = one_line(report("choose-threshold", "1", "--youden"), code=3)
    assert said.startswith("run 1: 1 of 8 images are pending")
    assert Ledger(url).rows("SELECT count(*) FROM thresholds") == [(0,)]


def test_a_specificity_that_no_score_reaches(url: str) -> None:
    store_run(url, rows([1, 0], [0.5, 0.75]))
    said = one_line(report("choose-threshold", "1", "--target-specificity", "1"))
    assert said == (
        "Error: no observed score reaches specificity 1: the highest, 0.75, is a benign image's"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give exactly one of"),
        (("--youden", "--cost", "1:1"), "give exactly one of"),
        (("--target-sensitivity", "0"), "is reached by any threshold"),
        (("--target-sensitivity", "nan"), "nan is not a number between 0 and 1"),
        (("--target-specificity", "90"), "90 is not a number between 0 and 1"),
        (("--youden", "--prevalence", "0.02"), "--prevalence weighs the errors of --cost"),
        (("--cost", "10:1", "--prevalence", "2"), "2 is not a number between 0 and 1"),
        (("--cost", "10"), "10 is not of the form 10:1"),
        (("--cost", "1:2:3"), "1:2:3 is not of the form 10:1"),
        (("--cost", "a:1"), "a:1 is not of the form 10:1"),
        (("--cost", "1:0"), "a cost is a millionth to a million"),
        (("--cost", "-1:1"), "a cost is a millionth to a million"),
        (("--cost", "1:1e7"), "a cost is a millionth to a million"),
    ],
)
def test_what_cannot_be_asked(url: str, options: tuple[str, ...], said: str) -> None:
    store_run(url, rows(LABELS, SCORES))
    done = report("choose-threshold", "1", *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.usefixtures("url")
def test_one_file_of_scores_with_two_truths_stays_two(tmp_path: Path) -> None:
    """The same images both times: what was chosen with one truth is not prespecified for it."""
    scores = tmp_path / "scores.csv"
    scores.write_text("id,score\na,0.9\nb,0.6\nc,0.4\nd,0.1\n")
    for name, labels in (("one", "1100"), ("two", "1010")):
        truth = tmp_path / f"{name}.csv"
        rows_of = zip("abcd", labels, strict=True)
        truth.write_text("id,label\n" + "".join(f"{i},{label}\n" for i, label in rows_of))
        succeed("import-scores", str(scores), "--truth", str(truth), "--name", name)
    for name in ("one", "two"):
        options = ("--run", name, "--threshold", "0.5", "--format", "json")
        got = json.loads(succeed(*options))["checkpoint"]["imported"]
        assert got["truth"] == f"{name}.csv"
    succeed("choose-threshold", "one", "--youden")
    assert "threshold 0.5, exploratory" in succeed("--run", "one")
    refused = report("--run", "two")
    assert refused.exit_code == 2
    assert "give one, such as --threshold" in refused.stderr
