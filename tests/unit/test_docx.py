import sys
from io import BytesIO

import pytest
from docx import Document

from report.render.document import Heading, Part
from report.render.docx import DocxError, as_docx
from report.table import Table

PARTS: list[Part] = [
    Heading("Run 1 of a_b%c\\"),
    "a line",
    Table(
        ("images", "", ""), (("listed", "3", "<&>"), ("mélanome 黒", "1", "\x00")), frozenset({1})
    ),
]


def test_without_the_library_one_line_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "docx", None)

    with pytest.raises(DocxError, match=r"pip install 'dermscore\[docx\]'"):
        as_docx(PARTS)


def test_headings_lines_and_tables() -> None:
    read = Document(BytesIO(as_docx(PARTS)))

    assert [each.text for each in read.paragraphs] == ["Run 1 of a_b%c\\", "a line", ""]
    (table,) = read.tables
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["images", "", ""],
        ["listed", "3", "<&>"],
        ["mélanome 黒", "1", "\\x00"],
    ]
