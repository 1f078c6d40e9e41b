"""Whether powers of differences fit into double precision.

Squares of differences beyond 1e154 are infinite, those below 1e-162 are 0: distances then compare
as equal, and labels mean nothing. Such data are refused; where single precision is too narrow,
double is taken.
"""

import math

import numpy as np
from scipy import sparse

__all__ = ["check_rows", "check_spread", "in_double", "squares_fit", "value_range"]

_LARGEST, _SMALLEST = 1023.0, -1022.0  # exponents of 2


def value_range(X):
    """Lowest and highest entry of an array or a sparse matrix, as Python floats."""
    values = X.data if sparse.issparse(X) else X
    if values.size == 0:
        return 0.0, 0.0
    low, high = float(values.min()), float(values.max())
    if sparse.issparse(X) and X.nnz < X.shape[0] * X.shape[1]:
        low, high = min(low, 0.0), max(high, 0.0)
    return low, high


def check_spread(low, high, *, power=2.0, n_terms=1):
    """Raise `ValueError` where sums of differences to a power leave the range of double precision.

    Parameters
    ----------
    low, high : float
        Lowest and highest entry of the data.
    power : float
        What absolute differences are raised to.
    n_terms : int
        Number of such powers that are added up.
    """
    if _fits(low, high, power, n_terms):
        return
    what = "squares" if power == 2 else f"powers (p={power:g})"
    vanish = power * math.log2(high / 2 - low / 2) < 0
    bounds = (_SMALLEST / power, (_LARGEST - math.log2(n_terms)) / power)
    allowed = " to ".join(f"1e{round(bound * math.log10(2)):d}" for bound in bounds)
    raise ValueError(
        f"X holds numbers from {low:g} to {high:g}: the {what} of their differences "
        f"{'vanish' if vanish else 'overflow'} in double precision. Allowed: "
        f"differences of about {allowed}. Change the unit of X, and replace numbers that stand for "
        "missing ones."
    )


def check_rows(X, *others, power=2.0):
    """`check_spread` of the distances between rows of `X` (and of `others`), each column for itself."""
    low, high = zip(*map(value_range, (X, *others)), strict=True)
    if _fits(min(low), max(high), power, X.shape[1]):
        return  # nearly always
    low, high = zip(*map(_column_ranges, (X, *others)), strict=True)
    low, high = np.min(low, axis=0), np.max(high, axis=0)
    widest = int(np.argmax(high / 2 - low / 2))
    check_spread(float(low[widest]), float(high[widest]), power=power, n_terms=X.shape[1])


def _fits(low, high, power, n_terms):
    half = high / 2 - low / 2
    exponent = power * (math.log2(half) + 1) if half > 0 else 0.0
    return _SMALLEST <= exponent <= _LARGEST - math.log2(n_terms)


def squares_fit(variance, X):
    """Whether squared differences between rows of `X`, and their sum, surely fit its dtype.

    `variance` holds the variances of its columns (or is the mean squared distance to some row): the
    square of a deviation is at most n_rows of them.
    """
    info = np.finfo(X.dtype)
    total, largest = float(np.sum(variance)) * X.shape[0], float(np.max(variance))
    return largest > float(info.tiny) / float(info.eps) and total < float(info.max) / 16


def in_double(X):
    """`X` as float64, or as it is where all rows are equal; `ValueError` if that does not do."""
    low, high = _column_ranges(X)
    widest = int(np.argmax(high / 2 - low / 2))
    check_spread(float(low[widest]), float(high[widest]), n_terms=X.shape[0] * X.shape[1])
    return X if np.array_equal(low, high) else X.astype(np.float64, copy=False)


def _column_ranges(X):
    """Lowest and highest entry of each column, float64."""
    ends = [function(axis=0) for function in (X.min, X.max)]
    ends = [end.toarray().ravel() if sparse.issparse(end) else end for end in ends]
    return np.asarray(ends, dtype=np.float64)
