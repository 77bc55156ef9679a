"""The embedded broker: a folder of message files that several processes share without a server.

kombu's own `filesystem://` writes messages where readers already look, and an empty file ends its
worker (kombu #1551). Here each message appears and is taken by one atomic rename.
"""

# mypy: disable-error-code="no-untyped-call"
# kombu calls itself typed (py.typed) and mostly is not.

import errno
import logging
import os
import stat
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from time import monotonic, time_ns
from typing import Any, ClassVar
from urllib.parse import quote, unquote
from uuid import uuid4

from kombu.connection import Connection
from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem, virtual
from kombu.utils.json import dumps, loads

from base.permissions import make_folder, share
from worker.broker.envelope import DAMAGED, reason_of, require_envelope
from worker.broker.mailboxes import Mailboxes, make_or_touch

BROKER_URL = "dermscore://localhost/"

# The errors of opening a link or a socket.
_NOT_A_FILE = (errno.ELOOP, errno.ENXIO)

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    """Puts messages into the folder and takes them out, the oldest first."""

    def __init__(self, connection: "Transport", **kwargs: object) -> None:
        super().__init__(connection, **kwargs)
        self.root = connection.root
        # Stored here as well: the connection is gone when a thread acknowledges after a loss.
        self.room = connection.room
        self.mailboxes = connection.mailboxes
        # Unfinished and claimed files wait here, in the same file system, out of readers' sight.
        self.private = self.root / "private"
        # What is left of the last listing, the oldest name last: 15,000 waiting messages are listed
        # once, not once for each message.
        self.backlogs: defaultdict[str, list[str]] = defaultdict(list)
        self._make_private()
        self._require_no_links()
        self._try_writing()

    def _put(  # type: ignore[override]  # kombu's own classes disagree on the name of message
        self, queue: str, message: dict[str, Any], **_kwargs: object
    ) -> None:
        unfinished = self.private / f"{time_ns():020d}_{uuid4()}.msg"
        with _plain_errors(self.root):
            with unfinished.open("x", encoding="utf-8") as file:
                file.write(dumps(message))
            share(unfinished)
            _move(unfinished, self._waiting(queue))

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ARG002, kombu's
        self.mailboxes.used(queue)
        message = self._take(queue)
        if message is None:
            self._make_private()  # someone may have wiped the folder under a running worker
            self.backlogs[queue] = sorted(_names(self._waiting(queue)), reverse=True)
            message = self._take(queue)
        if message is None:
            raise Empty
        return message

    def _take(self, queue: str) -> dict[str, Any] | None:
        backlog, folder = self.backlogs[queue], self._waiting(queue)
        while backlog:
            message = self._claim(folder / backlog.pop())
            if message is not None:
                return message
        return None

    def _claim(self, file: Path) -> dict[str, Any] | None:
        claimed = self.private / file.name
        with _plain_errors(self.root):
            try:
                file.rename(claimed)
            except FileNotFoundError:
                return None  # another consumer was faster
            return self._read(claimed)

    def _read(self, claimed: Path) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] = loads(_content(claimed))
            require_envelope(message)
            self.Message(message, channel=self)  # fails if its body is not in the claimed encoding
        except DAMAGED as error:
            damaged = _move(claimed, self._unlinked("damaged"))
            logger.warning("%s is not a message, set aside: %s", damaged, reason_of(error))
            return None
        claimed.unlink()
        return message

    def _restore(self, message: virtual.Message) -> None:
        """Put back a message that was taken and not acknowledged; if that fails, drop it.

        kombu's own would write its pickle to a file in the system's temporary folder.
        """
        try:
            super()._restore(message)
        except ChannelError as error:
            logger.warning("a message was dropped, the ledger still knows its batch: %s", error)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge, and let the next message be fetched at once."""
        super().basic_ack(delivery_tag, multiple)
        self.room.set()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject, and let the next message be fetched at once."""
        super().basic_reject(delivery_tag, requeue)
        self.room.set()

    def _size(self, queue: str) -> int:
        return len(_names(self._waiting(queue)))

    def _purge(self, queue: str) -> int:
        count = 0
        for name in _names(self._waiting(queue)):
            with _plain_errors(self.root), suppress(FileNotFoundError):
                (self._waiting(queue) / name).unlink()
                count += 1
        return count

    def _delete(self, queue: str, exchange: str, *binding: str | None, **_kwargs: object) -> None:
        self.mailboxes.deleted(queue)
        with _plain_errors(self.root):
            self._binding_file(exchange, *binding).unlink(missing_ok=True)
        self._purge(queue)
        with suppress(OSError):  # it is gone already, or a message came meanwhile
            self._waiting(queue).rmdir()

    def _waiting(self, queue: str) -> Path:
        return self._unlinked("waiting", quote(queue, safe="@") + ".queue")

    def _try_writing(self) -> None:
        """Let a read-only folder fail on connecting, which is retried patiently."""
        with _plain_errors(self.root):
            trial = self.private / f"{uuid4()}.trial"
            trial.touch()
            trial.unlink()

    def _make_private(self) -> None:
        with _plain_errors(self.root):
            make_folder(self.root)
            _require_trusted(self.root)
            make_folder(self._unlinked("private"))

    def _require_no_links(self) -> None:
        self._unlinked("damaged")  # files in it may be links: they are never read
        for kind in ("waiting", "exchanges"):
            for name in _names(self._unlinked(kind)):
                self._unlinked(kind, name)

    def _unlinked(self, *names: str) -> Path:
        """The folder at these nested names, if none of them is a symbolic link."""
        folder = self.root
        for name in names:
            folder /= name
            if folder.is_symlink():
                raise ChannelError(
                    f"queue folder {self.root} cannot be used: {folder} is a symbolic link, which "
                    "dermscore never makes: find out who made it, and delete it"
                )
        return folder

    # kombu's own keeps the bindings of an exchange in one file, truncated before it is locked: of
    # two workers that start together, one can lose its mailbox. Here each binding is an empty file
    # whose name says everything, so that there is nothing to lock or to damage.

    @property
    def control_folder(self) -> Path:
        """The folder of the exchanges, each a folder of bindings."""
        return self._unlinked("exchanges")

    def get_table(self, exchange: str) -> list[Any]:
        """Read the bindings of `exchange`."""
        rows = [name.split(",") for name in _names(self._exchange_file(exchange))]
        return [filesystem.exchange_queue_t(*map(unquote, row)) for row in rows if len(row) == 3]

    def _queue_bind(self, exchange: str, *binding: str | None) -> None:
        file = self._binding_file(exchange, *binding)
        with _plain_errors(self.root):
            make_folder(file.parent)
            make_or_touch(file)
        self.mailboxes.bound(binding[-1] or "", file)

    def _binding_file(self, exchange: str, *binding: str | None) -> Path:
        name = ",".join(quote(part or "", safe="@") for part in binding)
        folder: Path = self._exchange_file(exchange)
        return self._unlinked(folder.parent.name, folder.name) / name


class Transport(filesystem.Transport):
    """The broker at `dermscore://`; the transport option `queue_dir` names its folder."""

    Channel = Channel
    # Seconds between two looks into an empty folder; kombu's 1.0 would starve the thread pool.
    polling_interval = 0.1
    # Whether this process ends: then nothing is waited for.
    is_ending: ClassVar[Callable[[], bool]] = staticmethod(lambda: False)
    # One for each folder: a process that uses two folders must declare its queues in both.
    states: ClassVar[defaultdict[Path, virtual.BrokerState]] = defaultdict(virtual.BrokerState)
    # One for each folder, too, so that the next connection after a loss keeps the same mailbox.
    kept: ClassVar[dict[Path, Mailboxes]] = {}

    def __init__(self, client: Connection, **kwargs: object) -> None:
        super().__init__(client, **kwargs)
        options = client.transport_options or {}
        self.root = Path(options.get("queue_dir", "dermscore.queue")).resolve()
        self.state = self.states[self.root]
        self.mailboxes = self.kept.setdefault(self.root, Mailboxes(self.root))
        # Set when a message was acknowledged, so that there is room for another.
        self.room = threading.Event()

    def drain_events(  # type: ignore[override]  # kombu's own classes disagree, too
        self,
        connection: Connection,  # noqa: ARG002 - kombu's
        timeout: float | None = None,
    ) -> None:
        """Deliver one message.

        kombu's own sleeps for the polling interval whenever it delivers nothing, even while the
        worker already holds all the messages that it may: it would manage no more than 20 batches a
        second.

        Raises:
            TimeoutError: there was none for `timeout` seconds, or this process ends.
        """
        began = monotonic()
        while True:
            self.room.clear()
            try:
                self.cycle.get(self._deliver, timeout=timeout)  # type: ignore[union-attr]
            except Empty:
                overdue = timeout is not None and monotonic() - began >= timeout
                if overdue or type(self).is_ending():
                    raise TimeoutError from None
                self.room.wait(min(self.polling_interval, timeout or self.polling_interval))
            else:
                return


def _names(folder: Path) -> list[str]:
    with _plain_errors(folder), suppress(FileNotFoundError):
        return [file.name for file in folder.iterdir()]
    return []


def _move(file: Path, folder: Path) -> Path:
    try:
        return file.rename(folder / file.name)
    except FileNotFoundError:  # the folder is made on first use
        make_folder(folder)
        return file.rename(folder / file.name)


def _content(file: Path) -> bytes:
    """The content of a message file.

    Raises:
        ValueError: it is a link or not a regular file; reading might never end.
    """
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in _NOT_A_FILE:
            raise
        raise ValueError("it is a symbolic link or not a file") from error
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ValueError("it is not a file")
        with os.fdopen(opened, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(opened)


def _require_trusted(folder: Path) -> None:
    """Refuse a folder that belongs to another user and that everybody may write to."""
    status = folder.stat()
    if status.st_uid != os.geteuid() and status.st_mode & stat.S_IWOTH:
        raise ChannelError(
            f"queue folder {folder} cannot be used: it belongs to another user and everybody may "
            "write to it; name a folder of your own in QUEUE_DIR"
        )


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ChannelError(f"queue folder {folder} cannot be used: {error}") from error


TRANSPORT_ALIASES["dermscore"] = "worker.broker.embedded:Transport"
