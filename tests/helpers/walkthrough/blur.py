"""What two outputs of the same command may differ in. Pure.

This is the only place that says so: every other word and every count must be the same.
"""

import re
from itertools import zip_longest

# Each kind of word that is another one on another machine, or another day.
_BLURRED = (
    (re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?"), "<date>"),
    (re.compile(r"\b[0-9a-f]{64}\b|\b(?=\w*\d)[0-9a-f]{12}\b"), "<digest>"),
    (re.compile(r"celery@[\w.-]+"), "<worker>"),
    (re.compile(r"(?<![\w.:])(?:sqlite:///)?/[\w./-]+"), "<path>"),
    (re.compile(r"\d+(?:\.\d+)? images/s"), "<rate> images/s"),
    (re.compile(r"on (?:CPU|GPU) \(\d+ threads?\)"), "on <device>"),
    (re.compile(r"(?<=\s)(?:\d+ (?:d|h|min) )?\d+(?:\.\d+)? (?:ms|s|min|h)\b"), "<time>"),
    (re.compile(r"(?<=read )[\d.]+|(?<=decode )[\d.]+|(?<=compute )[\d.]+"), "<seconds>"),
)
# A column is as wide as its longest word, and a rule as long as what it is under.
_BLANKS = re.compile(r"\s+|(?<=-)-+|(?<=─)─+")
_DECIMAL = re.compile(r"\d+\.\d+")
# Of a decimal: how far it may be off, in units of its last digit, and as a share of it.
_UNITS, _SHARE = 2, 0.005
# A network that is trained from scratch is another one on another kind of processor, because
# rounding errors grow from step to step. There only the words of the lines that show its scores
# are compared: those with a fraction, a cell of the 2x2 table, an epoch, or patients.
_OF_SCORES = re.compile(r"\d\.\d|\d/\d|^truly |\bepoch |\bpatients\b")
_NUMBER = re.compile(r"\d+(?:,\d+)*|<decimal>")


def same(one: str, other: str, *, figures: bool = True) -> bool:
    """Whether two lines say the same; without `figures`, whatever a trained network decides."""
    (words, numbers), (others, other_numbers) = _parts(one), _parts(other)
    if not figures and _OF_SCORES.search(one) and _OF_SCORES.search(other):
        return _NUMBER.sub("<n>", words) == _NUMBER.sub("<n>", others)
    return words == others and all(map(_close, numbers, other_numbers))


def differences(page: list[str], output: list[str], *, figures: bool = True) -> list[str]:
    """What differs, line by line: what the page has, and what was printed."""
    return [
        f"- {ours if ours is not None else '(no line)'}\n"
        f"+ {theirs if theirs is not None else '(no line)'}"
        for ours, theirs in zip_longest(page, output)
        if ours is None or theirs is None or not same(ours, theirs, figures=figures)
    ]


def kept(page: list[str], output: list[str]) -> list[str]:
    """The output, with the page's own line for each that says the same."""
    return [next((line for line in page if same(line, new)), new) for new in output]


def _parts(line: str) -> tuple[str, list[str]]:
    """The line without what is blurred, and its decimals."""
    for pattern, word in _BLURRED:
        line = pattern.sub(word, line)
    return _BLANKS.sub(" ", _DECIMAL.sub("<decimal>", line)).strip(), _DECIMAL.findall(line)


def _close(one: str, other: str) -> bool:
    digits = len(one.partition(".")[2])
    if digits != len(other.partition(".")[2]):
        return False
    off = abs(float(one) - float(other))
    return off <= _UNITS * 10**-digits * 1.0001 or off <= _SHARE * abs(float(one))
