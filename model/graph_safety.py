"""What a TensorFlow Hub module inside a checkpoint may do: compute, and nothing else.

A SavedModel is a program. TensorFlow has operations that read and write files, call back into
Python and open connections; a checkpoint from elsewhere could hold them, and Keras's safe mode does
not look inside a module. So every function that can be called is searched before it is loaded.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model.errors import CheckpointError
from model.runtime import saved_model_pb2

# All that a module may hold; whatever is not here is refused, what TensorFlow adds later included.
# The graphs of the tutorial's module and of twelve families of keras.applications were listed; the
# rest is arithmetic that other feature-vector modules of TensorFlow 2 are known to use.
_VARIABLES = """
    AssignAddVariableOp AssignSubVariableOp AssignVariableOp DisableCopyOnRead ReadVariableOp
    ResourceGather VarHandleOp VarIsInitializedOp VariableShape
"""
_CALLS = """
    Assert Case If NoOp PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile While
"""
# Lists in memory, which loops collect their steps in.
_LISTS = """
    EmptyTensorList TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGetItem
    TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListSetItem
    TensorListStack
"""
_TENSORS = """
    Const EnsureShape Identity IdentityN Placeholder PlaceholderWithDefault PreventGradient
    StopGradient BroadcastArgs BroadcastTo Cast ConcatV2 DepthToSpace ExpandDims Fill Gather
    GatherNd GatherV2 InvertPermutation MirrorPad OneHot OnesLike Pack Pad PadV2 Range Rank Reshape
    ReverseV2 Shape ShapeN Size Slice SpaceToDepth Split SplitV Squeeze StridedSlice Tile
    Transpose Unpack Where ZerosLike
"""
_ARITHMETIC = """
    Abs Add AddN AddV2 Ceil ClipByValue Cumsum Div DivNoNan Einsum Erf Erfc Exp Expm1 Floor FloorDiv
    FloorMod IsFinite IsInf IsNan L2Loss Log Log1p MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3
    Maximum Minimum Mod Mul MulNoNan Neg Pow RealDiv Reciprocal Rint Round Rsqrt Sign Sqrt Square
    SquaredDifference Sub TruncateDiv Xdivy All Any ArgMax ArgMin Max Mean Min Prod Sum Equal
    Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr NotEqual Select SelectV2
"""
_NETWORKS = """
    AvgPool BatchToSpaceND BiasAdd BiasAddV1 Conv2D Conv2DBackpropInput DepthwiseConv2dNative Elu
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel FusedBatchNorm
    FusedBatchNormV2 FusedBatchNormV3 LRN LeakyRelu LogSoftmax MaxPool MaxPoolV2 Relu Relu6
    ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor Selu Sigmoid Softmax Softplus
    Softsign SpaceToBatchND Tanh
"""
# Called in training only, for dropout and first weights; a module is frozen here.
_CHANCE = "RandomStandardNormal RandomUniform RandomUniformInt TruncatedNormal"
_ALLOWED = frozenset(
    f"{_VARIABLES} {_CALLS} {_LISTS} {_TENSORS} {_ARITHMETIC} {_NETWORKS} {_CHANCE}".split()
)


def refuse_unsafe_module(folder: Path) -> None:
    """Search a SavedModel, before it is loaded, for anything but arithmetic.

    Raises:
        CheckpointError: names the operation.
    """
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    if [graph.HasField("object_graph_def") for graph in saved.meta_graphs] != [True]:
        # TensorFlow would load it as a graph of version 1, and run its main operation at once.
        raise CheckpointError(
            "its TensorFlow Hub module is not one of TensorFlow 2; such a checkpoint is not loaded"
        )
    for graph in saved.meta_graphs:
        functions = {one.signature.name: one for one in graph.graph_def.library.function}
        for name in _callable(graph.object_graph_def.concrete_functions, functions):
            for node in functions[name].node_def:
                _refuse(node.op, functions)


def _callable(roots: Any, functions: dict[str, Any]) -> Iterator[str]:  # noqa: ANN401 - protobuf
    """Names of the functions that Python can call, and of those that they call in turn."""
    waiting, seen = [name for name in roots if name in functions], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        for node in functions[name].node_def:
            waiting += [one for one in _called(node) if one in functions]


def _called(node: Any) -> Iterator[str]:  # noqa: ANN401 - protobuf
    yield node.op
    for attribute in node.attr.values():
        yield attribute.func.name
        yield from (function.name for function in attribute.list.func)


def _refuse(operation: str, functions: dict[str, Any]) -> None:
    if operation not in functions and operation not in _ALLOWED:
        raise CheckpointError(
            f"its TensorFlow Hub module holds the operation {operation}, which is not among those "
            "that a network needs to compute; such a checkpoint is not loaded"
        )
