"""Sends Ctrl-C to a program of the tests at an exact moment, counted in Python's audit events.

`INTERRUPT_AT` is after how many events (imports, files opened, databases and sockets connected),
counted from when the program has taken Ctrl-C over. Without it the program only tells, in the file
`INTERRUPT_COUNTED`, how many there were, and which imports came before.
"""

import atexit
import os
import signal
import sys

COUNTED = ("import", "open", "sqlite3.connect", "socket.connect")
_at = int(os.environ.pop("INTERRUPT_AT", "0"))
_told = os.environ.pop("INTERRUPT_COUNTED", "")
_events = 0
_before: list[str] = []
_is_begun = False


def _look(event: str, arguments: tuple[object, ...]) -> None:
    global _events, _is_begun  # noqa: PLW0603 - an audit hook has nowhere else
    if event not in COUNTED:
        return
    if not _is_begun:
        _is_begun = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        if event == "import" and not _is_begun:
            _before.append(str(arguments[0]))
    if _is_begun:
        _events += 1
        if _events == _at:
            os.kill(os.getpid(), signal.SIGINT)


def _tell() -> None:
    with open(_told, "w") as file:  # noqa: PTH123 - nothing more than is loaded
        file.write(f"{_events}\n{' '.join(_before)}\n")


if _told:
    atexit.register(_tell)
if _told or _at:
    sys.addaudithook(_look)
