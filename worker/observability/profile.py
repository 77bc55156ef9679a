"""TensorFlow's profiler over some batches, for `celery -A worker worker --profile DIR`."""

import logging
import threading
from pathlib import Path

log = logging.getLogger(__name__)

# The first batches still allocate and compile; the later ones are what a user waits for.
WARM_UP_BATCHES = 2


class Profile:
    """Counts the batches of a worker, and profiles some after the first ones."""

    def __init__(self, folder: Path, batches: int) -> None:
        self._folder, self._batches = folder, batches
        self._ended = 0
        self._running = False
        self._lock = threading.Lock()

    def batch_ended(self) -> None:
        """Start or stop the profiler when it is time."""
        with self._lock:
            self._ended += 1
            if self._ended == WARM_UP_BATCHES:
                self._start()
            elif self._ended == WARM_UP_BATCHES + self._batches:
                self._stop()

    def close(self) -> None:
        """Write what was recorded; a worker may end before all batches came."""
        with self._lock:
            if self._ended < WARM_UP_BATCHES:
                log.warning("--profile %s: no batch came after the first", self._folder)
            self._stop()

    def _start(self) -> None:
        from base.runtime import tf  # deferred: only a worker that profiles comes here

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            tf.profiler.experimental.start(str(self._folder))
        except (OSError, tf.errors.OpError) as error:
            log.error("--profile %s: %s", self._folder, error)  # noqa: TRY400 - a full sentence
            return
        self._running = True
        log.info("profiling the next %d batches", self._batches)

    def _stop(self) -> None:
        if not self._running:
            return
        from base.runtime import tf  # deferred, too

        self._running = False
        try:
            tf.profiler.experimental.stop()
        except (OSError, tf.errors.OpError) as error:
            log.error("--profile %s: %s", self._folder, error)  # noqa: TRY400 - a full sentence
            return
        log.info(
            "profile written: tensorboard --logdir %s shows it (docs/performance.md)", self._folder
        )
