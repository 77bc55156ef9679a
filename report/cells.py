"""Cells of CSV files that people will open in a spreadsheet."""

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: object) -> object:
    """The value; text that a spreadsheet would run as a formula begins with an apostrophe.

    Numbers are left as they are: -0.5 is no formula.
    """
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"
    return value
