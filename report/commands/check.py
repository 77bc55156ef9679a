import click

from base.console.lazy_group import calls


@click.command(short_help="Check whether published figures can come from one table.")
@click.argument("figures", nargs=-1, required=True)
@calls("report.actions.check_figures:check_figures")
def command() -> None:
    """Check whether published FIGURES can come from one 2x2 table at all.

    \b
        report check "n_pos=117 n_neg=483 sens=.675 spec=.638 acc=.798"

    Give n_pos, n_neg and the published figures among sens, spec, acc, bacc, ppv, npv and f1. Give
    all published digits, because each figure counts as rounded to its last digit. A figure may be
    in percent (sens=67.5%). The exit code is 0 if one table can give all figures, 1 if none can,
    and 2 if the figures cannot be parsed.
    """  # noqa: D301 - click takes the character itself
