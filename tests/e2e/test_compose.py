"""Every service's own command, from enqueueing a folder to its report.

Not run: what `NOT_RUN` names, for the reason it gives; of those the configuration is checked in
tests/integration/test_compose_files.py.
"""

import base64
import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest
import redis
from colours import HIGHEST, draw_number, score_of_number
from compose import services
from processes import PATIENCE, Done, Ledger, Process, stub_checkpoint
from redis.backoff import NoBackoff
from redis.retry import Retry
from stack import PASSWORDS, Stack

NOT_RUN = {
    "prometheus": "no wheel holds its server, and tests install no system package",
    "grafana": "no wheel and no system package holds its server",
    "worker-gpu1": "the worker's own command, on another GPU",
    "worker-gpu2": "the worker's own command, on another GPU",
    "worker-gpu3": "the worker's own command, on another GPU",
}
RUN = {"redis", "postgres", "migrate", "worker", "flower", "producer", "report", "trainer"}
IMAGES = 20
GRACE_SECONDS = 120  # of the worker, in docker-compose.yml


class Up(NamedTuple):
    """The stack after a folder was enqueued, scored and reported, all of it still up."""

    stack: Stack
    drawn: dict[str, float]
    broker: Process
    migrated: Done
    worker: Process
    enqueued: Done
    reported: Done

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.stack.environment("worker")["DATABASE_URL"])


def draw(folder: Path) -> dict[str, float]:
    """Images that hold their score, melanoma high and nevi low; returns path to score."""
    scores = {}
    for at in range(IMAGES):
        label, number = ("melanoma", HIGHEST - at) if at % 2 else ("nevus", at)
        path = Path("data", "test", label, f"{at}.png")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(draw_number(number))
        scores[str(path)] = score_of_number(number)
    return scores


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("stack")
    drawn = draw(folder)
    (folder / "checkpoints").mkdir()
    checkpoint = stub_checkpoint(folder / "checkpoints").relative_to(folder)
    stack = Stack(folder)
    with ExitStack() as started:
        # Not under pytest's own folder, which is closed to the server's user.
        data = Path(started.enter_context(tempfile.TemporaryDirectory()), "data")
        data.mkdir()
        broker = started.enter_context(stack.redis())
        started.enter_context(stack.postgres(data))
        broker.await_true(lambda: not stack.health("redis").code, "healthy")
        assert stack.health("postgres") == Done(
            0, f"127.0.0.1:{stack.ports['5432']} - accepting connections\n", ""
        )
        migrated = stack.run("migrate")
        worker = started.enter_context(stack.worker())
        order = ("enqueue", "data/test", "--checkpoint", str(checkpoint), "--wait")
        enqueued = stack.run("producer", *order)
        yield Up(stack, drawn, broker, migrated, worker, enqueued, stack.run("report"))


def test_every_service_is_run_here_or_has_a_reason_why_not() -> None:
    names = set(services("docker-compose.yml", PASSWORDS))
    assert set(NOT_RUN) | RUN == names
    assert not set(NOT_RUN) & RUN


def test_the_migration_upgrades_and_ends(up: Up) -> None:
    assert up.migrated.code == 0, up.migrated
    assert "schema 00" in up.migrated.stdout
    assert PASSWORDS["POSTGRES_PASSWORD"] not in up.migrated.stdout


def test_a_folder_is_enqueued_scored_and_reported(up: Up) -> None:
    assert up.enqueued.code == 0, f"{up.enqueued}\n{up.worker.last_words}"
    assert f"run 1: {IMAGES} scored, 0 unreadable" in up.enqueued.stdout
    assert up.reported.code == 0, up.reported
    assert "sensitivity" in up.reported.stdout
    assert up.ledger.scores() == up.drawn


def test_the_worker_is_healthy_once_its_checkpoint_is_loaded(up: Up) -> None:
    healthy = up.stack.health("worker")
    assert healthy.code == 0, healthy


def test_redis_wants_its_password_keeps_its_log_and_drops_nothing(up: Up) -> None:
    assert up.stack.health("redis").code == 0
    port = up.stack.ports["6379"]
    shown = [Path(f"/proc/{up.broker.pid}/{name}").read_text() for name in ("cmdline", "environ")]
    assert shown[0].startswith("redis-server")
    assert PASSWORDS["REDIS_PASSWORD"] not in "".join(shown)
    with (
        redis.Redis(port=int(port), retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    with redis.Redis(port=int(port), password=PASSWORDS["REDIS_PASSWORD"]) as client:
        # One by one: the wheel's Redis is 6.2.
        config = client.config_get("appendonly") | client.config_get("maxmemory-policy")
    assert config == {"appendonly": "yes", "maxmemory-policy": "noeviction"}


def test_postgres_wants_its_password(up: Up) -> None:
    address = up.stack.environment("worker")["DATABASE_URL"]
    wrong = address.replace(PASSWORDS["POSTGRES_PASSWORD"], "guessed")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_flower_shows_the_worker_to_those_who_know_the_password(up: Up) -> None:
    port = up.stack.ports["5555"]
    with up.stack.start("flower") as flower:
        flower.await_true(lambda: not up.stack.health("flower").code, "healthy")
        page = f"http://127.0.0.1:{port}/api/workers?refresh=1"
        with pytest.raises(HTTPError, match="401"):
            urlopen(page, timeout=PATIENCE)
        login = base64.b64encode(f"dermscore:{PASSWORDS['FLOWER_PASSWORD']}".encode()).decode()
        request = Request(page, headers={"Authorization": f"Basic {login}"})
        workers: dict[str, object] = {}

        def shown() -> bool:
            """It asks the workers anew, and gives them a second."""
            with urlopen(request, timeout=PATIENCE) as got:
                workers.update(json.load(got))
            return bool(workers)

        flower.await_true(shown, "it showed a worker")
    assert len(workers) == 1
    (name,) = workers
    assert name.startswith("celery@")


def test_the_trainer_is_there(up: Up) -> None:
    shown = up.stack.run("trainer")
    assert shown.code == 0
    assert "Usage: trainer" in shown.stdout


def test_a_worker_that_is_stopped_ends_well_and_in_time(up: Up) -> None:
    """The last test of this file: after it there is no worker."""
    up.worker.send(signal.SIGTERM)  # what `docker compose stop` sends
    assert up.worker.await_end(GRACE_SECONDS) == 0, up.worker.last_words
    assert up.ledger.unfinished() == 0
