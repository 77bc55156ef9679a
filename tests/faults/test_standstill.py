"""Workers and networks that stand still: what PostgreSQL's sessions are told about it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from processes import PATIENCE
from sqlalchemy import text

from db.connection.engine import POSTGRES
from db.errors import DatabaseAwayError
from db.session import Database, open_database

HOLD = text("SELECT version_num FROM alembic_version FOR UPDATE")


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[Database]:
    open_database(postgres_url).close()  # making its tables may take its time
    with closing(open_database(postgres_url, standstill_seconds=3)) as opened:
        yield opened


def hold(ledger: Database) -> bool:
    """Hold the one row that a new ledger has, and let go."""
    with ledger.write() as session:
        return bool(session.execute(HOLD).all())


def test_a_transaction_at_a_standstill_is_ended_and_what_it_held_is_free(ledger: Database) -> None:
    held: list[bool] = []

    def stand_still(other: ThreadPoolExecutor) -> None:
        with ledger.write() as session:
            session.execute(HOLD)
            held.append(other.submit(hold, ledger).result(PATIENCE))
            session.execute(HOLD)

    with ThreadPoolExecutor(1) as other, pytest.raises(DatabaseAwayError):
        stand_still(other)
    assert held == [True]
    assert hold(ledger)  # as a worker does then, with a new connection


def told(url: str) -> dict[str, str]:
    """What libpq was told for a connection, beyond its defaults."""
    with closing(open_database(url)) as database, database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        found: dict[str, str] = driver.info.get_parameters()
        return found


def test_a_network_that_swallows_packets_is_noticed_and_the_address_may_say_when(
    postgres_url: str,
) -> None:
    assert told(postgres_url).items() >= {name: str(v) for name, v in POSTGRES.items()}.items()

    own = told(f"{postgres_url}&connect_timeout=3&tcp_user_timeout=0")
    assert own["connect_timeout"] == "3"
    assert own.get("tcp_user_timeout", "0") == "0"
    assert own["keepalives_idle"] == "10"
