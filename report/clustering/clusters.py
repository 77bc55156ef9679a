"""Which images belong together, by a column of the manifest. Pure."""

from typing import NamedTuple

import click
import numpy as np

from base.arrays import Int64Array


class ClusterError(click.ClickException):
    """The images cannot be clustered so; the message names the option and the column."""


class Clusters(NamedTuple):
    """The cluster of each image or unit, `codes` `[analysed]`, whole numbers from 0 on.

    `values` are what the column holds, by code; the `alone` images without a value are each a
    cluster of their own, with a code above these.
    """

    column: str
    codes: Int64Array
    values: tuple[str | None, ...]
    alone: int


def clusters_of(column: str, codes: Int64Array, values: tuple[str | None, ...]) -> Clusters:
    """Clusters by the `codes` `[n]` of a column, indices into `values`."""
    if None not in values:
        return Clusters(column, codes, values, 0)
    empty = codes == values.index(None)
    alone = int(np.count_nonzero(empty))
    codes = codes.copy()
    codes[empty] = len(values) + np.arange(alone)
    return Clusters(column, codes, values, alone)
