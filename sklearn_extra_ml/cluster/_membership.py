"""The clusters that lie nearest to rows, without looking at all of them.

Near is mutual reachability: the least over the rows of a cluster. For each row the clusters are tried
in the order of a lower bound, the distance to their bounding box; a row is done when the next bound is
above the last of the `top_k` reachabilities it has. Rows that want the same cluster at the same turn are
searched together. Metrics without an index measure all pairs of rows, in blocks.
"""

import numpy as np

QUERIES_X_CLUSTERS = 2**22  # bounds of one block of rows: 32 MiB


def nearest_clusters(search, queries, labels, n_clusters, top_k):
    """Return reachability and number of the `top_k` nearest clusters, nearest first.

    Parameters
    ----------
    search : ReachabilitySearch
    queries : ndarray or sparse matrix of shape (n_queries, n_features)
        `embed`-ed rows.
    labels : ndarray of shape (n_fitted,)
        Cluster of each fitted row, negative for none; every cluster has rows.
    n_clusters, top_k : int

    Returns
    -------
    level : ndarray of shape (n_queries, top_k)
    cluster : ndarray of shape (n_queries, top_k)
        Of equal levels the lower number comes first.
    """
    core = search.core_distances_of(queries)
    by_label = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[by_label], np.arange(n_clusters + 1))
    members = [by_label[ends[c] : ends[c + 1]] for c in range(n_clusters)]
    level = np.empty((queries.shape[0], top_k))
    cluster = np.empty((queries.shape[0], top_k), dtype=np.intp)
    if not search.use_index:
        _from_all_pairs(search, queries, core, members, level, cluster)
        return level, cluster
    boxes = _Boxes(search, members)
    searchers = [None] * n_clusters
    step = max(1, QUERIES_X_CLUSTERS // n_clusters)
    for start in range(0, queries.shape[0], step):
        block = slice(start, start + step)
        _try_in_turn(
            search, queries[block], core[block], members, searchers, boxes,
            level[block], cluster[block],
        )  # fmt: skip
    return level, cluster


class _Boxes:
    """Bounding boxes of clusters, and the least core distance in each."""

    def __init__(self, search, members):
        rows = [search.rows[m] for m in members]
        self.low = np.array([r.min(axis=0) for r in rows], dtype=np.float64)
        self.high = np.array([r.max(axis=0) for r in rows], dtype=np.float64)
        self.core = np.array([search.core_distances[m].min() for m in members])
        self.metric, self.alpha = search.metric, search.alpha
        # Distances of float32 rows are rounded to float32; so are those of the index.
        self.slack = 1e-5 if search.rows.dtype == np.float32 else 1e-12

    def bounds(self, queries, core):
        """Lower bounds of the reachability of each query to each cluster."""
        power = {"manhattan": 1.0, "euclidean": 2.0}.get(self.metric.tree_name, self.metric.p)
        total = np.zeros((len(queries), len(self.core)))
        for f in range(queries.shape[1]):
            x = queries[:, f, None].astype(np.float64)
            gap = np.maximum(np.maximum(self.low[:, f] - x, x - self.high[:, f]), 0.0)
            if self.metric.tree_name == "chebyshev":
                np.maximum(total, gap, out=total)
            else:
                with np.errstate(over="ignore"):  # infinite: out of reach
                    total += gap**power
        if self.metric.tree_name not in ("chebyshev", "manhattan"):
            total **= 1.0 / power
        total = self.metric.from_tree(total) / self.alpha * (1.0 - self.slack)
        return np.maximum(np.maximum(total, self.core), core[:, None])


def _try_in_turn(search, queries, core, members, searchers, boxes, level, cluster):
    n = len(level)
    bounds = boxes.bounds(queries, core)
    order = np.argsort(bounds, axis=1, kind="stable")
    level[:], cluster[:] = np.inf, len(members)
    waiting = np.arange(n)
    for turn in range(len(members)):
        wanted = order[waiting, turn]
        # Of equal levels the lowest number counts, so a bound that is equal still has to be tried.
        going = bounds[waiting, wanted] <= level[waiting, -1]
        waiting, wanted = waiting[going], wanted[going]
        if not len(waiting):
            return
        by_cluster = np.argsort(wanted, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(wanted[by_cluster]) > 0])
        for rows in np.split(waiting[by_cluster], starts[1:]):
            c = order[rows[0], turn]
            if searchers[c] is None:
                searchers[c] = search.searcher(members[c])
            found = search.nearest(queries[rows], core[rows], members[c], searchers[c])[1]
            _insert(level, cluster, rows, found, c)


def _insert(level, cluster, rows, found, c):
    """Put cluster `c` at level `found` among the nearest ones of `rows`."""
    levels = np.column_stack([level[rows], found])
    clusters = np.column_stack([cluster[rows], np.full(len(rows), c)])
    order = np.lexsort((clusters, levels), axis=1)[:, :-1]
    level[rows] = np.take_along_axis(levels, order, axis=1)
    cluster[rows] = np.take_along_axis(clusters, order, axis=1)


def _from_all_pairs(search, queries, core, members, level, cluster):
    rows = np.concatenate(members)
    starts = np.cumsum([0] + [len(m) for m in members[:-1]])
    for start, distances in search.metric.to(search.rows[rows]).blocks(queries):
        block = slice(start, start + len(distances))
        reach = np.maximum(distances / search.alpha, search.core_distances[rows])
        reach = np.maximum(np.minimum.reduceat(reach, starts, axis=1), core[block, None])
        order = np.argsort(reach, axis=1, kind="stable")[:, : level.shape[1]]
        level[block], cluster[block] = np.take_along_axis(reach, order, axis=1), order
