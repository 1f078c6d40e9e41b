"""Where rows that were not fitted belong in a fitted hierarchy.

A new row gets a core distance from the fitted rows (itself counted, as in `fit`) and joins the tree
at the fitted row of least mutual reachability. Both searches are exact: by the spatial index, which
is asked for more neighbours until none farther away can matter, or by all pairs.
"""

from itertools import pairwise

import numpy as np
from scipy import sparse

from .._core._all_pairs import distances_within
from .._core._spatial import SpatialIndex
from .._core._spatial import distances_within as index_distances_within
from .._native import _condense
from ._row_weights import needed_weight
from ._spanning_tree import tree_of

SMALL = 256  # below so many rows a block of distances costs less than a tree
NEIGHBORS_IN_BLOCK = 2**21  # bounds the memory of one search to about 50 MB


class ReachabilitySearch:
    """Fitted rows and their core distances, searched by mutual reachability.

    Parameters
    ----------
    metric : Metric
        The metric, with what it learnt from the fitted rows.

    rows : ndarray or sparse matrix of shape (n_rows, n_features)
        Fitted rows, `embed`-ed.

    content : ndarray of shape (n_rows, n_columns)
        What orders the rows where distances tie.

    core_distances : ndarray of shape (n_rows,)
        Core distance of each fitted row.

    min_samples : int
        Rows within a core distance, the row itself counted.

    alpha : float
        Divisor of distances in the mutual reachability.

    weights : ndarray of shape (n_rows,) or None
        Weights of the rows, None where each weighs 1.

    use_index : bool
        Whether to search by a spatial index, else all pairs.

    index : SpatialIndex or None
        The index, where there is one already. It is not pickled but built again.
    """

    def __init__(
        self,
        metric,
        rows,
        content,
        core_distances,
        min_samples,
        alpha,
        weights=None,
        use_index=False,
        index=None,
    ):
        self.metric = metric
        self.rows = rows
        self.content = content
        self.core_distances = core_distances
        self.min_samples = min_samples
        self.alpha = alpha
        self.weights = weights
        self.use_index = use_index
        self._index_of_all = index

    def __getstate__(self):
        return self.__dict__ | {"_index_of_all": None}

    def core_distances_of(self, queries):
        """Core distance of each new row: the distance to its `min_samples`-th, itself counted."""
        n, k = queries.shape[0], self.min_samples - 1
        if k == 0:
            return np.zeros(n)
        if self.weights is not None:
            return self._weighted_core_distances(queries, needed_weight(k))
        if not self.use_index:
            return self.metric.to(self.rows).kth_distances(queries, k)
        out, index = np.empty(n), self._index()
        for block in _blocks(n, k):
            out[block] = index.knn(k, queries[block]).distances[:, -1]
        return self.metric.from_tree(out)

    def _weighted_core_distances(self, queries, needed):
        if self.use_index:
            out = index_distances_within(self._index(), queries, self.weights, needed)
            return self.metric.from_tree(out)
        out = np.empty(queries.shape[0])
        for start, distances in self.metric.to(self.rows).blocks(queries):
            found = distances_within(distances, self.weights, needed)
            out[start : start + len(found)] = found
        return out

    def searcher(self, members):
        """What `nearest` searches these rows with; worth keeping for several calls."""
        if self.use_index and len(members) > SMALL:
            return self._index(members)
        return self.metric.to(self.rows[members])

    def nearest(self, queries, core, members=None, searcher=None):
        """The fitted row of least mutual reachability to each query, and that reachability.

        Among equals the nearer row wins, then the one of lowest content. `members` (row indices)
        restricts the search; `core` holds the core distances of the queries.
        """
        members = np.arange(self.rows.shape[0]) if members is None else members
        searcher = self.searcher(members) if searcher is None else searcher
        if isinstance(searcher, SpatialIndex):
            return self._nearest_by_index(queries, core, members, searcher)
        target = searcher
        row, level = np.empty(queries.shape[0], dtype=np.intp), np.empty(queries.shape[0])
        for start, distances in target.blocks(queries):
            block = slice(start, start + len(distances))
            row[block], level[block] = self._least(core[block], distances, members[None])
        return row, level

    def _nearest_by_index(self, queries, core, members, index):
        row, level = np.empty(queries.shape[0], dtype=np.intp), np.empty(queries.shape[0])
        open_queries, k = np.arange(queries.shape[0]), min(2 * self.min_samples + 6, len(members))
        while len(open_queries):
            unsure = []
            for block in _blocks(len(open_queries), k):
                q = open_queries[block]
                found = index.knn(k, queries[q])
                distances = self.metric.from_tree(found.distances.astype(np.float64))
                row[q], level[q], sure = self._least_of_nearest(
                    core[q], distances, members[found.rows]
                )
                unsure.append(q[~sure])
            if k == len(members):
                break
            open_queries, k = np.concatenate(unsure), min(4 * k, len(members))
        return row, level

    def _least_of_nearest(self, core, distances, rows):
        """`_least` among the nearest rows, and whether no row farther away can take its place."""
        row, level = self._least(core, distances, rows)
        farthest = distances[:, -1]
        chosen = np.max(np.where(rows == row[:, None], distances, -1.0), axis=1)
        unbeatable = (level == core) | (level <= farthest / self.alpha)
        return row, level, unbeatable & (chosen < farthest)

    def _least(self, core, distances, rows):
        """Row of least (reachability, distance, content) in each line, and its reachability."""
        levels = np.maximum(distances / self.alpha, self.core_distances[rows])
        np.maximum(levels, core[:, None], out=levels)
        least = levels.min(axis=1)
        tied = levels == least[:, None]
        nearest = np.where(tied, distances, np.inf).min(axis=1)
        tied &= distances == nearest[:, None]
        column = np.argmax(tied, axis=1)
        rows = np.broadcast_to(rows, distances.shape)
        row = rows[np.arange(len(rows)), column]
        several = np.flatnonzero(np.count_nonzero(tied, axis=1) > 1)
        if len(several):
            line, column = np.nonzero(tied[several])
            candidates = rows[several[line], column]
            candidates, line = (
                a[np.argsort(candidates, kind="stable")] for a in (candidates, line)
            )
            lowest = np.empty(len(several), dtype=np.intp)
            _condense.lowest_rows(
                np.ascontiguousarray(self.content[candidates]), line.astype(np.intp), lowest
            )
            row[several] = candidates[lowest]
        return row, least

    def fitted_equals(self, queries):
        """For each query the index of an equal fitted row, -1 for none.

        Plain metrics are 0 between equal rows only; for the others content is compared.
        """
        if self.metric.code is None:
            position = {key: i for i, key in enumerate(_row_keys(self.rows))}
            return np.array([position.get(key, -1) for key in _row_keys(queries)], dtype=np.intp)
        out, nearest = np.empty(queries.shape[0], dtype=np.intp), np.empty(queries.shape[0])
        if self.use_index:
            found = self._index().knn(1, queries)
            out, nearest = found.rows[:, 0], found.distances[:, 0]
        else:
            for start, distances in self.metric.to(self.rows).blocks(queries):
                block = slice(start, start + len(distances))
                out[block], nearest[block] = distances.argmin(axis=1), distances.min(axis=1)
        return np.where(nearest == 0, out, -1)

    def _index(self, members=None):
        """Index of some rows, or the one of all."""
        metric = self.metric
        if members is not None and len(members) < self.rows.shape[0]:
            return tree_of(metric, self.rows[members])
        if self._index_of_all is None:
            self._index_of_all = tree_of(metric, self.rows)
        self._index_of_all.n_threads = metric.n_threads  # 1 after a fork
        return self._index_of_all


def _blocks(n, k):
    step = max(1, NEIGHBORS_IN_BLOCK // k)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _row_keys(X):
    """One hashable key per row, equal for equal rows."""
    if not sparse.issparse(X):
        return [row.tobytes() for row in np.asarray(X, dtype=np.float64) + 0.0]
    X = sparse.csr_array(X, dtype=np.float64, copy=True)
    X.sum_duplicates()
    X.eliminate_zeros()
    ends = X.indptr
    return [(X.indices[a:b].tobytes(), X.data[a:b].tobytes()) for a, b in pairwise(ends)]
