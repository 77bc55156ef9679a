"""Passwords in addresses work, and are never shown; TLS is asked for by the address."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest
from certificates import Signer, make_signer
from forging import stub_site
from processes import PATIENCE, Site, error_lines
from servers import RedisServer, free_port, redis_server
from tls import as_postgresql, as_redis, tls_proxy

from worker.timing import SOCKET_SECONDS

PASSWORD = "hunq/terx@2#s3z?cretz"
TYPED = quote(PASSWORD, safe="")
PIECES = ("hunq", "terx", "s3z", "cretz")


def run_all(site: Site) -> str:
    """The whole way, `producer enqueue` to a drained worker; returns all that was printed."""
    (site.folder / "m.csv").write_text("path\na.jpg\n")
    printed = [
        site.succeed("producer", "enqueue", "m.csv", "--allow-missing"),
        site.succeed("celery", "-A", "stub_worker", "worker", "--drain"),
        site.succeed("producer", "status"),
    ]
    assert site.ledger.unfinished() == 0
    return "".join(done.stdout + done.stderr for done in printed)


def refusals(site: Site) -> list[str]:
    """The one line of the producer, and that of the worker."""
    (site.folder / "m.csv").write_text("path\na.jpg\n")
    lines = []
    for command in (
        ("producer", "enqueue", "m.csv", "--allow-missing"),
        ("celery", "-A", "stub_worker", "worker", "--drain"),
    ):
        done = site.run(*command)
        assert done.code == 1, done
        assert "Traceback" not in done.stderr, done
        assert_unseen(done.stdout + done.stderr)
        lines += error_lines(done.stderr)
    assert len(lines) == 2
    return lines


def assert_unseen(printed: str) -> None:
    seen = [piece for piece in PIECES if piece in printed]
    assert seen == [], printed


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that asks for the password."""
    with redis_server(tmp_path_factory.mktemp("locked")) as server:
        with server.client() as client:
            client.config_set("requirepass", PASSWORD)
        yield server


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return make_signer(tmp_path_factory.mktemp("tls"), "server")


def test_redis_with_its_password(locked: RedisServer, tmp_path: Path) -> None:
    address = f"redis://:{TYPED}@127.0.0.1:{locked.port}/0"

    printed = run_all(stub_site(tmp_path, BROKER_URL=address))

    assert f"broker redis://:***@127.0.0.1:{locked.port}/0" in printed
    assert_unseen(printed)


@pytest.mark.parametrize("password", ["", ":hunqterx2@", ":hunq%2Fterx%402@"])
def test_redis_with_a_wrong_password(locked: RedisServer, tmp_path: Path, password: str) -> None:
    address = f"redis://{password}127.0.0.1:{locked.port}/0"

    for line in refusals(stub_site(tmp_path, BROKER_URL=address)):
        assert f"127.0.0.1:{locked.port}" in line
        assert "(BROKER_URL)" in line
        assert "password" in line or "Authentication" in line


def test_redis_over_tls(locked: RedisServer, signer: Signer, tmp_path: Path) -> None:
    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", locked.port))

    with tls_proxy(connect, signer, as_redis) as port:
        address = f"rediss://:{TYPED}@127.0.0.1:{port}/0"
        known = f"{address}?ssl_cert_reqs=required&ssl_ca_certs={signer.certificate}"
        assert_unseen(run_all(stub_site(tmp_path, BROKER_URL=known)))
        (tmp_path / "other").mkdir()
        for line in refusals(stub_site(tmp_path / "other", BROKER_URL=address)):
            assert "certificate verify failed" in line


def test_redis_that_speaks_no_tls(locked: RedisServer, tmp_path: Path) -> None:
    began = time.monotonic()
    for line in refusals(
        stub_site(tmp_path, BROKER_URL=f"rediss://:{TYPED}@127.0.0.1:{locked.port}")
    ):
        assert "no answer in TLS: an address without it is redis://" in line
    assert time.monotonic() - began < SOCKET_SECONDS, "as long as for the answer to a command"


@pytest.mark.parametrize(
    "address",
    [
        "redis://:hunq/terx@127.0.0.1:1/0",
        "redis://:hunq#terx@127.0.0.1:1/0",
        "redis://:12#hunqterx@127.0.0.1:1/0",  # 12 would be a port of this machine
        "redis://:12?hunqterx@127.0.0.1:1/0",
        "redis://ana:12?hunqterx@127.0.0.1:1/0",
        "redis://:hunqterx@127.0.0.1:s3z/0",
        "redis://:hunqterx@127.0.0.1:1/s3z",
        "redis://127.0.0.1:1/0?password=hunqterx",
        "rediss://:hunqterx@127.0.0.1:1/0?ssl_cert_reqs=s3z",
        "redis://:hunqterx@127.0.0.1:1/0;redis://:hunq/terx@127.0.0.1:1/0",
        "hunqterx",
    ],
)
def test_an_address_that_is_no_brokers_is_not_shown(tmp_path: Path, address: str) -> None:
    for line in refusals(stub_site(tmp_path, BROKER_URL=address)):
        assert "BROKER_URL is not the address of a broker" in line


def test_a_password_in_the_place_of_a_name_is_not_shown(tmp_path: Path) -> None:
    for line in refusals(stub_site(tmp_path, BROKER_URL="redis://hunqterx@127.0.0.1:1/0")):
        assert "BROKER_URL: a colon is missing before the password" in line


def test_of_several_brokers_no_password_is_shown(tmp_path: Path) -> None:
    one, two = (f"redis://:{TYPED}@127.0.0.1:{free_port()}/0" for _ in range(2))

    for line in refusals(stub_site(tmp_path, BROKER_URL=f"{one};{two}")):
        assert line.count(":***@") == 2


@pytest.fixture(scope="module")
def postgres_socket(postgres_uri: str) -> str:
    """The folder of the server's socket; a role `ana` must give its password there."""
    with psycopg.connect(postgres_uri, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE ana LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        ((name,),) = connection.execute("SHOW hba_file").fetchall()
        file = Path(name)
        rules = file.read_text()
        file.write_text(f"local all ana scram-sha-256\n{rules}")
        connection.execute("SELECT pg_reload_conf()")
    folder = parse_qs(urlsplit(postgres_uri).query)["host"][0]
    deadline = time.monotonic() + PATIENCE
    while _lets_in(folder):  # it reads its rules some time after it was told to
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return folder


def _lets_in(folder: str) -> bool:
    """Whether the server takes `ana` with a wrong password."""
    try:
        psycopg.connect(host=folder, user="ana", password="wrong", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def test_postgresql_with_its_password(
    postgres_url: str, postgres_socket: str, tmp_path: Path
) -> None:
    name = urlsplit(postgres_url).path
    address = f"postgresql://ana:{TYPED}@{name}?host={postgres_socket}"

    printed = run_all(stub_site(tmp_path, DATABASE_URL=address))

    assert "database postgresql://ana:***@" in printed
    assert_unseen(printed)


@pytest.mark.parametrize("where", ["user", "parameter"])
def test_postgresql_with_a_wrong_password(
    postgres_url: str, postgres_socket: str, tmp_path: Path, where: str
) -> None:
    name = urlsplit(postgres_url).path
    address = {
        "user": f"postgresql://ana:hunqterx@{name}?host={postgres_socket}",
        "parameter": f"postgresql://{name}?host={postgres_socket}&user=ana&password=hunqterx",
    }[where]

    for line in refusals(stub_site(tmp_path, DATABASE_URL=address)):
        assert 'password authentication failed for user "ana"' in line
        assert "***" in line
        assert "(DATABASE_URL)" in line


def test_postgresql_over_tls(
    postgres_url: str, postgres_socket: str, signer: Signer, tmp_path: Path
) -> None:
    def connect() -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(next(Path(postgres_socket).glob(".s.PGSQL.*[0-9]"))))
        return server

    name = urlsplit(postgres_url).path
    with tls_proxy(connect, signer, as_postgresql) as port:
        address = f"postgresql://ana:{TYPED}@127.0.0.1:{port}{name}?sslmode=verify-full"
        known = f"{address}&sslrootcert={signer.certificate}"
        other = make_signer(tmp_path / "other", "server").certificate
        assert_unseen(run_all(stub_site(tmp_path, DATABASE_URL=known)))
        for line in refusals(stub_site(tmp_path, DATABASE_URL=f"{address}&sslrootcert={other}")):
            assert "certificate verify failed" in line


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ana:hunq@terx@127.0.0.1:1/lesions",
        "postgresql://ana:x@hunq/terx@127.0.0.1:1/lesions",
        "postgresql://127.0.0.1:1/lesions?user=ana&password=hunqterx",
        "postgresql://ana:hunqterx@127.0.0.1:1/lesions?sslmode=s",
        "postgresql://ana:hunqterx@127.0.0.1:1/lesions?sslpassword=hunqterx",
    ],
)
def test_a_bad_address_of_a_database_is_shown_without_its_password(
    tmp_path: Path, address: str
) -> None:
    for line in refusals(stub_site(tmp_path, DATABASE_URL=address)):
        assert "DATABASE_URL" in line


@pytest.mark.parametrize("command", [("producer", "enqueue"), ("producer", "status"), ("report",)])
def test_help_shows_no_password(tmp_path: Path, command: tuple[str, ...]) -> None:
    site = stub_site(
        tmp_path,
        BROKER_URL=f"redis://:{TYPED}@host/0",
        DATABASE_URL=f"postgresql://a:{TYPED}@host/b",
    )

    assert_unseen(site.succeed(*command, "--help").stdout)
