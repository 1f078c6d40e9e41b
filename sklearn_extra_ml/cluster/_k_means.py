"""K-means clustering: the estimator."""

from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core._magnitudes import in_double, squares_fit
from .._core._rows import DenseRows, SparseRows, coarse_offset, moments
from .._core._seeding import draw_distinct_rows, greedy_kmeans_plusplus
from .._core._validation import (
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    has_callbacks,
    is_array_like,
    warn,
)
from .._native._k_means_update import same_clustering
from ._k_means_plusplus import check_n_clusters, n_threads_for
from ._k_means_run import add_batch, run_k_means
from ._k_means_steps import distances_to_centers, label_rows, total_inertia
from ._k_means_watch import Watch, fitted_centers

__all__ = ["KMeans"]

# Up to so many features a transposed copy of the data pays for itself in a fit.
MAX_FEATURES_OF_COPY = 8


class KMeans(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    BaseEstimator,
):
    """K-means clustering: `n_clusters` centres, each the mean of the rows nearest to it.

    A drop-in superset of :class:`sklearn.cluster.KMeans`: from the same initial centres it ends in
    the same labels, inertia and number of iterations. It adds :meth:`partial_fit`, sample weights
    that equal repeated rows, results that are the same for any number of threads, labels that
    `predict` repeats exactly on the training data (in single precision and far from the origin
    too), and progress callbacks.

    Good for round clusters of like size, for vector quantisation, and as a start for other methods.
    Not for elongated or nested clusters, nor when the number of clusters is unknown: see
    :class:`~sklearn_extra_ml.cluster.HDBSCAN`. Scale columns of different units first.

    Cost: O(n_samples n_features n_clusters) for an iteration, less as rows settle, and
    O(n_samples) memory beside the data (`algorithm="elkan"`: O(n_samples n_clusters)).

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters, 1 to n_samples.

    init : {'k-means++', 'random'}, callable or array-like of shape \
            (n_clusters, n_features), default='k-means++'
        Where the centres start.

        * 'k-means++': rows far from each other, the best of several at each step (greedy
          k-means++, see :func:`kmeans_plusplus`).
        * 'random': distinct rows drawn by weight.
        * array-like: these centres.
        * callable: ``init(X, n_clusters, random_state=random_state)`` returns the centres, in the
          units of X. `X` is the data as `fit` validated it; write-protected.

    n_init : 'auto' or int, default='auto'
        Number of runs from different starts; the one of lowest inertia is kept. 'auto': 10 for
        'random' and a callable, otherwise 1.

    max_iter : int, default=300
        Iterations of one run at most.

    tol : float, default=1e-4
        A run ends when the squared shifts of all centres sum to at most `tol` times the mean
        (weighted) variance of the columns.

    verbose : int, default=0
        If positive, print the inertia of each iteration.

    random_state : int, RandomState instance or None, default=None
        Determines the draws of the initial centres.

    copy_x : bool, default=True
        Whether `fit` may hold a centred copy of `X` where that is faster (up to 8 features).
        With False, rows are centred as they are read, which saves that memory; results are the
        same to the last bit. `X` itself is never written to in either case.

    algorithm : {'lloyd', 'elkan'}, default='lloyd'
        Both give the same result. 'lloyd' keeps two bounds for each row, 'elkan' one for each row
        and centre: it computes fewer distances and needs O(n_samples n_clusters) memory. It pays
        with many features and clusters that are far apart.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        The centres (float32 for float32 rows, unless single precision cannot hold the squares of
        their differences). If a run stops before it converges (see `tol` and `max_iter`), they are not
        exactly the means of the rows labelled with them.

    labels_ : ndarray of shape (n_samples,), int32
        The nearest centre of each row; after `partial_fit`, of each row of the last batch.

    inertia_ : float
        Sum of squared distances of the rows to their nearest centres, weighted by `sample_weight`;
        after `partial_fit`, of the last batch.

    n_iter_ : int
        Iterations of the best run, plus the calls of `partial_fit` since.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    kmeans_plusplus : The seeding alone.

    Notes
    -----
    Lloyd's iteration (1982) with Hamerly's bounds (SDM 2010): rows whose label cannot have changed
    are not looked at, and cluster sums are updated by the rows that moved. A near tie is decided by
    squared differences in double precision, the lowest label winning, so a label depends on its row
    and the centres alone. Empty clusters move to the rows farthest from their centres.

    Data are centred by a stored offset in `fit` and in all methods after it.

    References
    ----------
    Lloyd, S. "Least squares quantization in PCM". IEEE Trans. Information Theory, 1982.

    Hamerly, G. "Making k-means even faster". SDM 2010.

    Elkan, C. "Using the triangle inequality to accelerate k-means". ICML 2003.

    Arthur, D. and Vassilvitskii, S. "k-means++: the advantages of careful seeding". SODA 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.cluster import KMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> kmeans = KMeans(n_clusters=2, init=[[0, 0], [9, 9]]).fit(X)
    >>> kmeans.labels_
    array([0, 0, 0, 1, 1, 1], dtype=int32)
    >>> kmeans.predict([[0, 0], [12, 3]])
    array([0, 1], dtype=int32)
    >>> kmeans.cluster_centers_
    array([[ 1.,  2.],
           [10.,  2.]])
    """

    _parameter_constraints: dict = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd", "elkan"})],
    }

    def __init__(
        self,
        n_clusters=8,
        *,
        init="k-means++",
        n_init="auto",
        max_iter=300,
        tol=1e-4,
        verbose=0,
        random_state=None,
        copy_x=True,
        algorithm="lloyd",
    ):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Compute the clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to cluster. C-contiguous float32 and float64 arrays and canonical CSR matrices are
            taken as they are; anything else is converted.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative; weight m equals m copies of the row. None: ones. It is
            not used to choose initial centres when `init` is an array or a callable.

        Returns
        -------
        self : KMeans
            The fitted estimator.

        Raises
        ------
        ValueError
            If `X` is empty, holds NaN or infinity, or has fewer rows than `n_clusters`; if `init`
            has another shape than (n_clusters, n_features); if the weights are negative, not
            finite, of another length, or all zero; if squares of differences between rows leave the
            range of double precision.
        """
        X, sample_weight = self._validate(X, sample_weight, reset=True)
        X, sample_weight, rows, mean_variance = self._prepare(X, sample_weight)
        n_init, algorithm = self._choose()
        context = None
        if has_callbacks(self):
            context = self._init_callback_context(max_subtasks=n_init)
            context.call_on_fit_task_begin(estimator=self, X=X, metadata=None)

        tol = self.tol * mean_variance
        best = self._best_run(X, rows, sample_weight, n_init, algorithm, tol, context)

        n_found = np.count_nonzero(np.bincount(best.labels, minlength=self.n_clusters))
        if n_found < self.n_clusters:
            warn(
                f"Number of distinct clusters ({n_found}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
            )
        self._store(rows.offset, best)
        if context is not None:
            context.call_on_fit_task_end(
                estimator=self,
                X=X,
                reconstruction_attributes=lambda: fitted_centers(rows.offset, best.means, X.dtype),
            )
        return self

    def _best_run(self, X, rows, sample_weight, n_init, algorithm, tol, context):
        """Return the run of least inertia; callbacks of a `context` may end them early."""
        rng = check_random_state(self.random_state)
        best = None
        for _ in range(n_init):
            centers = self._initial_centers(X, rows, sample_weight, rng)
            watch = None if context is None else Watch(self, context, X, rows.offset)
            run = run_k_means(
                rows,
                sample_weight,
                centers,
                algorithm=algorithm,
                max_iter=self.max_iter,
                tol=tol,
                n_threads=n_threads_for(X.shape, self.n_clusters),
                verbose=self.verbose,
                watch=watch,
            )
            # A lower inertia with the same clusters is rounding.
            if best is None or (
                run.inertia < best.inertia
                and not same_clustering(run.labels, best.labels, self.n_clusters)
            ):
                best = run
            if watch is not None and watch.close(run):
                break
        return best

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Update the centres with one batch of rows.

        The first call (without a `fit` before it) chooses initial centres among the batch, which
        then must have at least `n_clusters` rows. Every call labels the batch with the centres as
        they are and moves each centre to the mean of all rows ever given to it, weighted: the
        centre of a cluster with weight W moves by w / W' towards the mean of its w new rows,
        W' = W + w (Sculley 2010, without forgetting). After `fit` it goes on from the clusters
        found.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The batch.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative. None: ones.

        Returns
        -------
        self : KMeans
            The updated estimator. `labels_` and `inertia_` are those of the batch, by the new
            centres.

        References
        ----------
        Sculley, D. "Web-scale k-means clustering". WWW 2010.
        """
        first = not self.__sklearn_is_fitted__()
        X, sample_weight = self._validate(X, sample_weight, reset=first)
        if first:
            X, sample_weight, rows, _ = self._prepare(X, sample_weight)
            rng = check_random_state(self.random_state)
            centers = self._initial_centers(X, rows, sample_weight, rng)
            shift, n_iter = 0.0, 0
            means, weights = centers.astype(np.float64), np.zeros(centers.shape[0])
        else:
            rows, centers = self._against(X)
            # Sparse rows are not centred, so their means are not either.
            shift = self._offset.astype(np.float64) if sp.issparse(X) else 0.0
            means, weights, n_iter = self._means + shift, self._weights, self.n_iter_
        run = add_batch(
            rows,
            sample_weight,
            centers,
            means,
            weights,
            n_iter=n_iter,
            n_threads=n_threads_for(X.shape, centers.shape[0]),
        )
        if not run.inertia < float(np.finfo(centers.dtype).max) / 16:
            raise ValueError(
                "X holds rows so far from the centres that squares of the distances overflow in "
                f"{centers.dtype}. Change the unit of X and fit anew, or pass float64."
            )
        offset = rows.offset if first else self._offset
        self._store(offset, run._replace(means=run.means - shift))
        return self

    def _validate(self, X, sample_weight, *, reset):
        """Return the data and weights as the kernels take them; weights None stay None."""
        X = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            reset=reset,
        )
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        return X, sample_weight

    def _prepare(self, X, sample_weight):
        """Return data and weights in a dtype that holds their squares, the rows, centred, and the
        mean variance of the columns.
        """
        check_n_clusters(self.n_clusters, X.shape[0])
        n_threads = n_threads_for(X.shape, self.n_clusters)
        mean, variance = _moments(X, sample_weight, n_threads)
        if not squares_fit(variance, X):
            X = in_double(X)
            sample_weight = None if sample_weight is None else sample_weight.astype(X.dtype)
            mean, variance = _moments(X, sample_weight, n_threads)
        mean_variance = float(np.mean(variance))
        if sp.issparse(X):
            return X, sample_weight, SparseRows.of(X), mean_variance
        rows = DenseRows.of(X, coarse_offset(mean, variance, X.dtype))
        if self.copy_x and X.shape[1] <= MAX_FEATURES_OF_COPY:
            rows = rows.with_blocks(n_threads)
        return X, sample_weight, rows, mean_variance

    def _choose(self):
        """Return the number of runs and the algorithm; warn where a parameter has no effect."""
        given = is_array_like(self.init)
        n_init = self.n_init
        if n_init == "auto":
            n_init = 10 if not given and (callable(self.init) or self.init == "random") else 1
        if given and n_init != 1:
            warn(
                "Explicit initial center position passed: performing only one init in "
                f"{type(self).__name__} instead of n_init={n_init}.",
                RuntimeWarning,
            )
            n_init = 1
        algorithm = self.algorithm
        if algorithm == "elkan" and self.n_clusters == 1:
            warn(
                "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.",
                RuntimeWarning,
            )
            algorithm = "lloyd"
        return n_init, algorithm

    def _initial_centers(self, X, rows, sample_weight, rng):
        """Return the centres that a run starts from, centred."""
        if isinstance(self.init, str):
            draw = greedy_kmeans_plusplus if self.init == "k-means++" else draw_distinct_rows
            seeds = draw(
                rows,
                self.n_clusters,
                sample_weight=sample_weight,
                rng=rng,
                n_threads=n_threads_for(X.shape, self.n_clusters),
            )
            return np.ascontiguousarray(rows.centered(seeds))
        if callable(self.init):
            centers = self.init(_write_protected(X), self.n_clusters, random_state=rng)
        else:
            centers = self.init
        centers = check_array(
            centers, accept_sparse="csr", dtype=X.dtype, order="C", input_name="init"
        )
        if sp.issparse(centers):
            centers = np.ascontiguousarray(centers.toarray())
        self._check_center_shape(centers, X.shape[1])
        return centers - rows.offset if isinstance(rows, DenseRows) else centers

    def _check_center_shape(self, centers, n_features):
        if centers.shape[0] != self.n_clusters:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the number of "
                f"clusters {self.n_clusters}."
            )
        if centers.shape[1] != n_features:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the number of "
                f"features of the data {n_features}."
            )

    def _store(self, offset, run):
        """Set what a fit learns."""
        self.labels_ = run.labels
        self.inertia_ = run.inertia
        self.n_iter_ = run.n_iter
        self._weights = run.weights
        for name, value in fitted_centers(offset, run.means, run.centers.dtype).items():
            setattr(self, name, value)

    def _against(self, X):
        """Return validated data as rows, and the centres in the rows' coordinates and dtype."""
        dtype = np.result_type(X.dtype, self.cluster_centers_.dtype)
        X = X.astype(dtype, copy=False)
        if sp.issparse(X):
            return SparseRows.of(X), self.cluster_centers_.astype(dtype, copy=False)
        offset = self._offset.astype(dtype, copy=False)
        centers = self._centers
        if not np.array_equal(self.cluster_centers_, self._public_centers):
            # Someone has set `cluster_centers_`; scikit-learn's users do.
            centers = self.cluster_centers_ - self._offset
        return DenseRows.of(X, offset), np.ascontiguousarray(centers, dtype=dtype)

    def _check_test_data(self, X):
        check_is_fitted(self)
        return validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            reset=False,
        )

    def predict(self, X):
        """Return the number of the nearest centre of each row, the lowest of equals.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            New rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int32
            On the training data equal to `labels_`. A row's label does not depend on the others.
        """
        X = self._check_test_data(X)
        rows, centers = self._against(X)
        labels = np.empty(X.shape[0], np.int32)
        label_rows(rows, centers, labels, n_threads_for(X.shape, centers.shape[0]))
        return labels

    def transform(self, X):
        """Return the distance of each row to each centre.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            New rows.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_clusters)
            Euclidean distances in the units of X, from differences, not from products: a row that
            is a centre is at distance zero.
        """
        X = self._check_test_data(X)
        rows, centers = self._against(X)
        distances = distances_to_centers(rows, centers, n_threads_for(X.shape, centers.shape[0]))
        return distances.astype(X.dtype, copy=False)

    def fit_predict(self, X, y=None, sample_weight=None):
        """Compute the clusters and return the label of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to cluster.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative. None: ones.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int32
            `labels_`.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def fit_transform(self, X, y=None, sample_weight=None):
        """Compute the clusters and return the distance of each row to each centre.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to cluster.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative. None: ones.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_clusters)
            Euclidean distances in the units of X.
        """
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def score(self, X, y=None, sample_weight=None):
        """Return the negative inertia of the rows: higher is better, 0 is best.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            New rows.

        y : Ignored
            Not used, present here for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative. None: ones.

        Returns
        -------
        score : float
            Minus the weighted sum of squared distances to the nearest centres.
        """
        X = self._check_test_data(X)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        rows, centers = self._against(X)
        n_threads = n_threads_for(X.shape, centers.shape[0])
        labels = np.empty(X.shape[0], np.int32)
        label_rows(rows, centers, labels, n_threads)
        return -total_inertia(rows, sample_weight, centers, labels, n_threads)

    @property
    def _n_features_out(self):
        return self.cluster_centers_.shape[0]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "cluster_centers_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _moments(X, sample_weight, n_threads):
    """Mean and variance of each column, weighted."""
    if sp.issparse(X):
        with np.errstate(over="ignore"):  # to float32; seen and done in double then
            return mean_variance_axis(X, axis=0, weights=sample_weight)
    return moments(X, sample_weight, n_threads)[:2]


def _write_protected(X):
    """The same data behind a view that cannot be written to."""
    if sp.issparse(X):
        return X
    view = X.view()
    view.flags.writeable = False
    return view
