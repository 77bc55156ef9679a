from math import comb

import pytest

from report.left_out.by_class import ByClass, ClassFlow, by_class, codes
from report.left_out.worst_case import (
    WorstCase,
    class_words,
    loses_more,
    worst_sensitivity,
    worst_specificity,
    worst_words,
)
from report.metrics.confusion import Confusion


def lost(malignant: tuple[int, int], benign: tuple[int, int]) -> ByClass:
    """Of each class how many are unscored, and how many listed."""
    (a, m), (b, n) = malignant, benign
    return ByClass(ClassFlow(m, a, {"corrupt": a}), ClassFlow(n, b, {"corrupt": b}))


def fisher(a: int, m: int, b: int, n: int) -> float:
    """The two-sided p by all tables of the same margins that are no more probable."""
    tables = {
        x: comb(m, x) * comb(n, a + b - x) for x in range(max(0, a + b - n), min(m, a + b) + 1)
    }
    given = tables[a]
    return sum(each for each in tables.values() if each <= given) / comb(m + n, a + b)


@pytest.mark.parametrize("m", [4, 10])
@pytest.mark.parametrize("n", [6, 15])
def test_a_warning_exactly_where_fishers_test_is_below_its_level(m: int, n: int) -> None:
    for a in range(m + 1):
        for b in range(n + 1):
            words = loses_more(lost((a, m), (b, n)))
            assert (words is not None) == (fisher(a, m, b, n) < 0.05), (a, m, b, n)
            if words is not None:
                more = "malignant" if a / m > b / n else "benign"
                assert f"{more} ones are missing more often" in words


def test_a_class_that_is_not_there_loses_nothing() -> None:
    assert loses_more(lost((0, 0), (9, 20))) is None
    assert loses_more(lost((0, 10), (0, 20))) is None


def test_counts_by_class_and_code() -> None:
    errors = {(1, "corrupt"): 2, (0, "corrupt"): 1, (0, "empty"): 4, (None, "corrupt"): 1}

    assert codes(errors) == {"corrupt": 4, "empty": 4}
    found = by_class({1: 10, 0: 20, None: 3}, errors)
    assert found.malignant == ClassFlow(10, 2, {"corrupt": 2})
    assert found.benign == ClassFlow(20, 5, {"empty": 4, "corrupt": 1})
    assert found.unlabelled == ClassFlow(3, 1, {"corrupt": 1})
    assert class_words(found, "corrupt") == "2 malignant, 1 benign, 1 unlabelled"
    assert class_words(found, "missing") == ""


def test_the_worst_case_takes_every_unscored_image_as_wrong() -> None:
    table = Confusion(tp=64, fp=175, tn=308, fn=0)
    some = lost((53, 117), (0, 483))

    words = worst_words(worst_sensitivity(table, some), "missed")
    assert words == "64/117 if the unscored count as missed"
    assert worst_specificity(table, some) is None
    assert worst_words(None, "missed") == ""
    assert worst_specificity(table, lost((0, 64), (17, 500))) == WorstCase(308, 500, 17)
