import hashlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from drawing import draw
from PIL import Image

from base.listed_image import ListedImage
from db.queries import leases, listing, outcomes, runs
from db.queries.report import thresholds
from db.queries.results import sample_scored
from db.session import Database, open_database
from db.tables import Run
from imaging.listing.sources import list_source
from report.thresholds.threshold import Threshold
from trainer.commands.show import command as show
from trainer.grid import BLACK, BLUE, RED, class_title, prediction_title, shortened
from trainer.show import notes_of


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DATA_ROOT and working directory in one: thirty labelled images in `test`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", ".")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///ledger.db")
    for at in range(30):
        name = "melanoma" if at % 3 == 0 else "nevus"
        draw(tmp_path / "test" / name / f"{at:02}.jpg", seed=at)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(show, arguments)


def score_all(database: Database, root: Path, scored: int = 30, **card: object) -> int:
    """A run of `test` whose first `scored` images have a score, n / 100; returns its number."""
    with database.write() as session:
        checkpoint = runs.add_checkpoint(session, "ab" * 32, "c/x.keras", card)
        run = Run(source="test", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
        session.add(run)
        session.flush()
        listed = list_source(str(root / "test"), root)
        rows = [ListedImage(image.path, image.label, None) for image in listed]
        listing.stage_images(session, run, rows)
        listing.cut_batches(session, run.id)
        pending = leases.pending_images(session, [leases.BatchKey(run.id, 1)])
        stored = [
            outcomes.Outcome(row, int(Path(path).stem) / 100, None, None, digest(root / path))
            for _, row, path, *_ in pending[:scored]
        ]
        outcomes.store_outcomes(session, "worker", stored)
        return run.id


def store(root: Path, scored: int = 30, **card: object) -> int:
    with closing(open_database()) as database:
        return score_all(database, root, scored, **card)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def test_titles_of_a_sample() -> None:
    assert [class_title(label).text for label in (0, 1, None)] == [
        "benign",
        "malignant",
        "no label",
    ]
    assert not any(class_title(label).framed for label in (0, 1, None))


@pytest.mark.parametrize(
    ("label", "score", "title"),
    [
        (1, 0.87, ("malignant 0.87", BLUE, False)),
        (0, 0.1234, ("benign 0.12", BLUE, False)),
        (0, 0.87, ("✗ malignant 0.87 (benign)", RED, True)),
        (1, 0.0, ("✗ benign 0.00 (malignant)", RED, True)),
        (None, 0.5, ("malignant 0.50", BLACK, False)),
        (1, 0.23, ("malignant 0.23", BLUE, False)),  # at the threshold is above it
        (0, 0.2299, ("benign 0.2299", BLUE, False)),  # 0.23 would look malignant
    ],
)
def test_titles_of_predictions(
    label: int | None, score: float, title: tuple[str, str, bool]
) -> None:
    assert prediction_title(label, score, 0.23) == title


def test_a_threshold_of_many_digits() -> None:
    assert prediction_title(1, 0.2305, 0.2304).text == "malignant 0.231"
    assert prediction_title(1, 0.9999, 1.0).text == "✗ benign 0.9999 (malignant)"


@pytest.mark.parametrize("value", [0.99999, 0.2490712345678901, 0.5, 1.0])
def test_the_threshold_beside_the_predictions_is_the_one_they_were_made_at(value: float) -> None:
    said, *_ = notes_of(Threshold(value, "exploratory"), 7, synthetic=False)
    assert float(said.split()[1]) == value


def test_long_names_end_as_they_end() -> None:
    assert shortened("x" * 50 + "/test", 10) == "…xxxx/test"
    assert shortened("two\nlines") == r"two\x0alines"


@pytest.mark.usefixtures("root")
def test_twenty_five_images_as_the_network_sees_them() -> None:
    done = call("test")
    assert (done.exit_code, done.output) == (0, "batch.png: 25 images\n")
    picture = pixels("batch.png")
    assert picture.shape[1] == 5 * 299 + 4 * 28 + 2 * 44
    # Five columns of images, with the same white to their left and right.
    inked = (picture[-200] < 250).any(axis=1)
    edges = np.flatnonzero(np.diff(inked.astype(int)))
    assert edges[0] + 1 == len(inked) - 1 - edges[-1] == 44


def test_a_cell_holds_the_decoders_pixels(root: Path) -> None:
    from imaging.decoding.decoder import Decoder
    from model.card import Decode

    draw(root / "one" / "nevus" / "a.png", 299, 299, seed=5)
    assert call("one").output == "batch.png: 1 images\n"
    batch = Decoder(Decode()).decode_files(root, ["one/nevus/a.png"])
    shown = pixels("batch.png")[-44 - 299 : -44, 44 : 44 + 299]
    assert np.abs(shown - batch.images[0] * 255).max() <= 1


def test_a_seed_is_a_sample(root: Path) -> None:
    for at in range(5):
        draw(root / "few" / f"{at}.jpg", seed=at)
    for name, seed in (("a.png", "1"), ("b.png", "1"), ("c.png", "2")):
        assert call("few", "--seed", seed, "-o", name).exit_code == 0
    first, again, other = (Path(name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert first == again
    assert first != other


def test_unreadable_images_are_named_and_left_out(root: Path) -> None:
    few = root / "few"
    for at in range(3):
        draw(few / f"{at}.jpg", seed=at)
    (few / "text.jpg").write_text("no image")
    (few / "gone.jpg").symlink_to(root / "nowhere.jpg")
    done = call("few")
    assert (done.exit_code, done.stdout) == (0, "batch.png: 3 images\n")
    said = "the bytes are not those of an image of a known format"
    assert f"left out few/text.jpg: {said}" in done.stderr
    assert "left out few/gone.jpg: there is no such file" in done.stderr
    assert done.stderr.count("\n") == 2
    assert pixels("batch.png").shape[1] == 3 * 299 + 2 * 28 + 2 * 44


def test_nothing_readable_is_an_error(root: Path) -> None:
    (root / "few").mkdir()
    (root / "few" / "text.jpg").write_text("no image")
    done = call("few")
    assert (done.exit_code, Path("batch.png").exists()) == (1, False)
    assert "Error: no image could be read" in done.stderr


def test_predictions_of_a_run(root: Path) -> None:
    number = store(root, scored=12)
    done = call("--run", str(number), "--threshold", "0.15")
    assert (done.exit_code, done.output) == (0, "predictions.png: 12 images\n")
    assert colours("predictions.png") == {"blue", "red"}


@pytest.mark.parametrize("form", [("1",), ("mine",), ("--run", "1"), ("--run", "mine")])
def test_a_run_is_named_as_in_every_command(root: Path, form: tuple[str, ...]) -> None:
    store(root, scored=2)
    with closing(open_database()) as database, database.write() as session:
        runs.get_run(session, "1").name = "mine"
    store(root, scored=3)
    done = call(*form, "--threshold", "0.5")
    assert (done.exit_code, done.output) == (0, "predictions.png: 2 images\n")


def test_a_folder_goes_before_a_run_of_its_name(root: Path) -> None:
    store(root, scored=2)
    with closing(open_database()) as database, database.write() as session:
        runs.get_run(session, "1").name = "test"
    assert call("test").output == "batch.png: 25 images\n"


@pytest.mark.usefixtures("root")
def test_a_word_that_is_neither_source_nor_run() -> None:
    assert "nowhere: there is no such folder, manifest or image" in call("nowhere").stderr
    assert not Path("ledger.db").exists()


def test_all_correct_shows_no_red(root: Path) -> None:
    number = store(root, scored=3)  # the first ten are melanoma
    done = call("--run", str(number), "--threshold", "0")
    assert done.output == "predictions.png: 3 images\n"
    assert colours("predictions.png") == {"blue"}


def colours(path: str) -> set[str]:
    """Which of the titles' colours stand in the line above the last row of images."""
    line = pixels(path)[-44 - 299 - 40 : -44 - 299 - 6].reshape(-1, 3).tolist()
    wanted = {"blue": [0x00, 0x72, 0xB2], "red": [0xB2, 0x18, 0x2B]}
    return {name for name, colour in wanted.items() if colour in line}


def test_the_cards_threshold(root: Path) -> None:
    number = store(root, scored=1, threshold={"value": 0.4, "how": "Youden"})
    assert call("--run", str(number)).exit_code == 0
    without = store(root, scored=1)
    done = call("--run", str(without))
    assert (done.exit_code, "such as --threshold 0.23" in done.output) == (2, True)


def test_a_threshold_chosen_on_a_run_goes_before_the_cards_as_in_the_report(root: Path) -> None:
    number = store(root, scored=3, threshold={"value": 0.4})  # all three are melanoma, below it
    assert call("--run", str(number)).exit_code == 0
    assert colours("predictions.png") == {"red"}
    with closing(open_database()) as database, database.write() as session:
        thresholds.add_threshold(session, runs.get_run(session, str(number)), "youden", 0, "Youden")
    assert call("--run", str(number)).exit_code == 0
    assert colours("predictions.png") == {"blue"}


def test_missing_and_changed_files_are_named_and_left_out(root: Path) -> None:
    number = store(root, scored=5)
    names = sorted((root / "test" / "melanoma").iterdir())
    names[0].unlink()
    draw(names[1], seed=99)
    done = call("--run", str(number), "--threshold", "0.5")
    assert (done.exit_code, done.stdout) == (0, "predictions.png: 3 images\n")
    assert f"left out test/melanoma/{names[0].name}: there is no such file" in done.stderr
    changed = f"left out test/melanoma/{names[1].name}: it is not the file that was scored"
    assert changed in done.stderr


def test_a_run_that_does_not_exist(root: Path) -> None:
    store(root, scored=1)
    done = call("--run", "99", "--threshold", "0.5")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: there is no run 99: `producer status` lists them\n"


def test_a_run_without_scores(root: Path) -> None:
    number = store(root, scored=0)
    done = call("--run", str(number), "--threshold", "0.5")
    assert (done.exit_code, "has no scored images yet" in done.stderr) == (1, True)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "arguments", [(), ("test", "--run", "1"), ("test", "--threshold", "0.5"), ("--seed", "-1")]
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert call(*arguments).exit_code == 2
    assert not Path("batch.png").exists()


@pytest.mark.usefixtures("root")
def test_a_picture_that_cannot_be_written() -> None:
    done = call("test", "-o", "nowhere/x.png")
    assert done.exit_code == 1
    assert "Error: nowhere/x.png cannot be written: No such file or directory" in done.stderr


def test_a_sample_of_the_ledger(database: Database, root: Path) -> None:
    number = score_all(database, root, scored=20)
    with database.read() as session:
        drawn = sample_scored(session, number, 8, seed=1)
        assert drawn == sample_scored(session, number, 8, seed=1)
        assert drawn != sample_scored(session, number, 8, seed=2)
        everything = sample_scored(session, number, 100, seed=1)
        assert sample_scored(session, number + 1, 8, seed=1) == []
    assert len({image.path for image in drawn}) == 8
    assert len(everything) == 20
    assert all(image.score == int(Path(image.path).stem) / 100 for image in everything)
    assert all(image.digest == digest(root / image.path) for image in everything)
