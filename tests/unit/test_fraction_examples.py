"""A fraction that is refused is answered with a usual value of that very option."""

import click
import pytest

from report.commands import choose_threshold, compare

USUAL = [
    (compare.command, "margin", "0.05"),
    (compare.command, "confidence", "0.95"),
    (choose_threshold.command, "prevalence", "0.02"),
]


@pytest.mark.parametrize(("command", "option", "usual"), USUAL)
@pytest.mark.parametrize("refused", ["0", "1", "1.5", "-0.05", "much"])
def test_a_refused_fraction_names_a_usual_value_of_its_option(
    command: click.Command, option: str, usual: str, refused: str
) -> None:
    (found,) = (param for param in command.params if param.name == option)

    with pytest.raises(click.BadParameter, match=f"between 0 and 1, such as {usual}$"):
        found.type.convert(refused, found, None)
