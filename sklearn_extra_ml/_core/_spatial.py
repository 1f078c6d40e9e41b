"""Neighbours and spanning trees over one k-d tree: the core under DBSCAN, HDBSCAN and t-SNE.

`SpatialIndex` owns the tree. Its kernels live in ``_native/_kd_tree`` and ``_native/_boruvka``;
other kernels walk the same arrays (``_kd_tree.pxd`` documents them).
"""

from typing import NamedTuple

import numpy as np

from .._native._boruvka import spanning_tree
from .._native._kd_tree import METRICS, TILE, build_tree, core_of_lists, knn_positions, rows_of_knn
from ._validation import bad_value

__all__ = [
    "MinimumSpanningTree",
    "Neighbors",
    "SpatialIndex",
    "distances_within",
    "minimum_spanning_tree",
    "mutual_reachability_tree",
]

# Neighbours listed for Boruvka's first rounds where the core distances need fewer.
_SHORTEST_LISTS = 6

_NEIGHBORS_IN_BLOCK = 2**21  # bounds the memory of one search to about 50 MB

_ALIASES = {
    "l2": "euclidean",
    "l1": "manhattan",
    "cityblock": "manhattan",
    "infinity": "chebyshev",
    "p": "minkowski",
}


class Neighbors(NamedTuple):
    """The nearest points of each query, nearest first, equal distances by rising row number.

    Which points are listed is decided on reduced distances, which tell more apart than their roots.
    """

    distances: np.ndarray  # (n_queries, k), dtype of the index
    rows: np.ndarray  # (n_queries, k), intp


class MinimumSpanningTree(NamedTuple):
    """A spanning tree by rising weight; equal weights by raw distance, then by rows."""

    edges: np.ndarray  # (n_points - 1, 2), intp: rows, the smaller first
    weights: np.ndarray  # (n_points - 1,), float64


def canonical_metric(metric, p=2):
    """Return `metric` and `p` with aliases resolved and special exponents named.

    Raises `ValueError` for a metric that the tree does not take.
    """
    name = _ALIASES.get(metric, metric)
    if name not in METRICS:
        allowed = ", ".join(sorted({*METRICS, *_ALIASES}))
        raise bad_value("metric", metric, "is no metric of the k-d tree", allowed, "Choose one.")
    if name != "minkowski":
        return name, 2.0
    if not p >= 1:
        raise bad_value("p", p, "makes no metric", "1 to infinity", "Raise it.")
    special = {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}
    return special.get(p, name), float(p)


class SpatialIndex:
    """A k-d tree of rows, asked for nearest neighbours.

    Parameters
    ----------
    X : ndarray of shape (n_points, n_features), float32 or float64
        The points, finite. Not kept: the tree holds its own copy.
    metric : str, default="euclidean"
        "euclidean" ("l2"), "manhattan" ("l1", "cityblock"), "chebyshev" ("infinity"), or
        "minkowski" ("p").
    p : float, default=2
        Exponent of "minkowski", at least 1.
    center : bool, default=True
        Subtract the middle of each column's range, in float64, before anything else. Float32
        points at coordinates of size 5e6 then keep their distances. Without it, distances are those
        of the coordinates as given, in scikit-learn's rounding, bit for bit (float64).
    leaf_size : int, default=None
        Points in a leaf, a multiple of 16; None: chosen by `n_features`.
    n_threads : int, default=1
        Threads of the build and of every later call. No result depends on it.

    Attributes
    ----------
    dtype : dtype
        What distances are computed and returned in: that of `X`, but float64 for float32 points
        whose squared distances float32 cannot hold, and for "minkowski".
    shape : tuple
        (n_points, n_features)
    tree : KDTree
    offset : ndarray of shape (n_features,) or None
        What was subtracted.

    Notes
    -----
    Build: O(n d log n) time; memory n d values for the tree, twice that (and 32 bytes a point)
    while it is built.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml._core._spatial import SpatialIndex
    >>> index = SpatialIndex(np.array([[0.0], [1.0], [3.0]]))
    >>> index.knn(2).distances
    array([[0., 1.],
           [0., 1.],
           [0., 2.]])
    """

    def __init__(self, X, *, metric="euclidean", p=2, center=True, leaf_size=None, n_threads=1):
        metric, p = canonical_metric(metric, p)
        lowest = X.min(axis=0).astype(np.float64)
        highest = X.max(axis=0).astype(np.float64)
        self.dtype = _working_dtype(X.dtype, metric, lowest, highest, center)
        X = np.ascontiguousarray(X, dtype=self.dtype)
        self.metric, self.p, self.n_threads, self.shape = metric, p, n_threads, X.shape
        self.offset = lowest / 2 + highest / 2 if center else None
        self.tree = build_tree(
            X, self.offset, METRICS[metric], p, leaf_size or _default_leaf_size(X), n_threads
        )

    def knn(self, k, queries=None):
        """Return the `k` nearest points of each query.

        Parameters
        ----------
        k : int
            1 to n_points.
        queries : ndarray of shape (n_queries, n_features), default=None
            None: every point of the index, in row order, itself included.

        Returns
        -------
        Neighbors
            Exact; its rows do not depend on the other rows of the call.
        """
        reduced, positions, query_tree = self.knn_in_tree_order(k, queries)
        distances = np.empty_like(reduced)
        rows = np.empty(positions.shape, dtype=np.intp)
        rows_of_knn(query_tree, self.tree, reduced, positions, distances, rows, self.n_threads)
        return Neighbors(distances, rows)

    def knn_in_tree_order(self, k, queries=None):
        """Return reduced distances, positions (int32) and the queries' tree, for other kernels.

        Row i belongs to the query at position i of its tree. Reduced: squared for Euclid, p-th
        power for Minkowski.
        """
        if not 1 <= k <= self.shape[0]:
            raise bad_value(
                "k",
                k,
                f"does not fit n_points={self.shape[0]}",
                f"1 to {self.shape[0]}",
                "Ask for fewer neighbours or pass more rows.",
            )
        query_tree = self.tree if queries is None else self._tree_of(queries)
        shape = (query_tree.n_points, k)
        reduced = np.empty(shape, dtype=self.dtype)
        positions = np.empty(shape, dtype=np.int32)
        n_tiles = -(-shape[0] // TILE)
        knn_positions(query_tree, self.tree, reduced, positions, 0, n_tiles, self.n_threads)
        return reduced, positions, query_tree

    def _tree_of(self, queries):
        """Return a tree of `queries`: its tiles are the batches that share a traversal."""
        queries = np.ascontiguousarray(queries, dtype=self.dtype)
        if queries.ndim != 2 or queries.shape[1] != self.shape[1]:
            raise ValueError(
                f"queries has shape {queries.shape}. Allowed: (n_queries, {self.shape[1]}). "
                "Pass the features that the index was built with."
            )
        return build_tree(queries, self.offset, METRICS[self.metric], self.p, TILE, self.n_threads)


def _working_dtype(dtype, metric, lowest, highest, center):
    """Float32 only where the reduced distances of these points fit it: squares of 1e20 do not."""
    if dtype != np.float32 or metric == "minkowski":
        return np.dtype(np.float64)
    size = (highest / 2 - lowest / 2) if center else np.maximum(np.abs(lowest), np.abs(highest))
    largest = size.max(initial=0.0)
    return np.dtype(np.float32 if largest == 0 or 1e-12 < largest < 1e15 else np.float64)


def _default_leaf_size(X):
    """Points in a leaf: one tile while boxes prune well, more where a scan is cheaper."""
    return TILE if X.shape[1] <= 5 else 2 * TILE


def mutual_reachability_tree(index, min_samples, *, alpha=1.0):
    """Return the minimum spanning tree under mutual reachability, and the core distances.

    Parameters
    ----------
    index : SpatialIndex
    min_samples : int
        A row's core distance is the distance to its `min_samples`-th nearest row, itself counted,
        as in scikit-learn: 1 gives core distances of zero and the plain spanning tree.
    alpha : float, default=1.0
        Distances, not core distances, are divided by it.

    Returns
    -------
    tree : MinimumSpanningTree
    core_distances : ndarray of shape (n_points,)
        Of the index's dtype.
    """
    lists = index.knn_in_tree_order(min(max(min_samples, _SHORTEST_LISTS), index.shape[0]))
    core_distances = np.empty(index.shape[0], dtype=index.dtype)
    core_of_lists(index.tree, lists[0], min_samples, core_distances, index.n_threads)
    return _spanning_tree(index, core_distances, lists, alpha), core_distances


def minimum_spanning_tree(index, core_distances, *, alpha=1.0):
    """Return the minimum spanning tree of edges max(core_i, core_j, distance_ij / alpha).

    Parameters
    ----------
    index : SpatialIndex
    core_distances : ndarray of shape (n_points,)
        Not negative; any values (weighted ones, zeros for the plain spanning tree). Where they are
        `knn` distances, `mutual_reachability_tree` does both steps in one.
    alpha : float, default=1.0
        Distances, not core distances, are divided by it.

    Returns
    -------
    MinimumSpanningTree
        Exact, and unique: it depends neither on the thread count nor on `leaf_size`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml._core._spatial import SpatialIndex, minimum_spanning_tree
    >>> index = SpatialIndex(np.array([[0.0], [1.0], [3.0]]))
    >>> minimum_spanning_tree(index, np.array([0.0, 0.0, 2.5])).weights
    array([1. , 2.5])
    """
    core_distances = np.ascontiguousarray(core_distances, dtype=index.dtype)
    lists = index.knn_in_tree_order(min(_SHORTEST_LISTS, index.shape[0]))
    return _spanning_tree(index, core_distances, lists, alpha)


def distances_within(index, queries, weights, needed):
    """Return, for each query, the distance within which points of the total weight `needed` lie.

    Parameters
    ----------
    index : SpatialIndex
    queries : ndarray of shape (n_queries, n_features)
    weights : ndarray of shape (n_points,)
        Not negative; their sum is at least `needed`.
    needed : float

    Returns
    -------
    distances : ndarray of shape (n_queries,), float64
    """
    n_points = index.shape[0]
    out, open_queries = np.empty(len(queries)), np.arange(len(queries))
    k = min(n_points, 8 + int(min(needed * n_points / weights.sum(), n_points)))
    while len(open_queries):
        short, step = [], max(1, _NEIGHBORS_IN_BLOCK // k)
        for start in range(0, len(open_queries), step):
            block = open_queries[start : start + step]
            found = index.knn(k, queries[block])
            reached = np.cumsum(weights[found.rows], axis=1) >= needed
            reached[:, -1] |= k == n_points
            out[block] = found.distances[np.arange(len(block)), np.argmax(reached, axis=1)]
            short.append(block[~reached[:, -1]])
        open_queries, k = np.concatenate(short), min(4 * k, n_points)
    return out


def _spanning_tree(index, core_distances, lists, alpha):
    n_points = index.shape[0]
    edges = np.empty((n_points - 1, 2), dtype=np.intp)
    weights = np.empty(n_points - 1)
    reduced, positions, _ = lists
    spanning_tree(
        index.tree, core_distances, reduced, positions, alpha, edges, weights, index.n_threads
    )
    return MinimumSpanningTree(edges, weights)
