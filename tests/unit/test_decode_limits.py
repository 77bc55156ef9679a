import io
from typing import Any

import numpy as np
import pytest
from drawing import encoded, flat_jpeg, overfull_png, put_text, with_scans
from PIL import Image

from imaging.decoding.decode_limits import (
    append_noise,
    count_scans,
    is_one_scan,
    packed_text,
    unpacks_beyond_its_pixels,
)
from imaging.decoding.decoder import Decoder
from imaging.decoding.image_file import MAX_SCANS, MAX_TEXT, check_header
from imaging.errors import ImageError
from model.card import Decode

PLAIN = encoded("JPEG", 60, 45)
PROGRESSIVE = encoded("JPEG", 60, 45, progressive=True)


def code(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        check_header(data)
    return caught.value.code


def with_segment(jpeg: bytes, body: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


@pytest.mark.parametrize(
    ("jpeg", "scans"),
    [
        (PLAIN, 1),
        (PROGRESSIVE, 10),
        (flat_jpeg(60, 45), 3),
        (with_scans(PROGRESSIVE, 7), 17),
        (encoded("JPEG", 300, 200, restart_marker_blocks=1), 1),
        (PLAIN + PROGRESSIVE, 1),  # of the first picture alone
        (with_segment(PLAIN, PROGRESSIVE), 1),  # a thumbnail
        (with_segment(PROGRESSIVE, PROGRESSIVE), 10),
        (PROGRESSIVE[:-2], 10),
        (PLAIN[:-2] + b"\xff" * 9 + b"\xda", 2),
    ],
)
def test_scans_are_counted_of_the_first_picture(jpeg: bytes, scans: int) -> None:
    assert count_scans(jpeg, 1000) == scans
    assert count_scans(jpeg, 2) == min(scans, 2)


@pytest.mark.parametrize(
    ("jpeg", "known"),
    [
        (PLAIN, True),
        (encoded("JPEG", 60, 45, mode="L"), True),
        (encoded("JPEG", 60, 45, mode="CMYK"), True),
        (with_segment(PLAIN, PROGRESSIVE), True),
        (PROGRESSIVE, False),
        (flat_jpeg(60, 45), False),  # three scans of one channel each
        (PLAIN[:2] + b"\0" + PLAIN[2:], False),  # no orderly header
        (PLAIN[:30], False),
        (b"\xff\xd8\xff", False),
        (PLAIN[:2] + PLAIN[PLAIN.index(b"\xff\xda") :], False),  # no frame
    ],
)
def test_one_scan_is_known_from_an_orderly_header(jpeg: bytes, known: bool) -> None:
    assert is_one_scan(jpeg) is known


def test_a_second_scan_where_the_first_is_the_picture_is_refused_and_not_decoded(
    decoder: Decoder,
) -> None:
    scan = PLAIN[PLAIN.index(b"\xff\xda") : -2]
    jpeg = PLAIN[:-2] + scan * 2 * MAX_SCANS + PLAIN[-2:]

    assert is_one_scan(jpeg)
    assert check_header(jpeg) == 60 * 45 * 3
    with pytest.raises(ImageError, match="the image data is damaged"):
        decoder.decode(jpeg)


def test_a_jpeg_may_have_so_many_scans_and_no_more() -> None:
    at_most = with_scans(PROGRESSIVE, MAX_SCANS - 10)

    assert check_header(at_most) == 60 * 45 * 9
    assert code(with_scans(PROGRESSIVE, MAX_SCANS - 9)) == "unsupported"


def test_several_scans_hold_their_coefficients_whatever_they_are_called() -> None:
    assert check_header(flat_jpeg(60, 45)) == 60 * 45 * 9


def test_text_is_counted_up_to_the_end_of_a_png() -> None:
    png = encoded("PNG", 60, 45)
    one = packed_text(put_text(png, 1))

    assert packed_text(png) == packed_text(png + put_text(png, 3)) == 0
    assert packed_text(put_text(png, 5)) == 5 * one
    assert check_header(put_text(png, MAX_TEXT // one)) == 60 * 45 * 3
    assert code(put_text(png, MAX_TEXT // one + 1)) == "unsupported"


@pytest.mark.parametrize("options", [{}, {"interlaced": True}, {"pieces": 3000}])
def test_a_png_that_unpacks_to_far_more_than_its_pixels_is_refused(options: Any) -> None:
    assert code(overfull_png(1500, **options)) == "unsupported"
    assert code(overfull_png(100, **options)) == "unsupported"


def test_what_little_data_unpack_to_is_not_looked_at() -> None:
    little = overfull_png(60)

    assert len(little) < 500_000
    assert check_header(little) == 64 * 64 * 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "LA"])
def test_a_large_png_of_noise_unpacks_to_its_pixels(mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1200, 3), np.uint8)
    file = io.BytesIO()
    large = Image.fromarray(noise).convert(mode).resize((2500, 2100))
    large.save(file, "PNG", compress_level=0)

    assert len(file.getvalue()) > 500_000
    assert not unpacks_beyond_its_pixels(file.getvalue())
    assert check_header(file.getvalue()) == 2500 * 2100 * 3


def test_damaged_data_are_left_to_the_decoder() -> None:
    png = bytearray(overfull_png(1500))
    png[60:80] = bytes(20)

    assert not unpacks_beyond_its_pixels(bytes(png))


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(Decode())


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_whole_jpeg_is_the_same_prolonged(
    decoder: Decoder, mode: str, options: dict[str, Any]
) -> None:
    data = encoded("JPEG", 60, 45, mode=mode, **options)

    np.testing.assert_array_equal(decoder.decode(append_noise(data)), decoder.decode(data))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("lost", [100, 150])
def test_a_jpeg_that_lost_bytes_before_its_end_is_corrupt(
    decoder: Decoder, mode: str, lost: int
) -> None:
    data = encoded("JPEG", 60, 45, mode=mode)

    with pytest.raises(ImageError, match="end before the picture does") as caught:
        decoder.decode(data[: -lost - 2] + data[-2:])

    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_an_image_that_is_grey_by_itself_is_scored(decoder: Decoder, kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (60, 45), (128, 128, 128)).save(file, kind)

    np.testing.assert_array_equal(decoder.decode(file.getvalue()), np.float32(128 / 255))
