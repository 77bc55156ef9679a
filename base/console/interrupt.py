"""What Ctrl-C does, from a program's first import on. Imports nothing that is not loaded anyway.

`begin` takes over before the heavy imports. From then on Ctrl-C ends the program at once, with one
line and exit code 130: whatever is stored is stored in whole transactions and whole files, as after
`kill -9`. Work that must be put in order first stands in a block `unwound`.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# 128 and the signal's number, as shells have it.
INTERRUPTED = 130

_NOTHING_DONE = "nothing was done yet: start it again"


class _State:
    """Of this process: what a person is told, and whether a block is to be unwound first."""

    kept = _NOTHING_DONE
    terminal = 2
    unwinding = False
    pressed = False


def begin(kept: str = _NOTHING_DONE) -> None:
    """Take over Ctrl-C; not where it is ignored, as in a shell's background jobs."""
    _State.kept = kept
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _pressed)
        sys.unraisablehook = _unraisable


def run(load: Callable[[], Callable[[], object]]) -> None:
    """Load a program's command and run it."""
    begin()
    try:
        load()()
    except SystemExit as ending:
        # Or click had the last word: it came between two steps of `unwound`.
        if _State.pressed and ending.code != INTERRUPTED:
            _leave()
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is _pressed and not _State.pressed:
            # What there was to do is done and said, and the exit code is settled.
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def is_argument(word: str) -> bool:
    """Whether the program was given this word, and not as the value of `-A`."""
    words = sys.argv[1:]
    return any(
        argument == word and before not in ("-A", "--app")
        for before, argument in zip(["", *words], words, strict=False)
    )


def tells_on(descriptor: int) -> None:
    """Where a person is told, while another file stands in for standard error."""
    _State.terminal = descriptor


def keeps(kept: str) -> None:
    """From now on this is what Ctrl-C leaves behind, and how to go on."""
    from base.console.foreign import for_terminal  # deferred: `begin` comes before any other import

    _State.kept = for_terminal(kept)


@contextmanager
def unwound() -> Iterator[None]:
    """Ctrl-C in this block is a KeyboardInterrupt, so that what it began can be put in order.

    A second one ends the program at once.

    Raises:
        SystemExit: after a KeyboardInterrupt that nothing in the block had an answer to.
    """
    before = _State.unwinding
    try:
        _State.unwinding = True
        yield
    except (KeyboardInterrupt, Exception) as error:
        # Native code that is interrupted may make another error of it.
        if not _State.pressed and not isinstance(error, KeyboardInterrupt):
            raise
        if getattr(error, "exit_code", None) == INTERRUPTED:
            raise  # it says by itself what is kept
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
    """An interruption that came where Python drops errors, such as a destructor."""
    if caught.exc_type is KeyboardInterrupt:
        _leave()
    sys.__unraisablehook__(caught)


def _leave() -> None:
    _tell()
    os._exit(INTERRUPTED)


def _tell() -> None:
    # Not through sys.stderr, which the interrupted code may be writing to.
    line = f"interrupted; {_State.kept}\n"
    start = "\n" if os.isatty(_State.terminal) else ""  # a terminal has written ^C
    os.write(_State.terminal, (start + line).encode(errors="replace"))
