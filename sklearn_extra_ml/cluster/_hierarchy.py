"""What a fitted hierarchy of clusters can do: choose other clusters, place rows, tell about itself."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._core._density_validity import RowsMeasure, density_validity
from .._core._validation import bad_value
from ._condensed_tree import SMALLEST_LEVEL, condense, cut, simplify
from ._hdbscan_input import check_epsilons
from ._membership import nearest_clusters
from ._selection import (
    INFINITE,
    MISSING,
    FlatClusters,
    Rule,
    attach,
    relative_validity,
    select,
    sizes_of,
)

_SELECTION_PARAMETERS = {
    "allow_single_cluster",
    "cluster_selection_epsilon",
    "cluster_selection_epsilon_max",
    "cluster_selection_method",
    "cluster_selection_persistence",
    "max_cluster_size",
    "min_cluster_size",
    "n_clusters",
}
_TREE_ATTRIBUTES = (
    "core_distances_",
    "minimum_spanning_tree_",
    "single_linkage_tree_",
    "n_features_in_",
    "feature_names_in_",
    "_content",
    "_rows",
    "_min_samples",
    "_search",
    "_weights",
    "_idle_places",
)


class _Places(NamedTuple):
    """Where measurable rows join the hierarchy."""

    fitted: np.ndarray  # index of the fitted row that each equals or joins
    level: np.ndarray  # at which it joins, NaN for rows that equal a fitted one


def has_rows(estimator):
    """Distances alone do not say where a new row lies."""
    if estimator.metric == "precomputed":
        raise AttributeError(
            'not available with metric="precomputed": it needs rows (`exemplar_indices_` does not)'
        )
    return True


class HierarchyMixin:
    """Everything of `HDBSCAN` that needs no new spanning tree."""

    def recluster(self, **parameters):
        """Return a new estimator for other parameters of the selection, without a new tree.

        Parameters
        ----------
        **parameters
            Any of `min_cluster_size`, `max_cluster_size`, `n_clusters`, `allow_single_cluster` and
            the parameters `cluster_selection_*`. `min_samples` stays what it was.

        Returns
        -------
        model : HDBSCAN
            Fitted, as a new fit of the same rows with these parameters would be (and the same
            `min_samples`). It costs O(n_samples), and shares the trees with this one.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_extra_ml.cluster import HDBSCAN
        >>> model = HDBSCAN(min_cluster_size=5).fit(load_iris().data)
        >>> len(model.recluster(min_cluster_size=20).selected_clusters_)
        2
        """
        check_is_fitted(self)
        unknown = sorted(set(parameters) - _SELECTION_PARAMETERS)
        if unknown:
            known = set(unknown) <= set(self.get_params())
            raise bad_value(
                "parameters",
                unknown,
                "would need another spanning tree" if known else "holds unknown names",
                ", ".join(sorted(_SELECTION_PARAMETERS)),
                "Fit again to change others.",
            )
        model = clone(self).set_params(min_samples=self._min_samples, **parameters)
        model._validate_params()
        check_epsilons(model)
        for name in _TREE_ATTRIBUTES:
            if hasattr(self, name):
                setattr(model, name, getattr(self, name))
        model._find_clusters()
        return model

    @available_if(has_rows)
    def predict(self, X):
        """Assign rows to the clusters that were found; fitted rows get their `labels_`.

        A new row joins the hierarchy at the fitted row of least mutual reachability, its own core
        distance taken from the fitted rows, and gets the cluster that is there at that level. The
        clusters themselves never change.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            As `labels_`: -1 noise, -2 infinite, -3 missing.
        """
        check_is_fitted(self)
        return self._locate(*self._check_rows(X, reset=False)).labels

    @available_if(has_rows)
    def membership(self, X, top_k=5):
        """Soft membership of each row in the clusters it belongs to most, as a sparse array.

        As :meth:`transform`, but only for the `top_k` clusters of least mutual reachability to the
        row, among which its strength is divided: memory does not grow with the number of clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        top_k : int, default=5
            Clusters for each row, at least 1. From n_clusters on, the result is `transform`'s.

        Returns
        -------
        membership : csr_array of shape (n_samples, n_clusters)
            At most `top_k` entries in a row, none for rows with missing or infinite entries.

        Notes
        -----
        Cost: about `top_k` neighbour searches for each row; clusters that cannot be among the
        nearest are passed over by their bounding boxes (all pairs of rows for metrics without an
        index).

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_extra_ml.cluster import HDBSCAN
        >>> model = HDBSCAN(min_cluster_size=10).fit(load_iris().data)
        >>> model.membership([[5.0, 3.4, 1.5, 0.2]], top_k=1).toarray().round(1)
        array([[1., 0.]])
        """
        check_is_fitted(self)
        if not isinstance(top_k, Integral) or top_k < 1:
            raise bad_value("top_k", top_k, "is no number of clusters", "1 or more", "Raise it.")
        X, rows = self._check_rows(X, reset=False)
        located, n_clusters = self._locate(X, rows), len(self.selected_clusters_)
        shape, top_k = (X.shape[0], n_clusters), min(top_k, n_clusters)
        if top_k == 0 or rows.n_finite == 0:
            return sparse.csr_array(shape)
        queries = self._embed(self._as_fitted(X, rows))
        level, label = nearest_clusters(
            self._search, queries, self.labels_[self._rows.finite], n_clusters, top_k
        )
        value = self._shares(located, rows.finite, level, label)
        order = np.argsort(label, axis=1)
        indptr = np.zeros(X.shape[0] + 1, dtype=np.intp)
        indptr[1 + rows.finite] = top_k
        return sparse.csr_array(
            (
                np.take_along_axis(value, order, axis=1).ravel(),
                np.take_along_axis(label, order, axis=1).ravel(),
                np.cumsum(indptr),
            ),
            shape=shape,
        )

    @available_if(has_rows)
    def outlier_scores(self, X):
        """GLOSH of rows that join the hierarchy; fitted rows get their `outlier_scores_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In [0, 1]: 1 for infinite rows, NaN for missing ones.
        """
        check_is_fitted(self)
        return self._locate(*self._check_rows(X, reset=False)).scores

    @available_if(has_rows)
    def score(self, X, y=None):
        """Density-based validity (DBCV) of the clustering that `predict` gives `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        y : None
            Ignored.

        Returns
        -------
        score : float
            In [-1, 1], always finite: 0 for a single cluster, -1 for none. See
            :func:`~sklearn_extra_ml.metrics.dbcv_score`; it costs O(n_samples^2) distances.
        """
        check_is_fitted(self)
        X, rows = self._check_rows(X, reset=False)
        labels = self._locate(X, rows).labels[rows.finite]
        measure = RowsMeasure(self._search.metric, self._as_fitted(X, rows))
        return density_validity(measure, labels, X.shape[1], X.shape[0])

    def dbscan_clustering(self, cut_distance, min_cluster_size=5):
        """Labels of DBSCAN* at one distance: DBSCAN without border points.

        Parameters
        ----------
        cut_distance : float
            Rows are joined where their mutual reachability is *below* it, in units of the metric.

        min_cluster_size : int, default=5
            Smaller clusters become noise.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            As `labels_`, numbered by the lowest row too.
        """
        check_is_fitted(self)
        if not cut_distance >= 0:
            raise bad_value(
                "cut_distance", cut_distance, "is no distance", "0 or more", "Raise it."
            )
        labels = cut(
            self.single_linkage_tree_, cut_distance, min_cluster_size, self._content, self._weights
        )
        labels[self._rows.idle] = -1
        labels[self._rows.infinite], labels[self._rows.missing] = INFINITE, MISSING
        return labels

    @property
    def probabilities_(self):
        """Strength of membership of each row in its cluster, in [0, 1]."""
        check_is_fitted(self)
        return self._flat.probabilities

    @property
    def outlier_scores_(self):
        """GLOSH of each row, in [0, 1]."""
        check_is_fitted(self)
        return self._flat.scores

    @property
    def cluster_persistence_(self):
        """Stability of each cluster over what it could be at most, in [0, 1]."""
        check_is_fitted(self)
        return self._flat.persistences

    @property
    def exemplar_indices_(self):
        """Rows at the heart of each cluster: list of arrays of row indices."""
        check_is_fitted(self)
        return self._flat.exemplars

    @property
    def exemplars_(self):
        """Rows at the heart of each cluster: list of arrays (n_exemplars, n_features)."""
        check_is_fitted(self)
        has_rows(self)
        indices = self.exemplar_indices_
        if sparse.issparse(self._search.rows):
            return [self._search.rows[np.searchsorted(self._rows.finite, rows)] for rows in indices]
        return [self._content[rows] for rows in indices]

    @property
    def relative_validity_(self):
        """DBCV read off the spanning tree, in [-1, 1]: an O(n) score to compare fits of the same rows.

        -1 without clusters. Where weights of the tree are equal, the order of the rows may move it
        a little; :meth:`score` never does.
        """
        check_is_fitted(self)
        tree, size = self.minimum_spanning_tree_, self._selection.size
        if size is None or self._weights is not None:
            size = sizes_of(self.labels_, len(self.selected_clusters_))
        return relative_validity(tree.edges, tree.weights, self.labels_, size, self.n_jobs)

    def _find_clusters(self, condense=condense):
        """Condense the dendrogram, choose clusters and label the fitted rows."""
        tree = condense(
            self.single_linkage_tree_, self.min_cluster_size, self._content, self._weights
        )
        if self.cluster_selection_persistence > 0:
            tree = simplify(tree, self.cluster_selection_persistence, self._weights)
        rule = Rule(
            self.cluster_selection_method,
            self.cluster_selection_epsilon,
            self.cluster_selection_epsilon_max,
            self.max_cluster_size,
            self.allow_single_cluster,
            self.n_clusters,
        )
        self.condensed_tree_, self._selection = tree, select(tree, self._content, rule)
        self.selected_clusters_ = self._selection.clusters
        cluster, level = tree.row_cluster, tree.row_level
        if len(self._rows.idle):
            cluster, level = cluster.copy(), level.copy()
            cluster[self._rows.idle], level[self._rows.idle] = self._place(self._idle_places)
        self._flat = self._flat_clusters(cluster, level, self._rows)
        self.labels_ = self._flat.new_labels()
        self._n_features_out = len(self.selected_clusters_)

    def _flat_clusters(self, cluster, level, rows):
        """The `FlatClusters` of rows at these places of the condensed tree."""
        marks = (None, None) if rows.all_measurable else (rows.infinite, rows.missing)
        return FlatClusters(
            self.condensed_tree_,
            self._selection,
            cluster,
            level,
            *marks,
            self._weights,
            self.n_jobs,
        )

    # ---------------------------------------------------------------------------- new rows

    def _as_fitted(self, X, rows):
        """The rows that can be measured, dense or sparse as the fitted ones."""
        X = X if rows.all_finite else X[rows.finite]
        if sparse.issparse(self._search.rows):
            return sparse.csr_array(X)
        return X.toarray() if sparse.issparse(X) else X

    def _places_of(self, queries):
        """The `_Places` of `embed`-ed rows; they do not depend on which clusters are chosen."""
        search = self._search
        fitted, level = search.fitted_equals(queries), np.full(queries.shape[0], np.nan)
        new = np.flatnonzero(fitted < 0)
        if len(new):
            core = search.core_distances_of(queries[new])
            fitted[new], level[new] = search.nearest(queries[new], core)
            level[new] = np.maximum(level[new], SMALLEST_LEVEL)
        return _Places(self._rows.finite[fitted], level)

    def _place(self, places):
        """Cluster and level of rows in the condensed tree."""
        tree, fitted = self.condensed_tree_, places.fitted
        cluster, level = tree.row_cluster[fitted], tree.row_level[fitted]
        new = ~np.isnan(places.level)  # infinite: out of reach of every row
        level[new] = places.level[new]
        cluster[new] = attach(tree, fitted[new], level[new])
        return cluster, level

    def _locate(self, X, rows):
        """Find where rows sit in the fitted hierarchy; return their `FlatClusters`."""
        cluster, level = np.zeros(X.shape[0], dtype=np.intp), np.full(X.shape[0], np.inf)
        if rows.n_finite:
            places = self._places_of(self._embed(self._as_fitted(X, rows)))
            cluster[rows.finite], level[rows.finite] = self._place(places)
        return self._flat_clusters(cluster, level, rows)

    def _embed(self, X):
        search = self._search
        return search.metric.embed(X, keep_float32=search.rows.dtype == np.float32)

    def _levels_to_clusters(self, X, rows):
        """Least mutual reachability of each finite row to each cluster, (n_finite, n_clusters)."""
        queries, search = self._embed(self._as_fitted(X, rows)), self._search
        core = search.core_distances_of(queries)
        labels = self.labels_[self._rows.finite]
        out = np.empty((queries.shape[0], len(self.selected_clusters_)))
        for label in range(out.shape[1]):
            out[:, label] = search.nearest(queries, core, np.flatnonzero(labels == label))[1]
        return out

    def _shares(self, located, finite, level, label):
        """Divide the strength of each finite row among the clusters `label` (n_finite, n)."""
        tree, labels = self.condensed_tree_, located.labels[finite]
        level = np.clip(level, SMALLEST_LEVEL, 1.0 / SMALLEST_LEVEL)
        strength = located.probabilities[finite]
        met = np.minimum(tree.death[self.selected_clusters_[label]] / level, 1.0)
        strength = np.where(labels[:, None] >= 0, strength[:, None], met)
        share = np.square(level.min(axis=1, keepdims=True) / level)
        return strength * share / share.sum(axis=1, keepdims=True)
