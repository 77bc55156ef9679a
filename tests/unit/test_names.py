import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.filenames import spelled_back, storable

NAMES = st.binary(max_size=8).map(os.fsdecode) | st.text("\\xe90é\udce9", max_size=8)


@pytest.mark.parametrize("name", ["1.jpg", "café.jpg", r"caf\xe9.jpg", "a\\b", "🩺\n'\""])
def test_a_name_in_utf_8_is_stored_as_it_is(name: str) -> None:
    assert storable(name) == name


def test_other_bytes_are_spelled_out() -> None:
    assert storable(os.fsdecode(b"caf\xe9\\xe8.jpg")) == r"caf\xe9\\xe8.jpg"


@given(NAMES)
def test_whatever_is_spelled_out_can_be_read_back(name: str) -> None:
    stored = storable(name)

    stored.encode()
    if stored != name:
        assert spelled_back(stored) == name


@given(NAMES)
def test_nothing_is_read_back_that_was_not_spelled_out(name: str) -> None:
    back = spelled_back(storable(name))

    assert back is None or storable(back) == storable(name)
