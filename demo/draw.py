"""Draw a small folder of dermoscopic images, so that the demo needs no patient's picture.

Nothing here is a medical image. The classes differ as they do in reality: on average, in many
properties at once, and with so much overlap that no model can tell them apart without error.
"""

import math
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from base.console.progress_counter import end_count, progress_counter

# All of it float32 in practice: half the memory, half the time.
Plane = NDArray[np.floating[Any]]  # (height, width)
Planes = NDArray[np.floating[Any]]  # (3, height, width): red, green, blue; 1.0 is white


def rgb(red: float, green: float, blue: float) -> Planes:
    """A colour in the shape (3, 1, 1), which multiplies planes."""
    return np.array([red, green, blue], np.float32)[:, None, None]


COMMENT = "synthetic, drawn by dermscore demo"
SIZES = ((600, 450), (640, 480), (560, 420))  # width, height in pixels
SHARES = {"melanoma": 0.23, "nevus": 0.60, "seborrheic_keratosis": 0.17}
SKINS = (rgb(0.93, 0.75, 0.69), rgb(0.87, 0.79, 0.77), rgb(0.90, 0.65, 0.48), rgb(0.88, 0.72, 0.80))
MILIA = rgb(0.86, 0.78, 0.66)
# How strongly each pigment swallows red, green and blue light.
BLOOD, MELANIN, GREY = rgb(0.06, 0.12, 0.12), rgb(0.46, 0.93, 1.25), rgb(0.62, 0.80, 0.90)
SLATE, RED = rgb(1.15, 1.08, 0.95), rgb(0.42, 1.02, 1.10)


class Look(NamedTuple):
    """What a lesion looks like; sizes in image heights, the rest without a unit."""

    radius: float
    lobes: float  # how far its outline is from an ellipse
    ragged: float  # how restless its border is
    edge: float  # how slowly it fades into the skin
    density: float  # of its pigment
    uneven: float  # how differently its parts are pigmented
    colours: float  # strength of blue-grey and red patches
    grey: float  # share of grey in the brown
    mesh: float  # how clearly a pigment network shows
    dots: float  # milia-like, by number


TYPICAL = {
    "melanoma": Look(0.28, 0.20, 0.16, 0.11, 1.20, 0.48, 0.70, 0.14, 0.26, 2),
    "nevus": Look(0.20, 0.11, 0.09, 0.14, 0.85, 0.24, 0.14, 0.10, 0.24, 2),
    "seborrheic_keratosis": Look(0.22, 0.13, 0.08, 0.05, 0.72, 0.26, 0.16, 0.50, 0.10, 26),
}
# The spread of each property's logarithm: it decides how much the classes overlap.
SPREAD = Look(0.24, 0.45, 0.45, 0.35, 0.28, 0.45, 0.70, 0.45, 0.50, 0.70)
MIMICS = 0.1  # the share that looks like any diagnosis, so that no model can be perfect


class Task(NamedTuple):
    """One image to draw."""

    path: Path
    diagnosis: str
    seed: SeedSequence


def stretched(plane: Plane, shape: tuple[int, int]) -> Plane:
    """The plane smoothly enlarged to a (height, width) in pixels."""
    return np.asarray(Image.fromarray(plane).resize(shape[::-1], Image.Resampling.BICUBIC))


def noise(rng: Generator, shape: tuple[int, int], cell: float, octaves: int = 1) -> Plane:
    """Smooth noise of about unit spread, (height, width); `cell` is its coarsest grain in px."""
    total = np.zeros((2, 2), np.float32)
    for octave in range(octaves):
        grid = (int(shape[0] / cell * 2**octave) + 2, int(shape[1] / cell * 2**octave) + 2)
        total = stretched(total, grid) + rng.standard_normal(grid, np.float32) / 2**octave
    return stretched(total, shape) / np.float32(0.85)  # enlarging takes some of the spread


def individual(rng: Generator, diagnosis: str) -> Look:
    """One lesion's own look, scattered around what is typical of its diagnosis, or of another."""
    if rng.random() < MIMICS:
        diagnosis = str(rng.choice(list(TYPICAL)))
    scatter = np.exp(np.array(SPREAD) * rng.standard_normal(len(SPREAD)))
    look = Look(*(float(value) for value in np.array(TYPICAL[diagnosis]) * scatter))
    return look._replace(radius=min(look.radius, 0.42), grey=min(look.grey, 0.9))


def skin(rng: Generator, shape: tuple[int, int]) -> Planes:
    """Bare skin under an uneven light."""
    shares = rng.dirichlet([0.6] * len(SKINS)) * rng.uniform(0.92, 1.08)
    tone = np.einsum("i,ijkl->jkl", shares.astype(np.float32), SKINS)
    mottle = 0.4 * noise(rng, shape, shape[0] / 3, 4) - 0.15 * np.exp(-np.abs(noise(rng, shape, 9)))
    mottle += rng.uniform(0.05, 0.2) * noise(rng, shape, 2.5)
    light = 1 + 0.04 * noise(rng, shape, shape[0])
    return np.asarray(tone * light * np.exp(-BLOOD * mottle))


def turned(rng: Generator, shape: tuple[int, int], radius: float) -> tuple[Plane, Plane]:
    """Distances along and across a lesion from its middle, (height, width), in its radii."""
    down, right = (np.arange(side) - side * rng.normal(0.5, 0.035) for side in shape)
    x, y = (right / radius).astype(np.float32), (down / radius).astype(np.float32)[:, None]
    angle = rng.uniform(0, math.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def place(rng: Generator, shape: tuple[int, int], look: Look) -> tuple[Plane, Plane]:
    """How much lesion there is, 0 to about 1, and a slope across it, -1 to 1 at its borders."""
    grain = look.radius * shape[0]
    along, across = turned(rng, shape, grain)
    stretch = rng.uniform(1.0, 1.25)
    # The square keeps the noise from making islands far from the lesion.
    depth = 0.6 - 0.6 * ((along / stretch) ** 2 + (across * stretch) ** 2)
    depth += look.lobes * noise(rng, shape, grain) + look.ragged * noise(rng, shape, grain / 3, 4)
    cover = 1 / (1 + np.exp(np.clip(-depth / look.edge, -30, 30)))
    return cover * (0.8 + 0.4 * np.clip(depth, 0, 1)), along


def pigment(rng: Generator, shape: tuple[int, int], look: Look) -> Planes:
    """What the lesion swallows of red, green and blue light, as exponents."""
    cover, slope = place(rng, shape, look)
    grain = shape[0] * look.radius
    parts = np.clip(0.6 * slope, -1, 1) + 0.7 * noise(rng, shape, grain * 0.6, 4)
    mesh = np.exp(-2 * np.abs(noise(rng, shape, 10, 2))) - 0.4  # creases of noise form a network
    melanin = cover * look.density * np.clip(1 + look.uneven * parts + look.mesh * mesh, 0.15, 2.2)
    swallowed = melanin * rgb(*((1 - look.grey) * MELANIN + look.grey * GREY).ravel())
    for colour in (SLATE, RED):
        patch = look.colours * np.clip(noise(rng, shape, grain * 0.6, 3) - 0.2, 0, None)
        swallowed += 0.8 * cover * (1 - np.exp(-patch)) * (colour - swallowed)
    return np.asarray(swallowed)


def shrunk(sheet: Image.Image) -> Plane:
    """A sheet drawn at twice the size, so that its strokes get smooth borders; 0 to 1."""
    return np.asarray(sheet.reduce(2), np.float32) / 255


def bow(rng: Generator, width: int, height: int, angle: float) -> list[tuple[float, float]]:
    """Points (x, y) in pixels along a slightly bent stroke."""
    t, reach = np.linspace(0, 1, 30)[:, None], rng.uniform(0.12, 0.5) * width
    middle = rng.uniform(0, (width, height))
    step = reach * np.array([math.cos(angle), math.sin(angle)])
    bend = middle + rng.normal(0, 0.35, 2) * reach
    curve = (1 - t) ** 2 * (middle - step) + 2 * t * (1 - t) * bend + t**2 * (middle + step)
    return [(x, y) for x, y in curve.tolist()]


def hairs(rng: Generator, shape: tuple[int, int]) -> Plane:
    """Where hairs lie, 0 to 1; half of the images have none."""
    sheet = Image.new("L", (2 * shape[1], 2 * shape[0]))
    pen, comb = ImageDraw.Draw(sheet), rng.uniform(0, 2 * math.pi)
    thickness = int(rng.integers(2, 5))
    for _ in range(int(rng.choice([0, 0, 0, 2, 5, 12]))):
        stroke = bow(rng, *sheet.size, comb + rng.normal(0, 0.5))
        pen.line(stroke, int(rng.integers(150, 235)), thickness, "curve")
    return shrunk(sheet)


def milia(rng: Generator, shape: tuple[int, int], number: int) -> Plane:
    """Where small pale dots lie, 0 to 1."""
    sheet = Image.new("L", (2 * shape[1], 2 * shape[0]))
    pen = ImageDraw.Draw(sheet)
    for x, y in (rng.normal(0.5, (0.11, 0.15), (number, 2)) * sheet.size).tolist():
        size = rng.uniform(4, 11)
        pen.ellipse((x - size, y - size, x + size, y + size), int(rng.integers(90, 220)))
    return shrunk(sheet)


def vignette(rng: Generator, shape: tuple[int, int]) -> Plane:
    """The light that reaches the sensor, 0 to 1: some lenses leave black corners."""
    x, y = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape[::-1])
    distance = np.hypot(x, y[:, None] * (shape[0] / shape[1]))
    light = 1 - rng.uniform(0.05, 0.22) * distance**2
    if rng.random() < 0.3:
        light /= 1 + np.exp((distance - rng.uniform(0.92, 1.08)) / 0.012)
    return np.asarray(light)


def lesion_image(rng: Generator, diagnosis: str) -> Image.Image:
    """One dermoscopic RGB image (drawn) of a lesion of that diagnosis."""
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    shape, look = (height, width), individual(rng, diagnosis)
    swallowed = pigment(rng, shape, look)
    pale = milia(rng, shape, int(look.dots)) * np.clip(swallowed[1], 0, 0.8)
    colours = skin(rng, shape) * np.exp(-swallowed)
    colours += pale * (MILIA - colours)
    colours *= (1 - 0.85 * hairs(rng, shape)) * vignette(rng, shape)
    colours += 0.008 * rng.standard_normal(shape, np.float32)  # the camera's own noise
    pixels = (255 * np.clip(colours, 0, 1)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def draw(task: Task) -> str:
    """Draw one image into its file; returns its diagnosis."""
    image = lesion_image(default_rng(task.seed), task.diagnosis)
    task.path.parent.mkdir(parents=True, exist_ok=True)
    image.save(task.path, quality=90, comment=COMMENT)
    return task.diagnosis


def tasks(folder: Path, seed: int, splits: dict[str, int]) -> Iterator[Task]:
    """Every image to draw, numbered throughout; each has a seed of its own."""
    number = 0
    for split, images in splits.items():
        counts = {name: max(1, round(share * images)) for name, share in SHARES.items()}
        counts["nevus"] += images - sum(counts.values())
        for diagnosis in (name for name, count in counts.items() for _ in range(count)):
            number += 1
            path = folder / split / diagnosis / f"SYNTHETIC_{number:07d}.jpg"
            yield Task(path, diagnosis, SeedSequence(seed, spawn_key=(number,)))


def make_room(folder: Path) -> None:
    """Take away what an interrupted drawing left behind; anything else is an error."""
    found = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    for path in found:
        if path.parts[-2] not in SHARES or not path.match("SYNTHETIC_*.jpg"):
            raise click.ClickException(f"{folder} holds {path.name}, which was not drawn here")
    for path in found:
        path.unlink()


def draw_all(todo: list[Task]) -> Counter[str]:
    """Draw every image; returns how many there are of each diagnosis."""
    # Spawned, not forked: the same on every system, and safe whatever threads the parent has.
    with ProcessPoolExecutor(min(8, os.cpu_count() or 1), get_context("spawn")) as pool:
        drawn: Counter[str] = Counter()
        for diagnosis in pool.map(draw, todo, chunksize=4):
            drawn[diagnosis] += 1
            progress_counter(f"{drawn.total()} of {len(todo)} images drawn")
    end_count()
    return drawn


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True)
@click.option("--train", type=click.IntRange(min=3), default=240, show_default=True)
@click.option("--valid", type=click.IntRange(min=3), default=80, show_default=True)
@click.option("--test", type=click.IntRange(min=3), default=160, show_default=True)
def main(folder: Path, seed: int, train: int, valid: int, test: int) -> None:
    """Draw synthetic dermoscopic images into FOLDER/{train,valid,test}/DIAGNOSIS/."""
    marker = folder / "SYNTHETIC.txt"
    label = (
        "Every image in this folder is synthetic: drawn by demo/draw.py, of no patient, "
        f"of no medical use.\nseed {seed}, train {train}, valid {valid}, test {test}\n"
    )
    if marker.exists() and marker.read_text() == label:
        click.echo(f"{folder} already drawn")
        return
    if marker.exists():
        raise click.ClickException(f"{folder} is already drawn with other parameters")
    make_room(folder)
    drawn = draw_all(list(tasks(folder, seed, {"train": train, "valid": valid, "test": test})))
    marker.write_text(label)  # last, so that an interrupted drawing is redone
    counts = ", ".join(f"{name} {number}" for name, number in sorted(drawn.items()))
    click.echo(f"{drawn.total()} synthetic images in {folder} ({counts})")


if __name__ == "__main__":
    main()
