import click

from base.console.lazy_group import calls


@click.command(short_help="Check whether published figures can come from one table.")
@click.argument("figures", nargs=-1, required=True)
@calls("report.actions.check_figures:check_figures")
def command() -> None:
    """Check whether published FIGURES can come from one 2x2 table at all.

    \b
        report check "n_pos=117 n_neg=483 sens=.675 spec=.638 acc=.798"

    Names: n_pos and n_neg, and those of sens, spec, acc, bacc, ppv, npv and f1 that were published.
    Give all their digits: each figure is taken to be rounded to its last one. A figure may be in
    percent (sens=67.5%). The exit code is 0 if one table gives all figures, 1 if none can, 2 if the
    question cannot be read.
    """  # noqa: D301 - click takes the character itself
