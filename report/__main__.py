"""The program `report`: Ctrl-C is taken care of before anything else is imported."""

from collections.abc import Callable

from base import interrupt, permissions


def main() -> None:
    """Run the command."""
    permissions.close_to_others()
    interrupt.run(_load)


def _load() -> Callable[[], object]:
    from report.cli import main as command  # deferred, that is what this file is for

    return command


if __name__ == "__main__":
    main()
