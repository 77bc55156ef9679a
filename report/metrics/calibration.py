"""Calibration: whether scores can be read as probabilities."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from base.arrays import Float64Array, Int64Array, LabelArray
from report.metrics.confusion import why_undefined
from report.metrics.estimate import Brier, Estimate, ObservedExpected
from report.metrics.logistic import Fit, fit
from report.metrics.proportions import proportion

BINS = 10
# Scores of exactly 0 and 1 have no logit.
CLIP = 1e-6


class Bin(NamedTuple):
    """The images of one tenth of the scores, `low` <= score < `high`; the last includes `high`.

    Clustered images count as fewer, by their `design_effect`.
    """

    low: float
    high: float
    images: int
    malignant: int
    mean_score: float
    design_effect: float = 1.0


class Calibration(NamedTuple):
    """Intercept (ideally 0) and slope (ideally 1) on the logit scale."""

    intercept: Estimate
    slope: Estimate


def brier(labels: LabelArray, scores: Float64Array, nothing: str) -> Brier:
    """The mean of (score - label)² (Brier 1950)."""
    if len(labels) == 0:
        return Brier(None, nothing)
    value = float(np.mean((scores - labels) ** 2))
    prevalence = float(np.mean(labels))
    reference = prevalence * (1 - prevalence)
    if not reference:
        return Brier(value, "cannot be scaled: all images are of one class", reference=reference)
    return Brier(value, reference=reference, scaled=1 - value / reference)


def calibration(
    labels: LabelArray,
    scores: Float64Array,
    nothing: str,
    confidence: float = 0.95,
    clusters: npt.NDArray[np.integer] | None = None,
) -> Calibration:
    """Calibration in the large and slope (Cox 1958), by logistic regression on the scores' logit.

    The intercept is estimated with the slope fixed at 1. The intervals are Wald intervals, by
    `clusters` `[n]` if there are any.
    """
    if (absent := why_undefined(labels, nothing)) is not None:
        return Calibration(Estimate(None, absent), Estimate(None, absent))
    clipped = np.clip(scores, CLIP, 1 - CLIP)
    logit = np.log(clipped / (1 - clipped))
    ones = np.ones_like(logit)
    intercept = _last(fit(labels, ones[None], logit, clusters=clusters), confidence)
    if (reason := no_slope(labels, logit)) is not None:
        return Calibration(intercept, Estimate(None, reason))
    slope = _last(fit(labels, np.stack([ones, logit]), clusters=clusters), confidence)
    return Calibration(intercept, slope)


def calibration_bins(labels: LabelArray, scores: Float64Array) -> list[Bin]:
    """The tenths of the score range that hold at least one image."""
    bin_of = bin_of_scores(scores)
    images = np.bincount(bin_of, minlength=BINS)
    malignant = np.bincount(bin_of, weights=labels, minlength=BINS)
    total = np.bincount(bin_of, weights=scores, minlength=BINS)
    return [
        Bin(
            index / BINS,
            (index + 1) / BINS,
            int(images[index]),
            int(malignant[index]),
            float(total[index] / images[index]),
        )
        for index in np.flatnonzero(images).tolist()
    ]


def bin_of_scores(scores: Float64Array) -> Int64Array:
    """The tenth of each score `[n]`, from 0 on."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def bin_fraction(score_bin: Bin, confidence: float = 0.95) -> Estimate:
    """The fraction of malignant images in a bin, with its Wilson interval."""
    return proportion(
        score_bin.malignant,
        score_bin.images,
        "no images",
        confidence,
        design_effect=score_bin.design_effect,
    )


def expected_calibration_error(bins: Sequence[Bin], nothing: str) -> Estimate:
    """The mean distance of the share of malignant images from the mean score, over the bins.

    Of equal width (Naeini, Cooper & Hauskrecht 2015), weighted by their images. Chance alone makes
    it larger than 0, the more so the fewer images there are, so it has no interval.
    """
    images = sum(one.images for one in bins)
    if not images:
        return Estimate(None, nothing)
    wrong = (abs(one.malignant - one.images * one.mean_score) for one in bins)
    return Estimate(math.fsum(wrong) / images)


def observed_expected(
    labels: LabelArray, scores: Float64Array, nothing: str, confidence: float = 0.95
) -> ObservedExpected:
    """Calibration in the large as a ratio, with its interval on the log scale (Debray et al. 2017).

    The words follow the interval: only if it leaves out 1 are the scores too high or too low.
    """
    if len(labels) == 0:
        return ObservedExpected(None, nothing)
    observed, expected = float(np.mean(labels)), float(np.mean(scores))
    if not expected:
        return ObservedExpected(None, "all scores are 0", observed=observed, expected=0.0)
    ratio = observed / expected
    if not observed:
        reason = "no interval: no malignant images"
        return ObservedExpected(0.0, reason, observed=0.0, expected=expected)
    error = math.sqrt((1 - observed) / (len(labels) * observed))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * error
    low, high = ratio * math.exp(-half), ratio * math.exp(half)
    words = "scores too high" if high < 1 else "scores too low" if low > 1 else ""
    return ObservedExpected(
        ratio,
        None,
        low,
        high,
        observed,
        expected,
        words or "no sign that scores are too high or low",
    )


def no_slope(labels: LabelArray, logit: Float64Array) -> str | None:
    """Why no slope exists; under perfect separation the likelihood grows without bound."""
    malignant, benign = logit[labels == 1], logit[labels == 0]
    if logit.min() == logit.max():
        return "all scores are equal"
    if malignant.min() >= benign.max() or malignant.max() <= benign.min():
        return "perfect separation: the slope is without bound"
    return None


def _last(fitted: Fit | None, confidence: float) -> Estimate:
    """The last coefficient with its interval."""
    if fitted is None:
        return Estimate(None, "the fit did not converge")
    value = float(fitted.coefficients[-1])
    if math.isnan(fitted.errors[-1]):
        return Estimate(value, "all images are of one cluster")
    half = NormalDist().inv_cdf((1 + confidence) / 2) * float(fitted.errors[-1])
    return Estimate(value, low=value - half, high=value + half)
