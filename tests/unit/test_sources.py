import csv
import io
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from drawing import as_nobody
from hypothesis import given, settings
from hypothesis import strategies as st

from base.listed_image import ListedImage
from imaging.data_root import data_root
from imaging.errors import SourceError
from imaging.listing.class_folders import count_by_class_folder, folders_above
from imaging.listing.labels import LABELS
from imaging.listing.sources import list_source
from imaging.listing.stored_keys import source_key


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, which is the working directory too."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def touch(root: Path, *names: str) -> None:
    """Files of these names; listing looks at names only."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def labels(root: Path, source: str, **more: int) -> dict[str, int | None]:
    return {row.path: row.label for row in list_source(source, root, {**LABELS, **more})}


def refusal(root: Path, source: str) -> str:
    with pytest.raises(SourceError) as caught:
        list(list_source(source, root))
    assert "\n" not in caught.value.message
    return caught.value.message


def test_each_of_the_five_class_folders_gives_its_label(root: Path) -> None:
    folders = ["benign", "malignant", "melanoma", "nevus", "seborrheic_keratosis"]
    touch(root, *(f"data/{folder}/1.jpg" for folder in folders))

    assert labels(root, "data") == {
        "data/benign/1.jpg": 0,
        "data/malignant/1.jpg": 1,
        "data/melanoma/1.jpg": 1,
        "data/nevus/1.jpg": 0,
        "data/seborrheic_keratosis/1.jpg": 0,
    }


def test_images_deep_in_a_class_folder_have_its_label(root: Path) -> None:
    touch(root, "data/melanoma/2017/left arm/1.jpg")

    assert labels(root, "data") == {"data/melanoma/2017/left arm/1.jpg": 1}


def test_a_given_label_makes_a_class_folder_known_and_goes_before_ours(root: Path) -> None:
    touch(root, "data/nevus/1.jpg", "data/dysplastic/1.jpg")

    found = labels(root, "data", dysplastic=1, nevus=1)

    assert found == {"data/dysplastic/1.jpg": 1, "data/nevus/1.jpg": 1}


def test_an_unknown_class_folder_beside_known_ones_is_refused_by_name(root: Path) -> None:
    touch(root, "data/nevus/1.jpg", "data/dysplastic/1.jpg")

    message = refusal(root, "data")

    assert message.startswith("data/dysplastic is not a known class folder")
    assert "--label dysplastic=1" in message


def test_where_no_class_folder_is_known_no_image_has_a_label(root: Path) -> None:
    touch(root, "data/2016/1.jpg", "data/2017/1.jpg", "data/2.jpg")

    found = labels(root, "data")

    assert found == {"data/2.jpg": None, "data/2016/1.jpg": None, "data/2017/1.jpg": None}


def test_loose_images_beside_class_folders_have_no_label(root: Path) -> None:
    touch(root, "data/nevus/1.jpg", "data/2.jpg")

    assert labels(root, "data") == {"data/2.jpg": None, "data/nevus/1.jpg": 0}


def test_the_order_is_that_of_names(root: Path) -> None:
    touch(root, "b/2.jpg", "b/10.jpg", "a.jpg", "c.jpg")

    assert list(labels(root, ".")) == ["a.jpg", "b/10.jpg", "b/2.jpg", "c.jpg"]


def test_only_files_that_look_like_images_are_listed(root: Path) -> None:
    touch(root, "1.JPG", "2.Jpeg", "3.png", "4.bmp", "5.gif", "6.tif", "7.txt", "8", "9.csv")
    touch(root, ".hidden.jpg", "._1.JPG", ".git/a.jpg", "Thumbs.db")

    assert list(labels(root, ".")) == [
        *["1.JPG", "2.Jpeg", "3.png", "4.bmp"],
        *["5.gif", "6.tif"],  # not decoded, but told so
    ]


def test_a_hidden_folder_is_no_class_folder(root: Path) -> None:
    touch(root, "data/nevus/1.jpg", "data/.cache/1.jpg")

    assert labels(root, "data") == {"data/nevus/1.jpg": 0}


def test_a_glob_takes_its_labels_from_the_folders_right_above(root: Path) -> None:
    touch(root, "data/nevus/1.jpg", "data/melanoma/2.jpg", "data/3.jpg", "data/nevus/4.txt")

    assert labels(root, "data/*/*") == {"data/melanoma/2.jpg": 1, "data/nevus/1.jpg": 0}
    assert labels(root, "data/**") == {
        "data/3.jpg": None,
        "data/melanoma/2.jpg": 1,
        "data/nevus/1.jpg": 0,
    }


def test_a_glob_of_two_stars_goes_deep(root: Path) -> None:
    touch(root, "data/a/b/1.jpg", "data/2.jpg")

    assert list(labels(root, "data/**/*.jpg")) == ["data/2.jpg", "data/a/b/1.jpg"]


def test_a_folder_whose_name_looks_like_a_glob_is_a_folder(root: Path) -> None:
    touch(root, "data [2017]/1.jpg")

    assert list(labels(root, "data [2017]")) == ["data [2017]/1.jpg"]


def test_a_single_image_is_a_source(root: Path) -> None:
    touch(root, "data/1.jpg")

    assert list(list_source("data/1.jpg", root)) == [ListedImage("data/1.jpg", None)]


def test_a_manifest_is_a_source(root: Path) -> None:
    touch(root, "m.csv")
    (root / "m.csv").write_text("path,label,sex\na/../b.jpg,1,f\n./c.jpg,,\n")

    assert list(list_source("m.csv", root)) == [
        ListedImage("b.jpg", 1, {"sex": "f"}, "m.csv:2"),
        ListedImage("c.jpg", None, {"sex": ""}, "m.csv:3"),
    ]


def test_a_manifests_paths_are_relative_to_the_data_root_wherever_it_lies(
    root: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"path\n1.jpg\n{root}/data/2.jpg\n")

    assert list(labels(root, str(manifest))) == ["1.jpg", "data/2.jpg"]


def test_a_manifest_may_come_on_standard_input(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"path,label\n1.jpg,1\n")))

    assert list(list_source("-", root)) == [ListedImage("1.jpg", 1, None, "standard input:2")]


def test_a_bad_line_on_standard_input_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"path,label\n1.jpg,7\n")))

    assert refusal(root, "-").startswith("standard input:2: label '7'")


@pytest.mark.parametrize("path", ["../b.jpg", "/etc/passwd", "data/../../b.jpg"])
def test_a_path_that_leads_out_of_the_data_root_is_refused_by_its_line(
    root: Path, path: str
) -> None:
    (root / "m.csv").write_text(f"path\na.jpg\n{path}\n")

    message = refusal(root, "m.csv")

    assert message.startswith("m.csv:3: ")
    assert f"lies outside DATA_ROOT ({root})" in message


PIECES = st.sampled_from(
    ["/", "/", ".", "..", "a", "b.jpg", "...", ".x", "é", "\\", " ", "\n", "'"]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=8).map("".join).filter(str.strip))
def test_a_manifests_path_means_what_the_file_system_takes_it_for(path: str) -> None:
    # A folder of its own name, so that "../" can lead out and in again.
    root = Path(tempfile.gettempdir()) / "a"
    means = os.path.relpath(os.path.join(root, path), root)  # noqa: PTH118 - as open() takes it
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "m.csv"
        with manifest.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["path"], [path]])

        if means == ".." or means.startswith("../"):
            assert "lies outside DATA_ROOT" in refusal(root, str(manifest))
        else:
            assert list(labels(root, str(manifest))) == [means]


@pytest.mark.parametrize("source", ["..", "../*/*.jpg", "../other", "../other/1.jpg"])
def test_a_source_outside_the_data_root_is_refused(root: Path, source: str) -> None:
    touch(root.parent, "other/1.jpg")

    assert "lies outside DATA_ROOT" in refusal(root, source)


@pytest.mark.parametrize("source", ["nothing", "nothing.jpg", "nothing.csv", "x" * 300])
def test_a_source_that_is_not_there_is_refused(root: Path, source: str) -> None:
    message = refusal(root, source)

    assert message.startswith(source)
    assert len(message) < len(source) + 100


@pytest.mark.parametrize("source", ["empty", "empty/*", "m.csv"])
def test_a_source_that_lists_nothing_is_refused(root: Path, source: str) -> None:
    touch(root, "empty/notes.txt")
    (root / "m.csv").write_text("path,label\n")

    assert refusal(root, source).startswith(f"{source} lists no images")


def test_links_to_folders_are_followed(root: Path) -> None:
    touch(root, "archive/1.jpg")
    (root / "data").mkdir()
    (root / "data/melanoma").symlink_to(root / "archive")

    assert labels(root, "data") == {"data/melanoma/1.jpg": 1}


def test_a_loop_of_links_ends(root: Path) -> None:
    touch(root, "data/a/1.jpg")
    (root / "data/a/up").symlink_to(root / "data")
    (root / "data/self.jpg").symlink_to("self.jpg")

    assert list(labels(root, "data")) == ["data/a/1.jpg", "data/self.jpg"]


def test_the_data_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    touch(root, "1.jpg")
    (tmp_path / "link").symlink_to(root)

    assert list(labels(tmp_path / "link", str(tmp_path / "link"))) == ["1.jpg"]


def test_a_name_that_is_not_utf_8_is_listed_all_the_same(root: Path) -> None:
    with open(os.fsencode(root) + b"/caf\xe9.jpg", "wb"):  # noqa: PTH123 - pathlib takes no bytes
        pass

    assert list(labels(root, ".")) == [r"caf\xe9.jpg"]


def test_two_files_of_one_stored_name_are_refused(root: Path) -> None:
    touch(root, r"nevus/caf\xe9.jpg", "nevus/1.jpg")
    assert list(labels(root, ".")) == ["nevus/1.jpg", r"nevus/caf\xe9.jpg"]

    (root / "nevus" / os.fsdecode(b"caf\xe9.jpg")).touch()

    assert refusal(root, ".") == (
        r"nevus: two files are called nevus/caf\xe9.jpg, one of them in bytes that are not UTF-8: "
        "rename one"
    )


@pytest.mark.parametrize("closed", ["data", "data/nevus"])
def test_a_folder_that_may_not_be_read_is_refused_by_name(
    closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder of root's own
        root = Path(folder)
        root.chmod(0o755)
        touch(root, "data/nevus/1.jpg")
        monkeypatch.chdir(root)
        (root / closed).chmod(0)

        try:
            with as_nobody():
                message = refusal(root, "data")
        finally:
            (root / closed).chmod(0o755)
            monkeypatch.undo()
        assert message == f"{closed}: Permission denied"


def test_a_source_is_known_again_however_it_is_written(root: Path) -> None:
    spellings = ["data", "data/", "./data", "a/../data", str(root / "data")]

    assert {source_key(source, root) for source in spellings} == {"data"}
    assert source_key("/elsewhere/m.csv", root) == "/elsewhere/m.csv"


def test_the_data_root_is_the_working_directory_unless_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA_ROOT", raising=False)
    here = data_root()
    assert isinstance(here, Path)
    assert here.resolve() == root

    monkeypatch.setenv("DATA_ROOT", str(root.parent))
    assert data_root() == root.parent


def test_a_data_root_that_is_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_ROOT", "/no/such/folder")

    with pytest.raises(SourceError, match="DATA_ROOT=/no/such/folder is not a folder"):
        data_root()


def class_folders(root: Path, source: str, **more: int) -> dict[tuple[str, int], int]:
    """What a report finds out from the stored names: images by class folder and label."""
    key, counted = source_key(source, root), Counter[tuple[str, int]]()
    for row in list_source(source, root, {**LABELS, **more}):
        if row.label is not None:
            counted[folders_above(key, row.path) or "", row.label] += 1
    return count_by_class_folder(counted, LABELS)


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("data", {("melanoma", 1): 2, ("Nevus", 0): 1}),
        ("./data/", {("melanoma", 1): 2, ("Nevus", 0): 1}),
        (".", {("melanoma", 1): 2, ("Nevus", 0): 1}),
        ("data/melanoma", {}),
        ("data/*/*.jpg", {("melanoma", 1): 1, ("Nevus", 0): 1}),
        ("data/**/*.jpg", {("melanoma", 1): 2, ("Nevus", 0): 1}),
    ],
)
def test_the_folder_that_gave_a_label_is_known_from_what_is_stored(
    root: Path, source: str, given: dict[tuple[str, int], int]
) -> None:
    touch(root, "data/melanoma/1.jpg", "data/melanoma/old/2.jpg", "data/Nevus/3.jpg")

    assert class_folders(root, source) == given


def test_the_folders_that_label_named_are_known_from_what_is_stored(root: Path) -> None:
    touch(root, "a/mel/p1/1.jpg", "a/mel/p2/2.jpg", "a/nv/p1/3.jpg", "b/mel/p3/4.jpg")

    assert class_folders(root, ".", mel=1, nv=0) == {("mel", 1): 3, ("nv", 0): 1}


def test_a_class_folder_below_the_root_itself(root: Path) -> None:
    touch(root, "melanoma/1.jpg")

    assert class_folders(root, ".") == {("melanoma", 1): 1}


def test_no_folder_gave_a_manifest_its_labels(root: Path) -> None:
    touch(root, "data/nevus/1.jpg")
    (root / "data/list.csv").write_text("path,label\ndata/nevus/1.jpg,1\n")

    assert labels(root, "data/list.csv") == {"data/nevus/1.jpg": 1}
    assert folders_above(source_key("data/list.csv", root), "data/nevus/1.jpg") is None
    assert folders_above("data/list[1].csv", "data/nevus/1.jpg") is None
    assert folders_above("-", "-/1.jpg") is None
