"""The galleries of images with the most confident errors, and the images without a score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from base.console.foreign import shown
from db.queries.report.page import ScoredCase, UnreadableCase
from report.loading.thumbnails import Thumbnail

MOST_ATTRIBUTES = 6

Kind = Literal["fn", "fp"]
_NAMES = {
    "fn": ("False negatives: the lowest scores of malignant images", "malignant"),
    "fp": ("False positives: the highest scores of benign images", "benign"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """One image of a gallery; `attributes` are up to MOST_ATTRIBUTES from the manifest."""

    name: str
    score: float
    attributes: Sequence[tuple[str, str]]
    picture: Thumbnail


@dataclass(frozen=True, slots=True)
class Gallery:
    """The images of one label with the scores furthest from it, furthest first.

    `kind` is the cell of the 2x2 table that they fall into as errors; `truth` is their label.
    """

    kind: Kind
    title: str
    truth: str
    cards: Sequence[Card]

    def is_error(self, card: Card, threshold: float) -> bool:
        """Whether the image is wrong at this threshold."""
        return card.score < threshold if self.kind == "fn" else card.score >= threshold

    def words(self, threshold: float, total: int) -> str:
        """How many of the `total` errors at this threshold are shown, as text."""
        if not total:
            return "None at this threshold."
        here = sum(self.is_error(card, threshold) for card in self.cards)
        return f"{here} of {total} at this threshold."


class Unreadable(NamedTuple):
    """An image without a score, as text for the page."""

    name: str
    error: str
    detail: str


def gallery(kind: Kind, cases: Sequence[ScoredCase], pictures: Sequence[Thumbnail]) -> Gallery:
    """The gallery of these cases with their pictures."""
    title, truth = _NAMES[kind]
    cards = [
        Card(shown(case.path), case.score, _attributes(case.attributes), picture)
        for case, picture in zip(cases, pictures, strict=True)
    ]
    return Gallery(kind, title, truth, cards)


def unreadable(cases: Sequence[UnreadableCase]) -> list[Unreadable]:
    """The rows of the table of images without a score."""
    return [Unreadable(shown(case.path), case.error, shown(case.detail)) for case in cases]


def _attributes(given: Mapping[str, str]) -> list[tuple[str, str]]:
    filled = [(shown(name), shown(str(value))) for name, value in given.items() if value]
    return filled[:MOST_ATTRIBUTES]
