"""Which broker `BROKER_URL` names."""

from urllib.parse import urlsplit

import click
from kombu.transport import get_transport_cls
from kombu.utils.url import parse_url, sanitize_url

import worker.redis_queue  # noqa: F401 - registers itself with kombu
from worker.transport import BROKER_URL


class BrokerError(click.ClickException):
    """The broker cannot be used; what is owed stays in the ledger."""


def broker_url(setting: str) -> str:
    """The broker's address; without a setting the embedded one.

    Raises:
        BrokerError: the setting is no address, or of a transport that is not installed.
    """
    if not setting:
        return BROKER_URL
    addresses = setting.split(";")  # several, where one stands in for another
    for one in addresses:
        _check(one)
    return ";".join(_verified(one) for one in addresses)


def without_password(setting: str) -> str:
    """The address as it may be shown."""
    return ";".join(sanitize_url(one, mask="***") for one in setting.split(";"))


def _verified(address: str) -> str:
    """Over TLS to whom the certificate names; kombu would ask for none unless told to."""
    if not address.startswith("rediss://") or "ssl_" in urlsplit(address).query:
        return address
    return f"{address}{'&' if '?' in address else '?'}ssl_cert_reqs=required"


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
