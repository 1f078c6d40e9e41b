"""Where EM starts: labels from k-means, and models from labels.

Nothing here depends on the number of threads, nor on the units of the columns.
"""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from .._core._gaussian import COVARIANCES
from .._core._rows import DenseRows, moments
from .._core._seeding import draw_distinct_rows, greedy_kmeans_plusplus
from ._chain import InitialState, Transitions

__all__ = [
    "SEEDINGS",
    "blend_statistics",
    "chain_from_labels",
    "cluster_labels",
    "part_labels",
    "random_chain",
    "succession_labels",
]

MAX_ROWS = 20_000  # k-means runs on so many rows, drawn at random; all rows are labelled
MAX_ITER = 20

SEEDINGS = {"kmeans": (greedy_kmeans_plusplus, MAX_ITER), "random": (draw_distinct_rows, 0)}


def cluster_labels(X, n_states, *, seeding="kmeans", weights=None, states=None, rng, n_threads):
    """Label rows by the nearest of `n_states` centres, columns scaled to unit variance.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    n_states : int
    seeding : {"kmeans", "random"}
        k-means from a k-means++ start, or rows drawn at random.
    weights : ndarray of shape (n,), default=None
        Rows of weight zero are labelled, but do not move centres.
    states : ndarray of shape (n,), default=None
        Known labels, -1 for unknown. They are kept, and their means are the centres of their states.
    rng : RandomState
    n_threads : int

    Returns
    -------
    labels : ndarray of shape (n,), int32
    """
    rows, part_weights = _some_rows(X, weights, rng)
    _, variance, _ = moments(rows, part_weights, n_threads)
    variance = np.where(variance > 0, variance, 1.0)
    family = COVARIANCES["tied_diag"]
    seed, n_iter = SEEDINGS[seeding]
    scaled = DenseRows.of(np.ascontiguousarray(rows / np.sqrt(variance)))
    if part_weights is not None:
        part_weights = part_weights.astype(scaled.dtype)
    seeds = seed(scaled, n_states, sample_weight=part_weights, rng=rng, n_threads=n_threads)
    centers = rows[seeds].astype(np.float64)
    for _ in range(n_iter):
        labels = _nearest(rows, family(centers, variance), n_threads)
        found = family.accumulate(
            rows, labels, n_components=n_states, sample_weight=part_weights, n_threads=n_threads
        )
        moved = np.where(found.weights[:, None] > 0, found.means, centers)
        settled = np.array_equal(moved, centers)
        centers = moved
        if settled:
            break
    if states is not None and (states >= 0).any():
        centers = _centers_with_known(X, states, centers, variance, n_threads)
    labels = _nearest(X, family(centers, variance), n_threads)
    if states is not None:
        labels = np.where(states >= 0, states, labels).astype(np.int32)
    return labels


def succession_labels(X, n_states, n_clusters, sequences, *, weights=None, **options):
    """Label rows by states whose parts may lie anywhere: clusters with the same past and future.

    Given the state, the part that a row comes from tells nothing about the rows before and after it. So
    two clusters of one state are followed by the same clusters, equally often, and preceded by the same:
    rows are put into `n_clusters`, and these are joined, by Ward's method, where the square roots of
    both frequencies are near each other. `options` are those of `cluster_labels`.
    """
    clusters = cluster_labels(X, n_clusters, weights=weights, **options)
    pairs = _pair_counts(clusters, n_clusters, sequences, weights) + 1.0 / n_clusters
    following = pairs / pairs.sum(axis=1, keepdims=True)
    preceding = pairs.T / pairs.sum(axis=0)[:, None]
    tree = linkage(np.sqrt(np.hstack([following, preceding])), method="ward")
    return (fcluster(tree, n_states, criterion="maxclust") - 1).astype(np.int32)[clusters]


def part_labels(X, labels, n_states, n_parts, *, weights=None, **options):
    """Cluster the rows of each state into `n_parts`: label k becomes k * n_parts and those after it."""
    result = np.asarray(labels, np.int32) * n_parts
    for state in range(n_states):
        rows = np.flatnonzero(labels == state)
        if len(rows) <= n_parts:
            result[rows] += np.arange(len(rows), dtype=np.int32)
        elif n_parts > 1:
            own = None if weights is None else weights[rows]
            if own is not None and np.count_nonzero(own) < n_parts:
                continue  # too few rows that count: all in the first part
            result[rows] += cluster_labels(X[rows], n_parts, weights=own, **options)
    return result


def _some_rows(X, weights, rng):
    """Rows of positive weight, at most `MAX_ROWS` of them, and their weights."""
    index = np.arange(len(X)) if weights is None else np.flatnonzero(weights > 0)
    if len(index) > MAX_ROWS:
        index = np.sort(rng.choice(index, MAX_ROWS, replace=False))
    elif len(index) == len(X):
        return X, weights
    return X[index], None if weights is None else weights[index]


def _nearest(X, gaussian, n_threads):
    return gaussian.sq_mahalanobis(X, n_threads=n_threads).argmin(axis=1).astype(np.int32)


def _centers_with_known(X, states, centers, variance, n_threads):
    """Known states take the mean of their rows, the others the centres farthest from those."""
    known = COVARIANCES["tied_diag"].accumulate(
        X, states, n_components=len(centers), n_threads=n_threads
    )
    result, free = known.means.copy(), list(range(len(centers)))
    taken = list(known.means[known.weights > 0])
    for state in np.flatnonzero(known.weights == 0):
        gaps = [min(((centers[i] - t) ** 2 / variance).sum() for t in taken) for i in free]
        chosen = free.pop(int(np.argmax(gaps)))
        result[state] = centers[chosen]
        taken.append(centers[chosen])
    return result


def blend_statistics(statistics, family):
    """Statistics of labelled rows, every state given the mean scatter of all with an equal weight.

    A small cluster then starts with a covariance of its own that is not degenerate.
    """
    if family.kind == "tied":
        return statistics
    total = statistics.weights.sum()
    share = total / len(statistics.weights)
    pooled = statistics.scatter.sum(axis=0) / total
    weights = statistics.weights + share
    overall = statistics.weights @ statistics.means / total
    empty = statistics.weights == 0
    means = np.where(empty[:, None], overall, statistics.means)
    return statistics._replace(
        weights=weights, means=means, scatter=statistics.scatter + share * pooled
    )


def chain_from_labels(labels, sequences, weights=None):
    """Initial state and transitions counted from labels, one added to every count."""
    K = sequences.n_states
    labels = np.asarray(labels, np.intp)
    per_row = None if weights is None else np.repeat(weights, sequences.lengths)
    first = sequences.offsets[:-1]
    starts = np.bincount(
        labels[first], weights=None if per_row is None else per_row[first], minlength=K
    )
    pairs = _pair_counts(labels, K, sequences, per_row)
    ones = np.full(K, 1 / K)
    return (
        InitialState(ones).maximise(starts + 1.0),
        Transitions(np.tile(ones, (K, 1))).maximise(pairs + 1.0),
    )


def _pair_counts(labels, n_labels, sequences, per_row=None):
    """How often label i is followed by label j within a sequence, each time with the row's weight."""
    inside = np.ones(len(labels), bool)
    inside[sequences.offsets[:-1]] = False
    inside = inside[1:]
    labels = np.asarray(labels, np.intp)
    return np.bincount(
        (labels[:-1] * n_labels + labels[1:])[inside],
        weights=None if per_row is None else per_row[1:][inside],
        minlength=n_labels * n_labels,
    ).reshape(n_labels, n_labels)


def random_chain(n_states, rng):
    """Initial state and transitions drawn uniformly; states tend to stay."""
    ones = np.ones(n_states)
    matrix = 0.5 * np.eye(n_states) + 0.5 * rng.dirichlet(ones, size=n_states)
    return InitialState(rng.dirichlet(ones)), Transitions(matrix)
