"""Draw large synthetic photographs, so that decoding is measured where no real ones are.

Nothing here is a medical image: smooth colours under grain like a camera's, as JPEGs of 0.5 to 1 MB
for each megapixel.
"""

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

QUALITY = 95
GRAIN = 6.0  # standard deviation in grey levels: with QUALITY it makes the size of the files
MOTTLE = 14.0  # the same for blotches of 4, 16 and 64 pixels, finest first by half
SKIN = (222.0, 178.0, 160.0)


def stretched(plane: npt.NDArray[np.float32], width: int, height: int) -> npt.NDArray[np.float32]:
    """The plane smoothly enlarged, float32 `[height, width]`."""
    image = Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def photograph(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """One RGB image of that many pixels."""
    relief = np.zeros((height, width), np.float32)
    for weight, grain in ((0.25, 4), (0.5, 16), (1.0, 64)):
        blotches = rng.standard_normal((height // grain + 2, width // grain + 2), np.float32)
        relief += weight * MOTTLE * stretched(blotches, width, height)
    relief += GRAIN * rng.standard_normal((height, width), np.float32)
    planes = []
    for tone in SKIN:
        own = GRAIN / 2 * rng.standard_normal((height, width), np.float32)
        planes.append(np.clip(tone + relief + own, 0, 255).astype(np.uint8))
    return Image.fromarray(np.stack(planes, axis=-1))


def draw_large(folder: Path, megapixels: float, count: int, seed: int = 7) -> list[Path]:
    """`count` JPEGs of 4 by 3 in `folder`; those drawn before are taken as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    height = round(megapixels * 1e6 / width)
    paths = []
    for number in range(count):
        path = folder / f"synthetic_{megapixels:g}mp_seed{seed}_{number:03}.jpg"
        if not path.exists():
            draft = path.with_suffix(".part")
            rng = np.random.default_rng([seed, number, width, height])
            photograph(rng, width, height).save(draft, "JPEG", quality=QUALITY)
            draft.replace(path)  # whole or not at all: an interrupted drawing is redone
        paths.append(path)
    return paths


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--megapixels", default=(3.0, 12.0, 30.0), show_default=True, multiple=True, type=float
)
@click.option("--count", default=8, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0))
def main(folder: Path, megapixels: tuple[float, ...], count: int, seed: int) -> None:
    """Draw COUNT JPEGs of each size into FOLDER."""
    for size in megapixels:
        held = sum(path.stat().st_size for path in draw_large(folder, size, count, seed))
        click.echo(f"{count} images of {size:g} MP, {held / count / size / 1e6:.2f} MB per MP")


if __name__ == "__main__":
    main()
