from pathlib import Path

import click

from base.console.lazy_group import calls
from imaging.listing.labels import label_option
from imaging.listing.tables.manifest_options import manifest_options


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.  [default: the folder's name and .csv, in the working directory]",
)
@manifest_options
@label_option
@click.option("--force", is_flag=True, help="Overwrite a file with other rows.")
@calls("trainer.manifest:write_manifest")
def command() -> None:
    """Write the images of DIR and their labels into a CSV manifest.

    `producer enqueue` and `trainer train` read it. Its paths are relative to DATA_ROOT (default:
    the working directory). An image outside the class folders gets an empty label. DIR may also be
    a manifest whose ids and diagnoses become paths and labels.
    """
