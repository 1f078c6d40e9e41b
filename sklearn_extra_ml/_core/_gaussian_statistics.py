"""One pass over the rows of K components: their weights, means and scatter, by ranges of rows.

Ranges depend on the shape of the data alone and are merged in order, so the number of threads leaves the
bits as they are. See `_gaussian` for what is done with them.
"""

from typing import NamedTuple

import numpy as np

from .._native import _gaussian_statistics as kernels

_NO_CODES = np.empty(0, np.int32)
_NO_WEIGHTS = np.empty(0)
_NO_SHARES = np.empty((0, 0))


class Statistics(NamedTuple):
    """What is known of K components after some rows, in float64; mergeable.

    Attributes
    ----------
    weights : (K,), sum of the weights of each component's rows.
    means : (K, d), weighted mean of them; zeros while the weight is 0.
    scatter : sum of w (x - mean)(x - mean)', or of its diagonal, of its trace, over all components:
        the shape says which, see the table at the head of `_gaussian`.
    """

    weights: np.ndarray
    means: np.ndarray
    scatter: np.ndarray


def _n_ranges(n_rows, row_bytes, statistics_bytes):
    """Ranges of rows with statistics of their own: by the shape alone, and of bounded memory."""
    by_rows = n_rows // 4096
    by_memory = max(0.03 * n_rows * row_bytes, min(3.2e7, 8 * statistics_bytes)) / statistics_bytes
    return int(max(1, min(64, by_rows, by_memory)))


def _check_assignment(X, assignment, n_components):
    """Return codes (n,) and shares (n, K), one of them empty, and K."""
    assignment = np.asarray(assignment)
    if assignment.ndim == 1:
        codes = np.ascontiguousarray(assignment, np.int32)
        if n_components is None:
            n_components = int(codes.max(initial=-1)) + 1
        elif codes.max(initial=-1) >= n_components:
            raise ValueError(f"code {codes.max()} of {n_components} components")
        shares = _NO_SHARES
    else:
        codes, shares = _NO_CODES, np.ascontiguousarray(assignment, np.float64)
        n_components = shares.shape[1]
    if len(assignment) != len(X):
        raise ValueError(f"{len(assignment)} assignments for {len(X)} rows")
    return codes, shares, n_components


def raw_statistics(X, assignment, n_components, sample_weight, pooled, full, n_threads):
    """Return weights (K,), means (K, d) and scatter (K or 1, d * d) or (K, d)."""
    codes, shares, n_components = _check_assignment(X, assignment, n_components)
    n_rows, d = X.shape
    size = d * d if full else d
    n_scatter = 1 if pooled else n_components
    n_ranges = _n_ranges(n_rows, d * X.itemsize, 8 * (n_scatter * size + n_components * (d + 1)))
    weights = np.zeros((n_ranges, n_components))
    means = np.zeros((n_ranges, n_components, d))
    scatter = np.zeros((n_ranges, n_scatter, size))
    if sample_weight is None:
        sample_weight = _NO_WEIGHTS
    work = 4 * (1 if shares.shape[0] == 0 else n_components) * size
    kernels.accumulate(
        X,
        codes,
        shares,
        np.ascontiguousarray(sample_weight, np.float64),
        pooled,
        min(max(4096, 128 * n_components), 32768),
        max(n_ranges * 2048, int(4e9 / work)),
        weights,
        means,
        scatter,
        full,
        n_threads,
    )
    for r in range(1, n_ranges):
        kernels.merge(weights[0], means[0], scatter[0], weights[r], means[r], scatter[r], full)
    if full:
        kernels.mirror(scatter[0], d)
    if n_ranges == 1:
        return weights[0], means[0], scatter[0]
    # Copies: views would keep the other ranges alive.
    return weights[0].copy(), means[0].copy(), scatter[0].copy()
