import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "demo" / "draw.py"


def run(folder: Path, seed: int = 7, valid: int = 4) -> subprocess.CompletedProcess[str]:
    options = f"--seed {seed} --train 6 --valid {valid} --test 4".split()
    command = [sys.executable, str(SCRIPT), str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "drawn"
    done = run(folder)
    counts = "(melanoma 3, nevus 8, seborrheic_keratosis 3)"
    assert done.stdout == f"14 synthetic images in {folder} {counts}\n", done.stderr
    return folder


def test_every_split_has_images_of_every_class(drawn: Path) -> None:
    for split, expected in {"train": 6, "valid": 4, "test": 4}.items():
        parents = [path.parent.name for path in (drawn / split).glob("*/SYNTHETIC_*.jpg")]
        assert len(parents) == expected
        assert set(parents) == {"melanoma", "nevus", "seborrheic_keratosis"}


def test_every_image_says_that_it_is_synthetic(drawn: Path) -> None:
    for path in drawn.glob("*/*/*.jpg"):
        with Image.open(path) as image:
            assert image.info["comment"] == b"synthetic, drawn by dermscore demo"
            assert image.mode == "RGB"
    assert "synthetic" in (drawn / "SYNTHETIC.txt").read_text()


def test_same_seed_draws_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    run(tmp_path)
    assert files(tmp_path) == files(drawn)


def test_another_seed_draws_other_images(drawn: Path, tmp_path: Path) -> None:
    run(tmp_path, seed=8)
    ours, theirs = files(tmp_path), files(drawn)
    assert ours.keys() == theirs.keys()
    assert all(ours[name] != theirs[name] for name in ours)


def test_second_run_draws_nothing(drawn: Path) -> None:
    again = run(drawn)
    assert (again.returncode, again.stdout) == (0, f"{drawn} already drawn\n")


def test_changed_parameter_is_refused(drawn: Path) -> None:
    before = files(drawn)
    refused = run(drawn, valid=5)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"Error: {drawn} is already drawn with other parameters\n"
    assert files(drawn) == before


def test_interrupted_drawing_is_redone(drawn: Path, tmp_path: Path) -> None:
    left = tmp_path / "train" / "nevus" / "SYNTHETIC_0000999.jpg"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half an ima")
    assert run(tmp_path).returncode == 0
    assert files(tmp_path) == files(drawn)


def test_foreign_file_is_refused_and_kept(tmp_path: Path) -> None:
    foreign = tmp_path / "train" / "nevus" / "ISIC_0000000.jpg"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"real")
    refused = run(tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"Error: {tmp_path} holds {foreign.name}, which was not drawn here\n"
    assert files(tmp_path) == {"train/nevus/ISIC_0000000.jpg": b"real"}
