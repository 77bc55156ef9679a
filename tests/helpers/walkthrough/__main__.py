"""`python -m walkthrough [--write] [PAGE...]`: run pages of the docs; without PAGE, all."""

import tempfile
from pathlib import Path

import click
from processes import PROJECT

from walkthrough.walk import PAGES, rewrite, walk


@click.command()
@click.option("--write", is_flag=True, help="Write output and pictures into the pages.")
@click.argument("pages", nargs=-1)
def main(pages: tuple[str, ...], write: bool) -> None:
    """Run the commands of PAGES, and fail where their output has changed in what matters."""
    wrong: list[str] = []
    for name in pages or PAGES:
        if name not in PAGES:
            raise click.ClickException(f"{name} is none of {', '.join(PAGES)}")
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            if write:
                rewrite(PROJECT / name, base, PAGES[name], click.echo)
            else:
                wrong += walk(PROJECT / name, base, PAGES[name], click.echo)
    for what in wrong:
        click.echo(what, err=True)
    if wrong:
        again = "PYTHONPATH=tests/helpers python -m walkthrough --write"
        raise click.ClickException(f"{len(wrong)} outputs changed; if they are right, {again}")


if __name__ == "__main__":
    main()
