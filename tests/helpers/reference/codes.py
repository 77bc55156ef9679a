"""The table of the error codes of images."""

import re
from typing import get_args

from imaging.errors import ErrorCode
from imaging.nothing_scored import CAUSES


def table(page: str) -> str:
    """Each code in the order of the program, with the meaning that `page` gives it."""
    meanings = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| [^|]*\|$", page, re.MULTILINE))
    rows = [
        f"| `{code}` | {meanings.get(code, '')} | {CAUSES[code]} |" for code in get_args(ErrorCode)
    ]
    head = "| error | meaning | likely cause where no image could be scored |"
    return "\n".join([head, "|---|---|---|", *rows, ""])
