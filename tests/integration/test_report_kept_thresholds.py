"""`report thresholds`: what was chosen, where and when, what the next report takes, taking back."""

import re
from datetime import UTC, datetime

import pytest
from processes import Ledger
from stored import one_line, report, rows, store_run, succeed

LABELS = (1, 0, 1, 0, 1, 0, 0)
SCORES = (0.9, 0.8, 0.7, 0.5, 0.4, 0.3, 0.1)
CARD = {"threshold": {"value": 0.77, "how": "sensitivity at least 0.9"}, "class_names": ["a", "b"]}
OTHER = "cd" * 32
UNLESS, BACK = "unless --threshold is given", "to take it back: report thresholds"


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


def today(url: str) -> str:
    (newest,) = Ledger(url).rows("SELECT max(created_at) FROM thresholds")
    return datetime.fromtimestamp(newest[0], UTC).strftime("%Y-%m-%d")


def cells(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


def taken(run: int) -> str:
    """The threshold of a report of this run, as it is printed."""
    found = re.search(r"^threshold (\S+), ", succeed("--run", str(run)), re.MULTILINE)
    assert found is not None
    return found[1]


def test_what_was_chosen_where_and_when_and_what_is_in_use(url: str) -> None:
    valid = store_run(url, rows(LABELS, SCORES), source="data/valid", card=CARD)
    test = store_run(url, rows(LABELS, SCORES), source="data/test", card=CARD)
    succeed("choose-threshold", str(valid), "--target-sensitivity", "0.3")
    succeed("choose-threshold", str(test), "--target-sensitivity", "0.9")
    date = today(url)
    lead, empty, heading, *table = succeed("thresholds").splitlines()
    assert lead == (
        f"the next report is of run {test}: it takes threshold 0.35, chosen on run {test} of "
        f"data/test on {date}, unless --threshold is given"
    )
    assert empty == ""
    assert cells(heading) == ["x.keras (abababababab)", "threshold", "chosen on", "date", "how"]
    last = "sensitivity at least 0.9 (sensitivity 3/3, specificity 2/4)"
    first = "sensitivity at least 0.3 (sensitivity 1/3, specificity 4/4)"
    assert [cells(line) for line in table] == [
        ["number 2", "in use", "0.35", f"run {test} of data/test", date, last],
        ["number 1", "replaced", "0.85", f"run {valid} of data/valid", date, first],
        ["model card", "replaced", "0.77", "in training", "sensitivity at least 0.9"],
    ]
    assert (taken(valid), taken(test)) == ("0.35", "0.35")


def test_each_checkpoint_has_its_own(url: str) -> None:
    ours = store_run(url, rows(LABELS, SCORES))
    succeed("choose-threshold", str(ours), "--youden")
    theirs = store_run(url, rows(LABELS, SCORES), digest=OTHER, card=CARD)
    said = succeed("thresholds")
    lead = f"the next report is of run {theirs}: it takes threshold 0.77, the model card's, unless"
    assert said.startswith(lead)
    blocks = [block.splitlines() for block in said.split("\n\n")[1:]]
    assert [block[0].split("  ")[0] for block in blocks] == [
        "x.keras (cdcdcdcdcdcd)",
        "x.keras (abababababab)",
    ]
    assert [cells(block[1])[:3] for block in blocks] == [
        ["model card", "in use", "0.77"],
        ["number 1", "in use", "0.35"],
    ]
    assert (taken(theirs), taken(ours)) == ("0.77", "0.35")


def test_forgetting_goes_back_to_the_one_before_it_and_then_to_the_cards(url: str) -> None:
    run = store_run(url, rows(LABELS, SCORES), card=CARD)
    succeed("choose-threshold", str(run), "--target-sensitivity", "0.3")
    succeed("choose-threshold", str(run), "--target-sensitivity", "0.9")
    of_run = f"chosen on run {run} of data/test on {today(url)}"
    assert succeed("thresholds", "--forget", "2").splitlines() == [
        f"forgotten: 0.35, {of_run}",
        f"reports of x.keras (abababababab) from now on: they take 0.85, {of_run}, {UNLESS}",
    ]
    assert taken(run) == "0.85"
    assert succeed("thresholds", "--forget", "1").splitlines()[1] == (
        "reports of x.keras (abababababab) from now on: they take 0.77, the model card's, unless "
        "--threshold is given"
    )
    assert taken(run) == "0.77"
    assert Ledger(url).rows("SELECT count(*) FROM thresholds") == [(0,)]


def test_the_last_one_forgotten_leaves_none(url: str) -> None:
    run = store_run(url, rows(LABELS, SCORES))
    succeed("choose-threshold", str(run), "--youden")
    said = succeed("thresholds", "--forget", "1").splitlines()[1]
    assert said == (
        "reports of x.keras (abababababab) from now on: no threshold is kept, so give one, such as "
        "--threshold 0.23, or choose one with `report choose-threshold`"
    )
    assert report("--run", str(run)).exit_code == 2


def test_an_older_one_forgotten_changes_no_report(url: str) -> None:
    run = store_run(url, rows(LABELS, SCORES))
    for target in ("0.3", "0.9"):
        succeed("choose-threshold", str(run), "--target-sensitivity", target)
    succeed("thresholds", "--forget", "1")
    assert taken(run) == "0.35"


@pytest.mark.parametrize("number", ["3", "2147483647"])
def test_a_number_that_is_not_there(url: str, number: str) -> None:
    run = store_run(url, rows(LABELS, SCORES))
    succeed("choose-threshold", str(run), "--youden")
    said = one_line(report("thresholds", "--forget", number))
    assert said == f"Error: there is no threshold {number}: `report thresholds` lists them"
    assert Ledger(url).rows("SELECT count(*) FROM thresholds") == [(1,)]


@pytest.mark.parametrize("number", ["0", "2147483648", "last", "-1"])
def test_what_is_no_number(url: str, number: str) -> None:
    store_run(url, rows(LABELS, SCORES))
    assert report("thresholds", "--forget", number).exit_code == 2


@pytest.mark.parametrize(
    "card", [{}, {"threshold": None}, {"threshold": {"value": 1.5}}, {"threshold": 0.3}]
)
def test_a_ledger_without_any(url: str, card: dict[str, object]) -> None:
    run = store_run(url, rows(LABELS, SCORES), card=card)
    assert succeed("thresholds") == (
        f"the next report is of run {run}: no threshold is kept for it, so give one, such as "
        "--threshold 0.23, or choose one with `report choose-threshold`\n"
    )


def test_choosing_says_what_it_replaces_and_how_to_take_it_back(url: str) -> None:
    plain = store_run(url, rows(LABELS, SCORES))
    carded = store_run(url, rows(LABELS, SCORES), digest=OTHER, card=CARD)
    choose = ("choose-threshold", str(plain), "--target-sensitivity")
    assert succeed(*choose, "0.9").splitlines()[2:] == [
        "to take it back: report thresholds --forget 1"
    ]
    assert succeed(*choose, "0.3").splitlines()[2:] == [
        f"it replaces 0.35, chosen on run {plain} of data/test on {today(url)}; {BACK} --forget 2"
    ]
    assert succeed("choose-threshold", str(carded), "--youden").splitlines()[2:] == [
        "it replaces 0.77, the model card's; to take it back: report thresholds --forget 3"
    ]


def test_a_name_cannot_break_the_line(url: str) -> None:
    run = store_run(url, rows(LABELS, SCORES), source="data/\x1b[31m\nvalid")
    succeed("choose-threshold", str(run), "--youden")
    said = succeed("thresholds")
    assert len(said.splitlines()) == 4
    assert "\x1b" not in said
