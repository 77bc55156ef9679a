"""What the options on clusters ask for, without numpy, for which no `--help` should wait."""

from typing import Literal, NamedTuple

Aggregate = Literal["max", "mean"]


class Clustering(NamedTuple):
    """What was asked for: intervals by clusters of a column, and one unit for each value of one."""

    cluster: str | None = None
    per: str | None = None
    aggregate: Aggregate = "max"

    @property
    def columns(self) -> dict[str, str]:
        """The columns by the options that name them."""
        named = {"--cluster": self.cluster, "--per": self.per}
        return {option: column for option, column in named.items() if column is not None}
