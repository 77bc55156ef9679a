"""`report --cluster` and `--per`: figures counted by hand, from a ledger and from imports."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from stored import Stored, one_line, report, store_run, succeed

AT = ("--threshold", "0.5")
# Four lesions and an image without one: label, score, lesion.
IMAGES = (
    (1, 0.9, "a"),
    (1, 0.8, "a"),
    (1, 0.7, "b"),
    (1, 0.2, "b"),
    (0, 0.1, "c"),
    (0, 0.6, "c"),
    (0, 0.3, "d"),
    (0, 0.2, "d"),
    (0, 0.4, ""),
)
ODD = 'Läsion "1"'


def images(column: str = "lesion_id", **others: str) -> list[Stored]:
    return [
        Stored(f"{at}.jpg", label, score, {column: lesion, **others})
        for at, (label, score, lesion) in enumerate(IMAGES)
    ]


def as_json(*arguments: str) -> dict[str, Any]:
    got: dict[str, Any] = json.loads(succeed(*AT, "--format", "json", *arguments))
    return got


@pytest.mark.parametrize("column", ["lesion_id", ODD])
def test_intervals_are_by_cluster(url: str, column: str) -> None:
    store_run(url, images(column))
    plain, clustered = as_json(), as_json("--cluster", column)
    facts = clustered["clusters"]
    assert (facts["clusters"], facts["malignant"], facts["benign"], facts["alone"]) == (5, 2, 3, 1)
    # 3 of 4 in two lesions: residuals 0.5 and -0.5, so 2/1 * 0.5 / 16.
    assert facts["standard_errors"]["sensitivity"] == pytest.approx(0.25)
    assert facts["design_effects"]["sensitivity"] == pytest.approx(0.0625 / (0.75 * 0.25 / 4))
    for figure in ("sensitivity", "specificity", "roc_auc", "ppv", "lr_positive"):
        assert clustered[figure]["value"] == plain[figure]["value"]
    assert clustered["sensitivity"]["low"] < plain["sensitivity"]["low"]
    assert "design effect 1.33 of sensitivity" in succeed(*AT, "--cluster", column)


def test_lone_images_as_clusters_change_little(url: str) -> None:
    many = [
        Stored(f"{at}.jpg", at % 2, (at * 37 % 100) / 100, {"photo": str(at)}) for at in range(80)
    ]
    store_run(url, many)
    plain, clustered = as_json(), as_json("--cluster", "photo")
    for end in ("low", "high"):
        assert clustered["roc_auc"][end] == pytest.approx(plain["roc_auc"][end], rel=1e-9)
        assert clustered["ppv"][end] == pytest.approx(plain["ppv"][end], abs=0.04)
        assert clustered["specificity"][end] == pytest.approx(plain["specificity"][end], abs=0.01)
        assert clustered["calibration_slope"][end] == pytest.approx(
            plain["calibration_slope"][end], abs=0.3
        )


def test_the_bootstrap_repeats_itself_and_states_its_error(url: str) -> None:
    twice = [one._replace(path=f"{at}/{one.path}") for at in range(8) for one in images()]
    spread = [one._replace(attributes={"lesion_id": f"{at // 2}"}) for at, one in enumerate(twice)]
    store_run(url, spread)
    first = as_json("--cluster", "lesion_id", "--prevalence", "0.02")
    assert first == as_json("--cluster", "lesion_id", "--prevalence", "0.02")
    assert first["clusters"]["bootstrap"] == {"draws": 2000, "seed": 1, "interval": "percentile"}
    errors = first["clusters"]["monte_carlo_errors"]
    assert {"ppv", "npv", "f1", "lr_negative", "ppv_at_prevalence", "net_benefit"} <= errors.keys()
    for name in ("ppv", "balanced_accuracy", "net_benefit"):
        assert first[name]["low"] < first[name]["value"] < first[name]["high"]
        assert 0 < errors[name] < (first[name]["high"] - first[name]["low"]) / 10


def test_subgroups_are_by_cluster_too(url: str) -> None:
    rows = [
        Stored(
            f"{at}.jpg",
            at % 2,
            (at * 37 % 100) / 100,
            {"sex": "f" if at < 60 else "m", "lesion_id": str(at // 6)},
        )
        for at in range(120)
    ]
    store_run(url, rows)
    plain, clustered = as_json("--by", "sex"), as_json("--by", "sex", "--cluster", "lesion_id")
    assert [each["value"] for each in clustered["subgroups"]] == ["f", "m"]
    alone = [
        one._replace(path=f"f/{one.path}") for one in rows if (one.attributes or {})["sex"] == "f"
    ]
    store_run(url, alone, digest="cd" * 32)
    of_women = as_json("--cluster", "lesion_id", "2")
    for figure in ("sensitivity", "specificity", "roc_auc"):
        found = clustered["subgroups"][0][figure]
        assert found["value"] == plain["subgroups"][0][figure]["value"]
        assert [found["low"], found["high"]] == [of_women[figure]["low"], of_women[figure]["high"]]
    assert (
        json.loads(succeed("1", *AT, "--by", "sex", "--format", "json"))["subgroups"]
        == (plain["subgroups"])
    )


def test_each_cluster_counts_once(url: str) -> None:
    rows = images()
    rows[3] = rows[3]._replace(label=0)  # lesion b has both labels
    store_run(url, [*rows, Stored("u.jpg", None, 0.9, {"lesion_id": "e"})])
    highest = as_json("--per", "lesion_id")
    # a 0.9 and b 0.7 malignant; c 0.6, d 0.3 and the image without a lesion benign.
    assert highest["confusion"] == {"tp": 2, "fp": 1, "tn": 2, "fn": 0}
    assert highest["answers"] == {"positive": 4, "images": 6, "negative": 2}
    assert highest["units"] == {
        "column": "lesion_id",
        "aggregate": "max",
        "units": 5,
        "images": 9,
        "alone": 1,
        "mixed": 1,
        "examples": ["b"],
    }
    # Means: a 0.85, b 0.45; c 0.35, d 0.25, 0.4.
    means = as_json("--per", "lesion_id", "--aggregate", "mean")
    assert means["confusion"] == {"tp": 1, "fp": 0, "tn": 3, "fn": 1}
    text = succeed(*AT, "--per", "lesion_id")
    assert "each lesion_id counts once, 5 of 9 images, with the highest score" in text
    assert "warning: 1 lesion_id has images of both labels, such as b" in text


def test_the_mean_of_equal_scores_is_that_score(url: str) -> None:
    rows = [Stored(f"{at}.jpg", 1, 0.7, {"case": "1"}) for at in range(3)]
    store_run(url, [*rows, Stored("x.jpg", 0, 0.1, {"case": "2"})])
    found = json.loads(
        succeed("--threshold", "0.7", "--per", "case", "--aggregate", "mean", "--format", "json")
    )
    assert found["confusion"]["tp"] == 1


def test_lesions_of_patients(url: str) -> None:
    rows = [
        one._replace(attributes={**(one.attributes or {}), "patient_id": patient})
        for one, patient in zip(images(), "111122223", strict=True)
    ]
    store_run(url, rows)
    found = as_json("--per", "lesion_id", "--cluster", "patient_id")
    assert (found["units"]["units"], found["clusters"]["clusters"]) == (5, 3)
    rows[0] = rows[0]._replace(attributes={"lesion_id": "a", "patient_id": "9"})
    store_run(url, rows, digest="cd" * 32)
    line = one_line(report(*AT, "--per", "lesion_id", "--cluster", "patient_id"), 1)
    assert "the images of 1 lesion_id are of more than one patient_id" in line


def test_a_column_that_repeats_is_named(url: str) -> None:
    store_run(url, images(sex="f"))
    assert "as independent: give --cluster lesion_id, or --per lesion_id" in succeed(*AT)
    assert as_json()["not_independent"] == "lesion_id"
    assert "as independent" not in succeed(*AT, "--cluster", "lesion_id")
    alone = [one._replace(attributes={"patient_id": one.path}) for one in images()]
    store_run(url, alone, digest="cd" * 32)
    assert "as independent" not in succeed(*AT)


@pytest.mark.parametrize("option", ["--cluster", "--per"])
def test_a_column_that_is_not_there_is_refused(url: str, option: str) -> None:
    store_run(url, images())
    line = one_line(report(*AT, option, "lesion"), 1)
    assert f"{option} lesion: no analysed image of run 1 has this column" in line
    assert "there are lesion_id" in line
    refused = report(*AT, "--aggregate", "mean")
    assert (refused.exit_code, "--aggregate needs --per COLUMN" in refused.stderr) == (2, True)


def test_one_cluster_gives_no_interval(url: str) -> None:
    store_run(url, [one._replace(attributes={"case": "1"}) for one in images()])
    found = as_json("--cluster", "case")
    for figure in ("sensitivity", "ppv", "roc_auc", "calibration_slope"):
        assert found[figure]["value"] is not None
        assert (found[figure]["low"], found[figure]["high"]) == (None, None)
        assert "one cluster" in found[figure]["reason"]
    text = succeed(*AT, "--cluster", "case")
    assert "3/4; all images are of one cluster" in text


def test_every_format_has_the_clusters(url: str) -> None:
    store_run(url, images())
    cells = dict(
        row[:2]
        for row in csv.reader(
            succeed(*AT, "--cluster", "lesion_id", "--format", "csv").splitlines()
        )
    )
    assert (cells["clusters[lesion_id]"], cells["standard_error_sensitivity"]) == ("5", "0.25")
    markdown = succeed(*AT, "--cluster", "lesion_id", "--format", "markdown")
    assert "intervals by lesion" in markdown


def test_a_threshold_is_chosen_per_lesion(url: str) -> None:
    store_run(url, images(), name="valid")
    chosen = succeed("choose-threshold", "valid", "--youden", "--per", "lesion_id")
    assert "sensitivity 2/2, specificity 3/3 per lesion_id, max" in chosen
    by = succeed(
        "choose-threshold", "valid", "--target-sensitivity", "0.7", "--cluster", "lesion_id"
    )
    assert "95 % intervals by lesion_id: sensitivity 0.750 (" in by


@pytest.mark.usefixtures("url")
def test_imported_scores_keep_the_columns_of_both_files(tmp_path: Path) -> None:
    rows = "".join(f"{at},{s},{lesion},{s / 3:.3f}\n" for at, (_, s, lesion) in enumerate(IMAGES))
    (tmp_path / "s.csv").write_text(f"image,melanoma,lesion_id,nevus\n{rows}")
    rows = "".join(f"{at},{label},f\n" for at, (label, *_) in enumerate(IMAGES))
    (tmp_path / "t.csv").write_text(f"image,label,sex\n{rows}missing,1,m\n")
    succeed("import-scores", "s.csv", "--truth", "t.csv", "--name", "theirs")
    assert as_json("--cluster", "lesion_id")["clusters"]["clusters"] == 5
    assert as_json("--by", "sex")["subgroups"][0]["value"] == "f"
    refused = one_line(report(*AT, "--by", "nevus"), 1)
    assert "there are lesion_id, sex" in refused


def test_a_page_takes_clusters_and_draws_every_curve(url: str, tmp_path: Path) -> None:
    """A figure without an interval still has its curve; the slider claims no interval."""
    store_run(url, images())
    succeed("page", "-o", "page.html", *AT, "--images", "0", "--cluster", "lesion_id")
    html = (tmp_path / "page.html").read_text()
    assert "Not drawn" not in html
    assert "intervals by lesion_id: 5 clusters" in html
    assert "Wilson" not in html.partition('class="figures"')[2].partition("</table>")[0]
    assert html.count('<td data-part="interval">by clusters: see all figures</td>') == 5
