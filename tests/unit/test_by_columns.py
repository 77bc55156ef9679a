"""Subgroups by crossed columns and by numbers in bands."""

from collections.abc import Sequence

import numpy as np
import pytest

from report.grouping.bands import is_ages
from report.grouping.by_option import NoSuchColumnError, arranged, columns_of, missing
from report.grouping.coded import Coded


def coded(cells: Sequence[str | None]) -> Coded:
    values = tuple(dict.fromkeys(cells))
    return Coded(values, np.array([values.index(cell) for cell in cells]))


def by(said: str, **columns: Sequence[str | None]) -> list[str | None]:
    """What each image's subgroup is called."""
    found = {name: coded(cells) for name, cells in columns.items()}
    its = arranged(said, found)
    return [its.values[code] for code in its.codes]


def order(said: str, **columns: Sequence[str | None]) -> tuple[str | None, ...]:
    its = arranged(said, {name: coded(cells) for name, cells in columns.items()})
    assert its.in_order
    return its.values


AGES = ["85", "5.0", "39.9", "40", None, "30", "9", "100", "41", "62", "NA", "71", "33", "50"]


@pytest.mark.parametrize("column", ["age", "age_approx", "Age", "patient age", "ageAtVisit", "AGE"])
def test_ages_are_shown_in_decades_in_order(column: str) -> None:
    its = arranged(column, {column: coded(AGES)})
    decades = ("0-9", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "100-109", None)
    assert its.values == decades
    shown = [its.values[code] for code in its.codes]
    assert shown[:8] == ["80-89", "0-9", "30-39", "40-49", None, "30-39", "0-9", "100-109"]
    assert shown[10] is None  # NA


@pytest.mark.parametrize("column", ["image", "dosage", "average", "agent", "stage", "patient"])
def test_what_is_not_called_age_stays_as_it_is(column: str) -> None:
    assert not is_ages(column, AGES)


def test_few_ages_and_words_stay_as_they_are() -> None:
    assert by("age", age=["30", "40", None]) == ["30", "40", None]
    bands = [f"over {age}" for age in range(20)]
    assert by("age", age=bands) == bands


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("age:40,60", ("under 40", "40-59", "60 and over", None)),
        ("age:40", ("under 40", "40 and over", None)),
        ("age:200", ("under 200", None)),
        ("age:39,40", ("under 39", "39", "40 and over", None)),
        ("age:39.5,60", ("under 39.5", "39.5 to under 60", "60 and over", None)),
    ],
)
def test_cuts_that_are_given(said: str, expected: tuple[str | None, ...]) -> None:
    assert order(said, age=["62", "5", "39", None, "40", "85"]) == expected


def test_an_image_at_a_cut_is_in_the_band_above_it() -> None:
    depth = ["0.3", "1.0", "0.99", "4", "3.999"]
    bands = ["under 1", "1 to under 4", "under 1", "4 and over", "1 to under 4"]
    assert by("depth:1,4", depth=depth) == bands


def test_columns_are_crossed_in_the_order_of_each() -> None:
    sex = ["male", "female", "male", "female", None, "female", "unknown"]
    age = ["40", "61", "9", "62", "70", None, "50"]
    found = by("sex,age:40,60", sex=sex, age=age)
    assert found == [
        "male, 40-59",
        "female, 60 and over",
        "male, under 40",
        "female, 60 and over",
        None,
        None,
        None,
    ]
    assert order("sex,age:40,60", sex=sex, age=age) == (
        "female, 60 and over",
        "male, under 40",
        "male, 40-59",
        None,
    )
    assert order("age,sex", sex=sex, age=age)[:2] == ("9, male", "40, male")


def test_three_columns_and_bands_in_the_middle() -> None:
    said = "sex,age:50,70,site"
    assert columns_of([said]) == [said, "sex", "age", "site"]
    cells = {"sex": ["f", "m"], "age": ["50", "70"], "site": ["arm", "leg"]}
    assert by(said, **cells) == ["f, 50-69, arm", "m, 70 and over, leg"]


def test_a_column_whose_name_holds_a_comma_or_a_colon_is_one_column() -> None:
    assert by("sex,age", **{"sex,age": ["a", "b"], "sex": ["f", "f"], "age": ["1", "2"]}) == [
        "a",
        "b",
    ]
    assert by("dose:2", **{"dose:2": ["5", "6"]}) == ["5", "6"]
    assert list(missing(["sex,age"], {"sex"})) == ["age"]
    assert list(missing(["sex,age"], {"sex,age"})) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("age:60,40", "give the cuts in rising order"),
        ("age:40,40", "give the cuts in rising order"),
        ("sex:40", "sex cannot be cut, because f is not a number"),
        ("code", "60 different values are no subgroups (at most 50); cut its numbers into bands"),
        ("name", "60 different values are no subgroups (at most 50); give the manifest a column"),
        ("name,sex", "60 different values are no subgroups (at most 50); cross fewer columns"),
    ],
)
def test_what_cannot_be_grouped_says_what_to_do(said: str, reason: str) -> None:
    many = [str(at) for at in range(60)]
    found = {
        "age": coded(many),
        "sex": coded(["f"] * 60),
        "code": coded(many),
        "name": coded([f"p{one}" for one in many]),
    }
    with pytest.raises(NoSuchColumnError) as refused:
        arranged(said, found)
    assert refused.value.message.startswith(f"--by {said}: ")
    assert reason in refused.value.message
