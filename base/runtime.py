"""Imports TensorFlow and Keras without their start-up noise.

TensorFlow writes to file descriptor 2 before its log level takes effect. Its output during the
import and the search for devices is held back; errors are then passed on.
"""

import faulthandler
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


with _start_up_noise_held_back(), warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    import keras
    import tensorflow as tf
    import tensorflow_hub as hub
    from keras.src.saving.saving_lib import load_model as load_keras_file
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


__all__ = [
    "context",
    "convert_variables_to_constants_v2_as_graph",
    "device_name",
    "gpus",
    "hub",
    "keras",
    "load_keras_file",
    "saved_model_pb2",
    "tf",
    "trackable_object_graph_pb2",
]
