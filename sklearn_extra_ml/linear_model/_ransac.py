"""RANSAC regression: a model fitted to the largest consensus of the data."""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    MultiOutputMixin,
    RegressorMixin,
    clone,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.utils import check_consistent_length, check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from .._core._distinct_rows import distinct_rows
from .._core._threads import effective_n_threads
from .._core._validation import (
    HasMethods,
    Interval,
    Options,
    RealNotInt,
    StrOptions,
    bad_value,
    check_method_params,
    check_sample_weight,
    fit_context,
    has_callbacks,
    raise_for_params,
)
from ._consensus import SCORINGS, Rule, find_consensus
from ._factor_fit import fit_by_factor
from ._generic_engine import GenericEngine, Seeder
from ._linear_engine import LinearEngine, build_design, linear_design
from ._noise_scale import first_threshold
from ._watch import fitted_state, trial_watcher

_FINAL_FIT = 2**34  # names the seed of the last fit


def _absolute_error(y_true, y_pred):
    error = np.abs(y_true - y_pred)
    return error if error.ndim == 1 else error.sum(axis=1)


def _squared_error(y_true, y_pred):
    error = (y_true - y_pred) ** 2
    return error if error.ndim == 1 else error.sum(axis=1)


# loss -> (function, power of the residual that it is)
_LOSSES = {"absolute_error": (_absolute_error, 1), "squared_error": (_squared_error, 2)}


class RANSACRegressor(
    CallbackSupportMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    MultiOutputMixin,
    BaseEstimator,
):
    """Robust regression by random sample consensus (RANSAC).

    Fits models to small random samples, counts how many rows agree with each, and fits the
    estimator to the rows that agree with the best: outliers, however many and however far, do not
    pull it. Takes the parameters of :class:`sklearn.linear_model.RANSACRegressor`, and adds local
    optimisation, scores that need no luck with the threshold, a threshold estimated from the
    residuals, weights that count, and threads.

    Linear models (`LinearRegression`, `Ridge`, or a `Pipeline` of `PolynomialFeatures` and one of
    them) run in compiled code, O(n_trials * n_samples * n_features) at worst: hypotheses are left
    as soon as they cannot win. Any other regressor is fitted once a trial.

    Not for data without outliers (`LinearRegression` is simpler), nor for outliers that are only
    heavy tails of the noise (`HuberRegressor`). A structure that more rows follow more closely than
    the one you are after will be found instead of it.

    Parameters
    ----------
    estimator : object, default=None
        Regressor with ``fit``, ``predict`` and ``score``; `LinearRegression` when None.

    min_samples : int (>= 1) or float in [0, 1], default=None
        Rows in a sample; a float is a share of the distinct rows, rounded up. None: one more than
        the columns of the (polynomial) design, or all distinct rows if there are fewer; for
        estimators other than the linear ones above it must be given.

    residual_threshold : "auto", "mad", float or None, default="auto"
        Largest loss of an inlier, in units of `loss`. "auto": estimated. The scale of the noise is
        taken from the residuals of the model that describes the data in fewest bits, the threshold
        is the multiple of it (2 to 5) that makes the final fit most precise. Weights count there in
        relation to their mean, and rows that a model can fit exactly not at all. None: the median
        absolute deviation (MAD) of `y`, as in scikit-learn, which includes the spread that the
        model explains. "mad": the same, but "auto" when the MAD is 0.

    is_data_valid : callable, default=None
        ``is_data_valid(X, y)`` on a sample; when it returns False the trial is skipped.

    is_model_valid : callable, default=None
        ``is_model_valid(model, X, y)`` on the fitted estimator and its sample; when it returns
        False the trial is skipped. Given, every trial fits a real estimator, which is slower.

    max_trials : int or inf, default=100
        Number of trials at most.

    max_skips : int or inf, default=inf
        Number of trials that may be skipped: no inliers or fewer than the best, invalid data,
        invalid model.

    stop_n_inliers : int or inf, default=inf
        Stop once so many rows (their weight, with `sample_weight`) are inliers.

    stop_score : float, default=inf
        Stop once the estimator's score on its inliers reaches this.

    stop_probability : float in [0, 1], default=0.99
        Stop once a sample without outliers was drawn with this probability, if the share of inliers
        found so far is right: after ``log(1 - p) / log(1 - share ** min_samples)`` trials.

    loss : {"absolute_error", "squared_error"} or callable, default="absolute_error"
        Loss of a row; several targets are added up. A callable takes ``y_true, y_pred`` and returns
        one number a row; it sees the rows in an order of our own.

    random_state : int, RandomState instance or None, default=None
        Seeds the samples, and estimators with a `random_state`.

    scoring : {"msac", "inliers", "gaussian_uniform", "lmeds"}, default="msac"
        What makes a consensus good. "inliers": the number of inliers, ties broken by the
        estimator's score (scikit-learn). "msac": the same, but a row counts ``1 - (r / t)**2``, so
        closer inliers count more and the threshold matters less. "gaussian_uniform":
        log-likelihood of Gaussian inliers (99 % of them within the threshold) among uniform
        outliers. "lmeds": the median loss; breaks down when half of the rows are outliers.

    local_optimization : bool, default=True
        Refit each new best model to its inliers, and from a wider band of rows inwards; start from
        a few deterministic models as well (linear models, without validity callables); and repeat
        the final fit until its inliers are the rows it was fitted to. False: the winner of the
        trials, fitted once to its inliers, as in scikit-learn.

    sampling : {"weighted", "uniform"}, default="weighted"
        How rows are drawn. Rows equal in X and y are one row with the sum of their weights (1
        without `sample_weight`). "weighted": with a probability proportional to that weight;
        "uniform": all distinct rows of positive weight alike.

    on_failure : {"raise", "warn", "fit_all"}, default="raise"
        What to do without a valid consensus: raise `ValueError`; fit all rows and warn; fit all
        rows.

    n_jobs : int, default=None
        Threads. Linear models: None means all that OpenMP would use. Other estimators: as in
        joblib, None means 1 unless in a `joblib.parallel_config`. Results do not depend on it.

    Attributes
    ----------
    estimator_ : object
        The estimator fitted to the inliers.

    n_trials_ : int
        Number of trials, at most `max_trials`.

    inlier_mask_ : bool array of shape (n_samples,)
        The rows that `estimator_` was fitted to. Rows of weight 0 are True where their loss is
        within the threshold.

    n_skips_no_inliers_ : int
        Trials without inliers, or with a worse consensus than the best so far.

    n_skips_invalid_data_ : int
        Trials refused by `is_data_valid`.

    n_skips_invalid_model_ : int
        Trials refused by `is_model_valid`.

    threshold_ : float
        Largest loss of an inlier.

    scores_history_ : ndarray of shape (`n_trials_`,)
        Score of the best consensus after each trial, NaN before the first. The sum of what the rows
        count in [0, 1] ("inliers": their number), or minus the median loss for "lmeds".

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    sklearn.linear_model.HuberRegressor : For noise with heavy tails.
    sklearn.linear_model.TheilSenRegressor : For few features and less than 29 % outliers.

    Notes
    -----
    Samples are drawn from the distinct rows in an order given by their content, so a permutation of
    the rows, or repeating a row instead of weighting it, changes nothing.

    References
    ----------
    .. [1] Fischler and Bolles (1981), Random Sample Consensus, CACM 24 (6).
    .. [2] Torr and Zisserman (2000), MLESAC, CVIU 78: the scores "msac" and "gaussian_uniform".
    .. [3] Chum, Matas and Kittler (2003), Locally Optimized RANSAC, DAGM.
    .. [4] Rousseeuw (1984), Least Median of Squares Regression, JASA 79.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.linear_model import RANSACRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(200, 1))
    >>> y = 3 * X[:, 0] + 1 + 0.01 * rng.normal(size=200)
    >>> y[:120] = rng.uniform(-5, 5, size=120)  # 60 % outliers
    >>> ransac = RANSACRegressor(random_state=0).fit(X, y)
    >>> ransac.estimator_.coef_.round(1), round(float(ransac.estimator_.intercept_), 1)
    (array([3.]), 1.0)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "score", "predict"]), None],
        "min_samples": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
            None,
        ],
        "residual_threshold": [
            StrOptions({"auto", "mad"}),
            Interval(Real, 0, None, closed="left"),
            None,
        ],
        "is_data_valid": [callable, None],
        "is_model_valid": [callable, None],
        "max_trials": [Interval(Integral, 0, None, closed="left"), Options(Real, {np.inf})],
        "max_skips": [Interval(Integral, 0, None, closed="left"), Options(Real, {np.inf})],
        "stop_n_inliers": [Interval(Integral, 0, None, closed="left"), Options(Real, {np.inf})],
        "stop_score": [Interval(Real, None, None, closed="both")],
        "stop_probability": [Interval(Real, 0, 1, closed="both")],
        "loss": [StrOptions(set(_LOSSES)), callable],
        "random_state": ["random_state"],
        "scoring": [StrOptions(set(SCORINGS))],
        "local_optimization": ["boolean"],
        "sampling": [StrOptions({"weighted", "uniform"})],
        "on_failure": [StrOptions({"raise", "warn", "fit_all"})],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator=None,
        *,
        min_samples=None,
        residual_threshold="auto",
        is_data_valid=None,
        is_model_valid=None,
        max_trials=100,
        max_skips=np.inf,
        stop_n_inliers=np.inf,
        stop_score=np.inf,
        stop_probability=0.99,
        loss="absolute_error",
        random_state=None,
        scoring="msac",
        local_optimization=True,
        sampling="weighted",
        on_failure="raise",
        n_jobs=None,
    ):
        self.estimator = estimator
        self.min_samples = min_samples
        self.residual_threshold = residual_threshold
        self.is_data_valid = is_data_valid
        self.is_model_valid = is_model_valid
        self.max_trials = max_trials
        self.max_skips = max_skips
        self.stop_n_inliers = stop_n_inliers
        self.stop_score = stop_score
        self.stop_probability = stop_probability
        self.loss = loss
        self.random_state = random_state
        self.scoring = scoring
        self.local_optimization = local_optimization
        self.sampling = sampling
        self.on_failure = on_failure
        self.n_jobs = n_jobs

    # RANSACRegressor.estimator is not validated yet
    @with_callbacks
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, **fit_params):
        """Find the best consensus and fit the estimator to it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Target values.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: in the draws (`sampling`), in the consensus and in every fit. A
            weight of 2 equals giving the row twice, 0 leaving it out. Refused when the estimator's
            ``fit`` takes no weights.

        **fit_params : dict
            Parameters routed to the estimator's ``fit``, with metadata routing enabled
            (``sklearn.set_config(enable_metadata_routing=True)``).

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        ValueError
            For bad input, and when no trial gave a valid consensus (`on_failure="raise"`).
        """
        raise_for_params(fit_params, self, "fit")
        X, y, estimator, weights, routed = self._validate(X, y, sample_weight, fit_params)
        seed = int(check_random_state(self.random_state).randint(2**63 - 1, dtype=np.int64))
        n_threads = effective_n_threads(self.n_jobs)
        rows = distinct_rows(
            _as_floating(X),
            _as_floating(y),
            sample_weight=weights,
            seed=seed,
            n_threads=n_threads,
        )
        engine = self._make_engine(X, y, estimator, rows, routed, seed, n_threads)

        with engine:
            outcome = self._search(engine, X, y)

        self._store_counters(outcome)
        chosen = self._consensus_or_fallback(outcome, len(rows.index))
        mask = rows.spread(chosen, len(y), outcome.inliers is None)
        self._fit_final(engine, estimator, X, y, chosen, mask, weights, routed, seed)
        if has_callbacks(self):
            self._callback_fit_ctx.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes=lambda: fitted_state(self)
            )
        return self

    def _validate(self, X, y, sample_weight, fit_params):
        """Check the input; return X, y, a clone of the estimator, weights and routed parameters."""
        estimator = LinearRegression() if self.estimator is None else clone(self.estimator)
        linear = linear_design(estimator) is not None
        X, y = validate_data(
            self,
            X,
            y,
            validate_separately=(
                {"accept_sparse": "csr", "ensure_all_finite": linear, "order": "C"},
                {"ensure_2d": False},
            ),
        )
        check_consistent_length(X, y)
        weights = None
        if sample_weight is not None:
            if not has_fit_parameter(estimator, "sample_weight"):
                raise ValueError(
                    f"{type(estimator).__name__} does not support sample_weight. Pass none, or "
                    "take an estimator whose `fit` takes weights."
                )
            weights = check_sample_weight(sample_weight, X)
            fit_params = fit_params | {"sample_weight": weights}
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **fit_params)["estimator"]
        else:
            routed = {"fit": fit_params, "score": {}}
        return X, y, estimator, weights, routed

    def _make_engine(self, X, y, estimator, rows, routed, seed, n_threads):
        """Return the engine that runs the trials: compiled when the estimator is a linear model."""
        design = linear_design(estimator)
        compiled = (
            design is not None
            and not sparse.issparse(X)
            and not callable(self.loss)
            and self.is_model_valid is None
            and not set(routed["fit"]) - {"sample_weight"}
        )
        loss, power = (self.loss, 0) if callable(self.loss) else _LOSSES[self.loss]
        columns = X if design is None or sparse.issparse(X) else build_design(design[0], X)
        n_columns = None if design is None else columns.shape[1]
        common = {
            "min_samples": self._count_min_samples(rows, len(y), n_columns),
            "power": power,
            "seed": seed,
            "is_data_valid": self.is_data_valid,
        }
        if compiled:
            engine = LinearEngine(columns, y, rows, design[1], n_threads=n_threads, **common)
            engine.X_given = X
            return engine
        return GenericEngine(
            estimator,
            X,
            y,
            rows,
            loss=loss,
            fit_params=routed["fit"],
            score_params=routed["score"],
            is_model_valid=self.is_model_valid,
            n_jobs=self.n_jobs,
            pass_weights=_takes_weights(estimator, routed["fit"]),
            **common,
        )

    def _count_min_samples(self, rows, n_samples, n_columns):
        """Number of rows in a sample; the default one never exceeds the distinct rows."""
        n_distinct = len(rows.index)
        if self.min_samples is None:
            if n_columns is None:
                raise ValueError(
                    "`min_samples` needs to be explicitly set when estimator is not a "
                    "LinearRegression, a Ridge or a Pipeline of PolynomialFeatures and one of them."
                )
            return min(n_columns + 1, n_distinct)
        if self.min_samples < 1:
            return max(1, int(np.ceil(self.min_samples * n_distinct)))
        if self.min_samples > n_distinct:
            raise bad_value(
                "min_samples",
                self.min_samples,
                f"may not be larger than number of samples: n_samples = {n_samples}, of which "
                f"{n_distinct} are distinct rows of positive weight",
                f"1 to {n_distinct}",
                "Lower `min_samples` or pass more rows.",
            )
        return int(self.min_samples)

    def _search(self, engine, X, y):
        """Run the trials, with callbacks told about each when there are any."""
        threshold, estimate = first_threshold(self.residual_threshold, engine, y)
        rule = Rule(
            scoring=self.scoring,
            threshold=threshold,
            power=engine.power,
            max_trials=self.max_trials,
            max_skips=self.max_skips,
            stop_n_inliers=self.stop_n_inliers,
            stop_score=self.stop_score,
            stop_probability=self.stop_probability,
            local_optimization=bool(self.local_optimization),
            min_samples=engine.min_samples,
        )
        on_trial = None
        if has_callbacks(self):
            on_trial = trial_watcher(self, engine, X, y)
        free = self.is_data_valid is None and isinstance(engine, LinearEngine)
        return find_consensus(
            engine,
            rule,
            self.sampling,
            estimate_noise=estimate,
            deterministic=free,
            on_trial=on_trial,
        )

    def _store_counters(self, outcome):
        progress = outcome.progress
        self.n_trials_ = progress.n_trials
        self.n_skips_no_inliers_ = progress.n_skips_no_inliers
        self.n_skips_invalid_data_ = progress.n_skips_invalid_data
        self.n_skips_invalid_model_ = progress.n_skips_invalid_model
        self.scores_history_ = np.asarray(progress.history, dtype=np.float64)
        self.threshold_ = float(outcome.threshold)

    def _consensus_or_fallback(self, outcome, n_distinct):
        """Return the distinct rows to fit; without a consensus what `on_failure` says."""
        progress = outcome.progress
        exceeded = progress.n_skips > self.max_skips
        if outcome.inliers is not None:
            if exceeded:
                warnings.warn(
                    "RANSAC found a valid consensus set but exited early due to skipping more "
                    "iterations than `max_skips`. See estimator attributes for diagnostics "
                    "(n_skips*).",
                    ConvergenceWarning,
                    stacklevel=5,
                )
            return outcome.inliers
        message = (
            "RANSAC skipped more iterations than `max_skips` without finding a valid consensus set."
            if exceeded
            else "RANSAC could not find a valid consensus set."
        )
        message += (
            f" Of {progress.n_trials} trials, {progress.n_skips_invalid_data} samples were refused "
            f"by `is_data_valid`, {progress.n_skips_invalid_model} models by `is_model_valid`, and "
            f"{progress.n_skips_no_inliers} had no row, or no more than another trial, within the "
            f"threshold {outcome.threshold:.6g}. Raise `residual_threshold` or `max_trials`, "
            "loosen the callables, or choose `on_failure`."
        )
        if self.on_failure == "raise":
            raise ValueError(message)
        if self.on_failure == "warn":
            message += " All rows were fitted."
            warnings.warn(message, ConvergenceWarning, stacklevel=5)
        return np.ones(n_distinct, dtype=bool)

    def _fit_final(self, engine, estimator, X, y, chosen, mask, weights, routed, seed):
        """Fit the estimator to the inliers, and judge the rows of weight 0 by it.

        `chosen` tells the inliers among the distinct rows, `mask` among all.
        """
        compiled = isinstance(engine, LinearEngine)
        if not (compiled and fit_by_factor(estimator, engine, chosen, y, np.count_nonzero(mask))):
            fitted = np.flatnonzero(mask if weights is None else mask & (weights > 0))
            Seeder(estimator)(estimator, seed, _FINAL_FIT)
            params = check_method_params(X, routed["fit"], indices=fitted)
            # The rows of linear models were found finite already.
            finite = linear_design(estimator) is not None or get_config()["assume_finite"]
            # Slopes that overflow are refused below.
            quiet = "ignore" if linear_design(estimator) is not None else None
            with config_context(assume_finite=finite), np.errstate(over=quiet, invalid=quiet):
                estimator.fit(X[fitted], y[fitted], **params)
        if linear_design(estimator) is not None:
            _refuse_infinite_slopes(estimator, X)
        if weights is not None and (weights == 0).any():
            absent = weights == 0
            loss = self.loss if callable(self.loss) else _LOSSES[self.loss][0]
            y_pred = estimator.predict(X[absent]).reshape(y[absent].shape)
            mask[absent] = loss(y[absent], y_pred) <= self.threshold_
        self.estimator_ = estimator
        self.inlier_mask_ = mask

    def predict(self, X, **params):
        """Predict with the fitted estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input data.

        **params : dict
            Parameters routed to the estimator's ``predict``, with metadata routing enabled.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predicted values.
        """
        X, params = self._check_call("predict", X, params)
        return self.estimator_.predict(X, **params)

    def score(self, X, y, **params):
        """Return the score of the fitted estimator on all rows given, outliers among them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input data.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            True values.

        **params : dict
            Parameters routed to the estimator's ``score``, with metadata routing enabled.

        Returns
        -------
        score : float
            Score of the prediction.
        """
        X, params = self._check_call("score", X, params)
        return self.estimator_.score(X, y, **params)

    def _check_call(self, method, X, params):
        check_is_fitted(self)
        X = validate_data(
            self, X, ensure_all_finite=False, accept_sparse=True, order="C", reset=False
        )
        raise_for_params(params, self, method)
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, method, **params)["estimator"][method]
        return X, params

    def get_metadata_routing(self):
        """Get metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            The routing information.
        """
        return MetadataRouter(owner=self).add(
            estimator=self.estimator,
            method_mapping=MethodMapping()
            .add(caller="fit", callee="fit")
            .add(caller="fit", callee="score")
            .add(caller="score", callee="score")
            .add(caller="predict", callee="predict"),
        )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        given = get_tags(LinearRegression() if self.estimator is None else self.estimator)
        tags.input_tags.sparse = given.input_tags.sparse
        tags.input_tags.allow_nan = given.input_tags.allow_nan
        tags.target_tags.multi_output = given.target_tags.multi_output
        return tags


def _refuse_infinite_slopes(estimator, X):
    """Raise `ValueError` for a fitted linear model whose slopes overflowed: it predicts NaN."""
    model = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if not np.isfinite(model.coef_).all():
        raise ValueError(
            f"Slopes overflow: the largest entry of X is {abs(X).max():.3g}, too small against `y`. "
            "Multiply the columns of X by a constant (numbers below 1e-308 have lost digits already)."
        )


def _as_floating(array):
    """Return an array in float32 or float64, for the kernels."""
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _takes_weights(estimator, fit_params):
    """Whether a merged weight may be passed to the estimator's fit."""
    if "sample_weight" in fit_params:
        return True
    routing = get_config()["enable_metadata_routing"]
    return not routing and has_fit_parameter(estimator, "sample_weight")
