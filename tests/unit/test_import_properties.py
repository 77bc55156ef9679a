"""Files of scores: what pandas reads fast is what the csv module reads, and float() the numbers."""

import csv
import io
import math
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from report.exchange.csv_file import CsvFile
from report.exchange.importing import Columns, read_import

PLAIN = ["a", "b", "", " ", " a", "NA", "nan", "1.0", "é", "\u2028", "\x85", "\x1c", "#", "'", "\\"]
QUOTED = ['"', 'a"b', '"a"b', '"a""b"', '"a,b"', '"a\nb"', "\0", "x" * 140_000]
ENDS = ["\n", "\r\n", "\r"]


def tables(cells: list[str]) -> st.SearchStrategy[str]:
    """Three columns under a header; most rows have three cells too."""
    cell = st.sampled_from(cells)
    row = st.lists(cell, min_size=3, max_size=3) | st.lists(cell, min_size=1, max_size=4)
    lines = st.lists(row.map(",".join), max_size=5)
    return st.builds(
        lambda rows, end, last: end.join(["x,y,z", *rows]) + end * last,
        lines,
        st.sampled_from(ENDS),
        st.integers(0, 2),
    )


REAL = st.floats(0, 1)
NUMBERS = (
    REAL.map(repr)
    | REAL.map("{:.17f}".format)
    | REAL.map("{:.25e}".format)
    | REAL.map("{: .3g} ".format)
    | st.text("0123456789", min_size=15, max_size=40).map("0.{}".format)
    | st.text("0123456789.e-+_ x", max_size=8)
    | st.sampled_from(["1", "-0.0", "5e-324", "1.00000000000000001", "1e-400", "٠.٥", "inf", "nan"])
)
EACH = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def by_csv_module(text: str, separator: str) -> tuple[list[int], list[list[str]]]:
    """Lines and cells of the rows above the first fault."""
    lines: list[int] = []
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    width = len(next(reader))
    try:
        for row in reader:
            if any(row) and len(row) != width:
                break
            if any(row):
                lines.append(reader.line_num)
                rows.append([cell.strip() for cell in row])
    except csv.Error:
        pass
    return lines, rows


@EACH
@given(tables(PLAIN) | tables(PLAIN + QUOTED), st.booleans(), st.sampled_from(",;\t"))
@example("x,y,z\r,a,b\rc,d,e", False, ",")  # pandas takes ",a,b" for "a,b"
@example("x,y,z\n1,2,3,4\n5,6\n", False, ",")  # as many commas as two whole rows
@example("x,y,z\n,,\n1,2,3\n", False, ";")
@example("x,y,z\n1,2," + "x" * 140_000, False, ",")
def test_cells_are_what_the_csv_module_reads(
    tmp_path: Path, text: str, mark: bool, separator: str
) -> None:
    text = text.replace(",", separator)
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode("utf-8-sig" if mark else "utf-8"))
    lines, expected = by_csv_module(text.partition("\0")[0], separator)
    frame, fault = CsvFile(path).cells()
    if "\0" in text:  # refused by its line, of which the row that it stands in ends above
        assert fault is not None
        lines, expected = lines[: len(frame)], expected[: len(frame)]
    assert frame.index.tolist() == lines
    assert frame.to_numpy().tolist() == expected


@EACH
@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_scores_are_what_float_reads(tmp_path: Path, texts: list[str]) -> None:
    scores, truth = tmp_path / "s.csv", tmp_path / "t.csv"
    scores.write_text("id,score\n" + "".join(f"{at},{one}\n" for at, one in enumerate(texts)))
    truth.write_text("id,label\n" + "".join(f"{at},1\n" for at in reversed(range(len(texts)))))
    expected = [number(one) for one in texts]
    if None in expected:
        at = expected.index(None)
        words = f"{scores}:{at + 2}: the score {texts[at].strip()!r} is not a number between"
        with pytest.raises(click.ClickException) as caught:
            read_import(scores, truth, Columns(), lambda _: None)
        assert caught.value.message.startswith(words)
    else:
        read = read_import(scores, truth, Columns(), lambda _: None)
        got = {image.listed.path: image.score for image in read.images()}
        assert [bits(got[str(at)]) for at in range(len(texts))] == [bits(one) for one in expected]


def number(text: str) -> float | None:
    """What Python reads, if that is a score."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 and "_" not in text else None


def bits(value: float | None) -> str:
    """A double to its last bit, the sign of zero included."""
    assert value is not None
    assert not math.isnan(value)
    return value.hex()
