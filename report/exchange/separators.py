"""Says which separator a CSV file seems to have where it is not the one it is read with. Pure."""

from collections.abc import Sequence

from base.console.foreign import shown

_NAMES = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "vertical bars (|)",
    ":": "colons",
    " ": "blanks",
}
_TAKEN = "save it with commas, semicolons or tabs"


def wrong_in_header(columns: Sequence[str], separator: str, *, said: bool) -> str | None:
    """What is wrong with a header that is one column; None if it holds no other separator.

    `said` says that a line `sep=` named the `separator`.
    """
    other = _other(columns[0], separator) if len(columns) == 1 else None
    if other is None:
        return None
    names = f"columns seem to be separated by {_NAMES[other]}"
    if said:
        return f"{names}, but the line above says {_NAMES[separator]}: take out the line sep="
    return f"{names} ({shown(columns[0])}): {_TAKEN}"


def wrong_in_row(fields: Sequence[str], columns: int, separator: str) -> str:
    """What is wrong with a row that has too few or too many fields, and the likely cause."""
    words = f"{len(fields)} fields under {columns} columns"
    other = _other(fields[0], separator) if len(fields) == 1 else None
    if other is not None and fields[0].count(other) == columns - 1:
        return (
            f"{words}: it is separated by {_NAMES[other]}, and the header by {_NAMES[separator]}: "
            "use one of them throughout"
        )
    return words


def decimal_comma(cell: str) -> str:
    """What to do about a number such as 0,73; empty for any other text."""
    whole, comma, rest = cell.partition(",")
    if comma and whole.isdecimal() and rest.isdecimal():
        return f": write a decimal point, {whole}.{rest}"
    return ""


def _other(text: str, separator: str) -> str | None:
    """The separator that a text holds most often, the one it is read with left out."""
    counts = {each: text.count(each) for each in _NAMES if each != separator}
    most = max(counts, key=lambda each: counts[each])
    return most if counts[most] else None
