"""Density-based clustering validity (DBCV): how dense clusters are inside against between.

Moulavi, Jaskowiak, Campello, Zimek, Sander (2014), "Density-Based Clustering Validation", SIAM Data
Mining. The names of the paper: all-points core distance (definition 1), mutual reachability
(definition 2), density sparseness of a cluster (definition 5), density separation of a pair
(definition 6), validity of a cluster (definition 7) and of a clustering (definition 8).

The paper leaves some cases open; they are settled so that the index is always a number:

- equal weights in the spanning tree, which are many: the shorter distance counts as the lighter;
- equal rows: their core distance is 0, the limit of the definition (the formula divides by 0);
- no edge between inner nodes (a star): the sparseness is the heaviest edge of the tree;
- a cluster of one row, or the only cluster: validity 0, nothing speaks for it nor against it;
- no cluster at all: -1, the worst.

Rows are sorted by content before anything is added, so the index does not depend on their order.
"""

import math

import numpy as np

from .._native import _brute_force
from ._all_pairs import all_pairs_spanning_tree, matrix_spanning_tree
from ._distances import block_rows, lexicographic_order


class RowsMeasure:
    """Distances among the rows of a data matrix, as `density_validity` asks for them."""

    def __init__(self, metric, X):
        self.metric, self.n_threads = metric, metric.n_threads
        self.order = lexicographic_order(X)
        self.rows = metric.embed(X)

    def block(self, first, second):
        return self.metric.between(self.rows[first], self.rows[second])

    def spanning_tree(self, members, core):
        return all_pairs_spanning_tree(self.metric, self.rows[members], core)


class MatrixMeasure:
    """The same for a matrix of distances."""

    def __init__(self, D, n_threads):
        self.D, self.n_threads = D, n_threads
        self.order = np.arange(D.shape[0])

    def block(self, first, second):
        return np.ascontiguousarray(self.D[np.ix_(first, second)], dtype=np.float64)

    def spanning_tree(self, members, core):
        return matrix_spanning_tree(self.block(members, members), core)


def density_validity(measure, labels, n_features, n_samples):
    """DBCV of `labels` (negative: noise); in [-1, 1].

    Parameters
    ----------
    measure : RowsMeasure or MatrixMeasure

    labels : ndarray of shape (n_samples,), integers

    n_features : float
        Exponent of the core distance: the dimension of the space that densities live in.

    n_samples : int
        All rows, those that could not be measured too: they count as noise.
    """
    names, labels = np.unique(labels, return_inverse=True)
    n_noise_names = int(np.sum(names < 0))
    labels = labels - n_noise_names
    n_clusters = len(names) - n_noise_names
    if n_clusters == 0:
        return -1.0
    if n_clusters == 1:
        return 0.0
    by_label = measure.order[np.argsort(labels[measure.order], kind="stable")]
    ends = np.searchsorted(labels[by_label], np.arange(n_clusters + 1))
    members = [by_label[ends[c] : ends[c + 1]] for c in range(n_clusters)]
    sparseness, inner, core = zip(
        *(_inside(measure, rows, n_features) for rows in members), strict=True
    )
    separation = _between(measure, inner, core)
    validity = (
        0.0 if len(rows) == 1 else _contrast(separation[c], sparseness[c])
        for c, rows in enumerate(members)
    )
    weighted = (len(rows) * v for rows, v in zip(members, validity, strict=True))
    return math.fsum(weighted) / n_samples


def _inside(measure, rows, n_features):
    """Density sparseness of one cluster, its inner nodes, and their core distances."""
    n = len(rows)
    if n == 1:
        return 0.0, rows, np.zeros(1)
    core, step = np.empty(n), block_rows(n)
    for first in range(0, n, step):
        block = measure.block(rows[first : first + step], rows)
        _brute_force.all_points_core_distances(
            block, first, float(n_features), measure.n_threads, core[first : first + step]
        )
    edges, weights = measure.spanning_tree(rows, core)
    if len(weights) < n - 1:  # some distances are infinite
        return np.inf, rows, core
    degree = np.bincount(edges.ravel(), minlength=n)
    is_inner = degree > 1
    if not is_inner.any():  # two rows
        return weights.max(), rows, core
    inner_edge = is_inner[edges].all(axis=1)
    sparseness = weights[inner_edge].max() if inner_edge.any() else weights.max()
    return sparseness, rows[is_inner], core[is_inner]


def _between(measure, inner, core):
    """For each cluster the least mutual reachability of its inner nodes to another cluster's."""
    group = np.repeat(np.arange(len(inner)), [len(rows) for rows in inner]).astype(np.intp)
    rows, core = np.concatenate(inner), np.concatenate(core)
    n, step = len(rows), block_rows(len(rows))
    lightest = np.empty(n)
    for first in range(0, n, step):
        block = measure.block(rows[first : first + step], rows)
        _brute_force.lightest_to_others(
            block, core, group, first, measure.n_threads, lightest[first : first + step]
        )
    out = np.full(len(inner), np.inf)
    np.minimum.at(out, group, lightest)
    return out


def _contrast(separation, sparseness):
    """(separation - sparseness) / max of the two, also for 0 and infinity."""
    if separation == sparseness:
        return 0.0
    if separation > sparseness:
        return 1.0 - sparseness / separation
    return separation / sparseness - 1.0
