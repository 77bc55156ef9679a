import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.render.document import Heading
from report.render.latex import as_latex, escaped
from report.table import Table


@pytest.mark.parametrize(
    ("words", "latex"),
    [
        ("a_b%c", r"a\_b\%c"),
        (r"C:\data", r"C:\textbackslash{}data"),
        ("#$&{}", r"\#\$\&\{\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("<a>|", r"\textless{}a\textgreater{}\textbar{}"),
        ("a--b", "a-{}-{}b"),
        ("[1cm]", "{[}1cm{]}"),
        ("LR−", r"LR\ensuremath{-}"),
        ("mélanome 黒", "mélanome 黒"),
        ("a\nb", r"a\textbackslash{}x0ab"),
    ],
)
def test_special_characters(words: str, latex: str) -> None:
    assert escaped(words) == latex


@given(st.text())
def test_no_text_ends_a_cell_a_row_or_a_group(words: str) -> None:
    known = r"\\(text[a-z]+|ensuremath)\{[^{}]*\}|\\[#$%&_{}]|\{[\[\]*]\}|[-']\{\}"
    left = re.sub(known, "", escaped(words).replace(r"\ensuremath{\times}", "").replace(
        r"\ensuremath{\geq}", ""
    ))  # fmt: skip

    assert not set(left) & set("\\#$%&_{}~^[]*\n\r")


def test_a_table_is_plain_tabular() -> None:
    table = Table(("images", ""), (("listed", "3"), ("a & b", "1")), frozenset({1}))

    assert as_latex([Heading("Run 1"), "100 %", table]) == r"""\section*{Run 1}

100 \%

\begin{tabular}{lr}
\hline
images &  \\
\hline
listed & 3 \\
a \& b & 1 \\
\hline
\end{tabular}"""  # fmt: skip
