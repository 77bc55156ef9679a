"""The report's tables as a Word document, by python-docx (the extra `docx`)."""

import re
from importlib import import_module
from io import BytesIO
from typing import Any

import click

from base.console.foreign import for_terminal
from report.render.document import Heading, Part, Warned
from report.table import Table

MISSING = "Word documents need python-docx: pip install 'dermscore[docx]'"
# What XML cannot hold, and is printable nevertheless.
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


class DocxError(click.ClickException):
    """A Word document cannot be made here."""


def as_docx(parts: list[Part]) -> bytes:
    """The bytes of a document.

    Raises:
        DocxError: python-docx is not installed.
    """
    try:
        library = import_module("docx")
    except ImportError:
        raise DocxError(MISSING) from None
    document: Any = library.Document()
    for part in parts:
        if isinstance(part, Table):
            _add_table(document, part)
        elif isinstance(part, Heading):
            document.add_heading(_words(part.words), level=1)
        else:
            document.add_paragraph(_words(part.words if isinstance(part, Warned) else part))
    held = BytesIO()
    document.save(held)
    return held.getvalue()


def _add_table(document: Any, table: Table) -> None:  # noqa: ANN401 - the library is optional
    rows = (table.headings, *table.rows)
    drawn = document.add_table(rows=len(rows), cols=len(table.headings), style="Table Grid")
    for cells, row in zip(drawn.rows, rows, strict=True):
        for cell, words in zip(cells.cells, row, strict=True):
            cell.text = _words(words)
    document.add_paragraph()


def _words(words: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", for_terminal(words))
