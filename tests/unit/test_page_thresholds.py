"""Rounded thresholds of the page; no browser is needed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.html.threshold_counts import GRID, count_by_threshold
from report.thresholds.threshold_text import threshold_text


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_a_rounded_threshold_selects_the_same_images(scores: list[float], at: float) -> None:
    drawn = np.array(scores)
    counts = count_by_threshold(np.ones(len(drawn), np.int8), drawn)
    for threshold in (at, *scores, (scores[0] + at) / 2):
        words = counts.rounded(threshold)
        assert ((drawn >= float(words)) == (drawn >= threshold)).all()
        assert len(words) <= max(len(threshold_text(threshold)), 6)


@pytest.mark.parametrize(
    ("threshold", "words"),
    [(0.23456789, "0.2346"), (0.23, "0.23"), (0.0, "0"), (1.0, "1"), (0.30000000000000004, "0.3")],
)
def test_few_digits_are_shown(threshold: float, words: str) -> None:
    scores = np.array([0.1, 0.2345, 0.3000001, 0.9])
    assert count_by_threshold(np.ones(4, np.int8), scores).rounded(threshold) == words


def test_of_a_list_cut_short_the_rounded_threshold_leads_back() -> None:
    scores = np.random.default_rng(3).random(9000)
    counts = count_by_threshold(np.ones(9000, np.int8), scores, 0.123456789)
    assert not counts.complete
    assert len(counts.thresholds) > GRID
    for threshold in counts.thresholds[::41].tolist():
        assert counts.nearest(float(counts.rounded(threshold))) == threshold
