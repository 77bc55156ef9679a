"""Fixtures: real ledgers on SQLite and PostgreSQL, a real Redis, the real images where they are."""

import gc
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest
from browser import browser
from faults import Row, table
from hypothesis import HealthCheck, settings
from leftovers import TemporaryFolder
from once import once
from playwright.sync_api import Browser
from processes import PROJECT, CleanRun, Trained, clean_run, small_checkpoint
from servers import RedisServer, drop_database, new_database, postgres_server, redis_server

from db.session import Database, open_database

SHARED = PROJECT.parent / "shared"
_numbers = itertools.count(1)
# What a terminal or a shell may have set, and what would fold, colour and draw otherwise.
for _name in ("COLUMNS", "FORCE_COLOR", "MPLBACKEND", "NO_COLOR"):
    os.environ.pop(_name, None)
# An example takes longer where others want the same cores: that is no fault of anything tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
os.umask(0o022)  # servers and readers who are somebody else enter folders that tests make
# Of the session as a whole: its workers find it in their environment.
_own = None if "PYTEST_XDIST_WORKER" in os.environ else TemporaryFolder()
_left = pytest.StashKey[list[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let no garbage collection look at what is imported with the tests: it lives to the end.

    With TensorFlow and the rest each would take a second, and a test that freezes a graph sets off
    several.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # after the workers have ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A session that leaves files behind in the temporary folder fails."""
    if _own is not None:
        session.config.stash[_left] = left = _own.left_behind()
        if left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's temporary folder, but for what failed tests left in theirs."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if _own is not None:
        _own.remove(keep_pytests=reporter is not None and _failed(reporter))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of the faults that were injected, each a `record_property("fault", ...)`."""
    rows = [
        Row(*values)
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, values in report.user_properties
        if name == "fault"
    ]
    if rows:
        terminalreporter.section("faults")
        terminalreporter.write_line(table(rows))
    if _own is not None:
        _tell_what_is_left(terminalreporter, _own)


def _tell_what_is_left(terminalreporter: pytest.TerminalReporter, own: TemporaryFolder) -> None:
    for name in terminalreporter.config.stash.get(_left, []):
        terminalreporter.write_line(f"FAILED: left behind in the temporary folder: {name}")
    for name in own.unused_memory():
        terminalreporter.write_line(
            f"left behind in shared memory, by this session or another beside it: {name}"
        )
    if _failed(terminalreporter):
        terminalreporter.write_line(f"the folders of tests that failed are kept in {own.path}")


def _failed(terminalreporter: pytest.TerminalReporter) -> bool:
    return any(terminalreporter.stats.get(outcome) for outcome in ("failed", "error"))


@pytest.fixture(scope="module")
def measured() -> Iterator[None]:
    """Measure coverage, if it is measured, in the programs of a module's tests as well."""
    if coverage.Coverage.current() is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERAGE_PROCESS_START", str(PROJECT / "pyproject.toml"))
        patch.setenv("COVERAGE_FILE", str(PROJECT / ".coverage"))
        yield


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[str]:
    # Not under pytest's own folder: another pytest would close that to the server's user.
    with tempfile.TemporaryDirectory() as folder, postgres_server(Path(folder) / "data") as uri:
        yield uri


@pytest.fixture
def postgres_url(postgres_uri: str) -> Iterator[str]:
    """An empty database of its own, dropped: a session makes hundreds, of 300 files each."""
    name = f"test_{next(_numbers)}"
    yield new_database(postgres_uri, name)
    drop_database(postgres_uri, name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'dermscore.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open ledger, once on SQLite and once on PostgreSQL."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A small checkpoint on drawn images, made once."""
    return once(
        tmp_path_factory, "small", lambda: small_checkpoint(tmp_path_factory.mktemp("small"))
    )


@pytest.fixture(scope="session")
def clean(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> CleanRun:
    """Its run over 150 images without any fault, to be looked at and not to be changed."""
    return once(tmp_path_factory, "clean", lambda: clean_run(trained))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real data beside the project; see its data/README.md."""
    if not (SHARED / "data" / "isic").is_dir():
        pytest.skip(f"no real images: {SHARED} is not there")
    return SHARED


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    with browser() as started:
        yield started


@pytest.fixture
def url(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the ledger that commands find, which stand in a folder of their own."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    return database_url


@pytest.fixture
def sqlite_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same in SQLite alone."""
    address = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.chdir(tmp_path)
    return address


@pytest.fixture
def page_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a ledger for pages, DATA_ROOT beside it."""
    address = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    return address


@pytest.fixture
def html(tmp_path: Path) -> Path:
    """Where a page is written."""
    return tmp_path / "report.html"
