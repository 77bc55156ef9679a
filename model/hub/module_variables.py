"""The values of a TensorFlow Hub module's variables, read without running any of the module."""

from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from base.runtime import tf, trackable_object_graph_pb2
from model.errors import CheckpointError
from model.hub.graph_safety import Module, unsafe

# Where TensorFlow stores which object has its value under which key.
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"

Array = npt.NDArray[Any]


def read_variables(folder: Path, module: Module, wanted: Iterable[int]) -> dict[int, Array]:
    """The values of the variables with these object ids of `module`.

    Raises:
        CheckpointError: one is missing, damaged, or not as the module describes it.
    """
    object_ids = sorted(set(wanted))
    if not object_ids:
        return {}
    prefix = folder / "variables" / "variables"
    # TensorFlow would follow a folder's index to other places, or look for another format.
    data = list(prefix.parent.glob("variables.data-*"))
    if not prefix.with_suffix(".index").is_file() or not data or prefix.exists():
        raise unsafe("has no variables")
    try:
        return _read(str(prefix), module, object_ids, sum(file.stat().st_size for file in data))
    except CheckpointError:
        raise
    except Exception as error:  # TensorFlow's reader raises many errors
        reason = " ".join(str(error).split())[:200]
        raise unsafe(f"has variables that cannot be read ({reason})") from error


def _read(prefix: str, module: Module, object_ids: list[int], most_bytes: int) -> dict[int, Array]:
    reader = tf.compat.v1.train.NewCheckpointReader(prefix)
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    keys = _keys(_saved_objects(reader), module)
    bytes_read = 0
    values = {}
    for object_id in object_ids:
        key = keys.get(object_id)
        variable = module.objects[object_id].variable
        kind = tf.dtypes.as_dtype(variable.dtype)
        shape = tf.TensorShape(variable.shape)
        if key not in shapes or not shape.is_compatible_with(shapes[key]) or types[key] != kind:
            raise unsafe("has other variables than it was saved with")
        if not (kind.is_floating or kind.is_integer or kind.is_bool):
            raise unsafe(f"holds a variable of {kind.name}, which no network has")
        bytes_read += prod(shapes[key]) * kind.size
        if bytes_read > most_bytes:
            raise unsafe("has variables that are larger than their files")
        values[object_id] = np.asarray(reader.get_tensor(key))
    return values


def _saved_objects(reader: Any) -> Any:  # noqa: ANN401 - TensorFlow's reader; protobuf
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(_OBJECT_GRAPH))
    return graph.nodes


def _keys(saved: Any, module: Module) -> dict[int, str]:  # noqa: ANN401 - protobuf
    """The key of each variable's value, found through the names that lead to it.

    The two graphs number their objects differently; TensorFlow uses names, too.
    """
    keys: dict[int, str] = {}
    waiting, visited = [(0, 0)], set[tuple[int, int]]()
    while waiting:
        pair = waiting.pop()
        if pair in visited:
            continue
        visited.add(pair)
        ours, theirs = module.objects[pair[0]], saved[pair[1]]
        for key in _value_keys(theirs) if ours.HasField("variable") else ():
            if keys.setdefault(pair[0], key) != key:
                raise unsafe("names one variable in two ways")
        there = {child.local_name: child.node_id for child in theirs.children}
        waiting += [
            (child.node_id, there[child.local_name])
            for child in ours.children
            if child.local_name in there
        ]
    return keys


def _value_keys(saved: Any) -> Iterator[str]:  # noqa: ANN401 - protobuf
    return (attribute.checkpoint_key for attribute in saved.attributes if attribute.name == _VALUE)
