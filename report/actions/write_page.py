"""What `report page` does: write the report as one file that opens offline in any browser."""

from datetime import UTC, datetime
from pathlib import Path

from base.console.telling import tell
from base.disk import says_why
from base.permissions import make_folder
from base.whole_file import whole_file
from report.build import build, read_finished, refuse_nothing_scored
from report.clustering.asked import Aggregate
from report.html.load import load_page_data
from report.html.page_context import prepare
from report.html.render import render
from report.options import clustering_of, refuse_two_thresholds


def write_page(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    run: str | None,
    output: Path,
    threshold: float | None,
    prespecified: str | None,
    threshold_from: str | None,
    by: tuple[str, ...],
    prevalence: float | None,
    confidence: float,
    unique: bool,
    images: int,
    cluster: str | None,
    per: str | None,
    aggregate: Aggregate | None,
) -> None:
    """Write a run's report as one HTML file, with this many images of each kind of error."""
    refuse_two_thresholds(threshold, prespecified, threshold_from)
    asked = clustering_of(cluster, per, aggregate)
    loaded = read_finished(run, by, unique=unique, threshold_from=threshold_from, clustering=asked)
    report = build(loaded, threshold, confidence, prevalence, prespecified)
    data = load_page_data(loaded.run.number, images)
    page = prepare(loaded, report, data.cases, data.times, datetime.now(UTC))
    html = render(page)
    with says_why(f"cannot write the page to {output}"):
        make_folder(output.parent)
        with whole_file(output) as draft:
            draft.write_text(html, encoding="utf-8", newline="\n")
    tell(f"wrote {output}", err=True)
    refuse_nothing_scored(loaded)
