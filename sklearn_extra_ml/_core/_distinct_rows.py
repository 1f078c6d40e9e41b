"""The distinct rows of a data set in an order that depends on content, not on row order.

A seeded draw by position then gives the same rows for a data set and any permutation of it, and for
a weight of 2 and a row given twice: what scikit-learn's ``sample_weight`` equivalence asks of an
estimator that draws. The kernel's docstring (`_native/_distinct_rows`) tells how.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._native._distinct_rows import hash_rows, hash_sparse_rows, mark_starts


class DistinctRows(NamedTuple):
    """Distinct rows of positive weight, and which of the given rows each one stands for."""

    index: np.ndarray  # (n_distinct,) intp: one given row for each distinct row, in content order
    weight: np.ndarray | None  # (n_distinct,) float64: merged weights; None when all are 1
    member: np.ndarray  # (n_members,) intp: the given rows of positive weight, in content order
    position: np.ndarray | None  # (n_members,) intp: their distinct row; None when all differ

    def spread(self, values, n_samples, fill):
        """Return per-distinct-row `values` for all given rows; `fill` where the weight is zero."""
        out = np.full((n_samples, *values.shape[1:]), fill, dtype=values.dtype)
        out[self.member] = values if self.position is None else values[self.position]
        return out


def distinct_rows(X, y=None, *, sample_weight=None, seed=0, n_threads=1):
    """Find the distinct rows of ``[X, y]``, order them by a seeded hash, and merge their weights.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        float32 or float64. NaN is allowed and equals itself.
    y : ndarray of shape (n_samples,) or (n_samples, n_targets), or None
        Part of a row's content when given.
    sample_weight : ndarray of shape (n_samples,) or None
        Rows of weight 0 are left out, as if they were not there.
    seed : int
        64-bit seed of the hash; another seed gives another order.
    n_threads : int
        Threads for the hash; the result does not depend on it.

    Returns
    -------
    DistinctRows

    Notes
    -----
    O(n_samples * n_features) for the hash and O(n_samples log n_samples) for the sort.
    """
    n_samples, n_features = X.shape
    Y = np.empty((n_samples, 0)) if y is None else np.asarray(y).reshape(n_samples, -1)
    keys = _keys(seed, n_features + Y.shape[1])
    if sparse.issparse(X):
        X = _canonical(X)
    hashes = _hashes(X, keys[:n_features], n_threads)
    if Y.shape[1]:
        hash_rows(np.asarray(Y, dtype=_floating(Y)), keys[n_features:], n_threads, hashes)

    kept = None if sample_weight is None else np.flatnonzero(sample_weight > 0)
    order, all_differ = _order(hashes if kept is None else hashes[kept])
    order = order if kept is None else kept[order]
    if all_differ:
        weight = None if sample_weight is None else sample_weight[order].astype(np.float64)
        return DistinctRows(order, _or_none(weight), order, None)

    starts = np.zeros(len(order), dtype=np.uint8)
    _mark(X, Y, hashes, order, starts)
    first = np.flatnonzero(starts)
    if len(first) == len(order):
        weight = None if sample_weight is None else sample_weight[order].astype(np.float64)
        return DistinctRows(order, _or_none(weight), order, None)
    position = np.cumsum(starts, dtype=np.intp) - 1
    each = np.ones(len(order)) if sample_weight is None else sample_weight[order]
    # bincount adds in content order; equal rows are interchangeable but for their weights,
    # whose sum is exact for counts
    weight = np.bincount(position, weights=each, minlength=len(first))
    return DistinctRows(order[first], _or_none(weight), order, position)


def _order(hashes):
    """Return the sorted order of `hashes`, equal ones by position, and whether all differ."""
    order = np.argsort(hashes)  # several times as fast as the stable sort
    ordered = hashes[order]
    if (ordered[1:] == ordered[:-1]).any():
        return np.argsort(hashes, kind="stable"), False
    return order, True


def row_hashes(X, *, n_threads):
    """Return a 64-bit hash of each row's content, equal for equal rows of any two matrices.

    `X` is an array or a sparse matrix of float32 or float64. Unequal rows may have equal hashes.
    """
    if sparse.issparse(X):
        X = _canonical(X)
    return _hashes(X, _keys(0, X.shape[1]), n_threads)


def _keys(seed, n_columns):
    return np.random.default_rng(seed).integers(
        0, 2**64, size=n_columns, dtype=np.uint64, endpoint=False
    )


def _canonical(X):
    X = sparse.csr_array(X, copy=True)
    X.sum_duplicates()
    X.eliminate_zeros()
    return X


def _hashes(X, keys, n_threads):
    hashes = np.zeros(X.shape[0], dtype=np.uint64)
    if sparse.issparse(X):
        indices, indptr = X.indices.astype(np.intp), X.indptr.astype(np.intp)
        hash_sparse_rows(X.data, indices, indptr, keys, n_threads, hashes)
    else:
        hash_rows(X, keys, n_threads, hashes)
    return hashes


def _floating(array):
    return array.dtype if array.dtype in (np.float32, np.float64) else np.float64


def _or_none(weight):
    return None if weight is None or (weight == 1).all() else weight


def _mark(X, Y, hashes, order, starts):
    """Call the kernel on what it compares: a sparse X is made dense only where hashes are equal."""
    if sparse.issparse(X):
        ordered = hashes[order]
        same = np.zeros(len(order), dtype=bool)
        same[1:] = ordered[1:] == ordered[:-1]
        same[:-1] |= same[1:]
        starts[:] = 1
        run = np.flatnonzero(same)
        if len(run):
            rows = order[run]
            local, part = np.arange(len(run)), np.zeros(len(run), dtype=np.uint8)
            Y_run = np.ascontiguousarray(Y[rows], dtype=np.float64)
            mark_starts(X[rows].toarray().astype(np.float64), Y_run, hashes[rows], local, part)
            order[run], starts[run] = rows[local], part
        return
    dtype = np.result_type(X.dtype, _floating(Y))
    X, Y = np.asarray(X, dtype=dtype), np.asarray(Y, dtype=dtype)
    mark_starts(X, Y, hashes, order, starts)
