"""A report of images without labels: how many are positive, where labels come from, no more."""

import json
from pathlib import Path

import pytest
from browser import opened
from hypothesis import given, settings
from hypothesis import strategies as st
from page_runs import Shot
from page_runs import store as store_shots
from page_views import type_threshold
from playwright.sync_api import Browser, Page, expect
from stored import report, rows, store_run, succeed

SCORES = [0.9, 0.5, 0.5, 0.4999, 0.1, 0.0, 1.0]
LAYOUTS = ("text", "markdown")


def answers(threshold: str) -> dict[str, int]:
    got: dict[str, int] = json.loads(succeed("--threshold", threshold, "--format", "json"))[
        "answers"
    ]
    return got


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_says_how_many_are_positive_and_where_labels_come_from(
    sqlite_url: str, layout: str
) -> None:
    store_run(sqlite_url, rows([None] * 8, [*SCORES, "corrupt"]))
    done = report("--threshold", "0.5", "--format", layout)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line.replace("|", " ").replace("\\", "").split() for line in done.stdout.splitlines()]
    assert ["positive", "4", "0.571"] in lines
    assert ["negative", "3", "0.429"] in lines
    said = done.stdout.replace("\\", "")
    assert "no image has a label, so nothing says which answers are right" in said
    for origin in ("class folders (benign, nevus,", "--label NAME=0|1", "the column `label` of a"):
        assert origin in said
    assert "n/a" not in said
    assert "sensitivity  " not in said


def test_json_and_csv_count_all_scored_images(sqlite_url: str) -> None:
    store_run(sqlite_url, rows([None] * 8, [*SCORES, "corrupt"]))
    assert answers("0.5") == {"positive": 4, "negative": 3, "images": 7}
    got = succeed("--threshold", "0.5", "--format", "csv").splitlines()
    for line in ("answers_positive,4,,,", "answers_negative,3,,,", "answers_images,7,,,"):
        assert line in got
    assert "sensitivity,,,,no labelled images" in got


@pytest.mark.parametrize(("threshold", "positive"), [("0", 7), ("0.4999", 5), ("1", 1)])
def test_a_score_at_the_threshold_is_positive(url: str, threshold: str, positive: int) -> None:
    store_run(url, rows([None] * 7, SCORES))
    assert answers(threshold) == {"positive": positive, "negative": 7 - positive, "images": 7}


def test_where_some_have_labels_all_are_counted_and_the_figures_are_of_those(url: str) -> None:
    store_run(url, rows([1, 0, None, None, 1, 0, None], SCORES))
    said = succeed("--threshold", "0.5")
    assert "3 of them without a label: left out" in said
    assert "positive  4  0.571" in said
    assert "1/2\n" in said  # sensitivity
    got = json.loads(succeed("--threshold", "0.5", "--format", "json"))
    assert (sum(got["confusion"].values()), got["answers"]["images"]) == (4, 7)


def test_where_all_have_labels_the_2x2_table_says_it(url: str) -> None:
    store_run(url, rows([1, 0, 1, 0, 1, 0, 1], SCORES))
    assert "answers" not in succeed("--threshold", "0.5")
    assert answers("0.5") == {"positive": 4, "negative": 3, "images": 7}


def test_imported_scores_have_labels_from_their_truth(url: str, tmp_path: Path) -> None:
    assert url
    scores, truth = tmp_path / "scores.csv", tmp_path / "truth.csv"
    scores.write_text("id,score\na,0.9\nb,0.1\n")
    truth.write_text("id,label\na,\nb,\n")
    succeed("import-scores", str(scores), "--truth", str(truth), "--name", "theirs")
    said = succeed("--run", "theirs", "--threshold", "0.5")
    assert "Labels come from the column of the truth that `report import-scores` found" in said
    assert "class folders" not in said
    assert "positive  1  0.500" in said


OUTCOMES = st.lists(
    st.tuples(st.sampled_from([1, 0, None]), st.sampled_from([0.0, 0.25, 0.5, 1.0, "corrupt"])),
    min_size=1,
    max_size=12,
).filter(lambda outcomes: any(score != "corrupt" for _, score in outcomes))


@given(OUTCOMES, st.sampled_from(["0", "0.25", "0.3", "1"]))
@settings(deadline=None, max_examples=12)
def test_no_image_is_counted_twice_or_forgotten(
    tmp_path_factory: pytest.TempPathFactory,
    outcomes: list[tuple[int | None, float | str]],
    threshold: str,
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        store_run(url, rows(*zip(*outcomes, strict=True)))
        scored = [score for _, score in outcomes if not isinstance(score, str)]
        positive = sum(score >= float(threshold) for score in scored)
        got = answers(threshold)
    assert got == {
        "positive": positive, "negative": len(scored) - positive, "images": len(scored),
    }  # fmt: skip


def shots(labels: list[int | None]) -> list[Shot]:
    pairs = zip(labels, SCORES, strict=True)
    return [Shot(f"{at}.jpg", label, score) for at, (label, score) in enumerate(pairs)]


def positive(page: Page) -> str:
    return page.locator(".answers").inner_text()


def test_the_page_of_unlabelled_images(chrome: Browser, page_url: str, html: Path) -> None:
    store_shots(page_url, shots([None] * 7))
    succeed("page", "-o", str(html), "--threshold", "0.5")
    with opened(chrome, html) as page:
        assert positive(page) == "4 of 7 scored images are positive"
        for threshold, number in (("0.4999", 5), ("0", 7), ("1", 1), ("0.95", 1), ("0.5", 4)):
            type_threshold(page, threshold)
            assert positive(page) == f"{number} of 7 scored images are positive"
            assert answers(threshold)["positive"] == number
        page.get_by_role("button", name="Next higher score").click()
        assert positive(page) == "2 of 7 scored images are positive"
        assert page.locator('svg[role="img"]').count() == 2  # scores, and the flow of images
        expect(page.locator("main")).to_contain_text("No image has a label")
        expect(page.locator("code").first).to_have_text("producer enqueue SOURCE --label NAME=0|1")
        expect(page.locator("#curves")).to_contain_text("Not drawn (no labelled images): ROC curve")
        assert "n/a" not in page.locator("body").inner_text()
        assert page.locator("#errors, .figures, .confusion").count() == 0
        expect(page.get_by_role("status")).to_have_text(
            "threshold 0.9, exploratory: 2 of 7 scored images are positive"
        )


def test_the_page_counts_images_without_a_label_too(
    chrome: Browser, page_url: str, html: Path
) -> None:
    store_shots(page_url, shots([1, 0, None, None, 1, 0, None]))
    succeed("page", "-o", str(html), "--threshold", "0.5")
    with opened(chrome, html) as page:
        for threshold in ("0.5", "0.4999", "0", "1"):
            type_threshold(page, threshold)
            got = json.loads(succeed("--threshold", threshold, "--format", "json"))
            number = got["answers"]["positive"]
            assert positive(page) == f"{number} of 7 scored images are positive"
            cell = page.locator('[data-cell="tp"] b')
            assert cell.inner_text() == str(got["confusion"]["tp"])


def test_the_page_of_one_class_draws_what_there_is(
    chrome: Browser, page_url: str, html: Path
) -> None:
    store_shots(page_url, shots([0] * 7))
    succeed("page", "-o", str(html), "--threshold", "0.5")
    with opened(chrome, html) as page:
        drawn = page.locator(".chart h3").all_inner_texts()
        assert drawn == ["Scores by class", "Calibration"]
        expect(page.locator("#curves")).to_contain_text(
            "Not drawn (only benign images): ROC curve, precision and recall, decision curve."
        )
        assert page.locator(".gallery").count() == 1


def test_a_page_of_nothing_that_was_scored(chrome: Browser, page_url: str, html: Path) -> None:
    store_shots(page_url, [Shot("a.jpg", 1, "corrupt")])
    assert report("page", "-o", str(html), "--threshold", "0.5").exit_code == 4
    with opened(chrome, html) as page:
        assert positive(page) == "0 of 0 scored images are positive"
        expect(page.locator("main")).to_contain_text("No image was scored")
        assert page.locator('svg[role="img"]').count() == 1  # the flow of images
