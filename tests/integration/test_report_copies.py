"""The report warns of copies by their bytes and of images that are gone, and counts each file once.

Figures are counted by hand: five files in nine images, see `IMAGES`.
"""

import csv
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stored import Stored, bytes_of, one_line, report, store_run, succeed

from db.queries.following import image_ids, mark_gone
from db.queries.report.copies import Copy, copies
from db.session import open_database
from report.loading.same_bytes import same_bytes

SEX = {"sex": "f"}


def image(name: str, label: int | None, score: float | str, content: int) -> Stored:
    return Stored(f"{name}.jpg", label, score, SEX, bytes_of(content))


# At 0.5: malignant files 1 (found) and 2 (missed), benign files 3 (positive) and 4 (negative).
IMAGES = [
    image("a", 1, 0.9, 1),
    image("b", 1, 0.9, 1),
    image("c", 1, 0.9, 1),
    image("d", 1, 0.1, 2),
    image("e", 0, 0.8, 3),
    image("f", None, 0.2, 4),
    image("g", 0, 0.2, 4),
    image("h", 0, "missing", 4),
    image("i", None, 0.7, 5),
    image("j", None, 0.7, 5),
]
OPPOSED = [*IMAGES, image("k", 1, 0.8, 3), image("l", 0, 0.1, 2)]
AT = ("--threshold", "0.5")


@pytest.fixture(autouse=True)
def _ledger(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


def as_json(*options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed(*AT, *options, "--format", "json"))
    return found


def warnings(*options: str) -> list[str]:
    lines = succeed(*AT, *options).splitlines()
    return [line for line in lines if line.startswith("warning: ")]


def test_copies_are_counted_and_a_pair_is_named(database_url: str) -> None:
    store_run(database_url, IMAGES)

    (warning,) = warnings()
    assert warning == (
        "warning: 4 images are copies by the bytes, such as b.jpg of a.jpg; --unique analyses each "
        "file once"
    )
    flow = as_json()["flow"]
    assert (flow["copies"], flow["copies_left_out"], flow["conflicting"]) == (4, 0, 0)
    assert flow["examples"] == {"gone": [], "copies": ["b.jpg", "a.jpg"], "opposed": []}


def test_each_file_is_analysed_once_where_that_is_asked_for(database_url: str) -> None:
    store_run(database_url, IMAGES)

    plain, unique = as_json(), as_json("--unique")

    assert plain["confusion"] == {"tp": 3, "fp": 1, "tn": 1, "fn": 1}
    assert plain["sensitivity"]["value"] == 3 / 4
    # Of file 4 the labelled image is kept, which is not the first.
    assert unique["confusion"] == {"tp": 1, "fp": 1, "tn": 1, "fn": 1}
    assert (unique["sensitivity"]["value"], unique["specificity"]["value"]) == (1 / 2, 1 / 2)
    # Malignant 0.9 and 0.1 against benign 0.8 and 0.2: two of four pairs in order.
    assert unique["roc_auc"]["value"] == 2 / 4
    flow = unique["flow"]
    assert [flow[name] for name in ("listed", "unreadable", "scored", "analysed")] == [10, 1, 9, 4]
    assert (flow["copies"], flow["copies_left_out"]) == (4, 4)
    assert unique["answers"] == {"positive": 3, "negative": 2, "images": 5}


def test_what_is_left_out_stands_in_the_flow_and_is_no_warning(database_url: str) -> None:
    store_run(database_url, IMAGES)

    lines = [" ".join(line.split()) for line in succeed(*AT, "--unique").splitlines()]

    assert warnings("--unique") == []
    assert "scored 9 1 of them without a label: left out" in lines
    assert "copies 4 the bytes of another image: left out" in lines
    assert "analysed 4 scored and labelled" in lines


def test_subgroups_are_of_the_same_images(database_url: str) -> None:
    store_run(database_url, IMAGES)
    (plain,) = as_json("--by", "sex")["subgroups"]
    (unique,) = as_json("--by", "sex", "--unique")["subgroups"]
    assert [(each["images"], each["malignant"]) for each in (plain, unique)] == [(6, 4), (4, 2)]


def test_files_of_both_labels_are_told_and_refused(database_url: str) -> None:
    store_run(database_url, OPPOSED)

    both = "2 files carry both labels, such as d.jpg (malignant) and l.jpg (benign)"
    (warning,) = warnings()
    assert warning == (
        f"warning: 6 images are copies by the bytes, such as b.jpg of a.jpg; {both}; --unique "
        "analyses each file once"
    )
    flow = as_json()["flow"]
    assert (flow["conflicting"], flow["examples"]["opposed"]) == (2, ["d.jpg", "l.jpg"])
    assert one_line(report(*AT, "--unique")) == (
        f"Error: --unique: {both}: correct one label of each, and enqueue the source again with "
        "--relabel, or leave out --unique"
    )


def test_a_run_without_copies_is_the_same_with_and_without(database_url: str) -> None:
    store_run(database_url, [IMAGES[0], IMAGES[3], IMAGES[4], IMAGES[6]])
    assert as_json("--unique") == as_json()
    assert warnings() == []


def test_copies_are_those_of_the_run_alone(database_url: str) -> None:
    first = store_run(database_url, IMAGES)
    store_run(database_url, [IMAGES[0], IMAGES[3]])
    assert as_json()["flow"]["copies"] == 0
    with closing(open_database(database_url)) as database, database.read() as session:
        assert (
            "".join(one.path[0] for one in sorted(copies(session, first), key=by_id)) == "abcfgij"
        )


def by_id(copy: Copy) -> int:
    return copy.id


@pytest.mark.parametrize(
    ("labels", "left_out", "conflicting"),
    [
        ([None, None], {2}, 0),
        ([None, 0], {1}, 0),
        ([None, 1, 1], {1, 3}, 0),
        ([0, None, 1], {2, 3}, 1),
        ([1, 0, 1, 0], {2, 3, 4}, 1),
    ],
)
def test_the_first_labelled_image_is_kept(
    labels: Sequence[int | None], left_out: set[int], conflicting: int
) -> None:
    found = same_bytes(
        Copy("d", number, f"{number}.jpg", label) for number, label in enumerate(labels, start=1)
    )
    assert (set(found.left_out), found.conflicting) == (left_out, conflicting)


def test_images_that_are_gone_are_told(database_url: str) -> None:
    run = store_run(database_url, [IMAGES[0], IMAGES[3], IMAGES[4], IMAGES[6]])
    with closing(open_database(database_url)) as database, database.write() as session:
        assert mark_gone(session, list(image_ids(session, run, last_batch=1))[:3]) == 3

    (warning,) = warnings()
    assert warning == (
        "warning: 3 of the 4 listed images are no longer in the source (a.jpg, d.jpg): enqueue it "
        "again with --prune to take them out"
    )
    flow = as_json()["flow"]
    assert (flow["gone"], flow["examples"]["gone"]) == (3, ["a.jpg", "d.jpg"])
    assert as_json()["confusion"] == {"tp": 1, "fp": 1, "tn": 1, "fn": 1}


def test_every_format_has_the_counts(database_url: str) -> None:
    store_run(database_url, IMAGES)
    rows = {row[0]: row[1] for row in csv.reader(succeed(*AT, "--format", "csv").splitlines())}
    assert (rows["copies"], rows["gone"], rows["conflicting"]) == ("4", "0", "0")
    assert "such as b.jpg of a.jpg" in succeed(*AT, "--format", "markdown").replace("\\", "")


@pytest.mark.parametrize(("images", "named"), [("0", False), ("3", True)])
def test_a_page_names_images_only_where_it_shows_some(
    database_url: str, tmp_path: Path, images: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    store_run(database_url, OPPOSED)
    page = tmp_path / "report.html"

    assert report("page", *AT, "-o", str(page), "--images", images).exit_code == 0

    html = page.read_text(encoding="utf-8")
    assert "6 images are copies by the bytes" in html
    assert ("l.jpg (benign)" in html) == named
    assert ("jpg" in html) == named
    done = report("page", *AT, "-o", str(page), "--unique")
    assert one_line(done).startswith("Error: --unique: 2 files carry both labels")
