"""Makes saved modules reproducible: the same module always gives the same bytes and digest."""

import re
from pathlib import Path
from typing import Any

from base.runtime import saved_model_pb2
from model.hub.served_module import rename_called

# TensorFlow ends the name of a function with the number of those that its process has traced.
_NUMBERED = re.compile(r"(.*?)_(\d+)")


def make_module_reproducible(folder: Path) -> None:
    """Rewrite a module that TensorFlow saved, without its random name and its counters."""
    (folder / "fingerprint.pb").unlink()
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(path.read_bytes())
    (meta,) = saved.meta_graphs
    _rename(meta, _new_names([one.signature.name for one in meta.graph_def.library.function]))
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _new_names(names: list[str]) -> dict[str, str]:
    """Names that count only the functions of this module."""
    parts = {name: _NUMBERED.fullmatch(name) for name in names}
    stems = {name: (part[1], int(part[2])) if part else (name, 0) for name, part in parts.items()}
    ordered = sorted(names, key=lambda name: stems[name])
    return {name: f"{stems[name][0]}_{index}" for index, name in enumerate(ordered)}


def _rename(meta: Any, names: dict[str, str]) -> None:  # noqa: ANN401 - protobuf
    library, objects = meta.graph_def.library.function, meta.object_graph_def
    for function in library:
        function.signature.name = names[function.signature.name]
        _rename_nodes(function.node_def, names)
    library.sort(key=lambda function: function.signature.name)
    _rename_nodes(meta.graph_def.node, names)
    for name, listed in [*objects.concrete_functions.items()]:
        objects.concrete_functions[names[name]].CopyFrom(listed)
        del objects.concrete_functions[name]
    for node in objects.nodes:
        called = node.function.concrete_functions if node.HasField("function") else []
        called[:] = [names[name] for name in called]
        if node.HasField("bare_concrete_function"):
            bare = node.bare_concrete_function
            bare.concrete_function_name = names[bare.concrete_function_name]


def _rename_nodes(nodes: Any, names: dict[str, str]) -> None:  # noqa: ANN401 - protobuf
    for node in nodes:
        node.op = names.get(node.op, node.op)
        rename_called(node.attr.values(), names)
