"""The bytes of an image file: read from under the root and digested, with their header checked.

They are not read by TensorFlow, whose `read_file` hangs on a FIFO, follows gs:// and reads a sparse
file whole.
"""

import errno
import hashlib
import io
import os
import stat
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from imaging.data_root import Root
from imaging.decoding.decode_limits import (
    count_scans,
    is_one_scan,
    packed_text,
    unpacks_beyond_its_pixels,
)
from imaging.errors import ImageError
from imaging.filenames import spelled_back
from imaging.formats.convert import bytes_needed, converted, unwrapped
from imaging.limits import MAX_BYTES, check_size
from imaging.stores.object_store import Store
from imaging.stores.read_ahead import AheadFile, BeforeReading, ReadAhead, at_once

# Pillow opens headers only; the size is checked below instead of by its own limit.
Image.MAX_IMAGE_PIXELS = None
# Metadata may be damaged: nothing here uses them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# An ordinary progressive JPEG has ten; 48 scans of 40 million pixels take three seconds and more.
MAX_SCANS = 48
# Bytes of text in a PNG: at the tightest packing they take about four seconds to unpack.
MAX_TEXT = 1_000_000
# The header must end before this; Pillow takes seconds to look further.
HEADER_BYTES = 10_000_000
# Files read at once for a batch: on network storage each waits for an answer, and the waits
# overlap. A store takes longer to answer: at 100 ms a file, so many feed 160 images a second.
READERS = 8
STORE_READERS = 16
# For all batches together, and small compared with a group that is decoded: photographs of 4 MB are
# still read eight at once.
READ_AHEAD_BYTES = 16_000_000
_ahead = ReadAhead(READ_AHEAD_BYTES)
# Each batch has its own while it reads: the files of one that decodes wait for room in threads,
# and would keep those of the next from being read. Kept for later batches: making new threads for
# each costs more than the reading.
_idle_readers: deque[ThreadPoolExecutor] = deque()
# All batches share these for a store that tells no size before the bytes: each file that waits
# there for room is held whole.
_few_readers = ThreadPoolExecutor(READERS, "read")

_NOT_A_FILE = "it is a folder or a device, not an image file"
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"BM": "BMP"}
_DECODED = tuple(_MAGIC)


class ImageFile(NamedTuple):
    """An image file as it was on disk, and the SHA-256 of its bytes in hex."""

    data: bytes
    digest: str


def read_image(root: Root, path: str, before: BeforeReading = at_once) -> ImageFile:
    """Read the regular file `path`, relative to `root` or absolute, which must be under `root`.

    `before` is called with its size before its bytes are read, and may wait.

    Raises:
        ImageError: it is missing, outside, not a file, empty or larger than MAX_BYTES.
    """
    if isinstance(root, Store):
        return ImageFile(*root.read(path, before))
    try:
        data = _read_bytes(_resolve(root, path), before)
    except FileNotFoundError:
        raise _not_found(root, path) from None
    except (OSError, ValueError, RuntimeError) as error:
        raise _not_read(error) from error
    if not data:
        raise ImageError("empty", "the file has no bytes")
    return ImageFile(data, hashlib.sha256(data).hexdigest())


def read_images(root: Root, paths: Sequence[str]) -> Generator[ImageFile | ImageError, None, None]:
    """`read_image` of every path in order, several at once; an error takes its file's place.

    At once are READERS files of a folder and STORE_READERS of S3 or the web, whatever other batches
    read; of any other store READERS for all batches.
    At most so many are held besides those already taken, and at most READ_AHEAD_BYTES of them, over
    all batches, besides the one that is taken next.
    """
    most = STORE_READERS if isinstance(root, Store) and root.tells_size else READERS
    waiting = iter(paths)
    with _readers(root) as readers:
        ahead = deque(_read_soon(readers, root, path) for path in islice(waiting, most))
        try:
            while ahead:
                place, reading = ahead[0]
                place.ask_for()
                file = reading.result()
                ahead.popleft()
                ahead.extend(_read_soon(readers, root, path) for path in islice(waiting, 1))
                del reading  # otherwise it would hold the file while the caller has the next one
                yield file
                del file
        finally:
            for place, reading in ahead:  # only if the batch was given up
                reading.cancel()
                place.ask_for()


def check_header(data: bytes) -> int:
    """Refuse files that the decoder should never see, at the cost of reading a header (0.03 ms).

    Returns how many bytes decoding it needs at once.

    Raises:
        ImageError: it is no image that is decoded correctly, or its size is out of bounds.
    """
    kind = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)
    if kind is None:
        return bytes_needed(data)
    width, height, mode, progressive = _header(data, kind)
    if kind == "BMP":
        _check_bmp(data, mode)
    check_size(width, height)
    if kind == "PNG":
        _check_png(data)
    once = kind != "JPEG" or is_one_scan(data)
    scans = 1 if once else count_scans(data, MAX_SCANS + 1)
    if scans > MAX_SCANS:
        raise ImageError("unsupported", f"a JPEG of more than {MAX_SCANS} scans")
    # RGB; with several scans also every coefficient, in 16 bits.
    return width * height * (9 if progressive or scans > 1 else 3)


def is_decoded(data: bytes) -> bool:
    """Whether TensorFlow decodes these bytes as they are: a JPEG, PNG or BMP."""
    return data.startswith(_DECODED)


def decodable(data: bytes) -> bytes:
    """A JPEG, PNG or BMP as it is; what is inside, or the pixels as a BMP, of other formats.

    Raises:
        ImageError: it is of another format, and damaged or not decoded.
    """
    if is_decoded(data):
        return data
    inner = unwrapped(data)
    check_header(inner)
    return inner if is_decoded(inner) else converted(inner)


def _check_bmp(data: bytes, mode: str) -> None:
    # TensorFlow reads a palette's indices as grey levels, 32 bits always as BGRA, and OS/2's short
    # header as a long one.
    if mode != "RGB" or data[28:30] != b"\x18\0" or int.from_bytes(data[14:18], "little") < 40:
        raise ImageError("unsupported", "a BMP that is not 24-bit colour, which is not decoded")


def _check_png(data: bytes) -> None:
    if packed_text(data) > MAX_TEXT:
        raise ImageError("unsupported", f"a PNG with more than {MAX_TEXT:,} bytes of text")
    if unpacks_beyond_its_pixels(data):
        raise ImageError("unsupported", "a PNG whose data unpack to far more than its pixels")


@contextmanager
def _readers(root: Root) -> Iterator[ThreadPoolExecutor]:
    """Threads that read for nobody else meanwhile, if what is read tells its size."""
    if isinstance(root, Store) and not root.tells_size:
        yield _few_readers
        return
    try:
        readers = _idle_readers.pop()
    except IndexError:
        readers = ThreadPoolExecutor(STORE_READERS, "read")
    try:
        yield readers
    finally:
        _idle_readers.append(readers)


def _read_soon(
    readers: ThreadPoolExecutor, root: Root, path: str
) -> tuple[AheadFile, Future[ImageFile | ImageError]]:
    place = AheadFile(_ahead)
    return place, readers.submit(_read_or_error, root, path, place)


def _read_or_error(root: Root, path: str, before: BeforeReading) -> ImageFile | ImageError:
    try:
        return read_image(root, path, before)
    except ImageError as error:
        return error


def _resolve(root: Path, path: str) -> Path:
    resolved = (root / path).resolve(strict=True)
    if not resolved.is_relative_to(root.resolve()):
        raise ImageError("outside_root", "the file lies outside DATA_ROOT")
    return resolved


def _not_found(root: Path, path: str) -> ImageError:
    name = spelled_back(path)
    if name is not None and os.path.lexists(root / name):
        return ImageError("bad_name", "its name is not UTF-8: rename the file and enqueue it again")
    return ImageError("missing", "there is no such file under DATA_ROOT")


def _not_read(error: OSError | ValueError | RuntimeError) -> ImageError:
    if isinstance(error, OSError) and error.errno == errno.ENXIO:  # a socket, or no driver
        return ImageError("not_a_file", _NOT_A_FILE)
    if isinstance(error, RuntimeError):  # Python's message contains the whole path
        reason: str | None = os.strerror(errno.ELOOP)
    else:
        reason = error.strerror if isinstance(error, OSError) else None
    return ImageError("unreadable", f"the file cannot be read: {reason or error}")


def _read_bytes(path: Path, before: BeforeReading) -> bytes:
    # Non-blocking, because opening a FIFO would wait for its writer; checked on the open
    # descriptor, so that the file cannot be swapped in between.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ImageError("not_a_file", _NOT_A_FILE)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if status.st_size > MAX_BYTES:
            raise ImageError(
                "too_large",
                f"{status.st_size:,} bytes are more than {MAX_BYTES // 1_000_000} million",
            )
        before(status.st_size)
        return file.readall()


def _header(data: bytes, kind: str) -> tuple[int, int, str, bool]:
    """Width, height, Pillow's mode, and whether it is a progressive JPEG."""
    try:
        with Image.open(io.BytesIO(data[:HEADER_BYTES]), formats=[kind]) as image:
            return *image.size, image.mode, "progressive" in image.info
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ImageError("corrupt", f"the {kind} header is damaged") from error
