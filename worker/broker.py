"""Which broker `BROKER_URL` names."""

import ssl

import click
from kombu.transport import TRANSPORT_ALIASES, get_transport_cls
from kombu.utils.url import parse_url, sanitize_url

from worker.transport import BROKER_URL

for _scheme in ("redis", "rediss"):  # by name: the embedded broker needs no client of Redis
    TRANSPORT_ALIASES[_scheme] = "worker.redis_transport:Transport"


class BrokerError(click.ClickException):
    """The broker cannot be used; what is owed stays in the ledger."""


def broker_url(setting: str) -> str:
    """The broker's address; without a setting the embedded one.

    Raises:
        BrokerError: the setting is no address, or of a transport that is not installed.
    """
    if not setting:
        return BROKER_URL
    for one in setting.split(";"):  # several, where one stands in for another
        _check(one)
    return setting


def without_password(setting: str) -> str:
    """The address as it may be shown."""
    return ";".join(sanitize_url(one, mask="***") for one in setting.split(";"))


def broker_tls(address: str) -> dict[str, object] | None:
    """How TLS is spoken where the address asks for it and says no more.

    kombu would then take whoever answers; an address that says more (`?ssl_ca_certs=FILE`) goes
    before this.
    """
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED} if address.startswith("rediss://") else None


def _check(address: str) -> None:
    scheme, separator, _ = address.partition("://")
    try:
        if not separator:
            raise KeyError(scheme)
        get_transport_cls(scheme)
        host = parse_url(address)
        if scheme in ("redis", "rediss"):
            int(host["virtual_host"] or 0)
    except (AttributeError, ImportError, LookupError, TypeError, ValueError):
        # Nothing of what was tried: it would be shown with the error, the password included.
        raise BrokerError(
            "BROKER_URL is not the address of a broker, such as redis://:password@host:6379/0 "
            "(in a password write %2F for /, %23 for #, %3F for ?, %40 for @)"
        ) from None
