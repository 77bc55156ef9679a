"""What `trainer adopt` does: a checkpoint of a model that was trained elsewhere."""

from pathlib import Path

from base.console.telling import tell
from model.card import Resize
from model.errors import CheckpointError
from trainer.adopting.ranges import Library
from trainer.adopting.request import AdoptRequest, Preprocessing

_ONNX = (
    "ONNX is not read; convert it to a SavedModel where it was made (with the program onnx2tf), "
    "or export it from its framework again, and adopt that"
)
_PYTORCH = (
    "PyTorch is not read; export it to ONNX where it was made, convert that to a SavedModel (with "
    "the program onnx2tf), and adopt that"
)
_OTHERS = {".onnx": _ONNX, ".pt": _PYTORCH, ".pth": _PYTORCH}


def adopt(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    source: Path,
    output: Path,
    input_range: str,
    size: tuple[int, int] | None,
    resize: Resize,
    antialias: bool,
    fit: str,
    library: Library,
    classes: tuple[str, ...],
    positive: tuple[str, ...],
    activation: str | None,
    custom: Path | None,
    trust: bool,
    check: Path | None,
    tolerance: float,
) -> None:
    """Adopt a model, and say what came out."""
    preprocessing = Preprocessing(input_range, resize, antialias, fit, library)
    request = AdoptRequest(
        source, output, preprocessing, size, classes, positive, activation, custom, trust, check,
        tolerance,
    )  # fmt: skip
    _refuse_early(request)
    # Deferred: TensorFlow takes seconds, which a request that is refused does not need.
    from trainer.adopting.adoption import adopt_model

    for line in adopt_model(request):
        tell(line)


def _refuse_early(request: AdoptRequest) -> None:
    """Refuse what no file can make right.

    Raises:
        CheckpointError: says why in one sentence.
    """
    source, output = request.source, request.output
    if output.suffix != ".keras":
        raise CheckpointError(f"-o {output}: a checkpoint's name ends in .keras")
    if not source.exists():
        raise CheckpointError(f"{source}: there is no such file or folder")
    if request.custom is not None and not request.trust:
        raise CheckpointError(
            f"--custom {request.custom} is a program: read it, and if you trust it give --trust"
        )
    missing = [name for name in request.positive if name not in request.classes]
    if missing:
        raise CheckpointError(f"--positive {missing[0]} is not among --classes")
    if bool(request.classes) != bool(request.positive):
        raise CheckpointError("--classes and --positive belong together: give both or neither")
    if len(request.positive) == len(request.classes) > 1:
        raise CheckpointError("--positive names all --classes: each image would score 1")
    if source.suffix in _OTHERS:
        raise CheckpointError(f"{source}: {_OTHERS[source.suffix]}")
