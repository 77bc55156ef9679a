import gc
import io
import os
import sys
import time
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from drawing import draw, encoded
from PIL import Image

from base.runtime import tf
from imaging.decoding import decoder as decoding
from imaging.decoding.decoder import DecodedBatch, Decoder
from imaging.decoding.image_file import read_image
from imaging.errors import ImageError
from model.card import Decode

BAD = {
    "text.jpg": (b"not an image", "not_an_image"),
    "empty.jpg": (b"", "empty"),
    "cut.jpg": (encoded("JPEG", 300, 200)[:2000], "corrupt"),
    "cut.png": (encoded("PNG", 300, 200)[:500], "corrupt"),
    "dot.png": (encoded("PNG", 1, 1), "bad_size"),
}


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(Decode())


@pytest.fixture
def bad(tmp_path: Path) -> list[str]:
    """Names of files that cannot be decoded."""
    for name, (data, _code) in BAD.items():
        (tmp_path / name).write_bytes(data)
    return list(BAD)


def good(root: Path, count: int) -> list[str]:
    """Names of so many images, no two alike."""
    for seed in range(count):
        draw(root / f"{seed}.jpg", 60 + seed, 45, seed)
    return [f"{seed}.jpg" for seed in range(count)]


def tutorial(data: bytes) -> npt.NDArray[np.float32]:
    """The tutorial's own decode; it knows JPEG only, so PNG and BMP by their own operation."""
    decode = {b"\x89P": tf.image.decode_png, b"BM": tf.image.decode_bmp}
    image = decode.get(data[:2], tf.image.decode_jpeg)(data, channels=3)
    image = tf.image.convert_image_dtype(image, tf.float32)
    resized: npt.NDArray[np.float32] = tf.image.resize(image, [299, 299]).numpy()
    return resized


def pixels(data: bytes) -> npt.NDArray[np.float32]:
    """What Pillow sees."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.float32) / np.float32(255)


def equal(one: DecodedBatch, other: DecodedBatch) -> bool:
    return (
        np.array_equal(one.images, other.images)
        and one.positions == other.positions
        and one.digests == other.digests
        and {at: error.code for at, error in one.errors.items()}
        == {at: error.code for at, error in other.errors.items()}
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize(("width", "height"), [(600, 450), (299, 299), (100, 400), (17, 16)])
def test_images_are_decoded_as_in_the_tutorial(
    decoder: Decoder, kind: str, width: int, height: int
) -> None:
    data = encoded(kind, width, height)

    image = decoder.decode(data)

    assert (image.shape, image.dtype) == ((299, 299, 3), np.dtype(np.float32))
    assert 0 <= image.min() < 0.2
    assert 0.8 < image.max() <= 1
    np.testing.assert_allclose(image, tutorial(data), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "RGB", {"subsampling": 0, "quality": 98}),
        ("JPEG", "RGB", {"restart_marker_blocks": 4}),
        *(("PNG", mode, {}) for mode in ("RGBA", "L", "LA", "P", "1", "I;16")),
    ],
)
def test_every_kind_that_is_accepted_is_decoded_as_in_the_tutorial(
    decoder: Decoder, tmp_path: Path, kind: str, mode: str, options: dict[str, Any]
) -> None:
    data = encoded(kind, 640, 480, mode=mode, **options)
    (tmp_path / "1").write_bytes(data)

    batch = decoder.decode_files(tmp_path, ["1"])

    assert batch.errors == {}
    assert batch.images.max() <= 1
    np.testing.assert_allclose(batch.images[0], tutorial(data), atol=1e-6, rtol=0)


def test_real_images_are_decoded_as_in_the_tutorial(decoder: Decoder, shared: Path) -> None:
    files = sorted((shared / "data" / "isic").rglob("*.jpg"))
    assert len(files) == 260

    for start in range(0, len(files), 64):
        group = files[start : start + 64]
        batch = decoder.decode_files(shared, [str(file) for file in group])

        assert batch.positions == list(range(len(group)))
        for image, file in zip(batch.images, group, strict=True):
            np.testing.assert_allclose(image, tutorial(file.read_bytes()), atol=1e-6, rtol=0)


def test_files_are_decoded_as_they_are_alone(decoder: Decoder, tmp_path: Path) -> None:
    files = [draw(tmp_path / f"1{suffix}", 70, 50) for suffix in (".jpg", ".png", ".bmp")]

    batch = decoder.decode_files(tmp_path, [file.name for file in files])

    assert batch.positions == [0, 1, 2]
    for image, file in zip(batch.images, files, strict=True):
        np.testing.assert_array_equal(image, decoder.decode(file.read_bytes()))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("PNG", "P"), ("PNG", "1"), ("BMP", "RGB")],
)
def test_files_without_loss_have_the_pixels_that_any_viewer_shows(
    decoder: Decoder, kind: str, mode: str
) -> None:
    data = encoded(kind, 299, 299, mode=mode)  # of the size that needs no resizing

    np.testing.assert_array_equal(decoder.decode(data), pixels(data))


def test_an_accurate_jpeg_has_pillows_pixels_to_the_bit() -> None:
    data = encoded("JPEG", 299, 299)

    accurate = Decoder(Decode(dct_method="INTEGER_ACCURATE")).decode(data)

    np.testing.assert_array_equal(accurate, pixels(data))


def test_the_size_and_ratio_of_the_card_are_obeyed(decoder: Decoder) -> None:
    data = encoded("JPEG", 1196, 1196)

    image = Decoder(Decode(height=200, width=100)).decode(data)
    assert image.shape == (200, 100, 3)

    quarter = Decoder(Decode(ratio=4)).decode(data)
    difference = np.abs(quarter - decoder.decode(data)).mean()
    assert 0 < difference < 0.05


def test_half_a_jpeg_is_almost_the_whole_one() -> None:
    data = encoded("JPEG", 1196, 900)

    whole, half = (Decoder(Decode(ratio=ratio)).decode(data) for ratio in (1, 2))

    assert 0.001 < np.abs(half - whole).mean() < 0.05


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_ratio_changes_jpegs_only(decoder: Decoder, kind: str) -> None:
    data = encoded(kind, 640, 480)

    np.testing.assert_array_equal(Decoder(Decode(ratio=8)).decode(data), decoder.decode(data))


def test_a_jpeg_that_a_ratio_makes_tiny_is_still_an_image() -> None:
    image = Decoder(Decode(ratio=8)).decode(encoded("JPEG", 16, 16))  # 2 by 2 pixels

    assert image.shape == (299, 299, 3)


def test_bad_images_between_good_ones_move_nothing(
    decoder: Decoder, tmp_path: Path, bad: list[str]
) -> None:
    names = good(tmp_path, 6)
    mixed = [name for pair in zip(names, [*bad, "missing.jpg"], strict=True) for name in pair]

    alone = decoder.decode_files(tmp_path, names)
    batch = decoder.decode_files(tmp_path, mixed)

    assert batch.positions == [0, 2, 4, 6, 8, 10]
    np.testing.assert_array_equal(batch.images, alone.images)
    assert {at: error.code for at, error in batch.errors.items()} == {
        **{2 * at + 1: BAD[name][1] for at, name in enumerate(bad)},
        11: "missing",
    }
    assert set(batch.digests) == {0, 1, 2, 4, 5, 6, 7, 8, 9, 10}  # those that could be read


class NotingDecoder(Decoder):
    """Notes the images that were decoded alone."""

    def __init__(self) -> None:
        super().__init__(Decode())
        self.alone: list[bytes] = []

    def decode(self, data: bytes, orientation: int = 1) -> npt.NDArray[np.float32]:
        self.alone.append(data)
        return super().decode(data, orientation)


def test_only_damaged_images_are_decoded_again(tmp_path: Path, bad: list[str]) -> None:
    decoder = NotingDecoder()
    names = good(tmp_path, 9)

    decoder.decode_files(tmp_path, names)
    assert decoder.alone == []

    decoder.decode_files(tmp_path, [*names[:3], *bad, *names[3:]])
    # the others of them were refused by their headers
    assert decoder.alone == [BAD[name][0] for name in bad if name.startswith("cut")]


def test_files_that_were_read_before_are_decoded_alike(
    decoder: Decoder, tmp_path: Path, bad: list[str]
) -> None:
    names = [*good(tmp_path, 4), "cut.jpg", "text.jpg"]
    assert set(names[4:]) < set(bad)
    read = {at: read_image(tmp_path, name) for at, name in enumerate(names)}

    assert equal(decoder.decode_read(read), decoder.decode_files(tmp_path, names))


def test_reading_and_decoding_are_timed(decoder: Decoder, tmp_path: Path) -> None:
    names = good(tmp_path, 9)
    began = time.perf_counter()

    batch = decoder.decode_files(tmp_path, names)

    assert min(batch.read_seconds, batch.decode_seconds) > 0
    assert batch.read_seconds + batch.decode_seconds <= time.perf_counter() - began


def test_each_image_has_its_own_pixels(decoder: Decoder, tmp_path: Path) -> None:
    names = good(tmp_path, 20)

    batch = decoder.decode_files(tmp_path, names[::-1])

    for image, name in zip(batch.images, names[::-1], strict=True):
        np.testing.assert_array_equal(image, decoder.decode((tmp_path / name).read_bytes()))


def test_a_batch_of_bad_images_alone_has_an_error_for_each(
    decoder: Decoder, tmp_path: Path, bad: list[str]
) -> None:
    batch = decoder.decode_files(tmp_path, bad)

    assert batch.images.shape == (0, 299, 299, 3)
    assert batch.positions == []
    assert [batch.errors[at].code for at in range(len(bad))] == [code for _, code in BAD.values()]


def test_an_empty_batch_is_empty(decoder: Decoder, tmp_path: Path) -> None:
    batch = decoder.decode_files(tmp_path, [])

    assert batch.images.shape == (0, 299, 299, 3)
    assert (batch.positions, batch.errors, batch.digests) == ([], {}, {})


@pytest.mark.parametrize("percent", [30, 50, 75, 90, 99])
def test_a_jpeg_cut_short_is_corrupt_wherever_it_was_cut(decoder: Decoder, percent: int) -> None:
    data = encoded("JPEG", 300, 200)

    with pytest.raises(ImageError, match="the image data is damaged") as caught:
        decoder.decode(data[: len(data) * percent // 100])

    assert caught.value.code == "corrupt"
    assert "{{" not in caught.value.detail
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        *(("GROUP_BYTES", limit) for limit in (1, 3000, 6000)),
        *(("DECODED_BYTES", limit) for limit in (1, 20_000, 50_000)),
        ("HUGE_BYTES", 1),
    ],
)
def test_small_groups_give_what_one_large_group_gives(
    decoder: Decoder,
    tmp_path: Path,
    bad: list[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    limit: int,
) -> None:
    names = good(tmp_path, 9)
    names[2:2], names[6:6] = bad[:3], bad[3:]
    whole = decoder.decode_files(tmp_path, names)

    monkeypatch.setattr(decoding, name, limit)

    assert equal(decoder.decode_files(tmp_path, names), whole)
    assert len(whole.positions) == 9


def held() -> int:
    """Bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_memory_is_given_back_of_images_that_are_corrupt(decoder: Decoder, kind: str) -> None:
    data = encoded(kind, 300, 200)
    before = held()

    for _ in range(800):  # of 180 KB each
        with pytest.raises(ImageError):
            decoder.decode(data[: len(data) * 3 // 4])

    assert held() - before < 30_000_000


def test_an_error_does_not_hold_its_batch(decoder: Decoder, tmp_path: Path, bad: list[str]) -> None:
    names = [*good(tmp_path, 20), *bad]
    decoder.decode_files(tmp_path, names)
    before = held()

    gc.disable()
    try:
        for _ in range(20):  # of 21 MB each
            assert len(decoder.decode_files(tmp_path, names).errors) == len(bad)
        after = held()
    finally:
        gc.enable()

    assert after - before < 100_000_000


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("JPEG", "jpeg::Uncompress failed. Invalid JPEG data or crop window."),
        ("PNG", "Invalid PNG data, size 1000"),
        ("BMP", "Input size should match (header_size + row_size * abs_height) but"),
    ],
)
def test_the_reason_is_one_sentence(decoder: Decoder, kind: str, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decoder.decode(encoded(kind, 300, 200)[:1000])

    assert caught.value.detail.startswith(f"the image data is damaged: {reason}")
    assert caught.value.detail.isprintable()


# A machine of 16 cores, as far as TensorFlow's threads go.
PEAK_SCRIPT = """
import sys
from pathlib import Path
from model.card import Decode
from imaging.decoding.decoder import Decoder
from base.runtime import tf

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

tf.config.threading.set_inter_op_parallelism_threads(16)
decoder = Decoder(Decode(), parallel=16)
decoder.decode_files(Path(sys.argv[1]), ["small.jpg"])
before = status("VmRSS")
batch = decoder.decode_files(Path(sys.argv[1]), ["large.jpg"] * 16)
assert len(batch.positions) == 16, batch.errors
print(status("VmHWM") - before)
"""


def test_memory_is_bounded_on_any_number_of_cores(tmp_path: Path) -> None:
    draw(tmp_path / "small.jpg")
    Image.new("RGB", (6000, 4000), "pink").save(tmp_path / "large.jpg")

    command = [sys.executable, "-c", PEAK_SCRIPT, str(tmp_path)]
    peak = run(command, check=True, capture_output=True, text=True).stdout

    # 16 of them decoded at once are 1.2 GB
    assert int(peak) < decoding.DECODED_BYTES + 200_000_000
