"""OpenTelemetry traces: off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set; the extra `tracing`.

Spans: `enqueue` of a producer, `batch` of a worker with `read`, `decode`, `compute` and `write` in
it. Each batch is a trace of its own that links to the span it was enqueued by: a run has too many
batches for one trace.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from base.settings import forget_blanks, read_settings
from db.queries.ledger import BatchKey
from db.queries.outcomes import Seconds

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Link, Tracer
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
RUN, BATCH = "dermscore.run", "dermscore.batch"
NANOSECONDS = 1e9  # in a second

_tracers: "list[Tracer]" = []


class TracingError(click.ClickException):
    """Traces were asked for and cannot be had; the message says what to do."""


def set_up() -> None:
    """Send traces from now on, if they are asked for.

    Raises:
        TracingError: the extra is not installed, or the protocol is unknown.
    """
    settings = read_settings()
    disabled = settings.otel_sdk_disabled.strip().lower() == "true"
    if disabled or not settings.otel_exporter_otlp_endpoint:
        return
    forget_blanks("OTEL_")  # the SDK, which reads its many others, would take a blank for a value
    try:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        use(BatchSpanProcessor(_exporter()))
    except ImportError as error:
        raise TracingError(
            f"{ENDPOINT} asks for traces, which need the extra `tracing`: "
            "pip install 'dermscore[tracing]', or unset the variable"
        ) from error


def use(processor: "SpanProcessor") -> None:
    """Hand every span that ends from now on to `processor`."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    # OTEL_RESOURCE_ATTRIBUTES and the like are read there.
    provider = TracerProvider(
        resource=Resource.create({"service.name": read_settings().otel_service_name})
    )
    provider.add_span_processor(processor)
    _tracers[:] = [provider.get_tracer("dermscore")]


def _exporter() -> "SpanExporter":
    """What sends to the endpoint; it reads the other OTEL_EXPORTER_OTLP_ variables itself."""
    protocol = read_settings().otel_exporter_otlp_protocol
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    elif protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    else:
        raise TracingError(f"{PROTOCOL}={protocol} is neither grpc nor http/protobuf")
    exporter: SpanExporter = OTLPSpanExporter()
    return exporter


@contextmanager
def enqueue() -> Iterator[None]:
    """The span of a producer's order; `note` says what came of it."""
    with _tracers[0].start_as_current_span("enqueue") if _tracers else nullcontext():
        yield


def note(runs: Sequence[int], batches: int) -> None:
    """Put the runs of an order, and how many batches were sent, on its span."""
    if _tracers:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes({"dermscore.runs": runs, "dermscore.batches": batches})


def headers() -> dict[str, str] | None:
    """What a message carries so that its batch links to the span that is open now."""
    if not _tracers:
        return None
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    return carrier


@contextmanager
def batch(key: BatchKey) -> Iterator[None]:
    """The span of a message's batch, with any error that it ends in."""
    if not _tracers:
        yield
        return
    attributes = {RUN: key.run_id, BATCH: key.number}
    with _tracers[0].start_as_current_span("batch", links=_links(), attributes=attributes):
        yield


def _links() -> "list[Link]":
    from celery import current_task
    from opentelemetry.trace import Link, get_current_span

    sent_with = (current_task.request.headers if current_task else None) or {}
    context = get_current_span(_propagator().extract(sent_with)).get_span_context()
    return [Link(context)] if context.is_valid else []


def _propagator() -> "TraceContextTextMapPropagator":
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


def stages(seconds: Seconds) -> None:
    """Spans of a batch's stages, which have just ended.

    Their lengths are what was measured; they are laid end to end, for reading and decoding take
    turns, and so do the images of a second attempt.
    """
    if not _tracers:
        return
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import get_current_span

    current = get_current_span()
    attributes = current.attributes if isinstance(current, ReadableSpan) else None
    at = time.time_ns() - round(sum(seconds) * NANOSECONDS)
    for stage, spent in seconds._asdict().items():
        span = _tracers[0].start_span(stage, start_time=at, attributes=attributes)
        at += round(spent * NANOSECONDS)
        span.end(at)
