"""Normal scores of a column: a polygon through its quantiles, flat where many rows share a value.

A value of rank r among n becomes the r/n quantile of the normal distribution, so that a skewed or
heavy-tailed column looks normal to a network. Equal values share their ranks, and are encoded as the
mean of the scores of these. How such a value comes back depends on the column:

*rounded columns* (whole numbers, or a few decimals)
    The polygon runs through the codes of the values, and what a sampler draws between two of them is
    rounded to the nearer.

*other columns* where one value is frequent (an amount that is mostly 0, a measurement cut off at its
limit)
    The value owns an interval of codes that reaches almost half of the way to the code of the next
    value on either side. All of it is decoded as exactly this value.

Beyond the least and the largest value the polygon is straight, with the slope of a column that is
divided by its standard deviation.
"""

import math

import numpy as np
from scipy.special import ndtri

from ._storage import storable

_MAX_KNOTS = 64
_ROWS_PER_KNOT = 8
_FREQUENT = 0.1  # share of the rows from which a value owns an interval
_REACH = 0.4  # of the way to the next code; what is left stays for values not seen
_PILED = 0.25  # share of the rows from which one value makes a column unlike a scaled one


def piles_up(values):
    """Whether one of more than two values is held by a quarter of the rows or more."""
    counts = np.unique(values, return_counts=True)[1]
    return len(counts) > 2 and counts.max() >= _PILED * len(values)


@storable
class NormalScores:
    """Monotone map of a column to normal scores.

    Parameters
    ----------
    slope : float
        Of the straight ends, 1 over the column's standard deviation.

    rounded : bool
        Whether what is decoded will be rounded to values of the column.

    Attributes
    ----------
    x, z : ndarray
        Corners of the polygon. `z` rises; `x` rises but for the two ends of an interval.

    frequent, codes : ndarray
        Values that own an interval, and their codes.
    """

    def __init__(self, slope, rounded):
        self.slope = slope
        self.rounded = rounded

    def fit(self, values):
        """Learn the polygon of finite values, of which at least two differ."""
        distinct, counts = np.unique(values, return_counts=True)
        knots = _choose_knots(values, distinct)
        frequent = np.flatnonzero(counts >= max(_FREQUENT * len(values), 2))
        if self.rounded:
            frequent = frequent[:0]
        beside = np.concatenate((knots, frequent, frequent - 1, frequent + 1))
        knots = np.unique(beside.clip(0, len(distinct) - 1))
        knots = knots[np.append(True, np.diff(distinct[knots]) > 1e-250)]  # finite slopes
        x, z = distinct[knots], _mean_scores(counts)[knots]
        owns = np.isin(knots, frequent)
        self.frequent, self.codes = x[owns], z[owns]
        reach = _REACH * np.diff(z)
        start = z - owns * np.append(reach[0], reach)
        stop = z + owns * np.append(reach, reach[-1])
        corner = np.column_stack((np.full(len(x), True), owns))
        self.x = np.column_stack((x, x))[corner]
        self.z = np.column_stack((start, stop))[corner]
        return self

    def encode(self, values):
        """Return the codes of values; NaN stays."""
        z = _polygon(values, self.x, self.z, self.slope)
        for value, code in zip(self.frequent, self.codes, strict=True):
            z[self._equal(values, value)] = code
        return z

    def decode(self, z):
        """Return the values of codes."""
        return _polygon(z, self.z, self.x, 1 / self.slope)

    def slopes(self, values):
        """Return the derivative of `encode`; that of the straight ends at frequent values."""
        run, rise = np.diff(self.x), np.diff(self.z)
        inner = np.divide(rise, run, out=np.full_like(run, self.slope), where=run > 0)
        slopes = np.concatenate(([self.slope], inner, [self.slope]))
        slopes = slopes[np.searchsorted(self.x, values, side="right")]
        for value in self.frequent:
            slopes[self._equal(values, value)] = self.slope
        return slopes

    @staticmethod
    def _equal(values, value):
        """Whether values are `value`, be it in single precision."""
        return np.abs(values - value) <= np.finfo(np.float32).eps * abs(value)


def _choose_knots(values, distinct):
    """Return positions in `distinct` of the quantiles that are corners."""
    n_knots = int(np.clip(len(values) // _ROWS_PER_KNOT, 4, _MAX_KNOTS))
    quantiles = np.quantile(values, np.linspace(0, 1, n_knots), method="nearest")
    return np.searchsorted(distinct, quantiles)


def _mean_scores(counts):
    """Return the mean normal score of the ranks of each of some distinct values."""
    n = counts.sum()
    edges = np.append(0, np.cumsum(counts)) / n
    density = np.exp(-(ndtri(edges) ** 2) / 2) / math.sqrt(2 * math.pi)
    return -np.diff(density) * n / counts


def _polygon(values, x, y, slope):
    """Map `values` by the polygon through (x, y), straight with `slope` beyond its ends."""
    out = np.interp(values, x, y)
    out = np.where(values < x[0], y[0] + slope * (values - x[0]), out)
    return np.where(values > x[-1], y[-1] + slope * (values - x[-1]), out)
