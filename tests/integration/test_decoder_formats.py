import io
from pathlib import Path

import numpy as np
import pytest
from drawing import encoded
from other_formats import dicom_around, dicom_of, saved, stored, tiff_of
from PIL import Image

from imaging.decoding.decoder import Decoder
from model.card import Decode

DRAWN = encoded("PNG", 300, 200)
ENDINGS = {  # of ../shared/data/odd; all others are scored
    "compression.tif": "bad_size",
    "JPEG2000.dcm": "unsupported",
    "MR_small.dcm": "unsupported",
    "SC_rgb_jls_lossy_line.dcm": "unsupported",
    "reportsi.dcm": "unsupported",
    "vl_dermoscopic.dcm": "unsupported",
}


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(Decode())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("JPEG2000", {}),
    ],
)
def test_an_image_of_another_format_is_that_of_a_png_to_the_bit(
    decoder: Decoder, kind: str, options: dict[str, object]
) -> None:
    other = saved(Image.open(io.BytesIO(DRAWN)), kind, **options)

    np.testing.assert_array_equal(decoder.decode(other), decoder.decode(DRAWN))


def test_a_tiff_of_16_bits_is_a_png_of_16_bits_to_the_bit(decoder: Decoder) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (48, 64), np.uint16)
    png = saved(Image.fromarray(samples), "PNG")

    np.testing.assert_array_equal(decoder.decode(tiff_of(samples)), decoder.decode(png))


def test_a_dicom_is_scored_as_the_jpeg_inside_to_the_bit(decoder: Decoder) -> None:
    jpeg = encoded("JPEG", 300, 200)

    np.testing.assert_array_equal(decoder.decode(dicom_around(jpeg)), decoder.decode(jpeg))


def test_images_of_other_formats_among_jpegs_change_none_of_them(
    decoder: Decoder, tmp_path: Path
) -> None:
    jpegs = [encoded("JPEG", 60 + seed, 45, seed) for seed in range(6)]
    drawn = Image.open(io.BytesIO(DRAWN))
    others = [saved(drawn, kind) for kind in ("TIFF", "WEBP", "GIF", "AVIF", "HEIF")]
    others[1] = others[1][:500]  # cut short
    others.append(dicom_of(np.asarray(drawn)))
    for at, data in enumerate(part for pair in zip(jpegs, others, strict=True) for part in pair):
        (tmp_path / str(at)).write_bytes(data)

    alone = decoder.decode_files(tmp_path, ["0", "2", "4", "6", "8", "10"])
    batch = decoder.decode_files(tmp_path, [str(at) for at in range(12)])

    assert batch.positions == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert {at: error.code for at, error in batch.errors.items()} == {3: "corrupt"}
    found = dict(zip(batch.positions, batch.images, strict=True))
    np.testing.assert_array_equal([found[at] for at in range(0, 12, 2)], alone.images)
    np.testing.assert_array_equal(found[11], decoder.decode(DRAWN))


def test_a_batch_of_images_that_cannot_be_converted_is_empty(
    decoder: Decoder, tmp_path: Path
) -> None:
    (tmp_path / "1").write_bytes(saved(Image.open(io.BytesIO(DRAWN)), "AVIF")[:900])

    batch = decoder.decode_files(tmp_path, ["1"])

    assert (batch.positions, batch.images.shape) == ([], (0, 299, 299, 3))
    assert batch.errors[0].code == "corrupt"


def test_real_files_of_all_formats_end_as_the_documentation_says(
    decoder: Decoder, shared: Path
) -> None:
    files = sorted(file for file in (shared / "data" / "odd").rglob("*") if file.is_file())
    assert len(files) == 32

    batch = decoder.decode_files(shared, [str(file) for file in files])

    codes = {files[at].name: error.code for at, error in batch.errors.items()}
    assert codes == ENDINGS


def test_real_dicoms_are_scored_as_the_jpeg_inside_to_the_bit(
    decoder: Decoder, shared: Path
) -> None:
    files = sorted((shared / "data" / "odd" / "dicom").glob("ISIC_*.dcm"))
    assert len(files) == 3

    for file in files:
        data = file.read_bytes()
        jpeg = data[data.index(b"\xff\xd8\xff") : data.rindex(b"\xff\xd9") + 2]
        np.testing.assert_array_equal(decoder.decode(data), decoder.decode(jpeg))


@pytest.fixture(scope="module")
def turning() -> Decoder:
    return Decoder(Decode(orientation="apply"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_an_image_is_turned_as_exif_says_if_the_card_says_so(
    decoder: Decoder, turning: Decoder, tmp_path: Path, kind: str, orientation: int
) -> None:
    upright = Image.open(io.BytesIO(DRAWN))
    (tmp_path / "1").write_bytes(stored(upright, kind, orientation))
    (tmp_path / "2").write_bytes(encoded("JPEG", 60, 45))

    batch = turning.decode_files(tmp_path, ["2", "1", "2"])

    difference = np.abs(batch.images[1] - decoder.decode(DRAWN))
    assert difference.mean() < 0.02
    # It is turned after resizing: a hundredth of a grey level where neighbours differ most.
    assert kind == "JPEG" or difference.max() < 4e-5
    np.testing.assert_array_equal(batch.images[0], decoder.decode(encoded("JPEG", 60, 45)))
    as_stored = decoder.decode_files(tmp_path, ["1"]).images[0]
    assert (np.abs(as_stored - batch.images[1]).max() > 0.1) == (orientation > 1)


def test_real_photographs_that_were_held_four_ways_are_one(turning: Decoder, shared: Path) -> None:
    files = sorted((shared / "data" / "odd").glob("Portrait_*.jpg"))
    assert len(files) == 4

    images = turning.decode_files(shared, [str(file) for file in files]).images

    # Each shows its own number, and little else differs.
    for image in images[1:]:
        assert np.abs(image - images[0]).mean() < 0.03


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0" + b"\xff" * 20, b"x" * 60_000])
def test_damaged_exif_turns_nothing(
    decoder: Decoder, turning: Decoder, tmp_path: Path, exif: bytes
) -> None:
    (tmp_path / "1").write_bytes(encoded("JPEG", 60, 45, exif=exif))

    one, other = (each.decode_files(tmp_path, ["1"]).images for each in (decoder, turning))

    np.testing.assert_array_equal(one, other)
