"""Quotes words for a shell, for commands that a message suggests."""

import shlex

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "'": "\\'"}


def typed(*words: str) -> str:
    """The words on one line, quoted where necessary, whatever they contain.

    Characters that cannot be shown are escaped as bash, zsh and ksh read them: $'...'.
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
