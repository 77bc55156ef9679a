"""The real worker with a stub in the scorer's place: `celery -A stub_worker worker`.

Tasks, lifecycle, ledger, upkeep and broker are the product's own. Only the network is gone, and
with it TensorFlow, so that a worker is ready in about a second. `STUB_MODE` says what an image is:

- `instant` (default): no file is read, the image is a hash of its path
- `wait`: the same, and each batch takes `STUB_SECONDS` (default 1)
- `colour`: the file is read as the worker reads it, and its one colour is a number that
  `draw_number` drew, so that an image mixed up with another shows as a wrong score

Whatever the mode, an image is a number of 16 bits and its score that number / 65535.
"""

import io
import os
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

import worker.lifecycle
from db.outcomes import Seconds
from db.runs import Needs
from model.card import read_checkpoint_card
from model.errors import CheckpointError, ImageError
from model.images import check_header, read_image
from worker.celery import app
from worker.scored import KnownDigests, RunScores, Scored

__all__ = ["app", "draw_number", "score_of_number", "score_of_path"]

HIGHEST = 65_535
SIDE = 16  # pixels, the smallest image that is scored
BLUE = 77  # any constant: a picture of another blue was not drawn here


def score_of_number(number: int) -> float:
    """The score of the image that `draw_number` drew for `number`."""
    return number / HIGHEST


def score_of_path(path: str) -> float:
    """The score of a path in the modes that read no file."""
    return score_of_number(_hash(path))


def draw_number(number: int) -> bytes:
    """A PNG whose one colour holds `number`, 0 to 65535."""
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (*divmod(number, 256), BLUE)).save(file, "PNG")
    return file.getvalue()


def _hash(path: str) -> int:
    return zlib.crc32(path.encode(errors="surrogateescape")) & HIGHEST


def _number_drawn(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as image:
        colours = image.convert("RGB").getcolors(1)  # None if there is more than one
    if colours is None or not isinstance(colours[0][1], tuple) or colours[0][1][2] != BLUE:
        raise ImageError("corrupt", "it is not one colour that holds a number")
    red, green, _ = colours[0][1]
    return red * 256 + green


class StubEngine:
    """What a worker needs of `worker.engine.ModelEngine`: all that is known of it is this class."""

    device = "stub"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prepared: set[str] = set()
        self._mode = os.environ.get("STUB_MODE", "instant")
        self._seconds = float(os.environ.get("STUB_SECONDS", "1")) if self._mode == "wait" else 0
        self._computing = threading.Lock()  # one batch at a time, as the real one

    def prepare(self, needs: Needs) -> None:
        if needs.digest not in self._prepared:
            found = read_checkpoint_card(Path(needs.path)).digest
            if found != needs.digest:
                raise CheckpointError(f"{needs.path} is another checkpoint ({found[:12]})")
            self._prepared.add(needs.digest)

    def score(self, runs: Sequence[Needs], paths: Sequence[str], _known: KnownDigests) -> Scored:
        outcome = RunScores({}, {}, {}, {})
        for position, path in enumerate(paths):
            try:
                number = self._number(path, position, outcome.digests)
            except ImageError as error:
                outcome.errors[position] = error
            else:
                outcome.scores[position] = score_of_number(number)
        if self._seconds:
            with self._computing:
                time.sleep(self._seconds)
        return Scored([outcome for _ in runs], Seconds(compute=self._seconds))

    def failure(self, _digest: str, _precision: str) -> None:
        return None

    def close(self) -> None:
        pass

    def _number(self, path: str, position: int, digests: dict[int, str]) -> int:
        if self._mode != "colour":
            return _hash(path)
        file = read_image(self._root, path)
        digests[position] = file.digest
        check_header(file.data)
        return _number_drawn(file.data)


worker.lifecycle.make_engine = StubEngine  # from outside: the product has no such door
