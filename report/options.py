"""The options for what a report measures, shared by `report` and `report page`."""

import click

from base.console.click_options import all_of
from report.clustering.asked import Aggregate, Clustering
from report.thresholds.threshold import FractionType, ThresholdType

measuring = all_of(
    click.option(
        "--threshold",
        type=ThresholdType(),
        help="In [0, 1]; an image is positive when its score >= threshold.  [default: the one that "
        "choose-threshold kept, or the model card's]",
    ),
    click.option(
        "--prespecified",
        metavar="TEXT",
        help="Where --threshold comes from, such as a protocol: it was not chosen on these images.",
    ),
    click.option(
        "--threshold-from",
        metavar="RUN",
        help="Take the threshold that choose-threshold chose on this run, by number or name.",
    ),
    click.option(
        "--by",
        multiple=True,
        metavar="COLUMN",
        help="Also give figures by this column of the manifest, such as sex, and the gap of each "
        "subgroup to the rest; sex,age crosses columns, age:40,60 cuts numbers; repeatable.",
    ),
    click.option(
        "--prevalence",
        type=FractionType("0.02"),
        help="Give PPV and NPV also for this share of malignant images, between 0 and 1, and net "
        "benefit and the decision curve only for it.",
    ),
    click.option(
        "--confidence",
        type=FractionType("0.95"),
        default=0.95,
        show_default=True,
        help="Level of the intervals, between 0 and 1.",
    ),
    click.option(
        "--unique", is_flag=True, help="Of images that have the same bytes, analyse only one."
    ),
)

clustering = all_of(
    click.option(
        "--cluster",
        metavar="COLUMN",
        help="Images with the same value of this column, such as lesion_id, are not independent: "
        "give intervals that hold for them.",
    ),
    click.option(
        "--per",
        metavar="COLUMN",
        help="Count each value of this column, such as patient_id, once instead of each image; "
        "malignant if one of its images is.",
    ),
    click.option(
        "--aggregate",
        type=click.Choice(["max", "mean"]),
        help="The score of a --per: the highest of its images or their mean.  [default: max]",
    ),
)


def clustering_of(
    cluster: str | None, per: str | None, aggregate: Aggregate | None
) -> Clustering | None:
    """What these options ask for; None for nothing.

    Raises:
        click.UsageError: there is nothing to aggregate.
    """
    if aggregate is not None and per is None:
        raise click.UsageError("--aggregate needs --per COLUMN: whose images it puts together")
    if cluster is None and per is None:
        return None
    return Clustering(cluster, per, aggregate or "max")


def refuse_two_thresholds(
    threshold: float | None, prespecified: str | None, threshold_from: str | None
) -> None:
    """Refuse options for the threshold that contradict each other.

    Raises:
        click.UsageError: one line that says which.
    """
    if threshold is not None and threshold_from is not None:
        raise click.UsageError("give one of --threshold and --threshold-from, and not both")
    if prespecified is None:
        return
    if threshold is None:
        raise click.UsageError(
            "--prespecified says where a threshold comes from: give it as well, such as "
            "--threshold 0.5"
        )
    if not prespecified.strip():
        raise click.UsageError(
            "--prespecified is empty: say where the threshold comes from, such as 'ISIC rule'"
        )
