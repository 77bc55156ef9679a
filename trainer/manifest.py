"""What `trainer manifest` does: write the tutorial's CSV file of paths and labels."""

import csv
import filecmp
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

import click

from base.console.telling import tell
from base.disk import says_why
from base.listed_image import ListedImage
from base.whole_file import whole_file
from imaging.data_root import data_folder
from imaging.listing.sources import is_manifest, list_source
from imaging.listing.tables.manifest_options import ManifestOptions

NAMES = {0: "benign", 1: "malignant", None: "without label"}


def write_manifest(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    folder: Path,
    output: Path | None,
    images: tuple[str, ...],
    path_column: str | None,
    label_columns: tuple[tuple[str, str | None], ...],
    labels: Mapping[str, int | None],
    force: bool,
) -> None:
    """Write the images of a folder and their labels, by default to the folder's name and .csv.

    Instead of a folder it may be a manifest, whose ids and diagnoses become paths and labels.
    """
    options = ManifestOptions(images, path_column, label_columns)
    if not folder.is_dir() and not is_manifest(folder):
        raise click.ClickException(f"{folder} is not a folder")
    if output is None and not folder.is_dir():
        raise click.UsageError(f"{folder} is a manifest: -o names the file to write")
    output = output or Path(f"{folder.resolve().name}.csv")
    listed = list_source(str(folder), data_folder(), labels, options)
    with says_why(f"{output} cannot be written"), whole_file(output) as draft:
        with draft.open("w", encoding="utf-8", newline="") as file:
            counts = write_rows(file, listed)
        if output.is_file() and not force and not filecmp.cmp(draft, output, shallow=False):
            raise click.ClickException(
                f"{output} exists and holds other rows: --force overwrites it, -o names another"
            )
    tell(f"{output}: {counts.total()} images ({describe(counts)})")


def write_rows(file: TextIO, listed: Iterable[ListedImage]) -> Counter[int | None]:
    """Write `filepath,label` and a row for each image; returns the count of each label."""
    counts: Counter[int | None] = Counter()
    plain = csv.writer(file, lineterminator="\n")
    # With rows that end in \n, the csv module does not quote a lone \r and then cannot read it.
    quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(("filepath", "label"))
    for image in listed:
        writer = quoted if "\r" in image.path else plain
        writer.writerow((image.path, "" if image.label is None else image.label))
        counts[image.label] += 1
    return counts


def describe(counts: Counter[int | None]) -> str:
    """`56 benign, 24 malignant` and the number without a label, if any."""
    return ", ".join(
        f"{counts[label]} {name}"
        for label, name in NAMES.items()
        if counts[label] or label is not None
    )
