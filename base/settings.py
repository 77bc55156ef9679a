"""All environment variables of all programs, read and validated in this one place.

A variable that is empty or blank counts as unset. Whether a path or an address exists is checked
where it is used.
"""

import os
from pathlib import Path
from typing import Annotated, Any, NoReturn

import click
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# More than any machine has; TensorFlow would start them all, and crash without a message.
MOST_THREADS = 4096
# An image takes seconds at most, and a file on network storage some minutes at worst.
HANG_SECONDS = 300.0
LEAST_HANG_SECONDS, MOST_HANG_SECONDS = 1.0, 86_400.0
HIGHEST_PORT = 65_535
CELERYS_BROKERS = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
# How much of a value a message shows.
_SHOWN_CHARACTERS = 40


class SettingsError(click.ClickException):
    """An environment variable has an invalid value; the message names both."""


def _threads(value: object) -> int | None:
    number = _whole_number(value)
    if number is not None and not 0 < number <= MOST_THREADS:
        raise ValueError(f"is not a whole number from 1 to {MOST_THREADS}")
    return number


def _port(value: object) -> int | None:
    number = _whole_number(value)
    if number is not None and not 0 <= number <= HIGHEST_PORT:
        raise ValueError(f"is not a port, a whole number from 0 to {HIGHEST_PORT}")
    return number


def _whole_number(value: object) -> int | None:
    """The number written in digits; None for None, -1 for anything else."""
    if value is None:
        return None
    text = str(value).strip()
    # Nine digits are more than any limit here, and are read quickly however long the text is.
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else -1


def _hang_seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    if not LEAST_HANG_SECONDS <= seconds <= MOST_HANG_SECONDS:  # NaN is neither
        raise ValueError(
            f"is not a number of seconds from {LEAST_HANG_SECONDS:.0f} to {MOST_HANG_SECONDS:.0f}"
        )
    return seconds


def _absolute(value: object) -> Path:
    """The absolute path, because the working directory may change."""
    return Path(str(value)).absolute()


def _variable(default: Any, meaning: str, shown: str | None = None) -> Any:  # noqa: ANN401 - as pydantic's Field
    """A variable's default and meaning; docs/reference/settings.md shows `shown` as default."""
    return Field(
        default,
        description=meaning,
        validate_default=True,
        json_schema_extra={"shown": str(default) if shown is None else shown},
    )


class Settings(BaseSettings):
    """The variables, by their names in lower case; made by `read_settings`."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    data_root: str = _variable(
        "",
        "all images lie under it; stored paths are relative to it, and each worker resolves them "
        "under its own. Or an address: `s3://bucket/folder`, `gs://`, `az://`, `https://`",
        "the working directory",
    )
    database_url: str = _variable(
        "sqlite:///dermscore.db", "or `postgresql://user:password@host/name`"
    )
    broker_url: str = _variable(
        "",
        "or `redis://:password@host:6379/0`, `rediss://`, `sentinel://`, `amqp://`, `amqps://` "
        "([deployment.md](../deployment.md#the-broker))",
        "the embedded broker",
    )
    broker_master: str = _variable(
        "", "with `sentinel://`: the name under which the sentinels know the master", "none"
    )
    broker_sentinel_password: str = _variable(
        "", "with `sentinel://`: the password of the sentinels themselves", "none"
    )
    queue_dir: Annotated[Path, BeforeValidator(_absolute)] = _variable(
        "dermscore.queue", "the embedded broker's folder"
    )
    feature_cache: Annotated[Path, BeforeValidator(_absolute)] = _variable(
        "dermscore.features",
        "features that the trainer, or a run with `--keep-features`, has computed already, and the "
        "graphs of checkpoints that a worker has loaded",
    )
    threads: Annotated[int | None, BeforeValidator(_threads)] = _variable(
        None,
        "TensorFlow's threads in one process; a container's limit counts",
        "the cores it may use",
    )
    hang_seconds: Annotated[float, BeforeValidator(_hang_seconds)] = _variable(
        HANG_SECONDS,
        "seconds an image may take (a batch: as much again for every 32, where each view of "
        "`--views` counts) before the worker ends with exit code 70",
        f"{HANG_SECONDS:.0f}",
    )
    metrics_port: Annotated[int | None, BeforeValidator(_port)] = _variable(
        None, "a worker serves Prometheus metrics there; 0 takes any port that is free", "none"
    )
    metrics_host: str = _variable(
        "127.0.0.1",
        "the address that they are served on; `0.0.0.0` is every address of the machine, `::` "
        "those of IPv6 too",
    )
    checkpoint: Path | None = _variable(
        None,
        "the checkpoint that `producer` enqueues for and a worker loads first; a run's checkpoint "
        "that is not at its stored path is also looked for there and in the same folder",
        "the newest known",
    )
    signing_key: str = _variable(
        "",
        "PEM file of an RSA key that messages are signed with ([SECURITY.md](../../SECURITY.md))",
        "none",
    )  # fmt: skip
    signing_certificate: str = _variable("", "PEM file of the certificate of that key", "none")
    signing_certificates: str = _variable(
        "", "folder of the certificates whose messages a worker takes", "none"
    )
    otel_exporter_otlp_endpoint: str = _variable(
        "", "traces are sent there ([deployment.md](../deployment.md#traces))", "none"
    )
    otel_exporter_otlp_protocol: str = _variable("http/protobuf", "or `grpc`")
    otel_service_name: str = _variable("dermscore", "what traces call this program")
    otel_sdk_disabled: str = _variable("", "`true` sends no traces", "none")

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if str(value).strip()}


def read_settings() -> Settings:
    """The settings as they are in the environment now.

    Raises:
        SettingsError: a variable has an invalid value.
    """
    try:
        return Settings()
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]).upper()
    reason = first.get("ctx", {}).get("error", first["msg"])
    shown = str(first["input"]).strip()[:_SHOWN_CHARACTERS]
    raise SettingsError(f"{name}={shown} {reason}") from None


def forget_celerys_broker(ours: str) -> None:
    """Unset the variables with which Celery would use another broker than `BROKER_URL`, `ours`.

    Celery's command line sets one of them from `BROKER_URL` as it was typed, or from `--broker`.

    Raises:
        SettingsError: one of them names another broker, which the producer would not use.
    """
    for name in CELERYS_BROKERS:
        given = os.environ.pop(name, "").strip()
        if given and given != ours.strip():
            raise SettingsError(
                f"{name}, or --broker, names another broker than BROKER_URL: set BROKER_URL alone, "
                "which producer and workers read"
            )


def forget_blanks(prefix: str) -> None:
    """Unset the blank ones among the variables that a library reads itself."""
    for name in [name for name, value in os.environ.items() if not value.strip()]:
        if name.startswith(prefix):
            del os.environ[name]
