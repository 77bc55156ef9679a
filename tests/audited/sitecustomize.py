"""Sends Ctrl-C to a program of the tests at an exact moment, counted in Python's audit events.

`INTERRUPT_AT` is after how many events (imports, files opened, databases and sockets connected),
counted while the program has taken Ctrl-C over. Files with Python code are not counted: how many
are opened depends on whether there is bytecode already. Without it the program only tells, in the
file `INTERRUPT_COUNTED`, how many there were, and which imports came before.
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


def _look(event: str, arguments: tuple[object, ...]) -> None:
    global _events  # noqa: PLW0603 - an audit hook has nowhere else
    if event not in COUNTED or (event == "open" and _is_code(arguments[0])):
        return
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        if event == "import":
            _before.append(str(arguments[0]))
    elif handler is not signal.SIG_IGN:  # as it is when everything is done
        _events += 1
        if _events == _at:
            os.kill(os.getpid(), signal.SIGINT)


def _is_code(name: object) -> bool:
    # Bytecode is written to a descriptor that is open already.
    return isinstance(name, int) or str(name).endswith(".py") or ".pyc" in str(name)


def _tell() -> None:
    with open(_told, "w") as file:  # noqa: PTH123 - nothing more than is loaded
        file.write(f"{_events}\n{' '.join(_before)}\n")


if _told:
    atexit.register(_tell)
if _told or _at:
    sys.addaudithook(_look)
