"""What the card of an adopted model keeps, and what a report says of one without a check."""

from typing import Any

import numpy as np
import pytest

from model.card import Adopted, Decode, ModelCard, OwnerCheck
from report.metrics.metrics import measure
from report.render.text import render
from report.report_model import CheckpointFacts, Flow, Report, RunFacts, unchecked_in
from report.thresholds.threshold import Threshold

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
    report = Report(
        run=RunFacts(number=3, name=None, source="data/test", precision="float32"),
        checkpoint=CheckpointFacts("some.keras", "0" * 64, synthetic=False, unchecked=found),
        flow=Flow(4, 0, 4, 4, 4, {}),
        threshold=Threshold(0.5, "prespecified"),
        figures=measure(np.array([1, 1, 0, 0], np.int8), np.array([0.9, 0.4, 0.6, 0.1]), 0.5),
    )
    assert found == file
    warning = "adopted from theirs.h5, and not checked against its owner's predictions"
    assert (warning in render(report, terminal=False)) == (file is not None)
