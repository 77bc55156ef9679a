"""How a CSV file is written: packed or not, its separator, Excel's `sep=` line, its encoding."""

import gzip
import io
import re
from typing import BinaryIO, NamedTuple

from base.console.foreign import shown
from base.console.shell import typed

SEPARATORS = ",;\t"
PATH_COLUMNS = ("filepath", "path")
# Excel writes this line, and hides it again when it opens the file.
_SEP_LINE = re.compile('"?sep=([,;\t])"?[,;\t]*[\r\n]*', re.IGNORECASE)
_SAVE_AS = "in Excel: File, Save As, type 'CSV UTF-8 (comma delimited)'"
_WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
GZIP = b"\x1f\x8b"
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Dialect(NamedTuple):
    """The separator of a file, and whether its first line only names it."""

    separator: str
    has_sep_line: bool = False


def dialect_of(line: str) -> Dialect:
    """What the first line of a file shows: `sep=;`, or a header with its separators."""
    named = _SEP_LINE.fullmatch(line)
    if named is not None:
        return Dialect(named[1], has_sep_line=True)
    if any(cell.strip(' "\r\n').lower() in PATH_COLUMNS for cell in line.split(",")):
        return Dialect(",")  # whatever its other columns are called
    plain = re.sub('"[^"]*"?', "", line)
    return Dialect(max(SEPARATORS, key=plain.count))  # a comma if there is none


def opened(file: BinaryIO, name: str) -> tuple[BinaryIO, str | None]:
    """The bytes of a CSV file, unpacked if it is gzip; and why they are not CSV, if they are not.

    A file without `peek`, such as `io.BytesIO`, is read through a buffer.
    """
    peeked = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    if peeked.peek(4).startswith(GZIP):
        peeked = io.BufferedReader(gzip.GzipFile(fileobj=peeked))
    return peeked, not_text(peeked.peek(64), name)


def not_text(head: bytes, name: str) -> str | None:
    """What a file is that begins like this and is not UTF-8 text, and how to save it as such."""
    if head.startswith((_ZIP, _OLE)):
        if name.lower().endswith(_WORKBOOKS) or b"[Content_Types].xml" in head:
            return f"it is a workbook and not CSV: save its sheet as CSV, {_SAVE_AS}"
        return "it is an archive or a workbook and not CSV"
    if head.startswith(_UTF_16):
        return f"it is UTF-16 text (Excel's 'Unicode Text'): save it as UTF-8, {_SAVE_AS}"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"||"):
        return (
            "its columns are separated by ||, as in PH2_dataset.txt: take PH2_dataset.xlsx "
            f"instead, and save its sheet as CSV, {_SAVE_AS}"
        )
    return None


def not_utf_8(text: str, name: str) -> str:
    """What is wrong with text whose bytes are not UTF-8 (they are surrogates), and a guess."""
    try:
        read = text.encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeDecodeError:
        return f"not UTF-8 text: save it as UTF-8, {_SAVE_AS}"
    word = next(word for word in re.split("[\\s,;\"']", read) if not word.isascii())
    back = typed("iconv", "-f", "WINDOWS-1252", "-t", "UTF-8", name)
    return (
        "not UTF-8 text but perhaps Windows-1252, also called Latin-1 (then it says "
        f"{shown(word)}): save it as UTF-8, {_SAVE_AS}, or with {back} > utf8.csv"
    )
