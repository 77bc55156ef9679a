"""A frozen graph in the precision that a run asks for.

bfloat16 on a CPU is oneDNN's, by a rewrite of the graph itself: TensorFlow's own switch is global
to a process, where runs of both precisions may meet. The rewriter is a private module of
TensorFlow, kept behind this one function.
"""

from typing import Any

from model.errors import CheckpointError
from model.runtime import gpus, tf

# What the graph rewriter is told, by precision; the names of its options.
_ON_CPU = {"bfloat16": "auto_mixed_precision_onednn_bfloat16"}
# Untested on a GPU.
_ON_GPU = {"float16": "auto_mixed_precision"}
_TYPES = {"bfloat16": tf.bfloat16, "float16": tf.float16}


def in_precision(frozen: Any, precision: str) -> Any:  # noqa: ANN401 - concrete functions
    """The frozen function, rewritten to compute in `precision` where that is safe.

    Raises:
        CheckpointError: this machine cannot; a run's scores are never of a precision it did not
            ask for.
    """
    if precision == "float32":
        return frozen
    options = _ON_GPU if gpus else _ON_CPU
    if precision not in options:
        where, other = ("GPU", "float16") if gpus else ("CPU", "bfloat16")
        raise CheckpointError(
            f"this worker has no {precision} on its {where}: enqueue with --precision {other} or "
            "float32"
        )
    graph = _rewritten(frozen, options[precision])
    if not _computes_in(graph, _TYPES[precision]):
        raise CheckpointError(
            f"this machine computes nothing in {precision}: enqueue with --precision float32"
        )
    return _as_function(graph, frozen)


def _rewritten(frozen: Any, option: str) -> Any:  # noqa: ANN401 - protocol buffers
    try:
        from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
        from tensorflow.python.grappler import tf_optimizer  # private: may go with any release
    except ImportError as error:
        raise CheckpointError(
            "this TensorFlow cannot rewrite a graph to another precision: enqueue with "
            "--precision float32"
        ) from error
    config = config_pb2.ConfigProto()
    setattr(config.graph_options.rewrite_options, option, rewriter_config_pb2.RewriterConfig.ON)
    graph = tf.compat.v1.train.export_meta_graph(
        graph_def=frozen.graph.as_graph_def(), graph=frozen.graph
    )
    outputs = meta_graph_pb2.CollectionDef()
    outputs.node_list.value.extend(tensor.name for tensor in frozen.outputs)
    graph.collection_def["train_op"].CopyFrom(outputs)  # or the rewriter drops everything
    return tf_optimizer.OptimizeGraph(config, graph)


def _computes_in(graph: Any, kind: Any) -> bool:  # noqa: ANN401 - protocol buffers
    number = kind.as_datatype_enum
    return any(node.op != "Cast" and node.attr["T"].type == number for node in graph.node)


def _as_function(graph: Any, like: Any) -> Any:  # noqa: ANN401 - concrete functions
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    return wrapped.prune(
        [tensor.name for tensor in like.inputs], [tensor.name for tensor in like.outputs]
    )
