"""`report compare` of runs over different images: which way is taken, and its known answers."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import Stored, bytes_of, one_line, report, store_run, succeed

OTHER = "cd" * 32
AT = ("--threshold-a", "0.5", "--threshold-b", "0.5")
A_SCORES = (0.9, 0.6, 0.7, 0.2, 0.7, 0.4, 0.3, 0.1)
A = [Stored(f"a/{at}.jpg", int(at < 4), score) for at, score in enumerate(A_SCORES)]
B_SCORES = (0.8, 0.4, 0.3, 0.55, 0.1)
B = [Stored(f"b/b{at}.jpg", int(at < 2), score) for at, score in enumerate(B_SCORES)]


def numbered(images: list[Stored], first: int) -> list[Stored]:
    return [one._replace(digest=bytes_of(first + at)) for at, one in enumerate(images)]


def both(sqlite_url: str, a: list[Stored], b: list[Stored]) -> None:
    store_run(sqlite_url, a, name="ours")
    store_run(sqlite_url, b, digest=OTHER)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def as_json(*arguments: str) -> dict[str, Any]:
    got: dict[str, Any] = json.loads(succeed("compare", "1", "2", "--format", "json", *arguments))
    return got


@pytest.mark.usefixtures("sqlite_url")
def test_women_against_men_of_isic_2017(shared: Path) -> None:
    """R: roc.test(women, men, paired = FALSE) gives D = 2.8036, df = 448.55, p = 0.005273."""
    folder = shared / "data" / "isic2017_scores"
    truth, scores = rows_of(folder / "truth.csv"), rows_of(folder / "recod_titans.csv")
    sexes = {row["image_id"]: row["sex"] for row in truth}
    for sex in ("female", "male"):
        for name, rows in (("scores", scores), ("truth", truth)):
            with Path(f"{sex}_{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(row for row in rows if sexes[row["image_id"]] == sex)
        given = (f"{sex}_scores.csv", "--truth", f"{sex}_truth.csv", "--name", sex)
        succeed("import-scores", *given)
    got = as_json()
    auc = got["roc_auc"]
    assert not got["paired"]
    assert (got["images"]["compared_a"], got["images"]["compared_b"]) == (279, 294)
    assert auc["z"] == pytest.approx(2.8036, abs=5e-5)
    assert auc["df"] == pytest.approx(448.55, abs=5e-3)
    assert auc["p"] == pytest.approx(0.005273, abs=5e-7)
    assert auc["difference"]["value"] == pytest.approx(0.9293 - 0.8241, abs=1e-4)
    said = succeed("compare", "female", "male")
    assert said.startswith("unpaired: the runs are compared as independent, on different images")
    assert "p = 0.00527 (DeLong, unpaired)" in said


def test_different_images_are_compared_as_independent(sqlite_url: str) -> None:
    both(sqlite_url, A, B)
    got = as_json(*AT, "--margin", "0.05")
    assert got["images"] == {
        "compared_a": 8, "compared_b": 5, "in_both_a": 0, "in_both_b": 0,
        "unlabelled_a": 0, "unlabelled_b": 0,
    }  # fmt: skip
    malignant, benign = got["malignant"], got["benign"]
    assert malignant["sensitivity"]["difference"]["value"] == 3 / 4 - 1 / 2
    assert benign["specificity"]["difference"]["value"] == pytest.approx(3 / 4 - 2 / 3)
    assert (malignant["p"], malignant["reason"]) == (None, "different images")
    assert (got["changed"], got["roc_auc"]["a"]["value"]) == (None, 11.5 / 16)
    low = malignant["sensitivity"]["difference"]["low"]
    assert got["non_inferiority"]["sensitivity"] == {"bound": low, "not_inferior": False}
    said = succeed("compare", "1", "2", *AT, "--output", "figures")
    assert "(Newcombe, unpaired)" in said
    assert "McNemar" not in said
    assert "changed sides" not in said
    assert "different images" in Path("figures/roc_compared.svg").read_text()
    rows = succeed("compare", "1", "2", *AT, "--format", "csv").splitlines()
    assert rows[0] == "figure,value,low,high,p,reason"
    assert len(rows) == 10


def test_without_thresholds_and_with_one_class(sqlite_url: str) -> None:
    both(sqlite_url, A, B[:2])
    got = as_json()
    assert got["roc_auc"]["b"]["reason"] == "only malignant images"
    assert got["roc_auc"]["difference"]["reason"] == "only malignant images"
    assert got["malignant"]["sensitivity"]["b"]["reason"] == "B has no threshold"
    assert "B: run 2: only malignant images" not in succeed("compare", "1", "2")


def test_images_in_both_runs_are_paired_or_left_out(sqlite_url: str) -> None:
    common = [Stored("both.jpg", 1, 0.7), Stored("both2.jpg", 0, 0.4), Stored("u.jpg", None, 0.4)]
    both(sqlite_url, numbered([*A, *common], 0), [*numbered(B, 100), *common])
    paired = as_json(*AT)
    assert (paired["paired"], paired["images"]["compared"]) == (True, 2)
    apart = as_json(*AT, "--unpaired")
    assert (apart["paired"], apart["images"]["in_both_a"]) == (False, 3)
    assert (apart["images"]["compared_a"], apart["images"]["compared_b"]) == (8, 5)


def test_the_same_bytes_under_another_path_are_not_independent(sqlite_url: str) -> None:
    moved = [one._replace(path=f"b/{one.path}", outcome=0.3) for one in A[:2]]
    both(sqlite_url, numbered(A, 0), [*numbered(moved, 0), *numbered(B, 100)])
    counts = as_json(*AT)["images"]
    assert (counts["in_both_a"], counts["in_both_b"]) == (2, 2)
    assert (counts["compared_a"], counts["compared_b"]) == (6, 5)


def test_runs_of_the_same_images_cannot_be_unpaired(sqlite_url: str) -> None:
    both(sqlite_url, A, [*A, *B])
    said = one_line(report("compare", "1", "2", *AT, "--unpaired"))
    assert said == (
        "Error: A has no labelled image of its own to compare unpaired: 8 of its images are in "
        "the other run as well, by path, name or bytes"
    )


def test_files_of_the_same_names_are_not_taken_for_different_images(sqlite_url: str) -> None:
    both(sqlite_url, A, [one._replace(path=one.path.replace("b/b", "c/")) for one in B])
    said = one_line(report("compare", "1", "2", *AT))
    assert said.startswith("Error: no path is in both runs, but 5 names of files are, such as")
    assert "a/0.jpg and c/0.jpg" in said
    assert not as_json(*AT, "--unpaired")["paired"]


def test_other_bytes_under_the_same_name_are_different_images(sqlite_url: str) -> None:
    named_alike = [one._replace(path=one.path.replace("b/b", "c/")) for one in B]
    both(sqlite_url, numbered(A, 0), numbered(named_alike, 100))
    assert as_json(*AT)["images"]["compared_b"] == 5


def test_swapped_runs_swap_signs(sqlite_url: str) -> None:
    both(sqlite_url, A, B)
    one, other = as_json(*AT), json.loads(succeed("compare", "2", "1", "--format", "json", *AT))
    for where in (("roc_auc",), ("malignant", "sensitivity"), ("benign", "specificity")):
        first, second = one, other
        for key in (*where, "difference"):
            first, second = first[key], second[key]
        ends = [first["value"], first["low"], first["high"]]
        assert ends == pytest.approx(np.negative([second["value"], second["high"], second["low"]]))
