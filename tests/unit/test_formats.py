import io
import logging
import sys
import warnings
from pathlib import Path
from subprocess import run
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from drawing import encoded
from other_formats import LONG, PATIENT, SHORT, dicom_around, dicom_of, saved, tiff_of
from PIL import Image

from imaging.decoding.image_file import check_header, decodable
from imaging.errors import ImageError

JPEG_2000, JPEG_LS, DEFLATED = (f"1.2.840.10008.1.2.{end}" for end in ("4.90", "4.80", "1.99"))
ROWS = np.arange(30)[:, None] * 7
GREY = (ROWS + np.arange(40) * 5).astype(np.uint8)
RGB = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
DEEP = GREY.astype(np.uint16) * 256 + 77


def pixels(data: bytes) -> npt.NDArray[np.uint8]:
    """What is handed to TensorFlow, as Pillow sees it: RGB."""
    with Image.open(io.BytesIO(decodable(data))) as image:
        return np.asarray(image.convert("RGB"))


def grey(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.repeat(samples[:, :, None], 3, axis=2)


def refusal(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decodable(data)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("TIFF", {"compression": name}) for name in (None, "tiff_lzw", "tiff_adobe_deflate")),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"compression": "zstd"}),
        ("TIFF", {"big_tiff": True}),
        ("WEBP", {"lossless": True}),
        ("JPEG2000", {"no_jp2": True}),
        ("JPEG2000", {"irreversible": False}),
    ],
)
@pytest.mark.parametrize("width", [40, 41, 42, 43])
def test_pixels_without_loss_are_those_of_the_file(
    kind: str, options: dict[str, Any], width: int
) -> None:
    drawn = Image.fromarray(RGB).resize((width, 30))

    np.testing.assert_array_equal(pixels(saved(drawn, kind, **options)), np.asarray(drawn))


@pytest.mark.parametrize(("kind", "most"), [("AVIF", 12), ("HEIF", 12), ("WEBP", 30), ("GIF", 30)])
def test_pixels_with_loss_are_close_to_those_of_the_file(kind: str, most: int) -> None:
    drawn = Image.open(io.BytesIO(encoded("PNG", 64, 48)))

    difference = np.abs(pixels(saved(drawn, kind)).astype(int) - np.asarray(drawn))

    assert difference.mean() < most


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("samples", "photometric", "shown"),
    [
        (GREY, 1, grey(GREY)),
        (GREY, 0, grey(255 - GREY)),
        (DEEP, 1, grey(GREY)),
        (DEEP // 16, 1, grey(GREY // 16)),  # a dark one stays dark
        (RGB, 2, RGB),
        (RGB.astype(np.uint16) * 256 + 200, 2, RGB),
        # naively, as of a CMYK JPEG: 255 - c, without black
        (np.dstack([RGB, 0 * GREY]), 5, 255 - RGB),
    ],
)
def test_a_tiff_is_scaled_by_its_declared_range(
    samples: npt.NDArray[Any],
    photometric: int,
    shown: npt.NDArray[Any],
    order: Literal["<", ">"],
) -> None:
    np.testing.assert_array_equal(pixels(tiff_of(samples, photometric, order=order)), shown)


def test_a_tiff_of_16_bits_whose_zero_is_white_is_inverted() -> None:
    np.testing.assert_array_equal(pixels(tiff_of(DEEP, 0)), grey(255 - GREY))


def test_a_tiff_of_12_bits_has_the_highest_eight() -> None:
    twelve = GREY.astype(np.uint16) * 16 + 9

    np.testing.assert_array_equal(pixels(tiff_of(twelve, bits=12)), grey(GREY))


@pytest.mark.parametrize("extra", [0, 2])
def test_alpha_of_a_tiff_is_dropped(extra: int) -> None:
    samples = np.dstack([RGB, GREY])

    found = pixels(tiff_of(samples, 2, more={338: (SHORT, [extra])}))

    np.testing.assert_array_equal(found, RGB)


@pytest.mark.parametrize(("kind", "options"), [("WEBP", {"lossless": True, "exact": True})])
@pytest.mark.parametrize("alpha", [0, 1, 128])
def test_alpha_is_dropped(kind: str, options: dict[str, Any], alpha: int) -> None:
    drawn = Image.fromarray(np.dstack([RGB, np.full_like(GREY, alpha)]))

    np.testing.assert_array_equal(pixels(saved(drawn, kind, **options)), RGB)


@pytest.mark.parametrize("mode", ["P", "LA", "L", "1"])
def test_a_palette_and_grey_become_what_a_png_of_them_is(mode: str) -> None:
    drawn = Image.fromarray(RGB).convert(mode)
    png = Image.open(io.BytesIO(saved(drawn, "PNG"))).convert("RGB")

    np.testing.assert_array_equal(pixels(saved(drawn, "TIFF")), np.asarray(png))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "AVIF"])
def test_the_first_frame_is_shown(kind: str) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("#ff0000", "#00ff00")]

    found = pixels(saved(frames[0], kind, save_all=True, append_images=frames[1:]))

    assert found[15, 20].astype(int) == pytest.approx([255, 0, 0], abs=6)


def test_a_gif_has_its_first_frame_whatever_is_said_before_it() -> None:
    drawn = Image.fromarray(RGB).quantize(16)
    plain, commented = (saved(drawn, "GIF", comment=text) for text in (b"", b"x" * 9000))

    np.testing.assert_array_equal(pixels(commented), pixels(plain))
    np.testing.assert_array_equal(pixels(plain), np.asarray(drawn.convert("RGB")))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_tiff_is_not_turned(orientation: int) -> None:
    turned = tiff_of(RGB, 2, more={274: (SHORT, [orientation])})

    np.testing.assert_array_equal(pixels(turned), RGB)


@pytest.mark.parametrize(
    ("samples", "photometric", "more"),
    [
        (GREY.astype(np.int16), 1, {339: (SHORT, [2])}),
        (GREY.astype(np.float32), 1, {339: (SHORT, [3])}),
        (GREY.astype(np.uint32), 1, {}),
        (RGB, 8, {}),  # LAB
        (RGB, 2, {259: (SHORT, [34925])}),  # LZMA
        (RGB, 2, {254: (LONG, [1])}),  # a thumbnail before the picture
        (RGB, 2, {50706: (LONG, [1])}),  # a DNG
        (RGB, 6, {}),  # YCbCr, subsampled by default
    ],
)
def test_a_tiff_that_would_be_shown_wrong_is_unsupported(
    samples: npt.NDArray[Any], photometric: int, more: Any
) -> None:
    assert refusal(tiff_of(samples, photometric, more=more)).code == "unsupported"


@pytest.mark.parametrize(
    ("photometric", "stored", "samples", "shown"),
    [
        ("RGB", 8, RGB, RGB),
        ("RGB", 16, RGB.astype(np.uint16) * 256 + 3, RGB),
        ("RGB", 12, RGB.astype(np.uint16) * 16 + 3, RGB),
        ("MONOCHROME2", 8, GREY, grey(GREY)),
        ("MONOCHROME1", 8, GREY, grey(255 - GREY)),
        ("MONOCHROME2", 12, GREY.astype(np.uint16) * 16 + 3, grey(GREY)),
        ("MONOCHROME1", 16, DEEP, grey(255 - GREY)),
        ("MONOCHROME2", 16, GREY.astype(np.uint16), grey(0 * GREY)),  # a dark one stays dark
        ("MONOCHROME2", 4, GREY // 16, grey(GREY // 16 * 17)),
    ],
)
def test_a_dicom_is_scaled_by_its_declared_range(
    photometric: str, stored: int, samples: npt.NDArray[Any], shown: npt.NDArray[Any]
) -> None:
    np.testing.assert_array_equal(pixels(dicom_of(samples, photometric, stored)), shown)


def test_a_dicom_of_ybr_is_shown_in_its_colours() -> None:
    ybr = np.asarray(Image.fromarray(RGB).convert("YCbCr"))

    found = pixels(dicom_of(ybr, "YBR_FULL")).astype(int)

    assert np.abs(found - RGB).max() <= 3


@pytest.mark.parametrize("bits", [8, 16])
def test_a_dicom_with_a_palette_is_shown_in_its_colours(bits: int) -> None:
    tables = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 9)]).astype(np.uint16)
    values = tables * (256 if bits == 16 else 1)
    attributes: dict[str, Any] = {}
    for name, table in zip(("Red", "Green", "Blue"), values, strict=True):
        attributes[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        packed = table.astype(np.uint16 if bits == 16 else np.uint8).tobytes()
        attributes[f"{name}PaletteColorLookupTableData"] = packed

    found = pixels(dicom_of(GREY, "PALETTE COLOR", **attributes))

    np.testing.assert_array_equal(found, np.dstack([GREY, 255 - GREY, 0 * GREY + 9]))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_the_jpeg_inside_a_dicom_is_handed_on_as_it_is(options: dict[str, Any]) -> None:
    jpeg = encoded("JPEG", 40, 30, **options)

    assert decodable(dicom_around(jpeg)).rstrip(b"\0") == jpeg  # of an even length


def test_a_jpeg_of_rgb_inside_a_dicom_keeps_its_colours() -> None:
    drawn = Image.fromarray(RGB)
    marked = saved(drawn, "JPEG", keep_rgb=True, quality=95)
    at = marked.index(b"\xff\xee")
    bare = marked[:at] + marked[at + 16 :]  # as DICOM's own encoders write it
    # Their components are numbered, where Pillow's are called R, G and B.
    for old, new in ((b"R", b"\1"), (b"G", b"\2"), (b"B", b"\3")):
        bare = bare.replace(old + b"\x11\0", new + b"\x11\0").replace(old + b"\0", new + b"\0")

    found = pixels(dicom_around(bare, "RGB")).astype(int)

    assert np.abs(found - RGB).mean() < 5


def test_a_jpeg_2000_inside_a_dicom_is_that_of_the_file() -> None:
    frame = saved(Image.fromarray(RGB), "JPEG2000", no_jp2=True)

    np.testing.assert_array_equal(pixels(dicom_around(frame, "RGB", JPEG_2000)), RGB)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (dicom_of(GREY, "MONOCHROME2", Modality="MR"), "no photograph"),
        (dicom_of(GREY, "MONOCHROME2", PixelRepresentation=1), "signed"),
        (dicom_of(RGB, NumberOfFrames=2), "several frames"),
        (dicom_of(RGB, "CMYK"), "colours"),
        (dicom_of(RGB, HighBit=5), "stored in a way"),
        (dicom_around(b"\xff\xd8\xff", syntax=JPEG_LS), "transfer syntax"),
        (dicom_around(b"nothing", syntax=DEFLATED), "transfer syntax"),
        (dicom_around(encoded("JPEG", mode="L"), "MONOCHROME1"), "inverted"),
        (dicom_around(encoded("JPEG"), NumberOfFrames=3), "several frames"),
        (dicom_of(RGB, SamplesPerPixel=0), "without pixels"),
    ],
)
def test_a_dicom_that_would_be_shown_wrong_is_unsupported(data: bytes, says: str) -> None:
    error = refusal(data)

    assert error.code == "unsupported"
    assert says in error.detail


@pytest.mark.parametrize("cut", [140, 200, 400, 1000])
def test_nothing_is_said_of_a_patient(cut: int, caplog: pytest.LogCaptureFixture) -> None:
    whole = dicom_of(RGB, Rows=300, PatientAge="not an age", PatientBirthDate="x" * 70)

    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        details = [refusal(whole).detail, refusal(whole[:cut]).detail]

    said = [*details, caplog.text, *(str(warning.message) for warning in warned)]
    assert not [text for text in said if PATIENT in text or "not an age" in text or "xxx" in text]


def test_a_preamble_may_be_absent() -> None:
    np.testing.assert_array_equal(pixels(dicom_of(RGB)[132:]), RGB)


@pytest.mark.parametrize(
    ("module", "data", "command"),
    [
        ("pydicom", dicom_of(RGB), "pip install 'dermscore[dicom]'"),
        ("pillow_heif", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pip install 'dermscore[heif]'"),
    ],
)
def test_a_format_whose_extra_is_not_installed_says_how_to_install_it(
    module: str, data: bytes, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    error = refusal(data)

    assert error.code == "unsupported"
    assert command in error.detail


def test_nothing_of_the_extras_is_loaded_before_a_file_needs_it(tmp_path: Path) -> None:
    (tmp_path / "1.tif").write_bytes(tiff_of(RGB, 2))
    script = (
        "import sys\n"
        "from imaging.decoding.image_file import decodable\n"
        f"decodable(open({str(tmp_path / '1.tif')!r}, 'rb').read())\n"
        "print([name for name in ('pydicom', 'pillow_heif', 'tensorflow') if name in sys.modules])"
    )

    done = run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GIF89a" + bytes(50), "corrupt"),
        (b"II*\0" + bytes(50), "corrupt"),
        (b"MM\0+" + bytes(50), "corrupt"),
        (b"RIFF\0\0\0\0WEBP", "corrupt"),
        (b"\xff\x4f\xff\x51" + bytes(50), "bad_size"),
        (b"\0\0\0\x18ftypavif" + bytes(50), "corrupt"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "corrupt"),
        (bytes(128) + b"DICM" + bytes(50), "unsupported"),
        (b"\0\0\0\x18ftypisom" + bytes(50), "not_an_image"),  # a film
    ],
)
def test_a_header_without_its_picture_has_an_error(data: bytes, code: str) -> None:
    error = refusal(data)

    assert (error.code, error.detail.isprintable()) == (code, True)
    with pytest.raises(ImageError):
        check_header(data)
