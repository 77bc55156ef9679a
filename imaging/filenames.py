"""File names that are not UTF-8: databases cannot store them as text, so bytes are escaped."""

import os
import re

_SPELLED = re.compile(rb"\\(?:x([89a-f][0-9a-f])|\\)")


def storable(name: str) -> str:
    r"""The name itself; if it is not UTF-8, a name with its bytes escaped, such as `caf\xe9.jpg`.

    No two such names become the same, because their backslashes are doubled.
    """
    try:
        name.encode()
    except UnicodeEncodeError:  # Python represents such bytes as surrogates
        spelled = name.replace("\\", "\\\\")
        return os.fsencode(spelled).decode("utf-8", "backslashreplace")
    return name


def spelled_back(stored: str) -> str | None:
    """The original name of a `stored` name with escaped bytes; None if it has none."""
    data = os.fsencode(stored)
    if not _SPELLED.search(data):
        return None
    name = os.fsdecode(_SPELLED.sub(_byte, data))
    return name if storable(name) == stored else None


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if found[1] else b"\\"
