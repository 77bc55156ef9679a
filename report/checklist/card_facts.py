"""What the model card and the stored checkpoint say, for items of a checklist."""

from collections.abc import Mapping
from typing import Any

from base.console.foreign import shown
from db.views import in_words
from report.checklist.item import Study
from report.report_model import combined, image_digests, imported


def model(study: Study) -> str:
    """Which model gave the scores, by its file and digest, and which software the figures."""
    checkpoint, run = study.report.checkpoint, study.report.run
    figures = f"figures computed by dermscore {study.version}"
    if checkpoint.imported is not None:
        return f"{imported(checkpoint.imported)}; {figures}"
    if checkpoint.combined is not None:
        return f"{combined(checkpoint.combined)}; {figures}"
    computed = ", ".join(filter(None, (run.precision, in_words(run.views))))
    file = f"checkpoint {shown(checkpoint.file)}, SHA-256 {checkpoint.digest}, {computed}"
    return "; ".join(filter(None, (file, _backbone(study.card), figures)))


def made(study: Study) -> str | None:
    """The backbone and the options of the training."""
    training = _part(study.card, "training")
    recipe = _pairs(_part(training, "recipe"))
    epochs = f"epochs {training['epochs']}" if "epochs" in training else ""
    best = f"best epoch {training['best_epoch']}" if "best_epoch" in training else ""
    return _joined(_backbone(study.card), recipe, epochs, best)


def prepared(study: Study) -> str | None:
    """How images were decoded."""
    decode = _pairs(_part(study.card, "decode"))
    return f"images decoded with {decode}" if decode else None


def sources(study: Study) -> str:
    """Where the evaluated images and, by the card, those of the training are from."""
    data = _part(study.card, "data")
    named = [f"{name}: {shown(data[key])}" for name, key in _SETS if data.get(key)]
    return "; ".join((f"evaluation: {shown(study.report.run.source)}", *named))


def training_counts(study: Study) -> str | None:
    """How many images of each class the training and the validation had."""
    data = _part(study.card, "data")
    counts = [(name, _pairs(_part(data, f"{key}_counts"))) for name, key in _SETS]
    return _joined(*(f"{name}: {words}" for name, words in counts if words))


def partition(study: Study) -> str | None:
    """How many evaluated images were images of the training, where the card lists these."""
    counts, flow = training_counts(study), study.report.flow
    if not image_digests(study.card, "images"):
        return counts
    same = (
        f"{flow.trained_on} of the {flow.scored} scored images have the bytes of a training image"
    )
    return _joined(counts, same)


def image_alone(study: Study) -> str | None:
    """That the network saw nothing but the image, where dermscore computed the scores."""
    checkpoint = study.report.checkpoint
    if checkpoint.imported is not None or checkpoint.combined is not None:
        return None
    return "each score was computed from the image alone, without clinical data or label"


_SETS = (("training", "train"), ("validation", "valid"))


def _backbone(card: Mapping[str, Any]) -> str | None:
    backbone = _part(card, "backbone")
    if not backbone.get("description"):
        return None
    digest = f" (digest {shown(backbone['digest'])})" if backbone.get("digest") else ""
    return f"backbone {shown(backbone['description'])}{digest}"


def _part(card: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = card.get(name)
    return part if isinstance(part, Mapping) else {}


def _pairs(part: Mapping[str, Any]) -> str:
    # Sorted, because PostgreSQL has an order of its own.
    return ", ".join(f"{shown(key)} {shown(part[key])}" for key in sorted(part) if part[key] != "")


def _joined(*said: str | None) -> str | None:
    return "; ".join(words for words in said if words) or None
