"""Commands that keep their spans in memory, and write them to `spans.jsonl` when they end.

`celery -A traced worker` is the stub worker, `python -m traced` is `producer`.
"""

import atexit
from pathlib import Path

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from stub_worker import app

from producer.cli import main
from worker.observability import tracing

__all__ = ["app"]

_exporter = InMemorySpanExporter()
tracing.use(SimpleSpanProcessor(_exporter))


@atexit.register
def _write() -> None:
    with Path("spans.jsonl").open("a") as file:
        file.writelines(f"{span.to_json(None)}\n" for span in _exporter.get_finished_spans())


if __name__ == "__main__":
    main()
