"""What a TensorFlow Hub module inside a checkpoint may do: compute, and nothing else.

A SavedModel is a program. TensorFlow has operations that read and write files, call back into
Python and open connections; a checkpoint from elsewhere could hold them, and Keras's safe mode does
not look inside a module. So every function that can be called is searched before it is loaded.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model.errors import CheckpointError
from model.runtime import op_def_registry, saved_model_pb2

# TensorFlow counts as stateful whatever has an effect or an unseen input; these are harmless.
_HARMLESS = frozenset(
    {
        "Assert",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "AssignVariableOp",
        "DisableCopyOnRead",
        "If",
        "RandomStandardNormal",
        "RandomUniform",
        "ReadVariableOp",
        "ResourceGather",
        "StatefulPartitionedCall",
        "TruncatedNormal",
        "VarHandleOp",
        "VarIsInitializedOp",
        "While",
    }
)
# Not counted as stateful, and yet they reach files, addresses, Python or code outside TensorFlow.
_HARMFUL = frozenset(
    {
        "CacheDataset",
        "DebugIdentity",
        "DebugNanCount",
        "DebugNumericSummary",
        "GenerateVocabRemapping",
        "ImmutableConst",
        "InitializeTableFromTextFile",
        "MatchingFiles",
        "PyFuncStateless",
        "ReadFile",
        "RegisterDataset",
        "RegisterDatasetV2",
        "SnapshotChunkDataset",
        "SnapshotDataset",
        "SnapshotDatasetReader",
        "SnapshotDatasetV2",
        "SnapshotNestedDatasetReader",
        "XlaCustomCall",
        "XlaCustomCallV2",
    }
)


def refuse_unsafe_module(folder: Path) -> None:
    """Search a SavedModel, before it is loaded, for anything but arithmetic.

    Raises:
        CheckpointError: names the operation.
    """
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    if [graph.HasField("object_graph_def") for graph in saved.meta_graphs] != [True]:
        # TensorFlow would load it as a graph of version 1, and run its main operation at once.
        raise CheckpointError(
            "its TensorFlow Hub module is not one of TensorFlow 2; such a checkpoint is not loaded"
        )
    for graph in saved.meta_graphs:
        functions = {one.signature.name: one for one in graph.graph_def.library.function}
        for name in _callable(graph.object_graph_def.concrete_functions, functions):
            for node in functions[name].node_def:
                _refuse(node.op, functions)


def _callable(roots: Any, functions: dict[str, Any]) -> Iterator[str]:  # noqa: ANN401 - protobuf
    """Names of the functions that Python can call, and of those that they call in turn."""
    waiting, seen = [name for name in roots if name in functions], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        for node in functions[name].node_def:
            waiting += [one for one in _called(node) if one in functions]


def _called(node: Any) -> Iterator[str]:  # noqa: ANN401 - protobuf
    yield node.op
    for attribute in node.attr.values():
        yield attribute.func.name
        yield from (function.name for function in attribute.list.func)


def _refuse(operation: str, functions: dict[str, Any]) -> None:
    if operation in functions or operation in _HARMLESS:
        return
    known = op_def_registry.get(operation)
    if known is None or known.is_stateful or operation in _HARMFUL:
        raise CheckpointError(
            f"its TensorFlow Hub module holds the operation {operation}, which can do more than "
            "compute; such a checkpoint is not loaded"
        )
