"""From a spanning tree to a tree of clusters: dendrogram and condensed tree.

Pure functions over flat arrays, NamedTuples between them. The one rule that differs from
scikit-learn and hdbscan is what happens to edges of equal weight, which are many in every data set,
for one row's core distance is the weight of several of its edges. They are merged *at once*: a node
of the dendrogram has as many children as components meet at its level. The components at each
level do not depend on which minimum spanning tree was found, so neither do the labels depend on the
order of the rows. Clusters are numbered by their lexicographically lowest row.

A row of weight w counts as w equal rows: it is in their component from its core distance upwards, and
where it weighs `min_cluster_size` it is a cluster of its own below the level at which it joins others.

Source: Campello, Moulavi, Sander (2013). Which clusters are chosen from the tree: `_selection`.
"""

from typing import NamedTuple

import numpy as np

from .._core._distances import lexicographic_order
from .._core._networkx import import_networkx
from .._native import _condense, _linkage

# Rows closer than this count as equal: density 1 / distance then stays finite, and so does its sum
# over any number of rows. Real data are far from it.
SMALLEST_LEVEL = 1e-280
FEW = 16  # clusters of equal birth up to which comparing them pair by pair is fastest


class SingleLinkageTree(NamedTuple):
    """Dendrogram of single linkage under mutual reachability, merges from near to far.

    Merge `e` joins the nodes ``left[e]`` and ``right[e]`` into node ``n_samples + e``; nodes below
    `n_samples` are rows. Rows that are not finite, and parts of a graph that is not connected, join
    at infinity.

    Attributes
    ----------
    left, right : ndarray of shape (n_samples - 1,)
        The two nodes of each merge, ``left < right``.

    distance : ndarray of shape (n_samples - 1,)
        Distance of the merge, ascending. Merges at equal distance are one event; their order
        among each other means nothing.

    size : ndarray of shape (n_samples - 1,)
        Rows in the merged node.
    """

    left: np.ndarray
    right: np.ndarray
    distance: np.ndarray
    size: np.ndarray

    def to_numpy(self):
        """Return the linkage matrix that `scipy.cluster.hierarchy` takes, (n_samples - 1, 4)."""
        return np.column_stack([self.left, self.right, self.distance, self.size]).astype(float)

    def to_pandas(self):
        """Return a DataFrame: ``parent``, ``left``, ``right``, ``distance``, ``size``."""
        import pandas as pd

        n_samples = len(self.left) + 1
        parent = np.arange(n_samples, 2 * n_samples - 1)
        return pd.DataFrame({"parent": parent, **self._asdict()})

    def to_networkx(self):
        """Return a `networkx.DiGraph`: each merge points to its two nodes.

        Nodes have the attribute ``size``, merges also ``distance``; edges have no attributes.
        """
        networkx = import_networkx()
        graph = networkx.DiGraph()
        n_samples = len(self.left) + 1
        graph.add_nodes_from(range(n_samples), size=1)
        merges = zip(
            *(column.tolist() for column in (self.left, self.right, self.distance, self.size)),
            strict=True,
        )
        for parent, (left, right, distance, size) in enumerate(merges, start=n_samples):
            graph.add_node(parent, size=size, distance=distance)
            graph.add_edges_from(((parent, left), (parent, right)))
        return graph


class CondensedTree(NamedTuple):
    """The dendrogram with everything smaller than `min_cluster_size` left out.

    Cluster 0 is the root and holds all rows; a parent has a lower number than its children, and
    numbers do not depend on the order of the rows. "Level" is a distance: a cluster exists at
    levels below its birth, down to its death; density is 1 / level.

    Attributes
    ----------
    row_cluster : ndarray of shape (n_samples,)
        The smallest cluster that each row belongs to.

    row_level : ndarray of shape (n_samples,)
        Level at which the row leaves it.

    parent : ndarray of shape (n_clusters,)
        Parent of each cluster, -1 for the root.

    birth : ndarray of shape (n_clusters,)
        Level at which the cluster leaves its parent, infinity for the root.

    death : ndarray of shape (n_clusters,)
        Level at which it splits or its last rows leave.

    size : ndarray of shape (n_clusters,)
        Rows in the cluster at its birth, or their total weight.

    stability : ndarray of shape (n_clusters,)
        Excess of mass: sum over its rows of (density at which they leave - density at birth).

    lowest_row : ndarray of shape (n_clusters,)
        Its lexicographically lowest row (precomputed distances: lowest index).
    """

    row_cluster: np.ndarray
    row_level: np.ndarray
    parent: np.ndarray
    birth: np.ndarray
    death: np.ndarray
    size: np.ndarray
    stability: np.ndarray
    lowest_row: np.ndarray

    def to_pandas(self):
        """Return a DataFrame of all parent-child pairs, in the columns of the hdbscan package.

        Columns: ``parent``, ``child``, ``lambda_val`` (density at which the child leaves) and
        ``child_size``; children below `n_samples` are rows, cluster `c` has the number
        ``n_samples + c``.
        """
        import pandas as pd

        n_samples, n_clusters = len(self.row_cluster), len(self.parent)
        return pd.DataFrame(
            {
                "parent": np.concatenate([self.row_cluster, self.parent[1:]]) + n_samples,
                "child": np.concatenate(
                    [np.arange(n_samples), np.arange(n_samples + 1, n_samples + n_clusters)]
                ),
                "lambda_val": 1.0 / np.concatenate([self.row_level, self.birth[1:]]),
                "child_size": np.concatenate([np.ones(n_samples, np.intp), self.size[1:]]),
            }
        )

    def to_networkx(self):
        """Return a `networkx.DiGraph`, parents pointing to children, numbered as in `to_pandas`.

        Edges have the attribute ``lambda_val``, nodes ``size``.
        """
        networkx = import_networkx()
        graph = networkx.DiGraph()
        table = self.to_pandas()
        graph.add_node(len(self.row_cluster), size=self.size[0].item())
        for parent, child, density, size in zip(
            *(table[name].tolist() for name in table.columns), strict=True
        ):
            graph.add_node(child, size=size)
            graph.add_edge(parent, child, lambda_val=density)
        return graph


def link(tree):
    """Return the `SingleLinkageTree` of a spanning tree."""
    m = len(tree.weights)
    order = np.argsort(tree.weights)
    left, right, size = (np.empty(m, dtype=np.intp) for _ in range(3))
    if _linkage.single_linkage(tree.edges, order, left, right, size) < m:
        raise ValueError(
            f"The {m} edges contain a cycle. Allowed: the edges of a tree over {m + 1} rows. "
            "Pass a spanning tree."
        )
    return SingleLinkageTree(left, right, tree.weights[order], size)


def condense(linkage, min_cluster_size, X, weights=None):
    """Return the `CondensedTree` of a dendrogram.

    `X` orders the clusters: an array whose rows are compared, with no columns for the index order.
    `weights` are the `RowWeights` of its rows, None where each weighs 1.
    """
    m = len(linkage.left)
    n = m + 1
    size, weight, core, least = linkage.size, np.empty(0), np.empty(0), 0.0
    if weights is not None:
        weight, core = weights.values, np.maximum(weights.core, SMALLEST_LEVEL)
        size, least = np.empty(m), weights.slack
        _condense.weighted_sizes(linkage.left, linkage.right, weight, size)
    capacity = int(min(2 * n, 2 * size[-1] / min_cluster_size)) + 2
    row_cluster, row_level = np.empty(n, dtype=np.intp), np.empty(n)
    parent = np.empty(capacity, dtype=np.intp)
    birth, death, cluster_size, stability = (np.empty(capacity) for _ in range(4))
    k = _condense.condense(
        linkage.left, linkage.right, size, linkage.distance, SMALLEST_LEVEL, weight, core,
        min_cluster_size * (1.0 - least), row_cluster, row_level, parent, birth, death,
        cluster_size, stability,
    )  # fmt: skip
    parent, birth = parent[:k], birth[:k]
    lowest = np.empty(k, dtype=np.intp)
    _condense.lowest_rows(X, row_cluster, lowest)
    _condense.lift_lowest_rows(X, parent, lowest)

    # The kernel's numbers follow the binary dendrogram; content decides: birth, then lowest row.
    order = np.arange(k)
    if not _condense.order_clusters(X, birth, lowest, FEW, order):
        order[1:] = 1 + np.lexsort((row_ranks(X, lowest[1:]), -birth[1:]))
    number = np.empty(k, dtype=np.intp)
    number[order] = np.arange(k)
    parent = np.where(parent >= 0, number[parent], -1)[order]
    cluster_size = cluster_size[order]
    _condense.renumber(number, row_cluster)
    return CondensedTree(
        row_cluster,
        row_level,
        parent,
        birth[order],
        death[order],
        cluster_size if weights is not None else cluster_size.astype(np.intp),
        stability[order],
        lowest[order],
    )


def simplify(tree, persistence, weights=None):
    """Return the `CondensedTree` without splits into fewer than two parts that persist.

    A part persists when its highest density exceeds that of the split by `persistence` (Edelsbrunner,
    Letscher and Zomorodian 2002, in the words of HDBSCAN).
    """
    k = len(tree.parent)
    merged, floor = np.empty(k, dtype=np.intp), np.empty(k)
    _condense.simplify(tree.parent, tree.birth, tree.death, persistence, merged, floor)
    kept = np.flatnonzero(merged == np.arange(k))
    number = np.empty(k, dtype=np.intp)
    number[kept] = np.arange(len(kept))
    parent = tree.parent[kept]
    parent[1:] = number[merged[parent[1:]]]
    row_cluster = number[merged[tree.row_cluster]]
    row_level = np.maximum(tree.row_level, floor[tree.row_cluster])
    birth, size = tree.birth[kept], tree.size[kept]

    # Whoever leaves a cluster, row or part, in order of level; equal levels are added up exactly.
    leaving = np.concatenate([row_cluster, parent[1:]])
    level = np.concatenate([row_level, birth[1:]])
    mass = np.ones(len(row_cluster)) if weights is None else weights.values
    mass = np.concatenate([mass, size[1:]])
    order = np.lexsort((-level, leaving))
    leaving, level = leaving[order], level[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(leaving) != 0) | (np.diff(level) != 0)])
    rows = np.add.reduceat(mass[order], starts)
    leaving, level = leaving[starts], level[starts]
    stability = np.zeros(len(kept))
    np.add.at(stability, leaving, (1.0 / level - 1.0 / birth[leaving]) * rows)
    death = np.full(len(kept), np.inf)
    np.minimum.at(death, leaving, level)
    return CondensedTree(
        row_cluster, row_level, parent, birth, death, size, stability, tree.lowest_row[kept]
    )


def row_ranks(X, rows):
    """Position of each of `rows` (indices) in their lexicographic order."""
    if len(rows) == 0:
        return rows
    order = np.argsort(rows) if X.shape[1] == 0 else lexicographic_order(X[rows])
    rank = np.empty(len(rows), dtype=np.intp)
    rank[order] = np.arange(len(rows))
    return rank


def cut(linkage, cut_distance, min_cluster_size, X, weights=None):
    """Labels of the components below `cut_distance`, numbered by their lowest row."""
    n = len(linkage.left) + 1
    component = np.empty(n, dtype=np.intp)
    _linkage.cut(linkage.left, linkage.right, linkage.distance, cut_distance, component)
    _, group, count = np.unique(component, return_inverse=True, return_counts=True)
    size, least = count, min_cluster_size
    if weights is not None:
        size = np.bincount(group, weights.values)
        least = min_cluster_size * (1.0 - weights.slack)
        # A row alone is so many equal rows, each for itself down to their core distance.
        apart = (count[group] == 1) & (weights.core >= cut_distance)
        size[group[apart]] = 0.0
    lowest = np.empty(len(size), dtype=np.intp)
    _condense.lowest_rows(X, group, lowest)
    large = np.flatnonzero(size >= least)
    label = np.full(len(size), -1, dtype=np.intp)
    label[large] = row_ranks(X, lowest[large])
    return label[group]
