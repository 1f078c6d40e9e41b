"""t-SNE: a map of rows in which neighbours stay neighbours; it also places new rows."""

from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.neighbors import VALID_METRICS_SPARSE
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core._distances import check_magnitudes, warn_of_similarities
from .._core._threads import threads_for_rows
from .._core._validation import (
    Interval,
    StrOptions,
    bad_value,
    fit_context,
    has_callbacks,
    pairwise_metrics,
    warn,
)
from ._affinities import graph_of_matrix, perplexity_weights, symmetric_graph
from ._initialization import initial_positions
from ._neighbors import all_others, find_neighbors, neighbors_of_new
from ._optimizer import CHECK, Phase, descend
from ._placement import equal_rows, place
from ._repulsion import AdaptiveRepulsion, ExactRepulsion, GridRepulsion, TreeRepulsion
from ._watch import Watch

_UNIFORM_NEIGHBORS = 15
_EXACT_ROWS = 600  # up to so many rows all pairs cost less than a tree


class TSNE(CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """t-distributed stochastic neighbour embedding, for data of any size and for new rows.

    Rows become points of the plane such that similar rows are close: similarities to the nearest
    neighbours are turned into probabilities, and the points minimise the Kullback-Leibler divergence
    from them of a Student t distribution of the distances between the points. Parameters and
    attributes of :class:`sklearn.manifold.TSNE` keep their meaning. This one runs every phase
    in parallel with the same result for any number of threads, takes O(n) for an iteration, and has
    :meth:`transform`.

    Good for looking at clusters and manifolds of high-dimensional data. Distances between clusters,
    sizes of clusters and densities of points mean little: do not measure them. The result depends on
    the initialisation and on the rounding of every step.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the map, at least 1.

    perplexity : float, default=30.0
        Effective number of neighbours of a row, above 0, most often 5 to 50. The parameter that
        matters most: small values show fine structure, large ones the coarse. Where it is not below
        the number of rows it is lowered, with a warning.

    early_exaggeration : float, default=12.0
        Factor of the attraction in the first phase, at least 1: clusters gather.

    learning_rate : float or "auto", default="auto"
        Length of the steps, above 0, on the scale of scikit-learn (a quarter of that of openTSNE).
        "auto": n_samples / (4 * exaggeration), at least 50, with the exaggeration of each phase.

    max_iter : int, default=1000
        Number of iterations at most, at least 1.

    n_iter_without_progress : int, default=300
        Stop in the second phase when the divergence has not reached a new low for so many iterations;
        looked at every 50.

    min_grad_norm : float, default=1e-7
        A phase ends when the norm of the gradient is at most this; looked at every 50 iterations.

    metric : str or callable, default="euclidean"
        As in :func:`sklearn.metrics.pairwise_distances`, or "precomputed": then `X` holds distances,
        a square matrix or a :term:`sparse graph` of them with enough neighbours in each row.
        "euclidean", "manhattan", "chebyshev", "minkowski" (p >= 1), "cosine" and "seuclidean" on dense
        rows use the k-d tree, others scikit-learn's search.

    metric_params : dict, default=None
        Further arguments of the metric.

    init : {"pca", "random"} or array-like of shape (n_samples, n_components), default="pca"
        Where points start. "pca" (not for precomputed `X`) keeps coarse structure. Equal points
        are moved apart a little.

    verbose : int, default=0
        1: print the divergence at the end of each phase; 2: every 50 iterations.

    random_state : int, RandomState instance or None, default=None
        For ``init="random"``, for PCA of wide data and for parting equal points.

    method : {"auto", "fft", "barnes_hut", "exact"}, default="auto"
        How repulsion is summed. "exact": all pairs, and as in scikit-learn every row is a neighbour
        of every other one. "barnes_hut": a tree, up to 3 components. "fft": a grid, 1 or 2
        components. "auto": all pairs for few rows and for more than 3 components, a tree for 3,
        else the cheaper of tree and grid in each iteration.

    angle : float, default=0.5
        Opening angle of the tree, 0 to 1: smaller is more exact and slower.

    n_jobs : int, default=None
        Number of threads. None: what OpenMP is set to, usually all cores; -1: all. No result
        depends on it.

    affinity : {"perplexity", "uniform", "precomputed"}, default="perplexity"
        Similarities of neighbours: Gaussians of given perplexity; equal weights of `n_neighbors` rows,
        nearly the same picture at a sixth of the edges; or `X` itself, a square matrix of similarities
        that are not negative (sparse or dense; symmetrised and scaled to sum to 1).

    n_neighbors : int, default=None
        Neighbours of a row, at least 1. None: three times the perplexity, or 15 for "uniform".

    dof : float, default=None
        Degrees of freedom of the t distribution, above 0. None: ``max(n_components - 1, 1)`` as in
        scikit-learn. Below 1 heavier tails split clusters further (Kobak 2019).

    exaggeration : float, default=1.0
        Factor of the attraction in the second phase, above 0. 4 looks like UMAP (Böhm 2022).

    early_exaggeration_iter : int, default=250
        Iterations of the first phase, at least 0, within `max_iter`.

    initial_momentum, final_momentum : float, default=0.5, 0.8
        Share of a step that goes on in the next one, 0 to below 1, in the two phases.

    max_step_norm : float, default=5.0
        Longest move of a point in one iteration, above 0, in units of the map.

    tol : float, default=0.0
        Stop in the second phase when the divergence falls by less than this share of itself in one
        iteration, on the mean of 50; at least 0. 2e-4 is the rule of opt-SNE (Belkina 2019); 0
        never stops.

    transform_perplexity : float, default=5.0
        Perplexity of new rows in :meth:`transform`, above 0.

    transform_max_iter : int, default=250
        Iterations of :meth:`transform`, at least 0.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        The map, float32.

    kl_divergence_ : float
        Kullback-Leibler divergence of the map, in nats, without exaggeration. Its normaliser is
        computed from all pairs up to 20,000 rows.

    kl_history_ : ndarray of shape (n_checks, 2)
        Iteration and divergence (before the iteration's step) every 50 iterations, without
        exaggeration in both phases.

    learning_rate_ : float
        Learning rate of the first phase.

    n_iter_ : int
        Number of iterations run.

    perplexity_ : float
        Perplexity used: `perplexity`, or less where there are few rows.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    sklearn.decomposition.PCA : A linear map; keeps distances, not neighbours. Reduce some hundred
        features to about 50 with it first.
    sklearn.manifold.trustworthiness : How far a map can be trusted.
    sklearn_extra_ml.plotting.EmbeddingDisplay : Draws the map.

    Notes
    -----
    Neighbours: a k-d tree, at worst O(n^2 d). Iteration: O(n k) for attraction, and for repulsion
    O(n^2) (exact), O(n log n) (tree) or O(n) and the area of the map (grid). Memory: O(n k).
    The method is described in
    ``doc/user_guide/tsne.rst``.

    References
    ----------
    L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008.

    L. van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15, 2014.

    G. C. Linderman et al., "Fast interpolation-based t-SNE for improved visualization of single-cell
    RNA-seq data", Nature Methods 16, 2019.

    P. G. Poličar, M. Stražar and B. Zupan, "openTSNE: a modular Python library for t-SNE
    dimensionality reduction and embedding", Journal of Statistical Software 109, 2024.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_extra_ml.manifold import TSNE
    >>> X, y = load_digits(return_X_y=True)
    >>> model = TSNE(random_state=0).fit(X[:1500])
    >>> model.embedding_.shape
    (1500, 2)
    >>> model.transform(X[1500:]).shape
    (297, 2)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "perplexity": [Interval(Real, 0, None, closed="neither")],
        "early_exaggeration": [Interval(Real, 1, None, closed="left")],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_iter_without_progress": [Interval(Integral, -1, None, closed="left")],
        "min_grad_norm": [Interval(Real, 0, None, closed="left")],
        "metric": [StrOptions({*pairwise_metrics, "precomputed"}), callable],
        "metric_params": [dict, None],
        "init": [StrOptions({"pca", "random"}), "array-like"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "method": [StrOptions({"auto", "fft", "barnes_hut", "exact"})],
        "angle": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [Integral, None],
        "affinity": [StrOptions({"perplexity", "uniform", "precomputed"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "dof": [Interval(Real, 0, None, closed="neither"), None],
        "exaggeration": [Interval(Real, 0, None, closed="neither")],
        "early_exaggeration_iter": [Interval(Integral, 0, None, closed="left")],
        "initial_momentum": [Interval(Real, 0, 1, closed="left")],
        "final_momentum": [Interval(Real, 0, 1, closed="left")],
        "max_step_norm": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "transform_perplexity": [Interval(Real, 0, None, closed="neither")],
        "transform_max_iter": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=2,
        *,
        perplexity=30.0,
        early_exaggeration=12.0,
        learning_rate="auto",
        max_iter=1000,
        n_iter_without_progress=300,
        min_grad_norm=1e-7,
        metric="euclidean",
        metric_params=None,
        init="pca",
        verbose=0,
        random_state=None,
        method="auto",
        angle=0.5,
        n_jobs=None,
        affinity="perplexity",
        n_neighbors=None,
        dof=None,
        exaggeration=1.0,
        early_exaggeration_iter=250,
        initial_momentum=0.5,
        final_momentum=0.8,
        max_step_norm=5.0,
        tol=0.0,
        transform_perplexity=5.0,
        transform_max_iter=250,
    ):
        self.n_components = n_components
        self.perplexity = perplexity
        self.early_exaggeration = early_exaggeration
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.n_iter_without_progress = n_iter_without_progress
        self.min_grad_norm = min_grad_norm
        self.metric = metric
        self.metric_params = metric_params
        self.init = init
        self.verbose = verbose
        self.random_state = random_state
        self.method = method
        self.angle = angle
        self.n_jobs = n_jobs
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.dof = dof
        self.exaggeration = exaggeration
        self.early_exaggeration_iter = early_exaggeration_iter
        self.initial_momentum = initial_momentum
        self.final_momentum = final_momentum
        self.max_step_norm = max_step_norm
        self.tol = tol
        self.transform_perplexity = transform_perplexity
        self.transform_max_iter = transform_max_iter

    def fit(self, X, y=None):
        """Find the map of `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, n_samples)
            Rows; distances if ``metric="precomputed"``; similarities if
            ``affinity="precomputed"``. At least 2 rows. Never changed.

        y : None
            Ignored.

        Returns
        -------
        self : TSNE

        Raises
        ------
        ValueError
            For missing or infinite entries, one row, negative or not square precomputed `X`,
            ``init="pca"`` with precomputed `X`, an `init` of the wrong shape, a method that does not
            take `n_components`, and rows whose squared distances leave double precision.
        """
        self.fit_transform(X)
        return self

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=False)  # the metric checks its own parameters
    def fit_transform(self, X, y=None):
        """Find the map of `X` and return it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, n_samples)
            As in :meth:`fit`.

        y : None
            Ignored.

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_components)
            `embedding_`, float32.
        """
        self._check_method()
        X = self._validate(X, reset=True)
        n_threads = self._n_threads(X)
        rng = check_random_state(self.random_state)
        positions = initial_positions(self.init, X, self.n_components, rng)
        graph = self._similarities(X, n_threads)

        phases = self._phases(X.shape[0])
        watch = Watch(self, X, self.max_iter // CHECK) if has_callbacks(self) else None
        found = descend(
            graph,
            positions,
            self._repulsion(X.shape[0], n_threads),
            phases,
            dof=self._dof,
            max_step=self.max_step_norm,
            min_grad_norm=self.min_grad_norm,
            n_threads=n_threads,
            watch=lambda *seen: self._report(*seen, watch),
        )
        self.embedding_ = found.embedding
        self.kl_divergence_ = float(found.kl)
        self.kl_history_ = np.array(found.history, dtype=np.float64).reshape(-1, 2)
        self.n_iter_ = found.n_iter
        self.learning_rate_ = float(self._rate(X.shape[0], self.early_exaggeration))
        self._fit_X = X
        if watch is not None:
            watch.close()
        if self.verbose:
            print(f"[t-SNE] KL divergence after {self.n_iter_} iterations: {found.kl:.6f}")
        return self.embedding_

    def transform(self, X):
        """Place rows on the map; the fitted rows do not move.

        Each row is placed on its own: what else is in the call has no influence. A row equal to a
        fitted one gets that one's position (of the first, if there are several; with given distances,
        a distance of 0 tells, and with given similarities nothing does).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features) or (n_queries, n_samples)
            Rows; distances or similarities to the fitted rows if these were given to :meth:`fit`.

        Returns
        -------
        positions : ndarray of shape (n_queries, n_components)
            float32.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        n = self.embedding_.shape[0]
        n_threads = self._n_threads(X)
        positions = np.empty((X.shape[0], self.embedding_.shape[1]), dtype=np.float32)
        weights, rows, known = self._similarities_of_new(X, n, n_threads)
        positions[known >= 0] = self.embedding_[known[known >= 0]]
        new = np.flatnonzero(known < 0)
        if len(new):
            positions[new] = place(
                weights,
                rows,
                self.embedding_,
                self._repulsion(n, n_threads),
                dof=self._dof,
                n_iter=self.transform_max_iter,
                n_threads=n_threads,
            )
        return positions

    @property
    def _n_features_out(self):
        return self.embedding_.shape[1]

    @property
    def _dof(self):
        return float(max(self.n_components - 1, 1) if self.dof is None else self.dof)

    @property
    def _given(self):
        """Whether `X` is a matrix of distances or similarities."""
        return self.metric == "precomputed" or self.affinity == "precomputed"

    def _n_threads(self, X):
        return threads_for_rows(X.shape[0], self.n_jobs)

    def _check_method(self):
        most = {"barnes_hut": 3, "fft": 2}.get(self.method)
        if most is not None and self.n_components > most:
            raise bad_value(
                "n_components",
                self.n_components,
                f'is too many for method="{self.method}"',
                f"1 to {most}",
                'Choose method="auto" or "exact".',
            )

    def _validate(self, X, *, reset):
        X = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            ensure_min_samples=2 if reset else 1,
            reset=reset,
        )
        if not self._given:
            fitted = () if reset else (self._fit_X,)
            check_magnitudes(self.metric, self.metric_params, X, *fitted)
            return X
        kind = "distances" if self.affinity != "precomputed" else "similarities"
        if reset and isinstance(self.init, str) and self.init == "pca":
            raise bad_value(
                "init",
                self.init,
                f"needs rows, but X holds {kind}",
                '"random" or an array',
                "Choose another `init`.",
            )
        if reset and X.shape[0] != X.shape[1]:
            raise ValueError(
                f"X has shape {X.shape}, but should be a square matrix of {kind}. Pass one row and "
                "one column for each sample."
            )
        values = X.data if sparse.issparse(X) else X
        if values.size and values.min() < 0:
            raise ValueError(f"X holds negative {kind}. Allowed: 0 or more. Check the matrix.")
        if reset and kind == "distances":
            warn_of_similarities(X)
        return X

    def _rate(self, n, exaggeration):
        if self.learning_rate != "auto":
            return self.learning_rate
        return max(n / exaggeration / 4.0, 50.0)

    def _phases(self, n):
        first = min(self.early_exaggeration_iter, self.max_iter)
        return [
            Phase(
                first,
                self.early_exaggeration,
                self.initial_momentum,
                self._rate(n, self.early_exaggeration),
                first,
                0.0,
            ),
            Phase(
                self.max_iter,
                self.exaggeration,
                self.final_momentum,
                self._rate(n, self.exaggeration),
                self.n_iter_without_progress,
                self.tol,
            ),
        ]

    def _repulsion(self, n, n_threads):
        dof, method = self._dof, self.method
        if method == "auto":
            few = n <= _EXACT_ROWS
            method = "exact" if few or self.n_components > 3 else "adaptive"
            if method == "adaptive" and self.n_components == 3:
                method = "barnes_hut"
        if method == "exact":
            return ExactRepulsion(dof, n_threads)
        make = {"barnes_hut": TreeRepulsion, "fft": GridRepulsion, "adaptive": AdaptiveRepulsion}
        return make[method](dof, n_threads, self.angle)

    def _similarities(self, X, n_threads):
        """Return the `Graph` of all rows."""
        n = X.shape[0]
        self.perplexity_ = float(self.perplexity)
        if self.affinity == "precomputed":
            return graph_of_matrix(X)
        if self.affinity == "perplexity" and self.perplexity >= n:
            self.perplexity_ = max((n - 1) / 3.0, 1.0)
            warn(
                f"`perplexity`={self.perplexity} is not below n_samples={n}. Using "
                f"{self.perplexity_:g}. Lower `perplexity` or pass more rows.",
            )
        if self.method == "exact" and self.n_neighbors is None and self.affinity != "uniform":
            if sparse.issparse(X) and self.metric == "precomputed":
                raise TypeError(
                    'method="exact" needs all distances, but X is a sparse graph. Pass a dense '
                    'matrix, set `n_neighbors`, or choose method="auto".'
                )
            found = all_others(X, self.metric, self.metric_params)
        else:
            k = min(n - 1, self._n_neighbors(self.perplexity_))
            found = find_neighbors(X, k, self.metric, self.metric_params, self.n_jobs, n_threads)
        return symmetric_graph(found, self._weigh(found.sq_distances, n_threads), n_threads)

    def _n_neighbors(self, perplexity):
        if self.n_neighbors is not None:
            return self.n_neighbors
        return _UNIFORM_NEIGHBORS if self.affinity == "uniform" else int(3.0 * perplexity + 1)

    def _weigh(self, sq_distances, n_threads, perplexity=None):
        """Turn squared distances (n, k) into weights, each row summing to 1."""
        if self.affinity == "uniform":
            sq_distances[:] = 1.0 / sq_distances.shape[1]
            return sq_distances
        return perplexity_weights(sq_distances, perplexity or self.perplexity_, n_threads)

    def _similarities_of_new(self, X, n, n_threads):
        """Return weights and rows of the neighbours of rows that are new, and what is known."""
        if self.affinity == "precomputed":
            X = X.toarray() if sparse.issparse(X) else X
            k = min(n, int(3.0 * self.transform_perplexity + 1))
            rows = np.argpartition(-X, k - 1, axis=1)[:, :k]
            weights = np.take_along_axis(X, rows, axis=1).astype(np.float32)
            total = weights.sum(axis=1, keepdims=True)
            weights = np.where(total > 0, weights / np.where(total > 0, total, 1), 1.0 / k)
            return weights.astype(np.float32), rows, np.full(X.shape[0], -1)
        precomputed = self.metric == "precomputed"
        known = np.full(X.shape[0], -1) if precomputed else equal_rows(X, self._fit_X, n_threads)
        new = np.flatnonzero(known < 0)
        perplexity = min(self.transform_perplexity, max((n - 1) / 3.0, 1.0))
        k = min(n, _UNIFORM_NEIGHBORS if self.affinity == "uniform" else int(3 * perplexity + 1))
        if not len(new):
            return None, None, known
        sq, rows = neighbors_of_new(
            X[new], self._fit_X, k, self.metric, self.metric_params, self.n_jobs, n_threads
        )
        if precomputed:
            nearest = np.argmin(sq, axis=1)
            at = np.arange(len(sq))
            known = np.where(sq[at, nearest] == 0, rows[at, nearest], -1)
            sq, rows = sq[known < 0], rows[known < 0]
        weights = self._weigh(np.ascontiguousarray(sq), n_threads, perplexity)
        return weights, rows, known

    def _report(self, iteration, kl, norm, embedding, watch):
        """Print what was asked for and call the callbacks; true stops."""
        if self.verbose >= 2:
            print(
                f"[t-SNE] Iteration {iteration}: KL divergence = {kl:.7f}, "
                f"gradient norm = {norm:.7f}"
            )
        elif self.verbose and iteration // CHECK * CHECK == self.early_exaggeration_iter:
            print(f"[t-SNE] KL divergence after early exaggeration: {kl:.6f}")
        return watch is not None and watch(embedding)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self._given
        tags.input_tags.sparse = (
            self._given or callable(self.metric) or self.metric in VALID_METRICS_SPARSE["brute"]
        )
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
