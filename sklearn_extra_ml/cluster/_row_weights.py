"""Sample weights of rows: a weight of w stands for w equal rows, fractions included.

Sums of weights decide (is a core distance reached, is a cluster large enough), so they must not depend
on the order in which they are added. Weights are therefore rounded to multiples of a power of two, so
coarse that every sum of them is exact: a relative 2^-32 of the mean for a million rows, nothing for
integers. Comparisons leave `SLACK` for weights such as 0.1, of which ten are not quite 1.
"""

from typing import NamedTuple

import numpy as np

SLACK = 1e-9
_EXACT_BITS = 52  # sums up to 2^52 units are exact in float64


class RowWeights(NamedTuple):
    """Weights of all rows, and the core distances down to which equal rows hold together.

    Attributes
    ----------
    values : ndarray of shape (n_samples,)
        Weights, exactly summable.

    core : ndarray of shape (n_samples,)
        Core distances; infinity for rows that take no part.
    """

    values: np.ndarray
    core: np.ndarray

    @property
    def slack(self):
        return SLACK


def summable(weights):
    """Return `weights` (not negative, some positive) rounded so that every sum of them is exact."""
    weights = np.asarray(weights, dtype=np.float64)
    exponent = _EXACT_BITS - int(np.frexp(weights.sum())[1])
    units = np.rint(np.ldexp(weights, exponent))
    units[(units == 0) & (weights > 0)] = 1.0
    return np.ldexp(units, -exponent)


def needed_weight(min_samples):
    """The sum of weights that counts as `min_samples` rows."""
    return min_samples * (1.0 - SLACK)
