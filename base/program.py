"""How each of our programs starts: Ctrl-C and file permissions come before the heavy imports."""

import importlib

from base import permissions
from base.console import interrupt


def run(module: str) -> None:
    """Import `module` and run its `main`, a click command."""
    permissions.close_to_others()
    interrupt.begin()
    interrupt.run(lambda: importlib.import_module(module).main)
