"""The settings of a card that say how images are decoded."""

import pytest
from pydantic import ValidationError

from model.card import Decode
from model.features.feature_cache import FeatureKey
from trainer.training.recipe import Recipe

FIRST = '{"height":299,"width":299,"dct_method":"","ratio":1}'
CHANGED = [
    {"orientation": "apply"},
    {"resize": "area"},
    {"antialias": True},
    {"fit": "pad"},
    {"fit": "crop"},
    {"fit": "crop:0.875"},
]


def test_a_card_without_later_settings_is_written_and_found_as_before() -> None:
    assert Decode().model_dump_json() == FIRST
    assert Decode.model_validate_json(FIRST) == Decode()


@pytest.mark.parametrize("changed", CHANGED)
def test_a_changed_setting_is_kept_and_has_features_of_its_own(changed: dict[str, object]) -> None:
    decode = Decode.model_validate(changed)

    assert decode.model_dump().items() - Decode().model_dump().items() == changed.items()
    assert Decode.model_validate_json(decode.model_dump_json()) == decode
    others = [Decode(), *(Decode.model_validate(other) for other in CHANGED if other != changed)]
    keys = [FeatureKey(backbone="ab", decode=each, shape=(8,)).name for each in (decode, *others)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("typed", "kept", "crop"),
    [
        ("stretch", "stretch", None),
        ("pad", "pad", None),
        ("crop", "crop", 1),
        ("crop:1", "crop", 1),
        ("crop:1.00", "crop", 1),
        ("crop:0.8750", "crop:0.875", 0.875),
        ("crop:.5", "crop:0.5", 0.5),
    ],
)
def test_a_fit_has_one_spelling(typed: str, kept: str, crop: float | None) -> None:
    decode = Decode(fit=typed)

    assert (decode.fit, decode.crop) == (kept, crop)


@pytest.mark.parametrize(
    "typed", ["", "Crop", "crop:", "crop:0", "crop:1.5", "crop:-1", "crop:nan", "pad:0.5", "crop:x"]
)
def test_another_fit_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError, match="is not stretch, pad, crop, or crop:F"):
        Decode(fit=typed)


def test_an_image_may_be_turned_into_any_shape() -> None:
    assert Decode(height=200, orientation="apply").orientation == "apply"


def test_a_recipe_without_later_settings_resumes_what_an_older_release_began() -> None:
    plain, changed = Recipe("small"), Recipe("small", resize="area", antialias=True, fit="crop")

    assert plain.key([]) == "88de8a11d98b"
    assert changed.decode == Decode(resize="area", antialias=True, fit="crop")
    assert plain.key([]) != changed.key([]) != Recipe("small", fit="crop").key([])
