"""Imports TensorFlow and Keras without their start-up noise.

TensorFlow writes to file descriptor 2 before its log level takes effect. Its output during the
import and the search for devices is held back; errors are then passed on. Keras and TensorFlow Hub,
which a worker with kept graphs does not need, are imported when one of their names is first asked
for.
"""

import faulthandler
import gc
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# 2: errors only, once the log level takes effect. TensorFlow reads it itself, a blank as 0.
if not os.environ.get("TF_CPP_MIN_LOG_LEVEL", "").strip():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

from base.console import interrupt
from base.cores import threads

_NOISE = re.compile(r"[IW]\d{4} |WARNING: All log messages before absl|.*(pkg_resources|^\s*$)")
_NO_GPU = re.compile(r"E\d{4} .*cuda_platform.*cuInit")


def _is_noise(line: str) -> bool:
    """Whether a line of start-up output is useless to a person.

    A failed cuInit is noise on a machine without an NVIDIA driver, and an error on one that has it.
    """
    has_driver = Path("/dev/nvidiactl").exists()
    return bool(_NOISE.match(line) or (not has_driver and _NO_GPU.match(line)))


@contextmanager
def _start_up_noise_held_back() -> Iterator[None]:
    sys.stderr.flush()
    terminal = os.dup(2)
    # A crash in native code would lose this output: let Python say where it happened.
    with os.fdopen(os.dup(terminal), "w") as crash_log, tempfile.TemporaryFile("w+") as held:
        faulthandler.enable(crash_log)
        interrupt.tells_on(terminal)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            interrupt.tells_on(2)
            os.close(terminal)
            faulthandler.enable(sys.__stderr__ or 2)
            held.seek(0)
            sys.stderr.writelines(line for line in held if not _is_noise(line))


@contextmanager
def _keras_held_back() -> Iterator[None]:
    """Let TensorFlow begin without Keras, which it would import and otherwise does not need.

    Keras brings scikit-learn and matplotlib along: nearly half of the time of both. TensorFlow
    passes over its absence, and finds it later all the same.
    """
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment] # an import then says that it is missing
    try:
        yield
    finally:
        del sys.modules["keras"]
    found = find_spec("keras")
    if found is not None and found.origin is not None:
        # As TensorFlow would have set it, for `from tensorflow.keras import layers`.
        folder = str(Path(found.origin).parent / "_tf_keras")
        package: Any = sys.modules["tensorflow"]
        package.__path__ = [folder, *(path for path in package.__path__ if path)]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: of all that modules make, hardly anything is."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


with _start_up_noise_held_back(), _keras_held_back(), _uncollected():
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2
    from tensorflow.python.eager import context
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    gpus = tf.config.list_physical_devices("GPU")
    # Untested on a GPU: one for each process, chosen by CUDA_VISIBLE_DEVICES, with memory left for
    # other processes.
    tf.config.set_visible_devices(gpus[:1], "GPU")
    for gpu in gpus[:1]:
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.threading.set_intra_op_parallelism_threads(threads())


def device_name() -> str:
    """The device that this process computes on."""
    if not gpus:
        return f"CPU ({threads()} threads)"
    return "GPU" if len(gpus) == 1 else f"the first of {len(gpus)} GPUs (see CUDA_VISIBLE_DEVICES)"


# What is imported later, by the name it has here: its module, and its name there if it has one.
_LATER = {
    "keras": ("keras", None),
    "hub": ("tensorflow_hub", None),
    "load_keras_file": ("keras.src.saving.saving_lib", "load_model"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - modules without types
    """Keras, TensorFlow Hub or Keras's loader, which take a second or two to import."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATER[name]
    # Standard error stays as it is: TensorFlow has made its noise, and a batch may be decoding.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        imported = import_module(module)
    found = imported if attribute is None else getattr(imported, attribute)
    globals()[name] = found
    return found


__all__ = [
    "context",
    "convert_variables_to_constants_v2_as_graph",
    "device_name",
    "gpus",
    "saved_model_pb2",
    "tf",
    "trackable_object_graph_pb2",
]
