"""The mean of several runs' scores, or of their ranks, image by image."""

import pytest

from base.listed_image import ListedImage
from db.queries.report.export import ExportedImage
from report.loading.combining import Combined, CombineError, Member, combine


def image(
    path: str,
    score: float | None = 0.5,
    label: int | None = 0,
    digest: str | None = None,
    attributes: str | None = None,
) -> ExportedImage:
    error = "missing" if score is None else None
    return ExportedImage(path, label, score, error, None, digest, attributes)


def member(run: int, *images: ExportedImage, names_only: bool = False) -> Member:
    return Member(run, names_only, images)


def of(run: int, *scores: float | None) -> Member:
    return member(run, *(image(name, score) for name, score in zip("abcde", scores, strict=False)))


def outcomes(combined: Combined) -> dict[str, float | str | None]:
    return {
        one.listed.path: one.detail if one.score is None else one.score for one in combined.images()
    }


def test_the_mean_of_scores() -> None:
    found = combine([of(1, 0.25, 0.5, 1.0), of(2, 0.75, 0.0, 1.0)], "mean")
    assert outcomes(found) == {"a": 0.5, "b": 0.25, "c": 1.0}
    three = combine([of(1, 0.0, 1.0), of(2, 0.25, 1.0), of(3, 0.5, 1.0)], "mean")
    assert outcomes(three) == {"a": 0.25, "b": 1.0}


def test_the_mean_of_ranks_of_which_equal_scores_share_theirs() -> None:
    """Ranks 0, 1, 2, 3, 4 of five, and 1.5, 1.5, 4, 3, 0."""
    first, second = of(1, 0.1, 0.2, 0.3, 0.4, 0.9), of(2, 0.5, 0.5, 0.9, 0.8, 0.1)
    found = outcomes(combine([first, second], "rank"))
    expected = {"a": 1.5 / 8, "b": 2.5 / 8, "c": 6 / 8, "d": 6 / 8, "e": 4 / 8}
    assert found == pytest.approx(expected, abs=1e-15)


def test_ranks_are_among_the_images_that_all_have_scored() -> None:
    found = combine([of(1, 0.1, 0.2, 0.3), of(2, 0.9, None, 0.5)], "rank")
    assert outcomes(found) == {"a": 0.5, "b": "run 2 has no score for it: missing", "c": 0.5}
    assert outcomes(combine([of(1, 0.1), of(2, 0.9)], "rank")) == {"a": 0.5}


def test_an_image_that_is_not_in_all_runs_stays_and_says_why() -> None:
    found = combine([of(1, 0.25, 0.5), of(2, 0.75), member(3, image("a"), image("x"))], "mean")
    assert outcomes(found) == {
        "a": 0.5,
        "b": "run 2 does not list it",
        "x": "run 1 does not list it",
    }
    assert [one.error for one in found.images()] == [None, "no_score", "no_score"]


def test_different_files_of_one_name_are_not_one_image() -> None:
    first = member(1, image("a", digest="aa"), image("b", digest="bb"), image("c"))
    second = member(2, image("a", digest="xx"), image("b", digest="bb"), image("c", digest="cc"))
    found = combine([first, second], "mean")
    assert outcomes(found) == {
        "a": "the runs scored different files of this name",
        "b": 0.5,
        "c": 0.5,
    }
    assert [one.digest for one in found.images()] == [None, "bb", "cc"]


def test_labels_and_attributes_come_from_the_first_that_has_them() -> None:
    first = member(1, image("a", label=None, attributes='{"sex": "male"}'), image("b", label=None))
    second = member(2, image("a", label=1, attributes='{"sex": "f", "age": "5"}'), image("b"))
    found = [one.listed for one in combine([first, second], "mean").images()]
    assert found == [ListedImage("a", 1, {"sex": "male", "age": "5"}), ListedImage("b", 0)]


def test_labels_that_contradict_are_refused() -> None:
    first = member(1, *(image(name, label=1) for name in "abcdefg"))
    second = member(2, image("a", label=1), *(image(name, label=0) for name in "bcdefg"))
    with pytest.raises(CombineError, match=r"the label of 6 images: b, c, d, e, f and 1 more; "):
        combine([first, second], "mean")
    unscored = member(2, image("a", None, 0)), member(3, image("a", None, 1))
    with pytest.raises(CombineError, match="the label of 1 image: a; "):
        combine([of(1, 0.5), *unscored], "mean")


def test_imported_scores_are_matched_by_name_and_the_paths_are_kept() -> None:
    theirs = member(1, image("x", 0.25), image("y", 0.5), names_only=True)
    ours = member(2, image("data/x.jpg", 0.75), image("data/y.png", 0.25))
    assert outcomes(combine([theirs, ours], "mean")) == {"data/x.jpg": 0.5, "data/y.png": 0.375}
    assert outcomes(combine([theirs, theirs._replace(run=3)], "mean")) == {"x": 0.25, "y": 0.5}
    twice = member(2, image("a/x.jpg"), image("b/x.jpg"))
    with pytest.raises(CombineError, match=r"run 2: a/x\.jpg and b/x\.jpg are both called x"):
        combine([theirs, twice], "mean")


def test_runs_without_an_image_in_common_are_refused() -> None:
    with pytest.raises(CombineError, match="no image has a score in each of the runs 1, 2"):
        combine([of(1, 0.5), member(2, image("x"))], "mean")
