"""OpenVINO's description of a network, network.xml: what it may contain, and its one spelling.

A foreign checkpoint may hold any. OpenVINO's reader knows operations with state, subgraphs,
extensions of other libraries and references to further files; a network of convolutions needs none
of them. So only what is listed here is handed to OpenVINO, and it is read here first, with Python's
parser. Needs neither TensorFlow nor OpenVINO.
"""

import re
from collections.abc import Iterator
from math import prod
from xml.etree import ElementTree as ET

from model.errors import CheckpointError

XML, BIN = "network.xml", "network.bin"
# Bytes. The description of a network of a thousand layers has 1 MB; the weights of the largest
# network of keras.applications have 350 MB in int8.
MAX_XML, MAX_BIN = 16_000_000, 1_000_000_000
_MAX_LAYERS = 20_000

# Of OpenVINO's own opsets: arithmetic, one tensor of each size from another.
_ARITHMETIC = """Parameter Const Result Convert FakeQuantize
    Convolution GroupConvolution MatMul MaxPool AvgPool Concat
    Transpose Reshape Squeeze Unsqueeze Pad StridedSlice Slice Gather Interpolate Tile
    Add Subtract Multiply Divide Minimum Maximum Power Sqrt SquaredDifference Abs Negative Exp
    ReLU PReLU Elu Clamp Sigmoid Tanh HardSigmoid HSigmoid HSwish Swish Mish Gelu SoftPlus
    SoftMax Softmax ReduceMean ReduceSum ReduceMax ReduceL2 BatchNormInference MVN NormalizeL2"""
OPERATIONS = frozenset(_ARITHMETIC.split())
_OPSET = re.compile(r"opset\d{1,2}")
# The elements and attributes of the one spelling. What a layer is told (`data`) is names and
# numbers.
_ELEMENTS: dict[str, set[str] | None] = {
    "net": {"name", "version"}, "layers": set(), "edges": set(), "input": set(), "output": set(),
    "layer": {"id", "name", "type", "version"}, "port": {"id", "precision"}, "dim": set(),
    "edge": {"from-layer", "from-port", "to-layer", "to-port"}, "data": None,
}  # fmt: skip
_INSIDE = {
    "net": {"layers", "edges"}, "layers": {"layer"}, "edges": {"edge"}, "port": {"dim"},
    "layer": {"data", "input", "output"}, "input": {"port"}, "output": {"port"},
}  # fmt: skip
_PLAIN = re.compile(r"[A-Za-z0-9_.,+\- ]{0,400}")
_NUMBER = re.compile(r"\d{1,9}")
_BYTES = {"f32": 4, "f16": 2, "i64": 8, "i32": 4, "i8": 1, "u8": 1, "boolean": 1}


def unsafe(what: str) -> CheckpointError:
    """The error about a network; `what` is a verb and its object."""
    return CheckpointError(f"its quantised network {what}; such a checkpoint is not loaded")


def refuse_unsafe(xml: bytes, weights: int) -> None:
    """Refuse a network that OpenVINO need not read; `weights` is the number of bytes of its bin.

    Raises:
        CheckpointError: it is not in the one spelling, or contains something that no network of
            convolutions needs; the message names it.
    """
    if len(xml) > MAX_XML or weights > MAX_BIN:
        raise unsafe(f"has {len(xml):,} bytes of layers and {weights:,} of weights, too many")
    net = _parsed(xml)
    _refuse_elements(net)
    layers = net.findall("layers/layer")
    if len(layers) > _MAX_LAYERS:
        raise unsafe(f"has more than {_MAX_LAYERS:,} layers")
    for layer in layers:
        _refuse_operation(layer)
    kinds = [layer.get("type") for layer in layers]
    if (kinds.count("Parameter"), kinds.count("Result")) != (1, 1):
        raise unsafe("has other than one input and one output")
    _refuse_weights(layers, weights)
    _refuse_edges(net, layers)


def in_one_spelling(xml: bytes) -> bytes:
    """The same network without the names, versions and notes that differ from writing to writing.

    Layers are named by their kind and place: the same network has the same bytes.
    """
    net = _parsed(xml)
    net.set("name", "network")
    _keep(net, _INSIDE["net"])
    for number, layer in enumerate(net.iter("layer")):
        layer.set("name", f"{layer.get('type', '')}_{number}")
        layer.attrib.pop("output_names", None)
        _keep(layer, _INSIDE["layer"])
        for port in layer.iter("port"):
            port.attrib.pop("names", None)
            _keep(port, _INSIDE["port"])
    ET.indent(net)
    spelled: bytes = ET.tostring(net, encoding="utf-8")
    return spelled + b"\n"


def _keep(element: ET.Element, tags: set[str]) -> None:
    for inner in list(element):
        if inner.tag not in tags:
            element.remove(inner)


def _parsed(xml: bytes) -> ET.Element:
    # Declarations of entities could make gigabytes of a few lines, or name files.
    if b"<!" in xml:
        raise unsafe("holds a declaration, which no network needs")
    try:
        net = ET.fromstring(xml)  # noqa: S314 - without declarations there are no entities
    except (ET.ParseError, ValueError, LookupError) as error:
        raise unsafe(f"is damaged: {XML} is not XML ({str(error)[:80]})") from error
    if net.tag != "net":
        raise unsafe(f"is damaged: {XML} describes {net.tag[:40]!r}, not a network")
    return net


def _refuse_elements(net: ET.Element) -> None:
    waiting = [net]
    while waiting:
        element = waiting.pop()
        known = _ELEMENTS[element.tag]
        for name, value in element.attrib.items():
            if known is not None and name not in known:
                raise unsafe(f"holds the attribute {name[:40]!r}, which no network needs")
            if not _PLAIN.fullmatch(value):
                raise unsafe(f"holds {value[:40]!r}, which is neither a name nor numbers")
        for inner in element:
            if inner.tag not in _INSIDE.get(element.tag, ()):
                raise unsafe(f"holds {inner.tag[:40]!r}, which no network needs")
            waiting.append(inner)


def _refuse_operation(layer: ET.Element) -> None:
    kind, opset = layer.get("type", ""), layer.get("version", "")
    if kind not in OPERATIONS or not _OPSET.fullmatch(opset):
        raise CheckpointError(
            f"its quantised network holds the operation {kind[:80]} of {opset[:40]}, which is not "
            "among those that a network needs to compute; such a checkpoint is not loaded"
        )
    if kind == "Interpolate":
        _refuse_padding(layer)


def _refuse_padding(layer: ET.Element) -> None:
    """Refuse a resize that first makes its images larger, whose size no output shows."""
    told = {name: value for data in layer.findall("data") for name, value in data.attrib.items()}
    pads = f"{told.get('pads_begin', '')},{told.get('pads_end', '')}"
    if any(side.strip() not in ("", "0") for side in pads.split(",")):
        raise unsafe("pads the images that it resizes")
    if told.get("antialias", "false") != "false":
        raise unsafe("smooths the images that it resizes")


def _refuse_weights(layers: list[ET.Element], weights: int) -> None:
    """Each constant lies in the bin, and is as long as its shape says; all of the bin is used."""
    end = 0
    for layer in layers:
        if layer.get("type") != "Const":
            continue
        data = layer.find("data")
        told = {} if data is None else data.attrib
        offset, size = _number(told.get("offset")), _number(told.get("size"))
        sides = [_number(side.strip()) for side in told.get("shape", "").split(",") if side.strip()]
        kind = told.get("element_type", "")
        if kind not in _BYTES or size != prod(sides) * _BYTES[kind] or offset + size > weights:
            raise unsafe(f"names weights that are not in {BIN}")
        end = max(end, offset + size)
    if end != weights:
        raise unsafe(f"has {weights:,} bytes in {BIN}, of which its layers name {end:,}")


def _refuse_edges(net: ET.Element, layers: list[ET.Element]) -> None:
    known = {layer.get("id", ""): _ports(layer) for layer in layers}
    if len(known) != len(layers):
        raise unsafe("names two layers alike")
    ended = set[tuple[str, str]]()
    for edge in net.findall("edges/edge"):
        start = edge.get("from-layer", ""), edge.get("from-port", "")
        end = edge.get("to-layer", ""), edge.get("to-port", "")
        if start[1] not in known.get(start[0], ()) or end[1] not in known.get(end[0], ()):
            raise unsafe("connects layers that it does not have")
        if end in ended:
            raise unsafe("connects one input twice")
        ended.add(end)


def _ports(layer: ET.Element) -> set[str]:
    return {port.get("id", "") for port in _all_ports(layer)}


def _all_ports(layer: ET.Element) -> Iterator[ET.Element]:
    for port in layer.iter("port"):
        for side in port.findall("dim"):
            _number(side.text)
        yield port


def _number(text: str | None) -> int:
    if text is None or not _NUMBER.fullmatch(text):
        raise unsafe(f"holds {(text or 'nothing')[:40]!r} where a number belongs")
    return int(text)
