"""Ids of scores as the truth writes them: with or without a folder and the image's ending."""

from collections.abc import Sequence

import pandas as pd

from base.console.foreign import shown
from report.exchange.csv_file import CsvError, CsvFile
from report.exchange.image_id import image_name


def as_in_truth(file: CsvFile, given: pd.DataFrame, ids: pd.Series) -> tuple[pd.DataFrame, int]:
    """The `given` scores with ids of the truth, and how many of them were written otherwise.

    An id that the truth has is left as it is. Another is taken for the one id of the truth that is
    the same without folder and ending; without such an id, it stays as it is.

    Args:
        file: the file of the scores, for messages.
        given: `id` and `line` of each score; no id is there twice.
        ids: of the truth, none of them twice.

    Raises:
        CsvError: an id could be any of several, or two ids are the same image.
    """
    # As objects: for its own strings pandas takes each of `ids` out of Arrow, a fifth of an import.
    known = given["id"].astype(object).isin(ids.astype(object))
    if known.all():
        return given, 0
    named: dict[str, list[str]] = {}
    for image in ids:
        named.setdefault(image_name(image), []).append(image)
    renamed: list[str] = []
    first: dict[str, tuple[str, int]] = {}
    for image, line, is_known in zip(given["id"], given["line"], known, strict=True):
        where = file.where(line)
        found = image if is_known else _one_of(image, named.get(image_name(image), []), where)
        if found in first:
            other, its_line = first[found]
            raise CsvError(
                f"{where}: {shown(image)} and {shown(other)} (line {its_line}) are both "
                f"{shown(found)} of the truth: leave one out"
            )
        first[found] = image, line
        renamed.append(found)
    return given.assign(id=renamed), int((given["id"] != renamed).sum())


def _one_of(image: str, alike: Sequence[str], where: str) -> str:
    if len(alike) > 1:
        ids = ", ".join(map(shown, alike))
        raise CsvError(f"{where}: {shown(image)} could be any of {ids} in the truth")
    return alike[0] if alike else image
