"""One run of k-means: assign, average, until nothing changes. The same loop for both algorithms.

And one step of it for rows that come in batches.
"""

from typing import NamedTuple

import numpy as np

from .._native._k_means_update import average_centers
from ._elkan import ElkanAssignment
from ._k_means_steps import (
    ClusterSums,
    distinct_centers,
    label_rows,
    move_rows,
    relocate_empty,
    total_inertia,
)
from ._lloyd import LloydAssignment

__all__ = ["KMeansRun", "add_batch", "run_k_means"]

ASSIGNMENTS = {"lloyd": LloydAssignment, "elkan": ElkanAssignment}


class KMeansRun(NamedTuple):
    """Where a run ended.

    labels : (n_rows,) int32, nearest centre of each row
    inertia : weighted sum of squared distances to it
    centers : (n_clusters, n_features), centred, in the rows' dtype
    n_iter : iterations run
    means, weights : the centres in double precision and the weights that they are means of
    """

    labels: np.ndarray
    inertia: float
    centers: np.ndarray
    n_iter: int
    means: np.ndarray
    weights: np.ndarray


def run_k_means(
    rows, sample_weight, centers, *, algorithm, max_iter, tol, n_threads, verbose=0, watch=None
):
    """Run k-means from the given centres.

    Parameters
    ----------
    rows : DenseRows or SparseRows
    sample_weight : (n_rows,) array of the rows' dtype, or None
    centers : (n_clusters, n_features), centred; not written to
    algorithm : {"lloyd", "elkan"}
    max_iter, tol : stop after so many iterations, or once the squared shifts of the centres sum
        to at most `tol`
    watch : callable or None
        ``watch()`` before an iteration, ``watch(centers)`` after it; a true answer to the latter
        ends the run.

    Returns
    -------
    KMeansRun
    """
    n_rows, (n_clusters, n_features) = rows.shape[0], centers.shape
    labels = np.full(n_rows, -1, np.int32)
    old_labels = np.empty(n_rows, np.int32)
    clusters = ClusterSums.zeros(n_clusters, n_features)
    assignment = ASSIGNMENTS[algorithm](rows, n_clusters, n_threads)
    new_centers = np.empty_like(centers)
    shift = np.empty(n_clusters)
    settled = False
    distinct = distinct_centers(centers)

    for i in range(max_iter):
        if watch is not None:
            watch()
        assignment.assign(centers, labels, old_labels, distinct)
        n_changed = move_rows(rows, sample_weight, labels, old_labels, clusters, n_threads)
        placed = clusters
        if not clusters.counts.all():
            placed = relocate_empty(rows, sample_weight, centers, labels, clusters, n_threads)
        average_centers(placed.sums, placed.weights, centers, new_centers, shift)
        assignment.follow(new_centers, shift)
        if verbose:
            inertia = total_inertia(rows, sample_weight, centers, labels, n_threads)
            print(f"Iteration {i}, inertia {inertia}.")
        # The first buffer is the caller's.
        centers, new_centers = new_centers, np.empty_like(centers) if i == 0 else centers
        if placed is not clusters or not clusters.counts.all():
            distinct = distinct_centers(centers)
        else:
            distinct = distinct[:0]
        stop = watch is not None and watch(centers)
        # Labels that did not change are the strict end; the tolerance may come first.
        settled = n_changed == 0
        sq_shift = float(np.dot(shift, shift))
        if settled or stop or sq_shift <= tol:
            if verbose:
                reason = "strict convergence" if settled else f"center shift {sq_shift}"
                print(f"Converged at iteration {i}: {reason} (tolerance {tol}).")
            break

    if not settled:
        # The centres moved once more: let the labels match them.
        assignment.assign(centers, labels, old_labels, distinct)
    weights = placed.weights.sum(axis=0)
    filled = weights > 0
    means = centers.astype(np.float64)
    means[filled] = placed.sums.sum(axis=0)[filled] / weights[filled, None]
    inertia = total_inertia(rows, sample_weight, centers, labels, n_threads)
    return KMeansRun(labels, inertia, centers, i + 1, means, weights)


def add_batch(rows, sample_weight, centers, means, weights, *, n_iter, n_threads):
    """Add a batch of rows to the clusters, whose centres move to the means of all their rows.

    Parameters
    ----------
    rows : DenseRows or SparseRows
    sample_weight : (n_rows,) array of the rows' dtype, or None
    centers : (n_clusters, n_features), centred, which label the batch
    means, weights : the centres in double precision and the weights that they are means of so far
    n_iter : batches so far

    Returns
    -------
    KMeansRun
        Of the batch, labelled by the new centres.
    """
    # Means times weights are the raw sums; the batch is added to them.
    labels = np.empty(rows.shape[0], np.int32)
    label_rows(rows, centers, labels, n_threads)
    clusters = ClusterSums.zeros(*centers.shape)
    move_rows(rows, sample_weight, labels, np.full_like(labels, -1), clusters, n_threads)
    added = clusters.weights.sum(axis=0)
    moved = added > 0
    means = means.copy()
    step = clusters.sums.sum(axis=0)[moved] - means[moved] * added[moved, None]
    means[moved] += step / (weights + added)[moved, None]

    centers = means.astype(rows.dtype)
    label_rows(rows, centers, labels, n_threads)
    inertia = total_inertia(rows, sample_weight, centers, labels, n_threads)
    return KMeansRun(labels, inertia, centers, n_iter + 1, means, weights + added)
