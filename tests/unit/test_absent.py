"""Manifests whose images are not where they say: refused with a guess why, and what to type."""

import io
import re
import shlex
import sys
import unicodedata
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from base.listed_image import ListedImage
from imaging.errors import SourceError
from imaging.listing.absent import FIRST, MOST, PathSample
from imaging.listing.sources import list_source
from imaging.stores.object_store import Store

HERE = "data/test/ISIC_1.jpg"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with one image, which is the working directory too."""
    folder = tmp_path / "root"
    put(folder / HERE)
    monkeypatch.chdir(folder)
    return folder


def put(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def write(manifest: Path, *paths: str) -> str:
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text("path\n" + "".join(f'"{path}"\n' for path in paths), encoding="utf-8")
    return str(manifest)


def listed(root: Path, source: str, *, allow_missing: bool = False) -> tuple[list[str], list[str]]:
    """The paths, and what is said after the summary."""
    sample = PathSample(root, source, allow_missing=allow_missing)
    paths = [row.path for row in sample.watch(list_source(source, root))]
    return paths, list(sample.lines())


def refusal(root: Path, *paths: str, source: str = "m.csv") -> str:
    write(root / "m.csv", *paths)
    with pytest.raises(SourceError) as caught:
        listed(root, source)
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith(
        "; if they will be there for the workers, --allow-missing goes on"
    )
    return caught.value.message


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (r"data\test\ISIC_1.jpg", "it has backslashes"),
        (r"C:\data\test\ISIC_1.jpg", "it has a drive of Windows and backslashes"),
        ("D:/data/test/ISIC_1.jpg", "it has a drive of Windows"),
        (r"\\nas\share\data\test\ISIC_1.jpg", "it has a drive of Windows and backslashes"),
        (" data/test/ISIC_1.jpg", "it has blanks around it"),
        ("data/test/ISIC_1.jpg\t", "it has blanks around it"),
        ("data/test/ISIC_1", "it lacks the ending .jpg"),
        ("Data/test/isic_1.JPG", "upper and lower case differ"),
        ("old/data/test/ISIC_1.jpg", "it begins with old/"),
        (r"E:\study 7\data\test\isic_1", "it lacks the ending .jpg, it begins with study 7/"),
    ],
)
def test_a_wrong_path_is_shown_with_the_right_one(root: Path, path: str, reason: str) -> None:
    message = refusal(root, path, "also/absent.jpg")

    assert message.startswith(
        f"2 of 2 images that were looked for are not under DATA_ROOT ({root}), such as "
    )
    assert "(m.csv:2): " in message
    assert f"{reason}; {root}/{HERE} is there: write {HERE} in the manifest" in message
    write(root / "m.csv", HERE)
    assert listed(root, "m.csv") == ([HERE], [])


@pytest.mark.parametrize(("stored", "written"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_in_another_form(root: Path, stored: str, written: str) -> None:
    name = "Jérôme/lésion.jpg"
    put(root / unicodedata.normalize(stored, name))  # type: ignore[arg-type] # a form

    message = refusal(root, unicodedata.normalize(written, name))  # type: ignore[arg-type] # a form

    assert f"its accents are not those of the file name, which is in {stored}" in message
    (right,) = re.findall("write (.*) in the manifest", message)
    assert (root / right).exists()


@pytest.mark.parametrize(
    ("image", "manifest"),
    [
        ("isic/data/1.jpg", "isic/m.csv"),  # beside the manifest
        ("root/images/data/1.jpg", "root/m.csv"),  # one folder deeper
        ("data/1.jpg", "root/m.csv"),  # one folder higher
        ("isic/images/data/1.jpg", "isic/m.csv"),
    ],
)
def test_another_root_is_named(root: Path, image: str, manifest: str) -> None:
    put(root.parent / image)
    source = write(root.parent / manifest, "data/1.jpg", "data/2.jpg")

    with pytest.raises(SourceError) as caught:
        listed(root, source)

    found = re.search("is there: DATA_ROOT=(.*) producer enqueue (.*), and", caught.value.message)
    assert found is not None, caught.value.message
    (typed_root,), (typed_source,) = shlex.split(found[1]), shlex.split(found[2])
    assert Path(typed_root) == root.parent / image.removesuffix("data/1.jpg")
    assert listed(Path(typed_root), typed_source)[0] == ["data/1.jpg", "data/2.jpg"]


def test_a_path_of_another_machine_is_shown_with_the_right_one(root: Path) -> None:
    write(root / "m.csv", f"/home/ana/{HERE}")

    with pytest.raises(SourceError) as caught:
        listed(root, "m.csv")
    assert caught.value.message == (
        f"m.csv:2: /home/ana/{HERE} lies outside DATA_ROOT ({root}); set DATA_ROOT to a folder "
        "that holds all images, here and for the workers: it begins with home/ana/; "
        f"{root}/{HERE} is there: write {HERE} in the manifest"
    )


def test_absent_without_a_likely_reason(root: Path) -> None:
    assert ", such as a/1.jpg (m.csv:2); if" in refusal(root, "a/1.jpg")
    assert "it has backslashes, and no file has a similar name;" in refusal(root, r"a\1.jpg")


def test_a_streamed_manifest_is_looked_for_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO(rb"path" + b"\n" + rb"data\test\ISIC_1.jpg" + b"\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))

    message = refusal(root, source="-")

    assert r"such as data\test\ISIC_1.jpg (standard input:2): it has backslashes" in message


def test_where_nothing_similar_is_there_the_folders_of_ids_are_asked_for(root: Path) -> None:
    message = refusal(root, "ISIC_2", "ISIC_3")
    assert "such as ISIC_2 (m.csv:2); of ids or bare names, --images DIR says in which" in message


def test_some_absent_images_are_only_counted(root: Path) -> None:
    source = write(root / "m.csv", "a.jpg", HERE)

    paths, (said,) = listed(root, source)

    assert paths == ["a.jpg", HERE]
    assert said == (
        "1 of 2 images that were looked for are not under DATA_ROOT, such as a.jpg "
        f"({source}:2): those end as missing"
    )


def test_allow_missing_goes_on_and_counts(root: Path) -> None:
    source = write(root / "m.csv", "a.jpg", "b.jpg")

    paths, said = listed(root, source, allow_missing=True)

    assert paths == ["a.jpg", "b.jpg"]
    assert said[0].startswith("2 of 2 images")


def test_odd_names_that_are_there_are_not_absent(root: Path) -> None:
    names = [" a .jpg", r"b\c.jpg", "d" * 200 + ".jpg"]
    put(*(root / name for name in names))
    (root / "round.jpg").symlink_to("round.jpg")
    with open(bytes(root) + b"/caf\xe9.jpg", "wb"):  # noqa: PTH123 - pathlib takes no bytes
        pass
    names = [*names, "round.jpg", r"caf\xe9.jpg"]  # the last as the ledger stores it
    source = write(root / "m.csv", *names)

    assert listed(root, source) == (names, [])


def test_a_name_that_is_too_long_is_absent(root: Path) -> None:
    assert refusal(root, "x" * 300).startswith("1 of 1 images")


def test_an_object_store_is_not_asked() -> None:
    sample = PathSample(Store("s3://bucket"), "m.csv", allow_missing=False)

    assert list(sample.watch(rows_of(["a.jpg"]))) == list(rows_of(["a.jpg"]))


def rows_of(paths: list[str]) -> Iterator[ListedImage]:
    return (ListedImage(path, None, None, f"m.csv:{at}") for at, path in enumerate(paths, 2))


def test_the_rows_of_a_folder_are_not_looked_for_again(root: Path) -> None:
    sample = PathSample(root, "data", allow_missing=False)
    (row,) = sample.watch(list_source("data", root))
    (root / HERE).unlink()

    assert row.path == HERE
    assert list(sample.watch(iter([row]))) == [row]


def test_nothing_is_passed_on_before_the_first_are_found(root: Path) -> None:
    taken = []

    def rows() -> Iterator[ListedImage]:
        for row in rows_of([HERE] * 400 + ["absent.jpg"] * 10_000):
            taken.append(row)
            yield row

    with pytest.raises(SourceError, match=f"^600 of {FIRST:,} images"):
        next(PathSample(root, "m.csv", allow_missing=False).watch(rows()))
    assert len(taken) == FIRST


@pytest.mark.parametrize("there", [FIRST, 30_000])
def test_later_rows_are_looked_for_now_and_then(root: Path, there: int) -> None:
    """Half of a manifest may be right, as where the second folder was not copied."""
    sample = PathSample(root, "m.csv", allow_missing=False)

    with pytest.raises(SourceError, match="are not under DATA_ROOT"):
        deque(sample.watch(rows_of([HERE] * there + ["absent.jpg"] * 2 * there)), maxlen=0)


def test_later_rows_count_for_those_between_them(root: Path) -> None:
    """Fewer than half are absent, although most of those that were looked for are."""
    sample = PathSample(root, "m.csv", allow_missing=False)
    paths = ["absent.jpg"] * 400 + [HERE] * 600 + ["absent.jpg"] * 9_000 + [HERE] * 20_000

    assert sum(1 for _ in sample.watch(rows_of(paths))) == 30_000
    assert next(sample.lines()).startswith("6")


def test_a_million_rows_take_few_looks(root: Path) -> None:
    sample = PathSample(root, "m.csv", allow_missing=True)
    row = next(rows_of(["absent.jpg"]))

    assert sum(1 for _ in sample.watch(row for _ in range(1_000_000))) == 1_000_000
    (said,) = sample.lines()
    looked = int(said.split()[2].replace(",", ""))
    assert FIRST + 500 < looked <= MOST
