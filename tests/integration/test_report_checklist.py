"""`report checklist`: every item of a standard, with the ledger's figures where it has any."""

from importlib.metadata import version
from pathlib import Path

from stored import DIGEST, Stored, bytes_of, one_line, report, store_run, succeed

from report.checklist.stard import STARD
from report.checklist.tripod_ai import TRIPOD_AI

# At 0.5: TP 2, FN 1, FP 1, TN 3; two images without a score, and one without a label.
IMAGES = [
    Stored("test/melanoma/1.jpg", 1, 0.9, {"sex": "f"}, bytes_of(1)),
    Stored("test/melanoma/2.jpg", 1, 0.8, {"sex": "f"}),
    Stored("test/melanoma/3.jpg", 1, 0.1, {"sex": "m"}),
    Stored("test/nevus/4.jpg", 0, 0.7, {"sex": "f"}),
    Stored("test/nevus/5.jpg", 0, 0.2, {"sex": "m"}),
    Stored("test/nevus/6.jpg", 0, 0.3, {"sex": "m"}),
    Stored("test/nevus/7.jpg", 0, 0.0, {"sex": "m"}),
    Stored("test/nevus/8.jpg", 0, "corrupt", {"sex": "m"}),
    Stored("test/melanoma/9.jpg", 1, "no_score", {"sex": "f"}),
    Stored("test/other/10.jpg", None, 0.6, {"sex": "f"}),
]
CARD = {
    "decode": {"height": 299, "width": 298},
    "backbone": {"option": "x", "digest": "cd" * 32, "description": "Inception_v3"},
    "data": {
        "train": "data/train",
        "valid": "data/valid",
        "train_counts": {"benign": 20, "malignant": 5},
        "valid_counts": {"benign": 6, "malignant": 4},
        "images": [bytes_of(1), bytes_of(77)],
    },
    "training": {"recipe": {"optimizer": "adam"}, "epochs": 8, "best_epoch": 3},
}
OPEN = "open"


def items(text: str) -> dict[str, list[str]]:
    """The table's rows by item number: what is asked for, what is known, what is to be written."""
    rows = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert {len(row) for row in rows} == {4}
    found = {number: rest for number, *rest in rows}
    assert len(found) == len(rows), "an item is there twice"
    return found


def numbers(*parted: tuple[int, int]) -> list[str]:
    """1, 2, 3a, 3b and so on, from pairs of a number and how many parts it has."""
    letters = "abcdefg"
    return [
        f"{number}{letters[part] if parts > 1 else ''}"
        for number, parts in parted
        for part in range(parts)
    ]


def test_every_item_of_stard_is_there_once() -> None:
    parts = dict.fromkeys(range(1, 31), 1) | {10: 2, 12: 2, 13: 2, 21: 2}
    assert [item.number for item in STARD.items] == numbers(*parts.items())
    assert len(STARD.items) == 34


def test_every_item_of_tripod_ai_is_there_once() -> None:
    several = {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3}
    parts = dict.fromkeys(range(1, 28), 1) | several
    assert [item.number for item in TRIPOD_AI.items] == numbers(*parts.items())
    assert len(TRIPOD_AI.items) == 52


def test_stard_holds_the_figures_of_the_ledger(url: str) -> None:
    run = store_run(url, IMAGES, card=CARD)
    text = succeed("checklist", str(run), "--standard", "stard", "--threshold", "0.5")
    assert "BMJ 2015;351:h5527" in text
    found = items(text)
    known = {number: row[1] for number, row in found.items()}
    assert list(known) == [item.number for item in STARD.items]
    assert f"x.keras, SHA-256 {DIGEST}, float32" in known["10a"]
    assert "backbone Inception\\_v3" in known["10a"]
    assert f"dermscore {version('dermscore')}" in known["10a"]
    assert "column label (4 malignant)" in known["10b"]
    assert "column label (5 benign)" in known["10b"]
    assert "threshold 0.5, exploratory: given on the command line" in known["12a"]
    assert "95 % intervals: Wilson 1927" in known["14"]
    assert "without a score: 2 of 10 listed images" in known["16"]
    assert "corrupt 1" in known["16"]
    assert "no\\_score 1" in known["16"]
    assert "scored without a label: 1" in known["16"]
    assert known["19"].startswith("images listed 10, without a score 2, scored 8, analysed")
    assert known["19"].endswith(" 7")
    assert known["23"] == (
        "malignant: 2 positive (TP), 1 negative (FN); benign: 1 positive (FP), 3 negative (TN)"
    )
    assert "sensitivity 2/3 = 0.667 (0.208 to 0.939)" in known["24"]
    assert "specificity 3/4 = 0.750 (0.301 to 0.954)" in known["24"]
    # Pairs in the right order: 0.9 and 0.8 above all four, 0.1 above one; 9 of 12.
    assert "ROC AUC 0.750" in known["24"]
    assert "trained on 1 of the 8 scored images" in known["26"]
    for number in ("1", "12b", "13b", "15", "17", "18", "20", "21a", "25", "28", "30"):
        assert known[number] == OPEN
        assert found[number][2], "what is open says what the authors must write"


def test_tripod_ai_holds_the_training_of_the_card(url: str) -> None:
    store_run(url, IMAGES, card=CARD)
    options = ("--threshold", "0.5", "--prespecified", "ISIC rule", "--prevalence", "0.02")
    text = succeed("checklist", "--standard", "tripod-ai", *options, "--by", "sex")
    assert "BMJ 2024;385:e078378" in text
    known = {number: row[1] for number, row in items(text).items()}
    assert list(known) == [item.number for item in TRIPOD_AI.items]
    assert known["5a"] == "evaluation: data/test; training: data/train; validation: data/valid"
    assert known["7"] == "images decoded with height 299, width 298"
    trained = "training: benign 20, malignant 5; validation: benign 6, malignant 4"
    assert known["12a"] == (
        f"{trained}; 1 of the 8 scored images have the bytes of a training image"
    )
    assert "optimizer adam; epochs 8; best epoch 3" in known["12c"]
    assert "3 malignant and 4 benign of 7 analysed images; prevalence 3/7 = 0.429" in known["16"]
    assert known["16"].startswith(trained)
    assert "prespecified: given on the command line as chosen beforehand: ISIC rule" in known["15"]
    assert "PPV where 2 % are malignant" in known["23a"]
    assert "calibration slope" in known["23a"]
    assert "sex f (2 malignant of 3): kept back" in known["23a"]
    assert {known[number] for number in ("3c", "12d", "14", "17", "18e", "23b", "27c")} == {OPEN}


def test_nothing_is_claimed_that_the_ledger_does_not_know(url: str) -> None:
    store_run(url, [Stored("1.jpg", None, 0.5)], source="a|b\n<c>")
    for standard, unknown in (
        ("stard", ("10b", "17", "23", "24", "26")),
        ("tripod-ai", ("7", "8a", "10", "12a", "12c", "13", "16", "20c", "21", "23a", "26")),
    ):
        text = succeed("checklist", "--standard", standard, "--threshold", "0.5")
        known = {number: row[1] for number, row in items(text).items()}
        assert {known[number] for number in unknown} == {OPEN}
        assert "\n<c>" not in text


def test_a_file_is_written_and_bad_options_are_refused(url: str) -> None:
    store_run(url, IMAGES)
    common = ("checklist", "--standard", "stard", "--threshold", "0.5")
    done = report(*common, "-o", "stard.md")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "wrote stard.md\n")
    assert Path("stard.md").read_text() == succeed(*common)
    assert "cannot write no/stard.md" in one_line(report(*common, "-o", "no/stard.md"))
    assert "--standard" in report("checklist", "--threshold", "0.5").stderr
