"""The envelope of a message: the fields around its body, which kombu trusts.

Anyone who reaches the broker can write one. kombu expects the types that it writes itself, and any
other type fails inside the worker's event loop, which ends the worker. So an envelope is checked
before kombu reads it.
"""

from collections.abc import Iterator
from typing import Any

# The bytes of a short string in AMQP; kombu's other transports use the same names.
LONGEST_NAME = 255
# kombu nests headers two or three deep. JSON that can barely be read cannot be written again,
# because writing needs more of the stack.
DEEPEST = 20
HIGHEST_CLOCK = 2**63 - 1
_BODY_ENCODINGS = (None, "base64", "utf-8")

# What reading damaged messages can raise: broken text, broken JSON, JSON of other types.
DAMAGED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class EnvelopeError(ValueError):
    """An envelope that kombu would not write."""


def require_envelope(item: object) -> None:
    """Check that an item read as JSON has the shape of an envelope of kombu.

    Raises:
        EnvelopeError: it does not; the message names the field, but none of its content.
    """
    envelope = _object(item, "it")
    _require_shallow(envelope)
    _require_text(envelope.get("body"), "its body")
    for name in ("content-type", "content-encoding"):
        if envelope.get(name) is not None:
            _require_name(envelope[name], f"its {name}")
    _require_headers(_object(envelope.get("headers"), "headers"))
    _require_properties(_object(envelope.get("properties"), "properties"))


def reason_of(error: Exception) -> str:
    """An error in one line of at most 200 characters, with its type if that says more."""
    said = str(error) if isinstance(error, EnvelopeError) else repr(error)
    return " ".join(said.split())[:200]


def _require_headers(headers: dict[str, Any]) -> None:
    # A few hundred bytes can unpack to gigabytes, and kombu unpacks before anything can refuse
    # them.
    if headers.get("compression") is not None:
        raise EnvelopeError("it is compressed, which no producer does")
    if headers.get("clock") is not None:
        _require_number(headers["clock"], "headers.clock", HIGHEST_CLOCK)


def _require_properties(properties: dict[str, Any]) -> None:
    _require_name(properties.get("delivery_tag"), "properties.delivery_tag")
    if not properties["delivery_tag"]:
        raise EnvelopeError("properties.delivery_tag is empty")
    encoding = properties.get("body_encoding")
    if not isinstance(encoding, str | None) or encoding not in _BODY_ENCODINGS:
        raise EnvelopeError("properties.body_encoding is neither base64 nor utf-8")
    for name in ("correlation_id", "reply_to"):
        if properties.get(name) is not None:
            _require_name(properties[name], f"properties.{name}")
    for name in ("delivery_mode", "priority"):
        if properties.get(name) is not None:
            _require_number(properties[name], f"properties.{name}", 255)
    where = _object(properties.get("delivery_info"), "properties.delivery_info")
    for name in ("exchange", "routing_key"):
        _require_name(where.get(name), f"properties.delivery_info.{name}")


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EnvelopeError(f"{name} is not a JSON object")
    return value


def _require_number(value: object, name: str, most: int) -> None:
    if type(value) is not int or not 0 <= value <= most:  # true and false are ints
        raise EnvelopeError(f"{name} is not a whole number from 0 to {most}")


def _require_name(value: object, name: str) -> None:
    if len(_require_text(value, name)) > LONGEST_NAME:
        raise EnvelopeError(f"{name} is longer than {LONGEST_NAME} bytes")


def _require_text(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise EnvelopeError(f"{name} is not text")
    try:
        return value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and UTF-8 cannot
        raise EnvelopeError(f"{name} is not text in Unicode") from None


def _require_shallow(item: object) -> None:
    level = [item]
    for _ in range(DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise EnvelopeError(f"it is nested more than {DEEPEST} deep")


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
