"""One plain line for each event; Celery's own chatter only where it warns."""

import logging
import time
import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.signals import setup_logging

# Celery's own lines about a broker that is away: one for each attempt, some with a traceback.
_BROKER_LOGGERS = ("celery.worker.consumer.consumer", "celery.bootsteps")
_CONNECTED = "celery.worker.consumer.connection"
REMINDER_SECONDS = 60.0


class BrokerAway(logging.Filter):
    """Tells a broker that is away in one line, now and then again, and that it is back."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to tell it; the record becomes one line."""
        if record.name == _CONNECTED:
            was_away = bool(self._told)
            self._told.clear()
            return was_away
        if record.name not in _BROKER_LOGGERS or record.levelno < logging.WARNING:
            return True
        now = time.monotonic()
        if now < self._told.get(record.msg, -REMINDER_SECONDS) + REMINDER_SECONDS:
            return False
        self._told[record.msg] = now
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        record.exc_info = record.exc_text = None
        return True


@setup_logging.connect  # type: ignore[untyped-decorator] # celery has no types
def set_up(loglevel: int = logging.WARNING, logfile: str | None = None, **_: Any) -> None:  # noqa: ANN401 - celery's
    """Log to stderr, or to the file given by `--logfile`."""
    logging.basicConfig(
        level=loglevel,
        filename=logfile,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    logging.getLogger("worker").setLevel(min(loglevel, logging.INFO))
    logging.getLogger(_CONNECTED).setLevel(min(loglevel, logging.INFO))
    if loglevel > logging.DEBUG:
        for handler in logging.getLogger().handlers:
            handler.addFilter(BrokerAway())
        # About a setting that worker.celery sets: told at each loss of the broker, in eight lines.
        warnings.simplefilter("ignore", CPendingDeprecationWarning)
