"""`report check`: the verdict against every table there is, counted one by one."""

import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import one_line, report, succeed

from report.metrics.confusion import Confusion
from report.metrics.consistency import NAMES, CheckError, Claim, Published, check, figure_of, parse

TUTORIAL = "n_pos=117 n_neg=483 sens=.675 spec=.638"


def tables(positives: int, negatives: int) -> list[Confusion]:
    return [
        Confusion(tp=tp, fn=positives - tp, tn=tn, fp=negatives - tn)
        for tp in range(positives + 1)
        for tn in range(negatives + 1)
    ]


def gives(table: Confusion, claim: Claim) -> bool:
    found = {name: figure_of(name, table) for name in claim.figures}
    return all(
        (exact := found[name]) is not None and abs(exact - figure.value) <= figure.half
        for name, figure in claim.figures.items()
    )


def test_the_tutorials_three_figures_are_of_no_one_table() -> None:
    done = report("check", f"{TUTORIAL} acc=.798")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("inconsistent: no 2x2 table of 117 malignant and 483 benign images")
    assert "acc 0.7975 to 0.7985" in lines[0]
    assert "without acc, the others can come from one table" in lines
    assert done.stderr == ""


def test_with_the_right_accuracy_they_are_of_exactly_one() -> None:
    said = succeed("check", f"{TUTORIAL} acc=.645")
    assert said.splitlines()[0].startswith("consistent: one 2x2 table of 117 malignant")
    assert said.splitlines()[1:] == ["  TP 79, FN 38, TN 308, FP 175"]


def test_many_tables_are_counted_and_not_listed() -> None:
    said = succeed("check", "n_pos=117", "n_neg=483", "acc=.80")
    claim = parse("n_pos=117 n_neg=483 acc=.80")
    number = sum(gives(table, claim) for table in tables(117, 483))
    assert said.startswith(f"consistent: {number:,} 2x2 tables of")
    assert len(said.splitlines()) == 1


def test_nothing_is_logged_in_a_process_of_its_own() -> None:
    code = "from report.cli import main; main(['check', 'n_pos=9 n_neg=9 sens=.333 acc=.5000'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.dictionaries(
        st.sampled_from(sorted(NAMES)), st.tuples(st.integers(0, 100), st.integers(1, 2)),
        min_size=1, max_size=4,
    ),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_as_every_table_says(
    positives: int, negatives: int, figures: dict[str, tuple[int, int]]
) -> None:
    claim = Claim(
        positives,
        negatives,
        {
            name: Published(
                Fraction(min(number, 10**digits), 10**digits), Fraction(1, 2 * 10**digits)
            )
            for name, (number, digits) in figures.items()
        },
    )
    possible = [table for table in tables(positives, negatives) if gives(table, claim)]
    verdict = check(claim)
    assert verdict.consistent == bool(possible)
    if verdict.tables:
        assert sorted(verdict.tables, key=str) == sorted(possible, key=str)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
@settings(deadline=None, max_examples=100)
def test_what_is_rounded_from_a_table_is_consistent(p: int, n: int, data: st.DataObject) -> None:
    tp, tn = data.draw(st.integers(0, p)), data.draw(st.integers(0, n))
    table = Confusion(tp=tp, fn=p - tp, tn=tn, fp=n - tn)
    names = data.draw(st.sets(st.sampled_from(sorted(NAMES)), min_size=1))
    digits = data.draw(st.integers(1, 6))
    exact = {name: value for name in names if (value := figure_of(name, table)) is not None}
    if exact:
        words = " ".join(f"{name}={float(value):.{digits}f}" for name, value in exact.items())
        assert check(parse(f"n_pos={p} n_neg={n} {words}")).consistent, words


def test_a_figure_that_is_undefined_was_not_published() -> None:
    # Nobody positive: the PPV is 0/0, which mlscorecheck would let be 1.
    assert not check(parse("n_pos=3 n_neg=3 ppv=1.0 sens=0.0")).consistent


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("sens=.675", "0.6745", "0.6755"),
        ("recall=0.7", "0.65", "0.75"),
        ("SENSITIVITY=67.5%", "0.6745", "0.6755"),
        ("tpr=68%", "0.675", "0.685"),
        ("sens=1.00", "0.995", "1.005"),
    ],
)
def test_the_rounding_is_half_a_unit_of_the_last_digit(text: str, low: str, high: str) -> None:
    figure = parse(f"n_pos=117, n_neg=483; {text}").figures["sens"]
    assert (figure.low, figure.high) == (Fraction(low), Fraction(high))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sens=.5", "n_pos must be the number of images"),
        ("n_pos=10 sens=.5", "n_neg must be the number of images"),
        ("n_pos=0 n_neg=9 sens=.5", "n_pos must be"),
        ("n_pos=1.5 n_neg=9 sens=.5", "n_pos must be"),
        ("n_pos=٣ n_neg=9 sens=.5", "n_pos must be"),
        ("n_pos=10 n_neg=10", "no figure is given"),
        ("n_pos=10 n_neg=10 sens", "'sens' is not of the form"),
        ("n_pos=10 n_neg=10 sens=", "'sens=' is not of the form"),
        ("n_pos=10 n_neg=10 kappa=.5", "'kappa' is not known"),
        ("n_pos=10 n_neg=10 auc=.5", "auc cannot be checked"),
        ("n_pos=10 n_neg=10 sens=.5 recall=.5", "sens is given twice"),
        ("n_pos=10 n_neg=10 sens=half", "sens=half is not a number"),
        ("n_pos=10 n_neg=10 sens=nan", "is not a number between"),
        ("n_pos=10 n_neg=10 sens=1.01", "is not a number between"),
        ("n_pos=10 n_neg=10 sens=-.1", "is not a number between"),
        ("n_pos=10 n_neg=10 sens=101%", "is not a number between"),
        ("n_pos=10 n_neg=10 sens=1", "write sens=1.00"),
        ("", "'' is not of the form"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, said: str) -> None:
    with pytest.raises(CheckError):
        parse(text)
    assert said in one_line(report("check", text), code=2)
