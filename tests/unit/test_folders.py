"""Folders as people have them: spellings, sites, NAS leftovers, names without an ending, links."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from drawing import as_nobody
from PIL import Image

from imaging.errors import SourceError
from imaging.listing.class_folders import ClassFolders, Place
from imaging.listing.labels import LABELS, word
from imaging.listing.selection import Selection
from imaging.listing.sources import list_source


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, which is the working directory too."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(root: Path, *names: str, data: bytes = b"") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def labels(
    root: Path, source: str, selection: Selection | None = None, **more: int
) -> dict[str, int | None]:
    rows = list_source(source, root, {**LABELS, **more}, selection=selection)
    return {row.path: row.label for row in rows}


def refusal(root: Path, source: str, selection: Selection | None = None, **more: int) -> str:
    with pytest.raises(SourceError) as caught:
        labels(root, source, selection, **more)
    assert "\n" not in caught.value.message
    return caught.value.message


def both(pattern: str) -> pytest.MarkDecorator:
    """The same test for the folder `data` and for a glob."""
    return pytest.mark.parametrize("source", ["data", pattern])


# --- class folders


@both("data/*/*")
@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("Seborrheic Keratosis", 0),
        ("seborrheic-keratosis", 0),
        ("SEBORRHEIC_KERATOSIS", 0),
        ("seborrheic  keratosis ", 0),
        ("Melanoma", 1),
        ("MALIGNANT", 1),
        ("Nevus", 0),
    ],
)
def test_class_folders_in_any_spelling(root: Path, source: str, folder: str, label: int) -> None:
    put(root, f"data/{folder}/1.jpg")

    assert labels(root, source) == {f"data/{folder}/1.jpg": label}


def test_a_given_label_is_for_every_spelling_of_its_folder(root: Path) -> None:
    put(root, "data/Dysplastic Nevus/1.jpg", "data/nevus/2.jpg")

    assert labels(
        root, "data", Selection(given=["dysplastic-nevus"]), **{"dysplastic-nevus": 1}
    ) == {
        "data/Dysplastic Nevus/1.jpg": 1,
        "data/nevus/2.jpg": 0,
    }


def test_two_meanings_of_one_name_are_refused(root: Path) -> None:
    put(root, "data/Nevus/1.jpg")

    assert "nevus is known as 0" in refusal(root, "data", Nevus=1)
    assert "odd_one is known as 0" in refusal(root, "data", None, **{"odd one": 0, "Odd-One": 1})


def test_a_name_without_a_label_is_known_in_every_spelling_too() -> None:
    classes = ClassFolders({**LABELS, "Nevus": None, "odd one": None})

    assert classes.enter(Place(), "data/NEVUS", beside_classes=True) == Place(None, "NEVUS")
    assert classes.enter(Place(), "data/Odd-One", beside_classes=True) == Place(None, "Odd-One")


@both("data/**/*.jpg")
def test_classes_below_the_first_level_are_found(root: Path, source: str) -> None:
    put(root, "data/site1/melanoma/a/1.jpg", "data/site1/nevus/2.jpg", "data/site2/nevus/3.jpg")
    put(root, "data/loose.jpg")

    assert labels(root, source) == {
        "data/loose.jpg": None,
        "data/site1/melanoma/a/1.jpg": 1,
        "data/site1/nevus/2.jpg": 0,
        "data/site2/nevus/3.jpg": 0,
    }


@both("data/**/*.jpg")
def test_a_folder_beside_class_folders_may_hold_class_folders(root: Path, source: str) -> None:
    put(root, "data/nevus/1.jpg", "data/site1/a/melanoma/2.jpg", "data/empty/readme.txt")

    assert labels(root, source) == {"data/nevus/1.jpg": 0, "data/site1/a/melanoma/2.jpg": 1}


@both("data/**/*.jpg")
@pytest.mark.parametrize("beside", ["data/odd", "data/site1/odd"])
def test_an_unknown_folder_beside_class_folders_is_refused_at_any_depth(
    root: Path, source: str, beside: str
) -> None:
    put(root, f"{beside}/deep/1.jpg", f"{Path(beside).parent}/Nevus/2.jpg")

    message = refusal(root, source)

    assert message.startswith(f"{beside} is not a known class folder")
    assert "--label odd=0 (benign) or --label odd=1 (malignant)" in message


@both("data/**/*.jpg")
def test_two_class_folders_of_different_meaning_on_one_path_are_refused(
    root: Path, source: str
) -> None:
    put(root, "data/benign/nevus/1.jpg")
    assert labels(root, source) == {"data/benign/nevus/1.jpg": 0}

    put(root, "data/melanoma/2017/Nevus/benign/2.jpg")

    assert refusal(root, source) == (
        "data/melanoma/2017/Nevus lies in two class folders of different meaning, melanoma (1) and "
        "Nevus (0): move or rename one of them"
    )


def test_folders_above_the_source_give_no_label(root: Path) -> None:
    put(root, "melanoma/data/nevus/1.jpg", "melanoma/data/2.jpg")

    assert labels(root, "melanoma/data") == {
        "melanoma/data/2.jpg": None,
        "melanoma/data/nevus/1.jpg": 0,
    }


@both("data/*/*.jpg")
def test_a_given_label_that_matches_no_folder_is_refused(root: Path, source: str) -> None:
    put(root, "data/nevus/1.jpg")
    given = Selection(given=["nevus", "dys plastic"])

    assert refusal(root, source, given, **{"dys plastic": 1}) == (
        f"--label 'dys plastic' matches no folder of {source}: correct the name, or leave it out"
    )


# --- what is passed over

SYSTEM = [
    *["@eaDir", "#recycle", "#snapshot", "__MACOSX", "$RECYCLE.BIN", "System Volume Information"],
    *["lost+found", ".git", ".Trashes", "@EADIR", "$Recycle.Bin"],
]


@both("data/**/*")
@pytest.mark.parametrize("folder", SYSTEM)
def test_folders_of_systems_are_passed_over(root: Path, source: str, folder: str) -> None:
    put(root, "data/nevus/1.jpg", f"data/nevus/{folder}/deep/1.jpg", f"data/{folder}/nevus/1.jpg")
    selection = Selection()

    assert labels(root, source, selection) == {"data/nevus/1.jpg": 0}
    if source == "data" or folder[0] != ".":  # a glob does not see hidden folders
        assert list(selection.lines()) == [f"2 system folders passed over ({folder})"]


def test_a_folder_of_a_system_is_a_source_if_it_is_named(root: Path) -> None:
    put(root, "@eaDir/1.jpg")

    assert labels(root, "@eaDir") == labels(root, "@eaDir/*") == {"@eaDir/1.jpg": None}


def test_nothing_is_said_where_nothing_was_passed_over(root: Path) -> None:
    put(root, "data/nevus/1.jpg")
    selection = Selection()
    labels(root, "data", selection)

    assert list(selection.lines()) == []


def drawn(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, kind)
    return file.getvalue()


def box(brand: bytes, *more: bytes) -> bytes:
    """The beginning of an ISO base media file."""
    return (16 + 4 * len(more)).to_bytes(4, "big") + b"ftyp" + brand + bytes(4) + b"".join(more)


IMAGES = {
    **{kind: drawn(kind) for kind in ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG2000")},
    "big-endian TIFF": b"MM\0*",
    "HEIC": box(b"heic"),
    "HEIF of another brand": box(b"msf1", b"xxxx", b"heic"),
    "AVIF": box(b"avif"),
    "DICOM": bytes(128) + b"DICM",
    "DICOM without its preamble": b"\2\0\0\0UL\4\0\xdc\0\0\0",
    "DICOM without a header": b"\x08\0\5\0CS\x0a\0ISO_IR 100",
    "DICOM with implicit types": b"\x08\0\0\0\4\0\0\0\x5c\1\0\0",
}
OTHERS = {
    "nothing": b"",
    "text that begins with BM": b"BMI,age,sex\n22.5,55,female\n",
    "a film": box(b"isom", b"mp42"),
    "sound": b"RIFF\0\0\0\0WAVE",
    "a zip": b"PK\3\4",
    "a page": b"<html>",
}


@both("data/**/*")
@pytest.mark.parametrize("name", ["IM_0001", "1.2.840.113619.2.5", "photo.jpg.bak"])
@pytest.mark.parametrize("kind", IMAGES)
def test_images_without_an_ending_are_known_by_their_bytes(
    root: Path, source: str, kind: str, name: str
) -> None:
    put(root, f"data/nevus/{name}", data=IMAGES[kind])

    assert labels(root, source) == {f"data/nevus/{name}": 0}
    assert labels(root, f"data/nevus/{name}") == {f"data/nevus/{name}": None}


@both("data/**/*")
@pytest.mark.parametrize("kind", OTHERS)
def test_other_files_are_passed_over_and_counted(root: Path, source: str, kind: str) -> None:
    put(root, "data/nevus/1.jpg")
    put(root, "data/nevus/IM_0001", "data/a.bin", "data/z.txt", data=OTHERS[kind])
    selection = Selection()

    assert labels(root, source, selection) == {"data/nevus/1.jpg": 0}
    assert list(selection.lines()) == ["3 other files passed over, such as data/a.bin"]


def test_what_is_neither_file_nor_image_is_passed_over_and_counted(root: Path) -> None:
    put(root, "data/1.jpg", "data/._1.jpg", "data/Thumbs.db")
    put(root, "data/DICOMDIR", data=IMAGES["DICOM"])
    os.mkfifo(root / "data/fifo")
    (root / "data/nowhere").symlink_to("nothing")
    (root / "data/round").symlink_to("round")
    selection = Selection()

    assert list(labels(root, "data", selection)) == ["data/1.jpg"]
    assert list(selection.lines()) == ["6 other files passed over, such as data/._1.jpg"]


def test_a_file_that_may_not_be_read_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder of root's own
        root = Path(folder)
        root.chmod(0o755)
        monkeypatch.chdir(root)
        put(root, "data/IM_0001")
        (root / "data/IM_0001").chmod(0)

        with as_nobody():
            assert list(labels(root, "data")) == ["data/IM_0001"]
        monkeypatch.undo()


def test_the_real_files_are_known_without_their_endings(root: Path, shared: Path) -> None:
    odd = shared / "data" / "odd"
    files = sorted(file for file in odd.rglob("*") if file.is_file())
    for number, file in enumerate(files):
        put(root, f"data/{number}", data=file.read_bytes()[:200])
    selection = Selection()

    assert len(labels(root, "data", selection)) == len(files), list(selection.lines())


@pytest.mark.parametrize("source", ["data", "data/*"])
def test_a_source_without_images_says_what_is_there(root: Path, source: str) -> None:
    put(root, "data/images.zip", "data/@eaDir/1.jpg")

    message = refusal(root, source)

    assert message.startswith(f"{source} lists no images (.avif .bmp")
    assert "; 1 other file passed over, such as data/images.zip" in message


# --- exclude


@pytest.mark.parametrize(
    ("source", "patterns", "left", "said"),
    [
        ("data", ["masks"], "1 2 3 4", "1 folder excluded"),
        ("data", ["*_mask.png"], "1 2 3 5", "1 file excluded"),
        ("data", ["site1/*"], "3 4 5", "2 files excluded"),
        ("data", ["site1"], "3 4 5", "1 folder excluded"),
        ("data", ["site?/1.jpg", "masks"], "2 3 4", "1 folder and 1 file excluded"),
        ("data/**", ["site?/1.jpg", "masks"], "2 3 4", "1 folder and 1 file excluded"),
        ("data/*/*", ["*_mask.png"], "1 2 3 5", "1 file excluded"),
    ],
)
def test_what_is_excluded_is_counted(
    root: Path, source: str, patterns: list[str], left: str, said: str
) -> None:
    names = ["site1/1.jpg", "site1/2.jpg", "site2/3.jpg", "site2/4_mask.png", "masks/5.jpg"]
    put(root, *(f"data/{name}" for name in names))
    selection = Selection(patterns)

    listed = labels(root, source, selection)

    assert " ".join(sorted(Path(path).name[0] for path in listed)) == left
    assert list(selection.lines()) == [said]


def test_an_excluded_folder_is_no_unknown_class_folder(root: Path) -> None:
    put(root, "data/nevus/1.jpg", "data/masks/1.jpg")

    assert labels(root, "data", Selection(["masks"])) == {"data/nevus/1.jpg": 0}


@pytest.mark.parametrize("source", ["data", "data/*/*.jpg", "data/nevus/1.jpg", "m.csv", "-"])
def test_a_pattern_that_matches_nothing_is_refused(root: Path, source: str) -> None:
    put(root, "data/nevus/1.jpg")
    put(root, "m.csv", data=b"path\ndata/nevus/1.jpg\n")

    assert refusal(root, source, Selection(["mask*"])).startswith(
        f"--exclude 'mask*' matches nothing in {source}"
    )


# --- links


@pytest.fixture
def elsewhere(root: Path) -> Path:
    """A folder with an image outside of the data root."""
    put(root.parent, "elsewhere/nevus/1.jpg")
    return root.parent / "elsewhere"


@pytest.mark.parametrize("source", ["data", "data/nevus", "data/*/*.jpg", "data/nevus/1.jpg"])
@pytest.mark.parametrize("at", ["data", "data/nevus", "data/nevus/1.jpg"])
def test_a_link_out_of_the_data_root_is_refused(
    root: Path, elsewhere: Path, at: str, source: str
) -> None:
    (root / at).parent.mkdir(parents=True, exist_ok=True)
    (root / at).symlink_to(elsewhere / Path(at).relative_to("data"))

    message = refusal(root, source)

    assert f"leads to {elsewhere}" in message
    assert f"outside DATA_ROOT ({root})" in message
    assert f"such as {root.parent}, here and for the workers" in message
    assert list(labels(root.parent, source)) == ["root/data/nevus/1.jpg"]


def test_a_broken_link_out_of_the_data_root_is_refused(root: Path) -> None:
    put(root, "data/1.jpg")
    (root / "data/2.jpg").symlink_to("/nowhere/2.jpg")

    assert "such as /, here" in refusal(root, "data")


# --- archives


@pytest.mark.parametrize("pack", ["zip", "tar", "gztar", "xztar"])
@pytest.mark.parametrize("name", ["isic", "isic 2019"])
def test_an_archive_is_refused_with_the_command_that_unpacks_it(
    root: Path, pack: str, name: str
) -> None:
    put(root, "packed/nevus/1.jpg")
    archive = shutil.make_archive(name, pack, "packed")
    source = Path(archive).name

    message = refusal(root, source)

    assert message.startswith(f"{shlex.quote(source)} is an archive")
    command, then = re.findall("unpack it with `(.*)`, then SOURCE is (.*)", message)[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, env={"PATH": path})
    (folder,) = shlex.split(then)
    assert labels(root, folder) == {f"{folder}/nevus/1.jpg": 0}


@pytest.mark.parametrize("name", ["a.ZIP", "a.tgz", "a.tar.bz2", "a.7z", "a.rar", "there/not.zip"])
def test_every_archive_is_refused(root: Path, name: str) -> None:
    if "/" not in name:
        put(root, name)

    assert refusal(root, name).startswith(f"{name} is an archive")


def test_a_folder_that_is_called_like_an_archive_is_a_folder(root: Path) -> None:
    put(root, "data.zip/1.jpg")

    assert labels(root, "data.zip") == {"data.zip/1.jpg": None}


@pytest.mark.parametrize(
    "spelling",
    ["melanoma (in situ)", "Melanoma_(in_situ)", " melanoma-(in  situ)", "MELANOMA _ (in - situ)"],
)
def test_a_folder_and_a_cell_are_spelled_alike(spelling: str) -> None:
    assert word(spelling) == "melanoma (in situ)"
    assert ClassFolders({"melanoma_(in situ)": 1}).knows(spelling)


@pytest.mark.parametrize("cell", ["-1", "_x", "x_", "--"])
def test_a_sign_at_an_end_is_not_a_gap(cell: str) -> None:
    assert word(cell) == cell
