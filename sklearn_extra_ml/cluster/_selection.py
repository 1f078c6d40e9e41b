"""Which clusters of a condensed tree are chosen, and what follows for the rows.

Sources: Campello, Moulavi, Sander (2013) for the excess of mass; Malzer and Baum (2020) for
`cluster_selection_epsilon`; Campello et al. (2015) for outlier scores; Moulavi et al. (2014) for the
validity, whose densities are read off the spanning tree here.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._core._threads import threads_for_rows
from .._core._validation import warn
from .._native import _condense, _flat_clusters
from ._condensed_tree import SMALLEST_LEVEL, row_ranks

INFINITE, MISSING = -2, -3  # labels of rows with infinite and with missing entries


class Selection(NamedTuple):
    """A flat clustering chosen from a condensed tree.

    Attributes
    ----------
    clusters : ndarray of shape (n_labels,)
        Cluster of the condensed tree for each label.

    label_below : ndarray of shape (n_clusters,)
        Label of the rows in each cluster of the condensed tree, -1 for noise.

    root_level : float
        Where the root itself was selected, its rows are clustered when they are there at this level;
        infinity where it was not.

    size : ndarray of shape (n_labels,) or None
        Rows with each label, or their weight; None where the tree does not tell.
    """

    clusters: np.ndarray
    label_below: np.ndarray
    root_level: float
    size: np.ndarray | None


class Rule(NamedTuple):
    """How clusters are chosen: the parameters of `HDBSCAN`, by their short names."""

    method: str = "eom"
    epsilon: float = 0.0
    epsilon_max: float = np.inf
    max_cluster_size: int | None = None
    allow_single_cluster: bool = False
    n_clusters: int | None = None


def select(tree, X, rule):
    """Choose clusters from a condensed tree by a `Rule` and number them by their lowest row.

    `X` is what `condense` was given.
    """
    k = len(tree.parent)
    selected = np.zeros(k, dtype=np.uint8)
    if rule.n_clusters is not None:
        _select_number(tree, rule, selected)
    else:
        if rule.method == "leaf":
            _condense.leaves(tree.parent, selected)
            if not rule.allow_single_cluster:
                selected[0] = 0
        else:
            _condense.excess_of_mass(tree.parent, tree.stability, _allowed(tree, rule), selected)
        if rule.epsilon > 0 and not selected[0]:
            _condense.merge_below(
                tree.parent, tree.birth, rule.epsilon, rule.allow_single_cluster, selected
            )
    root_level = rule.epsilon if rule.epsilon > 0 else tree.death[0]
    if selected[0] and tree.row_level.min() > root_level:
        selected[0] = 0  # no row is that dense
    nearest = np.empty(k, dtype=np.intp)
    _condense.nearest_selected(tree.parent, selected, nearest)
    clusters = np.flatnonzero(selected)
    lowest, apart = tree.lowest_row, not selected[0]
    if np.any(nearest[tree.parent[clusters[clusters > 0]]] >= 0):
        # Only where a cluster is born at `epsilon` exactly: it stays, inside a merged one.
        lowest, apart = np.empty(k, dtype=np.intp), False
        _condense.lowest_rows(X, nearest[tree.row_cluster], lowest)
    clusters = clusters[np.argsort(row_ranks(X, lowest[clusters]))]
    label = np.full(k + 1, -1, dtype=np.intp)  # the last one serves index -1: none
    label[clusters] = np.arange(len(clusters))
    return Selection(
        clusters,
        label[nearest],
        root_level if selected[0] else np.inf,
        tree.size[clusters] if apart else None,
    )


def _allowed(tree, rule):
    """Which clusters excess of mass may choose."""
    # scikit-learn's rule: the root counts the rows of its sub-clusters only, because its other
    # rows are labelled as noise.
    allowed = np.ones(len(tree.parent), dtype=bool)
    if rule.epsilon_max < np.inf:
        allowed = tree.birth <= rule.epsilon_max
        finite = tree.row_level[np.isfinite(tree.row_level)]
        allowed[0] = finite.max(initial=0.0) <= rule.epsilon_max
    if rule.max_cluster_size is not None:
        size = tree.size.astype(np.float64)
        size[0] = tree.size[1:][tree.parent[1:] == 0].sum()
        allowed &= size <= rule.max_cluster_size
    allowed[0] &= rule.allow_single_cluster
    return allowed.view(np.uint8)


def _select_number(tree, rule, selected):
    """Choose `n_clusters` of the clusters that the other parameters allow."""
    allowed = _allowed(tree, rule).astype(bool)
    if rule.method == "leaf":
        leaves = np.empty(len(selected), dtype=np.uint8)
        _condense.leaves(tree.parent, leaves)
        allowed &= leaves.view(bool)
    allowed[1:] &= tree.birth[1:] >= rule.epsilon
    wanted, allowed = rule.n_clusters, allowed.view(np.uint8)
    n = _condense.most_stable(tree.parent, tree.stability, allowed, wanted, selected)
    if n < wanted:
        warn(
            f"The hierarchy holds {n} clusters side by side, fewer than `n_clusters`={wanted}; these "
            "are taken. Lower `min_cluster_size` or `min_samples` for more.",
            ConvergenceWarning,
        )
        _condense.most_stable(tree.parent, tree.stability, allowed, n, selected)


class FlatClusters:
    """What a `Selection` means for rows, each thing computed when it is first asked for.

    Parameters
    ----------
    tree : CondensedTree
    selection : Selection

    cluster, level : ndarray of shape (n,)
        Where each row sits in the tree, and at which level it leaves.

    infinite, missing : ndarray of shape (n,) or None
        Masks of the rows that could not be measured, None where there are none.

    weights : RowWeights or None
    n_jobs : int or None
    """

    def __init__(
        self,
        tree,
        selection,
        cluster,
        level,
        infinite=None,
        missing=None,
        weights=None,
        n_jobs=None,
    ):
        self._tree, self._selection = tree, selection
        self._cluster, self._level = cluster, level
        self._infinite, self._missing = infinite, missing
        self._weights, self._n_jobs = weights, n_jobs

    @property
    def _n_threads(self):
        return threads_for_rows(len(self._cluster), self._n_jobs)

    def _marked(self, values, infinite, missing):
        if self._infinite is not None:
            values[self._infinite], values[self._missing] = infinite, missing
        return values

    @cached_property
    def labels(self):
        """-1 for noise."""
        return self.new_labels()

    def new_labels(self):
        """Labels in an array that nothing here depends on."""
        labels = np.empty(len(self._cluster), dtype=np.intp)
        _flat_clusters.label_rows(
            self._cluster, self._level, self._selection.label_below, self._selection.root_level,
            self._n_threads, labels,
        )  # fmt: skip
        return self._marked(labels, INFINITE, MISSING)

    @cached_property
    def _description(self):
        tree = self._tree
        densest = np.empty(len(tree.parent))
        probabilities, scores = (np.empty(len(self._cluster)) for _ in range(2))
        _condense.densest_levels(tree.parent, tree.death, densest)
        _flat_clusters.describe_rows(
            self._cluster, self._level, self._selection.label_below, self._selection.root_level,
            tree.death[self._selection.clusters], densest, self._n_threads, probabilities, scores,
        )  # fmt: skip
        return self._marked(probabilities, 0.0, np.nan), self._marked(scores, 1.0, np.nan)

    @property
    def probabilities(self):
        """Density at which the row leaves / highest density of its cluster."""
        return self._description[0]

    @property
    def scores(self):
        """GLOSH: 1 - (density at which the row leaves) / (highest one in or below its cluster)."""
        return self._description[1]

    @cached_property
    def persistences(self):
        """Stability of each cluster over what it would be at most, in [0, 1].

        That is (weight of its rows) x (highest density of all); 1 where equal rows make it infinite.
        """
        tree, clusters = self._tree, self._selection.clusters
        least = tree.death.min()
        if least <= SMALLEST_LEVEL or not np.isfinite(least):
            return np.ones(len(clusters))
        size = self._selection.size
        if size is None:
            size = sizes_of(self.labels, len(clusters), self._weights)
        return np.minimum(tree.stability[clusters] * least / size, 1.0)

    @cached_property
    def exemplars(self):
        """Rows at the heart of each cluster: the last ones of every leaf in or below it."""
        tree, label_below = self._tree, self._selection.label_below
        is_leaf = np.empty(len(tree.parent), dtype=np.uint8)
        _condense.leaves(tree.parent, is_leaf)
        cluster = tree.row_cluster
        heart = (tree.row_level == tree.death[cluster]) & is_leaf[cluster].view(bool)
        rows = np.flatnonzero(heart & (label_below[cluster] >= 0))
        label = label_below[cluster[rows]]
        rows = rows[np.argsort(label, kind="stable")]
        n_clusters = len(self._selection.clusters)
        ends = np.cumsum(np.bincount(label, minlength=n_clusters))
        return np.split(rows, ends[:-1])[:n_clusters]  # without clusters it would be one array


def sizes_of(labels, n_clusters, weights=None):
    """Number of rows with each label, or their weight."""
    size = np.empty(n_clusters)
    _flat_clusters.label_sizes(labels, np.empty(0) if weights is None else weights.values, size)
    return size


def attach(tree, fitted_row, level):
    """Cluster of rows that join the tree at `fitted_row` and `level`: the deepest one there."""
    cluster = np.empty(len(fitted_row), dtype=np.intp)
    _condense.attach(tree.row_cluster[fitted_row], level, tree.parent, tree.birth, cluster)
    return cluster


def relative_validity(edges, weights, labels, size, n_jobs=None):
    """DBCV with every density read off the spanning tree: O(n), for comparing fits of one data set.

    Sparseness of a cluster: its heaviest edge of the tree. Separation: the lightest edge of the tree
    to another cluster; where there is none, twice the heaviest edge of all (for a single cluster,
    twice the lightest to noise). A cluster's validity is (separation - sparseness) / the larger of
    the two; the index is their mean, weighted by `size` (rows), noise counting as 0. -1 without
    clusters.
    """
    n_clusters = len(size)
    if not n_clusters:
        return -1.0
    sparseness, separation = np.empty(n_clusters), np.empty(n_clusters)
    n_threads = threads_for_rows(len(labels), n_jobs)
    to_noise = _flat_clusters.judge_edges(edges, weights, labels, n_threads, sparseness, separation)
    alone = np.isinf(separation)
    if alone.any():
        largest = weights.max(initial=0.0)
        separation[alone] = 2.0 * (min(largest, to_noise) if n_clusters == 1 else largest)
    wider = np.maximum(separation, sparseness)
    validity = np.divide(separation - sparseness, wider, np.zeros(n_clusters), where=wider > 0)
    return float(np.sum(size * validity) / len(labels))
