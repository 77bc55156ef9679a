"""Words as they are typed into a shell, for commands that a message suggests."""

import shlex

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "'": "\\'"}


def typed(*words: str) -> str:
    """The words one after the other, quoted where they must be, on one line whatever is in them.

    What cannot be shown is spelled out as bash, zsh and ksh read it: $'...'.
    """
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
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
