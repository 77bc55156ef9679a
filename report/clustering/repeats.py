"""Finds a column that says that images belong together, where nobody asked for clusters. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping

# As the data sets write them: patient_id, lesion, Case ID, case_num, patientId.
_NAMED = re.compile(r"(patient|lesion|case)(id|no|nr|num|number|name|key|code)?")
# After so many images no new column is expected, and a run without such a column is given up.
_FEW = 100
_ORDER = ("patient", "lesion", "case", "")


def repeating_column(images: Iterable[Mapping[str, str]]) -> str | None:
    """The column by which images should be clustered, or None.

    One called patient, lesion or case, or whose name ends in `_id` and that has several values, if
    a value repeats. Of several a patient comes first, as lesions and cases are of a patient.

    Args:
        images: the attributes of each.
    """
    seen: dict[str, set[str] | None] = {}
    repeats: set[str] = set()
    for at, attributes in enumerate(images):
        open_ones = [column for column, values in seen.items() if values is not None]
        if at >= _FEW and all(_found(column, seen, repeats) for column in open_ones):
            break
        for column in attributes if len(seen) != len(attributes) else open_ones:
            if column not in seen:
                seen[column] = set() if _is_of_clusters(column) else None
            values, value = seen[column], attributes.get(column)
            if value and values is not None:
                if value in values:
                    repeats.add(column)
                values.add(value)
    found = [column for column in repeats if _found(column, seen, repeats)]
    return min(found, key=lambda column: (_ORDER.index(_kind(column)), column), default=None)


def _found(column: str, seen: Mapping[str, set[str] | None], repeats: Collection[str]) -> bool:
    return column in repeats and bool(_kind(column) or len(seen[column] or ()) > 1)


def _is_of_clusters(column: str) -> bool:
    return bool(_kind(column)) or column.lower().endswith("_id")


def _kind(column: str) -> str:
    """`patient`, `lesion`, `case`, or nothing."""
    named = _NAMED.fullmatch(re.sub(r"[^a-z]", "", column.lower()))
    return named[1] if named else ""
