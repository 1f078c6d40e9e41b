"""Density clusters from neighbourhoods: any metric, sparse rows, precomputed distances.

Follows scikit-learn to the letter: neighbourhoods come from its own search, weights are summed by
`numpy.sum` in the order in which neighbours are found, and neighbourhoods that are not symmetric
are followed in their direction. What differs is memory: neighbourhoods are asked for in blocks,
kept only while they fit `CACHED_NEIGHBORS`, and asked for again otherwise.
"""

import warnings

import numpy as np
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.neighbors import sort_graph_by_row_values

from .._core._threads import library_threads
from .._native import _dbscan
from ._density import Clusters

CACHED_NEIGHBORS = 2**24  # row indices held at a time, 128 MiB
BLOCK_NEIGHBORS = 2**22  # aimed at per block
WORKING_MEMORY = 64  # MiB of distances at a time, where scikit-learn computes them in chunks


def search_in(neighbors, X):
    """Return the function that maps rows of `X` to their neighbourhoods.

    `neighbors` is a fitted `NearestNeighbors`.
    """
    working_memory = min(WORKING_MEMORY, get_config()["working_memory"])

    def search(rows):
        # All rows as one array are compared through other routines: take those, as scikit-learn.
        block = X if len(rows) == X.shape[0] else X[rows]
        with config_context(working_memory=working_memory), library_threads():
            return list(neighbors.radius_neighbors(block, return_distance=False))

    return search


def search_blocks(search, rows):
    """Yield `rows` in blocks, each with its neighbourhoods: blocks of about `BLOCK_NEIGHBORS`."""
    start, size = 0, max(128, BLOCK_NEIGHBORS // max(len(rows), 1))
    while start < len(rows):
        block = rows[start : start + size]
        found = search(block)
        yield block, found
        start += len(block)
        mean = sum(map(len, found)) / len(found)
        size = int(np.clip(BLOCK_NEIGHBORS / max(mean, 1.0), 16, 4 * size))


def total_weights(neighborhoods, sample_weight):
    """Return the weight of each neighbourhood, rounded as scikit-learn rounds it."""
    if sample_weight is None:
        return np.array([len(found) for found in neighborhoods])
    return np.array([np.sum(sample_weight[found]) for found in neighborhoods])


def _pack(neighborhoods):
    """Return neighbourhoods as `indptr` and `indices`."""
    indptr = np.zeros(len(neighborhoods) + 1, dtype=np.int64)
    np.cumsum([len(found) for found in neighborhoods], out=indptr[1:])
    indices = np.concatenate(neighborhoods) if len(neighborhoods) else np.empty(0)
    return indptr, np.ascontiguousarray(indices, dtype=np.int64)


def cluster_by_search(search, n_samples, min_samples, sample_weight=None):
    """Return the density `Clusters` of `n_samples` rows whose neighbourhoods `search` finds.

    Time: one to three searches per row. Memory O(n) beside `CACHED_NEIGHBORS`.

    Parameters
    ----------
    search : callable
        Maps an array of rows to a list with the rows within eps of each.
    n_samples : int
    min_samples : int
    sample_weight : ndarray of shape (n_samples,), default=None
    """
    is_core = np.empty(n_samples, dtype=bool)
    cached, n_cached = [], 0
    for rows, found in search_blocks(search, np.arange(n_samples)):
        is_core[rows] = total_weights(found, sample_weight) >= min_samples
        if cached is not None:
            n_cached += sum(map(len, found))
            cached = [*cached, _pack(found)] if n_cached <= CACHED_NEIGHBORS else None
    if cached is None:
        return Clusters(is_core, _label_in_blocks(search, is_core))
    n_before = np.cumsum([0] + [pointers[-1] for pointers, _ in cached])
    indptr = np.concatenate(
        [[0]] + [pointers[1:] + n for (pointers, _), n in zip(cached, n_before, strict=False)]
    )
    indices = np.concatenate([indices for _, indices in cached])
    return Clusters(is_core, expand(indptr, indices, is_core))


def expand(indptr, indices, is_core):
    """Return the labels that follow from stored neighbourhoods."""
    labels = np.empty(len(is_core), dtype=np.intp)
    _dbscan.expand_clusters(
        indptr.astype(np.int64), indices.astype(np.int64), is_core.view(np.uint8), labels
    )
    return labels


def _label_in_blocks(search, is_core):
    """Return the labels without ever holding all neighbourhoods."""
    core_rows = np.flatnonzero(is_core)
    parent = np.arange(len(is_core), dtype=np.int32)
    has_border = np.zeros(len(is_core), dtype=np.uint8)
    fingerprint = 0
    for rows, found in search_blocks(search, core_rows):
        fingerprint += _dbscan.link_neighborhoods(
            rows, *_pack(found), is_core.view(np.uint8), parent, has_border
        )
    if fingerprint % 2**64:
        return _label_by_walking(search, is_core)
    _dbscan.roots_of(parent)
    labels = np.full(len(is_core), -1, dtype=np.intp)
    _, first, component = np.unique(parent[core_rows], return_index=True, return_inverse=True)
    labels[core_rows] = np.argsort(np.argsort(first))[component]
    unclaimed = np.iinfo(np.intp).max
    border = np.full(len(is_core), unclaimed)
    for rows, found in search_blocks(search, np.flatnonzero(has_border)):
        claims = np.repeat(labels[rows], [len(reached) for reached in found])
        np.minimum.at(border, np.concatenate(found), claims)
    claimed = ~is_core & (border < unclaimed)
    labels[claimed] = border[claimed]
    return labels


def _label_by_walking(search, is_core):
    """Return the labels by walking from core row to core row: for asymmetric neighbourhoods."""
    labels = np.full(len(is_core), -1, dtype=np.intp)
    n_clusters = 0
    for seed in np.flatnonzero(is_core):
        if labels[seed] != -1:
            continue
        labels[seed] = n_clusters
        frontier = np.array([seed])
        while len(frontier):
            reached = []
            for _, found in search_blocks(search, frontier):
                new = np.unique(np.concatenate(found))
                new = new[labels[new] == -1]
                labels[new] = n_clusters
                reached.append(new[is_core[new]])
            frontier = np.concatenate(reached)
        n_clusters += 1
    return labels


# ---- precomputed distances ----------------------------------------------------------------------


def check_sparse_indices(X):
    """Raise `ValueError` when a sparse matrix points outside itself: compiled code trusts it."""
    if not sparse.issparse(X) or X.format not in ("csr", "csc", "coo", "bsr"):
        return
    n_rows, n_columns = X.shape
    if X.format == "coo":
        pairs = ((X.row, n_rows, "row"), (X.col, n_columns, "column"))
    elif X.format == "bsr":
        pairs = ((X.indices, n_columns // X.blocksize[1], "block column"),)
    else:
        major, minor = ("column", "row") if X.format == "csc" else ("row", "column")
        pairs = ((X.indices, n_rows if minor == "row" else n_columns, minor),)
        n_major = n_columns if major == "column" else n_rows
        _check_index_pointer(X, n_major)
    for indices, size, what in pairs:
        if len(indices) and not 0 <= indices.min() <= indices.max() < size:
            raise ValueError(
                f"The sparse X of shape {X.shape} has {what} indices from {indices.min()} to "
                f"{indices.max()}. Allowed: 0 to {size - 1}. Rebuild the matrix from valid entries."
            )


def _check_index_pointer(X, n_major):
    indptr = X.indptr
    if (
        len(indptr) != n_major + 1
        or indptr[0] != 0
        or np.any(np.diff(indptr) < 0)
        or indptr[-1] > min(len(X.indices), len(X.data))
    ):
        n_stored = min(len(X.indices), len(X.data))
        raise ValueError(
            f"The sparse X of shape {X.shape} has a broken index pointer. Allowed: {n_major + 1} "
            f"entries rising from 0 to at most {n_stored}. Rebuild the matrix from valid entries."
        )


def check_distances(X):
    """Raise `ValueError` unless `X` can be distances: square, not negative, symmetric.

    A sparse X may leave out one of two mirrored entries (a graph of nearest neighbours does), but
    where both are stored they must agree. Rounding is tolerated, to the square root of the
    precision: distances computed through squares lose as much.
    """
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            f"Precomputed distances must be a square matrix; X has shape {X.shape}. Allowed: "
            "(n_samples, n_samples). Pass the distances between all samples."
        )
    values = X.data if sparse.issparse(X) else X
    if values.size and values.min() < 0:
        raise ValueError(
            f"Negative values in data passed to X: precomputed distances go down to "
            f"{values.min()}. Allowed: 0 and more. Pass distances, not similarities."
        )
    precision = np.finfo(X.dtype).eps if X.dtype.kind == "f" else np.finfo(np.float64).eps
    slack = np.sqrt(precision) * float(values.max(initial=0))
    worst = _sparse_asymmetry(X) if sparse.issparse(X) else _dense_asymmetry(X)
    if worst > slack:
        raise ValueError(
            f"The precomputed distances are not symmetric: X[i, j] and X[j, i] differ by up to "
            f"{worst:.6g}. Allowed: {slack:.3g} (rounding). Pass (X + X.T) / 2 if that is meant."
        )


def _dense_asymmetry(X):
    size = 512
    worst = 0.0
    for i in range(0, len(X), size):
        for j in range(0, i + 1, size):
            upper = X[j : j + size, i : i + size].astype(np.float64)
            worst = max(worst, float(np.abs(X[i : i + size, j : j + size] - upper.T).max()))
    return worst


def _sparse_asymmetry(X):
    """Return the largest difference of two mirrored entries that are both stored."""
    graph = X.astype(np.float64)
    graph.sum_duplicates()  # sorts, too
    return _dbscan.mirror_gap(
        graph.data, graph.indices.astype(np.int64), graph.indptr.astype(np.int64)
    )


def cluster_by_graph(X, eps, min_samples, sample_weight=None):
    """Return the density `Clusters` of a sparse graph of distances (csr).

    Entries that are not stored are no neighbours; each row is its own neighbour. Time and memory
    are linear in the number of entries.
    """
    graph = X.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sparse.SparseEfficiencyWarning)
        graph.setdiag(graph.diagonal())
    if sample_weight is not None:  # rounding of sums follows the order of neighbours
        graph = sort_graph_by_row_values(graph, warn_when_not_sorted=False)
    within = graph.data <= eps
    indptr = np.concatenate(([0], np.cumsum(within)))[graph.indptr]
    indices = graph.indices[within]
    if sample_weight is None:
        total = np.diff(indptr)
    else:
        total = total_weights(np.split(indices, indptr[1:-1]), sample_weight)
    is_core = total >= min_samples
    return Clusters(is_core, expand(indptr, indices, is_core))


def cluster_by_matrix(X, eps, min_samples, sample_weight=None):
    """Return the density `Clusters` of a dense matrix of distances; memory O(n) beside it."""
    n_samples = len(X)
    is_core = np.empty(n_samples, dtype=bool)
    size = max(1, 2**22 // n_samples)
    for start in range(0, n_samples, size):
        within = X[start : start + size] <= eps
        if sample_weight is None:
            total = within.sum(axis=1)
        else:
            total = np.array([np.sum(sample_weight[np.flatnonzero(row)]) for row in within])
        is_core[start : start + size] = total >= min_samples
    labels = np.full(n_samples, -1, dtype=np.intp)
    free = np.ones(n_samples, dtype=bool)  # not labelled yet
    n_clusters = 0
    for seed in np.flatnonzero(is_core):
        if not free[seed]:
            continue
        labels[seed], free[seed] = n_clusters, False
        stack = [seed]
        while stack:
            new = np.flatnonzero((X[stack.pop()] <= eps) & free)
            labels[new], free[new] = n_clusters, False
            stack.extend(new[is_core[new]])
        n_clusters += 1
    return Clusters(is_core, labels)


# ---- new rows -----------------------------------------------------------------------------------


def label_by_search(search, n_queries, core_labels):
    """Return for each query the lowest label of the core rows that `search` finds, else -1."""
    labels = np.full(n_queries, -1, dtype=np.intp)
    for rows, found in search_blocks(search, np.arange(n_queries)):
        labels[rows] = [core_labels[reached].min() if len(reached) else -1 for reached in found]
    return labels


def nearest_by_search(neighbors, core_rows, X, core_labels, n_clusters):
    """Return the distance of each query to the nearest core row of each cluster."""
    out = np.empty((X.shape[0], n_clusters))
    for label in range(n_clusters):
        nearest = neighbors.fit(core_rows[core_labels == label]).kneighbors(X, n_neighbors=1)[0]
        out[:, label] = nearest[:, 0]
    return out


def _check_query_distances(X):
    values = X.data if sparse.issparse(X) else X
    if values.size and values.min() < 0:
        raise ValueError(
            f"Negative values in data passed to X: distances go down to {values.min()}. Allowed: 0 "
            "and more. Pass distances, not similarities."
        )


def nearest_by_distances(X, core_rows, core_labels, n_clusters):
    """Return the least of the distances `X` (n_queries, n_samples) to the core rows per cluster."""
    _check_query_distances(X)
    out = np.full((X.shape[0], n_clusters), np.inf)
    if sparse.issparse(X):
        label_of = np.full(X.shape[1], -1)
        label_of[core_rows] = core_labels
        query = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        label = label_of[X.indices]
        np.minimum.at(out, (query[label >= 0], label[label >= 0]), X.data[label >= 0])
        return out
    for label in range(n_clusters):
        out[:, label] = X[:, core_rows[core_labels == label]].min(axis=1)
    return out


def label_by_distances(X, eps, core_rows, core_labels):
    """Return the lowest label among the core rows within eps by the distances `X`, else -1."""
    _check_query_distances(X)
    labels = np.full(X.shape[0], -1, dtype=np.intp)
    if sparse.issparse(X):
        label_of = np.full(X.shape[1], -1, dtype=np.intp)
        label_of[core_rows] = core_labels
        query = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        reached = (X.data <= eps) & (label_of[X.indices] >= 0)
        lowest = np.full(X.shape[0], np.iinfo(np.intp).max)
        np.minimum.at(lowest, query[reached], label_of[X.indices[reached]])
        found = lowest < np.iinfo(np.intp).max
        labels[found] = lowest[found]
        return labels
    order = np.argsort(core_labels, kind="stable")
    size = max(1, 2**22 // max(1, X.shape[1]))
    for start in range(0, X.shape[0] if len(order) else 0, size):
        within = X[start : start + size][:, core_rows[order]] <= eps
        first = core_labels[order[within.argmax(axis=1)]]
        labels[start : start + size] = np.where(within.any(axis=1), first, -1)
    return labels
