"""Every kind of file that scoring may meet, drawn here, with the outcome that it must have.

This is the table of docs/images.md, too: `python tests/helpers/bad_images.py` writes it there.
"""

import io
import os
import socket
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from drawing import (
    claiming,
    encoded,
    flat_jpeg,
    overfull_png,
    png_chunk,
    png_claiming,
    put_text,
    with_scans,
    zlib_zeros,
)
from other_formats import (
    LONG,
    SHORT,
    Tags,
    claiming_ispe,
    commented_gif,
    crowded_tiff,
    deflated_dicom,
    dicom_around,
    dicom_of,
    gif_claiming,
    jpeg2000_claiming,
    nested_dicom,
    saved,
    tiff_claiming,
    tiff_of,
    webp_claiming,
)
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

DOCS = Path(__file__).parents[2] / "docs" / "images.md"
BEGIN, END = "<!-- kinds: python tests/helpers/bad_images.py -->\n", "<!-- end of kinds -->\n"
SCORED = "scored"
OUTSIDE = "outside"  # a folder beside the root, which links lead to
_SUFFIXES = {"TIFF": "tif", "GIF": "gif", "WEBP": "webp", "JPEG2000": "jp2"}
_SUFFIXES |= {"AVIF": "avif", "HEIF": "heic"}
_FRACTIONS: Tags = {339: (SHORT, [3])}
_DICOM = "1.2.840.10008.1.2."  # what its transfer syntaxes begin with
GOOD = "good.jpg"  # an image in the same folder, which links lead to


class Kind(NamedTuple):
    """A file, by what is remarkable about it, with its name and its outcome: scored, or a code.

    `put` makes it at a path, once its folder holds GOOD.
    """

    what: str
    outcome: str
    name: str
    put: Callable[[Path], object]


def kinds() -> list[Kind]:
    """All of them, in the order of the documentation."""
    return [kind for _, some in _titled() for kind in some]


def _titled() -> Iterator[tuple[str, list[Kind]]]:
    """The kinds in groups, each with the name that it has in the documentation."""
    yield "no image", [*_plain()]
    yield "cut short", [*_cut()]
    yield "JPEG", [*_jpegs()]
    yield "PNG", [*_pngs()]
    yield "BMP and others", [*_others()]
    yield "TIFF", [*_tiffs()]
    yield "GIF, WebP, JPEG 2000, AVIF, HEIC", [*_webs()]
    yield "DICOM", [*_dicoms()]
    yield "others cut short", [*_cut_others()]
    yield "small and narrow", [*_sizes()]
    yield "large, or heavy to decode", [*_heavy()]
    yield "links, folders, devices", [*_not_files()]
    yield "names", [*_names()]


def heavy() -> set[str]:
    """Names of those that take a while."""
    return {kind.name for kind in _heavy()}


def _file(what: str, outcome: str, name: str, data: bytes | Callable[[], bytes]) -> Kind:
    def put(path: Path) -> None:
        path.write_bytes(data() if callable(data) else data)

    return Kind(what, outcome, name, put)


def _plain() -> Iterator[Kind]:
    yield _file("no bytes at all", "empty", "zero.jpg", b"")
    yield _file("one byte", "not_an_image", "one.jpg", b"\xff")
    yield _file("text", "not_an_image", "text.jpg", b"not an image\n")
    page = b"<!doctype html><title>404</title><p>Not found</p>\n"
    yield _file("an HTML page that a download left", "not_an_image", "page.jpg", page)
    yield _file("zeros", "not_an_image", "zeros.jpg", bytes(5000))
    yield _file("the three bytes FF D8 FF", "corrupt", "three.jpg", b"\xff\xd8\xff")
    yield _file("a JPEG in Base64", "not_an_image", "base64.jpg", b"/9j/4AAQSkZJRgABAQ==")


def _cut() -> Iterator[Kind]:
    whole = encoded("JPEG", 300, 200)
    for percent in (2, 10, 20, 30, 40, 50, 60, 70, 80, 99):
        data = whole[: len(whole) * percent // 100]
        yield _file(f"a JPEG cut short at {percent} %", "corrupt", f"cut{percent:02}.jpg", data)
    png = encoded("PNG", 300, 200)
    yield _file("a PNG cut short", "corrupt", "cut.png", png[: len(png) // 2])
    bmp = encoded("BMP", 300, 200)
    yield _file("a BMP cut short", "corrupt", "cut.bmp", bmp[: len(bmp) // 2])
    yield _file("a BMP without its pixels", "corrupt", "header.bmp", bmp[:54])


def _jpegs() -> Iterator[Kind]:
    plain = encoded("JPEG", 60, 45)
    at = len(plain) * 2 // 3
    damaged = plain[:at] + bytes(byte ^ 0x15 for byte in plain[at : at + 6]) + plain[at + 6 :]
    yield _file("a JPEG damaged inside its scan", SCORED, "damaged.jpg", damaged)
    yield _file("a JPEG with zeros for a scan", "corrupt", "zeroed.jpg", _zeroed(plain))
    larger, lower = claiming(plain, 400, 300), claiming(plain, 60, 0)
    yield _file("a JPEG whose header claims a larger size", "corrupt", "larger.jpg", larger)
    yield _file("a JPEG whose header claims no height", "corrupt", "flat.jpg", lower)
    yield _file("a JPEG without tables", "corrupt", "tables.jpg", _without_tables(plain))
    yield _file("a JPEG of 12 bits", "corrupt", "12bit.jpg", _of_12_bits(plain))
    for what, name, mode, options in (
        ("a progressive JPEG", "progressive", "RGB", {"progressive": True}),
        ("a grey JPEG", "grey", "L", {}),
        ("a CMYK JPEG", "cmyk", "CMYK", {}),
        ("a JPEG with restart markers", "restart", "RGB", {"restart_marker_blocks": 2}),
        ("a JPEG without subsampling", "444", "RGB", {"subsampling": 0}),
        ("a JPEG that EXIF says to turn (not turned, as in training)", "exif", "RGB", _exif()),
        ("a JPEG with an ICC profile (not applied)", "icc", "RGB", {"icc_profile": _profile()}),
        ("a JPEG with a comment", "comment", "RGB", {"comment": b"x" * 60_000}),
    ):
        yield _file(what, SCORED, f"{name}.jpg", encoded("JPEG", 60, 45, mode=mode, **options))
    yield _file("a JPEG with a thumbnail", SCORED, "thumbnail.jpg", _with_thumbnail(plain))
    yield _file("a JPEG in three scans, one a channel", SCORED, "3scans.jpg", flat_jpeg(60, 45))
    yield _file("a JPEG with garbage after its end", SCORED, "tail.jpg", plain + b"garbage" * 999)
    yield _file("a JPEG of two pictures (the first counts)", SCORED, "mpo.jpg", _two_pictures())


def _pngs() -> Iterator[Kind]:
    for depth in (1, 2, 4, 8, 16):
        yield _file(f"a grey PNG of {depth} bits", SCORED, f"grey{depth}.png", _grey_png(depth))
    for what, name, mode, options in (
        ("a palette PNG", "palette", "P", {}),
        ("a palette PNG of 2 bits", "palette2", "P", {"bits": 2}),
        ("a palette PNG with transparency", "clear", "P", {"transparency": 0}),
        ("a PNG with alpha (alpha is dropped)", "alpha", "RGBA", {}),
        ("a grey PNG with alpha", "grey-alpha", "LA", {}),
        ("a PNG with an ICC profile", "icc", "RGB", {"icc_profile": _profile()}),
        ("a PNG with text", "text", "RGB", {"pnginfo": _text()}),
    ):
        yield _file(what, SCORED, f"{name}.png", encoded("PNG", 60, 45, mode=mode, **options))
    plain = encoded("PNG", 60, 45)
    yield _file("an RGB PNG of 16 bits", SCORED, "rgb16.png", _rgb16())
    yield _file("an interlaced PNG", SCORED, "interlaced.png", _interlaced())
    yield _file("an animated PNG (its first frame)", SCORED, "animated.png", _animated("PNG"))
    unknown = plain[:33] + png_chunk(b"abCd", bytes(range(256))) + plain[33:]
    yield _file("a PNG with a chunk that nobody knows", SCORED, "unknown.png", unknown)
    yield _file("a PNG with garbage after its end", SCORED, "tail.png", plain + b"garbage" * 999)
    yield _file("a PNG without its IEND", "corrupt", "no-iend.png", plain[:-12])
    at = plain.index(b"IDAT")
    flipped = plain[: at + 20] + bytes([plain[at + 20] ^ 1]) + plain[at + 21 :]
    yield _file("a PNG whose data have a bad checksum", "corrupt", "crc.png", flipped)
    header = plain[:32] + bytes([plain[32] ^ 1]) + plain[33:]
    yield _file("a PNG whose header has a bad checksum", "corrupt", "header-crc.png", header)
    headless = plain[:8] + plain[33:]
    yield _file("a PNG without its header", "corrupt", "no-ihdr.png", headless)
    empty = plain[: at - 4] + plain[-12:]
    yield _file("a PNG without data", "corrupt", "no-idat.png", empty)
    taller = png_claiming(plain, 60, 900)
    yield _file("a PNG whose header claims a larger size", "corrupt", "taller.png", taller)


def _others() -> Iterator[Kind]:
    yield _file("a BMP of 24 bits", SCORED, "24.bmp", encoded("BMP", 61, 45))
    yield _file("a BMP of 24 bits, its rows from the top", SCORED, "top.bmp", _from_the_top())
    for what, name, mode in (
        ("a BMP of 32 bits", "32", "RGBA"),
        ("a BMP with a palette", "palette", "P"),
        ("a grey BMP", "grey", "L"),
        ("a BMP of one bit", "1", "1"),
    ):
        yield _file(what, "unsupported", f"{name}.bmp", encoded("BMP", 60, 45, mode=mode))
    yield _file("a BMP packed in runs (RLE)", "unsupported", "rle.bmp", _rle_bmp())
    yield _file("a BMP of OS/2", "unsupported", "os2.bmp", _os2_bmp())
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'
    yield _file("an SVG", "not_an_image", "svg.jpg", svg)
    yield _file("a PNG that is named .jpg", SCORED, "png.jpg", encoded("PNG", 60, 45))


def _tiffs() -> Iterator[Kind]:
    for what, name, mode, options in (
        ("a TIFF", "plain", "RGB", {}),
        ("a TIFF packed by LZW", "lzw", "RGB", {"compression": "tiff_lzw"}),
        ("a TIFF packed by deflate", "deflate", "RGB", {"compression": "tiff_adobe_deflate"}),
        ("a TIFF that holds a JPEG", "jpeg", "RGB", {"compression": "jpeg"}),
        ("a BigTIFF", "big", "RGB", {"big_tiff": True}),
        ("a TIFF of one bit", "1", "1", {}),
        ("a TIFF with a palette", "palette", "P", {}),
        ("a grey TIFF", "grey", "L", {}),
        ("a TIFF with alpha (alpha is dropped)", "alpha", "RGBA", {}),
        ("a CMYK TIFF (without a profile)", "cmyk", "CMYK", {}),
    ):
        yield _file(what, SCORED, f"{name}.tif", encoded("TIFF", 60, 45, mode=mode, **options))
    grey = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64)
    yield _file("a TIFF of several pages (the first)", SCORED, "pages.tif", _animated("TIFF"))
    deep = tiff_of(grey * 21)
    yield _file("a TIFF of 16 bits (its highest eight)", SCORED, "16.tif", deep)
    yield _file("a TIFF of 12 bits (its highest eight)", SCORED, "12.tif", tiff_of(grey, bits=12))
    turned = tiff_of(grey * 21, more={274: (SHORT, [6])})
    yield _file("a TIFF that says to turn it (not turned)", SCORED, "turned.tif", turned)
    for what, name, data in (
        ("a TIFF of fractions", "float", tiff_of(grey.astype(np.float32), more=_FRACTIONS)),
        ("a TIFF of signed samples", "signed", tiff_of(grey, more={339: (SHORT, [2])})),
        ("a TIFF of 32 bits", "32", tiff_of(grey.astype(np.uint32))),
        ("a TIFF packed by LZMA", "lzma", tiff_of(grey, more={259: (SHORT, [34925])})),
        ("a raw file of a camera (DNG)", "dng", tiff_of(grey, more={50706: (LONG, [1])})),
        ("a TIFF whose first image is a thumbnail", "sub", tiff_of(grey, more={254: (LONG, [1])})),
    ):
        yield _file(what, "unsupported", f"{name}.tif", data)


def _webs() -> Iterator[Kind]:
    """The formats of the web and of phones."""
    for what, name, kind, mode, options in (
        ("a GIF", "still.gif", "GIF", "RGB", {}),
        ("a GIF that is named .jpg", "gif.jpg", "GIF", "RGB", {}),
        ("an interlaced GIF", "interlaced.gif", "GIF", "P", {"interlace": 1}),
        ("a WebP", "1.webp", "WEBP", "RGB", {}),
        ("a WebP without loss", "lossless.webp", "WEBP", "RGB", {"lossless": True}),
        ("a WebP with alpha (alpha is dropped)", "alpha.webp", "WEBP", "RGBA", {}),
        ("a JPEG 2000", "1.jp2", "JPEG2000", "RGB", {}),
        ("a JPEG 2000 without its boxes", "1.j2k", "JPEG2000", "RGB", {"no_jp2": True}),
        ("a grey JPEG 2000", "grey.jp2", "JPEG2000", "L", {}),
        ("a grey JPEG 2000 of 16 bits (its highest eight)", "16.jp2", "JPEG2000", "I;16", {}),
        ("an AVIF", "1.avif", "AVIF", "RGB", {}),
        ("an AVIF with alpha (alpha is dropped)", "alpha.avif", "AVIF", "RGBA", {}),
        ("an AVIF that its container turns (turned)", "turned.avif", "AVIF", "RGB", _exif()),
        ("an HEIC", "1.heic", "HEIF", "RGB", {}),
        ("an HEIC with alpha (alpha is dropped)", "alpha.heic", "HEIF", "RGBA", {}),
        ("an HEIC that its container turns (turned)", "turned.heic", "HEIF", "RGB", _exif()),
    ):
        drawn = Image.open(io.BytesIO(encoded("PNG", 64, 48, mode=mode)))
        yield _file(what, SCORED, name, saved(drawn, kind, **options))
    for what, kind in (("GIF", "GIF"), ("WebP", "WEBP"), ("AVIF", "AVIF")):
        name = f"animated.{_SUFFIXES[kind]}"
        yield _file(f"an animated {what} (its first frame)", SCORED, name, _animated(kind))
    film = b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + bytes(100)
    yield _file("a film (MP4)", "not_an_image", "film.heic", film)


def _dicoms() -> Iterator[Kind]:
    grey = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64)
    colour = np.stack([grey % 251, grey % 241, grey % 239], axis=-1).astype(np.uint8)
    jpeg, drawn = encoded("JPEG", 60, 45), Image.fromarray(colour)
    frame = saved(drawn, "JPEG2000", no_jp2=True)
    for what, name, data in (
        ("a DICOM with a JPEG (scored as that JPEG)", "jpeg", dicom_around(jpeg)),
        ("a DICOM with a JPEG 2000", "j2k", dicom_around(frame, "YBR_RCT", _DICOM + "4.90")),
        ("a DICOM without compression", "rgb", dicom_of(colour)),
        ("a DICOM without its preamble", "bare", dicom_of(colour)[132:]),
        ("a DICOM of YBR_FULL", "ybr", dicom_of(colour, "YBR_FULL")),
        ("a grey DICOM of 12 bits (its highest eight)", "12", dicom_of(grey, "MONOCHROME2", 12)),
        ("a grey DICOM whose zero is white", "white", dicom_of(grey, "MONOCHROME1", 12)),
    ):
        yield _file(what, SCORED, f"{name}.dcm", data)
    mr = dicom_of(grey, "MONOCHROME2", 12, Modality="MR")
    signed = dicom_of(grey, "MONOCHROME2", PixelRepresentation=1)
    for what, name, data in (
        ("a slice of MR as DICOM", "mr", mr),
        ("a DICOM of signed samples", "signed", signed),
        ("a DICOM of several frames", "frames", dicom_of(colour, NumberOfFrames=2)),
        ("a DICOM with a JPEG-LS", "jls", dicom_around(jpeg, syntax=_DICOM + "4.80")),
        ("a DICOM without pixels", "report", bytes(128) + b"DICM\x02\0\0\0UL\x04\0" + bytes(100)),
    ):
        yield _file(what, "unsupported", f"{name}.dcm", data)


def _cut_others() -> Iterator[Kind]:
    """Each of these formats, cut in its middle and claiming more than it holds."""
    drawn = Image.open(io.BytesIO(encoded("PNG", 300, 200)))
    for kind, suffix in _SUFFIXES.items():
        data, called = saved(drawn, kind), _called(kind)
        yield _file(f"{called} cut short", "corrupt", f"cut.{suffix}", data[: len(data) // 2])
    whole = dicom_of(np.asarray(drawn))
    yield _file("a DICOM cut short", "corrupt", "cut.dcm", whole[: len(whole) // 2])
    cut = dicom_around(encoded("JPEG", 300, 200)[:2000])
    yield _file("a DICOM with a JPEG cut short", "corrupt", "cut-jpeg.dcm", cut)
    for kind, claims in (
        ("TIFF", tiff_claiming(tiff_of(np.asarray(drawn), 2), 300, 900)),
        ("GIF", gif_claiming(saved(drawn, "GIF"), 60_000, 60_000)),
        ("WEBP", webp_claiming(saved(drawn, "WEBP"), 16_000, 16_000)),
        ("JPEG2000", jpeg2000_claiming(saved(drawn, "JPEG2000"), 16_000, 16_000)),
        ("AVIF", claiming_ispe(saved(drawn, "AVIF"), 16_000, 16_000)),
        ("HEIF", claiming_ispe(saved(drawn, "HEIF"), 16_000, 16_000)),
        ("DICOM", dicom_of(np.asarray(drawn), Rows=16_000, Columns=16_000)),
    ):
        outcome = "corrupt" if kind == "TIFF" else "bad_size"
        name = f"claim.{_SUFFIXES.get(kind, 'dcm')}"
        yield _file(f"{_called(kind)} whose header claims a larger size", outcome, name, claims)
    heic = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(100)
    yield _file("an HEIC with nothing in it", "corrupt", "header.heic", heic)


def _heavy_others() -> Iterator[Kind]:
    for kind, width, height in (
        ("TIFF", 4_000, 3_000),
        ("GIF", 4_000, 4_000),
        ("WEBP", 4_000, 2_000),
        ("AVIF", 4_000, 3_000),
        ("JPEG2000", 3_000, 2_000),
        ("HEIF", 4_000, 3_000),
    ):
        what = f"{_called(kind)} of {width * height // 1_000_000} million pixels"
        large = partial(_large, kind, width, height)
        yield _file(what, SCORED, f"large.{_SUFFIXES[kind]}", large)
    yield _file("a JPEG 2000 of 20 million pixels", "bad_size", "20.jp2", _beyond)
    bombs: tuple[tuple[str, str, str, Callable[[], bytes]], ...] = (
        ("a TIFF of 60,000 tags that claim a gigabyte", "corrupt", "tags.tif", _crowded),
        ("a TIFF of few pixels in huge tiles", "unsupported", "tiles.tif", _huge_tiles),
        ("a GIF behind 20 million comments", "corrupt", "comments.gif", _commented),
        (
            "an AVIF that claims to be small (shown so)",
            SCORED,
            "less.avif",
            _claiming_less,
        ),
        ("a DICOM of a million empty items", "corrupt", "items.dcm", _nested),
        ("a DICOM that unpacks to 900 MB", "unsupported", "bomb.dcm", _deflated),
        ("a JPEG 2000 in tiles of one pixel", "unsupported", "tiles.jp2", _tiny_tiles),
    )
    for what, outcome, name, data in bombs:
        yield _file(what, outcome, name, data)


def _sizes() -> Iterator[Kind]:
    for width, height, outcome in (
        (1, 1, "bad_size"),
        (15, 15, "bad_size"),
        (16, 16, SCORED),
        (5000, 1, "bad_size"),
        (5000, 16, SCORED),
    ):
        for kind, suffix in (("JPEG", "jpg"), ("PNG", "png")):
            data = encoded(kind, width, height)
            name = f"{width}x{height}.{suffix}"
            yield _file(f"a {kind} of {width}×{height}", outcome, name, data)


def _heavy() -> Iterator[Kind]:
    bomb = lambda: flat_jpeg(13_000, 13_000)  # noqa: E731
    yield _file("a JPEG of 13,000×13,000 in few bytes", "bad_size", "bomb.jpg", bomb)
    small = encoded("JPEG", 60, 45)
    claims = claiming(small, 13_000, 13_000)
    yield _file("a JPEG that claims 13,000×13,000", "bad_size", "claim.jpg", claims)
    huge = png_claiming(encoded("PNG", 60, 45), 30_000, 30_000)
    yield _file("a PNG that claims 30,000×30,000", "bad_size", "claim.png", huge)
    claims_large = claiming(small, 8_000, 5_000)
    yield _file("a JPEG that claims 8,000×5,000", "corrupt", "claim40.jpg", claims_large)
    largest: Callable[[], bytes] = lambda: _single_colour("JPEG")  # noqa: E731
    yield _file("a JPEG of 40 million pixels", SCORED, "40.jpg", largest)
    yield _file("the same, progressive", SCORED, "40p.jpg", lambda: _single_colour("JPEG", True))
    yield _file("the same, in three scans", SCORED, "40s.jpg", lambda: flat_jpeg(8_000, 5_000))
    yield _file("a PNG of 40 million pixels", SCORED, "40.png", lambda: _single_colour("PNG"))
    deep = lambda: _deep_png(8_000, 5_000)  # noqa: E731
    yield _file("the same, of 16 bits and with alpha", SCORED, "40deep.png", deep)
    scans = lambda: with_scans(_single_colour("JPEG", True), 20_000)  # noqa: E731
    yield _file("a JPEG of 20,000 scans", "unsupported", "scans.jpg", scans)
    some = lambda: with_scans(_single_colour("JPEG", True), 36)  # noqa: E731
    yield _file("a JPEG of 40 million pixels and 46 scans", SCORED, "scans46.jpg", some)
    texts = lambda: put_text(encoded("PNG", 60, 45), 1000)  # noqa: E731
    yield _file("a PNG with text that unpacks to 8 GB", "unsupported", "texts.png", texts)
    few = lambda: put_text(encoded("PNG", 60, 45), 100)  # noqa: E731
    yield _file("a PNG with text that unpacks to 800 MB", SCORED, "text800.png", few)
    yield from _overfull()
    yield from _heavy_others()
    filled = lambda: small[:2] + b"\xff" * 40_000_000 + small[2:]  # noqa: E731
    yield _file("a JPEG with 40 MB before its header", "corrupt", "filled.jpg", filled)
    yield Kind("a sparse file of 2 GB", "too_large", "sparse.jpg", _sparse)


def _overfull() -> Iterator[Kind]:
    """PNGs that unpack to more than their pixels, in every chunk that libpng unpacks."""
    for what, name, options in (
        ("a PNG of 64×64 whose data unpack to 12 GB", "12gb.png", {}),
        ("the same, interlaced", "12gb-interlaced.png", {"interlaced": True}),
        ("the same, in 3,000 chunks", "12gb-chunks.png", {"pieces": 3000}),
    ):
        yield _file(what, "unsupported", name, partial(overfull_png, 1500, **options))
    little = partial(overfull_png, 60)
    yield _file("a PNG of 64×64 whose data unpack to 480 MB", SCORED, "480mb.png", little)
    plain = encoded("PNG", 60, 45)
    filled = partial(_with_packed, plain, b"iCCP", b"a\0\0")
    yield _file("a PNG with a profile that unpacks to 900 MB", "corrupt", "profile.png", filled)
    international = partial(_with_packed, plain, b"iTXt", b"a\0\1\0\0\0")
    yield _file("a PNG with one text that unpacks to 900 MB", "corrupt", "itxt.png", international)
    many = lambda: plain[:33] + png_chunk(b"abCd", b"") * 4_000_000 + plain[33:]  # noqa: E731
    yield _file("a PNG of four million empty chunks", "corrupt", "chunks.png", many)
    grey = lambda: with_scans(_single_colour("JPEG", True, "#808080"), 38)  # noqa: E731
    yield _file("a JPEG of 40 million grey pixels and 48 scans", SCORED, "grey48.jpg", grey)


def _with_packed(png: bytes, kind: bytes, before: bytes) -> bytes:
    """The PNG with a chunk more, whose data unpack to 900 MB."""
    chunk = png_chunk(kind, before + zlib_zeros(100))
    return png[:33] + chunk + png[33:]


def _not_files() -> Iterator[Kind]:
    yield Kind("a file that is not there", "missing", "absent.jpg", lambda _: None)
    yield Kind("a broken link", "missing", "broken.jpg", lambda at: at.symlink_to("nothing.jpg"))
    yield Kind("a link to an image in the root", SCORED, "link.jpg", lambda at: at.symlink_to(GOOD))
    yield Kind("a link out of the root", "outside_root", "out.jpg", _link_out)
    yield Kind(
        "a link to a device", "outside_root", "null.jpg", lambda at: at.symlink_to("/dev/zero")
    )
    yield Kind("a link to itself", "unreadable", "loop.jpg", lambda at: at.symlink_to(at.name))
    yield Kind("a folder", "not_a_file", "folder.jpg", Path.mkdir)
    yield Kind("a FIFO", "not_a_file", "fifo.jpg", os.mkfifo)
    yield Kind("a socket", "not_a_file", "socket.jpg", _socket)
    yield Kind("a file that may not be read", "unreadable", "secret.jpg", _secret)


def _names() -> Iterator[Kind]:
    image = encoded("JPEG", 60, 45)
    for what, name in (
        ("a newline", "new\nline.jpg"),
        ("quotes", "\"double\" and 'single'.jpg"),
        ("brackets", "[b](r){a}<ck>*?.jpg"),
        ("an emoji", "🩺 lésion.jpg"),
        ("a comma, a semicolon and a tab", "a,b;c\td.jpg"),
        ("a backslash", "back\\slash\\xe9.jpg"),
        ("a formula", "=cmd('calc').jpg"),
        ("spaces at its ends", " spaces .jpg"),
        ("percent signs and braces", "%s %(x)d {0}.jpg"),
        ("an escape of the terminal", "\x1b[31mred.jpg"),
        ("250 letters", "n" * 246 + ".jpg"),
    ):
        yield _file(f"a name with {what}", SCORED, name, image)
    latin = os.fsdecode(b"l\xe9sion.jpg")
    yield _file("a name whose bytes are not UTF-8", "bad_name", latin, image)


def _zeroed(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xda") + 14
    return jpeg[:at] + bytes(len(jpeg) - at - 2) + jpeg[-2:]


def _without_tables(jpeg: bytes) -> bytes:
    return jpeg[: jpeg.index(b"\xff\xdb")] + jpeg[jpeg.index(b"\xff\xc0") :]


def _of_12_bits(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 4
    return jpeg[:at] + b"\x0c" + jpeg[at + 1 :]


@cache
def _large(kind: str, width: int, height: int) -> bytes:
    options: dict[str, dict[str, Any]] = {
        "AVIF": {"speed": 10},
        "WEBP": {"method": 0},
        "TIFF": {"compression": "tiff_adobe_deflate"},
        "HEIF": {"quality": 10},
    }
    return saved(Image.new("RGB", (width, height), "pink"), kind, **options.get(kind, {}))


def _called(kind: str) -> str:
    names = {"WEBP": "a WebP", "JPEG2000": "a JPEG 2000", "AVIF": "an AVIF", "HEIF": "an HEIC"}
    return names.get(kind, f"a {kind}")


def _crowded() -> bytes:
    return crowded_tiff(60_000, 1_000_000)


def _huge_tiles() -> bytes:
    sides = {322: (LONG, [16]), 323: (LONG, [32_000_000]), 324: (LONG, [8] * 4)}
    return tiff_of(np.zeros((16, 64), np.uint8), more={**sides, 325: (LONG, [64] * 4)})


def _commented() -> bytes:
    return commented_gif(encoded("GIF", 60, 45), 20_000_000)


def _claiming_less() -> bytes:
    return claiming_ispe(_large("AVIF", 8_000, 5_000), 64, 48)


def _beyond() -> bytes:
    return _large("JPEG2000", 5_000, 4_000)


def _nested() -> bytes:
    return nested_dicom(1_000_000)


def _deflated() -> bytes:
    return deflated_dicom(100)


def _tiny_tiles() -> bytes:
    data = saved(Image.new("RGB", (1024, 1024), "pink"), "JPEG2000")
    at = data.index(b"\xff\x4f\xff\x51") + 24  # where the size of the tiles stands
    return data[:at] + struct.pack(">II", 1, 1) + data[at + 8 :]


def _exif() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: to be turned by a quarter
    return {"exif": exif.tobytes()}


@cache
def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _with_thumbnail(jpeg: bytes) -> bytes:
    body = b"Exif\0\0" + b"II*\0" + bytes(20) + encoded("JPEG", 40, 30, progressive=True)
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def _two_pictures() -> bytes:
    return _animated("MPO")


def _animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (60, 45), colour) for colour in ("pink", "brown", "black")]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


def _png(header: tuple[int, int, int, int, int], rows: bytes) -> bytes:
    """A PNG of width, height, depth, colour type and interlace method, its rows ready filtered."""
    width, height, depth, colour, interlace = header
    ihdr = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    parts = [png_chunk(b"IHDR", ihdr), png_chunk(b"IDAT", zlib.compress(rows, 1))]
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, png_chunk(b"IEND", b"")])


def _grey_png(depth: int) -> bytes:
    """64×48, each byte of a row another value."""
    row = b"\0" + bytes(7 * at % 256 for at in range(64 * depth // 8))
    return _png((64, 48, depth, 0, 0), row * 48)


def _rgb16() -> bytes:
    return _png((64, 48, 16, 2, 0), (b"\0" + bytes(range(128)) * 3) * 48)


def _deep_png(width: int, height: int) -> bytes:
    return _png(
        (width, height, 16, 6, 0), (b"\0" + b"\x80\x01\x40\x02\x20\x03\xff\xff" * width) * height
    )


def _interlaced() -> bytes:
    """Adam7, 64×48, one grey for each of its seven passes."""
    passes = ((8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2))  # steps across and down
    rows = (
        (b"\0" + bytes([36 * at]) * (64 // across)) * (48 // down)
        for at, (across, down) in enumerate(passes)
    )
    return _png((64, 48, 8, 0, 1), b"".join(rows))


def _text() -> PngInfo:
    text = PngInfo()
    text.add_text("Title", "a lesion", zip=True)
    text.add_itxt("Author", "somebody", zip=True)
    return text


def _from_the_top() -> bytes:
    bmp = encoded("BMP", 60, 45)
    rows = [bmp[at : at + 180] for at in range(54, len(bmp), 180)]
    return bmp[:22] + struct.pack("<i", -45) + bmp[26:54] + b"".join(rows[::-1])


def _rle_bmp() -> bytes:
    runs = b"\x40\x01\0\0" * 48 + b"\0\1"  # 64 pixels of colour 1, end of line; end
    palette = bytes([0, 0, 0, 0, 60, 90, 200, 0]) + bytes(1016)
    info = struct.pack("<IiiHHIIiiII", 40, 64, 48, 1, 8, 1, len(runs), 0, 0, 256, 0)
    head = struct.pack("<2sIII", b"BM", 1078 + len(runs), 0, 1078)
    return head + info + palette + runs


def _os2_bmp() -> bytes:
    """Its short header reads, as the long one, 24 bits."""
    pixels = b"\0\0\x18\0" + bytes(60 * 45 * 3 - 4)
    info = struct.pack("<IHHHH", 12, 60, 45, 1, 24)
    return struct.pack("<2sIII", b"BM", 26 + len(pixels), 0, 26) + info + pixels


@cache
def _single_colour(kind: str, progressive: bool = False, colour: str = "pink") -> bytes:
    file = io.BytesIO()
    options = {"progressive": True} if progressive else {}
    Image.new("RGB", (8_000, 5_000), colour).save(file, kind, **options)
    return file.getvalue()


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 << 30)


def _link_out(path: Path) -> None:
    outside = path.parent.parent / OUTSIDE
    outside.mkdir(exist_ok=True)
    (outside / "1.jpg").write_bytes(encoded("JPEG", 60, 45))
    path.symlink_to(f"../{OUTSIDE}/1.jpg")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()  # noqa: PTH109 - a socket's path may have 107 bytes: bind from there
        os.chdir(path.parent)
        try:
            server.bind(path.name)
        finally:
            os.chdir(before)


def _secret(path: Path) -> None:
    path.write_bytes(encoded("JPEG", 60, 45))
    path.chmod(0)


def small() -> list[bytes]:
    """The bytes of all that are scored and small: what a fuzzer damages."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        found = []
        for group in (_jpegs, _pngs, _others, _tiffs, _webs, _dicoms):
            for kind in group():
                kind.put(path)
                if kind.outcome == SCORED:
                    found.append(path.read_bytes())
    return found


def table() -> str:
    """The kinds as Markdown: a row for each group and outcome, what is scored first."""
    lines = ["| outcome | files |", "|---|---|"]
    for title, some in _titled():
        by_outcome = sorted(some, key=lambda kind: (kind.outcome != SCORED, kind.outcome))
        for outcome, group in groupby(by_outcome, key=lambda kind: kind.outcome):
            shown = outcome if outcome == SCORED else f"`{outcome}`"
            lines.append(f"| {title}: {shown} | {_joined(kind.what for kind in group)} |")
    return "\n".join(lines) + "\n"


def _joined(whats: Iterable[str]) -> str:
    """In one line, with `cut short at 2 %, 10 %` for those that differ in the place only."""
    parts = [what.partition(" at ") for what in whats]
    return "; ".join(
        f"{before}{at}{', '.join(part[2] for part in same)}"
        for (before, at), same in groupby(parts, key=lambda part: part[:2])
    )


def written(docs: str) -> str:
    """The page with today's table in it."""
    before, rest = docs.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    DOCS.write_text(written(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
