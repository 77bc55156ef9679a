"""What the settings of a card make of an image, next to TensorFlow, Keras and Pillow."""

import io
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from drawing import draw, encoded
from other_formats import stored_turned
from PIL import Image

from base.runtime import keras, tf
from imaging.decoding import decoder as decoding
from imaging.decoding.decoder import Decoder
from model.card import Decode, Resize

Pixels = npt.NDArray[np.float32]
METHODS: dict[str, int] = {"bilinear": 2, "bicubic": 3, "nearest": 0, "area": 4, "lanczos": 1}


@cache
def decoder(decode: Decode) -> Decoder:
    """One for all tests, because tracing takes longer than decoding."""
    return Decoder(decode)


def resized(image: object, height: int, width: int, decode: Decode) -> Pixels:
    """What TensorFlow itself makes of bytes `[rows, columns, 3]`, in [0, 1]."""
    method = {"lanczos": "lanczos3"}.get(decode.resize, decode.resize)
    given = tf.image.resize(image, [height, width], method, antialias=decode.antialias)
    found: Pixels = np.asarray(given, np.float32) / np.float32(255)
    return found


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("resize", METHODS)
def test_pixels_are_those_of_tensorflow_to_the_bit(
    tmp_path: Path, resize: Resize, antialias: bool
) -> None:
    decode = Decode(height=24, width=32, resize=resize, antialias=antialias)
    names = [draw(tmp_path / f"{side}.png", side, 45, side).name for side in (17, 60, 90)]

    batch = decoder(decode).decode_files(tmp_path, names)

    for image, name in zip(batch.images, names, strict=True):
        plain = tf.io.decode_png((tmp_path / name).read_bytes(), channels=3)
        np.testing.assert_array_equal(image, resized(plain, 24, 32, decode))


def test_the_default_is_the_tutorials_resize_to_the_bit() -> None:
    data = encoded("JPEG", 640, 480)

    plain = tf.io.decode_jpeg(data, channels=3)

    np.testing.assert_array_equal(
        decoder(Decode()).decode(data), resized(plain, 299, 299, Decode())
    )


@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "nearest", "lanczos"])
def test_antialiased_pixels_are_those_of_pillow(resize: Resize) -> None:
    data = encoded("PNG", 300, 200)

    image = decoder(Decode(height=64, width=64, resize=resize, antialias=True)).decode(data)

    with Image.open(io.BytesIO(data)) as whole:
        small = whole.convert("RGB").resize((64, 64), METHODS[resize])
    # Pillow rounds to whole grey levels, twice, and cuts off what overshoots.
    assert np.abs(np.clip(image, 0, 1) * 255 - np.asarray(small)).max() < 1.6


# At 299 TensorFlow makes 600 columns 298, and at 224 it makes 1,024 rows 223.
@pytest.mark.parametrize(
    ("side", "columns", "rows"),
    [(299, 600, 450), (224, 1024, 1024), (224, 450, 600), (64, 64, 64), (64, 20, 30)],
)
def test_a_padded_image_is_that_of_tensorflow_to_the_bit(
    side: int, columns: int, rows: int
) -> None:
    data = encoded("PNG", columns, rows)

    image = decoder(Decode(height=side, width=side, fit="pad")).decode(data)

    whole = tf.image.resize_with_pad(tf.io.decode_png(data, channels=3), side, side)
    np.testing.assert_array_equal(image, np.asarray(whole) / np.float32(255))


def test_a_padded_image_is_whole_between_black_borders() -> None:
    data = encoded("PNG", 64, 32)

    image = decoder(Decode(height=64, width=64, fit="pad")).decode(data)

    with Image.open(io.BytesIO(data)) as whole:
        np.testing.assert_array_equal(image[16:48], np.asarray(whole, np.float32) / np.float32(255))
    assert image[:16].max() == image[48:].max() == 0


@pytest.mark.parametrize("fit", ["pad", "crop", "crop:0.01"])
@pytest.mark.parametrize(("columns", "rows"), [(5000, 16), (16, 5000), (16, 16)])
def test_a_strip_is_an_image_too(fit: str, columns: int, rows: int) -> None:
    image = decoder(Decode(height=32, width=48, fit=fit)).decode(encoded("JPEG", columns, rows))

    assert image.shape == (32, 48, 3)
    assert 0 < image.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 50), (50, 30)])
@pytest.mark.parametrize(("columns", "rows"), [(91, 60), (60, 91), (77, 77)])
def test_a_cropped_image_is_that_of_keras_to_the_bit(
    height: int, width: int, columns: int, rows: int
) -> None:
    data = encoded("PNG", columns, rows)

    image = decoder(Decode(height=height, width=width, fit="crop")).decode(data)

    plain = tf.io.decode_png(data, channels=3)
    cut = keras.preprocessing.image.smart_resize(plain, (height, width))
    np.testing.assert_array_equal(image, np.asarray(cut) / np.float32(255))


def test_a_part_of_the_centre_is_counted_from_the_shorter_side() -> None:
    data = encoded("PNG", 80, 40)

    image = decoder(Decode(height=20, width=20, fit="crop:0.5")).decode(data)

    with Image.open(io.BytesIO(data)) as whole:
        centre = np.asarray(whole, np.float32)[10:30, 30:50] / np.float32(255)
    np.testing.assert_array_equal(image, centre)


TURNED = [
    Decode(height=24, width=36, orientation="apply"),
    Decode(height=30, width=30, orientation="apply", resize="nearest"),
    Decode(height=30, width=30, orientation="apply", fit="crop"),
    Decode(height=31, width=31, orientation="apply", fit="pad", antialias=True),
    Decode(height=24, width=36, orientation="apply", fit="crop:0.7", resize="area"),
]


@pytest.fixture(scope="module", params=TURNED, ids=str)
def turning(request: pytest.FixtureRequest) -> Decoder:
    return decoder(request.param)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_image_that_was_held_otherwise_is_the_same(
    turning: Decoder, tmp_path: Path, kind: str
) -> None:
    for orientation in range(1, 9):
        upright = Image.open(io.BytesIO(encoded("PNG", 60, 45)))
        (tmp_path / f"{orientation}").write_bytes(stored_turned(upright, kind, orientation))
    (tmp_path / "cut").write_bytes(encoded("PNG", 300, 200)[:500])

    batch = turning.decode_files(tmp_path, ["cut", *map(str, range(1, 9))])

    assert batch.positions == list(range(1, 9))
    assert batch.errors[0].code == "corrupt"
    as_held = turning.decode(encoded("PNG", 60, 45))
    for image in batch.images:  # they differ by rounding, since columns go before rows
        np.testing.assert_allclose(image, as_held, rtol=0, atol=1e-6)


def test_an_image_that_is_decoded_alone_is_turned_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turning = decoder(TURNED[0])
    grey = Image.new("RGB", (60, 45), (128, 128, 128))  # ends like a JPEG that was cut short
    grey.paste((255, 0, 0), (0, 0, 60, 8))
    (tmp_path / "1").write_bytes(stored_turned(grey, "JPEG", 6))

    image = turning.decode_files(tmp_path, ["1"]).images[0]

    assert (image[0, :, 0] > 0.9).all()
    assert (image[0, :, 1] < 0.1).all()
    monkeypatch.setattr(decoding, "DECODED_BYTES", 1)
    np.testing.assert_array_equal(turning.decode_files(tmp_path, ["1", "1"]).images[1], image)


@pytest.mark.parametrize("resize", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_rounded_pixels_are_those_of_pillow(resize: Resize) -> None:
    drawn = Image.fromarray(np.random.default_rng(3).integers(0, 256, (96, 64, 3), np.uint8))
    data = io.BytesIO()
    drawn.resize((1024, 1536), Image.Resampling.BICUBIC).save(data, "JPEG")
    settings = Decode(
        height=224,
        width=112,
        resize=resize,
        antialias=resize != "nearest",
        dct_method="INTEGER_ACCURATE",
        rounded=True,
    )
    given = np.rint(Decoder(settings).decode(data.getvalue()) * 255)
    method = Image.Resampling[resize.upper()]
    theirs = np.asarray(Image.open(data).resize((112, 224), method), np.float64)
    assert np.abs(given - theirs).max() <= (0 if resize == "nearest" else 1)
    assert (given == theirs).mean() > 0.99
