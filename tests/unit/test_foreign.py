"""What becomes of words that are not the program's own, by the kind of output they go to."""

import ast
import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment

from base.console.foreign import (
    for_csv,
    for_html,
    for_json,
    for_log,
    for_markdown,
    for_picture,
    for_terminal,
    shown,
)

ROOT = Path(__file__).parents[2]
PACKAGES = ("base", "db", "imaging", "model", "producer", "report", "trainer", "worker")
# Any character, lone surrogates too, and often those that this is about.
WORDS = st.text(
    st.characters()
    | st.sampled_from(
        "\\xuU015bce\x1b\r\n\t\x7f\x85\x9b\u200b\u2028\u202e\u2066\ufeff\ue000\udce9|"
    ),
    max_size=30,
)
# Controls, formats, separators of lines, surrogates, private use, unassigned.
NEVER = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
KINDS = [shown, for_terminal, for_log, for_html, for_picture, for_markdown, for_csv]


def spelled_back(text: str) -> str:
    """The word that `shown` was given."""
    # Not \x80 to \xff: a name whose bytes are not UTF-8 is stored with these, and shown so.
    spelled = r"\\(?:x([01][0-9a-f]|5c|7f)|u([0-9a-f]{4})|U(000[0-9a-f]{5}|0010[0-9a-f]{4}))"
    return re.sub(spelled, lambda found: chr(int(found[1] or found[2] or found[3], 16)), text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("zażółć − 二.jpg", "zażółć − 二.jpg"),
        ('a b\'s "c"', 'a b\'s "c"'),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\u009b31m"),
        ("one\r\ntwo\tthree\x7f", r"one\x0d\x0atwo\x09three\x7f"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\u0085d"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\u2066a\u2069\u200e\u061c", r"\u2066a\u2069\u200e\u061c"),
        ("a\u200bb\ufeffc\u00add", r"a\u200bb\ufeffc\u00add"),
        ("a\u3164b\u2800c\u034fd\ufe0f", r"a\u3164b\u2800c\u034fd\ufe0f"),
        ("\ud800\ue000\u0378", r"\ud800\ue000\u0378"),
        ("\U000e0041\U0010fffd", r"\U000e0041\U0010fffd"),
        # What was spelled out by somebody else stays as it is, unless it would pass for ours.
        (r"caf\xe9.jpg", r"caf\xe9.jpg"),
        (r"images\new\test.jpg", r"images\new\test.jpg"),
        (r"\x1b \u202e \x5c", r"\x5cx1b \x5cu202e \x5cx5c"),
    ],
)
def test_a_name_is_spelled_out_where_it_would_not_be_seen_as_it_is(
    word: str, expected: str
) -> None:
    assert shown(word) == expected


@given(WORDS)
@example("\\\x1b")
@example("\\x5cx1b")
@example("\\U0010fffd\U0010fffd")
def test_no_two_names_are_shown_alike(word: str) -> None:
    assert spelled_back(shown(word)) == word


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(word=WORDS)
def test_no_kind_of_output_lets_a_control_through(
    kind: Callable[[object], object], word: str
) -> None:
    told = str(kind(word))
    assert not {unicodedata.category(letter) for letter in told} & NEVER
    assert len(told.splitlines()) <= 1


@given(WORDS)
def test_a_line_that_was_spelled_out_is_not_spelled_out_again(word: str) -> None:
    for kind in (for_terminal, for_log, for_html):
        assert kind(kind(word)) == kind(word)
        assert kind(shown(word)) == shown(word)


@given(st.dictionaries(WORDS, WORDS, max_size=3))
def test_json_loses_nothing(value: dict[str, str]) -> None:
    text = for_json(value)
    assert json.loads(text) == value
    assert for_terminal(text) == text


@given(WORDS)
def test_a_csv_cell_is_one_cell_and_no_formula(word: str) -> None:
    line = io.StringIO()
    csv.writer(line).writerow((for_csv(word), 1))
    ((cell, one),) = csv.reader(io.StringIO(line.getvalue(), newline=""))
    assert one == "1"
    assert cell == for_csv(word)
    assert cell.removeprefix("'") == shown(word).removeprefix("'")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))


@pytest.mark.parametrize("number", [-0.5, 0, None, 1e-7])
def test_a_number_is_no_formula(number: float | None) -> None:
    assert for_csv(number) is number


@given(WORDS)
def test_markdown_finds_no_markup(word: str) -> None:
    told = for_markdown(word)
    assert not re.search(r"[`*_{}\[\]<>#|~$&\\]", re.sub(r"\\.", "", told))


@given(WORDS)
def test_a_page_holds_the_words_as_text(word: str) -> None:
    made = Environment(autoescape=True).from_string("{{ word }}").render(word=for_html(word))
    assert not re.search("[<>\"']", made)


@given(WORDS)
def test_a_picture_has_no_formula(word: str) -> None:
    assert re.sub(r"\\\$", "", for_picture(word)).count("$") == 0


# --- the one place

# Documents that hold their own line ends, and the line that counts on a terminal.
ECHOES = {
    "base/console/telling.py": 1,
    "base/console/progress_counter.py": 2,
    "producer/history.py": 1,
    "producer/show.py": 2,
    "report/actions/check_figures.py": 1,
    "report/actions/compare_runs.py": 1,
    "report/actions/compare_several_runs.py": 1,
    "report/actions/fill_checklist.py": 1,
    "report/actions/list_thresholds.py": 1,
    "report/actions/show_report.py": 1,
    "trainer/train.py": 1,
    "trainer/evaluate.py": 1,
}


def test_lines_are_told_in_one_place() -> None:
    """A new command prints by `tell`; `click.echo` is for documents made of words like these."""
    found: dict[str, int] = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "click.echo", "click.secho", "print",
            }:  # fmt: skip
                name = str(path.relative_to(ROOT))
                found[name] = found.get(name, 0) + 1
    assert found == ECHOES
