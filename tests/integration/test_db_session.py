import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command, config
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from processes import PATIENCE
from servers import free_port
from sqlalchemy import Connection, create_engine, func, inspect, make_url, select, text
from sqlalchemy.exc import IntegrityError

import db
import db.connection.engine
from base.listed_image import ListedImage
from db.connection.engine import open_engine
from db.errors import DatabaseAwayError, DatabaseError
from db.queries.listing import stage_images
from db.queries.outcomes import Outcome, store_outcomes
from db.queries.runs import add_checkpoint, get_run_spec
from db.queries.unfinished import count_unfinished
from db.schema import MIGRATIONS
from db.session import Database, open_database
from db.tables import Base, Run

OPEN = "from db.session import open_database; print('ready', flush=True); input(); open_database()"


@pytest.fixture
def image_id(database: Database) -> int:
    """The one image of a run."""
    with database.write() as session:
        checkpoint = add_checkpoint(session, "a" * 64, "model.keras", {})
        run = Run(source="images", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
        session.add(run)
        session.flush()
        stage_images(session, run, [ListedImage("1.jpg", None, None)])
        image_id: int = session.scalar(text("SELECT id FROM images")) or 0
    return image_id


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as opened:
        yield opened


def refusal(url: str | None = None, *, must_exist: bool = False) -> str:
    with pytest.raises(DatabaseError) as caught, closing(open_database(url, must_exist=must_exist)):
        pass
    return caught.value.message


def differs(
    _context: Any, _column: Any, _model: Any, stored: str, _default: Any, model: str
) -> Any:
    """Whether two defaults differ; None leaves it to Alembic."""
    clock = "clock_timestamp()"  # Alembic would read it twice, and the two times differ
    return clock not in (stored or "") if clock in (model or "") else None


def test_the_imported_db_is_ours() -> None:
    assert db.__file__ == str(Path(__file__).parents[2] / "db" / "__init__.py")


def test_without_an_address_the_ledger_is_a_file_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    with closing(open_database()) as opened:
        assert str(opened) == f"sqlite:///{tmp_path}/dermscore.db"
    assert (tmp_path / "dermscore.db").is_file()


def test_the_address_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.db")

    open_database().close()

    assert (tmp_path / "elsewhere.db").is_file()


def test_a_given_address_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/environment.db")

    open_database(f"sqlite:///{tmp_path}/given.db").close()

    assert [path.name for path in tmp_path.glob("*.db")] == ["given.db"]


def test_a_ledger_that_must_exist_is_not_made(tmp_path: Path) -> None:
    message = refusal(f"sqlite:///{tmp_path}/none.db", must_exist=True)

    assert f"there is no database {tmp_path}/none.db yet" in message
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_program_is_not_made_a_ledger_by_reading(database_url: str) -> None:
    made = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (a integer)"))

    for words in ({"to_be_read": True}, {"must_exist": True}):
        with pytest.raises(DatabaseError, match="holds no ledger yet: start with"):
            open_database(database_url, **words)

    assert inspect(made).get_table_names() == ["theirs"]
    made.dispose()


def test_a_ledger_that_exists_is_opened_where_it_must_exist(database_url: str) -> None:
    open_database(database_url).close()

    open_database(database_url, must_exist=True).close()


def test_a_postgresql_that_does_not_answer_is_named_without_its_password() -> None:
    port = free_port()

    message = refusal(f"postgresql://ana:hunter2@127.0.0.1:{port}/lesions")

    assert f"ana:***@127.0.0.1:{port}/lesions" in message
    assert "Connection refused" in message
    assert "hunter2" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "url",
    [
        "garbage",
        "mysql://ana:hunter2@host/lesions",
        "mongo://ana:hunter2@host/lesions",
        "postgresql+nosuchdriver://ana:hunter2@host/lesions",
        "sqlite+nosuchdriver:///ledger.db",
        "postgresql://ana:hunter2@host:port/lesions",
        "sqlite://ana:hunter2@folder/ledger.db",  # two slashes where three are meant
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////no/such/folder/ledger.db",
    ],
)
def test_an_address_that_is_none_of_ours_is_refused_in_one_line(url: str) -> None:
    message = refusal(url)

    assert "DATABASE_URL" in message
    assert "hunter2" not in message
    assert "\n" not in message
    assert "None" not in refusal(url, must_exist=True)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database at all, but long enough to have a header\n" * 100)
    before = file.read_bytes()

    message = refusal(f"sqlite:///{file}")

    assert "file is not a database" in message
    assert file.read_bytes() == before


def test_a_schema_of_a_newer_release_is_refused(database_url: str) -> None:
    with closing(open_database(database_url)) as opened, opened.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    message = refusal(database_url)
    assert "newer version (9999)" in message
    assert str(make_url(database_url).database) in message


def test_a_database_that_knows_no_letters_is_refused_with_what_to_do(postgres_uri: str) -> None:
    """As `initdb` makes it where no language is set."""
    with encoded(postgres_uri, "SQL_ASCII") as url:
        message = refusal(url)

    assert "its encoding is SQL_ASCII" in message
    assert "CREATE DATABASE encoded ENCODING 'UTF8' TEMPLATE template0" in message


def test_names_of_other_alphabets_in_a_database_of_latin_1(postgres_uri: str) -> None:
    """Those that it knows are kept, others refused in a sentence."""
    with encoded(postgres_uri, "LATIN1") as url, closing(open_database(url)) as opened:
        with opened.write() as session:
            add_checkpoint(session, "a" * 64, "Bär.keras", {})
        with pytest.raises(DatabaseError, match='no equivalent in encoding "LATIN1"'):
            add_later(opened, "Łódź.keras")


@contextmanager
def encoded(server: str, encoding: str) -> Iterator[str]:
    """The address of a database `encoded` of another encoding than the server's."""
    with closing(psycopg.connect(server, autocommit=True)) as superuser:
        made = f"CREATE DATABASE encoded ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'"
        superuser.execute(made.encode())
        yield server.replace("/postgres?", "/encoded?")
        superuser.execute("DROP DATABASE encoded WITH (FORCE)")


def add_later(opened: Database, path: str) -> None:
    with opened.write() as session:
        add_checkpoint(session, "b" * 64, path, {})


def test_two_processes_may_open_a_fresh_database_at_once(database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN],
            env={"DATABASE_URL": database_url},
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()

    assert [(process.communicate()[1], process.returncode) for process in processes] == [
        ("", 0)
    ] * 2
    with closing(open_database(database_url)) as opened, opened.read() as session:
        assert session.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_the_models_are_the_migrated_schema(connection: Connection) -> None:
    context = MigrationContext.configure(connection, opts={"compare_server_default": differs})

    assert [
        change for change in compare_metadata(context, Base.metadata) if not dropped(change)
    ] == []


def dropped(change: Any) -> bool:
    """The one foreign key that PostgreSQL is spared; see migration 0002."""
    return bool(change[0] == "add_fk" and change[1].column_keys == ["run_id"])


def test_the_models_name_the_checks_of_the_migrated_schema(connection: Connection) -> None:
    for table in Base.metadata.sorted_tables:
        migrated = {
            check["name"] for check in inspect(connection).get_check_constraints(table.name)
        }
        named = {str(item.name) for item in table.constraints if hasattr(item, "sqltext")}
        assert migrated == named, table.name


@pytest.mark.parametrize(
    ("score", "error"),
    [("1.5", "NULL"), ("-0.1", "NULL"), ("0.5", "'corrupt'"), ("NULL", "NULL")],
)
def test_the_database_refuses_what_is_no_prediction(
    image_id: int, connection: Connection, score: str, error: str
) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)check"):
        connection.execute(
            text(
                "INSERT INTO predictions (image_id, score, error, worker) "
                f"VALUES ({image_id}, {score}, {error}, 'w')"
            )
        )


@pytest.mark.parametrize(("score", "error"), [("0", "NULL"), ("1", "NULL"), ("NULL", "'corrupt'")])
def test_the_database_takes_a_score_or_an_error(
    image_id: int, connection: Connection, score: str, error: str
) -> None:
    connection.execute(
        text(
            "INSERT INTO predictions (image_id, score, error, worker) "
            f"VALUES ({image_id}, {score}, {error}, 'w')"
        )
    )

    assert connection.scalar(text("SELECT scored_at > 1.7e9 FROM predictions"))


def test_the_database_refuses_a_label_that_is_neither_0_nor_1(
    image_id: int, connection: Connection
) -> None:
    with pytest.raises(IntegrityError, match="label_is_0_or_1"):
        connection.execute(text(f"UPDATE images SET label = 2 WHERE id = {image_id}"))


def test_a_score_that_is_not_a_number_is_never_stored(database: Database, image_id: int) -> None:
    # SQLite makes it NULL, and then it is neither score nor error; PostgreSQL's NaN is above 1.
    with pytest.raises(DatabaseError, match=r"(?i)check"), database.write() as session:
        store_outcomes(session, "w", [Outcome(image_id, float("nan"), None, None, None)])

    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM predictions")) == 0


def test_what_is_written_before_an_error_is_not_stored(database: Database) -> None:
    def add_and_fail() -> None:
        with database.write() as session:
            add_checkpoint(session, "b" * 64, "model.keras", {})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_and_fail()

    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM checkpoints")) == 0


def test_a_reader_sees_one_state_of_the_ledger(database: Database) -> None:
    count = text("SELECT count(*) FROM checkpoints")

    with database.read() as reader:
        before = reader.scalar(count)
        with database.write() as session:
            add_checkpoint(session, "c" * 64, "model.keras", {})
        assert reader.scalar(count) == before == 0
    with database.read() as reader:
        assert reader.scalar(count) == 1


# What a worker and a producer of the first release say to the ledger, while both releases run.
FIRST_RELEASE = (
    (
        "INSERT INTO runs (name, source, checkpoint_id, precision, batch_size) "
        "VALUES (NULL, 'more', 1, 'float32', 64)"
    ),
    (
        "INSERT INTO images (run_id, path, batch, label, attributes) "
        "VALUES (2, '2.jpg', 1, NULL, NULL)"
    ),
    "INSERT INTO batches (run_id, number) VALUES (2, 1)",
    (
        "UPDATE batches SET attempts = attempts + 1, worker = 'old', leased_until = 9e9 "
        "WHERE run_id = 2 AND number = 1 AND finished_at IS NULL"
    ),
    (
        "INSERT INTO predictions (image_id, score, error, detail, image_digest, worker) "
        "SELECT id, 0.25, NULL, NULL, 'd', 'old' FROM images WHERE run_id = 2"
    ),
    "UPDATE batches SET finished_at = 1.8e9, leased_until = NULL WHERE run_id = 2 AND number = 1",
)
FIRST_DATA = (
    "INSERT INTO checkpoints (digest, path, card) VALUES ('a', 'model.keras', '{}')",
    (
        "INSERT INTO runs (name, source, checkpoint_id, precision, batch_size) "
        "VALUES ('ana', 'images', 1, 'float32', 64)"
    ),
    "INSERT INTO images (run_id, path, batch, label) VALUES (1, '1.jpg', 1, 0)",
    "INSERT INTO batches (run_id, number, attempts) VALUES (1, 1, 1)",
    "INSERT INTO predictions (image_id, score, worker) VALUES (1, 0.5, 'old')",
)


def first_release(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of the first schema, with a run in it."""

    def upgrade_to_first(connection: Connection) -> None:
        settings = config.Config()
        settings.set_main_option("script_location", str(MIGRATIONS))
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0001")

    with monkeypatch.context() as patched:
        patched.setattr("db.session.upgrade", upgrade_to_first)
        with closing(open_database(url)) as opened, opened.write() as session:
            for statement in FIRST_DATA:
                session.execute(text(statement))


def test_a_ledger_of_the_first_release_is_upgraded_with_what_it_holds(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_release(database_url, monkeypatch)

    with closing(open_database(database_url)) as upgraded, upgraded.read() as session:
        run = session.execute(
            text("SELECT name, source, together_id, keep_features FROM runs")
        ).one()
        assert (run.name, run.source, run.together_id, bool(run.keep_features)) == (
            "ana",
            "images",
            None,
            False,
        )
        row = session.execute(text("SELECT attempts, read_seconds, write_seconds FROM batches"))
        assert row.one() == (1, None, None)
        image = session.execute(text("SELECT path, label, gone_at FROM images"))
        assert image.one() == ("1.jpg", 0, None)
        assert session.scalar(text("SELECT count(*) FROM changes")) == 0
        assert session.scalar(text("SELECT score FROM predictions")) == 0.5


def test_what_the_first_release_still_says_is_understood(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_release(database_url, monkeypatch)

    with closing(open_database(database_url)) as upgraded:
        with upgraded.write() as session:
            for statement in FIRST_RELEASE:
                session.execute(text(statement))
        with upgraded.read() as session:
            spec = get_run_spec(session, 2)
            assert count_unfinished(session).unfinished == 1  # run 1's
    assert (spec.source, spec.keep_features) == ("more", False)


def test_an_older_ledger_forgets_what_was_known_of_its_runs(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_release(database_url, monkeypatch)
    analyse(database_url)
    assert columns_with_statistics(database_url) >= RUN_COLUMNS

    with closing(open_database(database_url)):
        assert not columns_with_statistics(database_url) & RUN_COLUMNS


def test_what_somebody_has_analysed_is_not_planned_by(database_url: str) -> None:
    with closing(open_database(database_url)) as database, database.write() as session:
        for statement in FIRST_DATA:
            session.execute(text(statement))
    analyse(database_url)

    with closing(open_database(database_url)):
        assert not columns_with_statistics(database_url) & RUN_COLUMNS


RUN_COLUMNS = {("images", "run_id"), ("batches", "run_id")}


def analyse(url: str) -> None:
    """As a person or autovacuum would, past the product."""
    with raw(url) as connection:
        connection.execute(text("ANALYZE"))


def columns_with_statistics(url: str) -> set[tuple[str, str]]:
    """Table and column; on SQLite statistics are of whole tables."""
    with raw(url) as connection:
        if connection.dialect.name == "postgresql":
            found = "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'"
        elif not inspect(connection).has_table("sqlite_stat1"):
            return set()
        else:
            found = "SELECT tbl, 'run_id' FROM sqlite_stat1"
        return {(table, column) for table, column in connection.execute(text(found))}


@contextmanager
def raw(url: str) -> Iterator[Connection]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize("number", range(40))
def test_connections_to_a_new_file_wait_for_each_other(tmp_path: Path, number: int) -> None:
    begin = threading.Barrier(4)

    def connect(_: int) -> None:
        engine = open_engine(make_url(f"sqlite:///{tmp_path / f'{number}.db'}"), None)
        begin.wait(PATIENCE)
        with engine.connect():
            pass
        engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(connect, range(4)))


def test_a_lock_that_another_holds_is_an_error_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.connection.engine, "BUSY_SECONDS", 0.1)
    file = tmp_path / "dermscore.db"
    with (
        closing(open_database(f"sqlite:///{file}")) as database,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        said = f"{file} is locked: another program has written to it for long, so try again"
        with pytest.raises(DatabaseAwayError, match=said), database.write() as session:
            session.connection()
        other.execute("ROLLBACK")
        with database.write() as session:
            session.connection()


def test_a_connection_that_is_cut_is_an_error_that_passes(postgres_url: str) -> None:
    with closing(open_database(postgres_url)) as database:
        with pytest.raises(DatabaseAwayError, match="terminat"), database.write() as session:
            session.execute(select(func.pg_terminate_backend(func.pg_backend_pid())))
        with database.write() as session:
            session.connection()


def test_a_statement_that_is_wrong_does_not_pass(database: Database) -> None:
    with pytest.raises(DatabaseError) as caught, database.write() as session:
        session.execute(text("INSERT INTO runs (id) VALUES (NULL)"))
    assert not isinstance(caught.value, DatabaseAwayError)
