"""Downloads one archive from a web server into its partial file.

With urllib instead of requests, because one GET with a Range header is enough.
"""

import json
import time
from collections.abc import Callable
from email.message import Message
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click

from base.console.telling import tell
from trainer.downloading.archive import Part
from trainer.downloading.transfer_progress import transfer_progress

_SILENCE_SECONDS = 60
_CHUNK_BYTES = 1 << 18
_RETRIED_STATUSES = (408, 425, 429)  # and every 5xx

Result = TypeVar("Result")


class DownloadError(click.ClickException):
    """The data set cannot be downloaded; the message says why and what to do."""


class _ConnectionLostError(Exception):
    """The connection failed, so another attempt may succeed."""


class _RangePastEndError(Exception):
    """The requested range starts past the end of the server's file, which has `size` bytes."""

    def __init__(self, size: str) -> None:
        self.size = size


def fetch_archive(part: Part, retries: int) -> None:
    """Download the rest of a partial file, or the whole file.

    Raises:
        DownloadError: the server refuses it, or more than `retries` attempts in a row made no
            progress; the partial file is kept.
    """
    _retry(part, partial(_fetch, part), retries)


def archive_size(part: Part, retries: int) -> int | None:
    """The size of a part's archive in bytes; None if the server does not give it.

    Raises:
        DownloadError: as for `fetch_archive`.
    """
    if part.archive.exists():
        return part.archive.stat().st_size

    def ask() -> int | None:
        with _request(part.url, method="HEAD") as answer:
            return _content_length(answer.headers)

    return _retry(part, ask, retries)


def _retry(part: Part, attempt: Callable[[], Result], retries: int) -> Result:
    """Retry with growing pauses; the count of failures restarts when new bytes arrive."""
    most, failures = part.bytes_downloaded, 0
    while True:
        try:
            return attempt()
        except _ConnectionLostError as error:
            received = part.bytes_downloaded
            failures = 1 if received > most else failures + 1
            most = max(most, received)
            if failures > retries:
                raise DownloadError(
                    f"{part.url}: {error}; what was downloaded is kept, "
                    "and the same command continues"
                ) from error
            tell(f"{part.name}: {error}; trying again", err=True)
            time.sleep(2 ** (failures - 2) if failures > 1 else 0)


def _fetch(part: Part) -> None:
    """One request for the rest of the partial file, or for the whole file."""
    received, validator = _read_partial(part)
    headers = {"Range": f"bytes={received}-", "If-Range": validator} if received else {}
    try:
        answer = _request(part.url, headers)
    except _RangePastEndError as end:
        if end.size == str(received):
            return
        part.partial.unlink()
        raise _ConnectionLostError("the file on the server has changed") from end
    with answer:
        if answer.status == 206 and not _continues(answer.headers, received, validator):
            part.partial.unlink()
            raise _ConnectionLostError("the file on the server has changed")
        if answer.status != 206:
            received = 0
            _start_partial(part, _validator(answer.headers))
        _receive(part, answer, received)


def _read_partial(part: Part) -> tuple[int, str]:
    """The size of the partial file and its validator (ETag or date), or 0 and an empty string."""
    try:
        source = json.loads(part.source.read_text())
        if source["url"] == part.url and source["validator"]:
            return part.partial.stat().st_size, source["validator"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return 0, ""


def _start_partial(part: Part, validator: str) -> None:
    part.partial.write_bytes(b"")  # first, so that an old partial file never gets a new validator
    part.source.write_text(json.dumps({"url": part.url, "validator": validator}))


def _receive(part: Part, answer: HTTPResponse, received: int) -> None:

    rest = _content_length(answer.headers)
    total = None if rest is None else received + rest
    with transfer_progress(part.name) as show, part.partial.open("ab") as file:
        show(received, total)
        while True:
            try:
                data = answer.read1(_CHUNK_BYTES)
            except (OSError, HTTPException) as error:
                raise _ConnectionLostError(f"cut off ({_reason(error)})") from error
            if not data:
                break
            file.write(data)
            file.flush()  # so that received bytes survive an interruption
            received += len(data)
            show(received, total)
    if total is not None and received < total:
        raise _ConnectionLostError(f"cut off after {received:,} of {total:,} bytes")


def _request(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> HTTPResponse:
    """The server's answer to one request."""
    headers = {"User-Agent": "dermscore", **(headers or {})}
    request = Request(url, headers=headers, method=method)  # noqa: S310 - checked by --url
    try:
        answer: HTTPResponse = urlopen(request, timeout=_SILENCE_SECONDS)  # noqa: S310 - likewise
    except HTTPError as error:
        with error:
            if error.code == 416:
                raise _RangePastEndError(_total(error.headers)) from error
            says = f"the server answers {error.code} {error.reason}"
            if error.code in _RETRIED_STATUSES or error.code >= 500:
                raise _ConnectionLostError(says) from error
            raise DownloadError(f"{url}: {says}") from error
    except (OSError, HTTPException) as error:
        raise _ConnectionLostError(f"no connection ({_reason(error)})") from error
    return answer


def _content_length(headers: Message) -> int | None:
    value = headers.get("Content-Length", "")
    return int(value) if value.isdecimal() else None


def _validator(headers: Message) -> str:
    """A validator for If-Range: a strong ETag, else the date, else an empty string."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _total(headers: Message) -> str:
    return headers.get("Content-Range", "").rpartition("/")[2]


def _continues(headers: Message, received: int, validator: str) -> bool:
    """Whether a partial answer continues the partial file; not all servers obey If-Range."""
    begins = headers.get("Content-Range", "").startswith(f"bytes {received}-")
    return begins and _validator(headers) in (validator, "")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    return str(getattr(reason, "strerror", None) or reason)
