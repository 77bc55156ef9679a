"""A SavedModel's serving signature, rebuilt from its parts: TensorFlow's loader never sees it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from base.runtime import saved_model_pb2, tf
from model.errors import CheckpointError
from model.hub.graph_safety import Module
from model.hub.module_call import Call, calls_of, value_of
from model.hub.served_module import rebuilt
from trainer.adopting.held_source import HeldSource
from trainer.adopting.owner_model import OwnerModel, only, sides

_SERVING = "serving_default"


def read_saved_model(source: Path, held: HeldSource) -> OwnerModel:
    """The function that its owner serves; only what it calls is looked at and taken.

    Raises:
        CheckpointError: there is none that scores images by arithmetic alone.
    """
    module = _module(source, held.path)
    try:
        name, call = _serving_call(source, module)
        module.refuse_unsafe_call(call.function)
        (function,), captured = rebuilt(held.path, module, [call], held.digest)
    except CheckpointError as error:
        raise CheckpointError(said_of(source, error)) from error
    spec = call.images
    height, width = sides(source, _shape(spec), spec.dtype.name)
    return OwnerModel(
        lambda images: function(tf.cast(images, spec.dtype)),
        height, width, f"SavedModel ({name})", held.digest, captured,
    )  # fmt: skip


def said_of(source: Path, error: CheckpointError) -> str:
    """What is wrong with a module, as a sentence about the file that was given."""
    message = error.message.replace("its TensorFlow Hub module", str(source))
    return message.replace("; such a checkpoint is not loaded", "; it is not adopted")


def _module(source: Path, folder: Path) -> Module:
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise CheckpointError(f"{source} is damaged: saved_model.pb is not a SavedModel") from error
    if [graph.HasField("object_graph_def") for graph in saved.meta_graphs] != [True]:
        raise CheckpointError(
            f"{source} is not a SavedModel of TensorFlow 2: load it where it was made, and save it "
            "with tf.saved_model.save"
        )
    return Module(saved.meta_graphs[0])


def _serving_call(source: Path, module: Module) -> tuple[str, Call]:
    """The serving signature, or else what a module of TensorFlow Hub is called by."""
    signatures = dict(_signatures(module))
    name = _SERVING if _SERVING in signatures else next(iter(signatures), "")
    if not name:
        called = calls_of(module)
        return "__call__", next((call for call in called if None in _shape(call.images)), called[0])
    function = signatures[name]
    if function not in module.listed:
        raise CheckpointError(f"{source} names a function that is not in it")
    listed = module.listed[function]
    positional, named = value_of(listed.canonicalized_input_signature)
    inputs = {**{f"input {number}": spec for number, spec in enumerate(positional)}, **named}
    outputs = value_of(listed.output_signature)
    only(source, [*inputs], "input")
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    only(source, [*outputs], "output")
    (images,), (scores,) = inputs.values(), outputs.values()
    if not isinstance(images, tf.TensorSpec):
        raise CheckpointError(f"{source} takes something that is no tensor")
    return name, Call(function, images, [None], list(listed.bound_inputs), scores)


def _signatures(module: Module) -> Iterator[tuple[str, str]]:
    """Each signature with its function."""
    for node in _children(module, 0, "signatures"):
        for child in module.objects[node].children:
            found = module.objects[child.node_id]
            names = [*found.function.concrete_functions]
            bare = found.bare_concrete_function.concrete_function_name
            if bare or names:
                yield child.local_name, bare or names[0]


def _children(module: Module, node: int, name: str) -> list[int]:
    children = module.objects[node].children
    return [child.node_id for child in children if child.local_name == name]


def _shape(spec: Any) -> list[int | None]:  # noqa: ANN401 - TensorSpec
    return [] if spec.shape.rank is None else spec.shape.as_list()
