"""The options that say what a report measures, the same for `report` and `report page`."""

import click

from base.console.click_options import all_of
from report.thresholds.threshold import FractionType, ThresholdType

measuring = all_of(
    click.option(
        "--threshold",
        type=ThresholdType(),
        help="Positive when score >= threshold, in [0, 1].  [default: the one of choose-threshold, "
        "or the model card's]",
    ),
    click.option(
        "--by",
        multiple=True,
        metavar="COLUMN",
        help="Also by this column of the manifest, such as sex; may be given again.",
    ),
    click.option(
        "--prevalence",
        type=FractionType(),
        help="PPV and NPV also where this share of images is malignant, between 0 and 1.",
    ),
    click.option(
        "--confidence",
        type=FractionType(),
        default=0.95,
        show_default=True,
        help="Of the intervals, between 0 and 1.",
    ),
)
