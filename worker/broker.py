"""Which broker `BROKER_URL` names."""

import click
from kombu.transport import TRANSPORT_ALIASES, get_transport_cls

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
    scheme, separator, _ = setting.partition("://")
    try:
        if not separator:
            raise KeyError(scheme)  # noqa: TRY301 - one sentence for both faults
        get_transport_cls(scheme)
    except (KeyError, ImportError) as error:
        raise BrokerError(
            "BROKER_URL is not the address of a broker, such as redis://:password@host:6379/0"
        ) from error
    return setting
