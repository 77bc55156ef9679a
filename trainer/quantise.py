"""What `trainer quantise` does: an int8 checkpoint of a float32 one."""

from collections.abc import Mapping
from pathlib import Path

from base.console import interrupt
from base.console.telling import tell
from imaging.data_root import data_folder
from imaging.listing.sources import list_source
from imaging.listing.tables.manifest_options import ManifestOptions
from model.card import claimed_card
from model.checkpoint_requirements import refuse_unloadable_file
from model.errors import CheckpointError


def quantise(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    checkpoint: Path,
    source: str,
    output: Path | None,
    valid: str | None,
    fit_head: str | None,
    subset: int,
    seed: int,
    images: tuple[str, ...],
    path_column: str | None,
    label_columns: tuple[tuple[str, str | None], ...],
    labels: Mapping[str, int | None],
) -> None:
    """Quantise a checkpoint, and say what came out."""
    output = output or checkpoint.with_name(f"{checkpoint.stem}-int8.keras")
    if output.suffix != ".keras":
        raise CheckpointError(f"-o {output}: a checkpoint's name ends in .keras")
    if fit_head is not None and valid is None:
        raise CheckpointError("--fit-head chooses an epoch on validation images: give --valid")
    root, options = data_folder(), ManifestOptions(images, path_column, label_columns)
    _refuse_wrong_checkpoint(checkpoint)
    rows, valid_rows = (
        [] if name is None else list(list_source(name, root, labels, options))
        for name in (source, valid)
    )
    # Deferred: TensorFlow takes seconds, which a request that is refused does not need.
    from trainer.quantising.quantisation import QuantiseRequest, quantise_checkpoint

    request = QuantiseRequest(
        checkpoint, source, output, valid, fit_head, subset, seed, options, labels
    )
    with interrupt.unwound():
        for line in quantise_checkpoint(request, root, rows, valid_rows):
            tell(line)


def _refuse_wrong_checkpoint(path: Path) -> None:
    """Refuse what its card and its config show to be wrong."""
    card = claimed_card(path)
    if card.quantised is not None:
        raise CheckpointError(f"{path} is quantised already: quantise the float32 checkpoint")
    refuse_unloadable_file(path, card)
