"""What a network's config would run besides Keras's own layers; found before anything is loaded."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from model.keras_names import HUB_MODULE, refuse_name

Config = dict[str, Any]

# Markers of plain values, which are not classes.
_VALUES = frozenset(
    ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__",
     "__tuple__", "TensorShape", "CompositeTensorSpec", "__typespec__")
)  # fmt: skip
# Layers that run other code than their own arithmetic.
_CODE = frozenset(
    ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer",
     "TensorFlowOpLayer")
)  # fmt: skip
# What Keras 2 makes of TensorFlow's functions between layers; others could reach beyond arithmetic.
_FUNCTION_LAYERS = frozenset(("TFOpLambda", "SlicingOpLambda", "ClassMethod"))
_ARITHMETIC = ("math.", "nn.", "__operators__.", "linalg.", "keras.backend.")
_ARITHMETIC_NAMES = frozenset(
    ("cast", "clip_by_value", "compat.v1.shape", "compat.v1.transpose", "concat",
     "convert_to_tensor", "expand_dims", "identity", "image.resize", "one_hot", "ones_like", "pad",
     "reshape", "shape", "split", "squeeze", "stack", "tile", "transpose", "unstack", "zeros_like")
)  # fmt: skip
# Classes of both Kerases that no public module lists.
_HIDDEN = frozenset(("Functional", "Model", "Sequential", "DTypePolicy", "Policy", "PolicyV1"))
# TensorFlow Hub's own layer in networks of Keras 2, and its module.
HUB_LAYER, _HUB = "KerasLayer", "tensorflow_hub.keras_layer"


class Code(NamedTuple):
    """A part of a network that is a program; `name` is the layer's, `what` its class."""

    what: str
    name: str

    def __str__(self) -> str:
        return f"{self.what} {self.name!r}" if self.name else self.what


def entries(config: Config) -> Iterator[Config]:
    """Every part of a config that names a class, outermost first."""
    waiting: list[Any] = [{key: config[key] for key in config if key != "compile_config"}]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value and "config" in value:
                yield value
            if value.get("class_name") != "Lambda":  # what it holds is its program
                waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def code_in(config: Config, library: Any) -> list[Code]:  # noqa: ANN401 - keras or tf_keras
    """The parts that need trust, each once; `library` is the Keras that will load them."""
    known = _public_names(library)
    found = [code for entry in entries(config) for code in _code_of(entry, known)]
    return list(dict.fromkeys(found))


def hub_handles(config: Config) -> list[str]:
    """The TensorFlow Hub modules that layers of Keras 2 name, by address or folder."""
    layers = (entry["config"] for entry in entries(config) if entry["class_name"] == HUB_LAYER)
    handles = [layer.get("handle") for layer in layers if isinstance(layer, dict)]
    return list(dict.fromkeys(handle for handle in handles if isinstance(handle, str)))


def _public_names(library: Any) -> frozenset[str]:  # noqa: ANN401 - keras or tf_keras
    parts = (library.layers, library.initializers, library.regularizers, library.constraints)
    names = {name for part in parts for name in dir(part) if isinstance(getattr(part, name), type)}
    return _HIDDEN.union(names) - _CODE


def _code_of(entry: Config, known: frozenset[str]) -> Iterator[Code]:
    name, inner = entry["class_name"], entry["config"]
    settings = inner if isinstance(inner, dict) else {}
    label = str(settings.get("name", ""))[:80]
    for key in ("activation", "recurrent_activation"):
        activation = settings.get(key)
        if isinstance(activation, dict) and "class_name" not in activation:
            yield Code("a lambda for an activation of", label)
    if isinstance(settings.get("vocabulary"), str):
        yield Code("the vocabulary in another file of", label)
    is_hub = name == HUB_LAYER and entry.get("module") in (None, _HUB)
    if not isinstance(name, str) or name in _VALUES or is_hub:
        return
    if name in _FUNCTION_LAYERS:
        if not _is_arithmetic(settings.get("function", "")):
            yield Code(f"TensorFlow's {str(settings.get('function'))[:80]}", label)
    elif name in _CODE or not _is_keras(entry, name, known):
        yield Code(str(inner)[:80] if name == "function" else name[:80], label)


def _is_arithmetic(function: object) -> bool:
    return isinstance(function, str) and (
        function.startswith(_ARITHMETIC) or function in _ARITHMETIC_NAMES
    )


def _is_keras(entry: Config, name: str, known: frozenset[str]) -> bool:
    """Whether the part is one of Keras's own, by the rules of the Keras that wrote it."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if registered == HUB_MODULE:
        return not {"folder", "module"} & set(entry["config"])
    is_named_by_keras = registered in (None, "", name)
    if name in known and is_named_by_keras:
        return module is None or str(module).split(".")[0] in ("keras", "tf_keras", "builtins")
    if not is_named_by_keras or not isinstance(module, str):
        return False
    try:
        refuse_name(module, str(entry["config"]) if name == "function" else name)
    except ValueError:
        return False
    return True
