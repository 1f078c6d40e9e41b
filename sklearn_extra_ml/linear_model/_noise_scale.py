"""How large an inlier's residual may be, when nobody said: the scale of the noise.

Given a model that fits the inliers, its losses are a narrow half-normal part at 0 and a broad rest.
`noise_mixture` (EM) separates the two near 0; `inlier_cut` then picks the multiple of the scale at
which least squares on the rows kept has the least asymptotic variance: near when outliers are dense,
five scales out where none is near. There a cut at 3 costs 3 % of the variance, and 5 keeps every inlier;
so the outliers' density has to earn its place by the description length of a number, or one large but
ordinary residual would be taken for it and cut off (`sem_ransac_noise.h`).
"""

import numpy as np

from .._native._ransac import inlier_cut, noise_mixture
from ._consensus import weighted_median

# Rows, in random-like order, from which a scale is estimated: its relative error is 1 %.
SCALE_ROWS = 4096


def spread_of_targets(y, weights):
    """Return a robust scale of y, never 0: what a loss is small against.

    The median absolute deviation; where more than half of y is equal the mean one; for a constant y
    its size; for zeros 1.
    """
    flat = y.reshape(-1)
    if weights is not None:
        weights = np.repeat(weights, y.size // len(y))
    centre = weighted_median(flat, weights)
    deviation = np.abs(flat - centre)
    return (
        weighted_median(deviation, weights)
        or float(np.average(deviation, weights=weights))
        or abs(centre)
        or 1.0
    )


def median_absolute_deviation(y, weights):
    """MAD of y about its median, over all targets together as in scikit-learn."""
    flat = y.reshape(-1)
    if weights is not None:
        weights = np.repeat(weights, y.size // len(y))
    return weighted_median(np.abs(flat - weighted_median(flat, weights)), weights)


def first_threshold(residual_threshold, engine, y):
    """Return the threshold that a search starts with, and whether it estimates the noise.

    `residual_threshold` is the parameter of the regressor. Where the noise is estimated, models give a
    threshold of their own; where "auto" or "mad" finds no scale, the spread of y stands in.
    """
    # Too few rows beyond those that any model fits exactly say nothing about the noise.
    estimable = engine.n - engine.exact >= 4
    estimates = estimable and residual_threshold in ("auto", "mad")
    _refuse_extreme_targets(y[engine.index[:SCALE_ROWS]], engine.dtype, engine.power, estimates)
    if residual_threshold == "auto" and estimable:
        return 0.0, True
    if residual_threshold is not None and not isinstance(residual_threshold, str):
        return float(residual_threshold), False
    y, weights = y[engine.index], engine.weights
    threshold = median_absolute_deviation(y, weights)
    if residual_threshold is None or threshold != 0:
        return float(threshold), False
    return float(spread_of_targets(y, weights)), estimable


def _refuse_extreme_targets(y, dtype, power, estimates):
    """Raise `ValueError` where squares of residuals leave the range of numbers and all fit equally.

    Losses are residuals to the `power`, of type `dtype`; what `estimates` the noise squares residuals
    too, in double precision.
    """
    if not (power == 2 or (power == 1 and estimates)) or (y == y[0]).all():
        return
    number = np.finfo(dtype if power == 2 else np.float64)
    least, largest = np.sqrt([number.tiny / number.eps, number.max / 64])
    with np.errstate(over="ignore"):
        spread = float(spread_of_targets(y.astype(np.float64), None))
    if not least < spread < largest:
        factor = 10.0 ** np.clip(-np.round(np.log10(spread)), -300, 300)
        raise ValueError(
            f"`y` has a spread of {spread:.3g} (median absolute deviation): squares of such residuals "
            f"are no {number.dtype} numbers any more. Allowed: {least:.1g} to {largest:.1g}. Multiply "
            f"`y` by a constant, for example by {factor:g}."
        )


def lowest_scale(y, weights, relative):
    """Power of two below which losses are rounding: `relative` times the spread of y."""
    y = y if y.dtype in (np.float32, np.float64) else y.astype(np.float64)
    median = weighted_median(np.abs(y.reshape(-1)), None if y.ndim > 1 else weights)
    size = max(spread_of_targets(y, weights) * relative, 8 * np.finfo(y.dtype).eps * median)
    return float(2.0 ** np.floor(np.log2(max(size, np.finfo(np.float64).smallest_subnormal))))


def noise_threshold(losses, weights, start, dof, exact, lowest, power, *, rough=False):
    """Threshold for the losses of a good model, and the scale of the noise it comes from.

    `start` is a first guess of the scale, a `rough` one or one that a similar model gave; `dof` the
    number of coefficients fitted to these rows, `exact` the weight of rows that they can fit exactly;
    `weights` are relative to their mean. `losses`, of the first rows, and the threshold
    returned are in units of the loss, the scale in units of y.
    """
    part = np.asarray(losses, dtype=np.float64)
    part = np.sqrt(part) if power == 2 else part
    w = np.ones(0) if weights is None else weights[: len(losses)]
    scale, mass, density = noise_mixture(part, w, max(start, lowest), rough, dof, lowest, exact)
    cut = inlier_cut(scale, mass, density) * scale
    return (cut**2 if power == 2 else cut), scale
