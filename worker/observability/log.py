"""One plain line for each event; Celery's own messages only from warnings on."""

import logging
import math
import re
import time
from typing import Any

from celery.signals import setup_logging

from base.console.foreign import for_log
from worker import timing

# How Celery reports a broker that is away: at each attempt, mostly with a traceback.
_BROKER_AWAY = re.compile(
    "consumer: (Connection to broker lost|Cannot connect)|Frequent restarts detected|"
    "Couldn't (ack|reject)|Error on (re)?start|Error cleaning up|Error in timer|call_soon_ack|"
    "upkeep: broker"
)
_BROKER_LOGGERS = ("celery.worker", "celery.bootsteps", "kombu", "worker.health.upkeep")
# At each loss Celery warns in eight lines about a setting that worker.celery makes.
_KNOWN_WARNING = "worker_cancel_long_running_tasks_on_connection_loss"
# The packages of this project; their records are one line already.
_OWN_LOGGERS = ("base", "db", "model", "worker")
_LINE = "%(asctime)s %(levelname)s %(message)s"
_CONNECTED = "celery.worker.consumer.connection"


class BrokerAway(logging.Filter):
    """Logs each message about a broker that is away once a minute, and that it is back."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_at: dict[str, float] = {}
        self._lost_at = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record, which becomes one line."""
        if record.name == _CONNECTED:
            return self._is_back()
        if record.name == "py.warnings":
            return _KNOWN_WARNING not in record.getMessage()
        text = record.getMessage() if record.name.startswith(_BROKER_LOGGERS) else ""
        about = _BROKER_AWAY.match(text)
        return about is None or self._is_due(about[0], text, record)

    def _is_back(self) -> bool:
        if not self._logged_at or time.monotonic() < self._lost_at + timing.BROKER_STEADY_SECONDS:
            return False
        self._logged_at.clear()
        return True

    def _is_due(self, about: str, text: str, record: logging.LogRecord) -> bool:
        self._lost_at = now = time.monotonic()
        if now < self._logged_at.get(about, -math.inf) + timing.BROKER_REMINDER_SECONDS:
            return False
        self._logged_at[about] = now
        # Celery shows attempts with their limit, but there is no limit here.
        record.msg, record.args = re.sub(r" \(\d+/None\)$", "", " ".join(text.split())), ()
        record.exc_info = record.exc_text = None
        return True


class OneLine(logging.Formatter):
    """Formats each record as one line, whatever it contains; tracebacks are indented below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line with its time and level."""
        words = record.message
        if not record.name.startswith(_OWN_LOGGERS):
            # Libraries break their messages into lines for a terminal.
            words = " ".join(words.split())
        record.message = for_log(words)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 - logging's own
        """The traceback, indented: line ends in an error's text must not start a new record."""
        return _set_in(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's own name
        """The same for a stack."""
        return _set_in(super().formatStack(stack_info))


def _set_in(lines: str) -> str:
    return "\n".join(f"  {for_log(line)}" for line in lines.split("\n"))


@setup_logging.connect  # type: ignore[untyped-decorator] # celery has no types
def set_up(loglevel: int = logging.WARNING, logfile: str | None = None, **_: Any) -> None:  # noqa: ANN401 - celery's
    """Log to stderr, or to the file given by `--logfile`."""
    logging.basicConfig(level=loglevel, filename=logfile)
    logging.getLogger("worker").setLevel(min(loglevel, logging.INFO))
    logging.getLogger(_CONNECTED).setLevel(min(loglevel, logging.INFO))
    for handler in logging.getLogger().handlers:
        handler.setFormatter(OneLine(_LINE, "%Y-%m-%d %H:%M:%S"))
        if loglevel > logging.DEBUG:
            handler.addFilter(BrokerAway())
