"""Progress of downloads and unpacking."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from base.console.telling import tell

_LINE_SECONDS = 10.0

Show = Callable[[int, int | None], None]  # bytes done, and the total if known


def in_units(size: float) -> str:
    """`824.5 MB` of 824_500_000 bytes: decimal units, as the tutorial gives them."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


@contextmanager
def transfer_progress(what: str) -> Iterator[Show]:
    """A progress bar on a terminal; otherwise a line every ten seconds."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _PlainLines(what)
        return
    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(what, total=None)
        begun = False

        def show(done: int, total: int | None) -> None:
            nonlocal begun
            if not begun:  # earlier bytes must not count for the speed
                bar.reset(task, completed=done, total=total)
            begun = True
            bar.update(task, completed=done, total=total)

        yield show


class _PlainLines:
    """For logs and pipes."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown_at = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if done != total and now < self._shown_at + _LINE_SECONDS:
            return
        self._shown_at = now
        of = f" of {in_units(total)}" if total else ""
        tell(f"{self._what}: {in_units(done)}{of}", err=True)
