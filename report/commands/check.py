import click

from base.console.lazy_group import calls


@click.command(short_help="Say whether published figures are of one table.")
@click.argument("figures", nargs=-1, required=True)
@calls("report.actions.check_figures:check_figures")
def command() -> None:
    """Say whether published FIGURES can come from one 2x2 table at all.

    \b
        report check "n_pos=117 n_neg=483 sens=.675 spec=.638 acc=.798"

    Names: n_pos, n_neg, and of sens, spec, acc, bacc, ppv, npv, f1 those that were published, with
    all their digits: each is taken for rounded to its last one. A figure may be in percent
    (sens=67.5%). The exit code is 0 where one table gives all figures, 1 where none can, 2 where
    the question cannot be read.
    """  # noqa: D301 - click takes the character itself
