"""Quantises one checkpoint: reads, converts, measures ranges, compares and saves it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from base.console.foreign import shown
from base.console.telling import tell
from base.listed_image import ListedImage
from base.runtime import keras, tf
from imaging.decoding.decoder import Decoder
from imaging.listing.tables.manifest_options import ManifestOptions
from model.card import Backbone, Data, Difference, ModelCard, Quantised, Training
from model.checkpoint import load_held, save_checkpoint
from model.errors import CheckpointError
from model.held_checkpoint import hold_checkpoint
from model.quantised.quantised_backbone import QuantisedBackbone
from trainer.quantising.comparing import compare
from trainer.quantising.converting import converted, quantised, tools
from trainer.quantising.fitting_head import Fitted, fit_head, recipe_of
from trainer.quantising.images import all_of_them, drawn
from trainer.quantising.splitting import Halves, halves
from worker.scoring.graphs.openvino_graph import OpenvinoGraph

_METHOD = "int8 by NNCF's post-training quantisation, ranges measured on {n} images"
_OLD_THRESHOLD = "the threshold was chosen on the scores of the float32 checkpoint"


@dataclass(frozen=True)
class QuantiseRequest:
    """What `trainer quantise` was asked for."""

    checkpoint: Path
    source: str
    output: Path
    valid: str | None
    fit_head: str | None
    subset: int
    seed: int
    options: ManifestOptions
    labels: Mapping[str, int | None]


class _Made(NamedTuple):
    """The new backbone, what follows it, and the digests of the images of calibration."""

    layer: QuantisedBackbone
    head: list[Any]
    digests: list[str]
    fitted: Fitted | None


def quantise_checkpoint(
    request: QuantiseRequest, root: Path, rows: list[ListedImage], valid: list[ListedImage]
) -> list[str]:
    """Write the checkpoint and its card; returns the lines to tell.

    Args:
        request: what was asked for.
        root: the folder under which all images lie.
        rows: the images of its source.
        valid: those of `--valid`, if it was given.

    Raises:
        CheckpointError: it cannot be quantised; then nothing is written.
    """
    tf.get_logger().setLevel("ERROR")
    libraries = tools()
    with hold_checkpoint(request.checkpoint) as held:
        card, network = held.card, load_held(held)
    if request.fit_head is not None:
        recipe_of(card, request.checkpoint)  # without one, refused before minutes have passed
    parts = halves(network, card, request.checkpoint)
    chosen = drawn(rows, request.subset, request.seed)
    tell(f"ranges are measured on {len(chosen)} of {len(rows)} images of {shown(request.source)}")
    sample = all_of_them(root, chosen, Decoder(card.decode), request.source)
    shape = (card.decode.height, card.decode.width, 3)
    tell("converting the network; then its ranges are measured", err=True)
    try:
        whole = converted(libraries, parts.backbone, shape)
        layer = quantised(libraries, whole, sample.images, keep_last=card.adopted is not None)
        tell("checking the int8 network", err=True)
        OpenvinoGraph(layer.network, shape)  # a worker must be able to compute it
    except CheckpointError as error:
        message = f"{request.checkpoint} cannot be quantised: {error.message}"
        raise CheckpointError(message) from error
    made = _with_head(request, root, card, parts, layer, sample.digests)
    compared = _compared(request, root, card, made, valid) if valid else None
    fields = _fields(request, card, made, compared)
    path, finished = save_checkpoint(_whole(card, made), request.output, fields)
    return _told(path, finished)


def _compared(
    request: QuantiseRequest, root: Path, card: ModelCard, made: _Made, valid: list[ListedImage]
) -> Difference:
    """How its scores differ, as a worker gives them: of a draft, which it loads and checks."""
    with tempfile.TemporaryDirectory(prefix="dermscore-quantise-") as folder:
        fields = _fields(request, card, made, None)
        draft, _ = save_checkpoint(_whole(card, made), Path(folder) / "draft.keras", fields)
        known = set(made.digests) | set(made.fitted.data.images if made.fitted else ())
        return compare(request.checkpoint, draft, root, valid, known)


def _with_head(
    request: QuantiseRequest,
    root: Path,
    card: ModelCard,
    parts: Halves,
    layer: QuantisedBackbone,
    digests: list[str],
) -> _Made:
    if request.fit_head is None or request.valid is None:
        return _Made(layer, parts.head, digests, None)
    fitted = fit_head(
        layer,
        card,
        request.checkpoint,
        root,
        sources=(request.fit_head, request.valid),
        options=request.options,
        labels=request.labels,
    )
    return _Made(layer, fitted.layers, digests, fitted)


def _whole(card: ModelCard, made: _Made) -> Any:  # noqa: ANN401 - keras.Model
    entry = keras.Input((card.decode.height, card.decode.width, 3), name="images")
    return keras.Sequential([entry, made.layer, *made.head], name="dermscore")


def _fields(
    request: QuantiseRequest, card: ModelCard, made: _Made, compared: Difference | None
) -> dict[str, Any]:
    """The card without its digest: the float32 checkpoint's, and what has changed."""
    before = card.backbone
    backbone = Backbone(
        option=before.option if before else "quantised",
        digest=made.layer.digest or "",
        description=f"{before.description if before else 'a network of its own'}, in int8",
        features_at=before.features_at if before else (),
    )
    data: Data | None = made.fitted.data if made.fitted else card.data
    training: Training | None = made.fitted.training if made.fitted else card.training
    note = _OLD_THRESHOLD if card.threshold and not made.fitted else None
    what = Quantised(
        float32=card.digest,
        method=_METHOD.format(n=len(made.digests)),
        seed=request.seed,
        images=sorted(set(made.digests)),
        head="fitted" if made.fitted else "kept",
        versions={name: version(name) for name in ("openvino", "nncf")},
        difference=compared,
        note=note,
    )
    own = {"digest", "backbone", "data", "training", "quantised", "versions", "validation"}
    kept = {name: getattr(card, name) for name in ModelCard.model_fields if name not in own}
    return {
        **kept,
        "backbone": backbone,
        # Another head gives other scores, among which the old threshold is none.
        "threshold": None if made.fitted else card.threshold,
        "data": data,
        "training": training,
        # The float32 checkpoint's figures are not those of this one.
        "validation": made.fitted.validation if made.fitted else {},
        "versions": {name: version(name) for name in ("dermscore", "tensorflow", "keras")},
        "quantised": what,
    }


def _told(path: Path, card: ModelCard) -> list[str]:
    lines = [str(path), f"  digest {card.digest[:12]}"]
    if card.quantised is not None:
        lines += [f"  {line}" for line in in_words(card.quantised)]
    return [*lines, f"next: producer enqueue SOURCE --checkpoint {path}"]


def in_words(what: Quantised) -> list[str]:
    """What a card says of the quantisation, in lines."""
    lines = [f"{what.method}, of {what.float32[:12]}, head {what.head}"]
    found = what.difference
    if found is None:
        lines.append("its scores were not compared with the float32 checkpoint's: give --valid")
    else:
        auc = (
            f"; ROC AUC {found.roc_auc:.4f}, in float32 {found.roc_auc_float32:.4f}"
            if found.roc_auc is not None and found.roc_auc_float32 is not None
            else ""
        )
        lines.append(
            f"scores of {found.n} images differ from float32's by {found.mean:.4f} in the mean and "
            f"{found.largest:.4f} at most; decisions that change at {found.threshold:.4g}: "
            f"{found.turned} of {found.n}{auc}"
        )
    return [*lines, what.note] if what.note else lines
