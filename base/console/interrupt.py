"""Handles Ctrl-C from a program's first import on. Imports only what is loaded anyway.

`begin` takes over before the heavy imports. From then on Ctrl-C ends the program at once, with one
line and exit code 130: everything is stored in whole transactions and whole files, as after `kill
-9`. Work that must clean up first belongs in a block `unwound`.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# 128 plus the signal's number, as in shells.
INTERRUPTED = 130

_NOTHING_DONE = "nothing was done yet: start it again"


class _State:
    """The state of this process: what Ctrl-C prints, and whether a block must be unwound first."""

    kept = _NOTHING_DONE
    terminal = 2
    unwinding = False
    pressed = False


def begin(kept: str = _NOTHING_DONE) -> None:
    """Take over Ctrl-C; not if it is ignored, as in a shell's background jobs."""
    _State.kept = kept
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _pressed)
        sys.unraisablehook = _unraisable


def run(load: Callable[[], Callable[[], object]]) -> None:
    """Load a program's command and run it, after `begin`."""
    try:
        load()()
    except SystemExit as ending:
        # Otherwise click would print its own message: Ctrl-C came between two steps of `unwound`.
        if _State.pressed and ending.code != INTERRUPTED:
            _leave()
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is _pressed and not _State.pressed:
            # Everything is done and printed, and the exit code is fixed.
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def is_argument(word: str) -> bool:
    """Whether this word is among the program's arguments, other than as the value of `-A`."""
    words = sys.argv[1:]
    return any(
        argument == word and before not in ("-A", "--app")
        for before, argument in zip(["", *words], words, strict=False)
    )


def tells_on(descriptor: int) -> None:
    """Print to this descriptor while another file replaces standard error."""
    _State.terminal = descriptor


def keeps(kept: str) -> None:
    """From now on Ctrl-C prints this: what is kept, and how to continue."""
    from base.console.foreign import for_terminal  # deferred: `begin` comes before any other import

    _State.kept = for_terminal(kept)


@contextmanager
def unwound() -> Iterator[None]:
    """In this block Ctrl-C is a KeyboardInterrupt, so that the block can clean up.

    A second one ends the program at once.

    Raises:
        SystemExit: after a KeyboardInterrupt that nothing in the block handled.
    """
    before = _State.unwinding
    try:
        _State.unwinding = True
        yield
    except (KeyboardInterrupt, Exception) as error:
        # Interrupted native code may turn it into another error.
        if not _State.pressed and not isinstance(error, KeyboardInterrupt):
            raise
        if getattr(error, "exit_code", None) == INTERRUPTED:
            raise  # it already says what is kept
        _tell()
        raise SystemExit(INTERRUPTED) from None
    finally:
        _State.unwinding = before


def _pressed(_number: int, _frame: FrameType | None) -> None:
    if _State.unwinding and not _State.pressed:
        _State.pressed = True
        raise KeyboardInterrupt
    _leave()


def _unraisable(caught: "sys.UnraisableHookArgs") -> None:
    """Handles an interrupt that came where Python drops errors, such as in a destructor."""
    if caught.exc_type is KeyboardInterrupt:
        _leave()
    sys.__unraisablehook__(caught)


def _leave() -> None:
    _tell()
    os._exit(INTERRUPTED)


def _tell() -> None:
    # Not with sys.stderr, to which the interrupted code may be writing.
    line = f"interrupted; {_State.kept}\n"
    start = "\n" if os.isatty(_State.terminal) else ""  # the terminal has printed ^C
    os.write(_State.terminal, (start + line).encode(errors="replace"))
