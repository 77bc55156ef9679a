"""Where faults are injected: sites of their own on either pair of broker and database."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from faults import EMBEDDED, colour_site
from processes import Site
from servers import RedisServer, new_database, redis_server

# Databases of one Redis; each site has its own.
REDIS_DATABASES = 16
STUB: Mapping[str, str] = {}


class Ground:
    """Makes sites; on servers each has a database of PostgreSQL and one of Redis.

    `engine` is what sites set for another engine than the stub.
    """

    def __init__(
        self, folder: Path, redis: RedisServer, postgres_uri: str, engine: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self._engine = engine
        self._redis = redis
        self._postgres_uri = postgres_uri
        self._numbers = itertools.count()
        self._on_redis = itertools.count()

    @property
    def hang_seconds(self) -> str:
        """Longer than anything takes that does not hang; a real engine is loaded at each start."""
        return "30" if self._engine else "10"

    def site(self, backend: str, **settings: str) -> Site:
        """An empty site."""
        folder = self.folder / str(next(self._numbers))
        return colour_site(folder, **{**self._engine, **self.addresses(backend), **settings})

    def addresses(self, backend: str) -> dict[str, str]:
        """What names broker and database in a site's environment."""
        if backend == EMBEDDED:
            return {}
        number = next(self._on_redis)
        assert number < REDIS_DATABASES
        name = f"{self.folder.name}_{number}".replace("-", "_")
        return {
            "BROKER_URL": self._redis.url.rsplit("/", 1)[0] + f"/{number}",
            "DATABASE_URL": new_database(self._postgres_uri, name),
        }


@contextmanager
def ground(folder: Path, postgres_uri: str, engine: Mapping[str, str] = STUB) -> Iterator[Ground]:
    """A ground with a Redis of its own."""
    with ExitStack() as started:
        redis = started.enter_context(redis_server(folder / "redis"))
        yield Ground(folder, redis, postgres_uri, engine)
