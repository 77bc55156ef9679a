"""The options of `trainer train` that form a recipe, and named recipes with presets."""

from functools import partial
from typing import Any

import click

from base.console.click_options import all_of

# Chosen on training and validation images only; docs/training.md has the figures.
RECIPES: dict[str, dict[str, Any]] = {
    "tutorial": {},
    "recommended": {
        "features_at": "mixed4,mixed6",
        "standardise": True,
        "optimizer": "adam",
        "weight_decay": 5.0,
        "zero_init": True,
        "prior_init": True,
        "epoch": "last",
    },
}
# Those of `model.card.Resize`, whose import takes longer than --help may.
RESIZES = ("bilinear", "bicubic", "nearest", "area", "lanczos")
# What `recommended` is for a backbone that has no such layers.
WITHOUT_LAYERS: dict[str, Any] = {
    "optimizer": "adam",
    "unit_norm": True,
    "zero_init": True,
    "epoch": "last",
}


class FitType(click.ParamType[str]):
    """`--fit stretch|pad|crop[:F]`."""

    name = "fit"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value in its one spelling: `crop` of `crop:1.0`."""
        from model.card import fit_of  # deferred: pydantic is slow to import, and --help is quick

        try:
            return fit_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_option = partial(click.option, show_default=True)
_OPTIONS = [
    _option(
        "--backbone",
        default="hub:https://tfhub.dev/google/tf2-preview/inception_v3/feature_vector/4",
        help="hub:HANDLE (an address or a folder), keras:NAME (of keras.applications; "
        "keras:NAME=FILE takes weights from a file), or small (a small network trained from "
        "scratch, for demos).",
    ),
    click.option(
        "--features-at",
        default="",
        metavar="LAYER[,LAYER]",
        help="End the backbone at these layers and take the mean of each over the pixels: "
        "mixed0 to mixed10 of an InceptionV3, or a layer's name. Less is computed.",
    ),
    _option(
        "--decode-ratio",
        default=1,
        type=click.Choice([1, 2, 4, 8]),
        help="Decode JPEGs at a half, a quarter or an eighth of their size, in training and in "
        "scoring. Large photographs then take less time and memory, and their pixels change; "
        "images smaller than 299 times the ratio lose detail. PNG and BMP are not affected.",
    ),
    _option(
        "--orientation",
        default="ignore",
        type=click.Choice(["ignore", "apply"]),
        help="Turn images as their EXIF says, in training and in scoring; the tutorial does not.",
    ),
    _option(
        "--resize",
        default="bilinear",
        type=click.Choice(RESIZES),
        help="How pixels are computed at the network's size, in training and in scoring.",
    ),
    click.option(
        "--antialias",
        is_flag=True,
        help="Use all pixels of an image that is made smaller, as Pillow does; nearest and area "
        "do not change.",
    ),
    _option(
        "--fit",
        default="stretch",
        type=FitType(),
        metavar="stretch|pad|crop[:F]",
        help="What becomes of an image that is not square: it is stretched, put whole on black "
        "(pad), or its largest square in the centre is taken (crop), or a smaller one "
        "(crop:0.875).",
    ),
    _option("--epochs", default=100, type=click.IntRange(1)),
    _option("--batch-size", default=64, type=click.IntRange(1)),
    _option(
        "--optimizer",
        default="rmsprop",
        type=click.Choice(["rmsprop", "adam", "adamw", "sgd", "nadam", "adagrad"]),
    ),
    _option("--learning-rate", default=1e-3, type=click.FloatRange(0, 10, min_open=True)),
    _option(
        "--weight-decay",
        default=0.0,
        type=click.FloatRange(0, 10),
        help="Decoupled weight decay, which is not part of the loss.",
    ),
    click.option(
        "--patience",
        type=click.IntRange(1),
        help="Stop after this many epochs without improvement.",
    ),
    _option("--seed", default=7, type=click.IntRange(0, 2**32 - 1)),
    _option(
        "--balance",
        default="none",
        type=click.Choice(["none", "weights", "oversample"]),
        help="Give both classes the same weight; scores then overstate the rarer class.",
    ),
    click.option("--standardise", is_flag=True, help="Centre and scale each feature."),
    click.option(
        "--unit-norm", is_flag=True, help="Scale the features of each image to one length."
    ),
    click.option(
        "--zero-init", is_flag=True, help="Start with a head of zeros, independent of the seed."
    ),
    click.option(
        "--prior-init",
        is_flag=True,
        help="Start with the share of malignant training images as every score.",
    ),
    _option(
        "--epoch",
        default="best",
        type=click.Choice(["best", "last"]),
        help="The epoch that is kept: the best by validation loss, or the last.",
    ),
    _option(
        "--augment",
        default=1,
        type=click.IntRange(1, 64),
        help="Feature rows for each training image: the plain one, then flipped, turned and "
        "slightly recoloured ones.",
    ),
    _option(
        "--fine-tune",
        default=0,
        metavar="LAYERS",
        type=click.IntRange(0),
        help="Afterwards also train this many top layers of a keras: backbone, at a low rate.",
    ),
    _option("--fine-tune-epochs", default=10, type=click.IntRange(1)),
    _option(
        "--keep",
        default=1,
        type=click.IntRange(1, 100),
        help="How many of the best epochs become checkpoints.",
    ),
]
recipe_options = all_of(*_OPTIONS)


def recipe_values(context: click.Context, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The option values, with the named recipe's value for each option that was not given."""
    return {**values, **_not_given(context, RECIPES[name])}


def values_without_layers(
    context: click.Context, name: str, values: dict[str, Any]
) -> dict[str, Any] | None:
    """The option values for a backbone without the layers that the named recipe chose.

    None if it chose none: those that a person asks for must be there.
    """
    if "features_at" not in _not_given(context, RECIPES[name]):
        return None
    return {**values, **_not_given(context, WITHOUT_LAYERS)}


def _not_given(context: click.Context, preset: dict[str, Any]) -> dict[str, Any]:
    unset = click.core.ParameterSource.DEFAULT
    return {
        option: value
        for option, value in preset.items()
        if context.get_parameter_source(option) is unset
    }
