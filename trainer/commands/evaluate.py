from pathlib import Path

import click

from base.console.lazy_group import calls
from imaging.listing.labels import label_option
from imaging.listing.selection import exclude_option
from imaging.listing.tables.manifest_options import manifest_options
from report.thresholds.threshold import ThresholdType


@click.command(short_help="Measure a checkpoint, without queue or ledger.")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("source")
@click.option("--threshold", type=ThresholdType(), help="Default: the model card's.")
@manifest_options
@label_option
@exclude_option
@calls("trainer.evaluate:evaluate")
def command() -> None:
    """Measure CHECKPOINT on SOURCE, in this process, without queue or ledger."""
