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
    """An image in each of the members, in their order; None where it is not listed."""

    images: Sequence[ExportedImage | None]
    fault: str | None


def combine(members: Sequence[Member], how: How) -> list[ImportedImage]:
    """Every image of any member, with the mean of its scores or ranks if all have scored it.

    Raises:
        CombineError: no image was scored in all of them, they disagree about a label, or two images
            of a run share the name by which they are matched.
    """
    by_name = len({member.names_only for member in members}) > 1
    listed = [_by_key(member, image_name if by_name else str) for member in members]
    found = [
        _found(members, [images.get(key) for images in listed])
        for key in dict.fromkeys(key for images in listed for key in images)
    ]
    _require_agreement(found)
    # Those that know paths first: they name the image.
    order = sorted(range(len(members)), key=lambda member: members[member].names_only)
    scores = iter(_combined(_scores(members, found), how).tolist())
    return [_image([one.images[at] for at in order], one.fault, scores) for one in found]


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
    digests = {image.image_digest for image in images if image is not None} - {None}
    if len(digests) > 1:
        return _Found(images, "the runs scored different files of this name")
    for member, image in zip(members, images, strict=True):
        if image is None:
            return _Found(images, f"run {member.run} does not list it")
        if image.score is None:
            return _Found(images, f"run {member.run} has no score for it: {image.error}")
    return _Found(images, None)


def _require_agreement(found: Iterable[_Found]) -> None:
    wrong = [one.images for one in found if len(_labels(one.images)) > 1]
    if wrong:
        names = [next(shown(image.path) for image in images if image) for images in wrong]
        count = "1 image" if len(wrong) == 1 else f"{len(wrong)} images"
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise CombineError(
            f"the runs disagree about the label of {count}: {', '.join(names[:_NAMED])}{more}; "
            "find out which label is right, and enqueue or import that run again"
        )


def _labels(images: Iterable[ExportedImage | None]) -> set[int]:
    return {image.label for image in images if image is not None and image.label is not None}


def _scores(members: Sequence[Member], found: Iterable[_Found]) -> Float64Array:
    """Scores `[members, n]` of the images without a fault."""
    scores = [[image.score for image in one.images if image] for one in found if one.fault is None]
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


def _image(
    images: Sequence[ExportedImage | None], fault: str | None, scores: Iterator[float]
) -> ImportedImage:
    known = [image for image in images if image is not None]
    attributes: dict[str, str] = {}
    for image in reversed(known):  # so that the first has the last word
        attributes |= json.loads(image.attributes or "{}")
    label = next(iter(_labels(known)), None)
    listed = ListedImage(known[0].path, label, attributes or None)
    if fault is not None:
        return ImportedImage(listed, None, NO_SCORE, fault)
    digest = next((image.image_digest for image in known if image.image_digest), None)
    return ImportedImage(listed, next(scores), digest=digest)
