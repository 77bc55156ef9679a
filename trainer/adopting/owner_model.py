"""The owner's model as a function of images, whatever it was saved as."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from base.runtime import tf
from model.errors import CheckpointError

Side = int | None


class OwnerModel(NamedTuple):
    """A network that was loaded, but not run: it is only ever traced into a graph.

    `call` maps images `[n, height, width, 3]` in the owner's range to whatever the network gives;
    `height` and `width` are None where it takes any. `keep` keeps alive what `call` uses.
    """

    call: Callable[[Any], Any]
    height: Side
    width: Side
    format: str
    digest: str
    keep: Any = None


def sides(source: Path, shape: Sequence[Side] | None, dtype: str) -> tuple[Side, Side]:
    """Height and width of the only input of a network.

    Raises:
        CheckpointError: it takes no batches of colour images of floats.
    """
    if not dtype.startswith(("float", "bfloat")):
        raise CheckpointError(
            f"{source} takes {dtype}, but only networks that take floats are adopted"
        )
    if shape is None or len(shape) != 4 or shape[3] not in (3, None):
        channels = " (channels first: save it with channels last)" if _is_first(shape) else ""
        raise CheckpointError(
            f"{source} takes {_said(shape)}{channels}, but images are (None, height, width, 3)"
        )
    if shape[0] is not None:
        raise CheckpointError(
            f"{source} takes exactly {shape[0]} images at a time: save it for batches of any size"
        )
    return shape[1], shape[2]


def only(source: Path, names: Sequence[str], what: str) -> None:
    """Refuse a network with several inputs or outputs, called `names`.

    Raises:
        CheckpointError: there is not exactly one.
    """
    if len(names) != 1:
        raise CheckpointError(
            f"{source} has {len(names)} {what}s ({', '.join(names)[:200]}), but must have one: "
            f"save the part with one {what} as a model of its own"
        )


def only_output(source: Path, given: Any) -> Any:  # noqa: ANN401 - tensors have no static type
    """The tensor that a network gives, out of a dictionary or list of one.

    Raises:
        CheckpointError: there are several.
    """
    if isinstance(given, Mapping):
        only(source, [str(name) for name in given], "output")
        return only_output(source, *given.values())
    if isinstance(given, list | tuple):
        only(source, [f"output {number}" for number in range(1, len(given) + 1)], "output")
        return only_output(source, given[0])
    return tf.convert_to_tensor(given)


def like(structure: Any, images: Any) -> Any:  # noqa: ANN401 - what Keras takes; tensors
    """The images in the dictionary or list of one that a network takes."""
    if isinstance(structure, dict):
        return dict.fromkeys(structure, images)
    if isinstance(structure, list | tuple):
        return [images for _ in structure]
    return images


def plain_reason(error: BaseException) -> str:
    """An error of Keras or TensorFlow in one sentence."""
    return " ".join(str(error).rsplit("Exception encountered: ", 1)[-1].split())[:400]


def _is_first(shape: Sequence[Side] | None) -> bool:
    return shape is not None and len(shape) == 4 and shape[1] == 3


def _said(shape: Sequence[Side] | None) -> str:
    return "something else" if shape is None else str(tuple(shape))
