"""Numbers that come in steps, or are a few only, whatever scale and offset they have been given.

Whole numbers that went through a scaler are no decimals any more, but their distances still are
multiples of one step; a switch that was standardised still has two values. What is drawn for such a
column is rounded to what the column can hold.
"""

import numpy as np

from ._storage import storable

_SEEN = 20  # rows for each distinct value from which the values seen are taken for all there are
_FEW = 5  # distinct values that lie on a grid of some step in any case
_FINEST = 10_000  # steps from the least to the largest value: more would fit any numbers
_CLEAR = 1e-3  # distance from the grid, in steps, up to which a grid is believed
_DIVISORS = range(1, 11)  # the step may be smaller than the smallest distance seen


@storable
class Steps:
    """What a column can hold.

    Parameters
    ----------
    values : ndarray
        The distinct values seen, rising.

    step : float or None
        Between neighbours of the grid through ``values[0]``; None: `values` are all there is.
    """

    def __init__(self, values, step):
        self.values, self.step = values, step

    def round(self, numbers):
        """Return the nearest numbers that the column can hold; those seen, to the bit."""
        above = np.searchsorted(self.values, numbers).clip(1, len(self.values) - 1)
        lower, upper = self.values[above - 1], self.values[above]
        seen = np.where(numbers - lower < upper - numbers, lower, upper)
        if self.step is None:
            return seen
        on_grid = self.values[0] + self.step * np.round((numbers - self.values[0]) / self.step)
        return np.where(np.abs(seen - on_grid) < 0.1 * self.step, seen, on_grid)


def find_steps(numbers):
    """Return the `Steps` of finite numbers, or None where they are a continuum."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _find_steps(np.unique(numbers), len(numbers))


def _find_steps(values, n):
    n_values = len(values)
    if n_values < 2:
        return None
    if n_values * _SEEN <= n or n_values <= min(_FEW, n // 2):
        return Steps(values, None)
    if n_values <= _FEW:
        return None
    smallest = np.diff(values).min()
    single = (values == values.astype(np.float32)).all()
    noise = 4 * np.finfo(np.float32 if single else np.float64).eps * np.abs(values).max()
    distances = values - values[0]
    for divisor in _DIVISORS:
        step = smallest / divisor
        if distances[-1] > _FINEST * step or noise > 0.01 * step:
            return None
        steps = np.round(distances / step)
        # the smallest distance is known to within the noise, the whole range to a share of it
        fitted = (steps @ distances) / (steps @ steps)
        steps = np.round(distances / fitted)
        if (np.abs(distances - steps * fitted) <= _CLEAR * fitted + noise).all():
            return Steps(values, float(fitted))
    return None
