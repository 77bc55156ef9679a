"""All kinds of bad images in one folder with good ones, through the commands.

On PostgreSQL, which stores the least; the names alone on SQLite too.
"""

import csv
import hashlib
import os
import shutil
import signal
import string
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from bad_images import GOOD, SCORED, Kind, heavy, kinds
from processes import Done, Ledger, Site, Trained
from servers import new_database

from imaging.filenames import storable

KINDS = kinds()
MOST_BYTES = 1_500_000_000
# A folder's walk goes into the one and never sees the other.
# A link out of the root is refused in a folder; a manifest is where a worker meets it.
LINKS_OUT = {kind.name for kind in KINDS if kind.outcome == "outside_root"}
NOT_LISTED = {"folder.jpg", "absent.jpg"} | LINKS_OUT
# Nor does the manifest name all: no CSV file holds other bytes than UTF-8, and once is enough.
NOT_NAMED = {kind.name for kind in KINDS if storable(kind.name) != kind.name} | heavy()


class Ran(NamedTuple):
    """A site after its worker: what was said, and the most memory that the worker held."""

    site: Site
    enqueued: list[Done]
    worker: str
    peak: int

    def outcomes(self, run: int) -> dict[str, float | str | None]:
        """Path to score or error code."""
        found = self.site.ledger.predictions(run)
        return {row.path: row.error or row.score for row in found}


def expected(kind: Kind) -> str:
    # Root may read all; tests/faults/test_bad_images.py reads this one as somebody else.
    return SCORED if kind.name == "secret.jpg" and os.geteuid() == 0 else kind.outcome


def good_images(trained: Trained, folder: Path) -> list[str]:
    """A good image before and after every letter that a name may begin with."""
    drawn = sorted((trained.site.folder / "data" / "test").rglob("*.jpg"))
    names = [GOOD, *(f"{letter}.jpg" for letter in string.digits + string.ascii_letters)]
    folder.mkdir()
    for name, file in zip(names, drawn, strict=False):
        shutil.copy(file, folder / name)
    return names


def write_manifest(path: Path, names: Iterable[str], digests: dict[str, str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "sha256"))
        rows.writerows((name, digests.get(name, "")) for name in names)


def work(site: Site) -> tuple[str, int]:
    """Let a worker do what is owed: what it said, and the most bytes that it held."""
    with site.worker() as worker:
        worker.await_true(lambda: not site.ledger.unfinished(), "all was done")
        status = Path(f"/proc/{worker.pid}/status").read_text()
        worker.send(signal.SIGTERM)
        worker.await_end()
        peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return worker.output, int(peak) * 1024


@pytest.fixture(scope="module")
def mixed(trained: Trained, postgres_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run 1 is the folder, run 2 a manifest."""
    folder = tmp_path_factory.mktemp("mixed")
    good = good_images(trained, folder / "images")
    links_out = [kind for kind in KINDS if kind.name in LINKS_OUT]
    for kind in KINDS:
        if kind not in links_out:
            kind.put(folder / "images" / kind.name)
    named = [kind.name for kind in KINDS if kind.name not in NOT_NAMED]
    write_manifest(folder / "named.csv", [*good, *named], {})
    url = new_database(postgres_uri, "bad_images")
    settings = {"CHECKPOINT": str(trained.checkpoint), "DATABASE_URL": url}
    site = Site(folder, {**settings, "DATA_ROOT": "images"})
    enqueued = [site.succeed("producer", "enqueue", "images")]
    for kind in links_out:
        kind.put(folder / "images" / kind.name)
    enqueued.append(site.succeed("producer", "enqueue", "named.csv"))
    return Ran(site, enqueued, *work(site))


@pytest.fixture(scope="module")
def clean(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run 1 is the good images alone, by a manifest with digests; run 2 has odd names besides."""
    folder = tmp_path_factory.mktemp("clean")
    good = good_images(trained, folder / "images")
    digests = {name: digest(folder / "images" / name) for name in good[::2]}
    write_manifest(folder / "good.csv", good, digests)
    for kind in odd_names():
        kind.put(folder / "images" / kind.name)
    write_manifest(folder / "wrong.csv", [GOOD, "a.jpg"], {GOOD: digest(folder / "images/a.jpg")})
    site = Site(folder, {"CHECKPOINT": str(trained.checkpoint), "DATA_ROOT": "images"})
    sources = ("good.csv", "images", "wrong.csv")
    enqueued = [site.succeed("producer", "enqueue", source) for source in sources]
    return Ran(site, enqueued, *work(site))


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def odd_names() -> list[Kind]:
    return [kind for kind in KINDS if kind.what.startswith("a name ")]


def outcome_of(found: float | str | None) -> str | None:
    return SCORED if isinstance(found, float) else found


def assert_complete(ledger: Ledger, run: int) -> None:
    assert [row.path for row in ledger.predictions(run)] == ledger.images(run)
    assert ledger.unfinished() == 0


@pytest.mark.parametrize("run", [1, 2])
def test_every_kind_has_its_outcome(mixed: Ran, run: int) -> None:
    absent = NOT_LISTED if run == 1 else NOT_NAMED
    found = mixed.outcomes(run)

    assert_complete(mixed.site.ledger, run)
    assert {
        storable(kind.name): outcome_of(found.get(storable(kind.name)))
        for kind in KINDS
        if kind.name not in absent
    } == {storable(kind.name): expected(kind) for kind in KINDS if kind.name not in absent}
    assert len(found) == len(KINDS) - len(absent) + 63


@pytest.mark.parametrize("run", [1, 2])
def test_good_images_have_the_scores_that_they_have_alone(mixed: Ran, clean: Ran, run: int) -> None:
    alone, among = clean.outcomes(1), mixed.outcomes(run)

    assert len(alone) == 63
    assert {path: among[path] for path in alone} == alone
    assert len(set(alone.values())) > 40, "the model tells images apart"


def test_every_error_has_a_sentence_of_one_line(mixed: Ran) -> None:
    for row in mixed.site.ledger.predictions(1) + mixed.site.ledger.predictions(2):
        if row.error is not None:
            assert row.detail
            assert row.detail.isprintable(), row


def test_the_worker_stays_within_its_memory(mixed: Ran) -> None:
    print("PEAK", mixed.peak); assert mixed.peak < MOST_BYTES


def test_nobody_ends_in_a_traceback(mixed: Ran, clean: Ran) -> None:
    for ran, run in ((mixed, "1"), (clean, "2")):
        said = [ran.worker, *(done.stdout + done.stderr for done in ran.enqueued)]
        for command in (("producer", "status", run), ("report", "--run", run)):
            done = ran.site.run(*command)
            said += [done.stdout, done.stderr]
        assert "Traceback" not in "".join(said)


def test_status_counts_every_kind(mixed: Ran) -> None:
    status = mixed.site.succeed("producer", "status", "1").stdout
    errors = [row.error for row in mixed.site.ledger.predictions(1) if row.error]

    for code in set(errors):
        assert f"  {errors.count(code)} {code}\n" in status


def test_odd_names_survive_on_sqlite(clean: Ran) -> None:
    found = clean.outcomes(2)

    assert_complete(clean.site.ledger, 2)
    for kind in odd_names():
        assert outcome_of(found[storable(kind.name)]) == kind.outcome


def test_a_file_that_is_not_the_manifests_is_scored_once_it_is(clean: Ran) -> None:
    site = clean.site
    assert clean.outcomes(3) == {GOOD: "wrong_digest", "a.jpg": clean.outcomes(1)["a.jpg"]}

    shutil.copy(site.folder / "images/a.jpg", site.folder / "images" / GOOD)
    retried = site.succeed("producer", "retry", "3", "--error", "wrong_digest")
    site.drain()

    assert "1 wrong_digest cleared" in retried.stdout
    assert set(clean.outcomes(3).values()) == {clean.outcomes(1)["a.jpg"]}
