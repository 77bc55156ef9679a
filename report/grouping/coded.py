"""The values of a column, and of each image which it has. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Key = TypeVar("Key", int, tuple[int, ...])


class Coded(NamedTuple):
    """`codes` `[n]` are indices into `values`; None is for images without a value.

    `in_order` says that the values are in the order in which they are shown.
    """

    values: tuple[str | None, ...]
    codes: npt.NDArray[np.integer]
    in_order: bool = False


def merged(
    codes: npt.NDArray[np.integer], keys: Sequence[Key | None], label: Callable[[Key], str]
) -> Coded:
    """Values with the same key as one, called by its `label`, in order of key, unknown last."""
    ordered = sorted({key for key in keys if key is not None})
    places: dict[Key | None, int] = {key: at for at, key in enumerate(ordered)}
    values: list[str | None] = [label(key) for key in ordered]
    if None in keys:
        places[None] = len(values)
        values.append(None)
    return Coded(tuple(values), np.array([places[key] for key in keys])[codes], in_order=True)
