"""The provenance of the figures: run, checkpoint, dates, software and model card."""

import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple

from base.console.foreign import shown
from db.queries.report.page import Times
from report.loading.read_run import LoadedRun

# Packages that compute the figures.
SOFTWARE = ("dermscore", "numpy", "scikit-learn", "statsmodels", "scipy", "pillow")
# Longer lists are shown as a count: a card holds the digest of every training image.
LONGEST_LIST = 8


class Fact(NamedTuple):
    """A name and its value as text."""

    name: str
    value: str


def run_facts(loaded: LoadedRun, times: Times, made: datetime) -> list[Fact]:
    """What was scored, with what, and when."""
    run, checkpoint = loaded.run, loaded.checkpoint
    facts = [
        Fact("run", f"{run.number}" + (f" ({shown(run.name)})" if run.name else "")),
        Fact("dataset", shown(run.source)),
        Fact("checkpoint", shown(checkpoint.file)),
        Fact("checkpoint digest (SHA-256)", checkpoint.digest),
        Fact("checkpoint entered", when(times.checkpoint_entered)),
        Fact("precision", run.precision),
        *_views(run.views),
        *_members(checkpoint.combined),
        Fact("listed", when(times.listed)),
    ]
    if times.first_scored is not None and times.last_scored is not None:
        workers = "1 worker" if times.workers == 1 else f"{times.workers} workers"
        span = f"{when(times.first_scored)} to {when(times.last_scored)}, by {workers}"
        facts.append(Fact("scored", span))
    return [*facts, Fact("page made", when(made.timestamp()))]


def _views(views: int) -> list[Fact]:
    words = f"{views}: scores are means over flips{' and quarter turns' if views > 4 else ''}"
    return [Fact("views of each image", words)] if views > 1 else []


def _members(combined: Mapping[str, Any] | None) -> list[Fact]:
    """Each run whose scores were combined."""
    return [
        Fact(
            f"scores of run {member['run']}",
            f"{shown(member['source'])}, checkpoint {shown(member['checkpoint'])} "
            f"({member['digest']}), {member['precision']}",
        )
        for member in (combined or {}).get("members", ())
    ]


def software() -> list[Fact]:
    """Versions of the software that computed the figures."""
    return [
        Fact("Python", platform.python_version()),
        *(Fact(name, version(name)) for name in SOFTWARE),
    ]


def card_facts(card: Mapping[str, Any]) -> list[Fact]:
    """The model card, one line for each entry, `training.recipe.epochs` spelled in full."""
    return list(_flat(card, ""))


def when(seconds: float) -> str:
    """A date and time in UTC, to the second."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _flat(entry: object, name: str) -> Iterator[Fact]:
    if isinstance(entry, Mapping) and entry:
        for key, value in entry.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    else:
        yield Fact(shown(name), _words(entry))


def _words(entry: object) -> str:
    if isinstance(entry, list):
        if len(entry) > LONGEST_LIST:
            return f"{len(entry)} entries"
        return ", ".join(_words(item) for item in entry) or "none"
    if entry is None or entry == {}:
        return "none"
    return shown(str(entry))
