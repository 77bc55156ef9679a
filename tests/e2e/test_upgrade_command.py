"""`python -m db.upgrade`, as a deployment runs it."""

from pathlib import Path

from processes import Ledger, Site, error_lines
from sqlalchemy import make_url

from db.connection.engine import without_password
from db.schema import HEAD


def test_it_makes_the_ledger_and_may_be_run_again(database_url: str, tmp_path: Path) -> None:
    site = Site(tmp_path, {"DATABASE_URL": database_url})
    for _ in range(2):
        done = site.succeed("python", "-m", "db.upgrade")
        assert done.stdout.endswith(f": schema {HEAD}\n")
    ledger = Ledger(database_url)
    assert ledger.rows("SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert ledger.counts() == dict.fromkeys(ledger.counts(), 0)


def test_a_newer_ledger_is_refused_in_one_line(database_url: str, tmp_path: Path) -> None:
    site = Site(tmp_path, {"DATABASE_URL": database_url})
    site.succeed("python", "-m", "db.upgrade")
    Ledger(database_url).change("UPDATE alembic_version SET version_num = '9999'")
    done = site.run("python", "-m", "db.upgrade")
    assert done.code == 1
    (line,) = error_lines(done.stderr)
    name = without_password(make_url(database_url))
    assert line.startswith(f"Error: database {name} is of a newer version (9999)")
    assert line == done.stderr.strip()


def test_a_server_that_is_away_is_said_without_its_password(tmp_path: Path) -> None:
    site = Site(tmp_path, {"DATABASE_URL": "postgresql://ana:secret@127.0.0.1:1/ledger"})
    done = site.run("python", "-m", "db.upgrade")
    assert done.code == 1
    assert len(error_lines(done.stderr)) == 1
    assert "secret" not in done.stderr
