"""Drawn images, for a measurement without any of one's own."""

from pathlib import Path

import numpy as np
from PIL import Image

# As large as most dermoscopic images of the ISIC archive.
_WIDTH, _HEIGHT = 1024, 768


def draw_images(folder: Path, count: int) -> list[str]:
    """Draw so many JPEGs into `folder`, always the same; returns their names."""
    names = [f"{number:04}.jpg" for number in range(count)]
    for seed, name in enumerate(names):
        draw = np.random.default_rng(seed)
        # Large soft blots with a little noise, which take as many bytes as a photograph.
        blots = draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        pixels = Image.fromarray(blots).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)
        noise = draw.normal(0, 6, (_HEIGHT, _WIDTH, 1))
        noisy = np.clip(np.asarray(pixels) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / name, quality=90)
    return names
