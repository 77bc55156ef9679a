"""Numbers in bands: decades of age, or between cuts that were given. Pure."""

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

from report.grouping.coded import Coded, merged
from report.metrics.subgroups import is_known

# An age column with more different values is shown in decades.
MOST_AGES = 10
_AGE = re.compile(r"((?<![A-Za-z])(age|AGE)|Age)(?![a-z])")


def number(text: str) -> float | None:
    """The finite number that a text is, else None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_ages(column: str, values: Sequence[str | None]) -> bool:
    """Whether a column is called age, as in `age_approx`, and holds more ages than can be shown."""
    known = [value for value in values if is_known(value)]
    ages = [number(value or "") for value in known]
    return (
        _AGE.search(column) is not None
        and len(ages) > MOST_AGES
        and all(age is not None and age >= 0 for age in ages)
    )


def in_decades(coded: Coded) -> Coded:
    """Ages as 0-9, 10-19 and so on, by the whole years of age."""
    return _banded(coded, lambda age: int(age // 10), lambda at: f"{10 * at}-{10 * at + 9}")


def between(coded: Coded, cuts: Sequence[float]) -> Coded:
    """Numbers below the first of the rising `cuts`, from each to below the next, and from the last.

    Raises:
        ValueError: a known value is no number; it names the value.
    """
    known = [value for value in coded.values if is_known(value)]
    odd = next((value for value in known if number(value or "") is None), None)
    if odd is not None:
        raise ValueError(odd)
    whole = all(float(value or 0).is_integer() for value in known) and all(
        cut.is_integer() for cut in cuts
    )
    return _banded(
        coded, lambda value: bisect_right(cuts, value), lambda at: _label(cuts, at, whole=whole)
    )


def _label(cuts: Sequence[float], at: int, *, whole: bool) -> str:
    if at == 0:
        return f"under {cuts[0]:.10g}"
    if at == len(cuts):
        return f"{cuts[-1]:.10g} and over"
    low, high = cuts[at - 1], cuts[at]
    if not whole:
        return f"{low:.10g} to under {high:.10g}"
    return f"{low:.10g}" if low == high - 1 else f"{low:.10g}-{high - 1:.10g}"


def _banded(coded: Coded, band: Callable[[float], int], label: Callable[[int], str]) -> Coded:
    bands = [band(float(value or 0)) if is_known(value) else None for value in coded.values]
    return merged(coded.codes, bands, label)
