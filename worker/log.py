"""One plain line for each event; Celery's own chatter only where it warns."""

import logging
from typing import Any

from celery.signals import setup_logging


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
