"""Layers of a network as one graph of constants, in the precision of a run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from base.arrays import Float32Array
from base.cores import threads
from base.runtime import convert_variables_to_constants_v2_as_graph, gpus, tf
from imaging.decoding.memory import give_back_memory
from model.errors import CheckpointError
from model.graphs.graph_file import KeptGraph, UnusableGraphsError
from model.hub.graph_operations import ALLOWED

# Options of TensorFlow's graph rewriter by precision: the option's name, and the type that must
# then be found in the graph.
_ON_CPU = {"bfloat16": ("auto_mixed_precision_onednn_bfloat16", tf.bfloat16)}
# Untested on a GPU.
_ON_GPU = {"float16": ("auto_mixed_precision", tf.float16)}


class Definition(NamedTuple):
    """A graph of constants in TensorFlow, and what `KeptGraph` says of it."""

    graph: Any
    feed: str
    fetch: str
    given: tuple[int | None, ...]
    shape: tuple[int, ...]


class FrozenGraph:
    """A sequence of layers, frozen, so that TensorFlow can fold batch normalisation.

    It has its own session, because precision is an option of a session, while TensorFlow's other
    switch is global to the process; and a session holds the weights once, a function several times.
    """

    def __init__(
        self, layers: Sequence[Any], shape: tuple[int | None, ...], precision: str = "float32"
    ) -> None:
        """Freeze `layers`, which take `[n, *shape]`, and warm up.

        Raises:
            CheckpointError: this machine does not compute in `precision`; a run is never scored in
                a precision that it did not ask for.
        """
        chosen = _session_options(precision)
        definition = frozen(layers, shape)
        give_back_memory()
        self(self._open(chosen, definition, precision))
        give_back_memory()

    def _open(
        self, chosen: tuple[Any, Any], definition: Definition, precision: str
    ) -> Float32Array:
        """Make the session; returns a sample to warm up with."""
        options, kind = chosen
        graph, feed, fetch, self._given, self.shape = definition
        self._names = feed, fetch
        self._session = tf.compat.v1.Session(graph=graph, config=options)
        self._compute = self._session.make_callable(fetch, [feed])
        sample = np.full([2, *(side or 1 for side in self._given)], 0.5, np.float32)
        if kind is not None and not self._computes_in(kind, self._names, sample):
            raise CheckpointError(
                f"this machine does not compute in {precision}: enqueue with --precision float32"
            )
        return sample

    def __call__(self, rows: Float32Array) -> Float32Array:
        """Outputs `[n, *self.shape]` of inputs `[n, *shape]`, in the same order."""
        if not len(rows):
            return np.empty((0, *self.shape), np.float32)
        # A single row takes another path through oneDNN, and its output differs by 1e-7; together
        # with any others it is the same to the bit.
        batch = np.repeat(rows, 2, axis=0) if len(rows) == 1 else rows
        computed: Float32Array = self._compute(batch)
        return computed[: len(rows)]

    def kept(self) -> KeptGraph | None:
        """The graph as it can be kept; None if it holds what would not be taken back."""
        definition = self._session.graph.as_graph_def()
        if None in self.shape or not _only_computes(definition):
            return None
        return KeptGraph(definition.SerializeToString(), *self._names, self._given, self.shape)

    @contextmanager
    def in_float32(self) -> Iterator[Callable[[Float32Array], Float32Array]]:
        """The same graph computed in float32, `[n, ...]` to `[n, ...]`; its memory is given back.

        It takes a session of its own, but no other freezing.
        """
        feed, fetch = self._names
        options, _ = _session_options("float32")
        try:
            with tf.compat.v1.Session(graph=self._session.graph, config=options) as session:
                yield session.make_callable(fetch, [feed])
        finally:
            give_back_memory()

    def sample(self, images: int) -> Float32Array:
        """So many inputs, `[images, ...]`, drawn evenly from [0, 1] and always the same."""
        shape = (images, *(side or 1 for side in self._given))
        return np.random.default_rng(0).random(shape, np.float32)

    def _computes_in(self, kind: Any, names: tuple[str, str], sample: Float32Array) -> bool:  # noqa: ANN401 - tf.DType
        """Whether any arithmetic of the graph that really runs has this type."""
        feed, fetch = names
        options = tf.compat.v1.RunOptions(output_partition_graphs=True)
        metadata = tf.compat.v1.RunMetadata()
        self._session.run(fetch, {feed: sample}, options=options, run_metadata=metadata)
        return any(
            node.op != "Cast" and node.attr["T"].type == kind.as_datatype_enum
            for graph in metadata.partition_graphs
            for node in graph.node
        )


class ThawedGraph(FrozenGraph):
    """The same graph as it was kept, without the layers."""

    def __init__(self, kept: KeptGraph, precision: str = "float32") -> None:
        """Open the graph; its first call is slow.

        Raises:
            UnusableGraphsError: it holds more than what a network computes with, or is not whole.
            CheckpointError: this machine does not compute in `precision`.
        """
        self._open(_session_options(precision), _thawed(kept), precision)


def _session_options(precision: str) -> tuple[Any, Any]:
    """The options of a session that computes in `precision`, and the type that proves it.

    The type is None for float32.
    """
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads())
    config.gpu_options.allow_growth = True
    if precision == "float32":
        return config, None
    known = _ON_GPU if gpus else _ON_CPU
    if precision not in known:
        where, other = ("a GPU", "float16") if gpus else ("a CPU", "bfloat16")
        raise CheckpointError(
            f"no {precision} on {where}: enqueue with --precision {other} or float32"
        )
    option, kind = known[precision]
    rewrite = config.graph_options.rewrite_options
    setattr(rewrite, option, _ON)
    if not gpus:
        # This optimisation moves ReLUs behind the concatenation of branches, where no convolution
        # can absorb them: it costs 2 % of the time in bfloat16, nothing measurable in float32.
        rewrite.arithmetic_optimization = _OFF
    return config, kind


# RewriterConfig.ON and OFF, whose module is not public.
_ON, _OFF = 1, 2


def frozen(layers: Sequence[Any], shape: tuple[int | None, ...]) -> Definition:
    """The layers, which take `[n, *shape]`, as a graph of constants."""

    def call(rows: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        for layer in layers:
            rows = layer(rows, training=False)
        return rows

    signature = tf.TensorSpec([None, *shape], tf.float32)
    traced = tf.function(call).get_concrete_function(signature)
    frozen, definition = convert_variables_to_constants_v2_as_graph(traced)
    (feed,), (fetch,) = frozen.inputs, frozen.outputs
    return Definition(_imported(definition), feed.name, fetch.name, shape, tuple(fetch.shape[1:]))


def _thawed(kept: KeptGraph) -> Definition:
    definition = tf.compat.v1.GraphDef()
    try:
        definition.ParseFromString(kept.data)
    except DecodeError as error:
        raise UnusableGraphsError(" is no graph") from error
    if not _only_computes(definition):
        raise UnusableGraphsError(" does more than a network computes")
    try:
        graph = _imported(definition)
        for name in (kept.feed, kept.fetch):
            graph.get_tensor_by_name(name)
    except (KeyError, ValueError) as error:
        raise UnusableGraphsError(" holds a graph that is not whole") from error
    return Definition(graph, kept.feed, kept.fetch, kept.given, kept.shape)


def _imported(definition: Any) -> Any:  # noqa: ANN401 - tf.Graph
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    return graph


def _only_computes(definition: Any) -> bool:  # noqa: ANN401 - protobuf
    """Whether a graph holds nothing but operations that a module in a checkpoint may hold."""
    functions = definition.library.function
    own = {function.signature.name for function in functions}
    bodies = [definition.node, *(function.node_def for function in functions)]
    return all(node.op in ALLOWED or node.op in own for body in bodies for node in body)
