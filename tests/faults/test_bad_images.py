import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from typing import Any, NamedTuple

import pytest
from bad_images import DOCS, GOOD, SCORED, Kind, kinds, written
from drawing import as_nobody, draw
from processes import PATIENCE

from imaging.decoding.image_file import read_image
from imaging.errors import ImageError
from imaging.filenames import storable

KINDS = kinds()
SECRET = "secret.jpg"  # read as somebody else, or root could
# Limits of safety and not of speed: of a loaded machine, too.
MOST_CPU_SECONDS = 10
MOST_BYTES = 1_500_000_000


class Decoded(NamedTuple):
    """What came of each kind, by its name; `stderr` is all that was said meanwhile."""

    outcomes: dict[str, dict[str, Any]]
    stderr: str


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A folder with all kinds; a short path, for a socket is one of them."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        draw(root / GOOD)
        for kind in KINDS:
            kind.put(root / kind.name)
        yield root


@pytest.fixture(scope="module")
def decoded(root: Path) -> Decoded:
    script = Path(__file__).with_name("decode_kinds.py")
    paths = [storable(kind.name) for kind in KINDS]
    command = [sys.executable, str(script), str(root), *paths]
    done = run(command, capture_output=True, text=True, check=False, timeout=2 * PATIENCE)
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    return Decoded({outcome["path"]: outcome for outcome in outcomes}, done.stderr)


def test_the_documentation_has_every_kind_with_its_outcome() -> None:
    docs = DOCS.read_text(encoding="utf-8")

    assert docs == written(docs), "out of date: python tests/helpers/bad_images.py"


def test_no_two_kinds_are_one() -> None:
    assert len({kind.name for kind in KINDS}) == len({kind.what for kind in KINDS}) == len(KINDS)
    assert len(KINDS) > 60


@pytest.mark.parametrize("kind", KINDS, ids=[kind.what for kind in KINDS])
def test_a_kind_has_its_outcome_and_harms_nothing(kind: Kind, decoded: Decoded) -> None:
    found = decoded.outcomes[storable(kind.name)]

    if kind.name != SECRET or os.geteuid() != 0:
        assert found["outcome"] == kind.outcome, found
    assert found["cpu_seconds"] < MOST_CPU_SECONDS
    assert found["peak"] < MOST_BYTES
    if found["outcome"] == SCORED:
        assert 0 <= found["image"][0] <= found["image"][1] <= 1
    else:
        assert found["detail"]
        assert "\n" not in found["detail"]


def test_the_images_beside_are_the_same_to_the_bit(decoded: Decoded) -> None:
    beside = {digest for found in decoded.outcomes.values() for digest in found["good"]}

    assert len(decoded.outcomes) == len(KINDS)
    assert len(beside) == 1


def test_nothing_is_warned_of_that_scoring_does_not_look_at(decoded: Decoded) -> None:
    assert "Warning" not in decoded.stderr


def test_a_file_that_may_not_be_read_has_its_outcome() -> None:
    (kind,) = (kind for kind in KINDS if kind.name == SECRET)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        kind.put(Path(folder) / kind.name)

        with as_nobody(), pytest.raises(ImageError) as caught:
            read_image(Path(folder), kind.name)

    assert caught.value.code == kind.outcome


def test_a_device_is_not_a_file() -> None:
    with pytest.raises(ImageError) as caught:
        read_image(Path("/dev"), "zero")

    assert caught.value.code == "not_a_file"


@pytest.mark.parametrize("path", ["nul\0.jpg", "\0"])
def test_a_path_with_nul_is_unreadable(root: Path, path: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(root, path)

    assert caught.value.code == "unreadable"
