"""The times that workers keep, in seconds, and the relations that must hold between them.

A time that a lower package needs is defined there; its relations are checked here all the same.
"""

from base.settings import HANG_SECONDS, LEAST_HANG_SECONDS
from db.connection.engine import BUSY_SECONDS, POSTGRES
from db.queries.workers import ALIVE_SECONDS
from db.throughput import WINDOW_SECONDS

# Leases: measured by the database's clock and renewed with each beat while the worker lives.
LEASE_SECONDS = 30.0
BEAT_SECONDS = 5.0
# How long a worker that ends waits for a database that is away.
BEAT_END_SECONDS = 2.0
# A worker's transactions take milliseconds. A transaction of a worker that is cut off or stands
# still would hold its rows for hours, and block everything that needs them; so PostgreSQL ends it.
STANDSTILL_SECONDS = 20.0

# Upkeep: how often a worker sweeps, and how often a draining worker checks for unfinished batches:
# at least, and at most if it is asked to after each batch.
SWEEP_SECONDS = 5.0
DRAIN_SECONDS = 0.5
DRAIN_AGAIN_SECONDS = 0.1
# A message that no worker took for this long, while the queue is empty, was lost.
REPUBLISH_SECONDS = 30.0
# How long a worker waits before it tries to load a checkpoint again.
CHECKPOINT_RETRY_SECONDS = 10.0
# How old the figures of ledger and queue may be in the metrics.
METRICS_SECONDS = SWEEP_SECONDS

# Health: how often the watchdog looks, and how long noting a hung load may take.
WATCHDOG_SECONDS = 1.0
HUNG_NOTE_SECONDS = 10.0
# A batch may take another HANG_SECONDS for every so many images: nine seconds for each.
IMAGES_PER_HANG = 32
# How long the filter of TensorFlow's output may take to answer.
NATIVE_ANSWER_SECONDS = 1.0

# How long scoring waits at most until it is known how fast a precision is. One run of the network
# aims at the second figure, and there are six.
SPEED_SECONDS = 10.0
SPEED_RUN_SECONDS = 0.5

# The end: how often it checks what is still being scored, and how long it waits when it should
# hurry: a little longer than one batch takes on two cores.
ENDING_SECONDS = 0.1
SOFT_SHUTDOWN_SECONDS = 10

# A database that is away is asked again after the pause. An outage is logged at once, and then
# often enough that the end of a long log still shows it. A full disk still accepts a little now and
# then: a database that fails again before it was steady for so long is in the same outage.
DATABASE_PAUSE_SECONDS = 1.0
DATABASE_REMINDER_SECONDS = 60.0
DATABASE_STEADY_SECONDS = 10.0

# The same for a broker; one that can be reached but not used is lost again within a second.
BROKER_REMINDER_SECONDS = 60.0
BROKER_STEADY_SECONDS = 1.5
# When Redis hands an unacknowledged message to another worker: this only tidies up after leases.
VISIBILITY_SECONDS = 600
RESTORE_SECONDS = 10
SOCKET_SECONDS = 30
CONNECT_SECONDS = 5
FIRST_CONNECT_SECONDS = 10
# A sentinel that is away should not delay the question to the next one for longer.
SENTINEL_SECONDS = 2.0
# A master that stands still is given up after about ten seconds; the sentinels have another then.
MASTER_SECONDS = 5
# How often the owner of an embedded mailbox touches it, and when an untouched one counts as dead.
MAILBOX_TOUCH_SECONDS = 60.0
MAILBOX_DEAD_SECONDS = 3600.0

# Batches that take less than this are counted together.
SHORT_BATCH_SECONDS = 0.5


class TimingError(Exception):
    """Two times contradict each other; the message says which, and why it matters."""


def check() -> None:
    """Check the relations between the times.

    Raises:
        TimingError: a relation does not hold.
    """
    silence = POSTGRES["keepalives_idle"] + (
        POSTGRES["keepalives_interval"] * POSTGRES["keepalives_count"]
    )
    relations = {
        "one slow beat must not cost a lease": 3 * BEAT_SECONDS < LEASE_SECONDS,
        "a worker that missed three beats lives": 4 * BEAT_SECONDS <= ALIVE_SECONDS,
        "a stopped transaction must end before its lease": STANDSTILL_SECONDS < LEASE_SECONDS,
        "a vanished database must be noticed before a lease ends": silence < LEASE_SECONDS,
        "sent and unsent silence are noticed alike": silence * 1000 == POSTGRES["tcp_user_timeout"],
        "a lost message must be seen by a sweep": SWEEP_SECONDS < REPUBLISH_SECONDS,
        "a drain looks more often than a sweep": DRAIN_SECONDS < SWEEP_SECONDS,
        "a drain may look again before it must": DRAIN_AGAIN_SECONDS < DRAIN_SECONDS,
        "a batch sent again must meet a new try": 2 * CHECKPOINT_RETRY_SECONDS < REPUBLISH_SECONDS,
        "leases must lapse long before Redis hands out again": 10 * LEASE_SECONDS
        < VISIBILITY_SECONDS,
        "the watchdog must see the shortest limit": WATCHDOG_SECONDS <= LEAST_HANG_SECONDS,
        "a hung load must be noted while it is noticed": HUNG_NOTE_SECONDS < LEASE_SECONDS,
        "a timing must not take a lease's time": SPEED_SECONDS < LEASE_SECONDS,
        "waiting for SQLite's lock is no hanging": BUSY_SECONDS < HANG_SECONDS,
        "waiting for a broker's answer is no hanging": SOCKET_SECONDS < HANG_SECONDS,
        "two tries must fall into one outage": DATABASE_PAUSE_SECONDS < DATABASE_STEADY_SECONDS,
        "an outage that comes and goes is told as one": DATABASE_STEADY_SECONDS
        < DATABASE_REMINDER_SECONDS,
        "the same of the broker": 1 < BROKER_STEADY_SECONDS < BROKER_REMINDER_SECONDS,
        "a sentinel must be given up before its master": SENTINEL_SECONDS < MASTER_SECONDS,
        "a living mailbox must not look dead": 10 * MAILBOX_TOUCH_SECONDS <= MAILBOX_DEAD_SECONDS,
        "short batches lie within throughput's window": SHORT_BATCH_SECONDS < WINDOW_SECONDS,
    }
    broken = [reason for reason, holds in relations.items() if not holds]
    if broken:
        raise TimingError(f"worker.timing: {'; '.join(broken)}")


check()
