"""Hostile TensorFlow Hub modules: each does more than compute, by a way that TensorFlow knows.

Each is saved harmlessly by TensorFlow itself, and then changed in its protobuf. All aim at the same
effect: the file `mark` appears beside the module, with what `secret` holds. `python
tests/helpers/hostile_modules.py` prints what each is refused with.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from base.runtime import keras, saved_model_pb2, tf
from model.card import Decode
from model.checkpoint import load_checkpoint, save_checkpoint
from model.errors import CheckpointError
from model.hub.hub_module import HubModule

FEATURES = 3
IMAGES = tf.TensorSpec([None, None, None, 3])
# The name of the library's function that writes, in every module made here.
_WRITES = "WriteFile"


class Hostile(NamedTuple):
    """A way to be hostile: how the module is made in a folder, and words of its refusal."""

    make: Callable[[Path], None]
    reason: str


class Mean(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Three features, and whatever else it is given to hold."""

    def __init__(self, **held: Any) -> None:
        super().__init__()
        self.scale = tf.Variable(np.ones(FEATURES, np.float32))
        for name, value in held.items():
            setattr(self, name, value)

    @tf.function(input_signature=[IMAGES])
    def __call__(self, images: Any) -> Any:
        return tf.reduce_mean(images, [1, 2]) * self.scale


class Initialised(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc] # no types
    """A resource, such as a lookup table, whose initialiser runs while the module is loaded."""

    def __init__(self, write: Callable[[], Any]) -> None:
        super().__init__()
        self._write = write

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="held")

    def _initialize(self) -> None:
        self._write()


def write(folder: Path) -> Any:
    """The operation that copies a secret."""
    file, secret = str(folder / "mark"), str(folder / "secret")
    return tf.raw_ops.WriteFile(filename=file, contents=tf.io.read_file(secret))


def writer(folder: Path) -> Any:
    """A function of no arguments that does it."""
    return tf.function(lambda: _after(write(folder), tf.constant(1.0)), input_signature=[])


def writing_features(folder: Path) -> Any:
    """A function of features that does it."""
    spec = tf.TensorSpec([None, FEATURES])
    return tf.function(lambda rows: _after(write(folder), rows), input_signature=[spec])


def _after(effect: Any, value: Any) -> Any:
    with tf.control_dependencies([effect]):
        return tf.identity(value)


Change = Callable[[Any, Any, str], None]
"""Changes the metagraph, given its library's functions and the name of the one that writes."""


def _saved(folder: Path, module: Any, change: Change | None = None) -> None:
    (folder / "secret").write_text("secret")
    tf.saved_model.save(module, str(folder / "module"))
    (folder / "mark").unlink(missing_ok=True)
    if change is not None:
        file = folder / "module" / "saved_model.pb"
        saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        (graph,) = saved.meta_graphs
        library = graph.graph_def.library.function
        change(graph, library, _that_writes(library))
        file.write_bytes(saved.SerializeToString())


def _that_writes(library: Any) -> str:
    """The innermost function that holds the operation; empty where there is none."""
    holds = [one for one in library if any(node.op == _WRITES for node in one.node_def)]
    return holds[0].signature.name if holds else ""


def _changed(change: Change) -> Callable[[Path], None]:
    """A harmless module that holds a function which writes, with a change to its protobuf."""
    return lambda folder: _saved(folder, Mean(hidden=writer(folder)), change)


def _odd(change: Change) -> Callable[[Path], None]:
    """A module of nothing but arithmetic, with a change to its protobuf."""
    return lambda folder: _saved(folder, Mean(), change)


def _calling(body: Callable[[Path, Any], Any]) -> Callable[[Path], None]:
    """A module whose call passes its features through `body`."""

    def make(folder: Path) -> None:
        class Calling(Mean):
            @tf.function(input_signature=[IMAGES])
            def __call__(self, images: Any) -> Any:
                return tf.ensure_shape(body(folder, super().__call__(images)), [None, FEATURES])

        _saved(folder, Calling())

    return make


def _unlisted(graph: Any, names: set[str]) -> None:
    """Take functions out of the map, which TensorFlow fills up without a word."""
    for name in names:
        del graph.object_graph_def.concrete_functions[name]
    for node in graph.object_graph_def.nodes:
        if node.bare_concrete_function.concrete_function_name in names:
            # It would look for the arguments that the map names.
            node.bare_concrete_function.ClearField("function_spec")


def _as_bare(node: Any) -> str:
    """Turn a node with a function into a bare one; the function's name."""
    (name,) = node.function.concrete_functions
    node.bare_concrete_function.concrete_function_name = name
    return str(name)


def _node_of(graph: Any, name: str) -> Any:
    nodes = graph.object_graph_def.nodes
    return next(node for node in nodes if name in node.function.concrete_functions)


def _issue(folder: Path) -> None:
    """As it was found: the initialiser of a resource, by a bare function that no map lists."""

    def change(graph: Any, library: Any, name: str) -> None:
        _unlisted(graph, {_as_bare(_node_of(graph, name))})
        # Without the map's entry it is called for its effect alone.
        initialiser = _function(library, name)
        initialiser.signature.ClearField("output_arg")
        initialiser.ret.clear()

    _saved(folder, Mean(table=Initialised(lambda: write(folder))), change)


def _resource(folder: Path) -> None:
    _saved(folder, Mean(table=Initialised(lambda: write(folder))))


def _harmless_resource(folder: Path) -> None:
    _saved(folder, Mean(table=Initialised(lambda: None)))


def _object_initialiser(method: str) -> Callable[[Path], None]:
    """A plain object that names a function as a resource does, for a loader to run."""

    def change(graph: Any, library: Any, _name: str) -> None:
        nodes = graph.object_graph_def.nodes
        at = list(nodes).index(_node_of(graph, _served(library).signature.name))
        nodes[0].children.add(node_id=at, local_name=method)

    return _odd(change)


def _bare(graph: Any, _library: Any, name: str) -> None:
    _unlisted(graph, {_as_bare(_node_of(graph, name))})


def _function_node(graph: Any, _library: Any, name: str) -> None:
    _unlisted(graph, {name})


def _gone(graph: Any, library: Any, name: str) -> None:
    """The node names a function that is in no library."""
    _bare(graph, library, name)
    (at,) = (at for at, one in enumerate(library) if one.signature.name == name)
    del library[at]


def _orphan(graph: Any, _library: Any, name: str) -> None:
    """The function is in the library, and no object names it."""
    del graph.object_graph_def.concrete_functions[name]
    for node in graph.object_graph_def.nodes:
        bare = node.bare_concrete_function.concrete_function_name
        if bare == name or name in node.function.concrete_functions:
            node.user_object.identifier = "_generic_user_object"


def _gradient(graph: Any, library: Any, name: str) -> None:
    _orphan(graph, library, name)
    served = _served(library)
    graph.graph_def.library.gradient.add(function_name=served.signature.name, gradient_func=name)


def _registered_gradient(graph: Any, library: Any, name: str) -> None:
    _orphan(graph, library, name)
    graph.graph_def.library.registered_gradients.add(
        gradient_func=name, registered_op_type="hostile"
    )
    _served(library).node_def[0].attr["_gradient_op_type"].s = b"hostile"


def _missing_gradient(graph: Any, _library: Any, _name: str) -> None:
    graph.graph_def.library.gradient.add(function_name="nowhere", gradient_func="nowhere")


def _implements(graph: Any, library: Any, name: str) -> None:
    """Another body of the function that is served, which an optimiser may put in its place."""
    _orphan(graph, library, name)
    for one in (_served(library), _function(library, name)):
        one.attr["api_implements"].s = b"the features"


def _func_attribute(graph: Any, library: Any, name: str) -> None:
    """As the datasets' operations name what they map with."""
    _orphan(graph, library, name)
    _served(library).node_def[0].attr["f"].func.name = name


def _list_attribute(graph: Any, library: Any, name: str) -> None:
    _orphan(graph, library, name)
    _served(library).node_def[0].attr["branches"].list.func.add(name=name)


def _nested_attribute(graph: Any, library: Any, name: str) -> None:
    """A function that is given as an attribute of a function."""
    _orphan(graph, library, name)
    inner = _served(library).node_def[0].attr["f"].func
    inner.name = _served(library).signature.name
    inner.attr["g"].func.name = name


def _missing_attribute(_graph: Any, library: Any, _name: str) -> None:
    _served(library).node_def[0].attr["f"].func.name = "nowhere"


def _missing_operation(_graph: Any, library: Any, _name: str) -> None:
    _served(library).node_def.add(name="odd", op="Nowhere")


def _function_as_operation(graph: Any, library: Any, name: str) -> None:
    """A function called by its name, as an operation."""
    _orphan(graph, library, name)
    _served(library).node_def.add(name="odd", op=name)


def _shadowing(_graph: Any, library: Any, _name: str) -> None:
    """A function under the name of an operation that is allowed."""
    library.add().signature.name = "Mean"


def _doubled(_graph: Any, library: Any, _name: str) -> None:
    """Two functions of one name: which one is searched, and which one runs?"""
    harmless = _served(library)
    library.add().CopyFrom(harmless)


def _control_output(_graph: Any, library: Any, _name: str) -> None:
    """In the function that is served, for its effect alone."""
    hostile = _function(library, _name)
    served = _served(library)
    for node in hostile.node_def:
        served.node_def.add().CopyFrom(node)
        served.node_def[-1].name = f"more/{node.name}"
        served.node_def[-1].input[:] = [f"more/{name}" for name in node.input]
        if node.op == _WRITES:
            served.control_ret["more"] = f"more/{node.name}"
            served.signature.control_output.append("more")


def _signature(graph: Any, _library: Any, name: str) -> None:
    """The main graph calls it in answer to a signature."""
    _calls_in_main_graph(graph, name, "answer")
    graph.signature_def["serving_default"].outputs["answer"].name = "answer:0"


def _init_op(graph: Any, library: Any, name: str) -> None:
    _orphan(graph, library, name)
    _calls_in_main_graph(graph, name, "begin")
    graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "begin"


def _main_op(graph: Any, _library: Any, _name: str) -> None:
    """The main operation of TensorFlow 1's loader."""
    node = graph.graph_def.node.add(name="begin", op="NoOp")
    node.input.append("^write")
    graph.collection_def["saved_model_main_op"].node_list.value[:] = ["begin"]


def _main_graph(graph: Any, library: Any, name: str) -> None:
    """The operation stands in the main graph itself."""
    for node in _function(library, name).node_def:
        added = graph.graph_def.node.add()
        added.CopyFrom(node)
        added.input[:] = [
            one.replace(":output:0", "").replace(":contents:0", "") for one in added.input
        ]


def _restoring(graph: Any, library: Any, name: str) -> None:
    """In place of the function that restores the variables."""
    _orphan(graph, library, name)
    _calls_in_main_graph(graph, name, "restore")
    graph.saver_def.restore_op_name = "restore"


def _saver_called(graph: Any, library: Any, _name: str) -> None:
    """The function that saves variables may write: so it may not be called otherwise."""
    saves = next(one for one in library if any(node.op == "SaveV2" for node in one.node_def))
    node = graph.object_graph_def.nodes.add()
    node.bare_concrete_function.concrete_function_name = saves.signature.name
    _listed(graph, saves)  # which enters it in the map


def _saveable(graph: Any, library: Any, _name: str) -> None:
    """A loader runs what restores an object."""
    served = _node_of(graph, _served(library).signature.name)
    at = list(graph.object_graph_def.nodes).index(served)
    (variable,) = _variables(graph)
    variable.saveable_objects["x"].restore_function = at
    variable.saveable_objects["x"].save_function = at


def _captured(graph: Any, _library: Any, name: str) -> None:
    node = graph.object_graph_def.nodes.add()
    node.captured_tensor.name = "Identity:0"
    node.captured_tensor.concrete_function = name


def _asset(folder: Path) -> None:
    (folder / "words").write_text("one\n")
    _saved(folder, Mean(words=tf.saved_model.Asset(str(folder / "words"))))


def _asset_elsewhere(graph: Any, _library: Any, _name: str) -> None:
    asset = graph.asset_file_def.add()
    asset.tensor_info.name, asset.filename = "Const:0", "../../secret"


def _table(folder: Path) -> None:
    """A captured table, filled from a file."""
    (folder / "words").write_text("one\ntwo\n")
    line = tf.lookup.TextFileIndex
    rows = tf.lookup.TextFileInitializer(
        str(folder / "words"), tf.string, line.WHOLE_LINE, tf.int64, line.LINE_NUMBER
    )
    table = tf.lookup.StaticHashTable(rows, -1)

    class Looking(Mean):
        @tf.function(input_signature=[IMAGES])
        def __call__(self, images: Any) -> Any:
            found = tf.cast(table.lookup(tf.constant("two")), tf.float32)
            return super().__call__(images) + found

    _saved(folder, Looking(table=table))


def _other_constant(graph: Any, library: Any, _name: str) -> None:
    """A captured constant whose operation is another."""
    node = graph.object_graph_def.nodes.add()
    node.constant.operation = "captured"
    graph.graph_def.node.add(name="captured", op="RandomUniform")
    _listed(graph, _served(library)).bound_inputs[0] = len(graph.object_graph_def.nodes) - 1


def _missing_constant(graph: Any, library: Any, _name: str) -> None:
    graph.object_graph_def.nodes.add().constant.operation = "nowhere"
    _listed(graph, _served(library)).bound_inputs[0] = len(graph.object_graph_def.nodes) - 1


def _missing_capture(graph: Any, library: Any, _name: str) -> None:
    _listed(graph, _served(library)).bound_inputs[0] = 10**6


def _two_metagraphs(folder: Path) -> None:
    """A loader may choose the second."""
    _saved(folder, Mean(hidden=writer(folder)))
    file = folder / "module" / "saved_model.pb"
    hostile = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    shutil.rmtree(folder / "module")
    _saved(folder, Mean())
    harmless = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    harmless.meta_graphs.add().CopyFrom(hostile.meta_graphs[0])
    file.write_bytes(harmless.SerializeToString())


def _without_objects(graph: Any, _library: Any, _name: str) -> None:
    """A loader would take it for one of TensorFlow 1, and run its main operation."""
    graph.ClearField("object_graph_def")


def _recursive(_graph: Any, library: Any, _name: str) -> None:
    """A function that calls itself."""
    served = _served(library)
    call = served.node_def.add(name="again", op="StatefulPartitionedCall")
    call.attr["f"].func.name = served.signature.name


def _laughing(_graph: Any, library: Any, _name: str) -> None:
    """Forty functions, each of which calls the next twice."""
    names = [f"laugh{at}" for at in range(40)]
    for at, name in enumerate(names):
        one = library.add()
        one.signature.name = name
        for call in "ab" if at + 1 < len(names) else "":
            node = one.node_def.add(name=call, op="StatefulPartitionedCall")
            node.attr["f"].func.name = names[at + 1]
    call = _served(library).node_def.add(name="laugh", op="StatefulPartitionedCall")
    call.attr["f"].func.name = names[0]


def _extension_type(graph: Any, library: Any, _name: str) -> None:
    """An argument of a type that a loader would look up by its name and make."""
    signature = _listed(graph, _served(library)).canonicalized_input_signature
    spec = signature.tuple_value.values[0].tuple_value.values[0]
    spec.type_spec_value.type_spec_class_name = "hostile.Spec"


def _huge_variable(graph: Any, _library: Any, _name: str) -> None:
    """A variable that claims four terabytes."""
    (variable,) = _variables(graph)
    variable.variable.shape.dim[0].size = 10**12


def _other_variable(graph: Any, _library: Any, _name: str) -> None:
    """A variable of strings, of which a network has none."""
    (variable,) = _variables(graph)
    variable.variable.dtype = tf.string.as_datatype_enum


def _counting(folder: Path) -> None:
    """The features of an image would depend on how many came before."""

    class Counting(Mean):
        @tf.function(input_signature=[IMAGES])
        def __call__(self, images: Any) -> Any:
            return super().__call__(images) * self.scale.assign_add(tf.ones(FEATURES))

    _saved(folder, Counting())


def _no_features(graph: Any, library: Any, _name: str) -> None:
    listed = _listed(graph, _served(library))
    listed.output_signature.tensor_spec_value.dtype = tf.string.as_datatype_enum


def _not_callable(graph: Any, _library: Any, _name: str) -> None:
    for child in graph.object_graph_def.nodes[0].children:
        child.local_name = child.local_name.replace("__call__", "compute")


def _without_variables(folder: Path) -> None:
    _saved(folder, Mean())
    shutil.rmtree(folder / "module" / "variables")


def _variables_cut_short(folder: Path) -> None:
    _saved(folder, Mean())
    (file,) = (folder / "module" / "variables").glob("*.data-*")
    file.write_bytes(file.read_bytes()[:3])


def _variables_elsewhere(folder: Path) -> None:
    """A folder in place of the variables, whose file `checkpoint` names another place."""
    _saved(folder, Mean())
    variables = folder / "module" / "variables"
    variables.rename(folder / "elsewhere")
    (variables / "variables").mkdir(parents=True)
    (variables / "variables" / "checkpoint").write_text(
        f'model_checkpoint_path: "{folder / "elsewhere" / "variables"}"\n'
    )


def _not_a_protobuf(folder: Path) -> None:
    _saved(folder, Mean())
    (folder / "module" / "saved_model.pb").write_bytes(b"\xff" * 100)


def _as_text(folder: Path) -> None:
    """TensorFlow also takes a text for a module."""
    _saved(folder, Mean(hidden=writer(folder)))
    file = folder / "module" / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    file.with_suffix(".pbtxt").write_text(str(saved))
    file.unlink()


def _calls_in_main_graph(graph: Any, name: str, node_name: str) -> None:
    node = graph.graph_def.node.add(name=node_name, op="StatefulPartitionedCall")
    node.attr["f"].func.name = name
    node.attr["Tout"].list.type.append(tf.float32.as_datatype_enum)


def _served(library: Any) -> Any:
    """The function that computes the features."""
    return next(one for one in library if any(node.op == "Mean" for node in one.node_def))


def _function(library: Any, name: str) -> Any:
    return next(one for one in library if one.signature.name == name)


def _listed(graph: Any, function: Any) -> Any:
    return graph.object_graph_def.concrete_functions[function.signature.name]


def _variables(graph: Any) -> list[Any]:
    """Without the counter that every saved module holds."""
    nodes = graph.object_graph_def.nodes
    return [node for node in nodes if node.variable.name.startswith("Variable")]


def _python(folder: Path, rows: Any) -> Any:
    def touch(some: Any) -> Any:
        (folder / "mark").touch()
        return some

    return tf.py_function(touch, [rows], tf.float32)


def _in_a_branch(folder: Path, rows: Any) -> Any:
    hostile = writing_features(folder)
    return tf.cond(tf.reduce_sum(rows) > 0, lambda: hostile(rows), lambda: rows)


def _in_a_case(folder: Path, rows: Any) -> Any:
    hostile = writing_features(folder)
    return tf.switch_case(tf.size(rows) % 2, [lambda: hostile(rows), lambda: rows])


def _in_a_loop(folder: Path, rows: Any) -> Any:
    hostile = writing_features(folder)
    return tf.while_loop(
        lambda at, _: at < 1, lambda at, found: (at + 1, hostile(found)), [0, rows]
    )[1]


def _in_a_condition(folder: Path, rows: Any) -> Any:
    hostile = writer(folder)
    return tf.while_loop(
        lambda at, _: tf.cast(at, tf.float32) < hostile(),
        lambda at, found: (at + 1, found),
        [0, rows],
    )[1]


def _mapped(folder: Path, rows: Any) -> Any:
    hostile = writing_features(folder)
    return tf.data.Dataset.from_tensors(rows).map(hostile).get_single_element()


def _nested(folder: Path, rows: Any) -> Any:
    hostile = writing_features(folder)
    for _ in range(3):
        hostile = tf.function(lambda some, inner=hostile: inner(some) * 1.0)
    return hostile(rows)


HOSTILE: dict[str, Hostile] = {
    "the initialiser of a resource, bare and listed nowhere": Hostile(
        _issue, "names a function that is not in it"
    ),
    "the initialiser of a resource": Hostile(_resource, "the operation ReadFile"),
    "a resource whose initialiser does nothing": Hostile(
        _harmless_resource, "an object (resource)"
    ),
    "an object with _initialize": Hostile(
        _object_initialiser("_initialize"), "an initialiser (_initialize)"
    ),
    "an object with _create_resource": Hostile(
        _object_initialiser("_create_resource"), "an initialiser (_create_resource)"
    ),
    "an object with _destroy_resource": Hostile(
        _object_initialiser("_destroy_resource"), "an initialiser (_destroy_resource)"
    ),
    "a function of an attribute": Hostile(_changed(lambda *_: None), "the operation ReadFile"),
    "a bare function that is listed nowhere": Hostile(
        _changed(_bare), "names a function that is not in it"
    ),
    "a function node that is listed nowhere": Hostile(
        _changed(_function_node), "names a function that is not in it"
    ),
    "a bare function that is not there": Hostile(
        _changed(_gone), "names a function that is not in it"
    ),
    "a function that nothing names": Hostile(_changed(_orphan), "the operation ReadFile"),
    "a gradient of the library": Hostile(_changed(_gradient), "the operation ReadFile"),
    "a registered gradient": Hostile(_changed(_registered_gradient), "the operation ReadFile"),
    "a gradient that is not there": Hostile(
        _odd(_missing_gradient), "names a function that is not in it"
    ),
    "another implementation (api_implements)": Hostile(
        _changed(_implements), "the operation ReadFile"
    ),
    "an attribute that is a function": Hostile(_changed(_func_attribute), "the operation ReadFile"),
    "an attribute that lists functions": Hostile(
        _changed(_list_attribute), "the operation ReadFile"
    ),
    "an attribute of a function's attribute": Hostile(
        _changed(_nested_attribute), "the operation ReadFile"
    ),
    "an attribute that names no function": Hostile(
        _odd(_missing_attribute), "names a function that is not in it"
    ),
    "an operation that is not there": Hostile(_odd(_missing_operation), "the operation Nowhere"),
    "a function called as an operation": Hostile(
        _changed(_function_as_operation), "the operation ReadFile"
    ),
    "a function named as an allowed operation": Hostile(
        _odd(_shadowing), "with the name of an operation"
    ),
    "two functions of one name": Hostile(_odd(_doubled), "2 functions named"),
    "a control output": Hostile(_changed(_control_output), "the operation ReadFile"),
    "a signature": Hostile(_changed(_signature), "the operation ReadFile"),
    "the initialising signature": Hostile(_changed(_init_op), "the operation ReadFile"),
    "the main operation": Hostile(_odd(_main_op), "holds an initialiser"),
    "the main graph": Hostile(_changed(_main_graph), "the operation ReadFile"),
    "the restoring of variables": Hostile(_changed(_restoring), "the operation R"),
    "the saver's own function, called": Hostile(_odd(_saver_called), "the operation"),
    "the restoring of an object": Hostile(_odd(_saveable), "restored by a function of its own"),
    "a captured tensor": Hostile(_changed(_captured), "the operation ReadFile"),
    "an asset": Hostile(_asset, "an object (asset)"),
    "an asset elsewhere": Hostile(_odd(_asset_elsewhere), "a file (asset)"),
    "a table read from a file": Hostile(_table, "Table"),
    "a constant that is another operation": Hostile(
        _odd(_other_constant), "names a constant that is not one"
    ),
    "a constant that is not there": Hostile(
        _odd(_missing_constant), "names a constant that is not one"
    ),
    "a captured value that is not there": Hostile(
        _odd(_missing_capture), "a value which is not there"
    ),
    "a second metagraph": Hostile(_two_metagraphs, "is not one of TensorFlow 2"),
    "a metagraph without objects": Hostile(_odd(_without_objects), "is not one of TensorFlow 2"),
    "the function itself": Hostile(
        _calling(lambda folder, rows: _after(write(folder), rows)), "the operation ReadFile"
    ),
    "a call of Python": Hostile(_calling(_python), "the operation EagerPyFunc"),
    "a call in a call in a call": Hostile(_calling(_nested), "the operation ReadFile"),
    "a branch": Hostile(_calling(_in_a_branch), "the operation ReadFile"),
    "a case": Hostile(_calling(_in_a_case), "the operation ReadFile"),
    "the body of a loop": Hostile(_calling(_in_a_loop), "the operation ReadFile"),
    "the condition of a loop": Hostile(_calling(_in_a_condition), "the operation ReadFile"),
    "the function of a dataset": Hostile(_calling(_mapped), "the operation"),
    "a function that calls itself": Hostile(_odd(_recursive), "calls itself"),
    "functions that call each other 2^40 times": Hostile(
        _odd(_laughing), "more than 1,000,000 operations"
    ),
    "an argument of a type by name": Hostile(_odd(_extension_type), "an argument of type"),
    "a variable of four terabytes": Hostile(
        _odd(_huge_variable), "other variables than it was saved with"
    ),
    "a variable of strings": Hostile(
        _odd(_other_variable), "other variables than it was saved with"
    ),
    "no variables": Hostile(_without_variables, "has no variables"),
    "variables that were cut short": Hostile(_variables_cut_short, "cannot be read"),
    "variables that lie elsewhere": Hostile(_variables_elsewhere, "has no variables"),
    "a variable that is changed by every image": Hostile(_counting, "changes its variables"),
    "features that are no numbers": Hostile(_odd(_no_features), "gives no features"),
    "no function to call": Hostile(_odd(_not_callable), "has no function __call__"),
    "no protobuf": Hostile(_not_a_protobuf, "is not a SavedModel"),
    "a text in place of the protobuf": Hostile(_as_text, "has no file saved_model.pb"),
}


def put_into_checkpoint(folder: Path) -> Path:
    """A checkpoint that carries `module`, its card right; whatever making it wrote is gone."""
    module = folder / "module"
    hostile = module.rename(folder / "hostile")
    tf.saved_model.save(Mean(), str(module))
    unit = keras.layers.Dense(1, activation="sigmoid")
    layers = [keras.Input((299, 299, 3)), HubModule(FEATURES, module), unit]
    network = keras.Sequential(layers)
    shutil.rmtree(module)
    hostile.rename(module)
    path, _ = save_checkpoint(network, folder / "c.keras", {"decode": Decode()})
    (folder / "mark").unlink(missing_ok=True)
    return path


def main() -> None:
    """Print what each is refused with."""
    for what, hostile in HOSTILE.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                hostile.make(folder)
                path = put_into_checkpoint(folder)
                load_checkpoint(path)
                said = "LOADED"
            except CheckpointError as error:
                said = error.message.split("cannot be loaded: ")[-1]
            except Exception as error:  # noqa: BLE001 - of a generator that is at fault
                said = f"BROKEN {error!r}"[:300]
            mark = ", WROTE" if (folder / "mark").exists() else ""
            print(f"{what}: {said}{mark}", flush=True)


if __name__ == "__main__":
    main()
