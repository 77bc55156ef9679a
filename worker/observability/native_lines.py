"""What libjpeg, libpng and TensorFlow print about images, which names neither path nor time.

They write to file descriptor 2. While an image is decoded, that is a pipe to a filter in its own
process: lines about images come back from it, for an image's detail or for the log; any other line
goes on at once to this process's standard error. So a fatal error, or what a crash prints, is
passed on even when this process has ended.

A batch is decoded by TensorFlow's own threads, many images at a time: it is not known which of them
a line is about, and it goes to the log. An image that is decoded alone is the only one.
"""

import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from base.read_write_lock import ReadWriteLock
from worker import timing

log = logging.getLogger(__name__)

# The words of TensorFlow's image files, of libjpeg (jerror.h) and of libpng.
_PREFIX = r"[IWE]\d{4} [\d:.]+ +\d+ (?:jpeg|png|gif|bmp|decode_image|image)\w*\.cc:\d+\] "
_ABOUT_IMAGES = (
    rf"{_PREFIX}|Corrupt JPEG data|Premature end of (JPEG|input)|Input file read error|"
    r"(Quantization|Huffman|Arithmetic) table 0x|Missing Huffman|Bogus (DAC|DHT|DQT|Huffman|JPEG|"
    r"buffer|index|input|marker|message|progressive|sampling|table|virtual)|Inconsistent progress|"
    r"Invalid (SOS|component|progressive|JPEG|scan|crop|color)|Unsupported (JPEG|marker|color)|"
    r"Unknown Adobe|Warning: unknown JFIF|Application transferred|Not a JPEG|Empty JPEG|"
    r"Sorry, there are legal|DCT (coefficient|scaled)|Maximum supported image|Image too wide|"
    r"Too many color|CCIR601|Component index|Sampling factors|Duplicate|libpng (warning|error)"
)
_MARK = "\x01"
# A line that is not complete yet is passed on with what comes next, or at the end.
_FILTER = """
import os, re, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
about = re.compile(sys.argv[1].encode())
rest = b""
while chunk := os.read(0, 65536):
    *lines, rest = (rest + chunk).split(b"\\n")
    for line in lines:
        try:
            os.write(1 if about.match(line) else 2, line + b"\\n")
        except OSError:
            pass
os.write(2, rest)
"""


class NativeLines:
    """Catches lines about images while `batch` or `alone` is active in any thread."""

    def __init__(self) -> None:
        self._terminal = os.dup(2)
        reading, self._pipe = os.pipe()
        self._back, back = os.pipe()
        self._filter = subprocess.Popen(  # noqa: S603 - nothing of it is given from outside
            [sys.executable, "-I", "-S", "-c", _FILTER, f"{_MARK}|{_ABOUT_IMAGES}"],
            stdin=reading,
            stdout=back,
            start_new_session=True,  # it ends after this process, not before
        )
        os.close(reading)
        os.close(back)
        self._process_lock = ReadWriteLock()
        self._lock = threading.Lock()
        self._open = 0
        self._said: list[str] | None = None
        self._marked = self._passed = 0
        self._answered = threading.Condition()
        threading.Thread(target=self._read, daemon=True, name="native lines").start()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Decode many images: lines about them are logged."""
        with self._process_lock.shared(), self._caught():
            yield

    @contextmanager
    def alone(self) -> Iterator[list[str]]:
        """Decode one image and no other; afterwards the list holds the lines about it."""
        said: list[str] = []
        with self._process_lock.exclusive():
            # Lines that are still on their way are about other images.
            self._said = said if self._has_passed_all() else None
            try:
                with self._caught():
                    yield said
            finally:
                self._has_passed_all()
                self._said = None

    @contextmanager
    def _caught(self) -> Iterator[None]:
        with self._lock:
            self._open += 1
            if self._open == 1 and self._filter.poll() is None:
                _log_past(self._terminal)  # not earlier: Celery sets up its log after the engine
                os.dup2(self._pipe, 2)
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                if not self._open:
                    os.dup2(self._terminal, 2)

    def _has_passed_all(self) -> bool:
        """Wait until the filter has passed on all lines so far; False if it did not."""
        self._marked += 1
        try:
            os.write(self._pipe, f"{_MARK}{self._marked}\n".encode())
        except OSError:  # it was killed
            return False
        with self._answered:
            return self._answered.wait_for(
                lambda: self._passed == self._marked, timing.NATIVE_ANSWER_SECONDS
            )

    def _read(self) -> None:
        for raw in os.fdopen(self._back, errors="replace"):
            line = re.sub(_PREFIX, "", raw.rstrip("\n"))
            if line.startswith(_MARK):
                with self._answered:
                    self._passed = int(line.removeprefix(_MARK))
                    self._answered.notify_all()
            elif self._said is not None:
                self._said.append(line)
            else:
                log.warning("about one of the images that are being decoded: %s", line)
        with self._lock:  # it was killed: better native lines than none
            os.dup2(self._terminal, 2)


def _log_past(terminal: int) -> None:
    """Let the log bypass the filter, which would delay it."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setStream(os.fdopen(os.dup(terminal), "w", errors="backslashreplace"))
