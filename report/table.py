"""A table of words, which text, Markdown and the page show alike."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its headings, its rows, each as long, and which columns hold numbers only."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = field(default_factory=frozenset)

    @property
    def title(self) -> str:
        """What the table is about."""
        return self.headings[0]
