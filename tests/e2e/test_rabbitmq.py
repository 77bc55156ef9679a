"""RabbitMQ as broker, where a server is at hand."""

import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import pack
from urllib.parse import urlsplit

import amqp
import pytest
from certificates import make_signer
from faults import SHORT_LEASE, colour_site, crew, enqueue, recovered
from forging import stub_site
from processes import Site, error_lines
from rabbitmq import rabbitmq_program, rabbitmq_server
from shutdowns import ON_RABBITMQ, shutdowns
from tls import as_redis, tls_proxy

pytestmark = pytest.mark.usefixtures("measured")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if rabbitmq_program() is None:
        pytest.skip("no rabbitmq-server is installed")
    # Not under pytest's own folder, which the server's user may not enter.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with rabbitmq_server(Path(name) / "rabbitmq") as url:
            yield url


def test_workers_on_rabbitmq_lose_nothing_when_one_is_killed(
    address: str, postgres_url: str, tmp_path: Path
) -> None:
    site = colour_site(tmp_path, BROKER_URL=address, DATABASE_URL=postgres_url)
    expected = enqueue(site, 640)
    with crew(site, STUB_IMAGE_SECONDS="0.003", **SHORT_LEASE) as workers:
        row = recovered(
            workers,
            "kill -9 in mid-batch",
            ON_RABBITMQ,
            1,
            expected,
            since=workers.kill_holder(),
        )
        assert "guest:guest" not in workers.last_words
    assert row.holds, row
    assert row.images == 640


def test_rabbitmq_over_tls(address: str, tmp_path: Path) -> None:
    """The certificate and the name in it are checked; SSL_CERT_FILE names one of one's own."""
    signer = make_signer(tmp_path / "tls", "server")
    port = urlsplit(address).port

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", port))

    with tls_proxy(connect, signer, as_redis) as proxied:
        url = f"amqps://guest:guest@127.0.0.1:{proxied}//"
        site = stub_site(tmp_path, BROKER_URL=url, SSL_CERT_FILE=str(signer.certificate))
        (tmp_path / "m.csv").write_text("path\na.jpg\n")
        site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
        site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
        assert site.ledger.unfinished() == 0
        for settings, reason in (
            ({"SSL_CERT_FILE": ""}, "certificate verify failed"),
            # The same host by a name that it has not; of "localhost" kombu makes 127.0.0.1.
            ({"BROKER_URL": url.replace("127.0.0.1", "127.1")}, "certificate verify failed"),
        ):
            other = Site(tmp_path, {**site.settings, **settings})
            done = other.run("celery", "-A", "stub_worker", "worker", "--drain")
            (line,) = error_lines(done.stderr)
            assert reason in line, done


def test_workers_on_rabbitmq_end_with_a_sentence_while_messages_come(
    address: str,
    postgres_url: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    site = colour_site(tmp_path, BROKER_URL=address, DATABASE_URL=postgres_url, **SHORT_LEASE)
    for row in shutdowns(site, ON_RABBITMQ, 1):
        record_property("fault", list(row))
        assert row.holds, row


def short(text: bytes) -> bytes:
    """A short string as AMQP writes it."""
    return bytes([len(text)]) + text


def headers(*items: bytes) -> bytes:
    """The properties of a message that has headers alone, each written as name, type, value."""
    table = b"".join(items)
    return pack(">HI", 0x2000, len(table)) + table


def nested(depth: int) -> bytes:
    item = short(b"a") + b"t\1"
    for _ in range(depth):
        item = short(b"a") + b"F" + pack(">I", len(item)) + item
    return item


# As they go over the wire: first the bits of those that are there.
PROPERTIES = {
    "none": pack(">H", 0),
    "a type that is no text": pack(">H", 0x8000) + short(b"\xff"),
    "an encoding that is no text": pack(">H", 0x4000) + short(b"\xff\xfe"),
    "an encoding that nobody knows": pack(">H", 0x4000) + short(b"rot-fourteen"),
    "an id that is no text": pack(">H", 0x0400) + short(b"\xff"),
    "a time in the far future": pack(">HQ", 0x0040, 2**64 - 1),
    "a time in the far future as a header": headers(short(b"at") + b"T" + pack(">Q", 2**63)),
    "a header named by no text": headers(short(b"\xff") + b"t\1"),
    "a header of no text": headers(short(b"task") + b"S" + pack(">I", 1) + b"\xff"),
    "a list for a task": headers(short(b"task") + b"A" + pack(">I", 2) + b"t\1"),
    "headers nested deeply": headers(nested(1500)),
    "compressed": headers(short(b"compression") + b"S" + pack(">I", 4) + b"zlib"),
}


class Raw(amqp.Message):  # type: ignore[misc] # amqp has no types
    """A message whose properties are written as they are given."""

    def __init__(self, properties: bytes) -> None:
        super().__init__(b"[[1, 1], {}, {}]")
        self._written = properties

    def _serialize_properties(self) -> bytes:
        return self._written


def test_no_property_of_a_message_ends_a_worker(address: str, tmp_path: Path) -> None:
    site = stub_site(tmp_path, BROKER_URL=address)
    (tmp_path / "m.csv").write_text("path\na.jpg\n")
    parts = urlsplit(address)
    with (
        site.start("celery", "-A", "stub_worker", "worker") as worker,
        amqp.Connection(f"{parts.hostname}:{parts.port}") as connection,
    ):
        worker.await_true((tmp_path / f"up.{worker.pid}").exists, "it is up")
        before = len(worker.output)
        for properties in PROPERTIES.values():
            connection.channel().basic_publish(Raw(properties), "", "dermscore")

        def answered() -> bool:
            return worker.output[before:].count("message refused: ") >= len(PROPERTIES)

        worker.await_true(answered, "it refused them all")
        lines = worker.output[before:].splitlines()
        assert len(lines) == len(PROPERTIES), lines
        site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
        worker.await_true(lambda: site.ledger.unfinished() == 0, "it goes on")
        for word in ("Traceback", "Unrecoverable", "onnection to broker lost"):
            assert word not in worker.output
