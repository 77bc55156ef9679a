"""The table of a worker's metrics."""

from collections.abc import Iterator

from prometheus_client import Gauge
from prometheus_client.core import Metric

from worker.health import metrics_server
from worker.observability import metrics

_LABELS = {
    "dermscore_checkpoint_info": {"digest", "precision"},
    "dermscore_gpu_memory_bytes": {"kind"},
}


def table() -> str:
    """Each metric with its labels and the sentence that a worker serves with it."""
    found = (*metrics.REGISTRY.collect(), *_of_the_queue(), *metrics_server.GpuMemory().collect())
    rows = {
        f"| `{_name(metric)}` | {metric.type} | {metric.documentation} |"
        for metric in found
        if metric.name.startswith("dermscore_")
    }
    process = "| `process_*` | gauge, counter | memory, processor time, open files of the process |"
    return "\n".join(["| metric | type | meaning |", "|---|---|---|", *sorted(rows), process, ""])


def _of_the_queue() -> Iterator[Metric]:
    """Those that are registered only when a worker begins to serve."""
    gauges = metrics_server.QueueGauges(None, lambda: 0)  # type: ignore[arg-type]
    for gauge in vars(gauges).values():
        if isinstance(gauge, Gauge):
            yield from gauge.collect()
            metrics.REGISTRY.unregister(gauge)


def _name(metric: Metric) -> str:
    """As Prometheus stores it, with its labels."""
    labels = {name for sample in metric.samples for name in sample.labels}
    # Of these there is no sample before a checkpoint is loaded, or without a GPU.
    labels |= _LABELS.get(metric.name, set())
    shown = "{" + ",".join(sorted(labels)) + "}" if labels else ""
    return f"{metric.name}{'_total' if metric.type == 'counter' else ''}{shown}"
