"""Messages as anyone can write them who reaches the broker, past Celery and past the producer."""

import json
import time
from base64 import b64encode
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from processes import Process, Site, stub_checkpoint

NOTHING_AFTER = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def body(*numbers: object, **options: object) -> list[object]:
    """What a message says when it is in order: arguments, options, what runs after it."""
    return [list(numbers), options, NOTHING_AFTER]


def message(
    content: object,
    *,
    content_type: object = "application/json",
    task: object = "worker.tasks.score_batch",
    **headers: object,
) -> dict[str, Any]:
    """An envelope as kombu writes it; bytes go in as they are, anything else as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {
        "body": b64encode(data).decode(),
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": {"lang": "py", "task": task, "id": str(uuid4()), **headers},
        "properties": {
            "correlation_id": str(uuid4()),
            "delivery_info": {"exchange": "", "routing_key": "dermscore"},
            "delivery_tag": str(uuid4()),
            "body_encoding": "base64",
        },
    }


def push(site: Site, item: object, queue: str = "dermscore") -> None:
    """Put an item where the workers of `site` take the next one of a queue; bytes as they are."""
    raw = item if isinstance(item, bytes) else json.dumps(item).encode()
    url = site.settings.get("BROKER_URL")
    if url:
        with redis.from_url(url) as client:
            client.lpush(queue, raw)
        return
    draft = site.folder / "forged.msg"
    draft.write_bytes(raw)
    waiting = site.folder / "dermscore.queue" / "waiting" / f"{queue}.queue"
    waiting.mkdir(parents=True, exist_ok=True)
    draft.rename(waiting / f"{time.time_ns():020d}_{uuid4()}.msg")


def said(worker: Process, before: int, marks: tuple[str, ...]) -> list[str]:
    """The lines that a worker adds to its first `before` characters, once one has such a mark."""

    def is_said() -> bool:
        return any(mark in worker.output[before:] for mark in marks)

    worker.await_true(is_said, f"it said {marks}")
    return worker.output[before:].splitlines()


def stub_site(folder: Path, **settings: str) -> Site:
    """A folder for the stub worker, with a checkpoint of a card and a few bytes."""
    checkpoint = stub_checkpoint(folder)
    here = Path(__file__).parent
    path = f"{here.parents[1]}:{here}"
    return Site(folder, {"CHECKPOINT": str(checkpoint), "PYTHONPATH": path, **settings})
