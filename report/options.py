"""The options for what a report measures, shared by `report` and `report page`."""

import click

from base.console.click_options import all_of
from report.thresholds.threshold import FractionType, ThresholdType

measuring = all_of(
    click.option(
        "--threshold",
        type=ThresholdType(),
        help="In [0, 1]; an image is positive when its score >= threshold.  [default: the one that "
        "choose-threshold kept, or the model card's]",
    ),
    click.option(
        "--by",
        multiple=True,
        metavar="COLUMN",
        help="Also give figures by this column of the manifest, such as sex; repeatable.",
    ),
    click.option(
        "--prevalence",
        type=FractionType(),
        help="Give PPV and NPV also for this share of malignant images, between 0 and 1, and net "
        "benefit and the decision curve only for it.",
    ),
    click.option(
        "--confidence",
        type=FractionType(),
        default=0.95,
        show_default=True,
        help="Level of the intervals, between 0 and 1.",
    ),
    click.option(
        "--unique", is_flag=True, help="Of images that have the same bytes, analyse only one."
    ),
)
