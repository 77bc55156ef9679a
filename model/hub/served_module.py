"""Computes the features of a TensorFlow Hub module, rebuilt from its parts.

TensorFlow's loader would run a module's own code while it loads it, and look up functions by its
own rules. Here the functions that compute the features are taken from the file one by one, renamed,
and put into a graph that contains nothing else.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from base.runtime import context, tf
from model.hub.graph_safety import Module, read_safe_module, unsafe
from model.hub.module_call import Call, calls_of
from model.hub.module_variables import read_variables

# Attributes that do not change the result are removed, except this one, which TensorFlow needs to
# run a loop; the others name gradients, other implementations, or compilers.
_KEPT = {"_lower_using_switch_merge"}
# These keep a value between two calls, or share it by name: the features of an image would depend
# on the images before.
_STATEFUL = {"AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp", "VarHandleOp"}


class ServedModule(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """A frozen feature-vector module: `[n, height, width, 3]` in [0, 1] to `[n, features]`."""

    def __init__(self, folder: Path, digest: str) -> None:
        """Read the module in `folder`; `digest` makes its function names unique.

        Raises:
            CheckpointError: it contains something that a network does not need to compute.
        """
        super().__init__()
        module = read_safe_module(folder)
        calls = calls_of(module)
        if not all(call.features.dtype == tf.float32 for call in calls if _is_tensor(call)):
            raise unsafe("gives no features: not one tensor of float32")
        # Without the captured values nothing would keep them alive.
        self.functions, self.captured = rebuilt(folder, module, calls, digest)

    def __call__(self, images: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        """Features of the images, batch normalisation in inference mode.

        Raises:
            ValueError: it takes no images of this size.
        """
        for function in self.functions:
            if function.input_signature[0].shape.is_compatible_with(images.shape):
                return function(images)
        raise ValueError(f"its TensorFlow Hub module takes no images of {images.shape[1:]}")

    def save(self, folder: str) -> None:
        """Write a module that computes the same."""
        exported = tf.Module()
        exported.captured = self.captured
        exported.__call__ = self.functions[0]
        tf.saved_model.save(exported, folder)


def rebuilt(
    folder: Path, module: Module, calls: Sequence[Call], digest: str
) -> tuple[list[Any], list[Any]]:
    """The calls as functions of images alone, and the variables and constants that they take.

    Raises:
        CheckpointError: they are not functions of a frozen network.
    """
    object_ids = {object_id for call in calls for object_id in call.captured}
    captured = _captured(folder, module, object_ids)
    functions = [
        _function(module, call, [captured[object_id] for object_id in call.captured], digest)
        for call in calls
    ]
    return functions, list(captured.values())


def _is_tensor(call: Call) -> bool:
    return isinstance(call.features, tf.TensorSpec)


def _captured(folder: Path, module: Module, object_ids: set[int]) -> dict[int, Any]:
    """The variables and constants that the module's functions take, by object id."""
    if any(not 0 <= object_id < len(module.objects) for object_id in object_ids):
        raise unsafe("has a function that takes a value which is not there")
    kinds = {object_id: module.objects[object_id].WhichOneof("kind") for object_id in object_ids}
    if not {*kinds.values()} <= {"variable", "constant"}:
        raise unsafe("has a function that takes something that is not a number")
    wanted = [object_id for object_id, kind in kinds.items() if kind == "variable"]
    variables = read_variables(folder, module, wanted)
    return {
        object_id: tf.Variable(variables[object_id], trainable=False)
        if object_id in variables
        else _constant(module, module.objects[object_id].constant.operation)
        for object_id in sorted(object_ids)
    }


def _constant(module: Module, name: str) -> Any:  # noqa: ANN401 - tensors have no static type
    nodes = [node for node in module.graph.graph_def.node if node.name == name]
    if [node.op for node in nodes] != ["Const"]:
        raise unsafe(f"names a constant that is not one, {name[:80]!r}")
    return tf.constant(tf.make_ndarray(nodes[0].attr["value"].tensor))


def _function(module: Module, call: Call, captured: list[Any], digest: str) -> Any:  # noqa: ANN401 - tf.function
    """The call as a function of images alone."""
    inputs = module.functions[call.function].signature.input_arg
    if len(inputs) != len(call.arguments) + len(captured):
        raise unsafe("has a function __call__ that takes other values than it says")
    if not _is_tensor(call) or not call.features.dtype.is_floating:
        raise unsafe("gives no features: not one tensor of float32")
    definition = _definition(module, call.function, digest)
    for function in definition.library.function:
        # A graph brings its functions along only if another graph calls it.
        context.context().add_function_def(function)

    def compute(images: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        given = [
            images if argument is None else tf.constant(argument.value)
            for argument in call.arguments
        ]
        graph = tf.compat.v1.get_default_graph()
        values = [*given, *(_in_graph(graph, value) for value in captured)]
        (features,) = tf.graph_util.import_graph_def(
            definition,
            input_map={f"input{index}:0": value for index, value in enumerate(values)},
            return_elements=["call:0"],
            name="",
        )
        features.set_shape(call.features.shape)
        return features

    return tf.function(compute, input_signature=[call.images])


def _in_graph(graph: Any, captured: Any) -> Any:  # noqa: ANN401 - tf.function's graph; a tensor
    """A constant, or the handle of a variable, as a value of the graph that is traced."""
    if not isinstance(captured, tf.Variable):
        return graph.capture(captured)
    graph.watch_variable(captured)  # otherwise it is not found when the graph is frozen
    return graph.capture(captured.handle)


def _definition(module: Module, name: str, digest: str) -> Any:  # noqa: ANN401 - protobuf
    """A graph with one call of the function, and the functions that it needs."""
    module.refuse_endless(name)
    needed = module.called_by([name])
    # The functions of all modules of a process share one namespace.
    names = {old: f"hub_{digest[:16]}_{index}" for index, old in enumerate(sorted(needed))}
    definition = tf.compat.v1.GraphDef()
    definition.versions.CopyFrom(module.graph.graph_def.versions)
    for old in needed:
        added = definition.library.function.add()
        added.CopyFrom(module.functions[old])
        _clean(added, names)
    signature = module.functions[name].signature
    node = definition.node.add(name="call", op="StatefulPartitionedCall")
    node.input[:] = [f"input{index}:0" for index in range(len(signature.input_arg))]
    node.attr["f"].func.name = names[name]
    node.attr["Tin"].list.type[:] = [argument.type for argument in signature.input_arg]
    node.attr["Tout"].list.type[:] = [argument.type for argument in signature.output_arg]
    return definition


def _clean(function: Any, names: dict[str, str]) -> None:  # noqa: ANN401 - protobuf
    """Rename the called functions, and remove what does not affect the result."""
    function.signature.name = names[function.signature.name]
    function.attr.clear()
    function.arg_attr.clear()
    for node in function.node_def:
        if node.op in _STATEFUL:
            raise unsafe(f"changes its variables while it computes ({node.op})")
        node.op = names.get(node.op, node.op)
        node.device = ""
        for key in [*node.attr]:
            if key.startswith("_") and key not in _KEPT:
                del node.attr[key]
        rename_called(node.attr.values(), names)


def rename_called(values: Iterable[Any], names: dict[str, str]) -> None:
    """Rename the functions that these attributes of a node name."""
    for value in values:
        called = [value.func] if value.HasField("func") else [*value.list.func]
        for function in called:
            function.name = names.get(function.name, function.name)
            rename_called(function.attr.values(), names)
