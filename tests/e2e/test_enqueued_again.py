"""`producer enqueue` of a source that has changed, `producer history`, and what is printed."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from processes import Site, stub_checkpoint

HEADER = ("path", "label", "sex")
FIRST = [(f"{letter}.jpg", "0", "f") for letter in "abcdefg"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A manifest of seven images, enqueued."""
    for path, *_ in [*FIRST, ("h.jpg",)]:
        (tmp_path / path).write_bytes(b"an image")
    made = Site(tmp_path, {"CHECKPOINT": str(stub_checkpoint(tmp_path))})
    write(made, FIRST)
    first = made.succeed("producer", "enqueue", "m.csv").stdout
    assert [line.partition(",")[0] for line in first.splitlines()] == [
        "run 1: 7 images (7 new)",
        "1 batch enqueued",
        "next: celery -A worker worker --drain",
    ]
    return made


def write(site: Site, rows: Sequence[tuple[str, ...]], header: Sequence[str] = HEADER) -> None:
    with (site.folder / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def again(site: Site, *options: str) -> list[str]:
    return site.succeed("producer", "enqueue", "m.csv", *options).stdout.splitlines()


def test_a_source_that_is_as_it_was_says_what_it_said(site: Site) -> None:
    lines = again(site)
    assert lines[0].startswith("run 1: 7 images (0 new), checkpoint ")
    assert lines[1:] == [
        "no image is new: 1 unfinished batch was sent again, and nothing is scored twice",
        "next: celery -A worker worker --drain",
    ]


def test_what_changed_is_told_refused_and_kept_in_the_history(site: Site) -> None:
    changed = [("a.jpg", "1", "f"), ("b.jpg", "", "m"), *FIRST[2:5], ("h.jpg", "", "f")]
    write(site, changed)
    refused = site.run("producer", "enqueue", "m.csv")
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1] == (
        "Error: m.csv:2: a.jpg has label 1 here and 0 in the run, and 1 more with another label: "
        "make the two agree, or take the new labels over with --relabel, or use --new-run"
    )
    assert site.ledger.counts()["images"] == 7

    taken_over = again(site, "--relabel")
    assert taken_over[0].startswith("run 1: 8 images (1 new, 1 of the new without label)")
    assert taken_over[1:3] == [
        "run 1: 2 labels changed, 1 image with changed attributes",
        "run 1: 2 images are no longer in the source: f.jpg, g.jpg; --prune takes them out",
    ]

    write(site, changed[:1])
    refused = site.run("producer", "enqueue", "m.csv", "--prune")
    assert (refused.code, refused.stdout) == (1, "")
    assert "--prune would take 7 of the 8 images out of run 1" in refused.stderr
    write(site, changed)
    pruned = again(site, "--prune")
    assert pruned[0].startswith("run 1: 6 images (0 new)")
    assert pruned[1] == (
        "run 1: 2 images are no longer in the source and taken out with all scores: f.jpg, g.jpg"
    )

    history = json.loads(site.succeed("producer", "history", "1", "--format", "json").stdout)
    assert [(event["what"], event["images"]) for event in history] == [
        ("enqueued", 7),
        ("enqueued", 1),
        ("relabelled", 2),
        ("attributes changed", 1),
        ("gone from the source", 2),
        ("pruned", 2),
    ]
    table = site.succeed("producer", "history").stdout.splitlines()
    assert table[0].split() == ["when", "what", "images"]
    assert [line.split()[2:] for line in table[1:3]] == [["enqueued", "7"], ["enqueued", "1"]]


def test_a_corrected_digest_is_told_and_its_image_sent_again(site: Site) -> None:
    site.ledger.change("UPDATE batches SET finished_at = 1")
    site.ledger.change(
        "INSERT INTO predictions (image_id, score, image_digest, worker)"
        " SELECT id, 0.5, '" + "aa" * 32 + "', 'w' FROM images"
    )
    header = (*HEADER, "sha256")
    write(site, [(*row, ("AA" if row[0] < "f" else "bb") * 32) for row in FIRST], header)

    lines = again(site)

    assert lines[0].endswith("5 scored, 0 unreadable, 2 pending")
    assert lines[1:] == [
        "run 1: 7 images with changed attributes",
        (
            "run 1: the sha256 of 2 images was corrected after scoring, so they are scored again: "
            "f.jpg, g.jpg"
        ),
        "1 batch enqueued",
        "next: celery -A worker worker --drain",
    ]
    assert "sha256 corrected" in site.succeed("producer", "history", "1").stdout


def test_a_run_without_a_history_says_so(site: Site) -> None:
    site.ledger.change("DELETE FROM changes")
    assert site.succeed("producer", "history", "1").stdout == (
        "run 1: no change is recorded; a release before this one enqueued it\n"
    )
    absent = site.run("producer", "history", "7")
    assert (absent.code, absent.stderr.splitlines()[-1][:24]) == (1, "Error: there is no run 7")


def test_a_run_with_a_history_is_deleted(site: Site) -> None:
    site.succeed("producer", "delete", "1", "--yes")
    assert site.ledger.rows("SELECT * FROM changes") == []
