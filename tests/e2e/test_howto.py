"""The commands of docs/howto, read from its pages and typed in an empty folder.

Only what a reader has and a test does not is replaced: `STAND_INS` and the arguments of `Page` say
by what. What cannot be typed here is in `howto.NOT_RUN`.
"""

import configparser
import csv
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import boto3
import psycopg
import pytest
from colours import HIGHEST, draw_number, score_of_number
from commands import parse
from howto import FOLDER, NOT_RUN, PAGES, Page, blocks, commands_in_prose, prose, shell
from howto_models import ham10000, model_of_seven
from moto.server import ThreadedMotoServer
from processes import PROJECT, SCRIPTS, Ledger, Site, stub_checkpoint
from servers import RedisServer

pytestmark = pytest.mark.usefixtures("measured")

HELPERS = str(PROJECT / "tests" / "helpers")
# On most pages the model does not matter: tests/helpers/stub_worker.py is the worker, and the
# images hold the score that it gives them.
STAND_INS = {"celery -A worker": "celery -A stub_worker"}
CHECKPOINT = "NAME.keras"  # the name that the pages use
EACH = 3  # images of a class


class Desk(NamedTuple):
    """Where a page is followed: an empty folder, and what is ended afterwards."""

    folder: Path
    started: ExitStack
    request: pytest.FixtureRequest


def stub_site(folder: Path, **settings: str) -> Site:
    """A folder with a checkpoint for the stub."""
    (folder / "checkpoints").mkdir(parents=True)
    stub_checkpoint(folder / "checkpoints", name=CHECKPOINT)
    return Site(folder, {"PYTHONPATH": HELPERS, "STUB_MODE": "colour", **settings})


def draw_classes(folder: Path, numbers: range = range(EACH)) -> dict[str, float]:
    """Images that hold their score, melanoma high and nevi low; returns path below to score."""
    drawn = {f"melanoma/m{at}.png": HIGHEST - number for at, number in enumerate(numbers)}
    drawn |= {f"nevus/n{at}.png": number for at, number in enumerate(numbers)}
    for path, number in drawn.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(draw_number(number))
    return {path: score_of_number(number) for path, number in drawn.items()}


def below(folder: str, scores: dict[str, float]) -> dict[str, float]:
    return {f"{folder}/{path}": score for path, score in scores.items()}


def test_no_command_escapes() -> None:
    """A block is typed by a test of this file, or is one of those that cannot be."""
    for name in PAGES:
        here = {(name, block.number) for block in blocks(name)}
        assert name in FOLLOWED or here <= set(NOT_RUN), f"nobody runs the blocks of {name}"
        indented = [line for line in prose(name).splitlines() if line.startswith(("    ", "\t"))]
        assert indented == [], "commands of a how-to stand in fences"
    every = {(name, block.number) for name in PAGES for block in blocks(name)}
    assert set(NOT_RUN) <= every


def test_every_page_is_listed_and_short() -> None:
    listed = (FOLDER / "README.md").read_text()
    for name in PAGES:
        assert name == "README.md" or f"({name})" in listed
        assert 100 <= len((FOLDER / name).read_text().split()) <= 300, name


@pytest.mark.parametrize("name", PAGES)
def test_commands_in_sentences_are_some(name: str) -> None:
    for words in commands_in_prose(name):
        parse(words)


def ham(desk: Desk) -> Page:
    folder = desk.folder
    diagnoses = ham10000(folder)
    expected = model_of_seven(folder, list(diagnoses))
    page = Page("score-ham10000.md", Site(folder), {})
    (printed,) = page.type()
    assert page.site.ledger.scores() == pytest.approx(expected, abs=1e-3)
    labels = dict(page.site.ledger.rows("SELECT path, label FROM images"))
    meanings = {"mel": 1, "bcc": None, "akiec": None}
    assert labels == {path: meanings.get(dx, 0) for path, dx in diagnoses.items()}
    for words in ("HAM10000", "intervals by lesion_id: 10 clusters", "by sex (95 %", "truly mel"):
        assert words in printed
    return page


def write_rows(path: Path, column: str, values: dict[str, float]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", column), *values.items()])


def compare(desk: Desk) -> Page:
    """The second model takes the first image of each class for the other."""
    folder = desk.folder
    site = stub_site(folder)
    draw_classes(folder / "data" / "valid", range(0, 200, 20))
    scores = below("data/test", draw_classes(folder / "data" / "test", range(5, 200, 20)))
    for at, name in enumerate(("a", "contrary")):
        stub_checkpoint(folder / "checkpoints", str(at).encode(), f"{name}.keras")
    write_rows(folder / "theirs.csv", "score", scores)
    write_rows(folder / "truth.csv", "label", {path: int("melanoma" in path) for path in scores})
    page = Page("compare-models.md", site, {**STAND_INS, "b.keras": "contrary.keras"})
    first, second = page.type()
    contrary = {path: 1 - one if path.endswith("0.png") else one for path, one in scores.items()}
    assert site.ledger.scores(3) == scores
    assert site.ledger.scores(4) == contrary
    assert (folder / "figures" / "roc_compared.png").is_file()
    # The benign image that is turned is above all others and the malignant one below all: 81 of
    # 100 pairs are right.
    for words in (
        "threshold 0.99998987 chosen on run 1",
        "threshold 0.5 chosen on run 2",
        "B: run 4, threshold 0.5, prespecified",
        "1.000 (0.800 to 1.000)  0.810 (",
        "specificity: not shown that A is not inferior to B",
        "3 images changed sides",
    ):
        assert words in first
    assert "run 5 (theirs): 20 images, 10 malignant, 10 benign" in second
    assert "B: run 5" in second
    return page


def rack(desk: Desk) -> Page:
    """Over PostgreSQL's socket, for the wheel's server listens nowhere else."""
    folder = desk.folder
    site = stub_site(folder)
    expected = below("test", draw_classes(folder / "test"))
    uri: str = desk.request.getfixturevalue("postgres_uri")
    desk.started.callback(_forget, uri)
    redis = RedisServer(folder, "PASSWORD", configuration=folder / "redis.conf")
    socket = uri.partition("?")[2]
    address = f"postgresql://dermscore:PASSWORD@/dermscore?{socket}"
    page = Page(
        "rack.md",
        site,
        {
            **STAND_INS,
            "/srv/lesions": str(folder),
            "postgresql://dermscore:PASSWORD@db.example/dermscore": address,
            "queue.example:6379": f"127.0.0.1:{redis.port}",
            "1 2 3 4": "1 2",  # of four workers two are enough here
        },
    )
    with psycopg.connect(uri, autocommit=True) as superuser:
        for statement in page.text("sql").split(";")[:-1]:
            superuser.execute(statement.encode())
    (folder / "redis.conf").write_text(page.text("conf"))
    redis.start()
    desk.started.callback(redis.stop)
    settings, made, scored = page.type()
    ledger = Ledger(address)
    assert ledger.scores() == expected
    assert settings == ""
    assert "schema 00" in made
    assert scored.count("drained: no unfinished batch is left") == 2
    assert "sensitivity                      1.000" in scored
    for query in [block.text for block in blocks("read-the-ledger.md") if block.kind == "sql"]:
        ledger.rows(query)
    return page


def _forget(uri: str) -> None:
    """Take out of the session's server what the page put into it."""
    with psycopg.connect(uri, autocommit=True) as superuser:
        superuser.execute("DROP DATABASE IF EXISTS dermscore WITH (FORCE)")
        superuser.execute("DROP ROLE IF EXISTS dermscore")


def compose(desk: Desk) -> Page:
    """Its first block; the second needs an engine."""
    folder = desk.folder
    shutil.copy(PROJECT / ".env.example", folder)
    page = Page("compose.md", Site(folder), {})
    assert page.type() == [""]
    assert {"checkpoints", "data", "figures", ".env"} <= {path.name for path in folder.iterdir()}
    return page


def object_store(desk: Desk) -> Page:
    folder = desk.folder
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    desk.started.callback(server.stop)
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "KEY", "aws_secret_access_key": "SECRET"}
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="bucket")
    drawn = draw_classes(folder / "drawn")
    for path in drawn:
        body = (folder / "drawn" / path).read_bytes()
        client.put_object(Bucket="bucket", Key=f"lesions/test/{path}", Body=body)
    shutil.rmtree(folder / "drawn")
    site = stub_site(folder)
    (folder / "manifest.csv").write_text("path\ntest/nevus/n1.png\n")
    page = Page("object-store.md", site, {**STAND_INS, "https://minio.example": endpoint})
    *_, scored = page.type()
    assert site.ledger.scores(1) == below("test", drawn)
    assert "run 1 of test" in scored
    assert site.ledger.scores(2) == {"test/nevus/n1.png": score_of_number(1)}
    return page


def nightly(desk: Desk) -> Page:
    """A night by cron, one by systemd with a worker that is killed, one that comes too early."""
    folder = desk.folder
    site = stub_site(folder)
    activate = folder / "dermscore" / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f"export PATH={SCRIPTS}:$PATH\n")
    places = {"/srv/lesions": str(folder), "/srv/dermscore": str(folder / "dermscore")}
    page = Page("nightly.md", site, {**STAND_INS, **places})
    page.type()

    first = draw_classes(folder / "incoming")
    *when, command = page.text("cron").strip().split(maxsplit=5)
    assert len(when) == 5
    told = _as_cron(site, command)
    assert (told.returncode, told.stdout) == (0, "")
    assert site.ledger.scores() == below("incoming", first)
    assert "sensitivity" in (folder / "report.txt").read_text()

    second = draw_classes(folder / "incoming", range(2 * EACH))
    service, timer = (_unit(folder, page.text("ini"), kind) for kind in ("service", "timer"))
    assert timer["Timer"]["OnCalendar"] == "*-*-* 02:30"
    assert service["Service"]["Type"] == "oneshot"
    (folder / "die.load").touch()  # kills the first worker
    done = shell(site, *service["Service"]["ExecStart"].split())
    assert done.returncode == 0, done.stdout
    assert "Killed" in done.stdout
    assert site.ledger.scores() == below("incoming", second)
    assert site.ledger.rows("SELECT count(*) FROM runs") == [(1,)]
    assert "listed             12" in (folder / "report.txt").read_text()

    lock = shell(site, "flock", "nightly.lock", "sh", "-c", command)
    assert lock.stdout.splitlines() == ["code 75", "the last night still runs"]
    return page


def _as_cron(site: Site, command: str) -> subprocess.CompletedProcess[str]:
    """With the little that cron sets, and what the stub needs."""
    bare = {"HOME": "/", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", **site.settings}
    kept = {name: os.environ[name] for name in os.environ if name.startswith("COVERAGE_")}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd="/",
        env={**bare, **kept},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _unit(folder: Path, text: str, kind: str) -> configparser.ConfigParser:
    """A unit as systemd reads it, where there is systemd."""
    units = folder / "units"
    units.mkdir(exist_ok=True)
    (units / f"lesions.{kind}").write_text(text)
    if shutil.which("systemd-analyze") is not None:
        verify = ["systemd-analyze", "verify", str(units / f"lesions.{kind}")]
        verified = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert "lesions." not in verified.stderr, verified.stderr
        assert verified.returncode == 0, verified.stderr
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    return unit


def stuck(desk: Desk) -> Page:
    """The worker that is started first looks for the images somewhere else."""
    folder = desk.folder
    site = stub_site(folder, DATA_ROOT=str(folder))
    drawn = below("test", draw_classes(folder / "test"))
    checkpoint = f"checkpoints/{CHECKPOINT}"
    site.succeed("producer", "enqueue", "test", "--checkpoint", checkpoint)
    (folder / "elsewhere").mkdir()
    lost = Site(folder, {**site.settings, "DATA_ROOT": str(folder / "elsewhere")})
    page = Page("stuck.md", lost, {**STAND_INS, "/srv/lesions": str(folder)})
    looked, worked, retried, resumed, deleted = page.type()
    assert "no worker is working on it" in looked
    assert f"could not score any of its {len(drawn)} images ({len(drawn)} missing)" in worked
    assert f"run 1: {len(drawn)} missing cleared" in retried
    assert f"{len(drawn)} images, 0 errors" in retried
    assert resumed == "no batch needs to be sent again\n"
    assert deleted.startswith("run 1")
    assert site.ledger.counts()["images"] == 0
    return page


def read_the_ledger(desk: Desk) -> Page:
    """Two runs of a manifest with a column `sex`."""
    folder = desk.folder
    site = stub_site(folder)
    drawn = below("test", draw_classes(folder / "test"))
    rows = [f"{path},{int('melanoma' in path)},{'fm'[at % 2]}" for at, path in enumerate(drawn)]
    (folder / "test.csv").write_text("\n".join(["path,label,sex", *rows, ""]))
    order = ("producer", "enqueue", "test.csv", "--checkpoint", f"checkpoints/{CHECKPOINT}")
    site.succeed(*order)
    site.succeed(*order, "--new-run")
    with site.start("celery", "-A", "stub_worker", "worker", "--drain") as worker:
        assert worker.await_end() == 0
    page = Page("read-the-ledger.md", site, {})
    described, _ = page.type()
    *_, benign, malignant = (line.split() for line in described.splitlines())
    assert (benign[:2], malignant[:2]) == (["0", str(EACH)], ["1", str(EACH)])
    assert (round(float(benign[2]), 3), round(float(malignant[2]), 3)) == (0, 1)
    assert (folder / "predictions.parquet").is_file()
    outcomes, pairs, of_sex = (site.ledger.rows(page.text("sql")) for _ in range(3))
    assert outcomes == [(1, "scored", len(drawn)), (2, "scored", len(drawn))]
    assert {path: (one, other) for path, one, other in pairs} == {
        path: (score, score) for path, score in drawn.items()
    }
    high = [path for path in drawn if "melanoma" in path]
    assert [(path, sex) for path, sex, *_ in of_sex] == [
        (path, "fm"[at % 2]) for at, path in enumerate(high)
    ]
    return page


FOLLOWED: dict[str, Callable[[Desk], Page]] = {
    "compare-models.md": compare,
    "compose.md": compose,
    "nightly.md": nightly,
    "object-store.md": object_store,
    "rack.md": rack,
    "read-the-ledger.md": read_the_ledger,
    "score-ham10000.md": ham,
    "stuck.md": stuck,
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_can_be_followed(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lesions"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with ExitStack() as started:
        page = FOLLOWED[name](Desk(folder, started, request))
    assert page.unused == [], f"nothing was done with these blocks of {name}"
    assert page.names_every_stand_in()
