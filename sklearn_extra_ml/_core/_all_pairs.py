"""Core distances and spanning trees from all pairs of rows, or from a matrix of their distances.

The way for every metric and for any shape of data: O(n^2) distances, O(n) memory beside the rows
(a metric of scikit-learn's that fits into its ``working_memory`` is kept as a matrix). Used where
no tree is, and by the density-based validity, whose core distances need all pairs anyway.
"""

from functools import cached_property

import numpy as np

from .._native import _brute_force
from ._distances import block_rows, lexicographic_order, square_matrix, square_matrix_fits


def all_pairs_core_distances(metric, rows, min_samples):
    """Core distances of `embed`-ed rows from all pairs."""
    if min_samples == 1:
        return np.zeros(rows.shape[0])
    if metric.code is None:
        others = _OtherRows(metric, rows)
        core = np.empty(rows.shape[0])
        for start in range(0, rows.shape[0], others.step):
            block = others.distances(start, min(start + others.step, rows.shape[0]))
            block.partition(min_samples - 1, axis=1)
            core[start : start + len(block)] = block[:, min_samples - 1]
        return core
    return metric.to(rows).kth_distances(rows, min_samples)


def all_pairs_spanning_tree(metric, rows, core, alpha=1.0):
    """Edges and weights of the tree of `embed`-ed rows, by Prim's algorithm over all pairs."""
    n = rows.shape[0]
    edges, weights = np.empty((n - 1, 2), dtype=np.intp), np.empty(n - 1)
    scaled_core = core * alpha  # max(core, d / alpha) = max(core alpha, d) / alpha
    if metric.code is not None:
        _brute_force.spanning_tree(
            rows, scaled_core, metric.code, metric.p, metric.n_threads, edges, weights
        )
    else:
        others = _OtherRows(metric, rows)
        is_open = np.ones(n, dtype=np.uint8)
        best, best_distance = np.full(n, np.inf), np.full(n, np.inf)
        source, best_source = 0, np.zeros(n, dtype=np.intp)
        for e in range(n - 1):
            is_open[source] = 0
            distance = others.distances(source, source + 1)[0]
            nearest = _brute_force.spanning_tree_step(
                distance, scaled_core, source, is_open, best, best_distance, best_source
            )
            edges[e] = best_source[nearest], nearest
            weights[e] = best[nearest]
            source = nearest
    return edges, weights / alpha


def distances_within(distances, weights, needed):
    """For each line the distance within which columns of the total weight `needed` lie."""
    order = np.argsort(distances, axis=1)
    reached = np.cumsum(weights[order], axis=1) >= needed
    lines = np.arange(len(distances))
    out = distances[lines, order[lines, np.argmax(reached, axis=1)]]
    out[~reached[:, -1]] = np.inf
    return out


class _OtherRows:
    """Distances from some rows to all rows, a row to itself exactly 0."""

    def __init__(self, metric, rows):
        self._target, self._rows = metric.to(rows), rows
        self.step = block_rows(self._target.n_rows)

    def distances(self, start, stop):
        block = self._target.distances_from(self._rows[start:stop])
        block[np.arange(stop - start), np.arange(start, stop)] = 0.0
        return block


class AllPairs:
    """The way over all pairs, for `embed`-ed rows in any order.

    With a metric of scikit-learn's, and room for it in scikit-learn's ``working_memory`` (1 GiB
    unless set), each pair is measured once and kept; otherwise twice.
    """

    def __init__(self, metric, rows, X):
        self.metric, self._rows, self._X = metric, rows, X

    @cached_property
    def order(self):
        return lexicographic_order(self._X)

    @cached_property
    def rows(self):
        return self._rows[self.order]

    @cached_property
    def _matrix(self):
        if self.metric.code is None and square_matrix_fits(self.rows.shape[0]):
            return square_matrix(self.metric, self.rows)
        return None

    def core_distances(self, min_samples, weights=None, needed=None):
        """Core distances; by `weights` the distances within which their sum reaches `needed`."""
        if weights is not None:
            core = self._weighted(weights[self.order], needed)
        elif self._matrix is not None:
            core = matrix_core_distances(self._matrix, min_samples)
        else:
            core = all_pairs_core_distances(self.metric, self.rows, min_samples)
        out = np.empty_like(core)
        out[self.order] = core
        return out

    def _weighted(self, weights, needed):
        if self._matrix is not None:
            return weighted_matrix_core_distances(self._matrix, weights, needed)
        others, out = _OtherRows(self.metric, self.rows), np.empty(self.rows.shape[0])
        for start in range(0, len(out), others.step):
            block = others.distances(start, min(start + others.step, len(out)))
            out[start : start + len(block)] = distances_within(block, weights, needed)
        return out

    def spanning_tree(self, core, alpha):
        core = core[self.order]
        if self._matrix is not None:
            edges, weights = matrix_spanning_tree(self._matrix, core, alpha)
        else:
            edges, weights = all_pairs_spanning_tree(self.metric, self.rows, core, alpha)
        return self.order[edges], weights


def matrix_core_distances(D, min_samples):
    """Core distances of a dense matrix of distances; the diagonal is taken as 0."""
    n = D.shape[0]
    core = np.zeros(n)
    if min_samples == 1:
        return core
    step = max(1, 2**22 // n)
    for start in range(0, n, step):
        block = np.array(D[start : start + step], dtype=np.float64)
        rows = np.arange(len(block))
        block[rows, start + rows] = 0.0
        block.partition(min_samples - 1, axis=1)
        core[start : start + step] = block[:, min_samples - 1]
    return core


def weighted_matrix_core_distances(D, weights, needed):
    """The same by weights: the distance within which their sum reaches `needed`."""
    n = D.shape[0]
    core, step = np.empty(n), max(1, 2**22 // n)
    for start in range(0, n, step):
        block = np.array(D[start : start + step], dtype=np.float64)
        rows = np.arange(len(block))
        block[rows, start + rows] = 0.0
        core[start : start + step] = distances_within(block, weights, needed)
    return core


def matrix_spanning_tree(D, core, alpha=1.0, exactly_symmetric=True):
    """Spanning tree of a dense matrix of distances, which is only read.

    Infinite distances are no edges: the tree may come out as a forest.
    """
    n = D.shape[0]
    edges, weights = np.empty((n - 1, 2), dtype=np.intp), np.empty(n - 1)
    _brute_force.spanning_tree_of_matrix(D, core * alpha, exactly_symmetric, edges, weights)
    finite = np.isfinite(weights)
    return edges[finite], weights[finite] / alpha
