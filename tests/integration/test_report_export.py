"""`report export`: every prediction, as spreadsheets, pandas and the challenge's scorer read it."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import DIGEST, Stored, bytes_of, one_line, report, store_run, succeed

from base.console.foreign import for_csv, shown
from db.queries.report.export import CHUNK, ExportedImage
from report.exchange.exporting import COLUMNS, Origin, write_csv
from report.exchange.image_id import image_name

IMAGES = [
    Stored("test/melanoma/ISIC_1.jpg", 1, 0.1 + 0.2, {"sex": "male", "=x": "é"}, bytes_of(1)),
    Stored("test/nevus/ISIC_2.JPG", 0, 1.0, None, bytes_of(2)),
    Stored("test/nevus/=1+1.jpg", None, 0.0, {"age": ""}, None),
    Stored("test/nevus/ISIC_4.png", 0, "corrupt", None, bytes_of(4)),
]


def test_csv_holds_every_image_as_it_was_listed(url: str) -> None:
    run = store_run(url, IMAGES)
    done = report("export", str(run))
    assert (done.exit_code, done.stderr) == (0, "wrote 4 images\n")
    read = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(read[0]) == list(COLUMNS)
    for row, image in zip(read, IMAGES, strict=True):
        score = image.outcome if isinstance(image.outcome, float) else None
        assert row["path"] == image.path
        assert row["label"] == ("" if image.label is None else str(image.label))
        assert row["score"] == ("" if score is None else repr(score))
        assert row["error"] == ("" if score is not None else "corrupt")
        assert row["detail"] == ("" if score is not None else "a sentence")
        assert row["image_digest"] == (image.digest or "")
        assert row["attributes"] == ("" if image.attributes is None else as_json(image.attributes))
        assert (row["run"], row["checkpoint"]) == (str(run), DIGEST)


def as_json(attributes: dict[str, str]) -> str:
    """Sorted, for PostgreSQL has an order of its own."""
    return json.dumps(attributes, ensure_ascii=False, sort_keys=True)


def test_a_file_is_whole_or_not_there(url: str) -> None:
    store_run(url, IMAGES, name="mine")
    done = report("export", "mine", "-o", "out.csv")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "wrote 4 images to out.csv\n")
    assert Path("out.csv").read_text() == report("export", "mine").stdout
    assert sorted(path.name for path in Path().glob("*.csv*")) == ["out.csv"]
    refused = report("export", "mine", "-o", "nowhere/out.csv")
    assert one_line(refused) == "Error: cannot write nowhere/out.csv: No such file or directory"


def test_parquet_holds_the_same_typed(url: str) -> None:
    run = store_run(url, IMAGES)
    succeed("export", str(run), "--format", "parquet", "-o", "out.parquet")
    table = pd.read_parquet("out.parquet")
    assert list(table.columns) == list(COLUMNS)
    assert table["path"].tolist() == [image.path for image in IMAGES]
    assert table["score"].tolist()[:3] == [0.1 + 0.2, 1.0, 0.0]
    assert table["label"].fillna(-1).astype(int).tolist() == [1, 0, -1, 0]
    assert table["score"].isna().tolist() == [False, False, False, True]
    assert json.loads(table["attributes"][0]) == IMAGES[0].attributes
    assert table["run"].unique().tolist() == [run]
    assert "name a file with -o" in report("export", str(run), "--format", "parquet").stderr
    refused = report("export", str(run), "-o", "csv.parquet")
    assert "-o csv.parquet would be CSV: add --format parquet" in refused.stderr
    assert not Path("csv.parquet").exists()


def test_isic_as_the_challenges_scorer_reads_it(url: str) -> None:
    run = store_run(url, IMAGES[:2])
    done = report("export", str(run), "--format", "isic")
    assert done.stdout.splitlines() == [
        "image,melanoma,seborrheic_keratosis",
        "ISIC_1,0.30000000000000004,0.5",
        "ISIC_2,1.0,0.5",
    ]
    assert done.stderr == "wrote 2 images\n"


CLASSES = ("mel", "NV", "=x")
OF_CLASSES = [
    Stored("test/a.jpg", 1, 0.75, None, bytes_of(1), (0.75, 0.25, 0.0)),
    Stored("test/b.jpg", 0, 0.125, {"dx": "nv"}, bytes_of(2), (0.125, 0.5, 0.375)),
    Stored("test/c.jpg", None, "corrupt"),
]


def test_csv_has_a_column_for_each_class_behind_the_others(url: str) -> None:
    run = store_run(url, OF_CLASSES, card={"classes": list(CLASSES), "positive": ["mel"]})
    read = list(csv.DictReader(io.StringIO(report("export", str(run)).stdout)))
    added = ["probability_mel", "probability_NV", "probability_=x"]
    assert list(read[0]) == [*COLUMNS, *added]
    assert [[row[name] for name in ("score", *added)] for row in read] == [
        ["0.75", "0.75", "0.25", "0.0"],
        ["0.125", "0.125", "0.5", "0.375"],
        ["", "", "", ""],
    ]


def test_parquet_has_the_same_in_float32(url: str) -> None:
    run = store_run(url, OF_CLASSES, card={"classes": list(CLASSES)})
    succeed("export", str(run), "--format", "parquet", "-o", "out.parquet")
    table = pd.read_parquet("out.parquet")
    assert table["probability_NV"].dtype == "float32"
    assert table["probability_NV"].tolist()[:2] == [0.25, 0.5]
    assert table["probability_NV"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("classes", "header"),
    [
        (("mel", "NV", "bcc"), "image,MEL,NV,BCC"),
        (("mel", "nevus", "=x"), "image,mel,nevus,'=x"),
    ],
)
def test_isic_has_a_column_for_each_class(url: str, classes: tuple[str, ...], header: str) -> None:
    run = store_run(url, OF_CLASSES, card={"classes": list(classes)})
    done = report("export", str(run), "--format", "isic")
    assert done.stdout.splitlines() == [header, "a,0.75,0.25,0.0", "b,0.125,0.5,0.375"]
    assert "1 images without a score are left out" in done.stderr


@pytest.mark.parametrize("layout", ["csv", "parquet", "isic"])
def test_a_card_of_other_classes_than_were_stored_is_refused(url: str, layout: str) -> None:
    run = store_run(url, OF_CLASSES, card={"classes": ["mel", "nv"]})
    done = report("export", str(run), "--format", layout, "-o", "out")
    assert one_line(done).startswith(
        "Error: 3 probabilities of an image are stored, and the checkpoint's card has 2 classes"
    )
    assert not Path("out").exists()


def test_isic_never_makes_up_a_score(url: str) -> None:
    run = store_run(url, IMAGES)
    done = report("export", str(run), "--format", "isic")
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == [
        "ISIC_1",
        "ISIC_2",
        "'=1+1",
    ]
    assert "warning: 1 images without a score are left out" in done.stderr


def test_isic_refuses_two_images_of_one_name(url: str) -> None:
    run = store_run(url, [Stored("a/x.jpg", 1, 0.5), Stored("b/x.png", 0, 0.5)])
    done = report("export", str(run), "--format", "isic", "-o", "out.csv")
    assert "a/x.jpg and b/x.png are both called x" in one_line(done)
    assert list(Path().glob("*out.csv*")) == []


@pytest.mark.parametrize("layout", ["csv", "parquet", "isic"])
def test_an_unfinished_run_is_refused(url: str, layout: str) -> None:
    run = store_run(url, [*IMAGES, Stored("late.jpg", 1, None)])
    done = report("export", str(run), "--format", layout, "-o", "out")
    assert one_line(done, code=3).startswith(f"run {run}: 1 of 5 images are pending")
    assert not Path("out").exists()


def test_a_run_that_is_not_there(url: str) -> None:
    store_run(url, IMAGES)
    assert "there is no run 9" in one_line(report("export", "9"))


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_begins_as_a_formula(begin: str) -> None:
    assert for_csv(f"{begin}1+1") == f"'{shown(begin)}1+1"


@given(st.text() | st.integers() | st.floats() | st.none())
def test_numbers_and_other_text_are_not_touched(value: object) -> None:
    safe = for_csv(value)
    if isinstance(value, str) and value[:1] in tuple("=+-@\t\r＝＋－＠"):
        assert safe == f"'{shown(value)}"
    elif isinstance(value, str):
        assert safe == shown(value)
    else:
        assert safe is value


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b/ISIC_1.jpg", "ISIC_1"),
        ("ISIC_1.JPEG", "ISIC_1"),
        ("ISIC_1", "ISIC_1"),
        ("v1.5", "v1.5"),
        ("a/x.tar.png", "x.tar"),
    ],
)
def test_only_an_images_ending_is_taken_off(path: str, name: str) -> None:
    assert image_name(path) == name


def test_a_chunk_at_a_time_is_in_memory() -> None:
    def chunks(number: int) -> Iterator[list[ExportedImage]]:
        for at in range(number):
            paths = (f"{at}-{one}.jpg" for one in range(CHUNK // 10))
            yield [ExportedImage(p, 1, 0.5, None, None, DIGEST, '{"sex": "male"}') for p in paths]

    def peak(number: int) -> int:
        tracemalloc.start()
        with Path("/dev/null").open("w") as nowhere:
            write_csv(nowhere, chunks(number), Origin(1, DIGEST))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(50) < 1.5 * peak(5)
