"""RabbitMQ as broker, where a server is at hand: `apt-get install rabbitmq-server`, as CI does."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from certificates import make_signer
from faults import SHORT_LEASE, colour_site, crew, enqueue, recovered
from forging import stub_site
from processes import PATIENCE, Site, error_lines
from servers import free_port
from tls import as_redis, tls_proxy


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[str]:
    """The address of a broker of its own, on free ports."""
    binary = shutil.which("rabbitmq-server")
    if binary is None:
        pytest.skip("no rabbitmq-server on the PATH")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)  # as root its script becomes the user rabbitmq
    port, other = free_port(), free_port()
    settings = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"dermscore{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(other),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [binary],
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await(port, process, folder)
        yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        # Its scripts pass no signal on; the server itself says who it is, once it is up.
        with suppress(FileNotFoundError):
            os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
            process.wait(PATIENCE)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _await(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        ended = process.poll() is not None or time.monotonic() > deadline
        assert not ended, (folder / "output").read_text()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
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
            "RabbitMQ + PostgreSQL",
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
        site.succeed("producer", "enqueue", "m.csv")
        site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
        assert site.ledger.unfinished() == 0
        for settings, reason in (
            ({"SSL_CERT_FILE": ""}, "certificate verify failed"),
            ({"BROKER_URL": url.replace("127.0.0.1", "localhost")}, "certificate verify failed"),
        ):
            other = Site(tmp_path, {**site.settings, **settings})
            done = other.run("celery", "-A", "stub_worker", "worker", "--drain")
            (line,) = error_lines(done.stderr)
            assert reason in line, done
