"""`report compare` of more than two runs: the table of runs, the pairs and the ranks."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from stored import Stored, bytes_of, one_line, report, store_run, succeed

LABELS = [1] * 20 + [0] * 20
GOOD = [0.9 - at / 100 for at in range(40)]
WORSE = [0.9 - (at * 7 % 40) / 100 for at in range(40)]


def images(scores: list[float]) -> list[Stored]:
    rows = zip(LABELS, scores, strict=True)
    return [Stored(f"{at}.jpg", label, score) for at, (label, score) in enumerate(rows)]


def three(sqlite_url: str) -> None:
    card = {"threshold": {"value": 0.7, "how": "in training"}}
    nearly = [*GOOD[:19], GOOD[20], GOOD[19], *GOOD[21:]]
    store_run(sqlite_url, images(nearly), name="good", card=card)
    store_run(sqlite_url, images(WORSE), digest="cd" * 32)
    store_run(sqlite_url, images([1 - one for one in WORSE]), name="third", digest="ef" * 32)


def as_json(*runs: str) -> dict[str, Any]:
    got: dict[str, Any] = json.loads(succeed("compare", *runs, "--format", "json"))
    return got


def test_each_pair_is_that_of_a_comparison_of_two(sqlite_url: str) -> None:
    three(sqlite_url)
    got = as_json("good", "2", "third")
    assert got["images"] == {"compared": 40, "unlabelled": 0, "other_bytes": 0}
    assert [(pair["a"], pair["b"]) for pair in got["pairs"]] == [(1, 2), (1, 3), (2, 3)]
    for pair in got["pairs"]:
        two = as_json(str(pair["a"]), str(pair["b"]))["roc_auc"]
        assert (pair["difference"], pair["p"]) == (two["difference"], two["p"])
        assert pair["p_holm"] >= pair["p"]
    first, second, _ = got["runs"]
    assert first["roc_auc"] == as_json("1", "2")["roc_auc"]["a"]
    assert (first["rank"], first["threshold"]["value"]) == ({"best": 1, "worst": 1}, 0.7)
    assert first["sensitivity"]["value"] == 1
    assert second["sensitivity"]["reason"] == "run 2 has no threshold"


def test_the_same_in_words_and_pictures(sqlite_url: str) -> None:
    three(sqlite_url)
    said = succeed("compare", "1", "2", "3", "--output", "figures")
    assert "run 1 (good), threshold 0.7, prespecified" in said
    assert "n/a (run 2 has no threshold)" in said
    for pair in ("good − run 2", "good − third", "run 2 − third"):
        assert pair in said
    assert "Holm: p corrected for 3 pairs" in said
    rows = {line.split("  ")[0]: line.split("  ") for line in said.splitlines()}
    assert "1" in [cell.strip() for cell in rows["run 1 (good)"]]
    assert "2 to 3" in [cell.strip() for cell in rows["run 2"]]
    drawn = Path("figures/roc_compared.svg").read_text()
    for name in ("run 1 (good)", "run 2", "run 3 (third)"):
        assert f"{name} (area" in drawn
    table = succeed("compare", "1", "2", "3", "--format", "markdown")
    assert "| run 1 (good) | " in table
    listed = list(csv.DictReader(io.StringIO(succeed("compare", "1", "2", "3", "--format", "csv"))))
    by_name = {row["figure"]: row for row in listed}
    assert by_name["rank[run=1]"]["low"] == by_name["rank[run=1]"]["high"] == "1"
    assert by_name["sensitivity[run=2]"]["reason"] == "run 2 has no threshold"
    assert float(by_name["roc_auc_difference[a=1,b=2]"]["p_holm"]) < 0.05


def test_images_that_one_run_lacks_are_left_out(sqlite_url: str) -> None:
    store_run(
        sqlite_url, [Stored("x.jpg", 1, 0.9), Stored("y.jpg", 0, 0.1), Stored("a.jpg", 0, 0.5)]
    )
    store_run(sqlite_url, [Stored("x.jpg", None, 0.9), Stored("y.jpg", 0, 0.1)], digest="cd" * 32)
    changed = [Stored("x.jpg", 1, 0.9), Stored("y.jpg", 0, 0.1, digest=bytes_of(1))]
    store_run(sqlite_url, [*changed, Stored("b.jpg", 1, "corrupt")], digest="ef" * 32)
    store_run(sqlite_url, [changed[0], changed[1]._replace(digest=bytes_of(2))], digest="01" * 32)
    got = as_json("1", "2", "3")
    assert (got["images"]["compared"], [run["not_in_all"] for run in got["runs"]]) == (2, [1, 0, 0])
    # The first two do not know the bytes, and the others scored different files.
    assert as_json("1", "2", "3", "4")["images"] == {
        "compared": 1, "unlabelled": 0, "other_bytes": 1,
    }  # fmt: skip


def test_one_class_only(sqlite_url: str) -> None:
    for digest in ("ab", "cd", "ef"):
        store_run(sqlite_url, images(GOOD)[:20], digest=digest * 32)
    got = as_json("1", "2", "3")
    assert got["pairs"] == []
    reason = "only malignant images"
    assert got["runs"][0]["rank"] == {"best": None, "worst": None, "reason": reason}
    assert f"n/a ({reason})" in succeed("compare", "1", "2", "3")


def test_what_is_refused(sqlite_url: str) -> None:
    three(sqlite_url)
    for option in (
        ("--threshold-a", ".5"),
        ("--threshold-b", "0"),
        ("--margin", ".1"),
        ("--unpaired",),
    ):
        done = report("compare", "1", "2", "3", *option)
        assert done.exit_code == 2
        assert f"{option[0]} is for two runs" in done.stderr
    twice = report("compare", "1", "2", "good")
    assert (twice.exit_code, "run 1 is named twice" in twice.stderr) == (2, True)
    opposed = [one._replace(label=1 - (one.label or 0)) for one in images(GOOD)[:1]]
    store_run(sqlite_url, [*opposed, *images(GOOD)[1:]], digest="01" * 32)
    said = one_line(report("compare", "1", "2", "4"))
    assert said.startswith("Error: the runs disagree about the label of 1 image: 0.jpg; find out")
    store_run(sqlite_url, [Stored("else.jpg", 1, 0.4)], digest="02" * 32)
    said = one_line(report("compare", "1", "2", "5"))
    assert said == "Error: runs 1, 2 and 5 have no labelled image that all of them scored"
