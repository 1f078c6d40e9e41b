"""HDBSCAN: density-based clustering over all density levels at once."""

import inspect
from contextlib import contextmanager, nullcontext
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core._all_pairs import AllPairs
from .._core._distances import (
    METRICS,
    SPARSE_METRICS,
    Metric,
    lexicographic_order,
)
from .._core._validation import (
    HasMethods,
    Hidden,
    Interval,
    StrOptions,
    fit_context,
    has_callbacks,
    warn,
)
from ._attachment import ReachabilitySearch
from ._condensed_tree import condense, link
from ._hdbscan_input import (
    MeasurableRows,
    check_parameters,
    check_sparse_indices,
    check_weights,
    read_weights,
)
from ._hierarchy import HierarchyMixin, has_rows
from ._row_weights import RowWeights, needed_weight
from ._spanning_tree import (
    DistanceGraph,
    DistanceMatrix,
    IndexedRows,
    MinimumSpanningTree,
    complete_tree,
)
from ._tree_memory import TreeMemory, arrays_of


class HDBSCAN(
    HierarchyMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    BaseEstimator,
):
    """Hierarchical density-based clustering with noise.

    Finds clusters of any shape and of different densities, and leaves rows outside them as noise.
    It considers DBSCAN for every `eps` at once, as a tree of clusters, and keeps those that persist
    over the widest range of densities. Good for exploration: the number of clusters is found, and
    `min_cluster_size` has a plain meaning. Not the tool when every row must get a cluster, or when
    clusters overlap so much that no thinner region lies between them (use mixtures then).

    Read more in :doc:`/user_guide/hdbscan`.

    Parameters
    ----------
    min_cluster_size : int, default=5
        Smallest number of rows that counts as a cluster, at least 2. The parameter to choose first.

    min_samples : int, default=None
        Number of rows, *the row itself counted*, within a row's core distance. Larger values smooth
        the density and call more rows noise. 1 to n_samples; None: `min_cluster_size`.

    cluster_selection_epsilon : float, default=0.0
        Clusters that split off below this distance are merged again, in units of the metric.

    max_cluster_size : int, default=None
        Largest cluster that ``cluster_selection_method="eom"`` may choose (merging by
        `cluster_selection_epsilon` may exceed it). None: no limit.

    metric : str or callable, default="euclidean"
        Any metric of :func:`sklearn.metrics.pairwise_distances` or of
        :class:`sklearn.neighbors.BallTree`, a callable of two rows, or "precomputed" for a square
        matrix of distances (dense, infinity where unknown) or a sparse graph of them.

    metric_params : dict, default=None
        Parameters of the metric. For sparse precomputed graphs ``{"max_distance": value}`` sets the
        distance of pairs that are not connected.

    alpha : float, default=1.0
        Distances between rows are divided by it, core distances are not (robust single linkage).

    algorithm : {"auto", "brute", "kd_tree", "ball_tree"}, default="auto"
        How neighbours and the spanning tree are found; all are exact. "auto": a k-d tree or blocked
        matrix products where the metric allows it (Euclidean, Manhattan, Chebyshev, Minkowski and
        metrics that reduce to them: seuclidean, sqeuclidean, cosine, haversine), else all pairs of
        rows.
        "brute": all pairs. "kd_tree" and "ball_tree" refuse metrics that scikit-learn's tree of the
        name does not take, and then do what "auto" does.

    leaf_size : int, default=40
        Kept for compatibility: the tree chooses its leaf size, and no result depends on it.

    n_jobs : int, default=None
        Threads. None: what OpenMP would use; -1: all. No result depends on it.

    cluster_selection_method : {"eom", "leaf"}, default="eom"
        "eom" (excess of mass) keeps the most persistent clusters, "leaf" the smallest ones.

    allow_single_cluster : bool, default=False
        Whether the result may be one cluster, which holds the rows in the densest part of the root.

    store_centers : {None, "centroid", "medoid", "both"}, default=None
        Centres to compute: the mean weighted by `probabilities_`, and the row of least weighted
        distance to its cluster.

    copy : bool, default=True
        Kept for compatibility: the data are never changed, whatever it says.

    cluster_selection_epsilon_max : float, default=infinity
        Clusters that split off above this distance are not chosen, only what they split into; "eom"
        only. At least `cluster_selection_epsilon`.

    cluster_selection_persistence : float, default=0.0
        Parts of a split whose density rises by less than this (1 / distance, from the split to
        their densest row) are no clusters: the condensed tree is simplified before selection.

    n_clusters : int, default=None
        Number of clusters: those of the largest total stability, none inside another, among the
        clusters that the other parameters allow (for "leaf": among the leaves). Where there are
        fewer, these are taken and a warning says so. None: as many as `cluster_selection_method`
        finds.

    memory : str or object with the joblib.Memory interface, default=None
        Where spanning trees are kept, and condensed trees for each `min_cluster_size`: fits of the
        same rows that differ in the selection only (`min_cluster_size` with `min_samples` set,
        `n_clusters`, `cluster_selection_*`, ...) then build one, as in a grid search. A string is a
        folder; its files take 64 bytes a row, and 16 for each `min_cluster_size`, are mapped into
        memory, and are yours to remove. See also :meth:`recluster`.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each row, numbered by their lexicographically lowest row (precomputed: by the
        lowest index). -1: noise; -2: the row has an infinite entry; -3: it has a missing one.

    probabilities_ : ndarray of shape (n_samples,)
        Strength of membership in [0, 1]: density at which the row leaves its cluster over the
        cluster's highest. 0 for noise and infinite rows, NaN for missing ones.

    outlier_scores_ : ndarray of shape (n_samples,)
        GLOSH in [0, 1]: how much thinner it is around the row than at the densest place of the
        cluster it fell from. 1 for infinite rows, NaN for missing ones.

    cluster_persistence_ : ndarray of shape (n_clusters,)
        Stability of each cluster over what it could be at most, in [0, 1].

    core_distances_ : ndarray of shape (n_samples,)
        Core distance of each row: infinity for infinite rows, NaN for missing ones.

    exemplar_indices_ : list of n_clusters ndarrays
        Rows at the heart of each cluster: the last ones of every leaf of the condensed tree in it.

    exemplars_ : list of n_clusters ndarrays of shape (n_exemplars, n_features)
        These rows themselves; not for precomputed distances.

    relative_validity_ : float
        DBCV read off the spanning tree in O(n), to compare fits of the same rows.

    centroids_, medoids_ : ndarray of shape (n_clusters, n_features)
        Centres of the clusters, where `store_centers` asks for them.

    minimum_spanning_tree_ : MinimumSpanningTree
        ``edges`` and ``weights`` of the mutual reachability graph; `to_pandas`, `to_networkx`.

    single_linkage_tree_ : SingleLinkageTree
        The dendrogram; `to_pandas`, `to_networkx`, and `to_numpy` for
        :mod:`scipy.cluster.hierarchy`.

    condensed_tree_ : CondensedTree
        The tree of clusters; `to_pandas`, `to_networkx`.

    selected_clusters_ : ndarray of shape (n_clusters,)
        The cluster of `condensed_tree_` behind each label.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    sklearn_extra_ml.metrics.dbcv_score : Judge any clustering as `score` does.
    sklearn_extra_ml.model_selection.NoSplit : To tune without labels in a grid search.
    sklearn_extra_ml.plotting.CondensedTreeDisplay : Draw `condensed_tree_`.
    sklearn_extra_ml.plotting.SingleLinkageDisplay : Draw `single_linkage_tree_`.
    sklearn_extra_ml.plotting.MinimumSpanningTreeDisplay : Draw `minimum_spanning_tree_`.
    sklearn_extra_ml.plotting.ReachabilityDisplay : Draw `core_distances_`.

    Notes
    -----
    Cost: about O(n log n) with a tree in few dimensions, O(n^2 d) at worst, and O(n) memory beside
    the data; never an n x n matrix, but for metrics of scikit-learn's that fit into its
    ``working_memory``.

    *One answer.* Many edges of the mutual reachability graph have equal weights (a core distance is
    the weight of several), and there are many minimum spanning trees. Here equal weights are merged
    at once, so labels depend neither on the order of the rows nor on the number of threads.

    References
    ----------
    .. [1] R. J. G. B. Campello, D. Moulavi, J. Sander (2013). Density-Based Clustering Based on
       Hierarchical Density Estimates. PAKDD.
    .. [2] R. J. G. B. Campello, D. Moulavi, A. Zimek, J. Sander (2015). Hierarchical Density
       Estimates for Data Clustering, Visualization, and Outlier Detection. ACM TKDD 10(1).
    .. [3] K. Chaudhuri, S. Dasgupta (2010). Rates of Convergence for the Cluster Tree. NIPS.
    .. [4] C. Malzer, M. Baum (2020). A Hybrid Approach To Hierarchical Density-based Cluster
       Selection. IEEE MFI.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.cluster import HDBSCAN
    >>> X = load_iris().data
    >>> model = HDBSCAN(min_cluster_size=10).fit(X)
    >>> len(model.selected_clusters_)
    2
    >>> model.predict([[5.0, 3.4, 1.5, 0.2]])
    array([0])
    """

    _parameter_constraints: dict = {
        "min_cluster_size": [Interval(Integral, 2, None, closed="left")],
        "min_samples": [Interval(Integral, 1, None, closed="left"), None],
        "cluster_selection_epsilon": [Interval(Real, 0, None, closed="left")],
        "max_cluster_size": [None, Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions(set(METRICS) | {"precomputed"}), callable],
        "metric_params": [dict, None],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "algorithm": [StrOptions({"auto", "brute", "kd_tree", "ball_tree"})],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "cluster_selection_method": [StrOptions({"eom", "leaf"})],
        "allow_single_cluster": ["boolean"],
        "store_centers": [None, StrOptions({"centroid", "medoid", "both"})],
        "copy": ["boolean", Hidden(StrOptions({"warn"}))],
        "cluster_selection_epsilon_max": [Interval(Real, 0, None, closed="right")],
        "cluster_selection_persistence": [Interval(Real, 0, None, closed="left")],
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "memory": [str, HasMethods("cache"), None],
    }

    def __init__(
        self,
        min_cluster_size=5,
        min_samples=None,
        cluster_selection_epsilon=0.0,
        max_cluster_size=None,
        metric="euclidean",
        metric_params=None,
        alpha=1.0,
        algorithm="auto",
        leaf_size=40,
        n_jobs=None,
        cluster_selection_method="eom",
        allow_single_cluster=False,
        store_centers=None,
        copy=True,
        cluster_selection_epsilon_max=np.inf,
        cluster_selection_persistence=0.0,
        n_clusters=None,
        memory=None,
    ):
        self.min_cluster_size = min_cluster_size
        self.min_samples = min_samples
        self.cluster_selection_epsilon = cluster_selection_epsilon
        self.max_cluster_size = max_cluster_size
        self.metric = metric
        self.metric_params = metric_params
        self.alpha = alpha
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.n_jobs = n_jobs
        self.cluster_selection_method = cluster_selection_method
        self.allow_single_cluster = allow_single_cluster
        self.store_centers = store_centers
        self.copy = copy
        self.cluster_selection_epsilon_max = cluster_selection_epsilon_max
        self.cluster_selection_persistence = cluster_selection_persistence
        self.n_clusters = n_clusters
        self.memory = memory

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
            A row of weight w counts as w equal rows, in core distances and in the sizes of clusters;
            fractions are taken, too. Rows of weight zero take no part: they get the labels that
            `predict` gives them. Not negative, not all zero.

        Returns
        -------
        self : HDBSCAN

        Raises
        ------
        ValueError
            For fewer than two usable rows, `min_samples` beyond their number, an `algorithm` that
            does not know the metric, precomputed distances that are no distances, and rows whose
            squared distances leave the range of double precision.

        Warns
        -----
        ConvergenceWarning
            When there are fewer than `n_clusters` clusters.
        """
        X, rows = self._check_rows(X, reset=True)
        weights, rows = read_weights(sample_weight, X, rows, self.metric)
        min_samples = check_parameters(self, X, rows, weights)
        with self._task(X, y) as stage:
            way, search, self._content = self._way_to_tree(X, rows)
            kept = self._tree_memory(X, min_samples, weights)
            core, grown, linkage = self._grow(way, rows, min_samples, weights, kept, stage)
            check_weights(grown.weights)
            with stage("linkage"):
                edges = grown.edges if rows.all_finite else rows.finite[grown.edges]
                self.minimum_spanning_tree_ = MinimumSpanningTree(edges, grown.weights)
                if linkage is None or not rows.all_finite:
                    linkage = link(self._joined_tree(len(rows.missing)))
                self.single_linkage_tree_ = linkage
            with stage("condensed tree"):
                self._rows, self._min_samples = rows, min_samples
                self.core_distances_ = core
                if not rows.all_finite:
                    self.core_distances_ = np.where(rows.missing, np.nan, np.inf)
                    self.core_distances_[rows.finite] = core
                fitted_weights = None if weights is None else weights[rows.finite]
                self._search = search and search(core, min_samples, self.alpha, fitted_weights)
                self._place_idle_rows(X, rows, weights)
                self._find_clusters(condense if kept is None else kept.condense)
        for name in ("centroids_", "medoids_"):
            vars(self).pop(name, None)  # of a fit before, with another `store_centers`
        if self.store_centers is not None:
            self._store_centers(X)
        return self

    def transform(self, X):
        """Soft membership of each row in each cluster.

        The membership of a row is its strength, `probabilities_` for fitted rows, divided among the
        clusters in proportion to 1 / (least mutual reachability to a row of the cluster)^2, the
        rule of fuzzy c-means. Where a row has a label, its largest membership is in that cluster.
        Noise has a strength in each cluster: (density at which the row meets the cluster) /
        (highest density of the cluster).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        membership : ndarray of shape (n_samples, n_clusters)
            In [0, 1], a row sums to at most 1; NaN for rows with missing entries, 0 for infinite
            ones. It depends on no other row of the call.

        Notes
        -----
        Cost: one neighbour search for each row and each cluster.
        """
        check_is_fitted(self)
        X, rows = self._check_rows(X, reset=False)
        located = self._locate(X, rows)
        out = np.zeros((len(located.labels), len(self.selected_clusters_)))
        if out.shape[1]:
            level = self._levels_to_clusters(X, rows)
            every = np.arange(out.shape[1])[None]
            out[rows.finite] = self._shares(located, rows.finite, level, every)
        out[rows.missing] = np.nan
        return out

    def fit_transform(self, X, y=None, sample_weight=None):
        """Find the clusters of `X` and return the soft membership of its rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        membership : ndarray of shape (n_samples, n_clusters)
            As `transform` returns it.
        """
        return self.fit(X, y, sample_weight=sample_weight).transform(X)

    # ------------------------------------------------------------------------------- input

    def _check_rows(self, X, *, reset):
        """Validate `X`; return it and which of its rows can be measured."""
        precomputed = self.metric == "precomputed"
        if sparse.issparse(X):
            check_sparse_indices(X)
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            ensure_all_finite=precomputed and sparse.issparse(X),
            dtype=[np.float64, np.float32],
        )
        return X, MeasurableRows.all_of(X) if precomputed else MeasurableRows.of(X)

    # --------------------------------------------------------------------------------- fit

    def _way_to_tree(self, X, rows):
        """Return the way to the tree, the maker of the search for new rows, and the row order."""
        n_samples = X.shape[0]
        if self.metric == "precomputed":
            by_index = np.empty((n_samples, 0))
            if sparse.issparse(X):
                return DistanceGraph(X, self._max_distance()), None, by_index
            return DistanceMatrix(X), None, by_index
        content = X
        if sparse.issparse(X):
            content = np.full((n_samples, 1), np.inf)
            content[rows.finite[lexicographic_order(X[rows.finite])], 0] = np.arange(
                len(rows.finite)
            )
        if not rows.all_finite:
            X = X[rows.finite]
        metric = Metric(self.metric, self.metric_params, X, self.n_jobs)
        has_tree = metric.tree_name is not None and (self.alpha == 1 or metric.is_power)
        if self.algorithm != "brute" and has_tree:
            embedded = metric.embed(X, keep_float32=True)
            way = IndexedRows(metric, embedded)
        else:
            embedded = metric.embed(X)
            way = AllPairs(metric, embedded, X)
        use_index = isinstance(way, IndexedRows)
        finite_content = content if rows.all_finite else content[rows.finite]

        def search(core, min_samples, alpha, weights):
            return ReachabilitySearch(
                metric,
                embedded,
                finite_content,
                core,
                min_samples,
                alpha,
                weights,
                use_index,
                way.__dict__.get("index"),  # None where the tree came from `memory`
            )

        return way, search, np.ascontiguousarray(content)

    def _tree_memory(self, X, min_samples, weights):
        """The `TreeMemory` of these rows, None without `memory`."""
        if self.memory is None:
            return None
        way = (self.metric, self.metric_params, self.algorithm == "brute", min_samples, self.alpha)
        return TreeMemory(self.memory, arrays_of(X, weights), way, self.n_jobs)

    def _grow(self, way, rows, min_samples, weights, kept, stage):
        """What `grow` returns, from `kept` if it is there; without one the dendrogram is None."""
        if weights is not None:
            weights = weights[rows.finite]
        if kept is not None:
            with stage("core distances"), stage("spanning tree"):
                return kept.grow(way, min_samples, self.alpha, weights)
        with stage("core distances"):
            core = way.core_distances(min_samples, weights, needed_weight(min_samples))
        with stage("spanning tree"):
            return core, MinimumSpanningTree(*way.spanning_tree(core, self.alpha)), None

    def _place_idle_rows(self, X, rows, weights):
        """Keep what the selection needs to know of weights, and where rows without weight belong."""
        self._weights = self._idle_places = None
        if weights is None:
            return
        core = np.full(X.shape[0], np.inf)
        core[rows.finite] = self.core_distances_[rows.finite]
        self._weights = RowWeights(weights, core)
        if len(rows.idle):
            queries = self._embed(
                self._as_fitted(X[rows.idle], MeasurableRows.all_of(X[rows.idle]))
            )
            self._idle_places = self._places_of(queries)
            self.core_distances_[rows.idle] = self._search.core_distances_of(queries)

    def _max_distance(self):
        return float((self.metric_params or {}).get("max_distance", 0.0))

    def _joined_tree(self, n_samples):
        """The spanning tree over all rows; what is not connected joins at infinity."""
        missing_weight = np.inf
        if self.metric == "precomputed" and self._max_distance() > 0:
            missing_weight = self._max_distance()
        tree, n_components = complete_tree(self.minimum_spanning_tree_, n_samples, missing_weight)
        if self.metric == "precomputed" and n_components > 1 and np.isinf(missing_weight):
            warn(
                f"The distances connect the rows into {n_components} components only; these join "
                "at infinite distance. Give more distances, lower `min_samples`, or set "
                "`metric_params`={'max_distance': ...} for a sparse graph.",
            )
        return tree

    def _store_centers(self, X):
        """Set `centroids_` and `medoids_`; members in lexicographic order fix every sum."""
        n_clusters = len(self.selected_clusters_)
        centroids, medoids = (np.empty((n_clusters, X.shape[1])) for _ in range(2))
        metric = self._search.metric
        for label in range(n_clusters):
            members = np.flatnonzero(self.labels_ == label)
            members = members[lexicographic_order(self._content[members])]
            weights, data = self.probabilities_[members], X[members]
            if self._weights is not None:
                weights = weights * self._weights.values[members]
            if self.store_centers in ("centroid", "both"):
                centroids[label] = (weights @ data) / weights.sum()
            if self.store_centers in ("medoid", "both"):
                embedded = metric.embed(data)
                cost = np.concatenate(
                    [block @ weights for _, block in metric.to(embedded).blocks(embedded)]
                )
                medoid = data[[np.argmin(cost)]]
                medoids[label] = medoid.toarray()[0] if sparse.issparse(data) else medoid[0]
        if self.store_centers in ("centroid", "both"):
            self.centroids_ = centroids
        if self.store_centers in ("medoid", "both"):
            self.medoids_ = medoids

    @contextmanager
    def _task(self, X, y):
        """Give a context manager for each stage that tells scikit-learn's callbacks about it."""
        if not has_callbacks(self):
            yield lambda name: nullcontext()
            return

        @contextmanager
        def stage(name):
            context = root.subcontext(task_name=name)
            context.call_on_fit_task_begin(estimator=self)
            yield
            context.call_on_fit_task_end(estimator=self)

        root = self._init_callback_context(max_subtasks=4)
        root.call_on_fit_task_begin(estimator=self, X=X, y=y)
        yield stage
        root.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes={})

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = callable(self.metric) or self.metric in SPARSE_METRICS
        tags.input_tags.allow_nan = self.metric != "precomputed"
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags


# TransformerMixin wraps these two for `set_output` when the class is made, and the wrapper would
# always be there; so their availability is declared afterwards.
HDBSCAN.transform = available_if(has_rows)(HDBSCAN.transform)
HDBSCAN.fit_transform = available_if(has_rows)(HDBSCAN.fit_transform)

# scikit-learn asks for it four times and more for every setting of a search.
HDBSCAN.__init__.__signature__ = inspect.signature(HDBSCAN.__init__)
