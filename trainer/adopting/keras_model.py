"""Models of Keras 3 and, through tf_keras, of Keras 2; code runs only if it is trusted."""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import ismodule
from pathlib import Path
from typing import Any

from base.console.telling import tell
from base.runtime import hub, keras, tf
from model.errors import CheckpointError
from model.hub.graph_safety import read_safe_module
from trainer.adopting.code_in_config import HUB_LAYER, Code, code_in, hub_handles
from trainer.adopting.held_source import HeldSource
from trainer.adopting.owner_model import OwnerModel, like, only, plain_reason, sides
from trainer.adopting.request import AdoptRequest


def read_keras_model(request: AdoptRequest, held: HeldSource) -> OwnerModel:
    """The network of a .keras or .h5 file.

    Raises:
        CheckpointError: it holds code that is not trusted, or is no network of one image.
    """
    source, config = request.source, held.config or {}
    library = keras if held.keras == 3 else _keras_2(source)
    _ask_for_trust(request, code_in(config, library))
    objects = _checked_hub_layer(source, config)
    try:
        if request.custom is not None:
            objects |= _objects_of(request.custom, legacy=held.keras == 2)
        network = library.models.load_model(
            held.path, compile=False, safe_mode=not request.trust, custom_objects=objects
        )
    except Exception as error:  # Keras, and code of the owner's, raise almost anything
        raise CheckpointError(f"{source} cannot be loaded: {_hinted(request, error)}") from error
    return _of_network(source, network, held)


def _of_network(source: Path, network: Any, held: HeldSource) -> OwnerModel:  # noqa: ANN401 - a network
    inputs, outputs = _named(network, "inputs"), _named(network, "outputs")
    if not inputs:
        raise CheckpointError(
            f"{source} does not say what it takes: call it with images once, and save it again"
        )
    only(source, [*inputs], "input")
    only(source, [*outputs], "output")
    (given,) = inputs.values()
    dtype = getattr(given.dtype, "name", given.dtype)
    height, width = sides(source, [*given.shape], dtype)
    structure = getattr(network, "input", None)
    return OwnerModel(
        lambda images: network(like(structure, images), training=False),
        height, width, held.format, held.digest, network,
    )  # fmt: skip


def _named(network: Any, what: str) -> dict[str, Any]:  # noqa: ANN401 - a network
    """Its inputs or outputs by name; those of the same name get a number."""
    tensors = getattr(network, what, None) or []
    tensors = list(tensors.values()) if isinstance(tensors, dict) else list(tensors)
    names = [str(getattr(tensor, "name", what)).partition(":")[0] for tensor in tensors]
    return {
        name if names.count(name) == 1 else f"{name} {number}": tensor
        for number, (name, tensor) in enumerate(zip(names, tensors, strict=True), 1)
    }


def _keras_2(source: Path) -> Any:  # noqa: ANN401 - a module
    """tf_keras, which only models of Keras 2 need."""
    try:
        import tf_keras
    except ImportError as error:
        raise CheckpointError(
            f"{source} was saved by Keras 2, which the package tf_keras reads: install it"
        ) from error
    return tf_keras


def _ask_for_trust(request: AdoptRequest, found: Sequence[Code]) -> None:
    """Refuse code that is not trusted; of trusted code a line says what will run."""
    what = ", ".join(map(str, found[:10])) + (", …" if len(found) > 10 else "")
    if not request.trust and found:
        raise CheckpointError(
            f"{request.source} holds code: {what}; if you know who wrote it, give --trust, and "
            "--custom FILE.py with the classes that Keras does not have"
        )
    if request.custom is not None:
        try:
            digest = hashlib.sha256(request.custom.read_bytes()).hexdigest()
        except OSError as error:
            raise CheckpointError(f"--custom {request.custom}: {error.strerror}") from error
        tell(f"--trust: runs {request.custom} (SHA-256 {digest[:12]})", err=True)
    if found:
        tell(f"--trust: runs the code of {request.source}: {what}", err=True)


def _checked_hub_layer(source: Path, config: dict[str, Any]) -> dict[str, Any]:
    """TensorFlow Hub's layer, if the network has it and its modules hold arithmetic alone."""
    handles = hub_handles(config)
    for handle in handles:
        try:
            read_safe_module(Path(hub.resolve(handle)))
        except CheckpointError as error:
            raise CheckpointError(f"{source}: {handle[:200]}: {error.message}") from error
        except Exception as error:  # resolving fails in many ways
            raise CheckpointError(
                f"{source} needs the TensorFlow Hub module {handle[:200]}, which was not found "
                f"({plain_reason(error)[:200]}): put it there, or into TFHUB_CACHE_DIR"
            ) from error
    return {HUB_LAYER: hub.KerasLayer} if handles else {}


def _objects_of(file: Path, *, legacy: bool) -> dict[str, Any]:
    """Run the owner's code, and return its classes and functions by name."""
    spec = importlib.util.spec_from_file_location("adopted_custom", file)
    if spec is None or spec.loader is None:
        raise CheckpointError(f"--custom {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with _tensorflows_keras(legacy=legacy):
        spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if callable(value)}


@contextmanager
def _tensorflows_keras(*, legacy: bool) -> Iterator[None]:
    """Let `tensorflow.keras` be the Keras of the model while the owner's code is imported."""
    if not legacy:
        yield
        return
    import tf_keras

    parts = {f"keras.{name}": part for name, part in vars(tf_keras).items() if ismodule(part)}
    modules = {f"tensorflow.{name}": part for name, part in {"keras": tf_keras, **parts}.items()}
    before, module = sys.modules.copy(), tf.keras
    sys.modules.update(modules)
    tf.keras = tf_keras
    try:
        yield
    finally:
        tf.keras = module
        for name in modules:
            sys.modules.pop(name)
        sys.modules.update({name: before[name] for name in modules if name in before})


def _hinted(request: AdoptRequest, error: Exception) -> str:
    reason = plain_reason(error)
    is_missing = any(words in reason for words in ("nknown", "ould not locate", "not defined"))
    if is_missing and request.custom is None:
        return f"{reason[:200]} (--custom FILE.py --trust brings what Keras does not have)"
    return reason
