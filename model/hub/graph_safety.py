"""What a TensorFlow Hub module inside a checkpoint may do: compute, and nothing else.

A SavedModel is a program. TensorFlow has operations that read and write files, call back into
Python and open connections, and its loader runs some of them by itself; a foreign checkpoint could
contain them, and Keras's safe mode does not look inside a module. So the whole file is searched as
it is on disk, and TensorFlow's loader never sees it: `model.hub.served_module` builds the function
that computes the features from the parts that were found harmless here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from base.runtime import saved_model_pb2
from model.errors import CheckpointError
from model.hub.graph_operations import ALLOWED, SAVING

# The kinds of objects that a module may contain; not a resource or an asset.
_OBJECTS = {
    "user_object", "function", "bare_concrete_function", "variable", "constant", "captured_tensor",
}  # fmt: skip
# A loader calls these by name.
_METHODS = {"_create_resource", "_initialize", "_destroy_resource"}
# The collections and the signature whose operations run when a module is loaded.
_MAIN_OPERATIONS = ("saved_model_main_op", "legacy_init_op")
_INITIALISING = "__saved_model_init_op"
# The number of nodes with all calls expanded: a few functions could call each other 2^40 times. The
# tutorial's network has 2,500.
MAX_NODES = 1_000_000


def unsafe(what: str) -> CheckpointError:
    """The error about a module; `what` is a verb and its object."""
    return CheckpointError(f"its TensorFlow Hub module {what}; such a checkpoint is not loaded")


def read_safe_module(folder: Path) -> "Module":
    """The SavedModel in `folder`, checked to contain nothing but arithmetic; none of it has run.

    Raises:
        CheckpointError: it contains something else; the message names it.
    """
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    except OSError as error:
        raise unsafe(f"has no file saved_model.pb ({error.strerror})") from error
    except DecodeError as error:
        raise unsafe("is damaged: saved_model.pb is not a SavedModel") from error
    if [graph.HasField("object_graph_def") for graph in saved.meta_graphs] != [True]:
        # TensorFlow would load it as a graph of version 1, and run its main operation at once.
        raise unsafe("is not one of TensorFlow 2")
    module = Module(saved.meta_graphs[0])
    module.refuse_unsafe()
    return module


class Module:
    """The parts of a SavedModel's only metagraph."""

    def __init__(self, graph: Any) -> None:  # noqa: ANN401 - protobuf
        self.graph = graph
        self.objects = graph.object_graph_def.nodes
        self.listed = graph.object_graph_def.concrete_functions
        library = graph.graph_def.library.function
        self.functions = {function.signature.name: function for function in library}

    def refuse_unsafe(self) -> None:
        """Check every part that any loader looks at.

        Raises:
            CheckpointError: it contains something that a network does not need to compute.
        """
        self._refuse_ambiguous_names()
        self._refuse_missing(self._called_by_objects(), self.listed)
        self._refuse_missing([*self.listed, *self._named_by_objects()])
        self._refuse_missing(self._named_by_gradients())
        for function in self.functions.values():
            self._refuse_missing(_named_functions(function))
        self._refuse_operations()
        for node in self.objects:
            _refuse_object(node)
        if self.graph.asset_file_def:
            raise unsafe("holds a file (asset), which no network needs to compute")
        self._refuse_initialisers()

    def refuse_unsafe_call(self, name: str) -> None:
        """Check one function and all that it calls, which alone are taken from the module.

        Raises:
            CheckpointError: it contains something that a network does not need to compute.
        """
        self._refuse_ambiguous_names()
        self._refuse_missing([name])
        for function in self.functions.values():
            self._refuse_missing(_named_functions(function))
        for called in self.called_by([name]):
            for node in self.functions[called].node_def:
                self._refuse_operation(node.op, ALLOWED)

    def called_by(self, names: Iterable[str]) -> list[str]:
        """These functions and all that they call, directly or not."""
        waiting, found = list(names), dict[str, None]()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = None
                waiting += self._calls(name)
        return list(found)

    def refuse_endless(self, name: str) -> None:
        """Refuse a function that calls itself, or is too large with everything that it calls.

        Raises:
            CheckpointError: it does, or is; the message says which.
        """
        sizes: dict[str, int] = {}
        waiting, open_calls = [name], set[str]()
        while waiting:
            current = waiting[-1]
            calls = self._calls(current)
            if current in sizes or current in open_calls:
                if current not in sizes:
                    own = len(self.functions[current].node_def)
                    sizes[current] = own + sum(sizes[called] for called in calls)
                open_calls.discard(waiting.pop())
                continue
            open_calls.add(current)
            if not open_calls.isdisjoint(calls):
                raise unsafe("holds a function that calls itself")
            waiting += calls
        if sizes[name] > MAX_NODES:
            raise unsafe(f"holds more than {MAX_NODES:,} operations, each call counted")

    def _calls(self, name: str) -> list[str]:
        """The functions that a function calls, repeated for each call."""
        function = self.functions[name]
        by_name = [node.op for node in function.node_def if node.op in self.functions]
        return [*by_name, *_named_functions(function)]

    def _refuse_ambiguous_names(self) -> None:
        library = self.graph.graph_def.library.function
        counts = Counter(function.signature.name for function in library)
        for name, count in counts.items():
            if count > 1:
                raise unsafe(f"holds {count} functions named {name[:80]}")
            if not name or name in ALLOWED or name in SAVING:
                raise unsafe(f"holds a function with the name of an operation, {name!r}")

    def _refuse_initialisers(self) -> None:
        """Refuse operations that run when a module is loaded, except the one that does nothing."""
        signature = self.graph.signature_def[_INITIALISING]
        names = {output.name for output in signature.outputs.values()}
        for collection in _MAIN_OPERATIONS:
            held = self.graph.collection_def[collection]
            names.update(held.node_list.value)
            if held.WhichOneof("kind") not in (None, "node_list"):
                raise unsafe("holds an initialiser, which no network needs to compute")
        for node in self.graph.graph_def.node:
            if node.name in names and node.op == "NoOp" and not node.input:
                names.discard(node.name)
        if names:
            raise unsafe("holds an initialiser, which no network needs to compute")

    def _called_by_objects(self) -> Iterator[str]:
        for node in self.objects:
            yield from node.function.concrete_functions
            if node.HasField("bare_concrete_function"):
                yield node.bare_concrete_function.concrete_function_name

    def _named_by_objects(self) -> Iterator[str]:
        yield from self._called_by_objects()
        for node in self.objects:
            if node.HasField("captured_tensor"):  # used by a gradient's function
                yield node.captured_tensor.concrete_function

    def _named_by_gradients(self) -> Iterator[str]:
        library = self.graph.graph_def.library
        for gradient in library.gradient:
            yield from (gradient.function_name, gradient.gradient_func)
        for registered in library.registered_gradients:
            yield registered.gradient_func

    def _refuse_missing(self, names: Iterable[str], listed: Any = None) -> None:  # noqa: ANN401 - protobuf
        """Refuse names of functions that are missing in the library, or in `listed` if given.

        TensorFlow would silently add what `listed` lacks.
        """
        for name in names:
            if name not in self.functions or (listed is not None and name not in listed):
                raise unsafe(f"names a function that is not in it, {name[:80]!r}")

    def _refuse_operations(self) -> None:
        """All may only compute; savers of variables may save if nothing else calls them."""
        saves, others = self._saving, list[Any]()
        for node in self.graph.graph_def.node:
            self._refuse_operation(node.op, ALLOWED)
            if node.name not in self._savers:
                others += _named_in(node.attr)
        self._refuse_missing(others)
        others += [name for name in self.functions if name not in saves]
        named = (self._named_by_objects(), self.listed, self._named_by_gradients())
        for name in self.called_by(chain(others, *named)):
            for node in self.functions[name].node_def:
                self._refuse_operation(node.op, ALLOWED)
        for name in saves:
            for node in self.functions[name].node_def:
                self._refuse_operation(node.op, ALLOWED | SAVING)

    @cached_property
    def _savers(self) -> set[str]:
        """The main graph's nodes that save and restore the variables; nothing here runs them."""
        saver = self.graph.saver_def
        return {saver.save_tensor_name.partition(":")[0], saver.restore_op_name}

    @cached_property
    def _saving(self) -> set[str]:
        """The functions that those nodes call."""
        nodes = (node for node in self.graph.graph_def.node if node.name in self._savers)
        names = [name for node in nodes for name in _named_in(node.attr)]
        self._refuse_missing(names)
        return set(self.called_by(names))

    def _refuse_operation(self, operation: str, allowed: frozenset[str]) -> None:
        if operation not in self.functions and operation not in allowed:
            raise CheckpointError(
                f"its TensorFlow Hub module holds the operation {operation[:80]}, which is not "
                "among those that a network needs to compute; such a checkpoint is not loaded"
            )


def _refuse_object(node: Any) -> None:  # noqa: ANN401 - protobuf
    kind = node.WhichOneof("kind")
    if kind not in _OBJECTS:
        what = str(kind).replace("_", " ")
        raise unsafe(f"holds an object ({what}) that no network needs to compute")
    if node.saveable_objects:
        raise unsafe("holds an object that is restored by a function of its own")
    for child in node.children:
        if child.local_name in _METHODS:
            raise unsafe(f"holds an initialiser ({child.local_name}), which no network needs")


def _named_functions(function: Any) -> Iterator[str]:  # noqa: ANN401 - protobuf
    """The functions named by the attributes of a function and of its nodes."""
    yield from _named_in(function.attr)
    for argument in function.arg_attr.values():
        yield from _named_in(argument.attr)
    for node in function.node_def:
        yield from _named_in(node.attr)


def _named_in(attributes: Any) -> Iterator[str]:  # noqa: ANN401 - protobuf
    """The functions named by attributes, and by the attributes of those functions in turn."""
    waiting = [*attributes.values()]
    while waiting:
        value = waiting.pop()
        called = [value.func] if value.HasField("func") else [*value.list.func]
        for function in called:
            if function.name:
                yield function.name
            waiting += function.attr.values()
