"""Signed messages: what a worker refuses, and that its runs end all the same."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from certificates import Signer, make_signer
from forging import body, message, push, said, stub_site
from processes import PROJECT, Process, Site, error_lines
from servers import RedisServer, redis_server

SEPARATOR = b"\x00\x01"  # Celery's own, between the parts of a signed body
# Signs as a sender would who has a key and the program.
PUBLISH = """
from db.queries.leases import BatchKey
from worker.publish import publish
publish([BatchKey(999, 1)])
"""


class Guarded(NamedTuple):
    """A worker that takes signed messages only, and the folder of a producer that signs."""

    worker: Process
    producer: Site
    keys: Path


def signing(signer: Signer, store: Path) -> dict[str, str]:
    return {
        "SIGNING_KEY": str(signer.key),
        "SIGNING_CERTIFICATE": str(signer.certificate),
        "SIGNING_CERTIFICATES": str(store),
    }


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of a producer and a worker who know each other, and of a stranger who knows all."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("producer", "worker", "stranger"):
        for store in ("known", "all"):
            (folder / store).mkdir(exist_ok=True)
            if (store, name) != ("known", "stranger"):
                certificate = make_once(folder, name).certificate
                shutil.copy(certificate, folder / store)
    return folder


def make_once(folder: Path, name: str) -> Signer:
    made = Signer(folder / f"{name}.key", folder / f"{name}.crt")
    return made if made.key.exists() else make_signer(folder, name)


@pytest.fixture(scope="module", params=["embedded", "redis"])
def guarded(
    request: pytest.FixtureRequest, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        yield from started(stub_site(folder), keys)
    else:
        with redis_server(folder / "redis") as server:
            yield from started(stub_site(folder, BROKER_URL=server.url), keys)


def started(site: Site, keys: Path) -> Iterator[Guarded]:
    both = {
        name: Site(site.folder, {**site.settings, **signing(make_once(keys, name), keys / "known")})
        for name in ("producer", "worker")
    }
    with both["worker"].start("celery", "-A", "stub_worker", "worker") as worker:
        worker.await_output("  broker ")
        yield Guarded(worker, both["producer"], keys)


def enqueue(site: Site, name: str) -> None:
    (site.folder / name).write_text("path\na.jpg\nb.jpg\n")
    site.succeed("producer", "enqueue", name, "--allow-missing")


def assert_refused(guarded: Guarded, item: object, why: str) -> None:
    before = len(guarded.worker.output)
    push(guarded.producer, item)
    (line,) = said(guarded.worker, before, ("message refused: ",))
    assert why in line


def assert_known(guarded: Guarded, item: object) -> None:
    """The worker takes the message; of run 999, which is not there."""
    before = len(guarded.worker.output)
    push(guarded.producer, item)
    said(guarded.worker, before, ("there is no run 999",))


def signed_by(guarded: Guarded, name: str) -> dict[str, Any]:
    """A message about run 999 as the program of another sends it, taken from a queue of its own."""
    folder = guarded.producer.folder / f"of-{name}"
    folder.mkdir(exist_ok=True)
    environment = signing(make_once(guarded.keys, name), guarded.keys / "all")
    Site(folder, {**environment, "PYTHONPATH": str(PROJECT)}).succeed("python", "-c", PUBLISH)
    (file,) = folder.glob("dermscore.queue/waiting/*/*.msg")
    sent: dict[str, Any] = json.loads(file.read_bytes())
    file.unlink()
    return sent


def parts(sent: dict[str, Any]) -> list[bytes]:
    """Signer, signature, type, encoding and content of a signed message."""
    return base64.b64decode(base64.b64decode(sent["body"])).split(SEPARATOR, maxsplit=4)


def with_parts(sent: dict[str, Any], changed: list[bytes]) -> dict[str, Any]:
    packed = base64.b64encode(base64.b64encode(SEPARATOR.join(changed)))
    return {**sent, "body": packed.decode()}


def test_a_signed_run_ends(guarded: Guarded) -> None:
    enqueue(guarded.producer, "signed.csv")

    guarded.worker.await_output("run 1 batch 1: 2 images")


def test_an_unsigned_message_is_refused(guarded: Guarded) -> None:
    assert_refused(guarded, message(body(1, 1)), "Refusing to deserialize untrusted content")


@pytest.mark.parametrize("content_type", ["application/data", "application/text", None])
def test_an_unsigned_message_that_claims_to_be_signed_is_refused(
    guarded: Guarded, content_type: str | None
) -> None:
    assert_refused(guarded, message(body(999, 1), content_type=content_type), "refused")


def test_a_message_of_a_known_signer_is_taken(guarded: Guarded) -> None:
    assert_known(guarded, signed_by(guarded, "producer"))


def test_a_message_of_an_unknown_signer_is_refused(guarded: Guarded) -> None:
    assert_refused(guarded, signed_by(guarded, "stranger"), "Unknown certificate")


def test_a_message_in_anothers_name_is_refused(guarded: Guarded) -> None:
    known, unknown = signed_by(guarded, "producer"), signed_by(guarded, "stranger")

    assert_refused(guarded, with_parts(unknown, [parts(known)[0], *parts(unknown)[1:]]), "refused")


def test_a_message_that_was_changed_is_refused(guarded: Guarded) -> None:
    sent = signed_by(guarded, "producer")
    changed = [*parts(sent)[:4], parts(sent)[4].replace(b"999", b"998")]

    assert changed != parts(sent)
    assert_refused(guarded, with_parts(sent, changed), "refused")


def test_the_type_that_nobody_signed_leads_to_no_pickle(guarded: Guarded) -> None:
    """Whatever type is claimed of signed bytes, they are never unpickled."""
    sent = signed_by(guarded, "producer")
    claimed = [*parts(sent)[:2], b"application/x-python-serialize", *parts(sent)[3:]]

    assert_refused(guarded, with_parts(sent, claimed), "not the two numbers of a run and a batch")


def test_no_other_task_can_be_named_for_a_signed_body(guarded: Guarded) -> None:
    sent = signed_by(guarded, "producer")
    sent["headers"]["task"] = "celery.map"

    assert_refused(guarded, sent, "not for the task score_batch")


def test_a_sweep_signs_too(guarded: Guarded) -> None:
    """A message that was lost is sent again, by the worker."""
    site = guarded.producer
    deaf = Site(site.folder, {**site.settings, "QUEUE_DIR": "elsewhere", "BROKER_URL": ""})
    enqueue(deaf, "lost.csv")
    site.ledger.change("UPDATE batches SET published_at = 0 WHERE finished_at IS NULL")

    guarded.worker.await_output("batches that no worker holds are sent again")
    guarded.worker.await_output("run 2 batch 1: 2 images")
    assert "Traceback" not in guarded.worker.output


def test_remote_control_is_for_signers_only(guarded: Guarded) -> None:
    ping = ("celery", "-A", "worker", "inspect", "ping", "--timeout", "2")
    unsigned = {
        name: value
        for name, value in guarded.producer.settings.items()
        if not name.startswith("SIGNING")
    }

    # A worker may be too busy to answer at once.
    guarded.worker.await_true(
        lambda: "1 node online" in guarded.producer.run(*ping).stdout, "it answered"
    )
    assert Site(guarded.producer.folder, unsigned).run(*ping).code != 0


def test_workers_do_not_listen_to_each_others_gossip(redis: RedisServer, tmp_path: Path) -> None:
    """Its events are unsigned, and an election among them makes the winner send a task."""
    site = stub_site(tmp_path, BROKER_URL=redis.url)
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        enqueue(site, "m.csv")
        worker.await_output("batch 1: 2 images")
        with redis.client() as client:
            assert not client.exists("_kombu.binding.celeryev")


def bad_settings(folder: Path) -> dict[str, tuple[dict[str, str], str]]:
    good = signing(make_signer(folder, "good"), folder / "store")
    (folder / "store").mkdir()
    shutil.copy(folder / "good.crt", folder / "store")
    other = make_signer(folder / "others", "other")
    old = make_signer(folder / "olds", "old", days=-1)
    curve = make_signer(folder / "curves", "curve", curve=True)
    (folder / "garbage").write_text("garbage")
    (folder / "empty").mkdir()
    return {
        "one alone": ({"SIGNING_KEY": good["SIGNING_KEY"]}, "set SIGNING_CERTIFICATE and"),
        "no key": ({**good, "SIGNING_KEY": "absent"}, "SIGNING_KEY=absent: No such file"),
        "a folder": ({**good, "SIGNING_KEY": str(folder)}, "Is a directory"),
        "garbage": ({**good, "SIGNING_KEY": str(folder / "garbage")}, "SIGNING_KEY="),
        "no RSA": ({**good, "SIGNING_KEY": str(curve.key)}, "Non-RSA keys"),
        "another's key": ({**good, "SIGNING_KEY": str(other.key)}, "does not belong to the key"),
        "no certificate": (
            {**good, "SIGNING_CERTIFICATE": str(folder / "garbage")},
            "SIGNING_CERTIFICATE=",
        ),
        "expired": (
            {**signing(old, folder / "olds"), "SIGNING_CERTIFICATES": str(folder / "store")},
            "Expired",
        ),
        "not its own": ({**good, "SIGNING_CERTIFICATES": str(folder / "empty")}, "not among them"),
        "keys in the store": (
            {**good, "SIGNING_CERTIFICATES": str(folder / "others")},
            "SIGNING_CERTIFICATES=",
        ),
    }


def test_bad_settings_are_one_line(tmp_path: Path) -> None:
    for settings, reason in bad_settings(tmp_path).values():
        site = stub_site(tmp_path, **settings)
        done = site.run("python", "-c", "import worker.celery")
        assert done.code == 1
        (line,) = error_lines(done.stderr)
        assert reason in line
        assert done.stderr.count("\n") == 1


def test_without_cryptography_the_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "cryptography.py").write_text("raise ImportError('not installed')")
    signer = dict.fromkeys(("SIGNING_KEY", "SIGNING_CERTIFICATE", "SIGNING_CERTIFICATES"), "x")
    site = Site(tmp_path, {**signer, "PYTHONPATH": f"{tmp_path}:{PROJECT}"})

    done = site.run("python", "-c", "import worker.celery")

    (line,) = error_lines(done.stderr)
    assert "SIGNING_KEY: to sign messages, install `cryptography`" in line
