"""Each relation between the times of a worker, broken by one that does not fit the others."""

import pytest

from db.connection.engine import POSTGRES
from worker import timing

BROKEN = {
    "BEAT_SECONDS": (10.0, "one slow beat must not cost a lease"),
    "ALIVE_SECONDS": (19.0, "a worker that missed three beats lives"),
    "STANDSTILL_SECONDS": (30.0, "a stopped transaction must end before its lease"),
    "keepalives_idle": (15, "a vanished database must be noticed before a lease ends"),
    "tcp_user_timeout": (26_000, "sent and unsent silence are noticed alike"),
    "SWEEP_SECONDS": (30.0, "a lost message must be seen by a sweep"),
    "DRAIN_SECONDS": (5.0, "a drain looks more often than a sweep"),
    "DRAIN_AGAIN_SECONDS": (0.5, "a drain may look again before it must"),
    "CHECKPOINT_RETRY_SECONDS": (15.0, "a batch sent again must meet a new try"),
    "VISIBILITY_SECONDS": (300, "leases must lapse long before Redis hands out again"),
    "WATCHDOG_SECONDS": (1.5, "the watchdog must see the shortest limit"),
    "HUNG_NOTE_SECONDS": (30.0, "a hung load must be noted while it is noticed"),
    "SPEED_SECONDS": (30.0, "a timing must not take a lease's time"),
    "BUSY_SECONDS": (300, "waiting for SQLite's lock is no hanging"),
    "SOCKET_SECONDS": (300, "waiting for a broker's answer is no hanging"),
    "DATABASE_PAUSE_SECONDS": (10.0, "two tries must fall into one outage"),
    "DATABASE_STEADY_SECONDS": (60.0, "an outage that comes and goes is told as one"),
    "BROKER_STEADY_SECONDS": (1.0, "the same of the broker"),
    "SENTINEL_SECONDS": (5.0, "a sentinel must be given up before its master"),
    "MAILBOX_TOUCH_SECONDS": (600.0, "a living mailbox must not look dead"),
    "SHORT_BATCH_SECONDS": (60.0, "short batches lie within throughput's window"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_time_that_does_not_fit_the_others_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, reason = BROKEN[name]
    if name in POSTGRES:
        monkeypatch.setitem(POSTGRES, name, int(value))
    else:
        monkeypatch.setattr(timing, name, value)

    with pytest.raises(timing.TimingError) as refused:
        timing.check()

    assert reason in str(refused.value)


def test_every_relation_is_broken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in vars(timing) if name.endswith("_SECONDS")]:
        monkeypatch.setattr(timing, name, float("nan"))  # which nothing is less than
    monkeypatch.setitem(POSTGRES, "tcp_user_timeout", 0)

    with pytest.raises(timing.TimingError) as refused:
        timing.check()

    said = str(refused.value).removeprefix("worker.timing: ").split("; ")
    assert sorted(said) == sorted(reason for _, reason in BROKEN.values())
