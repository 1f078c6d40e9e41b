"""Rows in chunks: what a kernel call gets, whatever the memory order of the whole."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils import assert_all_finite

from .._core._rows import SparseRows
from .._native._naive_bayes_fit import NEGATIVE, NOT_FINITE

__all__ = ["NO_LINES", "NO_WEIGHTS", "chunks_of", "prepared", "refuse_wrong", "slice_of"]

NO_WEIGHTS = np.empty(0)
NO_LINES = np.empty((0, 0))

CELLS = 2**21  # of a dense chunk: 16 MB in double precision
STORED = 2**24  # entries of a sparse chunk


def prepared(X):
    """Return `X` itself, or for a sparse matrix the arrays of a canonical CSR matrix."""
    return SparseRows.of(X) if sp.issparse(X) else X


def chunks_of(X, width=1):
    """Yield (first, last) of consecutive chunks of rows, cut by shape and content alone.

    `width` is the number of classes, when a chunk gets a number for each row and class.
    """
    n_rows = X.shape[0]
    per_row = max(X.shape[1] if not isinstance(X, SparseRows) else 1, width)
    size = max(1024 if width == 1 else 64, min(2**17, CELLS // per_row))
    first = 0
    while first < n_rows:
        last = min(n_rows, first + size)
        if isinstance(X, SparseRows):
            stored = int(np.searchsorted(X.indptr, X.indptr[first] + STORED, side="right")) - 1
            last = min(last, max(first + 1, stored))
        yield first, last
        first = last


def slice_of(X, first, last):
    """Rows first to last, C-contiguous; a copy only where `X` is not."""
    return np.ascontiguousarray(X[first:last])


def refuse_wrong(wrong, X, estimator, *, allow_nan=False, allow_negative=True):
    """Raise scikit-learn's errors for the bits that a kernel returned about the chunk `X`."""
    name = type(estimator).__name__
    if wrong & NOT_FINITE:
        if not allow_nan and np.isnan(X).any():
            raise ValueError(
                f"Input X contains NaN. {name} leaves missing cells out with missing='ignore'. "
                "Allowed otherwise: finite numbers. Set it, or fill them with an imputer."
            )
        assert_all_finite(X, allow_nan=allow_nan, estimator_name=name, input_name="X")
    if wrong & NEGATIVE and not allow_negative:
        raise ValueError(f"Negative values in data passed to {name} (input X).")
