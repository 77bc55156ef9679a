"""The real producer, killed at points that are armed from outside.

`python stub_producer.py enqueue SOURCE`: as in `stub_worker`, a file `die.POINT` kills the process
that comes to the point, once: stage, cut, publish, publishing, in the order in which an `enqueue`
comes by. Chunks are small, so that a few hundred images make several.
"""

import itertools
from collections.abc import Callable
from typing import Any

from points import die_at, then_die_at

import producer.enqueue
import worker.publish
from db.queries.listing import cut_batches
from producer.cli import main
from worker.celery import app

CHUNK = 100  # images
SENT = 5  # messages before the last point


def first_die_at(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        die_at(point)
        return function(*args, **kwargs)

    return wrapped


def die_while_sending(function: Callable[..., Any]) -> Callable[..., Any]:
    sent = itertools.count()

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if next(sent) == SENT:
            die_at("publishing")
        return function(*args, **kwargs)

    return wrapped


producer.enqueue.CHUNK = CHUNK
producer.enqueue._stage_chunk = then_die_at("stage", producer.enqueue._stage_chunk)  # noqa: SLF001
producer.enqueue.cut_batches = first_die_at("cut", cut_batches)  # type: ignore[attr-defined] # imported there
worker.publish.publish = first_die_at("publish", worker.publish.publish)
app.send_task = die_while_sending(app.send_task)

if __name__ == "__main__":
    main()
