from pathlib import Path

import click

from base.console.lazy_group import calls

PARTS = ("valid", "train", "test")  # the smallest first, as in the tutorial
TUTORIAL = "https://s3-us-west-1.amazonaws.com/udacity-dlnfd/datasets/skin-cancer"


def _web_address(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise click.BadParameter(f"{value} is not an address such as {TUTORIAL}")
    return value.rstrip("/")


@click.command(short_help="Download the tutorial's data set.")
@click.argument("home", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--part", "names", multiple=True, type=click.Choice(PARTS), help="One part only; repeatable."
)
@click.option(
    "--url",
    default=TUTORIAL,
    show_default=True,
    callback=_web_address,
    help="Where train.zip, valid.zip and test.zip are.",
)
@click.option(
    "--retries",
    default=5,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Give up after this many attempts without progress.",
)
@click.option("--keep-archives", "keep", is_flag=True, help="Keep the zip files.")
@calls("trainer.download:download", keeps="the same command goes on where it stopped")
def command() -> None:
    """Download the tutorial's data set into DIR/train, DIR/valid and DIR/test.

    2,750 images of the ISIC 2017 challenge in three archives, 11.2 GB. Called again after an
    interruption, it goes on where it stopped.
    """
