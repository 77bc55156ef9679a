"""The learning curves of a training, as a picture next to its checkpoint."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from report.plots.canvas import BLUE, GREY, PALE, VERMILION


def save_curves(path: Path, history: dict[str, list[float]], best_epoch: int) -> None:
    """Loss and accuracy by epoch, training and validation; the kept epoch is marked."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    _draw(loss, "loss", history["loss"], history["val_loss"], best_epoch)
    _draw(accuracy, "accuracy", history["accuracy"], history["val_accuracy"], best_epoch)
    loss.legend(frameon=False)
    figure.savefig(path, format="png", dpi=150)


def _draw(axes: Axes, what: str, train: list[float], valid: list[float], best: int) -> None:
    epochs = range(1, len(train) + 1)
    marker = "o" if len(train) == 1 else None
    axes.plot(epochs, train, color=BLUE, linestyle="--", marker=marker, label="training")
    axes.plot(epochs, valid, color=VERMILION, marker=marker, label="validation")
    axes.axvline(best, color=GREY, linewidth=1, linestyle=":", label=f"kept: epoch {best}")
    axes.set_xlabel("epoch")
    axes.set_title(what, loc="left")
    axes.grid(color=PALE, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
