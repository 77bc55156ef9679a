"""An engine whose steps the watchdog sees."""

from collections.abc import Sequence

from base.console.foreign import shown
from db.queries.runs import RunSpec
from worker.health.activity import ActivityTracker
from worker.scoring.batch_scores import BatchScores, Engine, KnownDigests


class TrackedEngine:
    """An engine that is watched while it loads and scores."""

    def __init__(self, engine: Engine, activity: ActivityTracker) -> None:
        self._engine, self._activity = engine, activity

    def prepare(self, spec: RunSpec) -> None:
        """As `Engine.prepare`; a load that hangs here is not started by every other worker."""
        with self._activity.track(f"the loading of {spec.path}", loads=spec.wanted):
            self._engine.prepare(spec)

    def score(
        self, specs: Sequence[RunSpec], paths: Sequence[str], known: KnownDigests
    ) -> BatchScores:
        """As `Engine.score`; a single image may take as long as any other step.

        Each view of an image may take as long as an image.
        """
        single = len(paths) == 1
        views = max(spec.views for spec in specs)
        what = shown(paths[0]) if single else f"the scoring of {len(paths)} images"
        with self._activity.track(what, views - 1 if single else len(paths) * views):
            return self._engine.score(specs, paths, known)
