"""Spans of real commands, kept by the SDK's in-memory exporter."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, StatusCode
from processes import PROJECT, Ledger, Site, error_lines, stub_checkpoint

from db.queries.leases import BatchKey
from db.queries.outcomes import Seconds
from worker.observability import tracing

HTTP_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
Span = dict[str, Any]


class Traced(NamedTuple):
    """A run of 25 images in batches of 10: its spans, and its ledger."""

    spans: list[Span]
    ledger: Ledger

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span["name"] == name]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    folder = tmp_path_factory.mktemp("traced")
    path = os.pathsep.join([str(PROJECT), str(PROJECT / "tests" / "helpers")])
    settings = {"STUB_MODE": "wait", "STUB_SECONDS": "0.1", "PYTHONPATH": path}
    site = Site(folder, {"CHECKPOINT": str(stub_checkpoint(folder)), **settings})
    (folder / "manifest.csv").write_text("path\n" + "".join(f"{at}.jpg\n" for at in range(25)))
    site.succeed(
        "python", "-m", "traced", "enqueue", "manifest.csv", "--allow-missing", "--batch-size", "10"
    )
    with site.start("celery", "-A", "traced", "worker", "--drain") as worker:
        assert worker.await_end() == 0, worker.last_words
    lines = (folder / "spans.jsonl").read_text().splitlines()
    return Traced([json.loads(line) for line in lines], site.ledger)


def seconds(span: Span) -> float:
    began, ended = (datetime.fromisoformat(span[key]) for key in ("start_time", "end_time"))
    return (ended - began).total_seconds()


def test_an_order_is_one_span_with_its_runs_and_batches(traced: Traced) -> None:
    (span,) = traced.named("enqueue")
    assert span["attributes"] == {"dermscore.runs": [1], "dermscore.batches": 3}
    assert span["resource"]["attributes"]["service.name"] == "dermscore"


def test_each_batch_is_a_trace_that_links_to_its_order(traced: Traced) -> None:
    (order,) = traced.named("enqueue")
    batches = traced.named("batch")
    numbers = sorted(span["attributes"]["dermscore.batch"] for span in batches)
    assert numbers == [1, 2, 3]
    assert {span["attributes"]["dermscore.run"] for span in batches} == {1}
    assert len({span["context"]["trace_id"] for span in [order, *batches]}) == 4
    for span in batches:
        (link,) = span["links"]
        assert link["context"]["span_id"] == order["context"]["span_id"]


@pytest.mark.parametrize("stage", Seconds._fields)
def test_stages_lie_within_their_batch_and_carry_its_numbers(traced: Traced, stage: str) -> None:
    batches = {span["context"]["span_id"]: span for span in traced.named("batch")}
    spans = traced.named(stage)
    assert {span["parent_id"] for span in spans} == set(batches)
    for span in spans:
        batch = batches[span["parent_id"]]
        assert span["attributes"] == batch["attributes"]
        assert batch["start_time"] <= span["start_time"] <= span["end_time"] <= batch["end_time"]


def test_computing_takes_as_long_as_the_ledger_says(traced: Traced) -> None:
    kept = dict(traced.ledger.rows("SELECT number, compute_seconds FROM batches"))
    for span in traced.named("compute"):
        # Times of spans have a resolution of microseconds.
        kept_seconds = kept[span["attributes"]["dermscore.batch"]]
        assert seconds(span) == pytest.approx(kept_seconds, abs=1e-5)


@pytest.fixture
def nothing_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_tracers", [NoOpTracer()])
    for name in (tracing.ENDPOINT, tracing.PROTOCOL, "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nothing_set_up")
def test_a_batch_that_fails_says_why() -> None:
    exporter = InMemorySpanExporter()
    tracing.use(SimpleSpanProcessor(exporter))
    with pytest.raises(ValueError, match="no disk"), tracing.batch(BatchKey(3, 7)):
        raise ValueError("no disk")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes == {"dermscore.run": 3, "dermscore.batch": 7}
    assert [event.name for event in span.events] == ["exception"]


@pytest.mark.usefixtures("nothing_set_up")
def test_nothing_is_traced_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tracing.set_up()
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing.set_up()
    assert tracing.headers() is None
    with tracing.enqueue(), tracing.batch(BatchKey(1, 1)):
        tracing.note([1], 1)
        tracing.stages(Seconds(1, 1, 1, 1))


@pytest.mark.usefixtures("nothing_set_up")
def test_a_protocol_that_nobody_speaks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setenv(tracing.PROTOCOL, "http/json")
    with pytest.raises(tracing.TracingError) as refused:
        tracing.set_up()
    message = "OTEL_EXPORTER_OTLP_PROTOCOL=http/json is neither grpc nor http/protobuf"
    assert refused.value.message == message


def test_asked_for_without_the_extra_both_commands_end_with_one_line(tmp_path: Path) -> None:
    site = Site(tmp_path, {tracing.ENDPOINT: "http://127.0.0.1:4318"})
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{HTTP_EXPORTER!r}] = None")
    site.settings["PYTHONPATH"] = str(tmp_path)
    (tmp_path / "data").mkdir()
    for command in (("producer", "enqueue", "data"), ("celery", "-A", "worker", "worker")):
        done = site.run(*command)
        assert done.code == 1
        (line,) = error_lines(done.stderr)
        assert "pip install 'dermscore[tracing]', or unset the variable" in line
