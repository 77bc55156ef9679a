import io
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from base.listed_image import ListedImage
from imaging.errors import SourceError
from imaging.listing.manifest import read_manifest


def read(text: str | bytes) -> list[ListedImage]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_manifest(io.BytesIO(data), "m.csv"))


def refusal(text: str | bytes) -> str:
    with pytest.raises(SourceError) as caught:
        read(text)
    return caught.value.message


@pytest.mark.parametrize("column", ["filepath", "path"])
def test_a_row_is_a_path_a_label_and_attributes(column: str) -> None:
    assert read(f"{column},label,sex,age\na.jpg,1,f,50\nb.jpg,0,,\n") == [
        ListedImage("a.jpg", 1, {"sex": "f", "age": "50"}, "m.csv:2"),
        ListedImage("b.jpg", 0, {"sex": "", "age": ""}, "m.csv:3"),
    ]


def test_a_path_alone_is_enough() -> None:
    assert read("path\na.jpg\n") == [ListedImage("a.jpg", None, None, "m.csv:2")]


@pytest.mark.parametrize(
    ("text", "label"), [("0", 0), ("1", 1), ("0.0", 0), ("1.0", 1), ("", None), (" 1 ", 1)]
)
def test_a_label_is_0_or_1_or_unknown(text: str, label: int | None) -> None:
    assert read(f"path,label\na.jpg,{text}\n")[0].label == label


@pytest.mark.parametrize("text", ["2", "-1", "0.5", "benign", "nan", "true", "01"])
def test_any_other_label_is_refused_by_its_line(text: str) -> None:
    message = refusal(f"path,label\na.jpg,1\nb.jpg,{text}\n")

    hint = "; if the column holds words, give --label-column label" if text.isalpha() else ""
    said = f"label '{text}' is neither 0 (benign) nor 1 (malignant) nor empty"
    assert message == f"m.csv:3: {said}{hint}"


def test_lines_are_counted_through_quoted_fields_of_several_lines() -> None:
    text = 'path,label,note\na.jpg,1,"one\ntwo\nthree"\n\nb.jpg,x,\n'

    assert refusal(text).startswith("m.csv:6: label 'x'")


ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("column", ["sha256", "SHA256"])
@pytest.mark.parametrize(
    ("text", "digest"), [(ABC, ABC), (f" {ABC.upper()}", ABC), ("", ""), (" ", "")]
)
def test_a_digest_is_an_attribute_in_one_spelling(column: str, text: str, digest: str) -> None:
    assert read(f"path,{column}\na.jpg,{text}\n")[0].attributes == {"sha256": digest}


@pytest.mark.parametrize("text", ["abc", ABC[:-1], f"{ABC}0", ABC.replace("b", "g")])
def test_any_other_digest_is_refused_by_its_line(text: str) -> None:
    message = refusal(f"path,sha256\na.jpg,{ABC}\nb.jpg,{text}\n")

    assert message == f"m.csv:3: sha256 '{text}' is neither 64 hex digits nor empty"


def test_an_unnamed_column_is_an_index_and_passed_over() -> None:
    rows = read(",path,label,,sex\n0,a.jpg,1,9,f\n")

    assert rows == [ListedImage("a.jpg", 1, {"sex": "f"}, "m.csv:2")]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath,label\na.jpg,1\n",
        "path,label\r\na.jpg,1\r\n",
        "path,label\na.jpg,1",
        '"path","label"\n"a.jpg","1"\n',
        "path,label\n\na.jpg,1\n\n\n",
    ],
    ids=["byte order mark", "CRLF", "no end of line", "quoted", "blank lines"],
)
def test_spreadsheets_write_it_in_many_ways(text: str) -> None:
    assert [(row.path, row.label) for row in read(text)] == [("a.jpg", 1)]


def test_both_path_columns_are_one_too_many() -> None:
    assert refusal("path,filepath\na,b\n") == (
        "m.csv:1: one column must be called filepath or path, or be named with --path-column; "
        "the header has path, filepath"
    )


def test_without_a_path_column_the_header_is_shown() -> None:
    assert refusal("image,target\na,1\n") == (
        "m.csv:1: one column must be called filepath or path, or be named with --path-column; "
        "the header has image, target"
    )


def test_two_columns_of_one_name_are_refused() -> None:
    assert refusal("path,sex,sex\na,f,m\n") == "m.csv:1: two columns are called sex"


@pytest.mark.parametrize(("row", "fields"), [("a.jpg", 1), ("a.jpg,1,f", 3)])
def test_a_row_that_is_too_short_or_too_long_is_refused(row: str, fields: int) -> None:
    assert refusal(f"path,label\n{row}\n") == f"m.csv:2: {fields} fields under 2 columns"


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_refused(path: str) -> None:
    assert refusal(f"path,label\na.jpg,0\n{path},1\n").startswith("m.csv:3: the path is empty")


@pytest.mark.parametrize("row", ["a\0.jpg,f", "a.jpg,\0"])
def test_a_nul_in_a_row_is_refused(row: str) -> None:
    assert refusal(f"path,sex\n{row}\n").startswith("m.csv:2: ")


def test_a_nul_in_the_header_is_refused() -> None:
    assert refusal("path,se\0x\na.jpg,f\n").startswith("m.csv:1: ")


def test_an_empty_file_has_no_columns() -> None:
    assert refusal("").endswith("the header has no columns")


def test_a_header_alone_lists_nothing() -> None:
    assert read("path,label\n") == []


def test_an_open_quote_is_refused() -> None:
    assert refusal('path,label\n"a.jpg,1\n').startswith("m.csv:2: not CSV: unexpected end of data")


def test_text_that_is_not_utf_8_is_refused_by_its_line() -> None:
    text = "path,note\na.jpg,one\nb.jpg,two\nc.jpg,caf\xe9\nd.jpg,four\n".encode("latin-1")

    assert refusal(text).startswith("m.csv:4: ")


def test_rows_before_a_bad_one_are_streamed() -> None:
    rows = read_manifest(io.BytesIO(b"path\na.jpg\nb.jpg\n,\n"), "m.csv")

    assert [next(rows).path, next(rows).path] == ["a.jpg", "b.jpg"]
    with pytest.raises(SourceError, match=r"^m\.csv:4: 2 fields under 1 columns"):
        next(rows)


PIECES = st.sampled_from(
    [
        *["path", "filepath", "label", "a.jpg", "0", "1", "x", " ", "é", "/", ".."],
        *[",", ",", '"', "\n", "\n", "\r\n", "\r", "\0", "\ufeff", "\udcff"],
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(["", "path,label\n"]))
@example('path\n"' + "x" * 140_000 + '"\n', "")
@example("path,s\0\na,\n", "")
def test_any_bytes_are_rows_or_refused_by_their_line(text: str, header: str) -> None:
    message, rows = "", []
    try:
        rows = read((header + text).encode("utf-8", "surrogateescape"))
    except SourceError as error:
        message = error.message

    assert re.fullmatch(r"(m\.csv:[1-9][0-9]*: .+)?", message)
    assert all(row.path.strip() and row.label in {0, 1, None} for row in rows)
    assert r"\x00" not in repr(rows)
