"""Scores that came from elsewhere become a run, and never a checkpoint that a worker could want."""

import gzip
import hashlib
import json
import os
import pty
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from processes import SCRIPTS, Ledger, Site
from stored import DIGEST, Stored, one_line, report, store_run, succeed

from db.queries.runs import newest_checkpoint, wanted_first
from db.queries.unfinished import count_unfinished, unfinished_checkpoints, unfinished_runs
from db.session import open_database

SCORES = "image_id,melanoma,seborrheic_keratosis\na,0.9,0.1\nb,0.4,0.2\nc,1,0.3\nd,0,0.4\n"
TRUTH = "image_id,melanoma,age,sex\na,1,30,male\nb,0,,female\nc,1.0,55,\nd,,70,male\n"


@pytest.fixture
def url(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("CHECKPOINT", raising=False)
    monkeypatch.chdir(tmp_path)
    return database_url


def write(scores: str = SCORES, truth: str = TRUTH) -> tuple[str, ...]:
    """The arguments that import these files under the name `team`."""
    Path("scores.csv").write_text(scores)
    Path("truth.csv").write_text(truth)
    return ("import-scores", "scores.csv", "--truth", "truth.csv", "--name", "team")


def producer(*arguments: str) -> str:
    """What the command says, in a process of its own."""
    done = Site(Path.cwd(), {"DATABASE_URL": os.environ["DATABASE_URL"]}).run(
        "producer", *arguments
    )
    return done.stdout + done.stderr


def test_a_finished_run_of_every_image(url: str) -> None:
    said = succeed(*write())
    assert said.splitlines()[0] == (
        "run 1 (team): 4 images, 2 malignant, 1 benign, 1 without label; scores: column melanoma"
    )
    ledger = Ledger(url)
    found = ledger.rows(
        "SELECT path, label, score, error, worker FROM images "
        "JOIN predictions ON image_id = images.id ORDER BY images.id"
    )
    assert found == [
        ("a", 1, 0.9, None, "imported"),
        ("b", 0, 0.4, None, "imported"),
        ("c", 1, 1.0, None, "imported"),
        ("d", None, 0.0, None, "imported"),
    ]
    assert ledger.unfinished() == 0
    assert ledger.rows("SELECT number, attempts FROM batches") == [(1, 0)]


@pytest.mark.usefixtures("url")
def test_the_report_says_where_the_scores_came_from() -> None:
    succeed(*write())
    said = succeed("--run", "team", "--threshold", "0.5")
    digest = hashlib.sha256(SCORES.encode()).hexdigest()
    assert (
        f"imported scores: column melanoma of scores.csv (SHA-256 {digest[:12]}), "
        "not computed by dermscore"
    ) in said.splitlines()
    assert said.splitlines()[-1].startswith("run 1 (team) of truth.csv, checkpoint scores.csv (")
    got = json.loads(succeed("--run", "team", "--threshold", "0.5", "--format", "json"))
    assert got["run"]["precision"] == "imported"
    assert got["checkpoint"]["imported"] == {
        "file": "scores.csv",
        "sha256": digest,
        "column": "melanoma",
        "truth": "truth.csv",
        "truth_sha256": hashlib.sha256(TRUTH.encode()).hexdigest(),
    }
    assert got["confusion"] == {"tp": 2, "fp": 0, "tn": 1, "fn": 0}


@pytest.mark.usefixtures("url")
def test_other_columns_of_the_truth_are_attributes() -> None:
    succeed(*write())
    got = json.loads(succeed("--threshold", "0.5", "--by", "sex", "--format", "json"))
    images = {one["value"]: one["images"] for one in got["subgroups"]}
    assert images == {"male": 1, "female": 1, None: 1}


MEANINGS = ["--label", "mel=1", "--label", "nv=0", "--label", "bcc=none"]
HAM = "lesion_id,image_id,dx,sex\nL1,a,mel,male\nL2,b,nv,female\nL3,c,bcc,male\n"


@pytest.mark.parametrize(
    ("truth", "options", "labels"),
    [
        (HAM, [], [1, 0, None]),
        (HAM, ["--label", "bcc=1"], [1, 0, 1]),
        (HAM.replace("dx", "found"), ["--label", "found", *MEANINGS], [1, 0, None]),
        ("id,label\na,malignant\nb,Benign\nc,\n", [], [1, 0, None]),
        ("id,target\na,True\nb,False\nc,0.00\n", [], [1, 0, 0]),
    ],
)
def test_labels_are_numbers_words_or_diagnoses(
    url: str, truth: str, options: list[str], labels: list[int | None]
) -> None:
    arguments = write("id,score\na,0.9\nb,0.2\nc,0.4\n", truth)
    said = succeed(*arguments, *options)
    assert Ledger(url).rows("SELECT label FROM images ORDER BY path") == [(one,) for one in labels]
    if truth.startswith("lesion_id"):
        assert "truth.csv: malignant: mel (1)" in said
        query = "SELECT attributes FROM images WHERE path = 'a'"
        assert "mel" in str(Ledger(url).rows(query))


@pytest.mark.usefixtures("url")
def test_all_diagnoses_without_a_meaning_are_named_at_once() -> None:
    arguments = write("id,score\na,0.9\n", HAM.replace("dx", "found"))
    said = one_line(report(*arguments, "--label", "found", "--label", "mel=1"))
    assert "truth.csv: values without a meaning (labels in found): nv (1), bcc (1); add" in said
    assert said.endswith("--label nv=none --label bcc=none")


def test_no_one_takes_it_for_a_checkpoint(url: str) -> None:
    succeed(*write())
    with closing(open_database(url)) as database, database.read() as session:
        assert newest_checkpoint(session) is None
        assert wanted_first(session) is None
        assert unfinished_checkpoints(session) == []
        assert unfinished_runs(session) == []
        assert count_unfinished(session) == (0, 0)
    Path("pictures").mkdir()
    Path("pictures/x.jpg").write_bytes(b"x")
    assert "no checkpoint is known yet" in producer("enqueue", "pictures")
    assert Ledger(url).rows("SELECT count(*) FROM runs") == [(1,)]


def test_the_newest_checkpoint_is_the_newest_with_a_file(url: str) -> None:
    store_run(url, [Stored("x.jpg", 1, 0.5)])
    succeed(*write())
    with closing(open_database(url)) as database, database.read() as session:
        newest, first = newest_checkpoint(session), wanted_first(session)
    assert newest is not None
    assert newest.digest == DIGEST
    assert first is not None
    assert (first.digest, first.path) == (DIGEST, "checkpoints/x.keras")
    Path("pictures").mkdir()
    Path("pictures/x.jpg").write_bytes(b"x")
    assert f"checkpoint {DIGEST[:12]}" in producer("enqueue", "pictures")


def test_status_resume_and_retry_leave_it_alone(url: str) -> None:
    succeed(*write(scores="image_id,score\na,0.9\n"))
    before = Ledger(url).rows("SELECT * FROM batches")
    status = producer("status").splitlines()[2].split()  # after the database and the header
    assert status[:4] == ["1", "team", "truth.csv", "imported"]
    assert status[-4:] == ["4", "1", "3", "0"]
    assert "no batch needs to be sent again" in producer("resume")
    retried = producer("retry", "team", "--error", "missing")
    assert "no image has the error missing" in retried
    assert Ledger(url).rows("SELECT * FROM batches") == before


def test_an_image_of_the_truth_without_score_is_kept_and_counted(url: str) -> None:
    said = succeed(*write(scores="image_id,score\na,0.9\nb,0.1\nc,0.5\n"))
    assert "4 images, 2 malignant, 1 benign, 1 without label, 1 without score" in said
    assert Ledger(url).rows("SELECT error, detail FROM predictions WHERE score IS NULL") == [
        ("no_score", "scores.csv holds no score for it")
    ]
    got = json.loads(succeed("--threshold", "0.5", "--format", "json"))["flow"]
    assert (got["listed"], got["scored"], got["errors"]) == (4, 3, {"no_score": 1})


def test_two_columns_of_one_file_are_two_models(url: str) -> None:
    arguments = write("name,ours,theirs\na,0.9,0.1\nb,0.2,0.8\n", "id,label\na,1\nb,0\n")[:-1]
    succeed(*arguments, "ours", "--id", "name", "--score", "ours")
    succeed(*arguments, "theirs", "--id", "name", "--score", "theirs")
    digests = Ledger(url).rows("SELECT digest FROM checkpoints")
    assert len(set(digests)) == 2
    for run, sensitivity in (("ours", 1.0), ("theirs", 0.0)):
        got = json.loads(succeed("--run", run, "--threshold", "0.5", "--format", "json"))
        assert got["sensitivity"]["value"] == sensitivity


def test_more_images_than_one_batch_and_one_chunk(url: str) -> None:
    ids = [f"image-{number:05}" for number in range(20_000)]
    scores = "id,score\n" + "".join(f"{one},{at / 20_000}\n" for at, one in enumerate(ids))
    truth = "id,label\n" + "".join(f"{one},{at % 2}\n" for at, one in enumerate(reversed(ids)))
    succeed(*write(scores, truth))
    ledger = Ledger(url)
    assert ledger.unfinished() == 0
    wrong = ledger.rows(
        "SELECT count(*) FROM images JOIN predictions ON image_id = images.id "
        "WHERE abs(score - CAST(substr(path, 7) AS double precision) / 20000) > 1e-12"
    )
    assert wrong == [(0,)]
    flow = json.loads(succeed("--threshold", "0.5", "--format", "json"))["flow"]
    assert (flow["listed"], flow["analysed"]) == (20_000, 20_000)


@pytest.mark.parametrize(
    ("scores", "truth", "said"),
    [
        (SCORES + "a,0.1,0\n", TRUTH, "scores.csv:6: a is there twice"),
        (SCORES + ",0.1,0\n", TRUTH, "scores.csv:6: the image id is empty"),
        (SCORES + "e,0.1,0\nf,1,0\n", TRUTH, "scores.csv:6: e is not in the truth truth.csv"),
        (SCORES.replace("0.4", "1.01"), TRUTH, "scores.csv:3: the melanoma '1.01' is not a number"),
        (SCORES.replace("0.4", "-0.1"), TRUTH, "scores.csv:3: the melanoma '-0.1' is not"),
        (SCORES.replace("0.4", "nan"), TRUTH, "scores.csv:3: the melanoma 'nan' is not a number"),
        (SCORES.replace("0.4", ""), TRUTH, "scores.csv:3: the melanoma '' is not a number"),
        (SCORES.replace("0.4", "0_5"), TRUTH, "scores.csv:3: the melanoma '0_5' is not a number"),
        (SCORES.replace("b,0.4,0.2", "b,0.4"), TRUTH, "scores.csv:3: 2 fields under 3 columns"),
        (SCORES.replace("b,", '"b,'), TRUTH, "scores.csv:"),
        (SCORES, TRUTH + "a,0,1,\n", "truth.csv:6: a is there twice"),
        (SCORES, TRUTH + "e,0,1,\ne,0,1,\n", "truth.csv:7: e is there twice"),
        (SCORES, TRUTH.replace("male", '"ma\nle"', 1) + "a,,,\n", "truth.csv:7: a is there twice"),
        (SCORES, TRUTH.replace("b,0", "b,2"), "truth.csv:3: label '2' is neither 0 (benign) nor 1"),
        (SCORES, TRUTH.replace("b,0", "b,no"), "no (1); add what each means"),
        ("", TRUTH, "scores.csv:1: there is no header line"),
        ("image_id,melanoma\n", TRUTH, "scores.csv: there are no rows below the header"),
        ("image_id,value\na,0.1\n", TRUTH, "was not found among image_id, value: name it"),
        ("image_id,score,target\na,1,1\n", TRUTH, "could be any of score, target: name it with"),
        ("picture,score\na,1\n", TRUTH, "name it with --id"),
        (SCORES, "image_id,sex\na,male\n", "name it with --label"),
        ("id,id,score\na,a,1\n", TRUTH, "scores.csv:1: two columns are called id"),
        (SCORES + "\0,0.1,0\n", TRUTH, "scores.csv:6: it contains a NUL character"),
        (SCORES.replace("0.4", "2") + "e\n", TRUTH, "scores.csv:3: the melanoma '2' is not a"),
        (SCORES.replace("b,0.4", 'b,"0".4'), TRUTH, "scores.csv:3: not CSV: ',' expected after"),
        (SCORES + "\n\ne,0.1,0\n", TRUTH, "scores.csv:8: e is not in the truth truth.csv"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_nothing_is_stored(
    url: str, scores: str, truth: str, said: str
) -> None:
    open_database(url).close()
    assert said in one_line(report(*write(scores, truth)))
    assert set(Ledger(url).counts().values()) == {0}


@pytest.mark.usefixtures("url")
def test_what_is_no_text_is_named() -> None:
    arguments = write()
    Path("scores.csv").write_bytes(b"image_id,score\na,0.1\n\xff,0.2\n")
    said = one_line(report(*arguments))
    assert said.startswith("Error: scores.csv:3: not UTF-8 text but perhaps Windows-1252")
    assert said.endswith("iconv -f WINDOWS-1252 -t UTF-8 scores.csv > utf8.csv")
    write()
    Path("truth.csv").write_bytes(TRUTH.encode() + '"é\r\n'.encode() + b'\xe9",,,\n')
    said = one_line(report(*arguments))
    assert said.startswith("Error: truth.csv:7: not UTF-8 text but perhaps Windows-1252")
    assert "(then it says é)" in said
    write()
    Path("scores.csv").write_bytes(SCORES.encode("utf-16"))
    assert "scores.csv:1: it is UTF-16 text" in one_line(report(*arguments))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_files_as_spreadsheets_write_them(url: str, separator: str) -> None:
    plain = [text.replace(",", separator) for text in (SCORES, TRUTH)]
    arguments = write(f"sep={separator}\r\n{plain[0]}", f"{plain[1]}{separator * 3}\r\n")
    Path("truth.csv").write_bytes(gzip.compress(Path("truth.csv").read_bytes()))
    assert "4 images, 2 malignant, 1 benign, 1 without label" in succeed(*arguments)
    assert Ledger(url).rows("SELECT path FROM images ORDER BY path")[0] == ("a",)
    write(f"sep={separator}\r\n{plain[0]}x{separator}2{separator}0\r\n")
    assert "scores.csv:7: " in one_line(report(*arguments))


def test_scores_come_down_a_pipe(url: str) -> None:
    write()
    site = Site(Path.cwd(), {"DATABASE_URL": url})
    arguments = ("/dev/stdin", "--truth", "truth.csv", "--name", "team")
    site.succeed("report", "import-scores", *arguments, stdin=SCORES)
    ((card,),) = Ledger(url).rows("SELECT CAST(card AS text) FROM checkpoints")
    assert json.loads(card)["imported"]["sha256"] == hashlib.sha256(SCORES.encode()).hexdigest()
    assert Ledger(url).scores() == {"a": 0.9, "b": 0.4, "c": 1.0, "d": 0.0}


def test_a_kill_half_way_leaves_nothing(url: str) -> None:
    open_database(url).close()
    site = Site(Path.cwd(), {"DATABASE_URL": url})
    with site.start("report", *write(*many(150_000))) as process:
        process.await_true(lambda: grown(url), "it had stored a part of the images")
        process.send(signal.SIGKILL)
        process.await_end()
        assert "run 1" not in process.output
    assert set(Ledger(url).counts().values()) == {0}
    assert "there is no run team" in one_line(report("--run", "team", "--threshold", "0.5"))
    assert "(team): 4 images" in succeed(*write())


@pytest.mark.usefixtures("url")
def test_a_terminal_sees_how_far_it_is() -> None:
    scores, truth = many(10_000)
    said = on_a_terminal(*write(scores, truth))
    assert "\r\033[K10,000 rows read\r\033[K20,000 rows read" in said
    counted, _, told = said.rpartition("\r\033[K")
    assert counted.endswith("\r\033[K10,000 of 10,000 images stored")
    assert told.startswith("a new database was made: ")
    said = on_a_terminal(*write(scores, truth + "x,1,\n"))
    assert said.endswith("\r\033[KError: truth.csv:10002: 3 fields under 2 columns\r\n")


@pytest.mark.parametrize("name", ["7", " "])
def test_a_name_that_is_a_number_or_nothing(url: str, name: str) -> None:
    open_database(url).close()
    assert "a name must not be empty or a number" in one_line(report(*write()[:-1], name))
    assert set(Ledger(url).counts().values()) == {0}


def test_a_name_that_is_taken(url: str) -> None:
    succeed(*write())
    before = Ledger(url).counts()
    assert "there is already a run of this name" in one_line(report(*write()))
    assert Ledger(url).counts() == before


def test_the_known_answers_of_two_teams(shared: Path, url: str) -> None:
    folder = shared / "data" / "isic2017_scores"
    for name in ("recod_titans", "gonzalez_diaz"):
        files = (str(folder / f"{name}.csv"), "--truth", str(folder / "truth.csv"))
        succeed("import-scores", *files, "--name", name)
    recod, gonzalez = figures("recod_titans"), figures("gonzalez_diaz")
    assert rounded(recod["roc_auc"]) == (0.8735, 0.8355, 0.9115)
    assert rounded(gonzalez["roc_auc"]) == (0.8556, 0.8178, 0.8934)
    specificity = {
        one["sensitivity"]: round(one["value"], 4) for one in recod["specificity_at_sensitivity"]
    }
    assert specificity == {0.8: 0.7743, 0.9: 0.5445, 0.95: 0.3954}
    groups = {one["value"]: one for one in recod["subgroups"]}
    counts = {value: (one["malignant"], one["images"]) for value, one in groups.items()}
    assert counts == {"male": (67, 294), "female": (41, 279), None: (9, 27)}
    assert round(groups["male"]["roc_auc"]["value"], 3) == 0.824
    assert round(groups["female"]["roc_auc"]["value"], 3) == 0.929
    assert groups[None]["roc_auc"]["value"] is None  # nine melanomas are too few
    assert Ledger(url).rows("SELECT count(*) FROM images WHERE label IS NULL") == [(0,)]


def many(images: int) -> tuple[str, str]:
    """Files of so many images."""
    ids = [f"image-{number:06}" for number in range(images)]
    scores = "".join(f"{one},0.5\n" for one in ids)
    return f"id,score\n{scores}", "id,label\n" + "".join(f"{one},1\n" for one in reversed(ids))


def grown(url: str) -> bool:
    """Whether a transaction that nobody sees yet has written a megabyte."""
    if url.startswith("sqlite"):
        log = Path("dermscore.db-wal")
        return log.exists() and log.stat().st_size > 1e6
    ((size,),) = Ledger(url).rows("SELECT pg_relation_size('images')")
    return bool(size > 1e6)


def on_a_terminal(*arguments: str) -> str:
    """What the command says on standard error where that is a terminal."""
    ours, its = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        command = [str(SCRIPTS / "report"), *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=its, check=False)
        os.close(its)
        said = b""
        with suppress(OSError):  # Linux's end of file on a terminal that was closed
            while part := screen.read(4096):
                said += part
    return said.decode()


def figures(run: str) -> dict[str, Any]:
    text = succeed("--run", run, "--threshold", "0.5", "--by", "sex", "--format", "json")
    got: dict[str, Any] = json.loads(text)
    return got


def rounded(figure: dict[str, float]) -> tuple[float, ...]:
    return tuple(round(figure[end], 4) for end in ("value", "low", "high"))
