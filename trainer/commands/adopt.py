import re
from pathlib import Path

import click

from base.console.lazy_group import calls
from trainer.adopting.ranges import LIBRARIES, RANGES
from trainer.options import RESIZES, FitType

_MEANINGS = "; ".join(f"{name} ({one.meaning})" for name, one in RANGES.items())


def _input_range(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    if value is None:
        raise click.UsageError(
            f"say with --input-range what numbers the model was trained on: {_MEANINGS}"
        )
    return value


def _size(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    if value is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?", value)
    if found is None:
        raise click.BadParameter(f"{value} is neither a side, such as 224, nor HEIGHTxWIDTH")
    return int(found[1]), int(found[2] or found[1])


def _names(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",")) if value is not None else ()
    if "" in names or len(set(names)) < len(names):
        raise click.BadParameter(f"{value!r} holds an empty name, or one name twice")
    return names


@click.command(short_help="Make a checkpoint of a model trained elsewhere.")
@click.argument("source", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT.keras",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The checkpoint to write.",
)
@click.option(
    "--input-range",
    type=click.Choice(list(RANGES)),
    callback=_input_range,
    help=f"The numbers that the model was trained on: {_MEANINGS}.",
)
@click.option(
    "--size", metavar="N[xM]", callback=_size, help="Height and width.  [default: the file's]"
)
@click.option(
    "--resize",
    default="bilinear",
    show_default=True,
    type=click.Choice(RESIZES),
    help="How its owner resizes images.",
)
@click.option("--antialias", is_flag=True, help="Smooth while resizing.")
@click.option(
    "--library",
    default="tensorflow",
    show_default=True,
    type=click.Choice(LIBRARIES),
    help="What its owner reads and resizes images with: tensorflow (tf.io, "
    "image_dataset_from_directory), pillow (load_img, ImageDataGenerator, torchvision) or opencv.",
)
@click.option(
    "--fit",
    default="stretch",
    show_default=True,
    type=FitType(),
    metavar="stretch|crop[:0.875]|pad",
    help="How an image of another shape becomes one of this size.",
)
@click.option(
    "--classes", metavar="A,B,…", callback=_names, help="The classes in the order of its outputs."
)
@click.option(
    "--positive",
    metavar="A[,B]",
    callback=_names,
    help="The classes whose probabilities add up to the score.",
)
@click.option(
    "--activation",
    type=click.Choice(["none", "sigmoid", "softmax"]),
    help="What turns its outputs into probabilities.  [default: none where the model ends so]",
)
@click.option(
    "--custom",
    metavar="FILE.py",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Python code with the model's own layers; runs only with --trust.",
)
@click.option("--trust", is_flag=True, help="Run the code that the model holds or needs.")
@click.option(
    "--check",
    metavar="PREDICTIONS.csv",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare with its owner's own scores: a path column, and a score column or one for each "
    "class.",
)
@click.option(
    "--tolerance",
    default=1e-3,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="The largest difference that --check accepts.",
)
@calls("trainer.adopt:adopt")
def command() -> None:
    """Make a checkpoint of a model that was trained elsewhere, to be scored as by its owner.

    FILE is a .keras or .h5 of Keras 2 or 3, FOLDER a SavedModel of TensorFlow. Nothing that the
    model holds is run unless --trust is given; docs/adopting.md has a line for each kind of model.
    """
