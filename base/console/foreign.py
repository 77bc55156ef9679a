r"""Every word that is not the program's own, on its way out: names, paths, values, others' errors.

Inside, words are what they are, and the ledger keeps them so. Where they leave, what could move a
cursor, begin a line, turn the direction of reading or be seen as nothing is spelled out: `\x1b`,
`\u202e`, `\U000e0041`. What is allowed is what Unicode counts as printable, less what shows nothing
all the same; so an escape sequence that nobody thought of is spelled out too. Pure.
"""

import json
import re
from typing import Any

# Printable by Unicode's categories, and nothing is seen of them: fillers, selectors of variants.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
# A backslash that `shown` could have written. Never \x80 to \xff: `imaging.filenames.storable`
# spells bytes that are not UTF-8 so, and such a name is to be read as it is stored.
_LOOKS_SPELLED = re.compile(
    r"\\(?=x[01][0-9a-f]|x5c|x7f|u[0-9a-f]{4}|U000[0-9a-f]{5}|U0010[0-9a-f]{4})"
)
# What Markdown takes for markup, in CommonMark, in GitHub's tables and in a notebook's formulas.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def shown(name: object) -> str:
    r"""A name or a value, to be put into a sentence or a table; two different ones stay different.

    So a name that holds the six letters `\u202e` is shown as `\x5cu202e`.
    """
    words = str(name)
    return for_terminal(_LOOKS_SPELLED.sub(r"\\x5c", words) if "\\" in words else words)


def for_terminal(words: object) -> str:
    """A line for a terminal, one line whatever is in it. Once more changes nothing."""
    text = str(words)
    if text.isprintable() and (text.isascii() or not _INVISIBLE.search(text)):
        return text
    return "".join(map(_letter, text))


def for_log(words: object) -> str:
    """The words of one log record, on one line."""
    return for_terminal(words)


def for_html(words: object) -> str:
    """Text of a page, before autoescape: that there is no markup in it is Jinja2's part."""
    return for_terminal(words)


def for_picture(words: object) -> str:
    """Text for Matplotlib, which would set what stands between two dollars as a formula."""
    return for_terminal(words).replace("$", r"\$")


def for_markdown(words: object) -> str:
    """Words on one line with nothing in them that Markdown would take for markup."""
    return _MARKUP.sub(r"\\\1", " ".join(for_terminal(words).split()))


def for_csv(value: object) -> object:
    """A cell; text that a spreadsheet would run as a formula begins with an apostrophe.

    Numbers are left as they are: -0.5 is no formula.
    """
    if not isinstance(value, str):
        return value
    return f"'{shown(value)}" if value.startswith(_FORMULAS) else shown(value)


def for_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """JSON in which nothing is lost: letters as they are, all else as JSON's own escapes."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if for_terminal(text) == text else json.dumps(value, sort_keys=True)


def _letter(letter: str) -> str:
    if letter.isprintable() and not _INVISIBLE.match(letter):
        return letter
    code_point = ord(letter)
    if code_point < 0x80:
        return f"\\x{code_point:02x}"
    return f"\\u{code_point:04x}" if code_point < 0x10000 else f"\\U{code_point:08x}"
