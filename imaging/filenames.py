"""File names that are not UTF-8, which no database stores as text: their bytes are spelled out."""

import os
import re

_SPELLED = re.compile(rb"\\(?:x([89a-f][0-9a-f])|\\)")


def storable(name: str) -> str:
    r"""The name itself, or where its bytes are not UTF-8 those in the manner of `caf\xe9.jpg`.

    No two such names are spelled alike, for their backslashes are doubled.
    """
    try:
        name.encode()
    except UnicodeEncodeError:  # Python holds such bytes as surrogates
        spelled = name.replace("\\", "\\\\")
        return os.fsencode(spelled).decode("utf-8", "backslashreplace")
    return name


def spelled_back(stored: str) -> str | None:
    """The name whose bytes `stored` spells out, if it spells out any."""
    data = os.fsencode(stored)
    if not _SPELLED.search(data):
        return None
    name = os.fsdecode(_SPELLED.sub(_byte, data))
    return name if storable(name) == stored else None


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if found[1] else b"\\"
