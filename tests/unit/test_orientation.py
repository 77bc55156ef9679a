"""The orientation of EXIF is read from a file's header alone, as Pillow reads it."""

import io
import random

import numpy as np
import pytest
from drawing import encoded
from other_formats import dicom_of, saved
from PIL import Image

from imaging.formats.orientation import orientation_of

KINDS = ["JPEG", "PNG", "WEBP", "TIFF"]
DRAWN = Image.open(io.BytesIO(encoded("PNG", 40, 30)))


def with_exif(kind: str, orientation: int, **more: bytes) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return saved(DRAWN, kind, exif=exif, **more)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_pillow_reads(kind: str, orientation: int) -> None:
    data = with_exif(kind, orientation)
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[274] == orientation
    assert orientation_of(data) == orientation


@pytest.mark.parametrize("kind", [*KINDS, "GIF", "BMP", "JPEG2000"])
def test_an_image_without_exif_is_upright(kind: str) -> None:
    assert orientation_of(saved(DRAWN, kind)) == 1


def test_other_parts_before_exif_are_passed_over() -> None:
    plain = with_exif("JPEG", 6, comment=b"a comment", icc_profile=b"a profile")
    jfif = 2 + 2 + int.from_bytes(plain[4:6], "big")
    assert plain[jfif : jfif + 2] != plain[:2]
    xmp = b"\xff\xe1" + (2 + 30).to_bytes(2, "big") + b"http://ns.adobe.com/xap/1.0/\0\0"
    filled = plain[:jfif] + xmp + b"\xff\xff" + plain[jfif:]
    assert [orientation_of(data) for data in (plain, filled)] == [6, 6]


def test_exif_behind_the_picture_of_a_jpeg_is_not_its_own() -> None:
    turned = with_exif("JPEG", 6)
    upright = saved(DRAWN, "JPEG")
    assert orientation_of(upright + turned[2:]) == 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_number_without_a_meaning_is_upright(orientation: int) -> None:
    assert orientation_of(with_exif("JPEG", orientation)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_are_upright_or_what_they_say(kind: str) -> None:
    data = with_exif(kind, 6)
    drawn = random.Random(7)
    for end in range(len(data)):
        assert orientation_of(data[:end]) in (1, 6)
    for _ in range(2000):
        damaged = bytearray(data)
        for _ in range(4):
            damaged[drawn.randrange(12, min(len(data), 200))] = drawn.randrange(256)
        assert 1 <= orientation_of(bytes(damaged)) <= 8


def test_other_bytes_are_upright() -> None:
    assert {orientation_of(data) for data in (b"", b"\xff\xd8\xff", b"RIFF", b"II*\0")} == {1}
    assert orientation_of(dicom_of(np.asarray(DRAWN))) == 1
