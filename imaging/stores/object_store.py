"""Images in an object store: under an address such as s3://bucket/folder instead of a folder.

fsspec opens them, with the credentials and settings that each store's own tools read from the
environment; a web server is read by `web_store`. Nothing outside the address in `DATA_ROOT` is ever
requested, and no answer is held in memory beyond the limit of an image file.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from base.console.telling import tell
from imaging.errors import ImageError, SourceError
from imaging.limits import MAX_BYTES
from imaging.stores.read_ahead import BeforeReading, at_once
from imaging.stores.web_store import fetch_bounded, is_inside, too_large, web_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenacity import RetryCallState
    from urllib3 import PoolManager

# The extra that installs fsspec's support of a scheme.
EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure", "abfs": "azure"}
WEB = "https"
# Seconds before a request is retried; a random part of up to a half is added, so that many workers
# do not retry at the same moment.
BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 4.0)
_CHUNK_BYTES = 1 << 18
# The readers are the limit: botocore's own, ten, would be less than those of a single batch.
_S3_CONNECTIONS = 1000
_FINAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)

T = TypeVar("T")


def is_address(name: str) -> bool:
    """Whether a name is an address and not a path."""
    return "://" in name


@dataclass(frozen=True)
class Store:
    """A data root that is an address; without a slash at its end."""

    address: str

    def __str__(self) -> str:
        """The address; it holds no secrets, which come from the environment."""
        return self.address

    @property
    def tells_size(self) -> bool:
        """Whether the size of an object is known before its bytes are read."""
        return urlsplit(self.address).scheme in ("s3", WEB)

    def key(self, name: str, where: str) -> str:
        """`name`, an address or a path relative to the root, as a relative path.

        Raises:
            SourceError: it is not under the root.
        """
        inside = name
        if is_address(name):
            if name.rstrip("/") == self.address:
                return "."
            if not name.startswith(f"{self.address}/"):
                raise SourceError(f"{where}: {name} lies outside DATA_ROOT ({self.address})")
            inside = name[len(self.address) + 1 :]
        inside = posixpath.normpath(inside)
        if inside == ".":
            return inside
        if not is_inside(inside):
            raise SourceError(f"{where}: {name} lies outside DATA_ROOT ({self.address})")
        return inside

    def read(self, path: str, before: BeforeReading = at_once) -> tuple[bytes, str]:
        """The bytes of an object, and their SHA-256 in hex.

        `before` is called with the size before the bytes are read, and may wait.

        Raises:
            ImageError: it is missing, too large or empty, or unreadable after several attempts.
        """
        if is_address(path) or not is_inside(path):
            raise ImageError("outside_root", "the address lies outside DATA_ROOT")
        url = f"{self.address}/{path}"
        try:
            data = _with_patience(lambda: self._fetch(url, before))
        except ImageError:
            raise
        except (FileNotFoundError, NotADirectoryError):
            raise ImageError("missing", "there is no such object under DATA_ROOT") from None
        except IsADirectoryError:
            raise ImageError("not_a_file", "it is a folder, not an image file") from None
        except PermissionError as error:
            raise ImageError("unreadable", f"the store refuses it: {_reason(error)}") from error
        except Exception as error:  # each store raises its own errors
            raise ImageError("unreadable", f"the store failed: {_reason(error)}") from error
        if not data:
            raise ImageError("empty", "the object has no bytes")
        return data, hashlib.sha256(data).hexdigest()

    def list(self, key: str) -> list[str]:
        """The keys of all objects under the folder `key`, in order; empty if there are none.

        Raises:
            SourceError: the store cannot be listed.
        """
        url = self.address if key == "." else f"{self.address}/{key}"
        if urlsplit(url).scheme == WEB:
            raise SourceError(f"{url}: a web server has no folders; list the images in a manifest")
        try:
            found = _with_patience(lambda: self._files.find(url), partial(_tell_first, url))
        except FileNotFoundError:
            return []
        except Exception as error:
            raise SourceError(f"{url} cannot be listed: {_reason(error)}") from error
        top = self._files._strip_protocol(self.address)  # noqa: SLF001 - public in all but its name
        return sorted(name.removeprefix(top).lstrip("/") for name in found)

    @cached_property
    def _files(self) -> Any:  # noqa: ANN401 - fsspec has no types
        scheme = urlsplit(self.address).scheme
        try:
            import fsspec  # deferred: an extra, and half a second

            options = _s3_options(fsspec.config.conf) if scheme == "s3" else {}
            return fsspec.filesystem(scheme, use_listings_cache=False, **options)
        except (ImportError, ValueError) as error:
            raise SourceError(
                f"DATA_ROOT={self.address} needs what reads {scheme}://: "
                f"pip install 'dermscore[{EXTRAS[scheme]}]'"
            ) from error

    @cached_property
    def _web(self) -> PoolManager:
        return web_client()

    def _fetch(self, url: str, before: BeforeReading) -> bytes:
        scheme = urlsplit(url).scheme
        if scheme == WEB:
            return fetch_bounded(self._web, url, self.address, before)
        if scheme == "s3":
            return self._fetch_s3(url, before)
        data = self._fetch_range(url)
        before(len(data))  # not earlier: the answer to a range does not tell the whole size
        return data

    def _fetch_s3(self, url: str, before: BeforeReading) -> bytes:
        """An object of S3, streamed: a server may ignore a range, and claim any length."""
        from fsspec.asyn import sync

        files = self._files
        bucket, key, _ = files.split_path(url)
        answer = files.call_s3("get_object", Bucket=bucket, Key=key)
        body = answer["Body"]
        try:
            if answer["ContentLength"] > MAX_BYTES:
                raise too_large()
            before(answer["ContentLength"])
            return bytes(sync(files.loop, _read_bounded, body))
        finally:
            body.close()

    def _fetch_range(self, url: str) -> bytes:
        """At most one byte more than the limit, so that a huge object is not fetched whole."""
        try:
            data: bytes = self._files.cat_file(url, start=0, end=MAX_BYTES + 1)
        except _FINAL:
            raise
        except Exception:
            if self._is_empty(url):  # an empty object has no ranges
                return b""
            raise
        if len(data) > MAX_BYTES:
            raise too_large()
        return data

    def _is_empty(self, url: str) -> bool:
        try:
            return bool(self._files.size(url) == 0)
        except Exception:  # noqa: BLE001 - what went wrong first is what counts
            return False


def open_store(address: str) -> Store:
    """The store at an address.

    Raises:
        SourceError: its scheme is unknown or not installed, or it has no host.
    """
    parts = urlsplit(address)
    if parts.scheme not in (*EXTRAS, WEB) or not parts.netloc:
        known = ", ".join(f"{scheme}://" for scheme in (*EXTRAS, WEB))
        raise SourceError(f"DATA_ROOT={address} is neither a folder nor an address of {known}")
    if parts.password or parts.query or parts.fragment:
        raise SourceError(
            f"DATA_ROOT={parts.scheme}://{parts.hostname}…: credentials and parameters belong in "
            "the store's own environment variables, not into the address"
        )
    store = Store(address.rstrip("/"))
    if parts.scheme != WEB:
        _ = store._files  # noqa: SLF001 - what is not installed should be said at once
    return store


def _s3_options(configured: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """As many connections as are wanted, unless fsspec's configuration says how many."""
    own = configured.get("s3", {}).get("config_kwargs", {})
    return {"config_kwargs": {"max_pool_connections": _S3_CONNECTIONS, **own}}


async def _read_bounded(body: Any) -> bytearray:  # noqa: ANN401 - aiobotocore has no types
    """The body of an answer, with at most one chunk beyond MAX_BYTES in memory."""
    data = bytearray()
    while chunk := await body.read(_CHUNK_BYTES):
        data += chunk
        if len(data) > MAX_BYTES:
            raise too_large()
    return data


def _tell_first(url: str, failed: RetryCallState) -> None:
    """Say once that a store is asked again: five tries may take most of a minute."""
    if failed.attempt_number == 1 and failed.outcome is not None:
        reason = _reason(failed.outcome.exception())
        tell(f"{url}: {reason}; trying again", err=True)


def _with_patience(
    ask: Callable[[], T], before_sleep: Callable[[RetryCallState], None] | None = None
) -> T:
    """The result of `ask`; temporary failures are retried after a pause."""
    import tenacity  # deferred: a local folder needs none of it

    return tenacity.Retrying(
        # Each store fails in its own ways, and most of these failures are temporary.
        retry=tenacity.retry_if_exception_type(Exception)
        & tenacity.retry_if_not_exception_type((ImageError, *_FINAL)),
        stop=tenacity.stop_after_attempt(1 + len(BACK_OFF_SECONDS)),
        wait=tenacity.wait_chain(*(tenacity.wait_random(s, 1.5 * s) for s in BACK_OFF_SECONDS)),
        before_sleep=before_sleep,
        reraise=True,
    )(ask)


def _reason(error: BaseException | None) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:300]
