"""The Celery workers that score batches."""

import sys

from base import permissions
from base.console import interrupt

if "celery.bin.celery" in sys.modules:
    permissions.close_to_others()

# `celery -A worker worker` imports this package before our other modules, and handles Ctrl-C itself
# once the worker is up. Other programs and other subcommands of Celery import it too.
if "celery.bin.celery" in sys.modules and interrupt.is_argument("worker"):
    interrupt.begin("the worker was still starting and held nothing: start it again")
