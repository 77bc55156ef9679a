"""CSV files as people have them: how they are written, their columns, and ids for paths."""

import gzip
import io
import os
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner
from forging import stub_site
from hypothesis import given, settings
from hypothesis import strategies as st

from base.listed_image import ListedImage
from imaging.decoding.image_file import read_image
from imaging.errors import ImageError, SourceError
from imaging.listing.labels import LABELS, GivenLabels
from imaging.listing.manifest import read_manifest
from imaging.listing.sources import list_source
from imaging.listing.tables.manifest_options import ManifestOptions
from producer.cli import main as producer

IMAGES = ManifestOptions(images=("images",), path_column="id")
DX = ManifestOptions(path_column="id", label_columns=(("dx", None),))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, which is the working directory too."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def touch(*names: str) -> None:
    """Files of these names; listing looks at names only."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def read(
    text: str | bytes, options: ManifestOptions = DX, **more: int | None
) -> list[tuple[str, int | None]]:
    data = text if isinstance(text, bytes) else text.encode()
    rows = read_manifest(io.BytesIO(data), "m.csv", options, {**LABELS, **more})
    return [(row.path, row.label) for row in rows]


def refusal(
    text: str | bytes, options: ManifestOptions = DX, name: str = "m.csv", **more: int | None
) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(SourceError) as caught:
        list(read_manifest(io.BytesIO(data), name, options, {**LABELS, **more}))
    assert "\n" not in caught.value.message
    return caught.value.message


def listed(text: str, options: ManifestOptions = IMAGES) -> list[str]:
    Path("m.csv").write_text(text)
    return [row.path for row in list_source("m.csv", Path.cwd(), LABELS, options)]


# How a file is written


@pytest.mark.parametrize(
    "text",
    [
        "path,label,a;b;c\na.jpg,1,x\nb.jpg,0,y\n",
        "\n;;\nsep=;\npath;label\na.jpg;1\nb.jpg;0\n",
        "path;label;note\na.jpg;1;x, y\nb.jpg;0;z\n",
        "path\tlabel\tnote\na.jpg\t1\tx\nb.jpg\t0\tz\n",
        "sep=;\npath;label;note\na.jpg;1;x\nb.jpg;0;z\n",
        '"sep=;"\r\npath;label;note\r\na.jpg;1;x\r\nb.jpg;0;z\r\n',
        "\ufeffsep=,\r\npath,label,note\r\na.jpg,1,x\r\nb.jpg,0,z\r\n",
        "SEP=\t\npath\tlabel\na.jpg\t1\nb.jpg\t0\n",
        "path;label\na.jpg;1\n;\n\n  ; \nb.jpg;0\n;\n",
        "\n;;\npath;label;note, free; or not\na.jpg;1;x;\nb.jpg;0;y;\n",
    ],
)
def test_separators_sep_lines_and_empty_rows(text: str) -> None:
    rows = list(read_manifest(io.BytesIO(text.encode()), "m.csv"))

    assert [(row.path, row.label) for row in rows] == [("a.jpg", 1), ("b.jpg", 0)]


def test_lines_are_counted_from_the_sep_line() -> None:
    text = "sep=;\npath;label\na.jpg;1\nb.jpg;7\n"

    assert refusal(text, ManifestOptions()).startswith("m.csv:4: label '7'")


@pytest.mark.parametrize("name", ["m.csv.gz", "m.csv"])
def test_a_gzip_is_read_whatever_its_name(root: Path, name: str) -> None:
    (root / name).write_bytes(gzip.compress(b"id,dx\na.jpg,mel\nb.jpg,nv\n"))
    options, labels = DX, {**LABELS, "mel": 1, "nv": 0}

    rows = list(list_source(name, root, labels, options))

    assert [(row.path, row.label) for row in rows] == [("a.jpg", 1), ("b.jpg", 0)]


def test_a_gzip_that_is_cut_short_is_refused(root: Path) -> None:
    data = gzip.compress(os.urandom(4000).hex().encode())
    (root / "m.csv.gz").write_bytes(b"" + data[:1000])

    with pytest.raises(SourceError, match=r"^m\.csv\.gz:1: not gzip: "):
        list(list_source("m.csv.gz", root))


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        ("path\na.jpg\n".encode("utf-16"), "m.csv", "m.csv:1: it is UTF-16 text"),
        (b"PK\x03\x04\x14\0[Content_Types].xml", "m.csv", "m.csv:1: it is a workbook"),
        (b"PK\x03\x04\x14\0", "m.xlsx", "m.xlsx:1: it is a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "m.xls", "m.xls:1: it is a workbook"),
    ],
)
def test_what_is_no_text_is_refused_with_how_to_save_it(data: bytes, name: str, said: str) -> None:
    message = refusal(data, ManifestOptions(), name)

    assert message.startswith(said)
    assert message.endswith("in Excel: File, Save As, type 'CSV UTF-8 (comma delimited)'")


def test_windows_1252_is_named_with_a_word_to_know_it_by() -> None:
    text = "path,note\na.jpg,one\nb.jpg,M\u00fcller \u2013 Rücken\n".encode("cp1252")

    message = refusal(text, ManifestOptions())

    assert message.startswith("m.csv:3: not UTF-8 text but perhaps Windows-1252")
    assert "(then it says Müller)" in message
    assert message.endswith("or with iconv -f WINDOWS-1252 -t UTF-8 m.csv > utf8.csv")


def test_other_bytes_are_not_taken_for_windows_1252() -> None:
    message = refusal(b"path\n\x81\x8d.jpg\n", ManifestOptions())

    assert message.startswith("m.csv:2: not UTF-8 text: save it as UTF-8")


# Which columns there are


def test_a_column_of_values_in_any_case_and_spelling() -> None:
    text = "id,dx\na,MEL\nb, nv \nc,Seborrheic-Keratosis\nd,\ne,melanoma\nf,1.0\ng,unk\n"

    assert read(text, mel=1, NV=0, unk=None) == [
        *[("a", 1), ("b", 0), ("c", 0), ("d", None)],
        *[("e", 1), ("f", 1), ("g", None)],
    ]


def test_all_values_without_a_meaning_are_listed_with_the_line_to_paste() -> None:
    text = "id,dx\na,bcc\nb,mel\nc,actinic keratosis\nd,BCC\ne,\n"

    assert refusal(text, mel=1) == (
        "m.csv: values without a meaning (labels in dx): bcc (2), actinic keratosis (1); add what "
        "each means, 1 (malignant), 0 (benign) or none: "
        "--label bcc=none --label 'actinic keratosis=none'"
    )


def test_a_column_of_ids_is_not_listed_as_diagnoses() -> None:
    text = "id,dx\n" + "".join(f"a{at},X_{at}\n" for at in range(300))

    assert "300 different values" in refusal(text)
    assert len(refusal(text)) < 250


def test_the_plain_column_label_takes_values_when_label_names_one() -> None:
    text = "path,label\na.jpg,mel\nb.jpg,nevus\n"

    assert read(text, ManifestOptions(), mel=1) == [("a.jpg", 1), ("b.jpg", 0)]
    known = GivenLabels({"nevus": 0})  # said, though it is known
    rows = read_manifest(io.BytesIO(b"path,label\na.jpg,nevus\n"), "m.csv", labels=known)
    assert [row.label for row in rows] == [0]
    assert refusal(text, ManifestOptions()).startswith("m.csv:2: label 'mel' is neither 0")


def test_a_label_without_any_column_for_it_is_refused() -> None:
    message = refusal("path,sex\na.jpg,f\n", ManifestOptions(), mel=1)

    assert message == "m.csv:1: --label mel=... needs --label-column COLUMN"


def test_a_label_that_no_row_has_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    read("id,dx\na,mel\n", mel=1, bccc=1)

    assert "warning: m.csv: no row has bccc, which --label names" in capsys.readouterr().err


ONE_HOT = ManifestOptions(path_column="id", label_columns=(("MEL", "1"), ("NV", "0")))


def test_columns_of_0_and_1(capsys: pytest.CaptureFixture[str]) -> None:
    text = "id,MEL,NV,age\na,1.0,0.0,1\nb,0,1,50\nc,,,60\nd,0.0,0.0,1\n"

    assert read(text, ONE_HOT) == [("a", 1), ("b", 0), ("c", None), ("d", None)]
    assert "malignant: MEL (1); benign: NV (1); without label: no diagnosis (2)" in (
        capsys.readouterr().err
    )


def test_a_1_in_a_column_that_was_not_named_is_refused_with_what_to_add() -> None:
    text = "id,MEL,NV,BCC,AK\na,1,0,0,0\nb,0,0,1,0\nc,0,0,1,0\nd,0,0,0,1\n"

    message = refusal(text, ONE_HOT)

    assert "BCC (2), AK (1)" in message
    assert message.endswith(" --label-column BCC=none --label-column AK=none")


def test_two_columns_that_disagree_are_refused_by_the_line() -> None:
    assert refusal("id,MEL,NV\na,1,0\nb,1,1\n", ONE_HOT) == "m.csv:3: MEL and NV are both 1"


def test_a_probability_is_no_flag() -> None:
    assert refusal("id,MEL,NV\na,1,0\nb,0.7,0.3\n", ONE_HOT) == (
        "m.csv:3: MEL is '0.7', neither 0 nor 1"
    )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ManifestOptions(path_column="idd"), "idd"),
        (ManifestOptions(path_column="id", label_columns=(("dxx", None),)), "dxx"),
        (ManifestOptions(path_column="id", label_columns=(("MEL", "1"),)), "MEL"),
    ],
)
def test_a_column_that_is_not_there_is_refused(options: ManifestOptions, name: str) -> None:
    assert refusal("id,dx\na,mel\n", options) == (
        f"m.csv:1: no column is called {name}; the header has id, dx"
    )


@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_is_looked_through_too(
    root: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    receive, send = os.pipe()
    rows = 'id;"d\nx"\n' + "".join(f"{at};{'mel' if at % 3 else 'nv'}\n" for at in range(3000))
    with os.fdopen(send, "wb") as file:
        data = b"sep=;\n" + rows.encode()
        file.write(gzip.compress(data) if packed else data)
    with os.fdopen(receive, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        options = ManifestOptions(path_column="id", label_columns=(("d\nx", None),))
        found = list(list_source("-", root, {**LABELS, "mel": 1, "nv": 0}, options))

    assert [row.label for row in found] == [int(at % 3 > 0) for at in range(3000)]
    assert found[0] == ListedImage("0", 0, {"d\nx": "nv"}, "standard input:4")


# Ids for paths


@pytest.mark.usefixtures("root")
def test_ids_are_looked_up_in_all_folders_below() -> None:
    touch("images/a/ISIC_1.jpg", "images/b/c/isic_2.JPG", "images/3.Png", "images/x/img_4.jpeg")

    assert listed("id\nISIC_1\nISIC_2\n3\nIMG_4.jpg\nx/img_4\nX/IMG_4.JPEG\n") == [
        *["images/a/ISIC_1.jpg", "images/b/c/isic_2.JPG", "images/3.Png"],
        *["images/x/img_4.jpeg"] * 3,
    ]


@pytest.mark.usefixtures("root")
def test_composed_and_decomposed_letters_are_alike() -> None:
    name = "N\u00e6vus \u00fc\u00e9"
    touch(f"images/{unicodedata.normalize('NFD', name)}1.jpg")
    touch(f"images/{unicodedata.normalize('NFC', name)}2.jpg")

    found = listed(f"id\n{name}1\n{unicodedata.normalize('NFD', name).upper()}2\n")

    assert len(found) == 2
    assert all(Path(path).is_file() for path in found)


def test_several_folders_that_overlap(root: Path) -> None:
    touch("one/1.jpg", "one/two/2.jpg")
    options = ManifestOptions(images=("one/two", "one", str(root)), path_column="id")

    assert listed("id\n1\n2\n", options) == ["one/1.jpg", "one/two/2.jpg"]


@pytest.mark.parametrize("other", ["images/b/1.jpg", "images/1.png", "images/a/1.JPG"])
@pytest.mark.usefixtures("root")
def test_two_files_for_one_id_are_an_error_that_names_both(other: str) -> None:
    touch("images/a/1.jpg", "images/2.jpg", other)

    with pytest.raises(SourceError) as caught:
        listed("id\n2\n1\n")

    assert caught.value.message.startswith("m.csv:3: two files for 1: images/")
    assert "images/a/1.jpg" in caught.value.message
    assert other in caught.value.message
    assert listed("id\n2\n") == ["images/2.jpg"]  # they do no harm to others


@pytest.mark.usefixtures("root")
def test_an_ending_or_a_folder_tells_two_files_apart() -> None:
    touch("images/a/1.jpg", "images/a/1.png", "images/b/1.jpg")

    assert listed("id\na/1.jpg\n1.png\nb/1\n") == [
        *["images/a/1.jpg", "images/a/1.png", "images/b/1.jpg"]
    ]


@pytest.mark.usefixtures("root")
def test_ids_without_a_file_are_counted_named_and_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    touch("images/1.jpg")

    found = listed("id\n1\n" + "".join(f"x{at}\n" for at in range(7)))

    assert found == ["images/1.jpg", *(f"images/x{at}" for at in range(7))]
    assert capsys.readouterr().err == (
        "m.csv: 7 of 8 images have no file under images: x0, x1, x2, x3, x4 and 2 more; they are "
        "listed, and end as missing\n"
    )
    with pytest.raises(ImageError) as caught:
        read_image(Path.cwd(), found[-1])
    assert caught.value.code == "missing"


@pytest.mark.usefixtures("root")
def test_no_file_for_any_id_is_refused() -> None:
    touch("images/1.jpg")

    with pytest.raises(SourceError, match=r"none of its 2 images \(id: x, y\) has a file under"):
        listed("id\nx\ny\n")


@pytest.mark.parametrize(
    ("folder", "said"),
    [("nowhere", "there is no such folder"), ("..", "lies outside DATA_ROOT")],
)
@pytest.mark.usefixtures("root")
def test_a_folder_that_does_not_fit_is_refused(folder: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        listed("id\nx\n", ManifestOptions(images=(folder,), path_column="id"))


@pytest.mark.parametrize("source", ["images", "images/1.jpg", "images/*", "nothing.csv"])
def test_options_of_manifests_are_refused_without_one(root: Path, source: str) -> None:
    touch("images/1.jpg")

    with pytest.raises(SourceError, match="--path-column needs a CSV manifest"):
        list(list_source(source, root, LABELS, ManifestOptions(path_column="id")))


# The command


def test_the_command_takes_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = stub_site(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHECKPOINT", site.settings["CHECKPOINT"])
    touch("part_1/i1.jpg", "part_2/i2.jpg")
    Path("m.csv").write_text("lesion;id;dx\nl1;i1;mel\nl2;i2;NV\nl3;i3;unk\n")
    images = "--images part_1 --images part_2 --path-column id --label-column dx"
    words = f"enqueue m.csv {images} --label mel=1 --label nv=0"

    refused = CliRunner().invoke(producer, words.split())
    (pasted,) = re.findall(r"or none: (.+)$", refused.stderr.strip())
    done = CliRunner().invoke(producer, f"{words} {pasted}".split())

    assert refused.exit_code == 1
    assert done.exit_code == 0, done.output
    assert "1 of 3 images have no file under part_1, part_2: i3" in done.stderr
    assert "malignant: mel (1); benign: NV (1); without label: unk (1)" in done.stderr
    assert "3 images (3 new, 1 of the new without label)" in done.stdout


def test_one_column_or_several_with_meanings() -> None:
    words = ["enqueue", "m.csv", "--label-column", "dx", "--label-column", "MEL=1"]

    assert "give one column of values, or several" in CliRunner().invoke(producer, words).stderr


@pytest.mark.parametrize("label", ["Melanoma=0", "seborrheic-keratosis=1", "NEVUS=1"])
def test_a_known_word_is_not_turned_round_in_any_spelling(label: str) -> None:
    done = CliRunner().invoke(producer, ["enqueue", "m.csv", "--label", label])

    assert "is known as" in done.stderr
    assert done.exit_code == 2


PIECES = st.sampled_from(
    [
        *["id", "dx", "MEL", "NV", "path", "label", "lesion_id,image_id,dx\n", "image_id"],
        *["mel", "nv", "0", "1", "1.0", "x", " ", "é", "ISIC_0000001,benign\n", "sep=;\n"],
        *[",", ",", ";", "\t", '"', "\n", "\n", "\r\n", "\r", "\0", "\ufeff", "\udcff", "\udc81"],
    ]
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.sampled_from(["", "id,dx\n", "id;MEL;NV\n", "lesion_id,image_id,dx\n"]),
    st.lists(PIECES, max_size=25).map("".join),
    st.sampled_from([DX, ONE_HOT, ManifestOptions(), ManifestOptions(images=("x",))]),
    st.booleans(),
)
def test_any_text_is_rows_or_refused_in_one_line(
    header: str, text: str, options: ManifestOptions, packed: bool
) -> None:
    data = (header + text).encode("utf-8", "surrogateescape")
    file = io.BytesIO(gzip.compress(data) if packed else data)
    message, rows = "m.csv: nothing", []
    try:
        rows = list(read_manifest(file, "m.csv", options, GivenLabels({"mel": 1, "nv": 0})))
    except SourceError as error:
        message = error.message

    assert re.fullmatch(r"m\.csv: nothing|m\.csv(:[1-9][0-9]*)?: .+", message)
    assert all(row.path.strip() and row.label in {0, 1, None} for row in rows)
