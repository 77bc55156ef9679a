"""The options of `trainer train` that make a recipe, and the recipes that set several at once."""

from collections.abc import Callable
from typing import Any

import click

# Chosen on training and validation images only; docs/training.md has the figures.
RECIPES: dict[str, dict[str, Any]] = {
    "tutorial": {},
    "recommended": {"optimizer": "adam", "unit_norm": True, "zero_init": True, "epoch": "last"},
}

_OPTIONS = [
    click.option(
        "--backbone",
        default="hub:https://tfhub.dev/google/tf2-preview/inception_v3/feature_vector/4",
        show_default=True,
        help="hub:HANDLE (an address or a folder), keras:NAME (of keras.applications; "
        "keras:NAME=FILE takes weights from a file), or small (a small network trained from "
        "scratch, for demos).",
    ),
    click.option(
        "--decode-ratio",
        default=1,
        show_default=True,
        type=click.Choice([1, 2, 4, 8]),
        help="Decode JPEGs at a half, a quarter or an eighth of their size, in training and in "
        "scoring. Large photographs then take less time and memory, and get other pixels; those "
        "under 299 times the ratio lose detail. PNG and BMP stay whole.",
    ),
    click.option("--epochs", default=100, show_default=True, type=click.IntRange(1)),
    click.option("--batch-size", default=64, show_default=True, type=click.IntRange(1)),
    click.option(
        "--optimizer",
        default="rmsprop",
        show_default=True,
        type=click.Choice(["rmsprop", "adam", "adamw", "sgd", "nadam", "adagrad"]),
    ),
    click.option(
        "--learning-rate",
        default=1e-3,
        show_default=True,
        type=click.FloatRange(0, 10, min_open=True),
    ),
    click.option(
        "--weight-decay",
        default=0.0,
        show_default=True,
        type=click.FloatRange(0, 10),
        help="Decoupled weight decay, which is not part of the loss.",
    ),
    click.option(
        "--patience",
        type=click.IntRange(1),
        help="Stop after this many epochs without gain.",
    ),
    click.option("--seed", default=7, show_default=True, type=click.IntRange(0, 2**32 - 1)),
    click.option(
        "--balance",
        default="none",
        show_default=True,
        type=click.Choice(["none", "weights", "oversample"]),
        help="Let both classes count the same; scores then overstate the rarer one.",
    ),
    click.option("--standardise", is_flag=True, help="Centre and scale each feature."),
    click.option(
        "--unit-norm", is_flag=True, help="Scale the features of each image to one length."
    ),
    click.option(
        "--zero-init", is_flag=True, help="Start with a head of zeros, whatever the seed."
    ),
    click.option(
        "--epoch",
        default="best",
        show_default=True,
        type=click.Choice(["best", "last"]),
        help="The epoch that is kept: the best by validation loss, or the last.",
    ),
    click.option(
        "--augment",
        default=1,
        show_default=True,
        type=click.IntRange(1, 64),
        help="Feature rows for each training image: the plain one, then flipped, turned and "
        "slightly recoloured ones.",
    ),
    click.option(
        "--fine-tune",
        default=0,
        show_default=True,
        metavar="LAYERS",
        type=click.IntRange(0),
        help="Afterwards also train this many top layers of a keras: backbone, at a low rate.",
    ),
    click.option("--fine-tune-epochs", default=10, show_default=True, type=click.IntRange(1)),
    click.option(
        "--keep",
        default=1,
        show_default=True,
        type=click.IntRange(1, 100),
        help="How many of the best epochs become checkpoints.",
    ),
]


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of a recipe to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def recipe_values(context: click.Context, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The named recipe's values, under those that were given on the command line."""
    unset = click.core.ParameterSource.DEFAULT
    preset = {
        option: value
        for option, value in RECIPES[name].items()
        if context.get_parameter_source(option) is unset
    }
    return {**values, **preset}
