"""Adopts one model: reads, compares with what was said, wraps, checks and saves it."""

import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from base.console.foreign import shown
from base.runtime import tf
from imaging.data_root import data_folder
from model.card import Adopted, Backbone, ModelCard
from model.checkpoint import save_checkpoint
from model.errors import CheckpointError
from model.hub.hub_module import module_digest
from trainer.adopting.checking import Compared, compare
from trainer.adopting.fitting import Fit, Owned, decode_of, find_fits
from trainer.adopting.held_source import HeldSource, hold_source
from trainer.adopting.keras_model import read_keras_model
from trainer.adopting.owner_model import OwnerModel, only_output
from trainer.adopting.predictions import Predictions, read_predictions
from trainer.adopting.ranges import RANGES
from trainer.adopting.reading import Read, read_graph
from trainer.adopting.request import AdoptRequest
from trainer.adopting.saved_model import read_saved_model
from trainer.adopting.wrapping import Wrapped, as_rows, traced, wrap
from worker.scoring.graphs.frozen import FrozenGraph

# Endings that are probabilities by themselves.
_FILLED_IN = {"sigmoid", "softmax"}


class Facts(NamedTuple):
    """An owner's model, and how it is wrapped."""

    owner: OwnerModel
    outputs: int
    read: Read
    how: Wrapped


def adopt_model(request: AdoptRequest) -> list[str]:
    """Write the checkpoint and its card; returns the lines to tell.

    Raises:
        CheckpointError: the model cannot be adopted, or does not agree with its owner's
            predictions; then nothing is written.
    """
    # Each decoding that is tried is traced anew, about which TensorFlow warns.
    tf.get_logger().setLevel("ERROR")
    predictions = request.check and read_predictions(request.check, request.classes)
    with tempfile.TemporaryDirectory(prefix="dermscore-adopt-") as name:
        folder = Path(name)
        facts = read_facts(request, folder)
        network = wrap(request.source, facts.owner, facts.outputs, facts.how, folder / "module")
        card = _card(request, facts, module_digest(folder / "module"))
        # A worker refuses what it could not score with.
        draft, _ = save_checkpoint(network, folder / "draft.keras", card)
        compared = _check(request, facts, draft, predictions or None)
        if compared is not None and predictions:
            adopted: Adopted = card["adopted"]
            card["adopted"] = adopted.model_copy(update={"check": compared.card(predictions)})
        path, finished = save_checkpoint(network, request.output, card)
    return _told(request.output, path, finished, facts)


def read_facts(request: AdoptRequest, folder: Path) -> Facts:
    """Read the model, and compare what its file shows with what was said of it.

    Raises:
        CheckpointError: it cannot be adopted, or the two contradict each other.
    """
    held = hold_source(request.source, folder)
    owner = _owner(request, held)
    size = _size(request, owner)
    function, outputs = traced(request.source, owner, size)
    read = read_graph(function)
    _refuse_range(request, read)
    activation = _activation(request, read, outputs)
    both, kernel = _kernel(request, outputs, activation, read)
    how = Wrapped(size, request.preprocessing.input_range, activation, both, kernel)
    return Facts(owner, outputs, read, how)


def _owner(request: AdoptRequest, held: HeldSource) -> OwnerModel:
    if held.config is None:
        return read_saved_model(request.source, held)
    return read_keras_model(request, held)


def _size(request: AdoptRequest, owner: OwnerModel) -> tuple[int, int]:
    """The size of its images: the file's, unless that leaves it open."""
    given = request.size or (owner.height, owner.width)
    said = [f"{side or 'any'}" for side in (owner.height, owner.width)]
    if None in given:
        raise CheckpointError(
            f"{request.source} takes images of any size: say with --size which one it was "
            "trained on"
        )
    if any(side not in (None, ask) for side, ask in zip(owner[1:3], given, strict=True)):
        raise CheckpointError(
            f"--size {given[0]}x{given[1]}, but {request.source} takes images of {' x '.join(said)}"
        )
    return given  # type: ignore[return-value] # neither is None


def _refuse_range(request: AdoptRequest, read: Read) -> None:
    said = request.preprocessing.input_range
    if said in read.contradicted:
        fitting = ", ".join(name for name in RANGES if name not in read.contradicted)
        raise CheckpointError(
            f"--input-range {said}, but {request.source} begins by multiplying its input by "
            f"{read.factor:.6g}, so it takes {fitting}"
        )


def _activation(request: AdoptRequest, read: Read, outputs: int) -> str:
    """What is to follow the network, so that its outputs are probabilities."""
    said, source = request.activation, request.source
    if read.ending == "softmax" and outputs == 1:
        raise CheckpointError(f"{source} ends with a softmax over one unit, which is always 1")
    if said is None and read.ending not in _FILLED_IN:
        ends = "a linear layer" if read.ending else "something else than a sigmoid or softmax"
        raise CheckpointError(
            f"{source} ends with {ends}: say with --activation what makes probabilities of it "
            "(sigmoid, softmax, or none where it gives them)"
        )
    if said == "none" and read.ending == "linear":
        raise CheckpointError(
            f"--activation none, but {source} ends with a linear layer, which gives no "
            "probabilities: say sigmoid or softmax"
        )
    if said not in (None, "none") and read.ending in _FILLED_IN:
        raise CheckpointError(
            f"--activation {said}, but {source} ends with a {read.ending} already"
        )
    if said == "softmax" and outputs == 1:
        raise CheckpointError("--activation softmax over one output is always 1: say sigmoid")
    return said or "none"


def _kernel(
    request: AdoptRequest, outputs: int, activation: str, read: Read
) -> tuple[bool, tuple[float, ...]]:
    """Whether one output becomes two, and what each probability adds to the score."""
    classes, positive, source = request.classes, request.positive, request.source
    if not classes and outputs > 1:
        raise CheckpointError(
            f"{source} has {outputs} outputs: name them in their order with --classes, and those "
            "whose probabilities add up to the score with --positive"
        )
    both = outputs == 1 and len(classes) == 2
    if classes and len(classes) != outputs and not both:
        raise CheckpointError(
            f"--classes names {len(classes)}, but {source} has {outputs} "
            f"output{'s' if outputs > 1 else ''}"
        )
    if len(positive) > 1 and "sigmoid" in (activation, read.ending):
        raise CheckpointError(
            f"{source} gives each class a probability of its own (sigmoid), which do not add up: "
            "name one with --positive"
        )
    return both, tuple(float(name in positive) for name in classes) or (1.0,)


def _card(request: AdoptRequest, facts: Facts, digest: str) -> dict[str, Any]:
    name = request.source.resolve().name
    adopted = Adopted(
        file=name,
        format=facts.owner.format,
        digest=facts.owner.digest,
        input_range=facts.how.input_range,
        activation=facts.how.activation,
    )
    return {
        "decode": decode_of(request.preprocessing, facts.how.size),
        "output": "probability",
        "backbone": Backbone(
            option=f"adopt:{name}",
            digest=digest,
            description=f"adopted {facts.owner.format}, frozen, {len(facts.how.kernel)} outputs",
        ),
        "versions": {name: version(name) for name in ("dermscore", "tensorflow", "keras")},
        "classes": request.classes,
        "positive": request.positive,
        "adopted": adopted,
    }


def _check(
    request: AdoptRequest, facts: Facts, draft: Path, predictions: Predictions | None
) -> Compared | None:
    """Compare with the owner's predictions; of a difference the error says what would fit."""
    root = data_folder() if predictions is not None else Path()
    if predictions is None:
        return None
    compared = compare(draft, root, predictions)
    if compared.largest <= request.tolerance:
        return compared
    fits = find_fits(owned_by(request, facts), root, predictions, request.tolerance)
    raise CheckpointError(
        f"{predictions.file}: the scores of {compared.n} images are up to {compared.largest:.2g} "
        f"from their owner's ({shown(compared.path)}: {compared.owners:.4f}, here "
        f"{compared.ours:.4f}), over the tolerance of {request.tolerance:g}; {_fitting(fits)}"
    )


def _fitting(fits: Sequence[Fit]) -> str:
    if not fits:
        return "no other range, library, resize, fit or class gives them"
    options = list(dict.fromkeys(" ".join(fit.changes) for fit in fits))
    return f"they agree to {fits[0].largest:.1g} with {', or with '.join(options[:4])}"


def owned_by(request: AdoptRequest, facts: Facts) -> Owned:
    """The owner's network, to be tried out in other ways than was said."""
    owner, how, source = facts.owner, facts.how, request.source

    def call(images: Any, training: bool) -> Any:  # noqa: ANN401, ARG001 - as a layer is called
        return as_rows(only_output(source, owner.call(images)), facts.outputs)

    known = facts.read.ending in _FILLED_IN
    possible = ("none",) if known else ("none", "sigmoid", "softmax")
    return Owned(
        FrozenGraph([call], (*how.size, 3)),
        how.size,
        request.preprocessing,
        how.activation,
        possible,
        request.classes,
        request.positive,
    )


def _told(asked: Path, path: Path, card: ModelCard, facts: Facts) -> list[str]:
    check = card.adopted.check if card.adopted else None
    compared = (
        f"agrees with {check.file} to {check.largest_difference:.1g} on {check.n} images"
        if check
        else "not checked against its owner's predictions: give --check"
    )
    named = ", ".join(
        f"{name}{' (positive)' if name in card.positive else ''}" for name in card.classes
    )
    height, width = facts.how.size
    renamed = f" (and not {asked}, which is another checkpoint and stays)"
    return [
        f"{path}{renamed if path != asked else ''}",
        f"  digest {card.digest[:12]}, {facts.owner.format}",
        f"  takes {height} x {width}, {RANGES[facts.how.input_range].meaning}",
        f"  classes: {named}" if named else "  one output, the probability of malignant",
        f"  {compared}",
        f"next: producer enqueue SOURCE --checkpoint {path}",
    ]
