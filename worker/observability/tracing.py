"""OpenTelemetry traces: off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set; the extra `tracing`.

Spans: `enqueue` of a producer, `batch` of a worker with `read`, `decode`, `compute` and `write`
inside. Each batch has its own trace, linked to the span that enqueued it: a run has too many
batches for one trace.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from celery import current_task
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from base.settings import forget_blanks, read_settings
from db.queries.leases import BatchKey
from db.queries.outcomes import Seconds

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
RUN, BATCH = "dermscore.run", "dermscore.batch"
NANOSECONDS = 1e9  # in a second

_PROPAGATOR = TraceContextTextMapPropagator()
# The tracer in use; it does nothing without the SDK, or until `set_up`.
_tracers: list[trace.Tracer] = [trace.NoOpTracer()]


class TracingError(click.ClickException):
    """Traces were asked for but cannot be sent; the message says what to do."""


def set_up() -> None:
    """Send traces from now on, if the environment asks for them.

    Raises:
        TracingError: the extra is not installed, or the protocol is unknown.
    """
    settings = read_settings()
    disabled = settings.otel_sdk_disabled.strip().lower() == "true"
    if disabled or not settings.otel_exporter_otlp_endpoint:
        return
    forget_blanks("OTEL_")  # the SDK reads many of them, and would take a blank for a value
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

    # This reads OTEL_RESOURCE_ATTRIBUTES and similar variables.
    provider = TracerProvider(
        resource=Resource.create({"service.name": read_settings().otel_service_name})
    )
    provider.add_span_processor(processor)
    _tracers[:] = [provider.get_tracer("dermscore")]


def _exporter() -> "SpanExporter":
    """The exporter to the endpoint; it reads the other OTEL_EXPORTER_OTLP_ variables itself."""
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
    """The span of a producer's request; `note` records its result."""
    with _tracers[0].start_as_current_span("enqueue"):
        yield


def note(runs: Sequence[int], batches: int) -> None:
    """Record the runs of a request, and how many batches were sent, in its span."""
    trace.get_current_span().set_attributes({"dermscore.runs": runs, "dermscore.batches": batches})


def headers() -> dict[str, str] | None:
    """The message headers that link a batch to the current span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier or None


@contextmanager
def batch(key: BatchKey) -> Iterator[None]:
    """The span of a message's batch; records an error that ends it."""
    attributes = {RUN: key.run_id, BATCH: key.number}
    with _tracers[0].start_as_current_span("batch", links=_links(), attributes=attributes):
        yield


def _links() -> list[trace.Link]:
    sent_with = (current_task.request.headers if current_task else None) or {}
    context = trace.get_current_span(_PROPAGATOR.extract(sent_with)).get_span_context()
    return [trace.Link(context)] if context.is_valid else []


def stages(seconds: Seconds) -> None:
    """Spans of a batch's stages, which have just ended.

    Their lengths are measured; they are placed end to end, because reading and decoding alternate,
    and so do the images of a second attempt.
    """
    attributes = getattr(trace.get_current_span(), "attributes", None)  # the SDK's spans have some
    moment = time.time_ns() - round(sum(seconds) * NANOSECONDS)
    for stage, spent in seconds._asdict().items():
        span = _tracers[0].start_span(stage, start_time=moment, attributes=attributes)
        moment += round(spent * NANOSECONDS)
        span.end(moment)
