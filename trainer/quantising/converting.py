"""Layers of Keras as a network of OpenVINO, and that network in int8."""

import contextlib
import io
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from base.arrays import Float32Array
from base.runtime import tf
from model.errors import CheckpointError
from model.quantised.network_file import in_one_spelling, refuse_unsafe
from model.quantised.quantised_backbone import QuantisedBackbone
from worker.scoring.graphs.frozen import frozen
from worker.scoring.graphs.openvino_graph import missing


class Tools(NamedTuple):
    """The two libraries, imported."""

    openvino: Any
    nncf: Any


def tools() -> Tools:
    """Import OpenVINO and NNCF; neither may tell its maker that it is used.

    Raises:
        CheckpointError: one is not installed, or broken; says with what command it is installed.
    """
    # Both work without it. None makes its import fail as if it were not installed.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import nncf
        import openvino
    except (ImportError, OSError) as error:
        raise missing("quantising needs OpenVINO and NNCF", error) from error
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return Tools(openvino, nncf)


def converted(libraries: Tools, layers: Sequence[Any], shape: tuple[int, int, int]) -> Any:  # noqa: ANN401 - openvino.Model
    """The layers, which take images of `shape`, as a network that takes one image.

    Raises:
        CheckpointError: OpenVINO does not know one of their operations.
    """
    try:
        network = libraries.openvino.convert_model(_pruned(layers, shape))
        network.reshape([1, *shape])
    except Exception as error:  # its converter raises errors of many kinds
        raise CheckpointError(f"OpenVINO cannot convert it: {_said(error)}") from error
    return network


def quantised(
    libraries: Tools,
    network: Any,  # noqa: ANN401 - openvino.Model
    images: Float32Array,
    *,
    keep_last: bool,
) -> QuantisedBackbone:
    """The network in int8, its ranges measured on `images` `[n, height, width, 3]`.

    With `keep_last` its last matrix product stays in float32: that of a classifier, whose few
    numbers are the scores.

    Raises:
        CheckpointError: it cannot be quantised.
    """
    nncf = libraries.nncf
    products = [op for op in network.get_ordered_ops() if op.get_type_name() == "MatMul"]
    ignored = nncf.IgnoredScope(names=[products[-1].get_friendly_name()]) if products else None
    data = nncf.Dataset(range(len(images)), lambda at: images[at : at + 1])
    try:
        with _own_bar():
            made = nncf.quantize(
                network,
                data,
                # Ranges around zero. MIXED measures both ends of the network's first numbers as
                # means over the images, and so cuts off what is brighter than most images are.
                preset=nncf.QuantizationPreset.PERFORMANCE,
                subset_size=len(images),
                ignored_scope=ignored if keep_last else None,
            )
    except Exception as error:  # NNCF raises errors of many kinds
        raise CheckpointError(f"NNCF cannot quantise it: {_said(error)}") from error
    return _as_layer(libraries, made)


@contextlib.contextmanager
def _own_bar() -> Iterator[None]:
    """Let NNCF draw its bars on a terminal only."""
    if sys.stdout.isatty():
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _as_layer(libraries: Tools, network: Any) -> QuantisedBackbone:  # noqa: ANN401 - openvino.Model
    with tempfile.TemporaryDirectory(prefix="dermscore-quantise-") as folder:
        path = Path(folder) / "network.xml"
        libraries.openvino.save_model(network, path, compress_to_fp16=False)
        xml, weights = in_one_spelling(path.read_bytes()), path.with_suffix(".bin").read_bytes()
    refuse_unsafe(xml, len(weights))
    shape = tuple(network.output(0).shape)[1:]
    return QuantisedBackbone(shape, xml, weights, name="quantised")


def _pruned(layers: Sequence[Any], shape: tuple[int, int, int]) -> Any:  # noqa: ANN401 - tf.Graph
    """The layers as a graph of constants, without what nothing reads any more.

    Such as a variable's old place, which would be an output, too.
    """
    made = frozen(layers, shape)
    end = made.graph.get_tensor_by_name(made.fetch).op.name
    definition = tf.compat.v1.graph_util.extract_sub_graph(made.graph.as_graph_def(), [end])
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    return graph


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
