"""Combines the scores of several runs, image by image. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import click
import numpy as np
from scipy.stats import rankdata  # type: ignore[import-untyped] # it ships no types

from base.arrays import Float64Array
from base.console.foreign import shown
from base.listed_image import ListedImage
from db.queries.report.export import ExportedImage
from db.queries.report.imports import NO_SCORE, ImportedImage
from report.exchange.image_id import image_name

How = Literal["mean", "rank"]
# How many images an error names.
_NAMED = 5


class CombineError(click.ClickException):
    """The runs cannot be combined; the message says why."""


class Member(NamedTuple):
    """A run to be combined; imported scores know images only by their names."""

    run: int
    names_only: bool
    images: Iterable[ExportedImage]


class _Found(NamedTuple):
    """An image in the members that list it, and why it has no score in all of them, if so."""

    images: Sequence[ExportedImage]
    fault: str | None

    @property
    def label(self) -> int | None:
        """The label that any of them has."""
        return next((image.label for image in self.images if image.label is not None), None)


class Combined(NamedTuple):
    """Every image of any member; `scores` `[n]` are the means, of those without a fault."""

    found: Sequence[_Found]
    scores: Float64Array

    def images(self) -> Iterator[ImportedImage]:
        """The images, one by one, each with its mean score or the error."""
        scores = iter(self.scores.tolist())
        return (_image(one, scores) for one in self.found)

    def counts(self) -> Iterator[str]:
        """Counts that help a person check a combination; the last two if they are not zero."""
        labels = [one.label for one in self.found]
        yield f"{len(labels)} images"
        yield f"{labels.count(1)} malignant"
        yield f"{labels.count(0)} benign"
        if unlabelled := labels.count(None):
            yield f"{unlabelled} without label"
        if faults := len(labels) - len(self.scores):
            yield f"{faults} not scored in all runs"


def combine(members: Sequence[Member], how: How) -> Combined:
    """Match the images of the members, and take the means of their scores or ranks.

    Raises:
        CombineError: no image was scored in all of them, they disagree about a label, or two images
            of a run share the name by which they are matched.
    """
    # Those that know paths first: they name the image.
    members = sorted(members, key=lambda member: member.names_only)
    by_name = members[0].names_only != members[-1].names_only
    listed = [_by_key(member, image_name if by_name else str) for member in members]
    found = [
        _found(members, [images.get(key) for images in listed])
        for key in dict.fromkeys(key for images in listed for key in images)
    ]
    _require_agreement(found)
    return Combined(found, _combined(_scores(members, found), how))


def _by_key(member: Member, key: Callable[[str], str]) -> dict[str, ExportedImage]:
    images: dict[str, ExportedImage] = {}
    for image in member.images:
        name = key(image.path)
        if name in images:
            raise CombineError(
                f"run {member.run}: {shown(images[name].path)} and {shown(image.path)} are both "
                f"called {shown(name)}: imported scores know an image only by its name, so the two "
                "cannot be told apart"
            )
        images[name] = image
    return images


def _found(members: Sequence[Member], images: Sequence[ExportedImage | None]) -> _Found:
    return _Found([image for image in images if image is not None], _fault(members, images))


def _fault(members: Sequence[Member], images: Sequence[ExportedImage | None]) -> str | None:
    if len({image.image_digest for image in images if image is not None} - {None}) > 1:
        return "the runs scored different files of this name"
    for member, image in zip(members, images, strict=True):
        if image is None:
            return f"run {member.run} does not list it"
        if image.score is None:
            return f"run {member.run} has no score for it: {image.error}"
    return None


def _require_agreement(found: Iterable[_Found]) -> None:
    wrong = [one for one in found if len({image.label for image in one.images} - {None}) > 1]
    if wrong:
        names = [shown(one.images[0].path) for one in wrong]
        count = "1 image" if len(wrong) == 1 else f"{len(wrong)} images"
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise CombineError(
            f"the runs disagree about the label of {count}: {', '.join(names[:_NAMED])}{more}; "
            "find out which label is right, and enqueue or import that run again"
        )


def _scores(members: Sequence[Member], found: Iterable[_Found]) -> Float64Array:
    """Scores `[members, n]` of the images without a fault."""
    scores = [[image.score for image in one.images] for one in found if one.fault is None]
    if not scores:
        runs = ", ".join(str(member.run) for member in members)
        raise CombineError(f"no image has a score in each of the runs {runs}")
    return np.array(scores, np.float64).T


def _combined(scores: Float64Array, how: How) -> Float64Array:
    if how == "rank":
        count = scores.shape[1]
        # Equal scores share their mean rank; a single image is in the middle.
        ranks = rankdata(scores, axis=1) - 1
        scores = ranks / (count - 1) if count > 1 else np.full_like(scores, 0.5)
    mean: Float64Array = scores.mean(axis=0)
    return mean


def _image(found: _Found, scores: Iterator[float]) -> ImportedImage:
    first = found.images[0]
    listed = ListedImage(first.path, found.label, _attributes(found.images) or None)
    if found.fault is not None:
        return ImportedImage(listed, None, NO_SCORE, found.fault)
    digest = next((image.image_digest for image in found.images if image.image_digest), None)
    return ImportedImage(listed, next(scores), digest=digest)


def _attributes(images: Iterable[ExportedImage]) -> dict[str, str]:
    """The attributes of all of them; where they differ, those of the first."""
    texts = dict.fromkeys(image.attributes for image in images if image.attributes)
    attributes: dict[str, str] = {}
    for text in reversed(texts):
        attributes |= json.loads(text)
    return attributes
