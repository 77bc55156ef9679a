"""Columns that are crossed: women in their fifties, men in their fifties. Pure."""

from collections.abc import Sequence

import numpy as np

from report.grouping.coded import Coded, merged
from report.metrics.subgroups import is_known, order_of


def crossed(parts: Sequence[Coded]) -> Coded:
    """Each combination of values that an image has; unknown where one of them is."""
    ranks = [_ranks(part) for part in parts]
    shape = [len(part.values) for part in parts]
    combined = np.ravel_multi_index([part.codes for part in parts], shape)
    found, codes = np.unique(combined, return_inverse=True)
    combinations = np.transpose(np.unravel_index(found, shape)).tolist()
    keys = [
        tuple(rank[code] for rank, code in zip(ranks, its, strict=True))
        if all(is_known(part.values[code]) for part, code in zip(parts, its, strict=True))
        else None
        for its in combinations
    ]
    names = [
        {rank[code]: part.values[code] or "" for code in rank}
        for part, rank in zip(parts, ranks, strict=True)
    ]
    return merged(
        codes,
        keys,
        lambda key: ", ".join(its[at] for its, at in zip(names, key, strict=True)),
    )


def _ranks(part: Coded) -> dict[int, int]:
    """The place of each code in the order in which its values are shown."""
    codes = range(len(part.values)) if part.in_order else order_of(part.values)
    return {code: at for at, code in enumerate(codes)}
