"""A table of text, shown by the text, Markdown and HTML reports."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """Headings, rows of the same length, and the indices of columns that hold only numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = field(default_factory=frozenset)

    @property
    def title(self) -> str:
        """What the table is about."""
        return self.headings[0]
