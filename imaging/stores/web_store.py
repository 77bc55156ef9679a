"""Images on a web server: streamed up to a limit, and never from outside the given address.

This uses urllib3 and not fsspec's HTTP, which follows redirects to any address, and holds the whole
body in memory when the server ignores the requested range, or compresses.
"""

from __future__ import annotations

import posixpath
import ssl
import time
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin

from imaging.errors import ImageError
from imaging.limits import MAX_BYTES
from imaging.stores.read_ahead import BeforeReading, at_once

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MAX_REDIRECTS = 5
# For one request, even if the server sends very little at a time; long for 50 MB on a slow line.
MAX_SECONDS = 120.0
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_CHUNK_BYTES = 1 << 18
_CONNECTIONS = 64  # kept open: each of 16 readers may wait for an answer, in four batches at once
_REDIRECTS = (301, 302, 303, 307, 308)


def is_inside(path: str) -> bool:
    """Whether a relative path stays inside, even after a web client decodes its %2e%2e."""
    return all(
        not (candidate.startswith(("/", "../")) or candidate in (".", "..") or "\0" in candidate)
        for candidate in map(posixpath.normpath, (path, unquote(path)))
    )


def web_client() -> PoolManager:
    """The HTTP client, for several threads; it trusts only the system's authorities."""
    # Deferred: a producer or worker of a local folder needs none of it.
    from urllib3 import PoolManager, Timeout

    return PoolManager(
        maxsize=_CONNECTIONS,
        retries=False,
        timeout=Timeout(connect=_CONNECT_SECONDS, read=_SILENCE_SECONDS),
        ssl_context=ssl.create_default_context(),  # reads SSL_CERT_FILE
    )


def fetch_bounded(
    client: PoolManager, url: str, root: str, before: BeforeReading = at_once
) -> bytes:
    """The bytes at `url`, an https:// address below `root`; at most MAX_BYTES of them.

    Redirects are followed while they stay below `root`. `before` is called with the size before the
    body is read, and may wait.

    Raises:
        ImageError: too large, compressed, too slow, or redirected outside.
        FileNotFoundError: the server has no such file.
        PermissionError: the server denies access.
        OSError: any other answer.
        urllib3.exceptions.HTTPError: no answer, or an incomplete one.
    """
    for _ in range(MAX_REDIRECTS + 1):
        with closing(_request(client, url)) as answer:
            if answer.status not in _REDIRECTS:
                _check_status(answer)
                return _read_bounded(answer, before)
            url = _redirected(url, answer.headers.get("Location", ""), root)
    raise ImageError("unreadable", f"the server redirects more than {MAX_REDIRECTS} times")


def _request(client: PoolManager, url: str) -> BaseHTTPResponse:
    return client.request(
        "GET",
        url,
        headers={"Accept-Encoding": "identity"},
        redirect=False,
        preload_content=False,
        decode_content=False,
    )


def _redirected(url: str, location: str, root: str) -> str:
    """The target of a redirect; refused if it is not below `root`."""
    target = _normal(urljoin(url, location))
    below = f"{_normal(root).rstrip('/')}/"
    if not (target.startswith(below) and is_inside(target[len(below) :].partition("?")[0])):
        raise ImageError(
            "outside_root", "the server redirects to an address outside DATA_ROOT: not followed"
        )
    return target


def _normal(url: str) -> str:
    """An address as a client requests it: host in lower case, no dot segments, no fragment."""
    from urllib3.util import parse_url

    return parse_url(url)._replace(fragment=None).url


def _check_status(answer: BaseHTTPResponse) -> None:
    if answer.status == HTTPStatus.OK:
        return
    words = f"{answer.status} {answer.reason or ''}".strip()
    if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise FileNotFoundError(words)
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise PermissionError(words)
    raise OSError(f"the server answers {words}")


def _read_bounded(answer: BaseHTTPResponse, before: BeforeReading) -> bytes:
    """The body, with at most one chunk beyond MAX_BYTES in memory."""
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ImageError(
            "unreadable", "the server compresses the file although it was asked not to"
        )
    size = int(answer.headers.get("Content-Length") or 0)
    if size > MAX_BYTES:
        raise too_large()
    before(size or MAX_BYTES)  # unknown: as many bytes as it may turn out to be
    deadline = time.monotonic() + MAX_SECONDS
    data = bytearray()
    while chunk := answer.read1(_CHUNK_BYTES, decode_content=False):
        data += chunk
        if len(data) > MAX_BYTES:
            raise too_large()
        if time.monotonic() > deadline:
            raise ImageError("unreadable", f"the server took more than {MAX_SECONDS:.0f} s")
    return bytes(data)


def too_large() -> ImageError:
    """The error of an object beyond the limit."""
    return ImageError("too_large", f"it has more than {MAX_BYTES // 1_000_000} million bytes")
