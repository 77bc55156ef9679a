"""How each command names a run, by number or name: as its argument, or with --run."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from base.console.lazy_group import LazyGroup

Command = TypeVar("Command", bound=Callable[..., Any])

_GIVEN = "dermscore.run"
# Where a group keeps the word that it took as the run.
RUN_WORD = "dermscore.run_word"
RUN_HELP = "The run, by number or name, like RUN."


def names_run(*, required: bool) -> Callable[[Command], Command]:
    """Give a command the value `run`; None means the newest run, unless `required`."""

    def decorate(command: Command) -> Command:
        metavar = "RUN" if required else "[RUN]"
        named = click.argument(
            "run", required=False, metavar=metavar, callback=partial(_either, required=required)
        )
        return named(_option()(command))

    return decorate


def names_several_runs(command: Command) -> Command:
    """Give a command the value `runs`: at least two runs, in the order in which they were named."""
    option = _option(multiple=True, help="RUN, by number or name; given for each of the runs.")
    named = click.argument("runs", nargs=-1, metavar="RUN RUN...", callback=_several)
    return named(option(command))


def _option(help: str = RUN_HELP, **more: Any) -> Callable[[Command], Command]:  # noqa: A002, ANN401 - click's own
    # Eager, so that it is known when the argument is processed.
    return click.option(
        "--run", "run_option", metavar="RUN", is_eager=True, expose_value=False, callback=_keep,
        help=help, **more,
    )  # fmt: skip


def _keep(context: click.Context, _option: click.Parameter, value: Any) -> None:  # noqa: ANN401 - click's own
    context.meta[_GIVEN] = value


def _either(
    context: click.Context, argument: click.Parameter, value: str | None, *, required: bool
) -> str | None:
    given: str | None = context.meta[_GIVEN]
    _refuse_twice(value, given)
    named = given if value is None else value
    if named is None and required and not context.resilient_parsing:
        raise click.MissingParameter(ctx=context, param=argument)
    return named


def _refuse_twice(word: str | None, given: str | None) -> None:
    if word is not None and given is not None:
        raise click.UsageError(f"the run is named twice: {word}, and --run {given}")


def _several(
    context: click.Context, _argument: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    given: tuple[str, ...] = context.meta[_GIVEN]
    # If some are arguments and some options, their order is unknown.
    if (value and given) or len(value or given) < 2:
        raise click.UsageError("name two runs or more: RUN RUN, or --run RUN --run RUN")
    return value or given


class RunFirst(LazyGroup):
    """A group with an option --run; its first word names the run if it is not a subcommand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Treat a first word that is not a subcommand as the value of `--run`."""
        return super().parse_args(ctx, self._with_run(ctx, args))

    def _with_run(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            before, rest, _ = self.make_parser(ctx).parse_args(args=list(args))
            if not rest or rest[0] in self.list_commands(ctx):
                return args
            behind, _, _ = self.make_parser(ctx).parse_args(args=rest[1:])
        except click.UsageError:
            return args  # click reports it
        word, index = rest[0], len(args) - len(rest)
        _refuse_twice(word, before.get("run") or behind.get("run"))
        ctx.meta[RUN_WORD] = word
        return [*args[:index], "--run", word, *args[index + 1 :]]
