"""DBSCAN: density clusters and noise, in linear memory, and for new rows too."""

import math
from contextlib import contextmanager
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    clone,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.neighbors import VALID_METRICS_SPARSE, NearestNeighbors
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core._density_validity import RowsMeasure, density_validity
from .._core._distances import Metric, warn_of_similarities
from .._core._magnitudes import check_rows
from .._core._threads import effective_n_threads
from .._core._validation import (
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    pairwise_metrics,
)
from . import _density, _neighborhoods

_TREE_METRICS = {
    "euclidean": "euclidean",
    "l2": "euclidean",
    "manhattan": "manhattan",
    "l1": "manhattan",
    "cityblock": "manhattan",
    "chebyshev": "chebyshev",
    "minkowski": "minkowski",
}
_NAMED_EXPONENTS = {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}
_TREE_EXPONENTS = {"manhattan": 1.0, "euclidean": 2.0, "chebyshev": np.inf}


class _Search(NamedTuple):
    """How rows are compared: scikit-learn's search, and our tree's metric for it (or None)."""

    neighbors: NearestNeighbors  # not fitted
    metric: _density.TreeMetric | None
    rule: _density.Rule | None
    map: Metric | None = None  # of rows to the points of the tree, where they are others

    def points(self, X):
        """The points of the tree for the rows `X`."""
        return X if self.map is None else self.map.embed(X)


def _has_rows(estimator):
    if estimator.metric == "precomputed":
        raise AttributeError('not available with metric="precomputed": it needs rows')
    return True


class DBSCAN(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Density-based clusters of any shape, and noise.

    A row with at least `min_samples` rows (itself included) within distance `eps` is a core sample.
    Core samples within `eps` of each other are in one cluster; other rows within `eps` of a core
    sample are on the border of its cluster; the rest is noise. The number of clusters follows from
    the data. Parameters, attributes and labels are those of :class:`sklearn.cluster.DBSCAN`, to
    the bit; this one needs memory in proportion to the rows whatever `eps` is, runs in parallel,
    and places new rows (:meth:`predict`, :meth:`transform`).

    Good for clusters of one density, of any shape, in few dimensions, with noise. When densities
    differ, take :class:`~sklearn_extra_ml.cluster.HDBSCAN`, which needs no `eps`.

    Parameters
    ----------
    eps : float, default=0.5
        Distance up to which two rows are neighbours, above 0. The parameter that matters most:
        larger values give fewer and larger clusters.

    min_samples : int, default=5
        Number of rows (or total weight) within `eps`, the row itself included, that makes a row a
        core sample; at least 1. Larger values give denser clusters and more noise.

    metric : str or callable, default="euclidean"
        As in :func:`sklearn.metrics.pairwise_distances`, or "precomputed": then `X` is a square
        matrix of distances, or a :term:`sparse graph` of them, whose entries that are not stored
        are no neighbours. "euclidean", "manhattan", "chebyshev", "minkowski" (`p` >= 1), "cosine"
        and "haversine" on dense rows take the fast path; others take scikit-learn's own search, in
        blocks. "nan_euclidean" takes rows with missing entries (NaN).

    metric_params : dict, default=None
        Further arguments of the metric.

    algorithm : {"auto", "ball_tree", "kd_tree", "brute"}, default="auto"
        The search that scikit-learn would use. On the fast path it decides nothing but how pairs at
        exactly `eps` are rounded; elsewhere it is the search.

    leaf_size : int, default=30
        Rows in a leaf of scikit-learn's trees, at least 1. No influence on the fast path.

    p : float, default=None
        Exponent of "minkowski", above 0. None: 2, Euclidean.

    n_jobs : int, default=None
        Number of threads. None: what OpenMP is set to, usually all cores (for scikit-learn's
        search: 1 unless in a :obj:`joblib.parallel_backend` context). -1: all. No result
        depends on it.

    Attributes
    ----------
    core_sample_indices_ : ndarray of shape (n_core_samples,)
        Rows that are core samples, rising.

    components_ : ndarray or sparse matrix of shape (n_core_samples, n_features)
        The core samples themselves.

    labels_ : ndarray of shape (n_samples,)
        Cluster of each row, -1 for noise. Clusters are numbered by their lowest core sample; a
        border row within `eps` of several clusters goes to the lowest.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    HDBSCAN : Clusters of different densities, without `eps`.
    sklearn.cluster.OPTICS : The reachability of all rows, for many values of `eps`.

    Notes
    -----
    Fast path: a k-d tree, O(n log n) for the build and, in few dimensions, about as much for
    clustering; O(n^2 d) at worst, in many. Memory: O(n d), two to four copies of `X` in float64.
    Rounding, the passes and their sources are described in ``doc/user_guide/dbscan.rst``.

    References
    ----------
    M. Ester, H.-P. Kriegel, J. Sander and X. Xu, "A density-based algorithm for discovering
    clusters in large spatial databases with noise", KDD 1996.

    E. Schubert, J. Sander, M. Ester, H.-P. Kriegel and X. Xu, "DBSCAN revisited, revisited: why and
    how you should (still) use DBSCAN", ACM Transactions on Database Systems 42 (3), 2017.

    A. Prokopenko, D. Lebrun-Grandie and D. Arndt, "Fast tree-based algorithms for DBSCAN for
    low-dimensional data on GPUs", arXiv 2103.05162, 2021 (early stop, dense boxes, union-find).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.cluster import DBSCAN
    >>> X = np.array([[1.0, 2.0], [2.0, 2.0], [2.0, 3.0], [8.0, 7.0], [8.0, 8.0], [25.0, 80.0]])
    >>> model = DBSCAN(eps=3, min_samples=2).fit(X)
    >>> model.labels_
    array([ 0,  0,  0,  1,  1, -1])
    >>> model.predict([[1.0, 3.0], [9.0, 9.0], [5.0, 5.0]])
    array([ 0,  1, -1])
    >>> model.transform([[1.0, 3.0], [5.0, 5.0]]).round(2)
    array([[1.  , 8.06],
           [3.61, 3.61]])
    """

    _parameter_constraints: dict = {
        "eps": [Interval(Real, 0.0, None, closed="neither")],
        "min_samples": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions({*pairwise_metrics, "precomputed"}), callable],
        "metric_params": [dict, None],
        "algorithm": [StrOptions({"auto", "ball_tree", "kd_tree", "brute"})],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0.0, None, closed="right"), None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        eps=0.5,
        *,
        min_samples=5,
        metric="euclidean",
        metric_params=None,
        algorithm="auto",
        leaf_size=30,
        p=None,
        n_jobs=None,
    ):
        self.eps = eps
        self.min_samples = min_samples
        self.metric = metric
        self.metric_params = metric_params
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.n_jobs = n_jobs

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=False)  # the metric checks its own parameters
    def fit(self, X, y=None, sample_weight=None):
        """Find the clusters of `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or (n_samples, n_samples)
            Rows, or distances if ``metric="precomputed"``. Never changed.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, 1 by default. A row of weight `min_samples` is a core sample by
            itself; a negative weight can keep its neighbours from being core.

        Returns
        -------
        self : DBSCAN

        Raises
        ------
        ValueError
            For missing or infinite entries (but see `metric`), a metric that does not take the data,
            precomputed distances that are negative, not square or not symmetric, sparse matrices
            with indices out of range, and rows whose squared distances leave double precision.
        """
        X = self._validate(X, reset=True)
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight, X, allow_negative=True, keep_dtype=True
            )
        with self._stages(X, y) as stage:
            is_core, labels = self._find_clusters(X, sample_weight, stage)
        self.core_sample_indices_ = np.flatnonzero(is_core)
        self.labels_ = labels
        if len(self.core_sample_indices_):
            self.components_ = X[self.core_sample_indices_].copy()
        else:
            self.components_ = np.empty((0, X.shape[1]))
        return self

    def fit_predict(self, X, y=None, sample_weight=None):
        """Find the clusters of `X` and return `labels_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or (n_samples, n_samples)
            As in :meth:`fit`.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            As in :meth:`fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Cluster of each row, -1 for noise.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def predict(self, X):
        """Assign rows to the clusters that were found: the lowest with a core sample within `eps`.

        Rows that were fitted get their `labels_`. The clusters themselves never change.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features), or (n_queries, n_samples)
            Rows; if ``metric="precomputed"``, the distances to the fitted rows (in a sparse
            graph, those that are not stored are beyond `eps`; store the zero between a row and
            itself).

        Returns
        -------
        labels : ndarray of shape (n_queries,)
            -1 for rows without a core sample within `eps`.

        Notes
        -----
        Cost: a k-d tree of the core samples is built for each call.
        """
        return self._label_rows(*self._check_query(X))

    def _label_rows(self, X, core_labels):
        """Return what `predict` gives validated rows."""
        if self.metric == "precomputed":
            return _neighborhoods.label_by_distances(
                X, self.eps, self.core_sample_indices_, core_labels
            )
        if not len(core_labels):
            return np.full(X.shape[0], -1, dtype=np.intp)
        search = self._choose_search(self.components_, len(self.labels_))
        if search.rule is not None and not self._by_search and self._has_points(X, search):
            return _density.label_new_points(
                search.points(self.components_),
                core_labels,
                search.points(X),
                search.rule,
                search.metric,
                self._n_threads(X),
            )
        return _neighborhoods.label_by_search(
            _neighborhoods.search_in(search.neighbors.fit(self.components_), X),
            X.shape[0],
            core_labels,
        )

    def transform(self, X):
        """Distance of each row to the nearest core sample of each cluster.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features), or (n_queries, n_samples)
            As in :meth:`predict`.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_clusters)
            In the units of the metric; infinite where a sparse graph stores no distance to the
            cluster. Float32 for float32 rows, else float64.

        Notes
        -----
        Cost: one nearest-neighbour search for each row and each cluster.
        """
        X, core_labels = self._check_query(X)
        dtype = np.float32 if X.dtype == np.float32 else np.float64
        if self.metric == "precomputed":
            found = _neighborhoods.nearest_by_distances(
                X, self.core_sample_indices_, core_labels, self._n_features_out
            )
            return found.astype(dtype, copy=False)
        if not len(core_labels):
            return np.empty((X.shape[0], 0), dtype=dtype)
        search = self._choose_search(self.components_, len(self.labels_))
        if search.metric is not None and self._has_points(X, search):
            found = _density.distances_to_clusters(
                search.points(self.components_),
                core_labels,
                self._n_features_out,
                search.points(X),
                search.metric,
                self._n_threads(X),
            )
            found = found if search.map is None else search.map.from_tree(found)
        else:
            found = _neighborhoods.nearest_by_search(
                search.neighbors, self.components_, X, core_labels, self._n_features_out
            )
        return found.astype(dtype, copy=False)

    @available_if(_has_rows)
    def score(self, X, y=None):
        """Density-based validity (DBCV) of the clusters that :meth:`predict` gives `X`.

        A grid search over `eps` needs no labels with it: see
        :class:`~sklearn_extra_ml.model_selection.NoSplit`. Not there for precomputed distances.

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
        X, core_labels = self._check_query(X)
        params = dict(self.metric_params or {})
        if self.metric == "minkowski" and self.p is not None:
            params["p"] = self.p
        if self._inverse_covariance is not None:
            params["VI"] = self._inverse_covariance
        measure = RowsMeasure(Metric(self.metric, params, X, self.n_jobs), X)
        return density_validity(measure, self._label_rows(X, core_labels), X.shape[1], X.shape[0])

    @staticmethod
    def _has_points(X, search):
        """Whether every row of `X` is a point of the tree: a zero row has no direction."""
        return search.map is None or search.map.name != "cosine" or bool(np.all(np.any(X, axis=1)))

    @property
    def _n_features_out(self):
        """Number of clusters: of the columns that `transform` returns."""
        return int(self.labels_.max(initial=-1)) + 1

    def _n_threads(self, X):
        """Number of threads for `X`: starting them costs more than a few thousand rows do."""
        return min(effective_n_threads(self.n_jobs), 1 + X.shape[0] // 2048)

    def _validate(self, X, *, reset):
        _neighborhoods.check_sparse_indices(X)
        finite = "allow-nan" if self.metric == "nan_euclidean" else True
        X = validate_data(self, X, accept_sparse="csr", reset=reset, ensure_all_finite=finite)
        return X.astype(X.dtype.newbyteorder("="), copy=False)

    def _check_query(self, X):
        check_is_fitted(self)
        return self._validate(X, reset=False), self.labels_[self.core_sample_indices_]

    def _find_clusters(self, X, sample_weight, stage):
        """Return the `Clusters` of validated rows."""
        self._by_search = False
        self._check_magnitudes(X)
        if self.metric == "precomputed":
            _neighborhoods.check_distances(X)
            warn_of_similarities(X)
            way = (
                _neighborhoods.cluster_by_graph
                if sparse.issparse(X)
                else _neighborhoods.cluster_by_matrix
            )
            with stage("clusters"):
                return way(X, self.eps, self.min_samples, sample_weight)
        self._inverse_covariance = self._covariance_of(X)
        search = self._choose_search(X, X.shape[0])
        if search.rule is not None:
            clusters = self._walk_tree(X, sample_weight, search, stage)
            if clusters is not None:
                return clusters
            self._by_search = True
        with stage("clusters"):
            return _neighborhoods.cluster_by_search(
                _neighborhoods.search_in(search.neighbors.fit(X), X),
                X.shape[0],
                self.min_samples,
                sample_weight,
            )

    def _walk_tree(self, X, sample_weight, search, stage):
        """Return the `Clusters` that the tree finds, None when only scikit-learn's search can."""

        def is_core_row(rows):
            found = _neighborhoods.search_in(search.neighbors.fit(X), X)(rows)
            return _neighborhoods.total_weights(found, sample_weight) >= self.min_samples

        n_threads = self._n_threads(X)
        with stage("tree"):
            points = search.points(X)
            tree = _density.grow_tree(points, search.metric, n_threads)
        return _density.cluster_by_tree(
            tree,
            points,
            search.rule,
            self.min_samples,
            sample_weight,
            is_core_row=is_core_row,
            n_threads=n_threads,
            stage=stage,
        )

    def _choose_search(self, stored, n_samples):
        """Return the `_Search` among `stored` rows, after a fit of `n_samples` rows."""
        p, metric_params = self.p, self.metric_params
        if self.metric == "minkowski" and p is None and "p" not in (metric_params or {}):
            p = 2
        if self._inverse_covariance is not None:
            metric_params = {**(metric_params or {}), "VI": self._inverse_covariance}
        neighbors = NearestNeighbors(
            radius=self.eps,
            algorithm=self.algorithm,
            leaf_size=self.leaf_size,
            metric=self.metric,
            metric_params=metric_params,
            p=p,
            n_jobs=self.n_jobs,
        )
        metric, points = self._tree_metric(stored, p), self._point_map(stored)
        if metric is None and points is None:
            return _Search(neighbors, None, None)
        # What scikit-learn refuses or warns of does not depend on the rows.
        clone(neighbors).fit(stored[:1])
        method = self.algorithm
        if method == "auto":
            method = "brute" if stored.shape[1] > 15 or n_samples < 12 else "kd_tree"
        if points is not None:
            chord = _density.TreeMetric("euclidean", 2.0)
            dtype = stored.dtype if stored.dtype == np.float32 else np.float64
            rule = _density.make_mapped_rule(self.eps, points.name, stored.shape[1], dtype)
            return _Search(neighbors, chord, rule if n_samples >= 12 else None, points)
        if n_samples < 12:  # scikit-learn itself is fast enough, whatever it rounds
            return _Search(neighbors, metric, None)
        rule = _density.make_rule(
            self.eps,
            metric,
            method,
            stored,
            is_gemm=metric.name == "euclidean" and self.metric != "l2",
        )
        return _Search(neighbors, metric, rule)

    def _check_magnitudes(self, X):
        """Refuse rows and an `eps` whose squares (or powers p) are both no doubles."""
        name = _TREE_METRICS.get(self.metric) if isinstance(self.metric, str) else None
        p = self.p if self.p is not None else (self.metric_params or {}).get("p", 2.0)
        p = p if name == "minkowski" else _TREE_EXPONENTS.get(name, 1.0)
        if 1 < p < np.inf and not -1022 <= p * math.log2(self.eps) <= 1023:
            check_rows(X, power=p)

    def _covariance_of(self, X):
        """Return the inverse covariance of all rows, None where the metric needs none.

        scikit-learn takes it from the rows of the call for "mahalanobis" by brute force; here the
        search is called block by block.
        """
        by_trees = self.algorithm in ("ball_tree", "kd_tree") or (
            self.algorithm == "auto" and X.shape[1] <= 15
        )
        if self.metric != "mahalanobis" or by_trees or {"V", "VI"} & set(self.metric_params or {}):
            return None
        return np.linalg.inv(np.cov(X.T)).T

    def _tree_metric(self, X, p):
        """Return the `TreeMetric` of dense rows, None for what is no metric of the tree."""
        params = self.metric_params or {}
        name = _TREE_METRICS.get(self.metric) if isinstance(self.metric, str) else None
        if name is None or sparse.issparse(X) or X.dtype.kind not in "fiub":
            return None
        if name == "minkowski":
            if set(params) - {"p"}:
                return None
            p = params.get("p", p)
            if p is None or not p >= 1:
                return None
            name = _NAMED_EXPONENTS.get(p, name)
        elif params:
            return None
        return _density.TreeMetric(name, _TREE_EXPONENTS.get(name, p))

    def _point_map(self, X):
        """Return the `Metric` whose rows become points of the unit sphere, None for other ones."""
        if self.metric not in ("cosine", "haversine") or self.metric_params:
            return None
        if sparse.issparse(X) or X.dtype.kind not in "fiub":
            return None
        metric = Metric(self.metric, None, X, self.n_jobs)
        return metric if metric.tree_name is not None else None

    @contextmanager
    def _stages(self, X, y):
        """Yield the context manager of each stage of a fit, as scikit-learn's callbacks see it."""
        root = self._init_callback_context(max_subtasks=None)
        root.call_on_fit_task_begin(estimator=self, X=X, y=y)

        @contextmanager
        def stage(name):
            task = root.subcontext(task_name=name)
            task.call_on_fit_task_begin(estimator=self, X=X, y=y)
            yield
            task.call_on_fit_task_end(estimator=self, X=X, y=y)

        yield stage
        root.call_on_fit_task_end(estimator=self, X=X, y=y)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        tags.input_tags.allow_nan = self.metric == "nan_euclidean"
        tags.input_tags.sparse = (
            self.metric == "precomputed"
            or callable(self.metric)
            or self.metric in VALID_METRICS_SPARSE["brute"]
        )
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
