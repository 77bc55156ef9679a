"""A class folder of the wrong name would turn labels round: the report says which gave which."""

import json
from pathlib import Path
from typing import Any

import pytest
from stored import Stored, store_run, succeed

# The second folder was taken for malignant when it was first listed, and for benign afterwards.
IMAGES = [
    Stored("data/test/melanoma/1.jpg", 1, 0.9),
    Stored("data/test/dysplastic/2.jpg", 1, 0.4),
    Stored("data/test/dysplastic/3.jpg", 0, 0.3),
    Stored("data/test/nevus/4.jpg", 0, 0.2),
    Stored("data/test/nevus/5.jpg", 0, "too_large"),
    Stored("data/test/6.jpg", None, 0.2),
]


def flow(*options: str) -> dict[str, Any]:
    whole = json.loads(succeed("--threshold", "0.5", "--format", "json", *options))
    got: dict[str, Any] = whole["flow"]
    return got


def rows(listed: list[dict[str, Any]]) -> list[tuple[str | None, str | None, int, int]]:
    return [(one["folder"], one["column"], one["label"], one["images"]) for one in listed]


def test_each_class_folder_with_what_it_was_taken_for(url: str) -> None:
    store_run(url, IMAGES)
    got = flow()
    assert rows(got["labels"]) == [
        ("dysplastic", None, 1, 1),
        ("melanoma", None, 1, 1),
        ("dysplastic", None, 0, 1),
        ("nevus", None, 0, 2),
    ]
    assert sum(one["images"] for one in got["labels"]) == got["labelled"]
    text = succeed("--threshold", "0.5").splitlines()
    at = next(at for at, line in enumerate(text) if line.startswith("labelled"))
    assert [line.split() for line in text[at : at + 5]] == [
        ["labelled", "5"],
        ["folder", "dysplastic", "1", "malignant"],
        ["folder", "melanoma", "1", "malignant"],
        ["folder", "dysplastic", "1", "benign"],
        ["folder", "nevus", "2", "benign"],
    ]
    csv = succeed("--threshold", "0.5", "--format", "csv").splitlines()
    assert '"labelled[folder=dysplastic,label=1]",1,,,' in csv
    assert "folder nevus | 2 | benign" in succeed("--threshold", "0.5", "--format", "markdown")
    succeed("page", "--threshold", "0.5", "-o", "report.html")
    page = Path("report.html").read_text()
    assert page.count("folder dysplastic") == 2


def test_a_manifest_s_column_whatever_its_paths_are_called(url: str) -> None:
    store_run(url, [one for one in IMAGES if one.label != 0], source="data/list.csv")
    assert rows(flow()["labels"]) == [(None, "label", 1, 2)]
    csv = succeed("--threshold", "0.5", "--format", "csv").splitlines()
    assert '"labelled[column=label,label=1]",2,,,' in csv


@pytest.mark.usefixtures("url")
def test_imported_scores_have_their_labels_from_their_source() -> None:
    Path("scores.csv").write_text("id,score\na,0.9\nb,0.4\n")
    Path("truth.csv").write_text("id,label\na,1\nb,0\n")
    succeed("import-scores", "scores.csv", "--truth", "truth.csv", "--name", "team")
    got = flow("--run", "team")
    assert (got["labelled"], got["labels"]) == (2, [])


def test_what_is_not_known_any_more_is_not_made_up(url: str) -> None:
    # DATA_ROOT was the class folder itself, whose name no stored path holds.
    store_run(url, [Stored("1.jpg", 1, 0.9)], source="*.jpg")
    assert rows(flow()["labels"]) == [(None, None, 1, 1)]
    assert "  of unknown origin" in succeed("--threshold", "0.5")
    csv = succeed("--threshold", "0.5", "--format", "csv").splitlines()
    assert "labelled[label=1],1,,," in csv


def test_images_without_labels_have_no_origin(url: str) -> None:
    store_run(url, [Stored("data/test/1.jpg", None, 0.9)])
    assert flow()["labels"] == []
