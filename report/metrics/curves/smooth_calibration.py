"""The smooth calibration curve: a logistic regression on a restricted cubic spline of the logit.

As the R packages rms and CalibrationCurves fit it (Harrell 2015, sections 2.4 and 10.4; Van Calster
et al. 2016). The band is pointwise, by Wald's intervals on the logit scale.
"""

from statistics import NormalDist

import numpy as np

from base.arrays import Float64Array, Int64Array, LabelArray
from report.metrics.calibration import CLIP, no_slope
from report.metrics.confusion import why_undefined
from report.metrics.estimate import SmoothCurve
from report.metrics.logistic import Fit, fit

# Harrell's quantiles of the knots, and how many images of the smaller class each needs.
KNOTS = {
    50: (0.05, 0.275, 0.5, 0.725, 0.95),
    30: (0.05, 0.35, 0.65, 0.95),
    10: (0.1, 0.5, 0.9),
}
POINTS = 51
# Of more images the logits are grouped, by hundredths: the curve is the same to the eye.
_UNGROUPED = 10_000


def smooth_calibration(
    labels: LabelArray, scores: Float64Array, nothing: str, confidence: float = 0.95
) -> SmoothCurve:
    """The curve at 51 scores from the lowest to the highest, or the reason for none."""
    if (absent := why_undefined(labels, nothing)) is not None:
        return SmoothCurve(absent)
    smaller = min(int(np.count_nonzero(labels == label)) for label in (0, 1))
    logits = _logit(scores)
    if (reason := no_slope(labels, logits)) is not None:
        return SmoothCurve(f"no curve: {reason.partition(':')[0]}")
    for fewest, quantiles in KNOTS.items():
        knots = np.quantile(logits, quantiles)
        if smaller >= fewest and (np.diff(knots) > 0).all():
            fitted = _fit(labels, logits, knots)
            if fitted is not None:
                return _curve(fitted, knots, (float(scores.min()), float(scores.max())), confidence)
    few = min(KNOTS)
    if smaller < few:
        return SmoothCurve(f"no curve: under {few} images of a class")
    return SmoothCurve("no curve: too few different scores")


def spline(logits: Float64Array, knots: Float64Array) -> Float64Array:
    """The columns `[k, n]` of k knots: 1, the logit, k - 2 cubic terms (Devlin & Weeks 1986)."""
    last, before = knots[-1], knots[-2]
    size = (last - knots[0]) ** 2

    def cubed(knot: np.float64) -> Float64Array:
        return np.maximum(logits - knot, 0) ** 3

    terms = [
        cubed(knot)
        - cubed(before) * (last - knot) / (last - before)
        + cubed(last) * (before - knot) / (last - before)
        for knot in knots[:-2]
    ]
    return np.array([np.ones_like(logits), logits, *(term / size for term in terms)])


def _fit(labels: LabelArray, logits: Float64Array, knots: Float64Array) -> Fit | None:
    """None if the fit does not converge, or too few different scores leave it undetermined."""
    if len(labels) <= _UNGROUPED:
        return _determined(labels, spline(logits, knots), 1.0)
    group: Int64Array = np.round(logits * 100).astype(np.int64)
    group -= group.min()
    trials = np.bincount(group).astype(np.float64)
    some = trials > 0
    malignant = np.bincount(group, weights=labels)[some]
    means = np.bincount(group, weights=logits)[some] / trials[some]
    return _determined(malignant, spline(means, knots), trials[some])


def _determined(
    malignant: LabelArray | Float64Array, columns: Float64Array, trials: Float64Array | float
) -> Fit | None:
    if np.linalg.matrix_rank(columns) < len(columns):
        return None
    fitted = fit(malignant, columns, trials=trials)
    return fitted if fitted is not None and (np.diag(fitted.covariance) > 0).all() else None


def _curve(
    fitted: Fit, knots: Float64Array, ends: tuple[float, float], confidence: float
) -> SmoothCurve:
    at = np.linspace(*ends, POINTS)
    columns = spline(_logit(at), knots)
    middle = fitted.coefficients @ columns
    variances = np.einsum("kn,kj,jn->n", columns, fitted.covariance, columns)
    errors = np.sqrt(np.maximum(variances, 0))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * errors
    fraction, low, high = (
        tuple((1 / (1 + np.exp(-np.clip(linear, -700, 700)))).tolist())
        for linear in (middle, middle - half, middle + half)
    )
    return SmoothCurve(None, len(knots), tuple(at.tolist()), fraction, low, high)


def _logit(scores: Float64Array) -> Float64Array:
    clipped = np.clip(scores, CLIP, 1 - CLIP)
    return np.log(clipped / (1 - clipped))
