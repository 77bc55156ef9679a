"""Writes the picture of a comparison."""

from pathlib import Path

from matplotlib.figure import Figure

from base.console.telling import tell
from base.disk import says_why
from base.permissions import make_folder
from report.plots.save import save


def write_picture(output: Path, picture: Figure) -> None:
    """Write the curves of the runs as PNG and SVG into the folder `output`."""
    with says_why(f"cannot write pictures to {output}"):
        make_folder(output)
        for kind in ("png", "svg"):
            save(picture, output / f"roc_compared.{kind}")
            tell(f"wrote {output / f'roc_compared.{kind}'}", err=True)
