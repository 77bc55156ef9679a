"""Finds the function of a TensorFlow Hub module that computes features, and its other arguments.

It is the function that TensorFlow chooses when a loaded module is called with images and
`training=False`; but values of types that it would look up by name are refused.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from base.runtime import tf
from model.hub.graph_safety import Module, unsafe

# Stands for the images among the arguments of a call.
IMAGES = object()
_NOTHING = object()
_SHAPE = (None, None, None, 3)


class Argument(NamedTuple):
    """A tensor that a function takes besides the images."""

    value: npt.NDArray[Any]


class Call(NamedTuple):
    """A function of the module and its arguments in order, one of which is the images.

    `images` and `features` are the specs of its input and output. `captured` are the module's
    objects that follow the arguments.
    """

    function: str
    images: Any
    arguments: list[Argument | None]
    captured: list[int]
    features: Any


class _Signature(NamedTuple):
    """The names of a function's parameters, and the values that a call leaves to it."""

    names: list[str]
    given: dict[str, Any]


def calls_of(module: Module) -> list[Call]:
    """The functions that take images, and otherwise only `training` and parameters with defaults.

    Raises:
        CheckpointError: there are none.
    """
    called = [child for child in module.objects[0].children if child.local_name == "__call__"]
    if len(called) != 1 or not called[0].node_id < len(module.objects):
        raise unsafe("cannot be called: it has no function __call__")
    function = module.objects[called[0].node_id].function
    signature = _signature(function.function_spec)
    for converted in (False, True):
        found = [
            call
            for name in function.concrete_functions
            for call in _call(module, name, signature, converted=converted)
        ]
        if found:
            return found
    raise unsafe("has no function __call__ that takes images alone")


def _call(module: Module, name: str, signature: _Signature, *, converted: bool) -> Iterator[Call]:
    """The call of one function, if its parameters match."""
    listed = module.listed[name]
    positional, named = value_of(listed.canonicalized_input_signature)
    if not 0 < len(positional) <= len(signature.names):
        return
    expected = [*zip(signature.names, positional, strict=False), *sorted(named.items())]
    taken: list[Argument | None] = []
    for parameter, spec in expected:
        given = signature.given.get(parameter, _NOTHING)
        if not isinstance(spec, tf.TensorSpec):
            if given is IMAGES or given != spec:
                return
            continue  # a Python value is part of the function
        argument = None if given is IMAGES else _argument(given, spec, converted=converted)
        if argument is None and not (given is IMAGES and _takes_images(spec)):
            return
        taken.append(argument)
    features = value_of(listed.output_signature)
    yield Call(name, positional[0], taken, list(listed.bound_inputs), features)


def _takes_images(spec: Any) -> bool:  # noqa: ANN401 - TensorSpec
    return bool(spec.dtype == tf.float32 and spec.shape.is_compatible_with(_SHAPE))


def _argument(given: Any, spec: Any, *, converted: bool) -> Argument | None:  # noqa: ANN401 - any default; TensorSpec
    """A default value as the tensor that a function takes, if it may be converted to one."""
    if (
        not converted
        or not isinstance(given, bool | int | float)
        or not spec.shape.is_compatible_with(())
    ):
        return None
    if isinstance(given, bool) != spec.dtype.is_bool:
        return None
    return Argument(np.asarray(given, spec.dtype.as_numpy_dtype))


def _signature(spec: Any) -> _Signature:  # noqa: ANN401 - protobuf
    parts = {
        value.key: value_of(value.value)
        for value in spec.fullargspec.named_tuple_value.values
        if value.key != "annotations"  # these may be of any type, and do not matter here
    }
    names = list(parts.get("args") or [])
    if names and (spec.is_method or names[0] == "self"):
        names = names[1:]
    if not names:
        raise unsafe("has a function __call__ that takes no images")
    defaults = list(parts.get("defaults") or [])
    given = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    given |= parts.get("kwonlydefaults") or {}
    return _Signature(names, {**given, "training": False, names[0]: IMAGES})


def value_of(proto: Any) -> Any:  # noqa: ANN401 - protobuf, and what it holds
    """A value of one of the plain types that a signature needs.

    Raises:
        CheckpointError: it is of another type.
    """
    match proto.WhichOneof("kind"):
        case "none_value":
            return None
        case "bool_value" | "int64_value" | "float64_value" | "string_value" as kind:
            return getattr(proto, kind)
        case "list_value":
            return [value_of(item) for item in proto.list_value.values]
        case "tuple_value":
            return tuple(value_of(item) for item in proto.tuple_value.values)
        case "dict_value":
            return {key: value_of(item) for key, item in proto.dict_value.fields.items()}
        case "tensor_spec_value":
            spec = proto.tensor_spec_value
            return tf.TensorSpec(tf.TensorShape(spec.shape), tf.dtypes.as_dtype(spec.dtype))
        case kind:
            raise unsafe(
                f"has a function __call__ with an argument of type {kind}, which is no image"
            )
