"""The requirements for a checkpoint that can score images, checked without TensorFlow.

This is their only definition: for the producer, before it enqueues, and for the worker, before it
loads.
"""

import zipfile
from pathlib import Path
from typing import IO

from model.card import ModelCard, opened
from model.errors import CheckpointError
from model.keras_archive import read_config
from model.network_config import Network, Shape, network_of, refuse_classes

# The last activations whose output is a probability.
_PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax")
# How a card promises that another output is a probability all the same.
PROMISE = '"output": "probability"'


def refuse_unloadable_file(path: Path, card: ModelCard) -> None:
    """`refuse_unloadable` of the file at `path`, whose digest was or will be checked.

    Raises:
        CheckpointError: no worker could score with it; says why in one sentence.
    """
    with opened(path) as file:
        refuse_unloadable(file, path, card)


def refuse_unloadable(file: IO[bytes], path: Path, card: ModelCard) -> None:
    """Refuse a .keras file that no worker could score with, as far as its config shows.

    Raises:
        CheckpointError: says why in one sentence that names `path`.
    """
    try:
        config = read_config(file)
        refuse_classes(config)
        network = network_of(config)
    except zipfile.BadZipFile:
        raise CheckpointError(f"{path} is not a .keras file, or was cut short") from None
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be loaded: {error}") from error
    except Exception as error:  # a foreign config can cause any error here
        raise CheckpointError(
            f"{path} cannot be loaded: its config.json is not one that Keras writes"
        ) from error
    fault = fault_of(network, card)
    if fault is not None:
        raise CheckpointError(f"{path} {fault}")


def fault_of(network: Network, card: ModelCard) -> str | None:
    """What is wrong with a network, to follow its name in a sentence; None if nothing is."""
    expected = (None, card.decode.height, card.decode.width, 3)
    inputs, outputs = len(network.inputs), network.outputs
    if (inputs, outputs) != (1, 1):
        return f"has {_count(inputs, 'input')} and {_count(outputs, 'output')}, but must have one"
    if network.inputs[0] != expected or not _is_one_score(network.shape):
        return wrong_shapes(network.inputs[0], _with_batch(network.shape), card)
    if not network.dtype.startswith("float"):
        return f"takes {network.dtype}, but images are floats in [0, 1]"
    if network.activation not in _PROBABILITIES and card.output != "probability":
        return (
            f"ends with {_said(network.activation)}, so its output may not be a probability; "
            "a checkpoint ends with a sigmoid, or its model card promises a probability with "
            f"{PROMISE}"
        )
    return None


def wrong_shapes(given: object, made: object, card: ModelCard) -> str:
    """The sentence about shapes that a checkpoint cannot have."""
    expected = (None, card.decode.height, card.decode.width, 3)
    maps = f"takes {given}" if made is None else f"maps {given} to {made}"
    return f"{maps}; a checkpoint maps {expected} to (None, 1)"


def _is_one_score(shape: Shape | None) -> bool:
    """Whether a shape is one score for each image, or unknown."""
    return shape is None or (len(shape) == 1 and shape[0] in (1, None))


def _with_batch(shape: Shape | None) -> Shape | None:
    return None if shape is None else (None, *shape)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _said(activation: str | None) -> str:
    if activation is None:
        return "a layer without an activation"
    if activation.startswith("softmax"):
        return f"a {activation}, which is always 1"
    return "a linear layer" if activation == "linear" else f"the activation {activation}"
