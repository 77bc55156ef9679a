import hashlib
import itertools
import os
import struct
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock, current_thread

import pytest
from drawing import as_nobody, claiming, draw, encoded, png_claiming
from processes import PATIENCE

from imaging.decoding import image_file as images
from imaging.decoding.image_file import (
    READ_AHEAD_BYTES,
    READERS,
    STORE_READERS,
    ImageFile,
    check_header,
    read_image,
    read_images,
)
from imaging.errors import ImageError
from imaging.limits import MAX_BYTES
from imaging.stores.object_store import Store
from imaging.stores.read_ahead import BeforeReading


def code(root: Path, path: str) -> str:
    """The error code of reading a file and its header."""
    with pytest.raises(ImageError) as caught:
        check_header(read_image(root, path).data)
    assert caught.value.detail
    assert "\n" not in caught.value.detail
    return caught.value.code


def test_an_image_is_read_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    file = draw(tmp_path / "data/1.jpg")

    read = read_image(tmp_path, "data/1.jpg")

    assert read.data == file.read_bytes()
    assert read.digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_digest_is_sha_256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_text("abc")

    assert read_image(tmp_path, "abc").digest == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_an_absolute_path_under_the_root_is_read(tmp_path: Path) -> None:
    file = draw(tmp_path / "1.jpg")

    assert read_image(tmp_path, str(file)).data == file.read_bytes()


def test_a_link_that_stays_under_the_root_is_followed(tmp_path: Path) -> None:
    file = draw(tmp_path / "1.jpg")
    (tmp_path / "2.jpg").symlink_to("1.jpg")

    assert read_image(tmp_path, "2.jpg").data == file.read_bytes()


def test_the_root_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = draw(tmp_path / "1.jpg")
    monkeypatch.chdir(tmp_path)

    assert read_image(Path(), "1.jpg").data == file.read_bytes()


@pytest.mark.parametrize("path", ["1.jpg", "folder/1.jpg", "dangling.jpg"])
def test_a_file_that_is_not_there_is_missing(tmp_path: Path, path: str) -> None:
    (tmp_path / "dangling.jpg").symlink_to("nothing.jpg")

    assert code(tmp_path, path) == "missing"


@pytest.mark.parametrize("path", ["../1.jpg", "link.jpg", "folder/1.jpg", "/etc/hostname"])
def test_a_file_outside_the_root_is_not_read(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    draw(tmp_path / "1.jpg")
    (root / "link.jpg").symlink_to("../1.jpg")
    (root / "folder").symlink_to(tmp_path)

    assert code(root, path) == "outside_root"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").mkdir()

    assert code(tmp_path, "1.jpg") == "not_a_file"


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.jpg")

    assert code(tmp_path, "1.jpg") == "not_a_file"


def test_a_loop_of_links_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").symlink_to("2.jpg")
    (tmp_path / "2.jpg").symlink_to("1.jpg")

    assert code(tmp_path, "1.jpg") == "unreadable"


@pytest.mark.parametrize("path", ["1.jpg/2.jpg", "x" * 300, "a\0.jpg"])
def test_a_path_that_cannot_be_is_unreadable(tmp_path: Path, path: str) -> None:
    draw(tmp_path / "1.jpg")

    assert code(tmp_path, path) == "unreadable"


def test_a_file_that_may_not_be_read_is_unreadable() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        draw(root / "1.jpg").chmod(0)

        with as_nobody():
            assert code(root, "1.jpg") == "unreadable"


def test_a_file_without_bytes_is_empty(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()

    assert code(tmp_path, "1.jpg") == "empty"


def test_a_file_is_not_read_where_it_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "1.jpg").open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte of nothing

    assert code(tmp_path, "1.jpg") == "too_large"


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    for name, size in (("at.jpg", MAX_BYTES), ("above.jpg", MAX_BYTES + 1)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)

    assert len(read_image(tmp_path, "at.jpg").data) == MAX_BYTES
    assert code(tmp_path, "above.jpg") == "too_large"


@pytest.mark.parametrize(
    "data", [b"not an image", b"%PDF-1.7" + bytes(50), b"II" + bytes(50), b"\xff\xd8"]
)
def test_other_bytes_are_not_an_image_whatever_their_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "1.jpg").write_bytes(data)

    assert code(tmp_path, "1.jpg") == "not_an_image"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_a_header_cut_short_is_corrupt(tmp_path: Path, kind: str) -> None:
    (tmp_path / "1.jpg").write_bytes(encoded(kind)[:20])

    assert code(tmp_path, "1.jpg") == "corrupt"


@pytest.mark.parametrize(
    ("width", "height"),
    [(13_000, 13_000), (16_385, 16), (16, 16_385), (8_000, 5_001), (15, 16), (16, 15), (65_535, 1)],
)
def test_a_jpeg_that_claims_a_size_out_of_bounds_is_refused(
    tmp_path: Path, width: int, height: int
) -> None:
    (tmp_path / "1.jpg").write_bytes(claiming(encoded("JPEG"), width, height))

    assert code(tmp_path, "1.jpg") == "bad_size"


@pytest.mark.parametrize(("width", "height"), [(16, 16), (16_384, 16), (16, 2_000), (8_000, 5_000)])
def test_a_jpeg_of_a_size_within_bounds_is_let_through(width: int, height: int) -> None:
    check_header(claiming(encoded("JPEG"), width, height))


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (100_000, 100_000), (1, 1)])
def test_a_png_that_claims_an_absurd_size_is_refused(
    tmp_path: Path, width: int, height: int
) -> None:
    (tmp_path / "1.png").write_bytes(png_claiming(encoded("PNG"), width, height))

    assert code(tmp_path, "1.png") == "bad_size"


@pytest.mark.parametrize("name", ["1.jpg", "1.png", "1.bmp"])
def test_a_dot_is_of_a_bad_size(tmp_path: Path, name: str) -> None:
    draw(tmp_path / name, 1, 1)

    assert code(tmp_path, name) == "bad_size"


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_a_bmp_with_a_palette_is_unsupported(tmp_path: Path, mode: str) -> None:
    draw(tmp_path / "1.bmp", mode=mode)

    assert code(tmp_path, "1.bmp") == "unsupported"


def test_a_bmp_with_its_channels_in_another_order_is_unsupported(tmp_path: Path) -> None:
    # 32 bits, red in the highest byte, which TensorFlow takes for alpha: black instead of red
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xFF000000, 0xFF0000, 0xFF00))
    info = struct.pack("<IiiHHIIiiII", 40, 20, 20, 1, 32, 3, 1600, 0, 0, 0, 0) + masks
    pixels = bytes([0, 0, 0, 255]) * 400
    (tmp_path / "1.bmp").write_bytes(struct.pack("<2sIII", b"BM", 1666, 0, 66) + info + pixels)

    assert code(tmp_path, "1.bmp") == "unsupported"


def test_many_are_read_in_order_and_errors_take_their_place(tmp_path: Path) -> None:
    files = [draw(tmp_path / f"{at}.jpg", seed=at) for at in range(3 * READERS)]
    files[5].unlink()

    read = list(read_images(tmp_path, [file.name for file in files]))

    assert [at for at, file in enumerate(read) if isinstance(file, ImageError)] == [5]
    assert isinstance(read[5], ImageError)
    assert read[5].code == "missing"
    for at, file in enumerate(read):
        if at != 5:
            assert file == read_image(tmp_path, f"{at}.jpg")


def test_no_more_files_are_read_ahead_than_there_are_readers(tmp_path: Path) -> None:
    files = [draw(tmp_path / f"{at}.jpg") for at in range(3 * READERS)]
    reading = read_images(tmp_path, [file.name for file in files])

    next(reading)
    for file in files[1 + READERS :]:
        file.unlink()

    left = [isinstance(file, ImageFile) for file in reading]
    assert left == [True] * READERS + [False] * (2 * READERS - 1)


def test_the_next_batch_is_read_by_the_threads_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = set()

    def noted(root: Path, path: str, before: BeforeReading) -> ImageFile:
        readers.add(current_thread())
        return read_image(root, path, before)

    files = [draw(tmp_path / f"{at}.jpg") for at in range(READERS)]
    monkeypatch.setattr(images, "read_image", noted)

    for _ in range(STORE_READERS + 1):
        assert len(list(read_images(tmp_path, [file.name for file in files]))) == READERS

    assert len(readers) <= STORE_READERS


def test_files_are_waited_for_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everyone = Barrier(READERS, timeout=PATIENCE)  # storage that answers once all have asked

    def slow(root: Path, path: str, before: BeforeReading) -> ImageFile:
        everyone.wait()
        return read_image(root, path, before)

    files = [draw(tmp_path / f"{at}.jpg") for at in range(2 * READERS)]
    monkeypatch.setattr(images, "read_image", slow)

    read = list(read_images(tmp_path, [file.name for file in files]))

    assert [type(file) for file in read] == [ImageFile] * (2 * READERS)


def test_batches_share_their_readers_where_a_store_tells_no_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everyone, lock, asking, most = Barrier(READERS, timeout=PATIENCE), Lock(), 0, 0

    def whole(_store: Store, path: str, before: BeforeReading) -> tuple[bytes, str]:
        nonlocal asking, most
        with lock:
            asking += 1
            most = max(most, asking)
        everyone.wait()
        with lock:
            asking -= 1
        before(1)
        return b"x", path

    monkeypatch.setattr(Store, "read", whole)
    batches = [[f"{batch}-{at}" for at in range(2 * READERS)] for batch in range(2)]
    with ThreadPoolExecutor(2) as loaders:
        store = Store("gs://images")
        read = list(loaders.map(lambda paths: list(read_images(store, paths)), batches))
    assert read == [[ImageFile(b"x", path) for path in paths] for paths in batches]
    assert most == READERS


def test_large_files_are_not_held_before_they_are_taken(tmp_path: Path) -> None:
    size = READ_AHEAD_BYTES // 2 + 1
    batches = [[f"{batch}-{at}.jpg" for at in range(2 * READERS)] for batch in range(2)]
    for path in itertools.chain(*batches):
        sparse(tmp_path / path, size)
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(2) as loaders:
            counts = list(loaders.map(lambda paths: count_bytes(tmp_path, paths), batches))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counts == [2 * READERS * size] * 2
    # For each batch the file that it has and the one that it takes next; what is ahead; a little.
    assert peak < 4 * size + READ_AHEAD_BYTES + 1_000_000


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def count_bytes(root: Path, paths: list[str]) -> int:
    total = 0
    for file in read_images(root, paths):
        assert isinstance(file, ImageFile)
        total += len(file.data)
        del file
    return total


def test_a_batch_that_is_given_up_holds_up_no_other(tmp_path: Path) -> None:
    paths = [f"{at}.jpg" for at in range(2 * READERS)]
    for path in paths:
        sparse(tmp_path / path, READ_AHEAD_BYTES)
    given_up = read_images(tmp_path, paths)
    next(given_up)
    given_up.close()
    assert count_bytes(tmp_path, paths) == 2 * READERS * READ_AHEAD_BYTES


def test_files_that_wait_for_room_keep_no_other_batch_from_being_read(tmp_path: Path) -> None:
    large = [f"large{at}.jpg" for at in range(2 * READERS)]
    small = [f"small{at}.jpg" for at in range(2 * READERS)]
    for path in large:
        sparse(tmp_path / path, READ_AHEAD_BYTES + 1)
    for path in small:
        sparse(tmp_path / path, 10)
    decoding = read_images(tmp_path, large)
    next(decoding)  # it decodes this one, and each of the next ones waits to be taken
    with ThreadPoolExecutor(1) as other:
        counted = other.submit(count_bytes, tmp_path, small)
        try:
            assert counted.result(timeout=20) == 2 * READERS * 10
        finally:
            decoding.close()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_a_header_tells_what_decoding_will_hold(kind: str) -> None:
    assert check_header(encoded(kind, 50, 40)) == 50 * 40 * 3


def test_a_progressive_jpeg_holds_its_coefficients_too() -> None:
    assert check_header(encoded("JPEG", 50, 40, progressive=True)) == 50 * 40 * 9
