"""What the card of an adopted model keeps, and what a report says of one without a check."""

from dataclasses import replace
from typing import Any

import pytest
from test_report_views import a_report

from model.card import Adopted, Decode, ModelCard, OwnerCheck
from report.render.text import render
from report.report_model import unchecked_in

ADOPTED = Adopted(
    file="theirs.h5", format="Keras 2 .h5", digest="1" * 64, input_range="unit", activation="none"
)
CHECK = OwnerCheck(largest_difference=3e-7, n=80, file="predictions.csv", digest="2" * 64)


def card(**fields: Any) -> ModelCard:
    return ModelCard(digest="0" * 64, decode=Decode(), **fields)


def test_a_card_that_adopts_nothing_is_written_as_before() -> None:
    assert not {"classes", "positive", "adopted"} & card().as_json().keys()


def test_what_was_said_of_an_adopted_model_is_kept() -> None:
    adopted = ADOPTED.model_copy(update={"check": CHECK})
    given = card(classes=("nevus", "melanoma"), positive=("melanoma",), adopted=adopted)
    assert ModelCard.model_validate_json(given.model_dump_json()) == given
    assert given.as_json()["adopted"]["check"]["n"] == 80


@pytest.mark.parametrize(
    ("adopted", "file"),
    [
        (None, None),
        (ADOPTED, "theirs.h5"),
        (ADOPTED.model_copy(update={"check": CHECK}), None),
    ],
)
def test_a_report_says_what_was_never_checked(adopted: Adopted | None, file: str | None) -> None:
    found = unchecked_in(card(adopted=adopted).as_json())
    plain = a_report()
    report = replace(plain, checkpoint=replace(plain.checkpoint, unchecked=found))
    assert found == file
    warning = "adopted from theirs.h5, and not checked against its owner's predictions"
    assert (warning in render(report, terminal=False)) == (file is not None)
