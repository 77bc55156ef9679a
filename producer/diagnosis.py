"""Why a run makes no progress, or needlessly little, in sentences that say what to do. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from base.console.foreign import shown
from db.queries.refusals import Refused
from db.queries.results import Progress
from db.queries.speeds import HostSpeed
from db.queries.status import BatchCounts

# A cluster can have hundreds that are alike.
_SHOWN_HOSTS = 3
START_ONE = "start one with `celery -A worker worker`"


class RunState(NamedTuple):
    """What is known about an unfinished run.

    `again` are the arguments with which `producer enqueue` continues its listing, None if it
    cannot. `staged` images belong to an interrupted listing; `checkpoint` and `broker` say what is
    wrong with them as seen from here, None if nothing is; `alive` is the number of workers for any
    run. `refused` are its refusals, and `by_all` is true if no worker is left to score it.
    """

    again: str | None
    counts: Progress
    staged: int
    work: BatchCounts
    checkpoint: str | None
    broker: str | None
    alive: int
    refused: Sequence[Refused] = ()
    by_all: bool = False


def diagnose(state: RunState) -> list[str]:
    """What prevents the run from finishing, the likeliest cause first; empty if nothing does."""
    if not state.counts.pending:
        return []
    found = []
    if state.staged:
        found.append(
            f"the listing of {state.staged} images was interrupted: {_goes_on(state.again)}"
        )
    if state.refused:
        found.append(refusal(state.refused, by_all=state.by_all))
    if state.work.is_idle:
        found += [fault for fault in (state.broker, state.checkpoint) if fault is not None]
        if not state.by_all:
            found.append(_idle(state.alive))
    if state.work.attempts > 1:
        found.append(
            f"a batch is at attempt {state.work.attempts}: a worker died or was stopped in it, "
            "so its images go one by one"
        )
    return found


def refusal(refused: Sequence[Refused], *, by_all: bool) -> str:
    """The sentence about which workers refuse a run, and why; each reason once."""
    stopped = next((refused_by for refused_by in refused if refused_by.stops), None)
    if stopped is not None:
        return (
            f"it was stopped: {stopped.reason} (worker {stopped.worker}); "
            "`producer resume` tries it again"
        )
    reasons = dict.fromkeys(refused_by.reason for refused_by in refused)
    latest = refused[0]
    others = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    who = f"worker {latest.worker}{others}, {latest.seconds_ago:.0f} s ago"
    what = "every worker that is alive refuses it" if by_all else "it is refused"
    return f"{what}: {'; '.join(reasons)} ({who})"


def slowness(precision: str, speeds: Sequence[HostSpeed]) -> list[str]:
    """A sentence where the run's precision is slower than float32 on any host; else none."""
    slower = [speed for speed in speeds if speed.rates.is_slower]
    if not slower:
        return []
    hosts = [
        f"on {shown(speed.host)}: {speed.rates.rate:.1f} against "
        f"{speed.rates.float32_rate:.1f} images/s"
        for speed in slower[:_SHOWN_HOSTS]
    ]
    more = len(slower) - len(hosts)
    others = f", and on {more} more" if more else ""
    where = f"{', '.join(hosts)}{others}"
    return [f"{precision} is slower than float32 {where}; enqueue with --precision float32"]


def _idle(alive: int) -> str:
    if alive:
        return f"no worker is working on it, {alive} alive: they wait, or their log says why"
    return f"no worker is working on it: {START_ONE}"


def _goes_on(again: str | None) -> str:
    if again is None:
        return "standard input cannot be read again: delete the run and enqueue it again"
    return f"`producer enqueue {again}` goes on with it"
