"""Bad input at the command line: one clear line, a non-zero exit code, an unchanged ledger."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from processes import (
    SCRIPTS,
    CleanRun,
    Done,
    Site,
    Trained,
    error_lines,
    stub_checkpoint,
)
from servers import free_port

PASSWORD = "hunter2"
HELP_SECONDS = 0.5  # of a processor: how busy others keep it does not count
NOISE = ("cuda", "onednn", "absl", "initializelog")
# What click says around the one line, and what Celery says to root.
USAGE = re.compile(r"Usage: |Try '|$")


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A folder whose ledger holds one run, which nobody scores. The producer reads no image."""
    site = Site(tmp_path_factory.mktemp("listed"))
    for name in ("nevus/1.jpg", "nevus/2.jpg", "melanoma/3.jpg"):
        image = site.folder / "data" / name
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
    checkpoint = stub_checkpoint(site.folder, b"not a network's", "known.keras")
    site.succeed("producer", "enqueue", "data", "--checkpoint", checkpoint.name)
    return site


def make_checkpoint(path: Path, content: bytes) -> Path:
    """A file with a card that belongs to it; whether it holds a network is another matter."""
    path.write_bytes(content)
    card = {"digest": sha256(content).hexdigest(), "decode": {}}
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


@pytest.fixture
def copied(listed: Site, tmp_path: Path) -> Site:
    """The same folder, to change at will."""
    shutil.copytree(listed.folder, tmp_path / "site")
    return Site(tmp_path / "site")


@pytest.fixture
def site(copied: Site) -> Iterator[Site]:
    """The same folder; what goes wrong must leave every table with the rows it had."""
    before = copied.ledger.counts()
    assert before == {"checkpoints": 1, "runs": 1, "batches": 1, "images": 3, "predictions": 0}
    yield copied
    assert copied.ledger.counts() == before


def assert_one_clear_line(done: Done, *words: str) -> None:
    assert done.code != 0, done
    assert "Traceback" not in done.stdout + done.stderr, done
    lines = [line for line in done.stderr.splitlines() if not USAGE.match(line)]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: "), done.stderr
    for word in words:
        assert word in lines[0], done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def assert_worker_refuses(site: Site, *words: str) -> None:
    """The worker ends with exit code 1, and one line says why; Celery may add lines of its own."""
    done = site.run("celery", "-A", "worker", "worker", "--drain")
    output = done.stdout + done.stderr
    assert done.code == 1, output
    assert "Traceback" not in output, output
    (line,) = error_lines(output)
    for word in words:
        assert word in line, output
    assert PASSWORD not in output
    assert "celery@" not in output, "it was refused before it took work"


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_a_card_whose_classes_contradict_the_folders(site: Site) -> None:
    checkpoint = stub_checkpoint(site.folder, b"another", "other.keras")
    card = json.loads(checkpoint.with_suffix(".json").read_text())
    order = json.dumps({**card, "class_names": ["melanoma", "nevus"]})
    checkpoint.with_suffix(".json").write_text(order)

    done = site.run("producer", "enqueue", "data", "--checkpoint", checkpoint.name)

    assert_one_clear_line(done, "other.keras: class_names", "melanoma is 0 (benign)", "change the")


def test_an_empty_folder(site: Site) -> None:
    (site.folder / "empty").mkdir()
    done = site.run("producer", "enqueue", "empty")
    assert_one_clear_line(done, "empty lists no images")


def test_a_folder_that_is_not_there(site: Site) -> None:
    done = site.run("producer", "enqueue", "nowhere")
    assert_one_clear_line(done, "nowhere", "no such folder, manifest or image")


def test_a_manifest_without_a_path_column(site: Site) -> None:
    name = write(site.folder / "odd.csv", "image,label\na.jpg,1\n").name
    done = site.run("producer", "enqueue", name)
    assert_one_clear_line(done, "odd.csv:1:", "filepath or path", "image, label")


def test_a_manifest_with_a_header_and_no_row(site: Site) -> None:
    name = write(site.folder / "bare.csv", "path,label\n").name
    assert_one_clear_line(
        site.run("producer", "enqueue", name),
        "bare.csv lists no images: there is no row below its header",
    )


@pytest.mark.parametrize("label", ["2", "-1", "0.5", "melanoma"])
def test_a_label_that_is_neither_0_nor_1(site: Site, label: str) -> None:
    rows = f"path,label\ndata/a.jpg,0\ndata/b.jpg,1\ndata/c.jpg,{label}\n"
    name = write(site.folder / "labels.csv", rows).name
    done = site.run("producer", "enqueue", name)
    assert_one_clear_line(done, "labels.csv:4:", repr(label), "neither 0 (benign) nor 1")


def test_a_bad_label_on_standard_input(site: Site) -> None:
    done = site.run("producer", "enqueue", "-", stdin="path,label\na.jpg,1\nb.jpg,yes\n")
    assert_one_clear_line(done, "standard input:3:", "'yes'")


def test_two_labels_for_one_path_of_a_manifest(site: Site) -> None:
    """A new run would not help."""
    name = write(site.folder / "twice.csv", "path,label\ndata/a.jpg,0\ndata/a.jpg,1\n").name
    done = site.run("producer", "enqueue", name, "--allow-missing")
    said = "data/a.jpg has label 1 here and 0 in an earlier row: make the two agree"
    assert_one_clear_line(done, "twice.csv:3:", said)
    assert "--new-run" not in done.stderr


def test_a_label_that_contradicts_the_run(copied: Site) -> None:
    manifest = write(copied.folder / "changed.csv", "path,label\ndata/a.jpg,0\n")
    copied.succeed("producer", "enqueue", manifest.name, "--allow-missing")
    write(manifest, "path,label\ndata/a.jpg,1\n")
    done = copied.run("producer", "enqueue", manifest.name, "--allow-missing")
    said = "has label 1 here and 0 in the run: make the two agree, or "
    other = "take the new label over with --relabel, or use --new-run"
    assert_one_clear_line(done, "changed.csv:2:", said + other)


def test_a_bad_manifest_leaves_no_checkpoint_behind(copied: Site) -> None:
    """Else the next `enqueue` without --checkpoint would score with it."""
    new = stub_checkpoint(copied.folder, b"another", "new.keras")
    name = write(copied.folder / "labels.csv", "path,label\ndata/a.jpg,0\ndata/b.jpg,2\n").name
    before = copied.ledger.counts()
    done = copied.run("producer", "enqueue", name, "--checkpoint", new.name)
    assert_one_clear_line(done, "labels.csv:3:")
    assert copied.ledger.counts() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data", "--label", "dysplastic=1"], "--label dysplastic matches no folder of data"),
        (["data/*/*", "--exclude", "masks"], "--exclude masks matches nothing in data/*/*"),
        (["linked"], "set DATA_ROOT to a folder that holds both"),
        (["mixed"], "two class folders of different meaning, nevus (0) and Melanoma (1)"),
        (["some"], "some/z/odd is not a known class folder"),
        (["data.zip"], "unpack it with `python -m zipfile -e data.zip data`"),
    ],
    ids=str,
)
def test_a_folder_that_needs_a_word_leaves_nothing_behind(
    copied: Site, words: list[str], said: str
) -> None:
    for name in (
        "data.zip",
        "mixed/nevus/Melanoma/1.jpg",
        "some/z/odd/1.jpg",
        "some/z/nevus/1.jpg",
    ):
        write(copied.folder / name, "")
    write(copied.folder / "some/a.jpg", "")
    (copied.folder / "linked").symlink_to(write(copied.folder.parent / "else/1.jpg", "").parent)
    new = stub_checkpoint(copied.folder, b"another", "new.keras")
    before = copied.ledger.counts()
    done = copied.run("producer", "enqueue", *words, "--checkpoint", new.name)
    assert_one_clear_line(done, said)
    assert copied.ledger.counts() == before


@pytest.mark.parametrize("source", ["m.csv", "-"])
def test_a_manifest_of_absent_images_leaves_nothing_behind(tmp_path: Path, source: str) -> None:
    site = Site(tmp_path)
    stub_checkpoint(site.folder, name="new.keras")
    write(site.folder / "data/nevus/1.jpg", "")
    text = write(
        site.folder / "m.csv", "path,label\n" + "data\\nevus\\1.jpg,0\n" * 20_000
    ).read_text()
    order = ("producer", "enqueue", source, "--checkpoint", "new.keras")
    done = site.run(*order, stdin=text)
    assert_one_clear_line(done, "1,000 of 1,000 images", "it has backslashes", "data/nevus/1.jpg")
    assert not (site.folder / "dermscore.db").exists()
    done = site.run(*order, "--allow-missing", stdin=text)
    assert done.code == 0, done
    assert "run 1: 1 images (1 new)" in done.stdout
    assert "images that were looked for are not under DATA_ROOT" in done.stdout


def test_what_is_not_listed_is_said_after_the_summary(copied: Site) -> None:
    """And nothing more where all is listed."""
    first = copied.succeed("producer", "enqueue", "data").stdout.splitlines()
    for name in ("notes.txt", "nevus/Thumbs.db", ".DS_Store", "@eaDir/1.jpg", "masks/1.jpg"):
        write(copied.folder / "data" / name, "")
    more = copied.succeed("producer", "enqueue", "data", "--exclude", "masks").stdout.splitlines()
    assert more == [
        first[0],
        "3 other files passed over, such as data/.DS_Store",
        "1 system folder passed over (@eaDir)",
        "1 folder excluded",
        *first[1:],
    ]
    assert first[0].startswith("run 1: 3 images (0 new)")


def test_several_sources(site: Site) -> None:
    done = site.run("producer", "enqueue", "data/nevus", "data/melanoma")
    assert_one_clear_line(done, "one SOURCE at a time")


@pytest.mark.parametrize("label", ["dysplastic", "dysplastic=2", "=1"])
def test_a_bad_label_option(site: Site, label: str) -> None:
    done = site.run("producer", "enqueue", "data", "--label", label)
    assert_one_clear_line(done, label, "NAME=0 (benign) or NAME=1 (malignant)")


@pytest.mark.parametrize("label", ["melanoma=0", "nevus=1"])
def test_a_known_class_folder_is_not_turned_round(site: Site, label: str) -> None:
    name, _, meaning = label.partition("=")
    done = site.run("producer", "enqueue", "data", "--label", label)
    assert_one_clear_line(done, f"{name} is known as {1 - int(meaning)}")


def test_a_class_folder_of_unknown_meaning(site: Site) -> None:
    write(site.folder / "data" / "dysplastic" / "4.jpg", "")
    done = site.run("producer", "enqueue", "data")
    assert_one_clear_line(done, "dysplastic", "--label dysplastic=0")


@pytest.mark.parametrize("name", ["odd keratosis", "#odd", "it's", "a$b`c`", "x\ny"])
def test_a_suggested_label_can_be_pasted_into_a_shell(copied: Site, name: str) -> None:
    write(copied.folder / "data" / name / "4.jpg", "")
    done = copied.run("producer", "enqueue", "data")
    assert_one_clear_line(done, "is not a known class folder")
    (pasted,) = re.findall(r"--label (.+) \(benign\)", done.stderr)
    shell = ["bash", "-c", f"{SCRIPTS / 'producer'} enqueue data --label {pasted}"]
    again = subprocess.run(
        shell, cwd=copied.folder, env=copied.environment, capture_output=True, text=True, check=True
    )
    assert "4 images (1 new)" in again.stdout


def test_a_data_root_that_is_no_folder(site: Site) -> None:
    lost = Site(site.folder, {"DATA_ROOT": "nowhere"})
    done = lost.run("producer", "enqueue", "data")
    assert_one_clear_line(done, "DATA_ROOT=nowhere is not a folder")
    assert_worker_refuses(lost, "DATA_ROOT=nowhere is not a folder")


def no_file(folder: Path) -> Path:
    return folder / "absent.keras"


def no_card(folder: Path) -> Path:
    return write(folder / "cardless.keras", "some bytes")


def cut_short(folder: Path) -> Path:
    """Its card is of the whole file."""
    path = make_checkpoint(folder / "broken.keras", b"long enough to be cut")
    path.write_bytes(path.read_bytes()[:9])
    return path


def no_keras_file(folder: Path) -> Path:
    return write(folder / "weights.h5", "some bytes")


def no_network(folder: Path) -> Path:
    """Whole, and with its card; but it holds something else."""
    return make_checkpoint(folder / "other.keras", b"not a network")


Maker = Callable[[Path], Path]
MISSING: tuple[Maker, str] = (no_file, "No such file")
BROKEN: tuple[Maker, str] = (cut_short, "cut short")
NO_NETWORK: tuple[Maker, str] = (no_network, "not a .keras file, or was cut short")
OTHERS: list[tuple[Maker, str]] = [
    (no_card, "no model card"),
    (no_keras_file, "not a .keras file"),
]


@pytest.mark.parametrize(("make", "reason"), [MISSING, BROKEN, NO_NETWORK, *OTHERS])
def test_a_bad_checkpoint_is_refused_by_the_producer(site: Site, make: Maker, reason: str) -> None:
    name = make(site.folder).name
    done = site.run("producer", "enqueue", "data", "--checkpoint", name)
    assert_one_clear_line(done, name, reason)


@pytest.mark.parametrize(("make", "reason"), [MISSING, BROKEN, NO_NETWORK])
def test_a_bad_checkpoint_ends_the_worker(site: Site, make: Maker, reason: str) -> None:
    name = make(site.folder).name
    assert_worker_refuses(Site(site.folder, {"CHECKPOINT": name}), name, reason)


def test_without_any_checkpoint_the_producer_says_how_to_get_one(
    site: Site, tmp_path: Path
) -> None:
    shutil.copytree(site.folder / "data", tmp_path / "bare" / "data")
    done = Site(tmp_path / "bare").run("producer", "enqueue", "data")
    assert_one_clear_line(done, "no checkpoint is known yet", "trainer train")


def test_no_broker_for_the_producer(site: Site) -> None:
    """The run was listed before; sending its batch again is what fails."""
    deaf = Site(site.folder, {"BROKER_URL": closed_redis()})
    done = deaf.run("producer", "enqueue", "data")
    assert_one_clear_line(done, "redis://", "refused", "(BROKER_URL)")
    assert "0 new" in done.stdout


def test_no_broker_for_the_worker(site: Site) -> None:
    deaf = Site(site.folder, {"BROKER_URL": closed_redis()})
    assert_worker_refuses(deaf, "redis://", "refused", "(BROKER_URL)")


@pytest.mark.parametrize(
    "command",
    [("producer", "enqueue", "data"), ("producer", "status"), ("report", "--threshold", "0.2")],
    ids=" ".join,
)
def test_no_database_for_the_commands(site: Site, command: tuple[str, ...]) -> None:
    deaf = Site(site.folder, {"DATABASE_URL": closed_postgres()})
    assert_one_clear_line(deaf.run(*command), "postgresql", "refused", "(DATABASE_URL)")


def test_no_database_for_the_worker(site: Site) -> None:
    deaf = Site(site.folder, {"DATABASE_URL": closed_postgres()})
    assert_worker_refuses(deaf, "postgresql", "refused", "(DATABASE_URL)")


def closed_redis() -> str:
    return f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0"


def closed_postgres() -> str:
    return f"postgresql://somebody:{PASSWORD}@127.0.0.1:{free_port()}/dermscore"


def test_what_was_listed_without_a_broker_is_sent_when_there_is_one(copied: Site) -> None:
    """The ledger comes first: it knows what is owed, whatever became of the messages."""
    write(copied.folder / "data" / "nevus" / "4.jpg", "")
    deaf = Site(copied.folder, {"BROKER_URL": closed_redis()})
    assert_one_clear_line(deaf.run("producer", "enqueue", "data"), "(BROKER_URL)")
    counts = copied.ledger.counts()
    assert counts == {"checkpoints": 1, "runs": 1, "batches": 2, "images": 4, "predictions": 0}
    shutil.rmtree(copied.folder / "dermscore.queue")
    again = copied.succeed("producer", "enqueue", "data")
    assert "no image is new: 2 unfinished batches were sent again" in again.stdout
    assert copied.waiting() == 2
    assert copied.ledger.counts() == counts


NO_SUCH_RUN = [
    ("report", "--run", "99", "--threshold", "0.2"),
    ("report", "--run", "nosuch", "--threshold", "0.2"),
    ("producer", "status", "99"),
    ("producer", "status", "nosuch"),
]


@pytest.mark.parametrize("command", NO_SUCH_RUN, ids=" ".join)
def test_a_run_that_does_not_exist(site: Site, command: tuple[str, ...]) -> None:
    done = site.run(*command)
    assert_one_clear_line(done, f"there is no run {'99' if '99' in command else 'nosuch'}")


def test_an_unfinished_run_is_not_reported(site: Site) -> None:
    done = site.run("report", "--threshold", "0.2")
    assert done.code == 3
    assert done.stdout == ""
    assert done.stderr.startswith("run 1: 3 of 3 images are pending")


def test_a_report_without_a_ledger(tmp_path: Path) -> None:
    done = Site(tmp_path).run("report", "--threshold", "0.2")
    assert_one_clear_line(done, f"there is no database {tmp_path}/dermscore.db yet")
    assert not (tmp_path / "dermscore.db").exists()


@pytest.mark.parametrize("threshold", ["1.5", "-0.1", "nan", "half"])
def test_a_threshold_that_is_none(site: Site, threshold: str) -> None:
    done = site.run("report", "--threshold", threshold)
    assert_one_clear_line(done, f"{threshold} is not a number between 0 and 1")


def test_a_database_of_a_newer_version_is_left_alone(site: Site) -> None:
    site.ledger.change("UPDATE alembic_version SET version_num = '9999'")
    for command in (("producer", "enqueue", "data"), ("report", "--threshold", "0.2")):
        assert_one_clear_line(site.run(*command), "newer version (9999)", "upgrade dermscore")
    assert_worker_refuses(site, "newer version (9999)")
    assert site.ledger.rows("SELECT version_num FROM alembic_version") == [("9999",)]


@pytest.mark.parametrize("command", ["producer", "report", "trainer"])
def test_help_takes_under_half_a_second(command: str) -> None:
    assert min(seconds_to_help(command) for _ in range(3)) < HELP_SECONDS


def seconds_to_help(command: str) -> float:
    before = os.times()
    done = subprocess.run([SCRIPTS / command, "--help"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"Usage: {command} ")
    assert done.stderr == ""
    after = os.times()
    return after.children_user + after.children_system - sum(before[2:4])


def test_a_worker_says_what_it_starts_with(clean: CleanRun, trained: Trained) -> None:
    checkpoint = f"{trained.checkpoint.name} ({trained.digest[:12]})"
    starts = (
        (
            rf"  checkpoint {re.escape(checkpoint)}, on "
            r"(CPU \(\d+ threads\)|GPU|the first of .*), float32"
        ),
        rf"  database sqlite:///{re.escape(str(clean.site.folder))}/dermscore\.db",
        rf"  images under {re.escape(str(clean.site.folder))}",
    )
    for line in starts:
        assert re.search(f"^{line}$", clean.worker_output, re.MULTILINE), clean.worker_output


def test_a_worker_prints_one_line_for_each_batch(clean: CleanRun) -> None:
    line = re.compile(
        r" run 1 batch (\d+): (\d+) images, 0 errors, \d+\.\d images/s "
        r"\(read \d+\.\d\d, decode \d+\.\d\d, compute \d+\.\d\d, write \d+\.\d\d s\)$",
        re.MULTILINE,
    )
    batches = sorted(line.findall(clean.worker_output))
    assert batches == [("1", "64"), ("2", "64"), ("3", "22")]
    assert clean.worker_output.count("images/s") == 3


def test_tensorflows_noise_is_held_back(clean: CleanRun) -> None:
    said = clean.worker_output.lower()
    assert [word for word in NOISE if word in said] == []


def test_nothing_is_logged_as_a_warning_or_error(clean: CleanRun) -> None:
    lines = clean.worker_output.splitlines()
    assert [line for line in lines if " WARNING " in line or " ERROR " in line] == []
