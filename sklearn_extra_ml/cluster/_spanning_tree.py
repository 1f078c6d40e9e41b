"""The minimum spanning tree of the mutual reachability graph, by the cheapest exact way there is.

Mutual reachability of two rows is ``max(core_i, core_j, d_ij / alpha)``; the core distance of a row
is the distance to its `min_samples`-th nearest row, itself counted (Campello, Moulavi and Sander
2013, definitions 1 and 2; `alpha` from Chaudhuri and Dasgupta 2010). Three ways lead to the tree:

- the spatial index, for metrics that a tree or blocked matrix products can serve;
- all pairs and Prim's algorithm, for every other metric: O(n^2) distances, O(n) memory;
- Kruskal's algorithm over the stored edges of a sparse precomputed graph.

Each is exact, so they find the same weights (up to rounding of the distances). Rows are put into
lexicographic order before the second way, so that no bit depends on the order in which they came.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from .._core._all_pairs import (
    matrix_core_distances,
    matrix_spanning_tree,
    weighted_matrix_core_distances,
)
from .._core._distances import warn_of_similarities
from .._core._networkx import import_networkx
from .._core._spatial import _SHORTEST_LISTS as SHORTEST_LISTS
from .._core._spatial import SpatialIndex, distances_within, minimum_spanning_tree
from .._core._spatial import _spanning_tree as tree_of_lists
from .._native import _linkage
from .._native._kd_tree import core_of_lists
from ._hdbscan_input import check_distance_matrix, check_sparse_graph


class MinimumSpanningTree(NamedTuple):
    """Minimum spanning tree (or forest) of the mutual reachability graph.

    Attributes
    ----------
    edges : ndarray of shape (n_edges, 2)
        Row indices of the two ends. A connected graph has ``n_samples - 1`` edges.

    weights : ndarray of shape (n_edges,)
        Mutual reachability of the two ends, in units of the metric. Their multiset is unique;
        where weights are equal another set of edges may be as good.
    """

    edges: np.ndarray
    weights: np.ndarray

    def to_pandas(self):
        """Return a DataFrame with columns ``from``, ``to``, ``distance``."""
        import pandas as pd

        return pd.DataFrame(
            {"from": self.edges[:, 0], "to": self.edges[:, 1], "distance": self.weights}
        )

    def to_networkx(self):
        """Return a `networkx.Graph` over the row indices; edges have the attribute ``distance``."""
        graph = import_networkx().Graph()
        graph.add_weighted_edges_from(
            zip(*self.edges.T.tolist(), self.weights.tolist(), strict=True), weight="distance"
        )
        return graph


# The classes below are the ways to core distances and spanning tree, `AllPairs` of the core is one
# more: `core_distances(min_samples, weights, needed)`, where sums of `weights` up to `needed` decide
# unless they are None, then `spanning_tree(core_distances, alpha)`, which returns edges and weights.


def tree_of(metric, rows):
    """Return the spatial index of `embed`-ed rows.

    Float32 rows are centred, so that large coordinates keep their distances; float64 rows are
    not, so that their distances are those that all pairs give, to the bit.
    """
    return SpatialIndex(
        rows,
        metric=metric.tree_name,
        p=metric.p,
        center=rows.dtype == np.float32,
        n_threads=metric.n_threads,
    )


class IndexedRows:
    """The way over the spatial index, for `embed`-ed rows of a metric that has a tree."""

    def __init__(self, metric, rows):
        self.metric, self.rows = metric, rows
        self._lists = self._core = None

    @cached_property
    def index(self):
        return tree_of(self.metric, self.rows)

    def core_distances(self, min_samples, weights=None, needed=None):
        index = self.index
        if weights is None:
            n_neighbors = min(max(min_samples, SHORTEST_LISTS), index.shape[0])
            self._lists = index.knn_in_tree_order(n_neighbors)
            self._core = np.empty(index.shape[0], dtype=index.dtype)
            core_of_lists(index.tree, self._lists[0], min_samples, self._core, index.n_threads)
        else:
            core = distances_within(index, self.rows, weights, needed)
            self._core = core.astype(index.dtype)
        return self.metric.from_tree(self._core.astype(np.float64))

    def spanning_tree(self, core, alpha):
        alpha_of_tree = float(self.metric.to_tree(2.0 * alpha) / self.metric.to_tree(2.0))
        if self._lists is None:
            edges, weights = minimum_spanning_tree(self.index, self._core, alpha=alpha_of_tree)
        else:
            edges, weights = tree_of_lists(self.index, self._core, self._lists, alpha_of_tree)
        self._lists = self._core = None
        return edges, self.metric.from_tree(weights)


class DistanceMatrix:
    """The way over a dense precomputed matrix, which is checked and then only read."""

    def __init__(self, D):
        self.D = D
        self.exactly_symmetric = check_distance_matrix(D)
        warn_of_similarities(D)

    def core_distances(self, min_samples, weights=None, needed=None):
        if weights is not None:
            return weighted_matrix_core_distances(self.D, weights, needed)
        return matrix_core_distances(self.D, min_samples)

    def spanning_tree(self, core, alpha):
        return matrix_spanning_tree(self.D, core, alpha, self.exactly_symmetric)


class DistanceGraph:
    """The way over a sparse precomputed graph; what is not stored is no edge.

    A row counts itself whether its diagonal is stored or not. A row with fewer than
    ``min_samples - 1`` neighbours has no core distance: its edges have infinite length, or
    `max_distance` where that is given.
    """

    def __init__(self, graph, max_distance=0.0):
        graph = check_sparse_graph(graph)
        self.n = graph.shape[0]
        rows = np.repeat(np.arange(self.n), np.diff(graph.indptr))
        apart = rows != graph.indices
        self.rows, self.columns = rows[apart], graph.indices[apart].astype(np.intp)
        self.data = graph.data[apart]
        self.max_distance = max_distance

    def core_distances(self, min_samples, weights=None, needed=None):
        if weights is not None:
            return self._weighted(weights, needed)
        core = np.full(self.n, 0.0 if min_samples == 1 else np.inf)
        if min_samples == 1:
            return core
        order = np.lexsort((self.data, self.rows))
        start = np.searchsorted(self.rows[order], np.arange(self.n + 1))
        enough = np.flatnonzero(np.diff(start) >= min_samples - 1)
        core[enough] = self.data[order[start[enough] + min_samples - 2]]
        return core

    def _weighted(self, weights, needed):
        order = np.lexsort((self.data, self.rows))
        start = np.searchsorted(self.rows[order], np.arange(self.n + 1))
        total = np.concatenate(([0.0], np.cumsum(weights[self.columns[order]])))
        missing = needed - weights
        first = np.searchsorted(total, total[start[:-1]] + missing) - 1
        core = np.where(missing <= 0, 0.0, np.inf)
        reached = (missing > 0) & (first < start[1:])
        core[reached] = self.data[order[np.maximum(first, start[:-1])[reached]]]
        return core

    def spanning_tree(self, core, alpha):
        upper = self.rows < self.columns
        rows, columns, data = self.rows[upper], self.columns[upper], self.data[upper]
        weights = np.maximum(np.maximum(core[rows], core[columns]), data / alpha)
        if self.max_distance > 0:
            weights[np.isinf(weights)] = self.max_distance
        known = np.isfinite(weights)
        rows, columns, weights = rows[known], columns[known], weights[known]
        picked = np.empty(self.n - 1, dtype=np.intp)
        n_picked = _linkage.spanning_forest(rows, columns, np.argsort(weights), self.n, picked)
        picked = picked[:n_picked]
        return np.column_stack([rows[picked], columns[picked]]), weights[picked]


def complete_tree(tree, n_samples, missing_weight=np.inf):
    """Join the components of a forest by edges of `missing_weight`; count the components.

    Rows that are in no edge are components of their own.
    """
    if len(tree.edges) == n_samples - 1:
        return tree, 1
    graph = sparse.coo_array(
        (np.ones(len(tree.edges)), (tree.edges[:, 0], tree.edges[:, 1])),
        shape=(n_samples, n_samples),
    )
    n_components, component = csgraph.connected_components(graph, directed=False)
    first = np.unique(component, return_index=True)[1]
    joints = np.column_stack([np.full(n_components - 1, first[0]), first[1:]])
    edges = np.concatenate([tree.edges, joints]).astype(np.intp, copy=False)
    weights = np.concatenate([tree.weights, np.full(n_components - 1, missing_weight)])
    return MinimumSpanningTree(edges, weights), n_components
