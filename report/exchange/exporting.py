"""Predictions as files: CSV, Parquet, and what the ISIC challenge's scorer reads."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import IO, Any, NamedTuple

import click

from base.console.foreign import for_csv, for_json, shown
from db.queries.report.export import ExportedImage
from report.classes import probabilities_of
from report.exchange.image_id import image_name

_OF_IMAGE = tuple(name for name in ExportedImage._fields if name != "probabilities")
COLUMNS = (*_OF_IMAGE, "run", "checkpoint")
# The columns of ISIC 2017, part 3. Its scorer also requires a second disease, for which dermscore
# has no score; a constant gives that column an AUC of 0.5.
ISIC_COLUMNS = ("image", "melanoma", "seborrheic_keratosis")
NO_INFORMATION = 0.5
# The diagnoses of ISIC 2018 and 2019, whose scorer knows no other spelling.
CHALLENGE = {"MEL", "NV", "BCC", "AKIEC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"}

Chunks = Iterable[Sequence[ExportedImage]]


class ExportError(click.ClickException):
    """The run cannot be written in this format; the message says why."""


class Origin(NamedTuple):
    """The run of the predictions, and the SHA-256 and the classes of its checkpoint."""

    run: int
    checkpoint: str
    classes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a CSV or Parquet file."""
        return *COLUMNS, *(f"probability_{name}" for name in self.classes)

    @property
    def facts(self) -> tuple[int, str]:
        """What every row says of the run."""
        return self.run, self.checkpoint


class ExportCounts(NamedTuple):
    """How many images were written, and how many were left out because they have no score."""

    images: int
    left_out: int = 0


def write_file(layout: str, path: str, chunks: Chunks, origin: Origin) -> ExportCounts:
    """Write `csv`, `parquet` or `isic` to the file of this name; "-" is standard output."""
    if layout == "parquet":
        return _write_parquet(path, chunks, origin)
    with click.open_file(path, "w", encoding="utf-8") as file:
        write = write_isic if layout == "isic" else write_csv
        return write(file, chunks, origin)


def write_csv(file: IO[str], chunks: Chunks, origin: Origin) -> ExportCounts:
    """A header and a row for each image."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(for_csv, origin.columns))
    count = 0
    for chunk in chunks:
        writer.writerows(_safe_rows(chunk, origin))
        count += len(chunk)
    return ExportCounts(count)


def _write_parquet(path: str, chunks: Chunks, origin: Origin) -> ExportCounts:
    """The same columns as CSV, typed, with a row group for each chunk."""
    # Deferred: the import takes 0.2 s, which CSV does not need.
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, _parquet_type(pa, name)) for name in origin.columns])
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for chunk in chunks:
            columns = zip(*_rows(chunk, origin), strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(chunk)
    return ExportCounts(count)


def write_isic(file: IO[str], chunks: Chunks, origin: Origin) -> ExportCounts:
    """A row for each scored image; its id is its file's name without the ending.

    Of a checkpoint with classes it has a column for each, and no other.

    Raises:
        ExportError: two images have the same id.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_isic_columns(origin.classes))
    paths: dict[str, str] = {}
    listed = 0
    for image in (image for chunk in chunks for image in chunk):
        listed += 1
        if image.score is None or (origin.classes and image.probabilities is None):
            continue
        name = image_name(image.path)
        if name in paths:
            raise ExportError(
                f"{shown(paths[name])} and {shown(image.path)} are both called {shown(name)}: the "
                "challenge's scorer identifies an image only by its name"
            )
        paths[name] = image.path
        numbers = _of_classes(image, origin) or (float(image.score), NO_INFORMATION)
        writer.writerow((for_csv(name), *numbers))
    return ExportCounts(len(paths), listed - len(paths))


def _isic_columns(classes: Sequence[str]) -> tuple[Any, ...]:
    """The header: the classes as the card spells them, or as the challenge does if it knows all."""
    if not classes:
        return ISIC_COLUMNS
    upper = [name.upper() for name in classes]
    return "image", *(upper if CHALLENGE.issuperset(upper) else map(for_csv, classes))


def _of_classes(image: ExportedImage, origin: Origin) -> Sequence[float | None]:
    """The cells of the classes, if there are any."""
    if image.probabilities is None:
        return (None,) * len(origin.classes)
    return probabilities_of(image.probabilities, origin.classes)


def _rows(chunk: Sequence[ExportedImage], origin: Origin) -> Iterator[tuple[Any, ...]]:
    for image in chunk:
        attributes = _sorted(image.attributes)
        yield (*image[:6], attributes, *origin.facts, *_of_classes(image, origin))


def _safe_rows(chunk: Sequence[ExportedImage], origin: Origin) -> Iterator[tuple[Any, ...]]:
    """The same rows with safe text cells; the remaining cells cannot start like a formula."""
    facts = origin.facts
    for image in chunk:
        path, label, score, error, detail, digest, attributes, _ = image
        why = (error and for_csv(error), detail and for_csv(detail))
        row = (for_csv(path), label, score, *why, digest, _sorted(attributes), *facts)
        yield (*row, *_of_classes(image, origin)) if origin.classes else row


@lru_cache(maxsize=10_000)  # a dataset has few different ages and sexes
def _sorted(attributes: str | None) -> str | None:
    """The JSON object with sorted names, because PostgreSQL and SQLite order them differently."""
    return None if attributes is None else for_json(json.loads(attributes))


def _parquet_type(pa: Any, name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    of: dict[str, Callable[[], Any]] = {"label": pa.int8, "score": pa.float64, "run": pa.int64}
    if name not in COLUMNS:
        return pa.float32()
    return of.get(name, pa.string)()
