import csv
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from drawing import draw

from base.listed_image import ListedImage
from imaging.errors import SourceError
from imaging.listing.labels import LABELS
from imaging.listing.sources import list_source
from imaging.listing.tables.manifest_options import ManifestOptions
from trainer.commands.manifest import command as manifest
from trainer.training.dataset import list_labelled

STRANGE = [
    "one, two.jpg",
    'a "quoted" name.jpg',
    "two\nlines.jpg",
    "a return\r.jpg",
    "both\r\n.jpg",
    "naïve 皮肤 🔬.jpg",
    " spaces around .jpg",
    "=1+1.jpg",
    "'.jpg",
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DATA_ROOT with three labelled images, and a working directory beside it."""
    root, here = tmp_path / "root", tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("DATA_ROOT", str(root))
    monkeypatch.chdir(here)
    for at, name in enumerate(("melanoma/m.jpg", "nevus/n.png", "seborrheic_keratosis/s.jpg")):
        draw(root / "data" / "test" / name, seed=at)
    return root


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(manifest, [str(argument) for argument in arguments])


def rows(listed: object) -> list[tuple[str, int | None]]:
    assert isinstance(listed, list)
    return [(image.path, image.label) for image in listed if isinstance(image, ListedImage)]


def test_two_columns_relative_to_the_data_root(root: Path) -> None:
    done = call(root / "data" / "test")
    assert (done.exit_code, done.output) == (0, "test.csv: 3 images (2 benign, 1 malignant)\n")
    assert Path("test.csv").read_text() == (
        "filepath,label\n"
        "data/test/melanoma/m.jpg,1\n"
        "data/test/nevus/n.png,0\n"
        "data/test/seborrheic_keratosis/s.jpg,0\n"
    )


def test_what_is_read_back_is_what_the_folder_lists(root: Path) -> None:
    folder = root / "data" / "test"
    for at, name in enumerate(STRANGE):
        draw(folder / ("melanoma" if at % 2 else "nevus") / name, seed=at)
    draw(folder / "loose.jpg")
    assert call(folder, "-o", "all.csv").exit_code == 0
    listed = rows(list(list_source(str(folder), root)))
    assert len(listed) == 3 + len(STRANGE) + 1
    assert rows(list(list_source("all.csv", root))) == listed


def test_another_csv_reader_sees_the_same(root: Path) -> None:
    folder = root / "data" / "test"
    for name in STRANGE:
        draw(folder / "nevus" / name)
    call(folder)
    with Path("test.csv").open(newline="", encoding="utf-8") as file:
        read = {Path(row["filepath"]).name for row in csv.DictReader(file, strict=True)}
    assert read == {*STRANGE, "m.jpg", "n.png", "s.jpg"}


def test_an_image_without_label_has_an_empty_one_and_is_counted(root: Path) -> None:
    draw(root / "data" / "test" / "loose.jpg")
    done = call(root / "data" / "test")
    assert "4 images (2 benign, 1 malignant, 1 without label)" in done.output
    assert "data/test/loose.jpg,\n" in Path("test.csv").read_text()


def test_label_says_what_a_folder_means(root: Path) -> None:
    draw(root / "data" / "test" / "dysplastic" / "d.jpg")
    done = call(root / "data" / "test")
    assert (done.exit_code, Path("test.csv").exists()) == (1, False)
    assert "--label dysplastic=0" in done.output
    done = call(root / "data" / "test", "--label", "dysplastic=1")
    assert "2 benign, 2 malignant" in done.output


def test_other_rows_are_not_written_over(root: Path) -> None:
    folder = root / "data" / "test"
    assert call(folder).exit_code == 0
    assert call(folder).exit_code == 0  # the same rows
    draw(folder / "nevus" / "new.jpg")
    before = Path("test.csv").read_text()
    done = call(folder)
    assert (done.exit_code, Path("test.csv").read_text()) == (1, before)
    assert done.output.startswith("Error: test.csv exists and holds other rows")
    assert call(folder, "--force").exit_code == 0
    assert "new.jpg" in Path("test.csv").read_text()
    assert [path.name for path in Path().iterdir()] == ["test.csv"]  # no drafts


def test_the_working_directory_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "data" / "test")
    assert call(".").output.startswith("test.csv: 3 images")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{root}/nowhere"], "nowhere is not a folder"),
        (["{root}/data/test/nevus/n.png"], "n.png is not a folder"),
        (["{root}/empty"], "empty lists no images"),
        (["{root}/.."], "outside DATA_ROOT"),
        (
            ["{root}/data/test", "-o", "none/x.csv"],
            "none/x.csv cannot be written: No such file or directory",
        ),
    ],
)
def test_one_line_says_what_is_wrong(root: Path, arguments: list[str], says: str) -> None:
    (root / "empty").mkdir()
    done = call(*(argument.format(root=root) for argument in arguments))
    assert done.exit_code == 1
    assert says in done.output
    assert done.output.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_ids_and_diagnoses_of_a_data_set_become_paths_and_labels(root: Path) -> None:
    Path("ham.csv").write_text("lesion_id,image_id,dx\nHAM_1,M,mel\nHAM_2,n,bcc\n")
    images = ("--images", root / "data")

    done = call("ham.csv", *images, "-o", "plain.csv")
    assert (done.exit_code, Path("plain.csv").read_text()) == (
        0,
        "filepath,label\ndata/test/melanoma/m.jpg,1\ndata/test/nevus/n.png,\n",
    )
    assert "taken for HAM10000" in done.stderr

    assert "-o names the file to write" in call("ham.csv", *images).stderr


def test_training_leaves_out_what_has_no_label(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("ham.csv").write_text("lesion_id,image_id,dx\nH_1,m,mel\nH_2,n,bcc\nH_3,s,bkl\n")

    images = list_labelled("ham.csv", root, LABELS, ManifestOptions(images=(str(root),)))

    assert images.paths == ["data/test/melanoma/m.jpg", "data/test/seborrheic_keratosis/s.jpg"]
    assert images.labels == [1, 0]
    assert "ham.csv: left out, because they have no label: 1" in capsys.readouterr().err


def test_a_row_without_label_of_a_plain_manifest_is_refused(root: Path) -> None:
    Path("plain.csv").write_text("path,label\ndata/test/melanoma/m.jpg,1\na.jpg,\n")

    with pytest.raises(SourceError, match=r"plain\.csv:3 has no label: training needs"):
        list_labelled("plain.csv", root, LABELS)
