"""Truths and scores as people write them: words and numbers for labels, ids, separators."""

from pathlib import Path

import pytest

from report.exchange.csv_file import CsvError
from report.exchange.importing import Columns, Import, read_import

MANIFESTS = (
    ("HAM10000_metadata.csv", "image_id"),
    ("ISBI2016_ISIC_Part3_Test_GroundTruth.csv", "isic_id"),
    ("ISIC-2017_Training_Part3_GroundTruth.csv", "image_id"),
    ("ISIC2018_Task3_Validation_GroundTruth.csv", "image"),
    ("ISIC_2019_Training_GroundTruth.csv", "image"),
    ("ISIC_2020_Training_GroundTruth_v2.csv", "image_name"),
)
SCORES = "id,score\na,0.9\nb,0.6\nc,0.4\nd,0.1\n"


def imported(folder: Path, scores: str, truth: str, *labels: str) -> Import:
    (folder / "scores.csv").write_text(scores)
    (folder / "truth.csv").write_text(truth)
    files = folder / "scores.csv", folder / "truth.csv"
    return read_import(*files, Columns(labels=labels), lambda _: None)


def refusal(folder: Path, scores: str, truth: str) -> str:
    with pytest.raises(CsvError) as refused:
        imported(folder, scores, truth)
    message = refused.value.message.replace(f"{folder}/", "")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("malignant", "benign", "none"),
    [
        ("malignant", "benign", ""),
        ("Malignant", "BENIGN", ""),
        ("True", "False", ""),
        ("TRUE", "false", ""),
        ("1", "0", ""),
        ("1.0", "0.0", ""),
        ("1.00", "0.00", ""),
        ("1.000000", "0.000000", ""),
        ("melanoma", "nevus", ""),
        ('"1.00"', '"0.00"', '""'),
        (" malignant ", " benign", " "),
    ],
)
@pytest.mark.parametrize("column", ["label", "target", "melanoma", "benign_malignant", "Malignant"])
def test_labels_in_words_and_numbers(
    tmp_path: Path, malignant: str, benign: str, none: str, column: str
) -> None:
    truth = f"id,{column},sex\na,{malignant},f\nb,{benign},m\nc,{malignant},f\nd,{none},m\n"
    read = imported(tmp_path, SCORES, truth)
    assert (read.counts.malignant, read.counts.benign, read.counts.images) == (2, 1, 4)
    assert [image.listed.label for image in read.images()] == [1, 0, 1, None]
    assert next(read.images()).listed.attributes == {"sex": "f"}


@pytest.mark.parametrize("cell", ["2", "0.5", "-1", "1.01", "10"])
def test_a_number_that_is_no_label_is_named(tmp_path: Path, cell: str) -> None:
    said = refusal(tmp_path, SCORES, f"id,label\na,1\nb,{cell}\nc,0\nd,0\n")
    assert said.startswith(f"truth.csv:3: label '{cell}' is neither 0 (benign) nor 1 (malignant)")


@pytest.mark.parametrize(("name", "ids"), MANIFESTS)
@pytest.mark.parametrize("ending", ["", ".jpg"])
def test_the_truths_that_data_sets_ship(
    shared: Path, tmp_path: Path, name: str, ids: str, ending: str
) -> None:
    path = shared / "data" / "manifests" / name
    text = path.read_text(encoding="utf-8-sig")
    header, *rows = text.splitlines()
    at = header.split(",").index(ids)
    scores = "".join(f"{row.split(',')[at]}{ending},0.5\n" for row in rows)
    read = imported(tmp_path, f"image,score\n{scores}", text)
    counts = read.counts
    assert (counts.images, counts.unscored) == (len(rows), 0)
    assert counts.malignant > 0
    assert counts.benign > 0
    assert counts.renamed == (len(rows) if ending else 0)


@pytest.mark.parametrize(
    ("of_scores", "of_truth"),
    [
        ("{}.jpg", "{}"),
        ("{}", "{}.jpg"),
        ("{}.JPG", "{}.png"),
        ("{}.tiff", "{}"),
        ("{}.dcm", "{}.jpeg"),
        ("images/{}.jpg", "{}"),
        ("{}", "test/melanoma/{}.webp"),
    ],
)
def test_ids_with_and_without_ending_and_folder(
    tmp_path: Path, of_scores: str, of_truth: str
) -> None:
    names = ["ISIC_001", "ISIC_002", "v1.5"]
    scores = "".join(f"{of_scores.format(name)},0.{at}\n" for at, name in enumerate(names, 1))
    truth = "".join(f"{of_truth.format(name)},{at % 2}\n" for at, name in enumerate(names))
    read = imported(tmp_path, f"id,score\n{scores}", f"id,label\n{truth}")
    assert [(one.listed.path, one.score) for one in read.images()] == [
        (of_truth.format(name), float(f"0.{at}")) for at, name in enumerate(names, 1)
    ]
    assert "3 ids matched without folder and file ending" in list(read.counts.words())


def test_equal_ids_come_first_and_some_may_have_an_ending(tmp_path: Path) -> None:
    truth = "id,label\na,1\na.jpg,0\nb,0\n"
    read = imported(tmp_path, "id,score\na.jpg,0.2\na,0.9\nb.png,0.3\n", truth)
    assert [one.score for one in read.images()] == [0.9, 0.2, 0.3]
    assert read.counts.renamed == 1


@pytest.mark.parametrize(
    ("scores", "truth", "said"),
    [
        ("a,0.1", "x/a.jpg,1\ny/a.jpg,0", "scores.csv:2: a could be any of x/a.jpg, y/a.jpg in"),
        ("a.jpg,0.1", "a.png,1\na.tif,0", "scores.csv:2: a.jpg could be any of a.png, a.tif in"),
        ("a,0.1\na.jpg,0.2", "a,1", "scores.csv:3: a.jpg and a (line 2) are both a of the truth"),
        ("a.png,0.1\nx/a,0.2", "a.jpg,1", "scores.csv:3: x/a and a.png (line 2) are both a.jpg"),
        ("a.jpg,0.1\nq,0.2", "a,1", "scores.csv:3: q is not in the truth truth.csv"),
        ("a.txt,0.1", "a,1", "scores.csv:2: a.txt is not in the truth truth.csv"),
    ],
)
def test_ids_that_are_not_one_image_are_refused(
    tmp_path: Path, scores: str, truth: str, said: str
) -> None:
    found = refusal(tmp_path, f"id,score\n{scores}\n", f"id,label\n{truth}\n")
    assert found.startswith(said)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line", ["", "sep={}\n"])
def test_separators_that_are_taken(tmp_path: Path, separator: str, line: str) -> None:
    scores = line.format(separator) + SCORES.replace(",", separator)
    truth = "id,label\na,1\nb,0\nc,0\nd,\n".replace(",", separator)
    assert imported(tmp_path, scores, truth).counts.images == 4


@pytest.mark.parametrize(
    ("separator", "name"), [("|", "vertical bars (|)"), (":", "colons"), (" ", "blanks")]
)
def test_separators_that_are_not_taken_are_named(tmp_path: Path, separator: str, name: str) -> None:
    truth = "id,label\na,1\nb,0\nc,0\nd,1\n"
    other = f"columns seem to be separated by {name} (id{separator}"
    for scores, labels, file in (
        (SCORES.replace(",", separator), truth, "scores.csv"),
        (SCORES, truth.replace(",", separator), "truth.csv"),
    ):
        said = refusal(tmp_path, scores, labels)
        assert said.startswith(f"{file}:1: {other}")
        assert said.endswith("save it with commas, semicolons or tabs")


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (f"sep=;\n{SCORES}", "separated by commas, but the line above says semicolons: take out"),
        ("id,score\na;0.1\n", "scores.csv:2: 1 fields under 2 columns: it is separated by semicol"),
        ("id;score\na,0.1\n", "scores.csv:2: 1 fields under 2 columns: it is separated by commas"),
        ("id;score\na;0,73\n", "'0,73' is not a number between 0 and 1: write a decimal point, 0."),
        ("id\tscore\na\t0,73\n", "write a decimal point, 0.73"),
        ("id,score\na,0,73\n", "scores.csv:2: 3 fields under 2 columns"),
    ],
)
def test_a_file_at_odds_with_itself_says_what_to_do(tmp_path: Path, scores: str, said: str) -> None:
    assert said in refusal(tmp_path, scores, "id,label\na,1\n")
