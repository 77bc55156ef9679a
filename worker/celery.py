"""The Celery application; `celery -A worker worker` finds it here."""

import click
from celery import Celery

from base.console.foreign import for_terminal
from base.console.terminal import show_plain_forms
from base.settings import Settings, SettingsError, forget_celerys_broker, read_settings
from worker import timing
from worker.broker.address import BrokerError, broker_of, broker_tls, sentinel_options
from worker.broker.signing import SigningError, set_up_signing

_OPTIONS = [
    click.Option(["--drain"], is_flag=True, help="End when no unfinished batch is left."),
    click.Option(
        ["--profile"], metavar="DIR", help="Write TensorFlow's profile of some batches to DIR."
    ),
    click.Option(
        ["--profile-batches"],
        default=10,
        show_default=True,
        type=click.IntRange(1),
        help="How many, after the first two.",
    ),
]


def configure() -> Settings:
    """The environment's settings, without the variables that Celery would read itself.

    Raises:
        SettingsError: one of them is invalid.
    """
    settings = read_settings()
    forget_celerys_broker(settings.broker_url)
    return settings


def make_celery_app(settings: Settings) -> Celery:
    """The application of these settings.

    Raises:
        BrokerError: the broker's address is invalid.
        SigningError: messages cannot be signed as the settings ask.
    """
    broker = broker_of(settings)
    app = Celery(
        "dermscore", include=["worker.tasks", "worker.lifecycle", "worker.observability.log"]
    )
    # Celery reads this before it imports the modules above.
    app.user_options["worker"].update(_OPTIONS)
    app.conf.update(
        broker_url=broker,
        broker_use_ssl=broker_tls(broker),
        broker_transport_options={
            # The embedded broker's folder; the others are for Redis. Each transport takes its own.
            "queue_dir": str(settings.queue_dir),
            "visibility_timeout": timing.VISIBILITY_SECONDS,
            "unacked_restore_interval": timing.RESTORE_SECONDS,
            "unacked_restore_throttle": 1,
            "socket_timeout": timing.SOCKET_SECONDS,
            "socket_connect_timeout": timing.CONNECT_SECONDS,
            "socket_keepalive": True,
            **sentinel_options(settings),
        },
        task_default_queue="dermscore",
        task_serializer="json",
        accept_content=["json"],
        worker_consumer="worker.messages:Consumer",
        task_ignore_result=True,
        # A message is done when the ledger says so, not when it is read.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # One process owns the model; the second thread decodes while the first computes.
        worker_pool="threads",
        worker_concurrency=2,
        worker_soft_shutdown_timeout=timing.SOFT_SHUTDOWN_SECONDS,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        # Celery would end the worker after a hundred attempts, within three quarters of an hour.
        broker_connection_max_retries=None,
        # A queue folder that is away for a moment should not end the worker.
        broker_channel_error_retry=True,
        # The publisher gives up within seconds and says so: the batches stay in the ledger.
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0.2, "interval_max": 1},
    )
    set_up_signing(app, settings)
    return app


show_plain_forms()
try:
    settings = configure()
    app = make_celery_app(settings)
except (BrokerError, SettingsError, SigningError) as error:
    # Celery would print any other exception of this module as a traceback.
    raise SystemExit(for_terminal(f"Error: {error.message}")) from error
