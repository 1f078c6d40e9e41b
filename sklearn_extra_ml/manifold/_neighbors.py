"""Nearest neighbours of rows, for any kind of input that t-SNE takes.

Whatever the way, the result is the same kind of record: squared distances in float32, each row in a
unit of its own, and neighbours by rising number, the row itself left out. The k-d tree answers in its
own order, in which neighbours are close in memory; that order is kept for all that follows.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from .._core._distances import Metric
from .._core._magnitudes import value_range
from .._core._spatial import SpatialIndex
from .._core._threads import library_threads
from .._native import _tsne_affinities
from .._native._kd_tree import TILE, knn_positions

__all__ = ["Neighborhoods", "all_others", "find_neighbors", "neighbors_of_new"]

_BLOCK = 2**22  # distances of one block


class Neighborhoods(NamedTuple):
    """The `k` nearest other rows of every row."""

    sq_distances: np.ndarray  # (n, k) float32: squares of the metric's distances, units by row
    neighbors: np.ndarray  # (n, k) int32, rising in each row, numbers as in `order`
    order: np.ndarray  # (n,) int32: the row of the data that each number stands for


def find_neighbors(X, k, metric, metric_params, n_jobs, n_threads):
    """Return the `Neighborhoods` of validated rows, or of a matrix or graph of distances."""
    n = X.shape[0]
    if metric == "precomputed" and not sparse.issparse(X):
        return _nearest_in_rows(lambda first, last: X[first:last], n, k)
    if metric == "precomputed":
        return _by_number(*_nearest_in_graph(X, k, np.arange(n)))
    X = _wide(X)
    measure = Metric(metric, metric_params, X, n_jobs)
    if measure.tree_name is not None and not sparse.issparse(X):
        return _from_tree(measure, measure.embed(X, keep_float32=True), k, n_threads)
    search = NearestNeighbors(
        n_neighbors=k, metric=metric, metric_params=metric_params, n_jobs=n_jobs
    )
    with library_threads():
        return _by_number(*search.fit(X).kneighbors())


def all_others(X, metric, metric_params):
    """Return the `Neighborhoods` in which every row is a neighbour of every other one."""
    n = X.shape[0]
    if metric == "precomputed":
        distances = X
    else:
        with library_threads():
            distances = pairwise_distances(_wide(X), metric=metric, **(metric_params or {}))
    others = np.arange(1, n, dtype=np.int32) - (
        np.arange(n - 1, dtype=np.int32) < np.arange(n, dtype=np.int32)[:, None]
    )
    distances = np.take_along_axis(np.asarray(distances), others, axis=1)
    return Neighborhoods(_squares(distances), others, np.arange(n, dtype=np.int32))


def neighbors_of_new(X_new, X, k, metric, metric_params, n_jobs, n_threads):
    """Return squared distances (float32) and rows of the `k` nearest of `X` to each new row."""
    if metric == "precomputed" and not sparse.issparse(X_new):
        rows = np.argpartition(X_new, k - 1, axis=1)[:, :k]
        distances = np.take_along_axis(X_new, rows, axis=1)
    elif metric == "precomputed":
        distances, rows = _nearest_in_graph(X_new, k, np.full(X_new.shape[0], -1))
    else:
        X, X_new = _wide(X, X_new), _wide(X_new, X)
        measure = Metric(metric, metric_params, X, n_jobs)
        if measure.tree_name is not None and not sparse.issparse(X):
            index = SpatialIndex(
                measure.embed(X, keep_float32=True),
                metric=measure.tree_name,
                p=measure.p,
                n_threads=n_threads,
            )
            found = index.knn(k, measure.embed(X_new, keep_float32=True))
            distances, rows = measure.from_tree(found.distances), found.rows
        else:
            search = NearestNeighbors(
                n_neighbors=k, metric=metric, metric_params=metric_params, n_jobs=n_jobs
            )
            with library_threads():
                distances, rows = search.fit(X).kneighbors(X_new)
    return _squares(distances), rows


def _fits_float32(X):
    """Whether squares of differences of entries of `X` neither overflow nor vanish in float32."""
    return 1e-15 < max(np.abs(value_range(X))) < 1e15


def _wide(X, *others):
    """`X`, as float64 where it or the rows it is compared with do not fit float32."""
    fits = X.dtype != np.float32 or all(map(_fits_float32, (X, *others)))
    return X if fits else X.astype(np.float64)


def _in_units_of_rows(values):
    """Scale each row of `values` (n, k), in place, by a power of two: the largest is near 1.

    Similarities do not know the unit of a row's distances, but float32 has no room for the squares
    of 1e-25 metres.
    """
    largest = np.max(values, axis=1, initial=0.0, where=np.isfinite(values))
    limit = np.finfo(values.dtype).maxexp - 8
    exponent = np.clip(-np.frexp(largest)[1], -limit, limit)
    values *= np.ldexp(values.dtype.type(1), exponent)[:, None]
    return values


def _squares(distances):
    """Return squares of distances (n, k), float32, each row in a unit of its own."""
    distances = np.array(distances, dtype=np.promote_types(distances.dtype, np.float32))
    sq = _in_units_of_rows(distances).astype(np.float32, copy=False)
    return np.square(sq, out=sq)


def _from_tree(measure, rows, k, n_threads):
    """Ask the k-d tree; everything stays in its order."""
    index = SpatialIndex(rows, metric=measure.tree_name, p=measure.p, n_threads=n_threads)
    n = rows.shape[0]
    sq, neighbors = np.empty((n, k), np.float32), np.empty((n, k), np.int32)
    tree, n_tiles = index.tree, -(-n // TILE)
    step = max(1, _BLOCK // (4 * TILE * (k + 1)))
    for first in range(0, n_tiles, step):  # blocks: the lists of all rows in float64 are large
        last = min(first + step, n_tiles)
        here = slice(first * TILE, min(last * TILE, n))
        found = np.empty((here.stop - here.start, k + 1), dtype=index.dtype)
        positions = np.empty(found.shape, dtype=np.int32)
        knn_positions(tree, tree, found, positions, first, last, n_threads)
        if measure.name != "euclidean" and measure.name != "seuclidean":
            if index.metric == "euclidean":
                found = np.sqrt(found)
            elif index.metric == "minkowski":
                found = found ** (1.0 / index.p)
            found = np.square(measure.from_tree(found))
        _tsne_affinities.without_self(
            _in_units_of_rows(found), positions, here.start, n_threads, sq[here], neighbors[here]
        )
    order = np.empty(n, dtype=np.int32)
    _tsne_affinities.tree_rows(index.tree, order)
    return Neighborhoods(sq, neighbors, order)


def _nearest_in_rows(distances_of, n, k):
    """Choose the `k` nearest from rows of a matrix of distances, blocks of rows at a time."""
    sq, neighbors = np.empty((n, k), np.float32), np.empty((n, k), np.int32)
    step = max(1, _BLOCK // n)
    for first in range(0, n, step):
        block = np.array(distances_of(first, min(first + step, n)))
        own = np.arange(len(block))
        block[own, first + own] = np.inf  # the last one, whatever the matrix says
        chosen = np.sort(np.argpartition(block, k - 1, axis=1)[:, :k], axis=1)
        neighbors[first : first + len(block)] = chosen
        sq[first : first + len(block)] = _squares(np.take_along_axis(block, chosen, axis=1))
    return Neighborhoods(sq, neighbors, np.arange(n, dtype=np.int32))


def _nearest_in_graph(graph, k, own):
    """Return the `k` smallest entries of each row of a CSR matrix, and their columns.

    Zeros that are stored count; a column that is the row itself (`own`) does not.
    """
    n = graph.shape[0]
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    other = graph.indices != own[rows]
    rows, columns, data = rows[other], graph.indices[other], graph.data[other]
    counts = np.bincount(rows, minlength=n)
    if counts.min() < k:
        row = int(np.argmin(counts))
        raise ValueError(
            f"Row {row} of the graph holds distances to {counts[row]} other rows, but {k} "
            "neighbours are needed. Store more, or lower `perplexity` or `n_neighbors`."
        )
    order = np.lexsort((data, rows))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    chosen = order[first[:, None] + np.arange(k)]
    return data[chosen], columns[chosen]


def _by_number(distances, rows):
    by_number = np.argsort(rows, axis=1)
    neighbors = np.take_along_axis(rows, by_number, axis=1).astype(np.int32)
    sq = _squares(np.take_along_axis(distances, by_number, axis=1))
    return Neighborhoods(sq, neighbors, np.arange(len(rows), dtype=np.int32))
