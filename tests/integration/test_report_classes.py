"""`report --classes`: from a ledger to text, Markdown, JSON and CSV."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from stored import Stored, bytes_of, one_line, report, store_run

CARD = {"classes": ["mel", "NV", "df"], "positive": ["mel"]}
MEL, NV, DF = (0.75, 0.25, 0.0), (0.125, 0.625, 0.25), (0.25, 0.0, 0.75)
# Two melanomas, one found; two nevi, both found; a carcinoma, one without a diagnosis.
IMAGES = [
    Stored("0.jpg", 1, 0.75, {"dx": "mel", "how": "histo"}, bytes_of(0), MEL),
    Stored("1.jpg", 1, 0.125, {"dx": "MEL", "how": "histo"}, bytes_of(1), NV),
    Stored("2.jpg", 0, 0.125, {"dx": "nv", "how": ""}, bytes_of(2), NV),
    Stored("3.jpg", None, 0.125, {"dx": "nv", "how": "nothing"}, bytes_of(3), NV),
    Stored("4.jpg", None, 0.25, {"dx": "bcc", "how": "histo"}, bytes_of(4), DF),
    Stored("5.jpg", 0, 0.25, {"dx": "", "how": "histo"}, bytes_of(5), DF),
    Stored("6.jpg", 0, "corrupt", {"dx": "df", "how": "histo"}),
]


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DATABASE_URL", address)
    return address


def asked(*arguments: str) -> Result:
    return report("--threshold", "0.5", *arguments)


def as_json(*arguments: str) -> dict[str, Any]:
    done = asked(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("column", [(), ("dx",)])
def test_figures_of_each_class_whatever_its_label(url: str, column: tuple[str, ...]) -> None:
    store_run(url, IMAGES, card=CARD)
    found = as_json("--classes", *column)["classes"]
    assert found["truth"] == "column dx"
    assert found["images"] == 4
    assert found["names"] == ["mel", "NV", "df"]
    assert found["confusion"] == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert found["undecided"] == [0, 0, 0]
    assert (found["without_diagnosis"], found["other_diagnoses"]) == (1, {"bcc": 1})
    melanoma, nevus, absent = found["each"]
    assert (melanoma["sensitivity"]["value"], melanoma["specificity"]["value"]) == (0.5, 1.0)
    assert (nevus["sensitivity"]["value"], nevus["specificity"]["value"]) == (1.0, 0.5)
    assert melanoma["roc_auc"]["value"] == nevus["roc_auc"]["value"] == 0.75
    assert 0 < melanoma["sensitivity"]["low"] < 0.5 < melanoma["sensitivity"]["high"] < 1
    assert absent["sensitivity"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no images of df",
    }
    assert found["balanced_accuracy"] == {"value": None, "reason": "no images of df"}


def test_the_other_figures_are_as_they_are_without(sqlite: str) -> None:
    store_run(sqlite, IMAGES, card=CARD)
    plain, whole = as_json(), as_json("--classes")
    assert plain["classes"] is None
    assert {**whole, "classes": None} == plain


def test_text_and_markdown(sqlite: str) -> None:
    store_run(sqlite, IMAGES, card=CARD)
    text = asked("--classes").stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    at = lines.index("classes")
    assert lines[at : at + 16] == [
        "classes",
        "compared 4 true class by column dx",
        "without a diagnosis 1 left out",
        "of other diagnoses 1 left out: bcc (1)",
        "",
        "predicted mel NV df all",
        "truly mel 1 1 0 2",
        "truly NV 0 2 0 2",
        "truly df 0 0 0 0",
        "",
        "class against the rest (95 % interval) images sensitivity specificity ROC AUC",
        "mel 2 0.500 (0.095 to 0.905) 1.000 (0.342 to 1.000) 0.750 (0.227 to 0.967)",
        "NV 2 1.000 (0.342 to 1.000) 0.500 (0.095 to 0.905) 0.750 (0.227 to 0.967)",
        "df 0 n/a (no images of df) 1.000 (0.510 to 1.000) n/a (no images of df)",
        "",
        "all classes",
    ]
    assert lines[at + 16].startswith("balanced multi-class accuracy n/a (no images of df)")
    markdown = asked("--classes", "--format", "markdown").stdout
    assert "| truly mel | 1 | 1 | 0 | 2 |" in markdown


def test_csv_has_a_row_for_each_figure(sqlite: str) -> None:
    store_run(sqlite, IMAGES, card=CARD)
    read = list(csv.reader(io.StringIO(asked("--classes", "--format", "csv").stdout)))
    rows = {name: (value, reason) for name, value, _, _, reason in read}
    assert rows["classes_images"] == ("4", "")
    assert rows["classes_other_diagnosis[bcc]"] == ("1", "")
    assert rows["classes_confusion[truly=mel,predicted=NV]"] == ("1", "")
    assert rows["classes_confusion[truly=mel,predicted=undecided]"] == ("0", "")
    assert rows["class_sensitivity[mel]"] == ("0.5", "")
    assert rows["balanced_multiclass_accuracy"] == ("", "no images of df")
    assert len(rows) == len(read)


def test_truth_in_a_column_of_each_class_as_the_challenges_give_it(url: str) -> None:
    flags = [("1.0", "0.0", "0.0"), ("0.0", "1.0", "0.0"), ("0.0", "0.0", "1.0"), ("0", "0", "0")]
    images = [
        Stored(f"{at}.jpg", None, row[0], dict(zip(("MEL", "NV", "DF"), cells, strict=True)),
               bytes_of(at), row)
        for at, (cells, row) in enumerate(zip(flags, (MEL, NV, NV, NV), strict=True))
    ]  # fmt: skip
    store_run(url, images, card=CARD)
    found = as_json("--classes")["classes"]
    assert found["truth"] == "columns MEL, NV, DF"
    assert found["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert found["without_diagnosis"] == 1
    assert found["balanced_accuracy"]["value"] == pytest.approx(2 / 3)


def test_unique_compares_each_file_once(url: str) -> None:
    copies = [image._replace(path=f"copy {image.path}") for image in IMAGES[:1]]
    store_run(url, [*IMAGES, *copies], card=CARD)
    assert as_json("--classes")["classes"]["images"] == 5
    assert as_json("--classes", "--unique")["classes"]["images"] == 4


def test_images_that_an_older_release_scored_are_counted(sqlite: str) -> None:
    store_run(sqlite, [*IMAGES[:3], IMAGES[3]._replace(probabilities=None)], card=CARD)
    found = as_json("--classes")["classes"]
    assert (found["images"], found["without_probabilities"]) == (3, 1)


@pytest.mark.parametrize(
    ("card", "change", "option", "reason"),
    [
        ({}, {}, "", "the checkpoint of run 1 gives one score and has no classes"),
        (CARD, {}, "sex", "--classes sex: no such column of a manifest"),
        (CARD, {}, "how", "column how holds histo, nothing, and none of the classes of run 1"),
        (CARD, {"second": "mel"}, "", "the truth could be column dx or column second: name it"),
        (CARD, {"dx": "bcc"}, "", "nothing names mel, NV, df: no such column"),
        ({"classes": ["mel", "nv"]}, {}, "dx", "3 probabilities of an image are stored"),
        ({"classes": ["mel", "MEL"]}, {}, "dx", "has two classes of one name"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    sqlite: str, card: dict[str, Any], change: dict[str, str], option: str, reason: str
) -> None:
    images = [image._replace(attributes={**(image.attributes or {}), **change}) for image in IMAGES]
    store_run(sqlite, images, card=card)
    done = asked("--classes", *([option] if option else []))
    assert reason in one_line(done)


def test_without_probabilities_at_all_it_says_why(sqlite: str) -> None:
    store_run(sqlite, [image._replace(probabilities=None) for image in IMAGES], card=CARD)
    assert "an older release scored it" in one_line(asked("--classes"))
