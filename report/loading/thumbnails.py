"""Small JPEGs of scored images as data URIs, made only from the bytes that were scored."""

import base64
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from PIL import Image

from db.queries.report.page import ScoredCase
from imaging.data_root import Root
from imaging.decoding.image_file import ImageFile, check_header, decodable, read_images
from imaging.errors import ImageError

SIDE = 256  # pixels, of the longer side
QUALITY = 72  # of the JPEG; some 8 KB an image


class Thumbnail(NamedTuple):
    """A picture as a data URI, or the reason why it is missing."""

    uri: str | None
    reason: str = ""


def thumbnails(root: Root, cases: Sequence[ScoredCase]) -> Iterator[Thumbnail]:
    """A thumbnail of each image if its file under `root` has the bytes that were scored."""
    files = read_images(root, [case.path for case in cases])
    for case, file in zip(cases, files, strict=True):
        yield _thumbnail(file, case.digest)


def _thumbnail(file: ImageFile | ImageError, digest: str | None) -> Thumbnail:
    if digest is None:
        return Thumbnail(None, "no picture: the digest of what was scored was not stored")
    if isinstance(file, ImageError):
        return Thumbnail(None, f"no picture: {file.detail}")
    if file.digest != digest:
        return Thumbnail(None, "no picture: the file has changed since it was scored")
    try:
        data = decodable(file.data)
        check_header(data)
        return Thumbnail(_uri(_shrink(data)))
    except (ImageError, OSError, ValueError, SyntaxError):
        return Thumbnail(None, "no picture: the file cannot be decoded here")


def _shrink(data: bytes) -> bytes:
    # As the model saw it: EXIF rotation is ignored and the alpha channel is dropped.
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "BMP")) as image:
        image.draft("RGB", (SIDE, SIDE))  # a JPEG is decoded at a fraction of its size
        small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    shrunk = io.BytesIO()
    small.save(shrunk, "JPEG", quality=QUALITY, optimize=True)
    return shrunk.getvalue()


def _uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
