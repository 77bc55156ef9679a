"""The progress that a training prints."""

import sys

from base.console.telling import tell
from base.runtime import keras
from trainer.training.state import TrainingState

# Without a terminal, a line every ten epochs keeps logs short.
_LINE_EVERY = 10


class EpochLines:
    """Keras's progress bar on a terminal; otherwise plain lines."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._bar = (
            keras.utils.Progbar(epochs, unit_name="epoch", stateful_metrics=["loss", "val_loss"])
            if sys.stdout.isatty()
            else None
        )

    def end(self) -> None:
        """End the bar's line where the training was interrupted."""
        if self._bar is not None:
            tell("")

    def __call__(self, state: TrainingState) -> None:
        """Show the progress after an epoch."""
        latest = {name: values[-1] for name, values in state.history.items()}
        if self._bar is not None:
            shown = [(name, latest[name]) for name in ("loss", "val_loss")]
            self._bar.update(state.epochs, shown, finalize=state.epochs == self._epochs)
        elif state.epochs % _LINE_EVERY == 0 or state.epochs in (1, self._epochs):
            best = state.best[0] if state.best else None
            so_far = f"; best {best.loss:.3f} in epoch {best.epoch}" if best else ""
            tell(
                f"epoch {state.epochs}/{self._epochs}: loss {latest['loss']:.3f}, "
                f"validation loss {latest['val_loss']:.3f}{so_far}"
            )
