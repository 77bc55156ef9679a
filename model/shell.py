"""Words as they are typed into a shell, for commands that a message suggests."""

import shlex

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "'": "\\'"}


def typed(word: str) -> str:
    """`word` quoted where it must be, on one line whatever is in it.

    What cannot be shown is spelled out as bash, zsh and ksh read it: $'...'.
    """
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_spelled, word))}'"


def _spelled(letter: str) -> str:
    if letter in _NAMED:
        return _NAMED[letter]
    if letter.isprintable():
        return letter
    # Bytes that are not UTF-8 are read as lone surrogates.
    return "".join(f"\\x{byte:02x}" for byte in letter.encode(errors="surrogateescape"))


def typed_path(path: str) -> str:
    """The same of a path, which must not pass for an option."""
    return typed(f"./{path}" if path.startswith("-") and path != "-" else path)
