r"""The report's tables in LaTeX: plain `tabular`, which needs no package."""

from base.console.foreign import for_terminal
from report.render.document import Heading, Part, Warned
from report.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "'": "'{}",  # two in a row would become a quotation mark
    "`": r"\textasciigrave{}",
    "-": "-{}",  # two or three in a row would become a dash
    "−": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}",
    "≥": r"\ensuremath{\geq}",
    "[": "{[}",  # after \\ it would be read as a length
    "]": "{]}",
    "*": "{*}",
    **{letter: f"\\{letter}" for letter in "#$%&_{}"},
}


def as_latex(parts: list[Part]) -> str:
    """The body of a document, to be included by `input`; letters stay UTF-8."""
    return "\n\n".join(_part(part) for part in parts)


def escaped(words: str) -> str:
    """Text on one line that LaTeX prints as it is."""
    one_line = " ".join(for_terminal(words).split())
    return "".join(_SPECIAL.get(letter, letter) for letter in one_line)


def _part(part: Part) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Heading):
        return f"\\section*{{{escaped(part.words)}}}"
    return escaped(part.words if isinstance(part, Warned) else part)


def _table(table: Table) -> str:
    kinds = "".join("r" if at in table.numeric else "l" for at in range(len(table.headings)))
    head, *rows = (" & ".join(map(escaped, row)) + r" \\" for row in (table.headings, *table.rows))
    lines = [f"\\begin{{tabular}}{{{kinds}}}", r"\hline", head, r"\hline", *rows, r"\hline"]
    return "\n".join([*lines, r"\end{tabular}"])
