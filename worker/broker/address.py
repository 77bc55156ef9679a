"""Which broker `BROKER_URL` names."""

import re
import ssl
from urllib.parse import urlsplit, urlunsplit

import click
from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.url import parse_url, sanitize_url

from base.settings import Settings
from worker import timing
from worker.broker.embedded import BROKER_URL

# By name, so that their clients are imported only where they are used.
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "worker.broker.redis_transport:Transport"
TRANSPORT_ALIASES["sentinel"] = "worker.broker.redis_transport:SentinelTransport"
TRANSPORT_ALIASES["amqp"] = "worker.broker.amqp_transport:Transport"
TRANSPORT_ALIASES["amqps"] = "worker.broker.amqp_transport:SSLTransport"

SCHEMES = ("redis", "rediss", "sentinel", "amqp", "amqps")
_NUMBERED = ("redis", "rediss", "sentinel")  # their databases have numbers
_SENTINEL = "sentinel://"


class BrokerError(click.ClickException):
    """The broker cannot be used; unfinished batches stay in the ledger."""


def broker_url(setting: str) -> str:
    """The broker's address; without a setting the embedded broker's.

    Raises:
        BrokerError: the setting is not an address, or its broker is not supported.
    """
    if not setting:
        return BROKER_URL
    addresses = setting.split(";")  # several, if one can stand in for another
    for address in addresses:
        _check(address)
    if len({address.partition("://")[0] for address in addresses}) > 1:
        raise BrokerError("BROKER_URL: of several addresses all must begin with the same scheme")
    return ";".join(_alike(addresses)) if setting.startswith(_SENTINEL) else setting


def broker_of(settings: Settings) -> str:
    """The address of the broker in the settings.

    Raises:
        BrokerError: as in `broker_url`; or it names sentinels, but BROKER_MASTER is not set.
    """
    address = broker_url(settings.broker_url)
    if address.startswith(_SENTINEL) and not settings.broker_master:
        raise BrokerError(
            "BROKER_URL names sentinels: set BROKER_MASTER to the name that they know the master "
            "by, the one in `sentinel monitor NAME ...`"
        )
    return address


def sentinel_options(settings: Settings) -> dict[str, object]:
    """Options for kombu's transport if the broker is a Redis behind sentinels; else empty."""
    if not settings.broker_url.startswith(_SENTINEL):
        return {}
    from redis.backoff import NoBackoff  # deferred: others need no client of Redis
    from redis.retry import Retry

    asking: dict[str, object] = {
        # Each sentinel is asked once; redis-py would wait for seconds between three tries.
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timing.SENTINEL_SECONDS,
        "socket_connect_timeout": timing.SENTINEL_SECONDS,
    }
    if settings.broker_sentinel_password:
        asking["password"] = settings.broker_sentinel_password
    return {
        "master_name": settings.broker_master,
        "sentinel_kwargs": asking,
        "socket_timeout": timing.MASTER_SECONDS,
        "health_check_interval": timing.MASTER_SECONDS,
    }


def without_password(setting: str) -> str:
    """The address without its password, to be shown."""
    return ";".join(sanitize_url(address, mask="***") for address in setting.split(";"))


def broker_tls(address: str) -> dict[str, object] | None:
    """The TLS options for an address that asks for TLS without options of its own; else None.

    Without them kombu would accept any server's certificate; options in the address
    (`?ssl_ca_certs=FILE`) take precedence.
    """
    if address.startswith("rediss://"):
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    if address.startswith("amqps://"):  # None: kombu takes the name from the address
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    return None


def _check(address: str) -> None:
    scheme, separator, _ = address.partition("://")
    if separator and scheme not in SCHEMES and re.fullmatch("[a-z][a-z0-9+.-]{0,30}", scheme):
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise BrokerError(
            f"BROKER_URL: {scheme}:// is not a supported broker; use one of {known}, or leave "
            "it unset for the embedded broker in QUEUE_DIR"
        )
    try:
        if scheme not in SCHEMES or _is_cut_short(address):
            raise KeyError(scheme)
        host = parse_url(address)
        if scheme in _NUMBERED:
            int(host["virtual_host"] or 0)
    except (AttributeError, ImportError, LookupError, TypeError, ValueError):
        # `from None`: the original error would show the address with its password.
        raise BrokerError(
            "BROKER_URL is not the address of a broker, such as redis://:password@host:6379/0 "
            "(in a password write %2F for /, %23 for #, %3F for ?, %40 for @)"
        ) from None
    if scheme in _NUMBERED and host["userid"] and not host["password"]:
        # As a user's name it would be shown, and Redis would say that it is wrong.
        raise BrokerError(
            f"BROKER_URL: a colon is missing before the password: {scheme}://:password@host"
        )


def _is_cut_short(address: str) -> bool:
    """Whether a sign in the password ends the part that holds it, so that the rest is the host."""
    parts = urlsplit(address)
    no_host = parts.port is not None and not parts.hostname
    return "#" in address or no_host or ("@" in parts.query and "@" not in parts.netloc)


def _alike(addresses: list[str]) -> list[str]:
    """Every sentinel's address, with the login and database of the first one that has them.

    kombu asks all sentinels and takes both from the current address, which changes when a sentinel
    does not answer.
    """
    parts = [urlsplit(address) for address in addresses]
    login = next((part.netloc.rpartition("@")[0] for part in parts if "@" in part.netloc), "")
    path = next((part.path for part in parts if part.path.strip("/")), "/0")
    return [
        urlunsplit((
            part.scheme,
            f"{login}@{part.netloc.rpartition('@')[2]}" if login else part.netloc,
            path,
            part.query,
            "",
        ))
        for part in parts
    ]  # fmt: skip
