"""`--by`, `--prevalence`, `--confidence` and the formats, from a ledger."""

import csv
import io
import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from base.listed_image import ListedImage
from db.queries import leases, listing, outcomes, runs
from db.session import open_database
from db.tables import Run
from report.cli import main

SITES = ("arm", "back|[palm]")


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DATABASE_URL", address)
    return address


@pytest.fixture
def stored(url: str) -> str:
    """30 images of each site, 12 of them malignant; 5 more of no site, one of them malignant."""
    images = [(int(at % 30 < 12), SITES[at // 30], (at * 7 % 30) / 30) for at in range(60)]
    images += [(int(at == 0), "", at / 5) for at in range(5)]
    with closing(open_database(url)) as database, database.write() as session:
        checkpoint = runs.add_checkpoint(session, "ab" * 32, "checkpoints/x.keras", {})
        run = Run(
            source="data/test", checkpoint_id=checkpoint.id, precision="float32", batch_size=64
        )
        session.add(run)
        session.flush()
        rows = [
            ListedImage(f"{at:03d}.jpg", label, {"site": site, "patient": str(at)})
            for at, (label, site, _) in enumerate(images)
        ]
        listing.stage_images(session, run, rows)
        listing.cut_batches(session, run.id)
        for number in (1, 2):
            pending = leases.pending_images(session, [leases.BatchKey(run.id, number)])
            found = [(row, images[int(path[:3])][2]) for _, row, path, *_ in pending]
            outcomes.store_outcomes(
                session,
                "worker",
                [outcomes.Outcome(row, score, None, None, None) for row, score in found],
            )
    return url


def report(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--threshold", "0.5", *arguments], prog_name="report")


def shown(*arguments: str) -> str:
    done = report(*arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.usefixtures("stored")
def test_by_a_column_of_the_manifest() -> None:
    subgroups = json.loads(shown("--by", "site", "--format", "json"))["subgroups"]
    counts = [(one["value"], one["images"], one["malignant"], one["benign"]) for one in subgroups]
    assert counts == [(SITES[0], 30, 12, 18), (SITES[1], 30, 12, 18), (None, 5, 1, 4)]
    assert subgroups[0]["sensitivity"]["low"] < subgroups[0]["sensitivity"]["value"]
    kept_back = {
        "value": None,
        "low": None,
        "high": None,
        "reason": "under 10: 1 malignant and 4 benign",
    }
    assert [subgroups[2][name] for name in ("sensitivity", "specificity", "roc_auc")] == [
        kept_back
    ] * 3
    text = shown("--by", "site")
    assert "by site (95 % interval)" in text
    assert "kept back (under 10: 1 malignant and 4 benign)" in text


@pytest.mark.usefixtures("stored")
def test_a_column_that_no_image_has() -> None:
    done = report("--by", "sex")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "--by sex: no analysed image of run 1 has this column" in done.stderr
    assert "there are patient, site" in done.stderr


@pytest.mark.usefixtures("stored")
def test_a_column_of_names_is_no_subgroup() -> None:
    done = report("--by", "patient")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "65 different values are no subgroups" in done.stderr


@pytest.mark.usefixtures("stored")
def test_without_by_there_are_no_subgroups() -> None:
    whole = json.loads(shown("--format", "json"))
    assert (whole["subgroups"], whole["at_prevalence"]) == ([], None)


@pytest.mark.usefixtures("stored")
def test_another_prevalence() -> None:
    other = json.loads(shown("--prevalence", "0.02", "--format", "json"))["at_prevalence"]
    assert other["prevalence"] == 0.02
    assert 0 < other["ppv"]["low"] < other["ppv"]["value"] < other["ppv"]["high"] < 1
    text = shown("--prevalence", "0.02")
    assert "where 2 % are malignant" in text
    assert "\nof 1,000 patients, 20 with melanoma: " in text
    assert "\nof 1,000 patients, 20 with melanoma: " in shown(
        "--prevalence", "0.02", "--format", "markdown"
    )
    assert "; at these images' prevalence" in shown()


@pytest.mark.usefixtures("stored")
def test_another_prevalence_moves_net_benefit_and_the_rest_says_where_it_stays() -> None:
    plain = json.loads(shown("--format", "json"))
    moved = json.loads(shown("--prevalence", "0.02", "--format", "json"))
    sensitivity, specificity = (plain[name]["value"] for name in ("sensitivity", "specificity"))
    benefit = moved["net_benefit"]
    assert benefit["value"] == pytest.approx(sensitivity * 0.02 - (1 - specificity) * 0.98)
    assert benefit["treat_all"] == pytest.approx(0.02 - 0.98)
    assert moved["at_prevalence"]["net_benefit"]["value"] == benefit["value"]
    sources = {
        name: figure.pop("prevalence_from")
        for name, figure in moved.items()
        if isinstance(figure, dict) and "prevalence_from" in figure
    }
    assert {sources.pop(name) for name in ("net_benefit", "interventions_avoided")} == {"option"}
    assert set(sources.values()) == {"sample"}
    assert {"accuracy", "f1", "ppv", "npv", "average_precision", "brier"} <= set(sources)
    changed = {name for name in plain if moved[name] != plain[name]}
    of_patients = {"natural_frequencies", "bootstrap"}
    assert changed == {"net_benefit", "interventions_avoided", "at_prevalence", *of_patients}
    rows = list(csv.reader(io.StringIO(shown("--prevalence", "0.02", "--format", "csv"))))
    assert ["ppv_prevalence_from", "sample", "", "", ""] in rows
    for line in shown("--prevalence", "0.02").splitlines():
        stays = line.split("  ")[0] in {"accuracy", "F1", "PPV", "NPV", "average precision"}
        assert not stays or "at these images' prevalence" in line
        assert not line.startswith("net benefit") or "where 2 % are malignant" in line


@pytest.mark.usefixtures("stored")
def test_pictures_say_at_which_prevalence_they_are(tmp_path: Path) -> None:
    shown_at = {}
    for at in ("0.02", "0.3"):
        assert report("--prevalence", at, "--output", str(tmp_path / at)).exit_code == 0
        shown_at[at] = (tmp_path / at / "decision_curve.svg").read_text()
    assert "<!-- where 2 % are malignant -->" in shown_at["0.02"]
    assert "<!-- where 30 % are malignant -->" in shown_at["0.3"]
    for name in ("precision_recall", "calibration"):
        assert "at these images' prevalence -->" in (tmp_path / "0.3" / f"{name}.svg").read_text()


@pytest.mark.parametrize("option", ["--prevalence", "--confidence"])
@pytest.mark.parametrize("value", ["0", "1", "95", "nan", "half"])
def test_what_is_not_between_0_and_1_is_refused(url: str, option: str, value: str) -> None:
    done = report(option, value)
    assert url
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{value} is not a number between 0 and 1" in done.stderr


@pytest.mark.usefixtures("stored")
def test_a_confidence_that_rounds_to_1_is_refused() -> None:
    done = report("--threshold", "0.5", "--confidence", "0.9999999999999999")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "0.9999999999999999 is too near to 1" in done.stderr


@pytest.mark.usefixtures("stored")
def test_another_confidence() -> None:
    usual, wide = (
        json.loads(shown("--confidence", level, "--format", "json")) for level in ("0.95", "0.99")
    )
    assert (usual["confidence"], wide["confidence"]) == (0.95, 0.99)
    for name in ("sensitivity", "roc_auc", "calibration_slope", "lr_negative"):
        assert wide[name]["low"] < usual[name]["low"]
        assert wide[name]["high"] > usual[name]["high"]
    assert "(99 % interval)" in shown("--confidence", "0.99")


@pytest.mark.usefixtures("stored")
def test_csv_has_the_same_figures_as_json() -> None:
    options = ("--by", "site", "--prevalence", "0.1", "--format")
    whole = json.loads(shown(*options, "json"))
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(shown(*options, "csv")))}
    for name in ("ppv", "npv", "roc_auc", "brier", "net_benefit", "calibration_slope"):
        assert float(rows[name]["value"]) == whole[name]["value"]
    assert float(rows["brier_reference"]["value"]) == whole["brier"]["reference"]
    assert float(rows["net_benefit_treat_all"]["value"]) == whole["net_benefit"]["treat_all"]
    at = whole["specificity_at_sensitivity"][1]
    assert float(rows["specificity_at_sensitivity_0.90"]["value"]) == at["value"]
    assert float(rows["ppv_at_other_prevalence"]["low"]) == whole["at_prevalence"]["ppv"]["low"]
    assert rows["images[site=unknown]"]["value"] == "5"
    assert rows["roc_auc[site=unknown]"]["reason"] == "under 10: 1 malignant and 4 benign"


@pytest.mark.usefixtures("stored")
def test_markdown_has_the_same_tables_as_the_text() -> None:
    text, marked = shown("--by", "site"), shown("--by", "site", "--format", "markdown")
    assert marked.startswith("# Run 1 of data/test\n")
    for line in text.splitlines():
        if line.startswith(("sensitivity", "ROC AUC", "slope", "net benefit")):
            cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
            assert f"| {' | '.join(cells)} |" in marked
    # What would be markup in a table is escaped: every row has as many cells as its heading.
    assert r"back\|\[palm\]" in marked
    for table in marked.split("\n\n"):
        rows = [row for row in table.splitlines() if row.startswith("|")]
        assert len({row.replace(r"\|", "").count("|") for row in rows}) <= 1


@pytest.mark.usefixtures("stored")
def test_a_forest_plot_of_the_subgroups(tmp_path: Path) -> None:
    done = report("--by", "site", "--output", str(tmp_path / "figures"))
    assert done.exit_code == 0
    assert (tmp_path / "figures" / "subgroups.png").stat().st_size > 10_000
    assert b"<svg" in (tmp_path / "figures" / "subgroups.svg").read_bytes()


@pytest.mark.usefixtures("stored")
def test_each_subgroup_has_its_gap_to_the_rest_in_every_format() -> None:
    options = ("--by", "site", "--format")
    arm, palm, none = json.loads(shown(*options, "json"))["subgroups"]
    assert none["gap"] is None
    assert arm["gap"]["rest"] == {"images": 30, "malignant": 12, "benign": 18}
    for name in ("sensitivity", "specificity", "roc_auc"):
        gap = arm["gap"][name]
        assert gap["value"] == pytest.approx(arm[name]["value"] - palm[name]["value"])
        assert gap["low"] <= gap["value"] <= gap["high"]
        assert gap["p"] == gap["p_holm"]
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(shown(*options, "csv")))}
    gap = arm["gap"]["sensitivity"]
    assert float(rows["sensitivity_gap[site=arm]"]["low"]) == gap["low"]
    assert float(rows["sensitivity_gap_p[site=arm]"]["value"]) == gap["p"]
    assert float(rows["sensitivity_gap_p_holm[site=arm]"]["value"]) == gap["p_holm"]
    assert "sensitivity_gap[site=unknown]" not in rows
    heading = "less all others of known site (95 % interval; p by Holm)"
    assert heading in shown("--by", "site")
    assert f"| {heading} |" in shown(*options, "markdown")


@pytest.mark.usefixtures("stored")
def test_crossed_columns_and_bands_in_a_report() -> None:
    told = shown("--by", "site,patient:30,60", "--format", "json")
    subgroups = json.loads(told)["subgroups"]
    assert [(one["column"], one["value"], one["images"]) for one in subgroups] == [
        ("site,patient:30,60", "arm, under 30", 30),
        ("site,patient:30,60", "back|[palm], 30-59", 30),
        ("site,patient:30,60", None, 5),
    ]
    done = report("--by", "site,sex")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "--by sex: no analysed image of run 1 has this column" in done.stderr
