"""A checkpoint held while it is loaded: a private copy, digested while it is made.

So one reading is enough: whatever happens to the file meanwhile, the bytes that were digested are
the ones that are loaded. Keeping the file open would not be enough, because it can be overwritten
in place.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from model.card import ModelCard, claimed_card, opened, require_digest
from model.errors import CheckpointError

_BLOCK = 1 << 20


@dataclass(frozen=True)
class HeldCheckpoint:
    """The bytes that `card` describes, in `file`; a context manager that removes the copy."""

    path: Path
    card: ModelCard
    file: IO[bytes]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self.file.close()


def hold_checkpoint(path: Path) -> HeldCheckpoint:
    """Copy a checkpoint, and check that it is what its card says.

    Raises:
        CheckpointError: it is missing, not a .keras file, without a card, or has another digest.
    """
    card = claimed_card(path)
    # On disk and without a name: a gigabyte takes no memory, and a killed process leaves nothing
    # behind.
    file = _new_file(path)
    try:
        require_digest(path, card, _copy(path, file))
    except BaseException:
        file.close()
        raise
    return HeldCheckpoint(path, card, file)


def _new_file(path: Path) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _no_room(path, error) from error


def _copy(path: Path, file: IO[bytes]) -> str:
    """Copy the bytes; returns their SHA-256 in hex."""
    digest = hashlib.sha256()
    with opened(path) as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            try:
                file.write(block)
            except OSError as error:
                raise _no_room(path, error) from error
    return digest.hexdigest()


def _no_room(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be copied to the temporary folder, to be loaded from there: "
        f"{error.strerror} (TMPDIR)"
    )
