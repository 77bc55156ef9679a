"""The operations that a TensorFlow Hub module may hold."""

# Anything not listed is refused, including what TensorFlow adds later.
# Collected from the graphs of the tutorial's module and of twelve families of keras.applications;
# the rest is arithmetic that other feature-vector modules of TensorFlow 2 are known to use.
_VARIABLES = """
    AssignAddVariableOp AssignSubVariableOp AssignVariableOp DisableCopyOnRead ReadVariableOp
    ResourceGather VarHandleOp VarIsInitializedOp VariableShape
"""
_CALLS = """
    Assert Case If NoOp PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile While
"""
# Lists in memory, in which loops collect their steps.
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
# Called only in training, for dropout and initial weights; a module is frozen here.
_CHANCE = "RandomStandardNormal RandomUniform RandomUniformInt TruncatedNormal"
# Parts of functions that were kept for training; a frozen module never calls them.
_GRADIENTS = """
    AvgPoolGrad BiasAddGrad BroadcastGradientArgs ConcatOffset Conv2DBackpropFilter
    DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput DynamicStitch EluGrad
    FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 Inv InvGrad LRNGrad LeakyReluGrad
    MaxPoolGrad MaxPoolGradV2 MirrorPadGrad ReciprocalGrad Relu6Grad ReluGrad ResizeBicubicGrad
    ResizeBilinearGrad ResizeNearestNeighborGrad RsqrtGrad SeluGrad SigmoidGrad SoftplusGrad
    SoftsignGrad SqrtGrad StridedSliceGrad TanhGrad UnsortedSegmentSum Xlogy
"""
ALLOWED = frozenset(
    f"{_VARIABLES} {_CALLS} {_LISTS} {_TENSORS} {_ARITHMETIC} {_NETWORKS} {_CHANCE} "
    f"{_GRADIENTS}".split()
)

# Parts of the two functions that save and restore the variables, which every SavedModel has and
# nothing here calls.
_SAVERS = """
    MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin
"""
SAVING = frozenset(_SAVERS.split())
