"""From a spanning tree to clusters: dendrogram, condensed tree, selection, labels.

Pure functions over flat arrays, NamedTuples between them. The one rule that differs from
scikit-learn and hdbscan is what happens to edges of equal weight, which are many in every data set,
for one row's core distance is the weight of several of its edges. They are merged *at once*: a node
of the dendrogram has as many children as components meet at its level. The components at each
level do not depend on which minimum spanning tree was found, so neither do the labels depend on the
order of the rows. Clusters are numbered by their lexicographically lowest row.

Sources: Campello, Moulavi, Sander (2013) for the condensed tree, stability and excess of mass;
Malzer and Baum (2020) for `cluster_selection_epsilon`; Campello et al. (2015) for outlier scores.
"""

from typing import NamedTuple

import numpy as np

from .._core._distances import lexicographic_order
from .._native import _condense, _linkage

# Rows closer than this count as equal: density 1 / distance then stays finite, and so does its sum
# over any number of rows. Real data are far from it.
SMALLEST_LEVEL = 1e-280


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
        Rows in the cluster at its birth.

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


class Selection(NamedTuple):
    """A flat clustering chosen from a condensed tree.

    Attributes
    ----------
    clusters : ndarray of shape (n_labels,)
        Cluster of the condensed tree for each label.

    label_below : ndarray of shape (n_clusters,)
        Label of the rows in each cluster of the condensed tree, -1 for noise.

    root_level : float
        Rows of the root are clustered when they are there at this level; only where the root itself
        was selected.
    """

    clusters: np.ndarray
    label_below: np.ndarray
    root_level: float


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


def condense(linkage, min_cluster_size, X):
    """Return the `CondensedTree` of a dendrogram.

    `X` orders the clusters: an array whose rows are compared, with no columns for the index order.
    """
    m = len(linkage.left)
    n = m + 1
    level = np.maximum(linkage.distance, SMALLEST_LEVEL)
    capacity = 2 * n // min_cluster_size + 2
    row_cluster, row_event = np.empty(n, dtype=np.intp), np.empty(n, dtype=np.intp)
    parent, birth, death, size = (np.empty(capacity, dtype=np.intp) for _ in range(4))
    stability = np.empty(capacity)
    k = _condense.condense(
        linkage.left, linkage.right, linkage.size, level, min_cluster_size,
        row_cluster, row_event, parent, birth, death, size, stability,
    )  # fmt: skip
    parent, size, stability = parent[:k], size[:k], stability[:k]
    birth = np.where(birth[:k] >= 0, level[birth[:k]], np.inf)
    lowest = np.empty(k, dtype=np.intp)
    _condense.lowest_rows(X, row_cluster, lowest)
    _condense.lift_lowest_rows(X, parent, lowest)

    # The kernel's numbers follow the binary dendrogram; content decides: birth, then lowest row.
    order = np.zeros(k, dtype=np.intp)
    order[1:] = 1 + np.lexsort((row_ranks(X, lowest[1:]), -birth[1:]))
    number = np.empty(k, dtype=np.intp)
    number[order] = np.arange(k)
    parent = np.where(parent >= 0, number[parent], -1)[order]
    return CondensedTree(
        number[row_cluster],
        level[row_event],
        parent,
        birth[order],
        level[death[:k]][order],
        size[order],
        stability[order],
        lowest[order],
    )


def row_ranks(X, rows):
    """Position of each of `rows` (indices) in their lexicographic order."""
    if len(rows) == 0:
        return rows
    order = np.argsort(rows) if X.shape[1] == 0 else lexicographic_order(X[rows])
    rank = np.empty(len(rows), dtype=np.intp)
    rank[order] = np.arange(len(rows))
    return rank


def select(
    tree,
    X,
    *,
    method="eom",
    epsilon=0.0,
    max_cluster_size=None,
    allow_single_cluster=False,
):
    """Choose clusters from a condensed tree and number them by their lowest row.

    `X` is what `condense` was given. The parameters are those of `HDBSCAN`.
    """
    k = len(tree.parent)
    selected = np.zeros(k, dtype=np.uint8)
    if method == "leaf":
        _condense.leaves(tree.parent, selected)
        if not allow_single_cluster:
            selected[0] = 0
    else:
        limit = len(tree.row_cluster) + 1 if max_cluster_size is None else max_cluster_size
        _condense.excess_of_mass(
            tree.parent, tree.stability, tree.size, limit, allow_single_cluster, selected
        )
    if epsilon > 0 and not selected[0]:
        _condense.merge_below(tree.parent, tree.birth, epsilon, allow_single_cluster, selected)
    root_level = epsilon if epsilon > 0 else tree.death[0]
    if selected[0] and tree.row_level.min() > root_level:
        selected[0] = 0  # no row is that dense
    nearest = np.empty(k, dtype=np.intp)
    _condense.nearest_selected(tree.parent, selected, nearest)
    clusters = np.flatnonzero(selected)
    lowest = tree.lowest_row
    if np.any(nearest[tree.parent[clusters[clusters > 0]]] >= 0):
        # Only where a cluster is born at `epsilon` exactly: it stays, inside a merged one.
        lowest = np.empty(k, dtype=np.intp)
        _condense.lowest_rows(X, nearest[tree.row_cluster], lowest)
    clusters = clusters[np.argsort(row_ranks(X, lowest[clusters]))]
    label = np.full(k + 1, -1, dtype=np.intp)  # the last one serves index -1: none
    label[clusters] = np.arange(len(clusters))
    return Selection(clusters, label[nearest], root_level if selected[0] else -1.0)


def labels_of(selection, cluster, level):
    """Labels of rows that sit in `cluster` of the condensed tree and leave it at `level`."""
    labels = selection.label_below[cluster]
    if selection.root_level >= 0:
        labels = np.where(level <= selection.root_level, labels, -1)
    return labels


def probabilities_of(tree, selection, labels, level):
    """Strength of membership: density at which the row leaves / highest density of its cluster."""
    out = np.zeros(len(labels))
    member = labels >= 0
    death = tree.death[selection.clusters[labels[member]]]
    with np.errstate(divide="ignore", invalid="ignore"):
        strength = np.minimum(1.0 / level[member], 1.0 / death) / (1.0 / death)
    out[member] = np.where(np.isinf(death), 1.0, strength)
    return out


def outlier_scores_of(tree, cluster, level):
    """GLOSH: 1 - (density at which the row leaves) / (highest density in or below its cluster)."""
    densest = np.empty(len(tree.parent))
    _condense.densest_levels(tree.parent, tree.death, densest)
    with np.errstate(invalid="ignore"):
        score = 1.0 - densest[cluster] / level
    return np.where(np.isinf(densest[cluster]), 0.0, np.maximum(score, 0.0))


def attach(tree, fitted_row, level):
    """Cluster of rows that join the tree at `fitted_row` and `level`: the deepest one there."""
    cluster = np.empty(len(fitted_row), dtype=np.intp)
    _condense.attach(tree.row_cluster[fitted_row], level, tree.parent, tree.birth, cluster)
    return cluster


def cut(linkage, cut_distance, min_cluster_size, X):
    """Labels of the components below `cut_distance`, numbered by their lowest row."""
    n = len(linkage.left) + 1
    component = np.empty(n, dtype=np.intp)
    _linkage.cut(linkage.left, linkage.right, linkage.distance, cut_distance, component)
    _, group, size = np.unique(component, return_inverse=True, return_counts=True)
    lowest = np.empty(len(size), dtype=np.intp)
    _condense.lowest_rows(X, group, lowest)
    large = np.flatnonzero(size >= min_cluster_size)
    label = np.full(len(size), -1, dtype=np.intp)
    label[large] = row_ranks(X, lowest[large])
    return label[group]
