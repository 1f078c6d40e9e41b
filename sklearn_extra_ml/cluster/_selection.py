"""Which clusters of a condensed tree are chosen, and what follows for the rows.

Sources: Campello, Moulavi, Sander (2013) for the excess of mass; Malzer and Baum (2020) for
`cluster_selection_epsilon`; Campello et al. (2015) for outlier scores; Moulavi et al. (2014) for the
validity, whose densities are read off the spanning tree here.
"""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._native import _condense
from ._condensed_tree import SMALLEST_LEVEL, row_ranks


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
    lowest = tree.lowest_row
    if np.any(nearest[tree.parent[clusters[clusters > 0]]] >= 0):
        # Only where a cluster is born at `epsilon` exactly: it stays, inside a merged one.
        lowest = np.empty(k, dtype=np.intp)
        _condense.lowest_rows(X, nearest[tree.row_cluster], lowest)
    clusters = clusters[np.argsort(row_ranks(X, lowest[clusters]))]
    label = np.full(k + 1, -1, dtype=np.intp)  # the last one serves index -1: none
    label[clusters] = np.arange(len(clusters))
    return Selection(clusters, label[nearest], root_level if selected[0] else -1.0)


def _allowed(tree, rule):
    """Which clusters excess of mass may choose."""
    # scikit-learn's rule: the root counts the rows of its sub-clusters only, because its other
    # rows are labelled as noise.
    size, birth = tree.size.astype(np.float64), tree.birth.copy()
    size[0] = tree.size[1:][tree.parent[1:] == 0].sum()
    finite = tree.row_level[np.isfinite(tree.row_level)]
    birth[0] = finite.max(initial=0.0)
    allowed = birth <= rule.epsilon_max
    if rule.max_cluster_size is not None:
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
        warnings.warn(
            f"The hierarchy holds {n} clusters side by side, fewer than `n_clusters`={wanted}; these "
            "are taken. Lower `min_cluster_size` or `min_samples` for more.",
            ConvergenceWarning,
            stacklevel=2,
        )
        _condense.most_stable(tree.parent, tree.stability, allowed, n, selected)


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


def persistences_of(tree, selection, labels, weights=None):
    """How long each selected cluster lasts: its stability over what it would be at most, in [0, 1].

    That is (weight of its rows) x (highest density of all); 1 where equal rows make it infinite.
    """
    size = np.bincount(
        labels[labels >= 0],
        None if weights is None else weights.values[labels >= 0],
        minlength=len(selection.clusters),
    )
    least = tree.death.min()
    if least <= SMALLEST_LEVEL or not np.isfinite(least):
        return np.ones(len(selection.clusters))
    return np.minimum(tree.stability[selection.clusters] * least / size, 1.0)


def exemplars_of(tree, selection):
    """Rows at the heart of each selected cluster: the last ones of every leaf in or below it."""
    k = len(tree.parent)
    is_leaf = np.empty(k, dtype=np.uint8)
    _condense.leaves(tree.parent, is_leaf)
    cluster = tree.row_cluster
    heart = (tree.row_level == tree.death[cluster]) & is_leaf[cluster].view(bool)
    rows = np.flatnonzero(heart & (selection.label_below[cluster] >= 0))
    label = selection.label_below[cluster[rows]]
    rows = rows[np.argsort(label, kind="stable")]
    return np.split(rows, np.cumsum(np.bincount(label, minlength=len(selection.clusters)))[:-1])


def relative_validity(edges, weights, labels):
    """DBCV with every density read off the spanning tree: O(n), for comparing fits of one data set.

    Sparseness of a cluster: its heaviest edge of the tree. Separation: the lightest edge of the tree
    to another cluster; where there is none, twice the heaviest edge of all (for a single cluster,
    twice the lightest to noise). A cluster's validity is (separation - sparseness) / the larger of
    the two; the index is their mean, weighted by size, noise counting as 0. -1 without clusters.
    """
    n_clusters = labels.max(initial=-1) + 1
    if not n_clusters:
        return -1.0
    a, b = labels[edges[:, 0]], labels[edges[:, 1]]
    sparseness, separation = np.zeros(n_clusters), np.full(n_clusters, np.inf)
    inside, between = (a == b) & (a >= 0), (a != b) & (a >= 0) & (b >= 0)
    np.maximum.at(sparseness, a[inside], weights[inside])
    for ends in (a, b):
        np.minimum.at(separation, ends[between], weights[between])
    largest = weights.max(initial=0.0)
    to_noise = weights[(a != b) & ~between & ((a >= 0) | (b >= 0))]
    alone = to_noise.min(initial=largest) if n_clusters == 1 else largest
    separation[np.isinf(separation)] = 2.0 * alone
    wider = np.maximum(separation, sparseness)
    validity = np.divide(separation - sparseness, wider, np.zeros(n_clusters), where=wider > 0)
    size = np.bincount(labels[labels >= 0], minlength=n_clusters)
    return float(np.sum(size * validity) / len(labels))
