r"""Escapes foreign text on output: names, paths, values, and other programs' errors.

Inside the program text is kept as it is, also in the ledger. On output, characters that could move
a cursor, begin a line, change the reading direction or be invisible are escaped: `\x1b`, `\u202e`,
`\U000e0041`. Allowed is what Unicode counts as printable, except invisible characters; so an escape
sequence that was not thought of is escaped, too. Pure.
"""

import json
import re
from typing import Any

# Printable by Unicode's categories, but invisible: fillers, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
# A backslash that `shown` could have written. Never \x80 to \xff: `imaging.filenames.storable`
# writes bytes that are not UTF-8 this way, and such a name should be shown as it is stored.
_LOOKS_SPELLED = re.compile(
    r"\\(?=x[01][0-9a-f]|x5c|x7f|u[0-9a-f]{4}|U000[0-9a-f]{5}|U0010[0-9a-f]{4})"
)
# Markup in Markdown: in CommonMark, in GitHub's tables and in a notebook's formulas.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
# A spreadsheet reads a cell that begins with one of these as a formula (OWASP, CSV injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def shown(name: object) -> str:
    r"""A name or a value for a sentence or a table; two different ones stay different.

    So a name that contains the six characters `\u202e` is shown as `\x5cu202e`.
    """
    words = str(name)
    return for_terminal(_LOOKS_SPELLED.sub(r"\\x5c", words) if "\\" in words else words)


def for_terminal(words: object) -> str:
    """A single line for a terminal, whatever it contains. Applying it twice changes nothing."""
    text = str(words)
    if text.isprintable() and (text.isascii() or not _INVISIBLE.search(text)):
        return text
    return "".join(map(_letter, text))


def for_log(words: object) -> str:
    """The text of one log record, on one line."""
    return for_terminal(words)


def for_html(words: object) -> str:
    """Text of a page, before Jinja2's autoescape, which handles markup."""
    return for_terminal(words)


def for_picture(words: object) -> str:
    """Text for Matplotlib, which would render text between two dollar signs as a formula."""
    return for_terminal(words).replace("$", r"\$")


def for_markdown(words: object) -> str:
    """Text on one line without anything that Markdown reads as markup."""
    return _MARKUP.sub(r"\\\1", " ".join(for_terminal(words).split()))


def for_csv(value: object) -> object:
    """A cell; text that a spreadsheet would run as a formula gets an apostrophe before it.

    Numbers stay as they are: -0.5 is not a formula.
    """
    if not isinstance(value, str):
        return value
    return f"'{shown(value)}" if value.startswith(_FORMULAS) else shown(value)


def for_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """JSON without loss: letters stay as they are, everything else as JSON's own escapes."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if for_terminal(text) == text else json.dumps(value, sort_keys=True)


def _letter(letter: str) -> str:
    if letter.isprintable() and not _INVISIBLE.match(letter):
        return letter
    code_point = ord(letter)
    if code_point < 0x80:
        return f"\\x{code_point:02x}"
    return f"\\u{code_point:04x}" if code_point < 0x10000 else f"\\U{code_point:08x}"
