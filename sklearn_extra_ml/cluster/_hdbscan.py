"""HDBSCAN: density-based clustering over all density levels at once."""

import warnings
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
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core._all_pairs import AllPairs
from .._core._density_validity import RowsMeasure, density_validity
from .._core._distances import (
    BALL_TREE_METRICS,
    KD_TREE_METRICS,
    METRICS,
    Metric,
    lexicographic_order,
)
from .._core._threads import effective_n_threads
from .._core._validation import (
    Hidden,
    Interval,
    StrOptions,
    bad_value,
    fit_context,
    has_callbacks,
)
from ._attachment import ReachabilitySearch
from ._condensed_tree import (
    attach,
    condense,
    cut,
    labels_of,
    link,
    outlier_scores_of,
    probabilities_of,
    select,
)
from ._spanning_tree import (
    DistanceGraph,
    DistanceMatrix,
    IndexedRows,
    MinimumSpanningTree,
    check_sparse_indices,
    complete_tree,
)

INFINITE, MISSING = -2, -3  # labels of rows with infinite and with missing entries


class _Rows(NamedTuple):
    """Which rows of the input can be measured."""

    finite: np.ndarray  # indices
    infinite: np.ndarray  # mask
    missing: np.ndarray  # mask

    @property
    def all_finite(self):
        return len(self.finite) == len(self.missing)


class _Located(NamedTuple):
    """Where rows sit in the fitted hierarchy."""

    cluster: np.ndarray  # of the condensed tree
    level: np.ndarray  # at which the row leaves it
    labels: np.ndarray


def _has_rows(estimator):
    """Distances alone do not say where a new row lies."""
    if estimator.metric == "precomputed":
        raise AttributeError('not available with metric="precomputed": it needs rows')
    return True


class HDBSCAN(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    BaseEstimator,
):
    """Hierarchical density-based clustering with noise.

    Finds clusters of any shape and of different densities, and leaves rows outside them as noise. It
    considers DBSCAN for every `eps` at once, as a tree of clusters, and keeps those that persist over
    the widest range of densities. Good for exploration: the number of clusters is found, and
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
        metrics that reduce to them: seuclidean, sqeuclidean, cosine), else all pairs of rows.
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

    centroids_, medoids_ : ndarray of shape (n_clusters, n_features)
        Centres of the clusters, where `store_centers` asks for them.

    minimum_spanning_tree_ : MinimumSpanningTree
        ``edges`` and ``weights`` of the mutual reachability graph; `to_pandas`.

    single_linkage_tree_ : SingleLinkageTree
        The dendrogram; `to_pandas`, and `to_numpy` for :mod:`scipy.cluster.hierarchy`.

    condensed_tree_ : CondensedTree
        The tree of clusters; `to_pandas`.

    selected_clusters_ : ndarray of shape (n_clusters,)
        The cluster of `condensed_tree_` behind each label.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where they are all strings.

    See Also
    --------
    sklearn_extra_ml.metrics.dbcv_score : Judge any clustering as `score` does.
    sklearn_extra_ml.model_selection.NoSplit : To tune without labels in a grid search.
    sklearn_extra_ml.plotting.CondensedTreeDisplay : Draw `condensed_tree_`.

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
    >>> set(model.labels_.tolist())
    {0, 1, -1}
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

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=False)  # the metric checks its own parameters
    def fit(self, X, y=None):
        """Find the clusters of `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or (n_samples, n_samples)
            Rows, or distances if ``metric="precomputed"``. Never changed.

        y : None
            Ignored.

        Returns
        -------
        self : HDBSCAN

        Raises
        ------
        ValueError
            For fewer than two usable rows, `min_samples` beyond their number, an `algorithm` that
            does not know the metric, and precomputed distances that are no distances.
        """
        X, rows = self._validate_rows(X)
        min_samples = self._check_min_samples(len(rows.finite))
        with self._task(X, y) as stage:
            way, content, search = self._way_to_tree(X, rows)
            with stage("core distances"):
                core = way.core_distances(min_samples)
            with stage("spanning tree"):
                edges, weights = way.spanning_tree(core, self.alpha)
            with stage("linkage"):
                if not rows.all_finite:
                    edges = rows.finite[edges]
                self.minimum_spanning_tree_ = MinimumSpanningTree(edges, weights)
                self.single_linkage_tree_ = link(self._joined_tree(len(rows.missing), rows))
            with stage("condensed tree"):
                self._content, self._fitted_rows, self._fitted_min_samples = content, rows, min_samples
                self._search = search and search(core, min_samples)
                self._find_clusters()
        if self.store_centers is not None:
            self._store_centers(X)
        return self
