"""The worker's environment variables, read in one place."""

from pathlib import Path

from pydantic_settings import BaseSettings


class WorkerSettings(BaseSettings):
    """`BROKER_URL` (unset: the embedded broker in `QUEUE_DIR`) and `CHECKPOINT`.

    Without `CHECKPOINT` a worker first loads what the newest unfinished run needs. With it, a run's
    checkpoint that is not at its stored path is also looked for there and beside it. `HANG_SECONDS`
    is how long an image may take.

    With `SIGNING_KEY` and `SIGNING_CERTIFICATE` (PEM files, RSA) and `SIGNING_CERTIFICATES` (a
    folder of them) messages are signed, and unsigned ones refused. With `METRICS_PORT` a worker
    serves its metrics there.
    """

    broker_url: str = ""
    queue_dir: Path = Path("dermscore.queue")
    checkpoint: Path | None = None
    signing_key: str = ""
    signing_certificate: str = ""
    signing_certificates: str = ""
    hang_seconds: str = ""  # as text, so that a bad one can be told in a sentence
    metrics_port: str = ""  # read by `worker.metrics_server`: the producer does not mind a bad one
