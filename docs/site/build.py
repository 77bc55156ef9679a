"""Builds the docs as a site that is read from disk: `make site`.

The pages are gathered in the places that they have in the repository, so that their links are the
same here and there; a link or an anchor that leads nowhere ends the build.
"""

import logging
import shutil
from importlib.util import find_spec
from pathlib import Path

import click
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
BESIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "CITATION.cff")


def gather(pages: Path) -> None:
    """Copy into `pages` what the site holds, and the drawing program of its pictures."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(PROJECT / "docs", pages / "docs", ignore=shutil.ignore_patterns("site"))
    for name in BESIDE:
        shutil.copy(PROJECT / name, pages / name)
    for name in ("site.css", "search-worker.js"):
        shutil.copy(HERE / name, pages / name)
    shutil.copy(mermaid_js(), pages / "mermaid.js")


def mermaid_js() -> Path:
    """The file of the package mermaidx, of which nothing else is used."""
    found = find_spec("mermaidx")
    if found is None or found.origin is None:
        raise click.ClickException("mermaidx is not installed: `make site` installs it")
    return Path(found.origin).parent / "assets" / "mermaid.js"


def build_site(pages: Path, site: Path) -> None:
    """Gather the pages in one folder and build the site in another.

    Raises:
        click.ClickException: a link or an anchor leads nowhere; it was named on standard error.
    """
    gather(pages)
    config = load_config(
        str(HERE / "mkdocs.yml"), strict=True, docs_dir=str(pages), site_dir=str(site)
    )
    try:
        build(config)
    except Abort as error:
        raise click.ClickException("the site was not built: mend what is named above") from error


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=PROJECT / ".work" / "site")
def main(folder: Path) -> None:
    """Build the site in FOLDER/html."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    build_site(folder / "pages", folder / "html")
    click.echo(f"open {folder / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
