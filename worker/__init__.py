"""The Celery workers that score batches."""

import sys

from base import permissions
from base.console import interrupt

if "celery.bin.celery" in sys.modules:
    permissions.close_to_others()

# `celery -A worker worker` imports this package before anything else of ours, and takes over Ctrl-C
# itself once the worker is up. Other programs import it too, and other subcommands of Celery.
if "celery.bin.celery" in sys.modules and interrupt.is_argument("worker"):
    interrupt.begin("the worker was still starting and held nothing: start it again")
