"""The steps that Lloyd's and Elkan's algorithm share: label, sum, average, relocate, inertia."""

from typing import NamedTuple

import numpy as np

from .._core._rows import SIMD_LEVEL, DenseRows
from .._native._k_means_assign import (
    assign_dense,
    assign_sparse,
    distances_dense,
    sq_distances_to_labels,
)
from .._native._k_means_update import move_changed_rows, move_changed_rows_sparse

__all__ = [
    "Bounds",
    "ClusterSums",
    "distances_to_centers",
    "distinct_centers",
    "label_rows",
    "move_rows",
    "relocate_empty",
    "sq_distances",
    "total_inertia",
]


class Bounds(NamedTuple):
    """Hamerly's bounds of every row, less the drift of the centres, and that drift.

    `upper` and `lower` are (n_rows,) float32 or empty; the others (n_clusters,) float64: the sum of
    each centre's own shifts, of the largest shift of any other one, and half the distance to the
    nearest other one.
    """

    upper: np.ndarray
    lower: np.ndarray
    up_drift: np.ndarray
    low_drift: np.ndarray
    half_gap: np.ndarray

    @classmethod
    def of(cls, n_rows, n_clusters):
        """Bounds for so many rows; with 0 rows, none are kept."""
        return cls(
            np.empty(n_rows, np.float32),
            np.empty(n_rows, np.float32),
            np.zeros(n_clusters),
            np.zeros(n_clusters),
            np.zeros(n_clusters),
        )


class ClusterSums(NamedTuple):
    """Raw statistics of the clusters; the second halves of two of them hold what rounding lost.

    sums : (2, n_clusters, n_features), weighted sums of centred rows
    weights : (2, n_clusters), sums of weights
    counts : (n_clusters,), rows of positive weight
    """

    sums: np.ndarray
    weights: np.ndarray
    counts: np.ndarray

    @classmethod
    def zeros(cls, n_clusters, n_features):
        return cls(
            np.zeros((2, n_clusters, n_features)),
            np.zeros((2, n_clusters)),
            np.zeros(n_clusters, np.int64),
        )


_NO_LABELS = np.empty(0, np.int32)


def distinct_centers(centers):
    """Return the first of equal centres, in order, or an empty array when all differ.

    Only the first of equal centres can win a row; leaving out the others keeps ties rare.
    """
    sq_norms = np.einsum("ij,ij->i", centers, centers)
    if np.unique(sq_norms).size == centers.shape[0]:
        return _NO_LABELS
    first = np.unique(centers, axis=0, return_index=True)[1]
    return _NO_LABELS if first.size == centers.shape[0] else np.sort(first).astype(np.int32)


def label_rows(
    rows,
    centers,
    labels,
    n_threads,
    *,
    old_labels=_NO_LABELS,
    bounds=None,
    settle=False,
    distinct=None,
):
    """Write the nearest centre of every row into `labels`, the lowest number of equals.

    `bounds` are kept up when given; with `settle` they save the rows that they decide.
    `old_labels`, when given, receives `labels` as they were.
    """
    bounds = Bounds.of(0, centers.shape[0]) if bounds is None else bounds
    if isinstance(rows, DenseRows):
        distinct = distinct_centers(centers) if distinct is None else distinct
        assign_dense(
            *rows, centers, distinct, labels, old_labels, *bounds, settle, n_threads, SIMD_LEVEL
        )
        return
    n_clusters, n_features = centers.shape
    padded = -(-n_clusters // 8) * 8
    centers_t = np.zeros((n_features, padded))
    centers_t[:, :n_clusters] = centers.T
    sq_norms = np.full(padded, np.inf)
    sq_norms[:n_clusters] = np.einsum("ji,ji->i", *[centers_t[:, :n_clusters]] * 2)
    assign_sparse(*rows[:3], centers_t, sq_norms, labels, old_labels, *bounds, settle, n_threads)


def sq_distances(rows, centers, labels, n_threads):
    """Return each row's squared distance to the centre of its label, in double precision."""
    out = np.empty(labels.shape[0])
    if isinstance(rows, DenseRows):
        sq_distances_to_labels(rows.X, rows.offset, centers, labels, out, n_threads)
        return out
    # sum (x - c)^2 = |c|^2 + sum over the stored entries of (x - c)^2 - c^2
    wide = centers.astype(np.float64, copy=False)
    row_of = np.repeat(np.arange(out.shape[0]), np.diff(rows.indptr))
    own = wide[labels[row_of], rows.indices]
    entries = rows.data.astype(np.float64, copy=False)
    change = (entries - own) ** 2 - own**2
    sq_norms = np.einsum("ij,ij->i", wide, wide)
    out[:] = sq_norms[labels] + np.bincount(row_of, weights=change, minlength=out.shape[0])
    return np.maximum(out, 0, out=out)


def total_inertia(rows, sample_weight, centers, labels, n_threads):
    """Return the weighted sum of squared distances to the labels' centres."""
    parts = sq_distances(rows, centers, labels, n_threads)
    return float(parts.sum() if sample_weight is None else np.dot(parts, sample_weight))


def distances_to_centers(rows, centers, n_threads):
    """Return the distances of all rows to all centres, (n_rows, n_clusters)."""
    out = np.empty((rows.shape[0], centers.shape[0]), centers.dtype)
    if isinstance(rows, DenseRows):
        distances_dense(rows.X, rows.offset, centers, out, n_threads, SIMD_LEVEL)
        return out
    labels = np.empty(rows.shape[0], np.int32)
    for j in range(centers.shape[0]):
        labels[:] = j
        out[:, j] = np.sqrt(sq_distances(rows, centers, labels, n_threads))
    return out


def move_rows(rows, sample_weight, labels, old_labels, clusters, n_threads):
    """Move the rows whose label changed between the clusters' sums; return how many did."""
    weight = np.empty(0, rows.dtype) if sample_weight is None else sample_weight
    if isinstance(rows, DenseRows):
        return move_changed_rows(
            rows.X, rows.offset, weight, labels, old_labels, *clusters, n_threads
        )
    return move_changed_rows_sparse(*rows[:3], weight, labels, old_labels, *clusters, n_threads)


def relocate_empty(rows, sample_weight, centers, labels, clusters, n_threads):
    """Return the clusters' statistics with every empty one moved to a row far from its centre.

    scikit-learn's rule: the rows farthest from their own centres, one for each empty cluster, leave
    their cluster and become one. When no row is away from its centre nothing moves.
    """
    empty = np.flatnonzero(clusters.counts == 0)
    distances = sq_distances(rows, centers, labels, n_threads)
    if sample_weight is not None:
        distances[sample_weight == 0] = 0
    if empty.size == 0 or distances.max() == 0:
        return clusters
    far = np.argpartition(distances, -empty.size)[: -empty.size - 1 : -1]
    moved = ClusterSums(clusters.sums.copy(), clusters.weights.copy(), clusters.counts.copy())
    for cluster, i in zip(empty, far, strict=True):
        weight = 1.0 if sample_weight is None else float(sample_weight[i])
        row = rows.centered([i])[0].astype(np.float64)
        moved.sums[0, labels[i]] -= weight * row
        moved.sums[0, cluster] = weight * row
        moved.weights[0, labels[i]] -= weight
        moved.weights[0, cluster] = weight
    return moved
