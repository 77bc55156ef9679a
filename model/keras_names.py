"""Which classes and functions a network's config may name; decided without importing Keras."""

import re
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# dermscore's own classes, registered with Keras by `model.hub.hub_module`.
HUB_MODULE = "dermscore>HubModule"
# And by `model.quantised.quantised_backbone`.
QUANTISED_BACKBONE = "dermscore>QuantisedBackbone"

# Layers of Keras that run other code than its own arithmetic: it refuses them in safe mode, or
# needs another framework for them.
_CODE = frozenset(
    ("__lambda__", "Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
)
# The parts of Keras that networks are made of; other parts load, download and save.
_FUNCTIONS = ("activations", "constraints", "initializers", "regularizers")
_PARTS = (*_FUNCTIONS, "dtype_policies", "layers", "models", "ops", "quantizers", "random")
_NOT_PARTS = frozenset(("load_model", "save_model", "model_from_json", "clone_model"))


def refuse_name(module: str | None, name: str) -> None:
    """Refuse a class or function that the installed Keras does not have, or that is code.

    Raises:
        ValueError: it is refused.
    """
    if name in _CODE:
        layer = "lambda" if name == "__lambda__" else name
        raise ValueError(f"it holds a {layer}, which is a program and not a layer of Keras")
    if not _is_known(module, name):
        raise ValueError(
            f"it holds {name[:100]}{f' of {module[:100]}' if module else ''}, which is neither "
            f"Keras's own ({_keras_version()}) nor dermscore's"
        )


def is_activation(name: str) -> bool:
    """Whether Keras knows an activation of this name."""
    # Other names of activations are in a dictionary next to the functions.
    return _has("keras.activations", name) or f'["{name}"] = ' in _text("keras.src.activations")


def _is_known(module: str | None, name: str) -> bool:
    if not name.isidentifier() or name in _NOT_PARTS or module is None:
        return False
    if module == "builtins":  # Keras looks for such a function in its own modules
        return any(_has(f"keras.{part}", name) for part in _FUNCTIONS)
    package, *parts = module.split(".")
    if parts[:1] == ["src"]:  # there Keras accepts only classes; ConvNeXt has two of its own
        found = re.search(rf"^class {name}\b", _text(module), re.MULTILINE)
        return package == "keras" and {*parts[1:2]} <= {*_PARTS, "applications"} and bool(found)
    return package == "keras" and (not parts or parts[0] in _PARTS) and _has(module, name)


def _has(module: str, name: str) -> bool:
    """Whether a public module of Keras has the name, which it must import."""
    return bool(re.search(rf"\bas {re.escape(name)}\b", _text(module)))


@lru_cache(maxsize=256)
def _text(module: str) -> str:
    """The source of a module of the installed Keras; empty if there is none."""
    package = _package()
    _, *parts = module.split(".")
    if package is None or not all(part.isidentifier() for part in parts):
        return ""
    place = package.joinpath(*parts)
    files = (place / "__init__.py", place.with_suffix(".py") if parts else place)
    return next((file.read_text() for file in files if file.is_file()), "")


@cache
def _package() -> Path | None:
    spec = find_spec("keras")  # this finds it without importing it
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _keras_version() -> str:
    try:
        return f"Keras {version('keras')}"
    except PackageNotFoundError:
        return "no Keras is installed"
