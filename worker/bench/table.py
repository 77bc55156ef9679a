"""The table of a comparison, and what to type. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from base.console.shell import typed
from db.precisions import PRECISIONS
from worker.bench.child import Measured, NotMeasured

_HEADINGS = (
    "checkpoint",
    "precision",
    "network images/s",
    "with decoding",
    "ratio",
    "peak memory",
    "score difference",
)
_NAMES = 2  # so many columns are words
# Less than this is not worth other scores.
_LEAST_GAIN = 1.05


class Row(NamedTuple):
    """What was found of a checkpoint in a precision; `name` is shown, and `path` is typed."""

    name: str
    path: str
    precision: str
    found: Measured | NotMeasured
    quantised: bool = False

    @property
    def kind(self) -> str:
        """What it computes in."""
        return "int8" if self.quantised else self.precision


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The lines: rates, and the ratio and the largest difference of a score to the first row."""
    base = _base(rows)
    cells = [_HEADINGS, *(_cells(row, base) for row in rows if isinstance(row.found, Measured))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = [
            cell.ljust(width) if at < _NAMES else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(padded).rstrip()
    for row in rows:
        if isinstance(row.found, NotMeasured):
            yield f"{row.name} in {row.kind}: n/a: {row.found.reason}"


def advice(rows: Sequence[Row]) -> str:
    """The line to type, and a remark on what it changes."""
    base = _base(rows)
    if base is None:
        return "nothing could be measured, so there is nothing to advise"
    measured = [(row, row.found) for row in rows if isinstance(row.found, Measured)]
    best, found = max(measured, key=lambda one: one[1].rate)
    gain = min(found.rate / base.rate, found.network_rate / base.network_rate)
    if gain < _LEAST_GAIN:
        best, found = next((row, one) for row, one in measured if one is base)
    line = typed("producer", "enqueue", "SOURCE", "--checkpoint", best.path)
    words = f"to type: {line}{'' if best.quantised else f' --precision {best.precision}'}"
    if found is base:
        return words
    return (
        f"{words}   (its scores differ by up to {_difference(found, base):.2g}: see whether they "
        "are as good with `report compare`)"
    )


def _base(rows: Sequence[Row]) -> Measured | None:
    """The first checkpoint in float32, with which all are compared; else the first measured."""
    measured = [row for row in rows if isinstance(row.found, Measured)]
    exact = [row for row in measured if row.kind == PRECISIONS[0]]
    found = next((row.found for row in [*exact, *measured]), None)
    return found if isinstance(found, Measured) else None


def _cells(row: Row, base: Measured | None) -> tuple[str, ...]:
    found = row.found
    assert isinstance(found, Measured), "others have no cells"  # noqa: S101
    assert base is not None, "one was measured"  # noqa: S101
    return (
        row.name,
        row.kind,
        f"{found.network_rate:.1f}",
        f"{found.rate:.1f}",
        f"{found.rate / base.rate:.2f}",
        f"{found.peak / 1e9:.2f} GB",
        f"{_difference(found, base):.2g}",
    )


def _difference(found: Measured, base: Measured) -> float:
    """The largest difference of a score that both gave."""
    both = found.scores.keys() & base.scores.keys()
    return max((abs(found.scores[path] - base.scores[path]) for path in both), default=0.0)
