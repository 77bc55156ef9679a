"""What benchmarks share: the images, the machine's description, min / median / max."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).parents[1]
SHARED = PROJECT.parent / "shared"
# Benchmarks start the same real servers as the tests: `from servers import ...` after this module.
sys.path.append(str(PROJECT / "tests" / "helpers"))


def images_folder() -> Path:
    """The real images where they are, else drawn ones."""
    real = SHARED / "data" / "isic"
    if real.is_dir():
        return real
    drawn = PROJECT / ".work" / "benchmark-images"
    draw = [sys.executable, str(PROJECT / "demo" / "draw.py"), str(drawn)]
    subprocess.run([*draw, "--train", "144", "--valid", "36", "--test", "80"], check=True)  # noqa: S603
    return drawn


def backbone_option() -> str:
    """The real InceptionV3 module where it is, else the small network."""
    module = SHARED / "models" / "inception_v3_feature_vector"
    return f"hub:{module}" if module.is_dir() else "small"


def describe_machine() -> str:
    """One line: processor, cores, Python."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def line(what: str, values: Sequence[float], unit: str) -> str:
    """`what: min / median / max unit`."""
    low, middle, high = min(values), median(values), max(values)
    return f"{what}: {low:.2f} / {middle:.2f} / {high:.2f} {unit} (min / median / max)"
