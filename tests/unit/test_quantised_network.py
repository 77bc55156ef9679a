"""OpenVINO's description of a network: what of it is read at all, and its one spelling."""

from collections.abc import Callable

import pytest

from model.errors import CheckpointError
from model.quantised.network_file import in_one_spelling, refuse_unsafe

# One image of two numbers, plus eight bytes of weights.
NETWORK = b"""<?xml version="1.0"?>
<net name="Model7" version="11">
  <layers>
    <layer id="0" name="images" type="Parameter" version="opset1">
      <data shape="1,2" element_type="f32" />
      <output>
        <port id="0" precision="FP32" names="images:0"><dim>1</dim><dim>2</dim></port>
      </output>
    </layer>
    <layer id="1" name="Constant_4711" type="Const" version="opset1">
      <data element_type="f32" shape="1, 2" offset="0" size="8" />
      <rt_info><attribute name="fused_names_0" /></rt_info>
      <output><port id="0" precision="FP32"><dim>1</dim><dim>2</dim></port></output>
    </layer>
    <layer id="2" name="add" type="Add" version="opset1">
      <data auto_broadcast="numpy" />
      <input>
        <port id="0" precision="FP32"><dim>1</dim><dim>2</dim></port>
        <port id="1" precision="FP32"><dim>1</dim><dim>2</dim></port>
      </input>
      <output><port id="2" precision="FP32"><dim>1</dim><dim>2</dim></port></output>
    </layer>
    <layer id="3" name="out" type="Result" version="opset1" output_names="out:0">
      <input><port id="0" precision="FP32"><dim>1</dim><dim>2</dim></port></input>
    </layer>
  </layers>
  <edges>
    <edge from-layer="0" from-port="0" to-layer="2" to-port="0" />
    <edge from-layer="1" from-port="0" to-layer="2" to-port="1" />
    <edge from-layer="2" from-port="2" to-layer="3" to-port="0" />
  </edges>
  <rt_info><Runtime_version value="2026.4.1" /></rt_info>
</net>
"""
PLAIN = in_one_spelling(NETWORK)


def replaced(old: bytes, new: bytes) -> Callable[[], bytes]:
    def change() -> bytes:
        assert old in PLAIN
        return PLAIN.replace(old, new, 1)

    return change


def test_the_one_spelling_is_accepted_and_does_not_change_again() -> None:
    refuse_unsafe(PLAIN, weights=8)
    assert in_one_spelling(PLAIN) == PLAIN


def test_what_differs_from_writing_to_writing_is_not_in_it() -> None:
    again = NETWORK.replace(b"Model7", b"Model8").replace(b"Constant_4711", b"Constant_99")
    again = again.replace(b"images:0", b"rows:0").replace(b"2026.4.1", b"2026.4.2")

    assert in_one_spelling(again) == PLAIN
    assert in_one_spelling(again.replace(b'size="8"', b'size="9"')) != PLAIN


def resizing(*told: bytes) -> Callable[[], bytes]:
    """The network with a resize in the place of its sum."""
    layer = b'"Interpolate" version="opset11">\n      <data ' + b" ".join(told)
    return replaced(b'"Add" version="opset1">\n      <data auto_broadcast="numpy"', layer)


def test_a_plain_resize_is_accepted() -> None:
    told = (b'mode="nearest"', b'pads_begin="0"', b'pads_end="0, 0"', b'antialias="false"')
    refuse_unsafe(resizing(*told)(), weights=8)


HOSTILE = {
    "a state that is read": (replaced(b'"Add"', b'"ReadValue"'), "the operation ReadValue"),
    "a loop over a subgraph": (replaced(b'"Add"', b'"TensorIterator"'), "TensorIterator"),
    "an operation of another library": (
        replaced(b'"Add" version="opset1"', b'"Add" version="extension"'),
        "the operation Add of extension",
    ),
    "a resize with a margin": (
        resizing(b'mode="nearest"', b'pads_begin="0, 0, 9, 0"'),
        "pads the images that it resizes",
    ),
    "a resize that smooths": (resizing(b'antialias="true"'), "smooths the images that it resizes"),
    "an entity": (lambda: b'<!DOCTYPE net [<!ENTITY a "aa">]>' + PLAIN, "holds a declaration"),
    "no XML": (lambda: PLAIN[:-20], "is damaged"),
    "something else": (lambda: b"<svg />", "describes 'svg'"),
    "a subgraph inside": (replaced(b"<input>", b"<body /><input>"), "holds 'body'"),
    "notes": (replaced(b"<edges>", b"<rt_info /><edges>"), "holds 'rt_info'"),
    "a path": (replaced(b'"numpy"', b'"/etc/passwd"'), "holds '/etc/passwd'"),
    "another attribute": (replaced(b' version="11"', b' version="11" file="a"'), "'file'"),
    "weights behind the end": (replaced(b'offset="0"', b'offset="4"'), "weights that are not in"),
    "weights of another size": (replaced(b'size="8"', b'size="4"'), "weights that are not in"),
    "weights of another kind": (replaced(b'"f32" shape="1, ', b'"string" shape="1, '), "not in"),
    "a negative offset": (replaced(b'offset="0"', b'offset="-1"'), "where a number belongs"),
    "an enormous number": (
        replaced(b'offset="0"', b'offset="99999999999"'),
        "where a number belongs",
    ),
    "no input": (replaced(b'"Parameter"', b'"Convert"'), "other than one input and one output"),
    "two layers of one name": (replaced(b'<layer id="1"', b'<layer id="0"'), "names two layers"),
    "a connection to nowhere": (replaced(b'to-layer="3"', b'to-layer="7"'), "does not have"),
    "an input twice": (replaced(b'to-port="1"', b'to-port="0"'), "one input twice"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_network_that_does_more_than_compute_is_refused(what: str) -> None:
    change, reason = HOSTILE[what]

    with pytest.raises(CheckpointError) as caught:
        refuse_unsafe(change(), weights=8)

    assert reason in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("weights", [7, 9, 2_000_000_000])
def test_weights_are_as_long_as_the_network_says(weights: int) -> None:
    with pytest.raises(CheckpointError, match="its quantised network"):
        refuse_unsafe(PLAIN, weights)
