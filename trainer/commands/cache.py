import click

from base.console.lazy_group import calls


@click.group(short_help="Cached features, and kept graphs.")
def command() -> None:
    """Features of images, cached for later trainings, and graphs, kept for later workers."""


@command.command("list", short_help="List cached features, and sum up kept graphs.")
@calls("trainer.cache:list_cache")
def list_cache() -> None:
    """List cached features by backbone, decode settings and variant, and sum up kept graphs."""


@command.command(short_help="Delete cached features and kept graphs.")
@click.option(
    "--backbone", metavar="DIGEST", help="Only of the backbone whose digest starts like this."
)
@click.option("--yes", "sure", is_flag=True, help="Delete without asking.")
@calls("trainer.cache:clear_cache")
def clear() -> None:
    """Delete cached features and kept graphs; who needs them next makes them again."""
