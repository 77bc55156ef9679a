"""Signed messages, if `SIGNING_KEY` and its two companions are set: Celery's `auth` serializer.

Producers and workers sign what they send, and a worker accepts only messages signed under a
certificate that it knows. The signature covers a message's body; `worker.messages` uses nothing
else from a message.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from celery import Celery
from kombu.exceptions import SerializerNotInstalled
from kombu.serialization import registry

from base.settings import Settings

SERIALIZER = "auth"
KEY, CERTIFICATE, CERTIFICATES = "SIGNING_KEY", "SIGNING_CERTIFICATE", "SIGNING_CERTIFICATES"


class SigningError(click.ClickException):
    """Messages cannot be signed as the environment asks; the message names the variable."""


def set_up_signing(app: Celery, settings: Settings) -> None:
    """Sign what `app` sends and refuse unsigned messages, if the environment asks for it.

    Raises:
        SigningError: a variable is missing, or the file that it names cannot be used.
    """
    given = {
        KEY: settings.signing_key,
        CERTIFICATE: settings.signing_certificate,
        CERTIFICATES: settings.signing_certificates,
    }
    if not any(given.values()):
        return
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise SigningError(f"to sign messages, set {' and '.join(missing)} too")
    _check(*given.values())
    app.conf.update(task_serializer=SERIALIZER, accept_content=[SERIALIZER])
    app.setup_security(
        key=given[KEY], cert=given[CERTIFICATE], store=given[CERTIFICATES], serializer="json"
    )
    # A signed message is decoded by the content type that it claims, which is not signed.
    for unsafe in ("pickle", "yaml"):
        with suppress(SerializerNotInstalled):
            registry.unregister(unsafe)  # type: ignore[no-untyped-call] # kombu's


def _check(key: str, certificate: str, certificates: str) -> None:
    """Try everything once here, where an error can be reported in one line."""
    try:
        from celery.security.certificate import Certificate, FSCertStore
        from celery.security.key import PrivateKey
        from celery.security.utils import get_digest_algorithm
    except ImportError as error:
        raise SigningError(
            f"{KEY}: to sign messages, install `cryptography` (pip install 'dermscore[signing]')"
        ) from error
    digest = get_digest_algorithm()
    with _blamed_on(KEY, key):
        signature = PrivateKey(Path(key).read_text()).sign(b"", digest)
    with _blamed_on(CERTIFICATE, certificate):
        own = Certificate(Path(certificate).read_text())
        try:
            own.verify(b"", signature, digest)
        except TypeError:  # Celery's error for a signature that does not match
            raise ValueError(f"it does not belong to the key in {KEY}") from None
    with _blamed_on(CERTIFICATES, certificates):
        stored = FSCertStore(certificates).itercerts()
        known = {listed.get_id() for listed in stored}
        if own.get_id() not in known:
            raise ValueError(f"the certificate in {CERTIFICATE} is not among them")


@contextmanager
def _blamed_on(variable: str, value: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # files, PEM and cryptography fail in many ways
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:300]
        raise SigningError(f"{variable}={value}: {reason}") from error
