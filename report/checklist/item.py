"""One item of a reporting checklist, and what its answer is taken from."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from report.report_model import Report


class Study(NamedTuple):
    """What is known of a study: a run's report, its model card, and the version of dermscore."""

    report: Report
    card: Mapping[str, Any]
    version: str


class Item(NamedTuple):
    """An item of a standard: its number, what it asks for, and what the authors must write.

    `answer` gives what the ledger knows of it, or None where it knows nothing.
    """

    number: str
    asks: str
    write: str
    answer: Callable[[Study], str | None] | None = None


class Standard(NamedTuple):
    """A reporting guideline with its source and all of its items."""

    title: str
    source: str
    items: tuple[Item, ...]
