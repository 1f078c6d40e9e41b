"""Gaussian discriminant analysis: the estimator."""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.linalg import LinAlgWarning
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from .._core._gaussian import COVARIANCES, affine_map
from .._core._labels import find_labels, number_labels
from .._core._merge import check_mergeable
from .._core._threads import single_threaded_blas, threads_for_rows
from .._core._validation import (
    Interval,
    StrOptions,
    as_floats,
    bad_value,
    check_sample_weight,
    fit_context,
)
from ._estimation import (
    DENSE,
    TIED,
    class_densities,
    discriminant_axes,
    estimate_covariances,
    summary_family,
)
from ._leave_one_out import GRID, choose_regularization
from ._regularization import fourth_moments, merge_fourth_moments

__all__ = ["GaussianDiscriminantAnalysis"]

PREDICT_ROWS = 32768  # rows whose scores are held at a time by predict


def _knows_its_regularization(estimator):
    if "auto" in (estimator.reg_lambda, estimator.reg_gamma):
        raise AttributeError(
            "partial_fit and merge need numbers: `reg_lambda` and `reg_gamma` 'auto' are chosen by "
            "leaving out rows, all of which must be there."
        )
    return True


class GaussianDiscriminantAnalysis(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    BaseEstimator,
):
    """Classification by one Gaussian for each class, from linear to quadratic and between.

    `covariance="tied"` is linear discriminant analysis (LDA), `"full"` quadratic (QDA), the others
    are simpler, and `reg_lambda`, `reg_gamma` lead from one to the other (Friedman's regularized
    discriminant analysis, RDA), by hand or chosen by exact leave-one-out. Decision values equal
    those of scikit-learn's two classes where the model is the same. It adds: one class for all of
    them, sample weights, `partial_fit`, data with fewer rows than columns or collinear columns,
    `mahalanobis`, `sample`, and one threaded pass over the data instead of a singular value
    decomposition.

    Good for few rows, many classes, and whenever calibrated probabilities, distances to classes or
    a picture of them are wanted. Not for classes of several lumps, nor for columns with heavy
    tails: transform them first.

    Cost of `fit`: O(n_samples n_features^2) for "full" and "tied", O(n_samples n_features) for the
    others; memory for a few covariance matrices (of each class: "full"), and none that grows with
    the rows but their class codes.

    Parameters
    ----------
    covariance : {"full", "tied", "diag", "tied_diag", "spherical"}, default="full"
        What the classes' covariances are like.

        * "full": a matrix for each class; quadratic boundaries.
        * "tied": one matrix for all; linear boundaries.
        * "diag": a variance for each column and class (Gaussian naive Bayes).
        * "tied_diag": a variance for each column; linear boundaries.
        * "spherical": one variance for each class.

    shrinkage : None, float in [0, 1], "ledoit_wolf" or "oas", default=None
        Each class covariance C is moved towards the mean of its variances times the identity by
        this share. "ledoit_wolf" and "oas" estimate the share for each class on its standardised
        columns (so that units do not matter) and need a dense matrix, "full" or "tied". With
        "tied" and "tied_diag" the shrunk matrices are averaged by `priors_`. Not for "spherical".

    reg_lambda : float in [0, 1] or "auto", default=0.0
        Mixes the scatter of each class with that of all (0: classes on their own, 1: pooled). Only
        where classes have covariances of their own: "full", "diag", "spherical". "auto": see
        `reg_gamma`.

    reg_gamma : float in [0, 1] or "auto", default=0.0
        Moves each covariance, once mixed, towards the mean of its variances times the identity.
        "auto" (for one or both): the pair of a 20 x 20 grid (20 values, if the other is given) with
        the fewest errors, each row classified by a model of the others; computed without refitting.
        Not together with `shrinkage`, and not for "spherical".

    priors : array-like of shape (n_classes,), default=None
        Probabilities of the classes, in the order of `classes_`. None: their share of the weight.

    n_components : int, default=None
        Number of discriminant axes that `transform` returns, at most
        min(n_classes - 1, n_features); None: all of them. Nothing else depends on it.

    tol : float, default=1e-4
        Directions in which the standard deviation within classes is below `tol` times that of an
        average direction (of standardised columns) count as collinear and are left out, with one
        warning: densities are then those on the subspace kept, with its pseudo-determinant. Where
        a single class does not vary although others do, it takes the pooled variance.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.

    priors_ : ndarray of shape (n_classes,)
        Probabilities of the classes, sum 1.

    means_ : ndarray of shape (n_classes, n_features)
        Class means.

    covariances_ : ndarray
        The covariances used: (n_classes, n_features, n_features) for "full", (n_features,
        n_features) "tied", (n_classes, n_features) "diag", (n_features,) "tied_diag", (n_classes,)
        "spherical". Divided by the weight, as in scikit-learn, not by the weight less 1.

    class_weight_sum_ : ndarray of shape (n_classes,)
        Weight of the rows seen of each class (their number, without `sample_weight`).

    shrinkage_ : ndarray of shape (n_classes,)
        Share of the identity in each class covariance. Defined only with `shrinkage`.

    reg_lambda_, reg_gamma_ : float
        The values used.

    loo_error_ : ndarray of shape (n_lambda, n_gamma)
        Leave-one-out error of every pair tried, inf where a covariance would be singular. Defined
        only with "auto".

    loo_lambda_, loo_gamma_ : ndarray of shape (n_lambda,) and (n_gamma,)
        The values tried. Defined only with "auto".

    ranks_ : ndarray of shape (n_classes,)
        Number of directions in which each class varies by itself, see `tol`.

    xbar_ : ndarray of shape (n_features,)
        Mean of the class means, weighted by `priors_`.

    scalings_ : ndarray of shape (n_features, n_components)
        Discriminant axes: ``transform(X)`` is ``(X - xbar_) @ scalings_``. Within classes the
        projected data have unit covariance on average.

    explained_variance_ratio_ : ndarray of shape (n_components,)
        Share of the variance between classes along each axis, of all axes.

    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        Weights of the columns in the decision function, as of scikit-learn's LDA. Defined only
        where that is linear, for "tied" and "tied_diag". Computed when asked for.

    intercept_ : ndarray of shape (n_classes,), or (1,) for two classes
        ``X @ coef_.T + intercept_`` is ``decision_function(X)``. As `coef_`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : The same as `covariance="tied"`.
    sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis : The same as `covariance="full"`.
    sklearn_extra_ml.plotting.GaussianEllipseDisplay : Draws the classes.

    Notes
    -----
    Raw statistics (weights, means, scatter) are kept and regularised when they are read, so
    `partial_fit` over any split of the rows equals one `fit` up to rounding. Weights are
    frequencies: weight m equals m copies of the row.

    References
    ----------
    Friedman, J. H. "Regularized discriminant analysis". JASA 84, 1989.

    Ledoit, O. and Wolf, M. "A well-conditioned estimator for large-dimensional covariance
    matrices". J. Multivariate Analysis 88, 2004.

    Chen, Y. et al. "Shrinkage algorithms for MMSE covariance estimation". IEEE Trans. Signal
    Processing 58, 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis
    >>> X, y = load_wine(return_X_y=True)
    >>> gda = GaussianDiscriminantAnalysis(reg_lambda="auto", reg_gamma="auto").fit(X, y)
    >>> gda.predict(X[:3])
    array([0, 0, 0])
    >>> gda.transform(X).shape
    (178, 2)
    """

    _parameter_constraints: dict = {
        "covariance": [StrOptions(set(COVARIANCES))],
        "shrinkage": [
            StrOptions({"ledoit_wolf", "oas"}),
            Interval(Real, 0, 1, closed="both"),
            None,
        ],
        "reg_lambda": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "reg_gamma": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "priors": ["array-like", None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        covariance="full",
        *,
        shrinkage=None,
        reg_lambda=0.0,
        reg_gamma=0.0,
        priors=None,
        n_components=None,
        tol=1e-4,
    ):
        self.covariance = covariance
        self.shrinkage = shrinkage
        self.reg_lambda = reg_lambda
        self.reg_gamma = reg_gamma
        self.priors = priors
        self.n_components = n_components
        self.tol = tol

    # -------------------------------------------------------------------------------- fitting

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Estimate the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data. C-contiguous float32 and float64 arrays are taken as they are; anything
            else is converted.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative; weight m equals m copies of the row. None: ones.

        Returns
        -------
        self : GaussianDiscriminantAnalysis
            The fitted estimator.

        Raises
        ------
        ValueError
            If `X` is empty or holds NaN or infinity, or numbers whose squares overflow; if `y` is
            not made of classes; if the weights are negative, not finite, of another length or all
            zero; if parameters contradict each other or the data.

        Warns
        -----
        scipy.linalg.LinAlgWarning
            If columns are collinear within a class; see `tol`.
        """
        self._check_combination()
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], order="C")
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, keep_dtype=True)
        self.classes_, codes = number_labels(y)

        self._statistics, self._moments = self._summarize(X, codes, sample_weight)
        # Small matrices, and the same bits for any number of threads.
        with single_threaded_blas():
            self._choose_regularization(X, codes, sample_weight)
            self._update()
        return self

    @available_if(_knows_its_regularization)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Add a batch of rows to what was fitted so far.

        The model after any number of batches is that of one `fit` to all their rows, up to
        rounding. It goes on from `fit` too.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The batch.

        y : array-like of shape (n_samples,)
            Class labels.

        classes : array-like of shape (n_classes,), default=None
            All labels that may come. Needed in the first call, afterwards optional. Classes not
            seen yet are never predicted.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative. None: ones.

        Returns
        -------
        self : GaussianDiscriminantAnalysis
            The updated estimator.

        Raises
        ------
        ValueError
            As in `fit`; without `classes` in the first call, with other `classes` later, for labels
            not among them, and when `covariance` or `shrinkage` were changed in between so that the
            statistics kept do not suffice.
        """
        self._check_combination()
        first = not self.__sklearn_is_fitted__()
        if first and classes is None:
            raise ValueError("`classes` must be given in the first call of partial_fit.")
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], order="C", reset=first)
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, keep_dtype=True)
        if classes is not None:
            classes = np.unique(column_or_1d(classes))
            if first:
                self.classes_ = classes
            elif not np.array_equal(classes, self.classes_):
                raise bad_value(
                    "classes", classes, "differs from that of the first call",
                    f"{self.classes_!r} or None", "Give all classes in the first call.",
                )  # fmt: skip
        codes = self._codes_of(y)

        added, moments = self._summarize(X, codes, sample_weight)
        if first:
            self._statistics, self._moments = added, moments
        else:
            self._merge(added, moments)
        self.reg_lambda_, self.reg_gamma_ = float(self.reg_lambda), float(self.reg_gamma)
        with single_threaded_blas():
            self._update()
        return self

    @available_if(_knows_its_regularization)
    def merge(self, other):
        """Add what another model has learnt from other rows.

        For rows that lie in several files, processes or places: fit a model to each part by
        `partial_fit` with the same `classes`, and merge the models, in any order. The result is that of
        one `fit` to all rows, up to rounding.

        Parameters
        ----------
        other : GaussianDiscriminantAnalysis
            Fitted to the same columns and classes, with the same `covariance` and `shrinkage`. It is
            left as it is.

        Returns
        -------
        self : GaussianDiscriminantAnalysis
            The updated estimator. Priors and regularization are its own.

        Raises
        ------
        TypeError
            If `other` is of another class.
        ValueError
            If it was fitted to other columns or classes, or keeps other statistics. The model is then
            left as it was.
        """
        self._check_combination()
        check_mergeable(self, other, ("_kept_kind",))
        self._merge(other._statistics, other._moments)
        self.reg_lambda_, self.reg_gamma_ = float(self.reg_lambda), float(self.reg_gamma)
        with single_threaded_blas():
            self._update()
        return self

    def _check_combination(self):
        """Refuse parameters that would contradict each other or do nothing."""
        tied = self.covariance in TIED
        if tied and self.reg_lambda != 0:
            raise bad_value(
                "reg_lambda", self.reg_lambda,
                f"has nothing to mix with covariance={self.covariance!r}, which pools all classes",
                "0.0", "Use 'full', 'diag' or 'spherical'.",
            )  # fmt: skip
        if self.covariance == "spherical":
            for name, off in (("reg_gamma", 0.0), ("shrinkage", None)):
                if getattr(self, name) != off:
                    raise bad_value(
                        name, getattr(self, name),
                        "changes nothing with covariance='spherical', a multiple of the identity",
                        repr(off), "Use another covariance.",
                    )  # fmt: skip
        if isinstance(self.shrinkage, str) and self.covariance not in DENSE:
            raise bad_value(
                "shrinkage", self.shrinkage,
                f"estimates how far correlations hold, and covariance={self.covariance!r} has none",
                "None or a float", "Use 'full' or 'tied'.",
            )  # fmt: skip
        if self.shrinkage is not None and (self.reg_gamma != 0 or self.reg_lambda == "auto"):
            name = "reg_gamma" if self.reg_gamma != 0 else "reg_lambda"
            raise bad_value(
                name, getattr(self, name), "and `shrinkage` both shrink",
                "0.0 with `shrinkage`", "Choose one of the two.",
            )  # fmt: skip

    def _codes_of(self, y):
        """Return the number of each label among `classes_`."""
        codes, unknown = find_labels(y, self.classes_)
        if unknown.size:
            raise ValueError(
                f"`y` holds {unknown[:5].tolist()}, not among the classes "
                f"{self.classes_[:20].tolist()}. Allowed: labels of the `classes` given to fit or to "
                "the first partial_fit."
            )
        return codes

    def _family(self):
        return summary_family(self.covariance, self.shrinkage)

    def _summarize(self, X, codes, sample_weight):
        """Return the raw statistics of the rows, and fourth moments where they are needed."""
        statistics = self._family().accumulate(
            X,
            codes,
            n_components=len(self.classes_),
            sample_weight=sample_weight,
            n_threads=threads_for_rows(X.shape[0]),
        )
        if not np.isfinite(statistics.scatter).all():
            weighted = "" if sample_weight is None else " times `sample_weight`"
            raise ValueError(
                f"The squares of X{weighted} overflow: its largest entry is {np.abs(X).max():.3g}. "
                "Divide X by a constant, for example with sklearn.preprocessing.StandardScaler"
                f"{', or the weights by the largest' if weighted else ''}."
            )
        moments = None
        if self.shrinkage == "ledoit_wolf":
            moments = fourth_moments(X, codes, sample_weight, statistics.means)
        return statistics, moments

    def _merge(self, added, moments):
        old = self._statistics
        same_moments = (moments is None) == (self._moments is None)
        if self._family().kind != self._kept_kind or not same_moments:
            raise ValueError(
                "`covariance` and `shrinkage` now need other statistics than those kept so far. "
                "Call `fit`, or make a new estimator."
            )
        self._statistics = self._family().merge(old, added)
        if moments is not None:
            self._moments = merge_fourth_moments(
                self._moments, old, moments, added, self._statistics.means
            )

    def _choose_regularization(self, X, codes, sample_weight):
        """Set `reg_lambda_` and `reg_gamma_`, by leave-one-out where "auto" asks for it."""
        for name in ("loo_error_", "loo_lambda_", "loo_gamma_"):
            vars(self).pop(name, None)
        if "auto" not in (self.reg_lambda, self.reg_gamma):
            self.reg_lambda_, self.reg_gamma_ = float(self.reg_lambda), float(self.reg_gamma)
            return
        lambdas, gammas = (
            GRID.copy() if value == "auto" else np.array([float(value)])
            for value in (self.reg_lambda, self.reg_gamma)
        )
        choice = choose_regularization(
            X,
            codes,
            sample_weight,
            self._statistics,
            covariance=self.covariance,
            lambdas=lambdas,
            gammas=gammas,
            priors=None if self.priors is None else self._checked_priors(),
            tol=self.tol**2,
        )
        self.reg_lambda_ = choice.reg_lambda if self.reg_lambda == "auto" else lambdas[0]
        self.reg_gamma_ = choice.reg_gamma if self.reg_gamma == "auto" else gammas[0]
        self.loo_error_, self.loo_lambda_, self.loo_gamma_ = choice.error, lambdas, gammas

    def _checked_priors(self):
        n_classes = len(self.classes_)
        priors = as_floats(self.priors)
        if priors.shape != (n_classes,):
            raise bad_value(
                "priors", self.priors, f"is no array of {n_classes} numbers",
                f"one number for each of {n_classes} classes", "See `classes_` for their order.",
            )  # fmt: skip
        if not (priors >= 0).all() or abs(priors.sum() - 1.0) > 1e-5:
            raise bad_value(
                "priors", self.priors, f"sums to {priors.sum():.6g}, least {priors.min():.6g}",
                "probabilities that sum to 1", "Divide them by their sum.",
            )  # fmt: skip
        return priors / priors.sum()

    def _update(self):
        """Read the statistics: priors, covariances, densities, discriminant axes."""
        statistics, weights = self._statistics, self._statistics.weights
        if not weights.sum() > 0:
            raise ValueError("No row has a positive weight: there is nothing to fit.")
        self._kept_kind = self._family().kind
        self.class_weight_sum_ = weights.copy()
        if self.priors is None:
            self.priors_ = weights / weights.sum()
        else:
            self.priors_ = self._checked_priors()
        self.means_ = statistics.means.copy()
        covariances, shares = estimate_covariances(
            statistics,
            self._moments,
            self.priors_,
            covariance=self.covariance,
            shrinkage=self.shrinkage,
            reg_lambda=self.reg_lambda_,
            reg_gamma=self.reg_gamma_,
        )
        vars(self).pop("shrinkage_", None)
        if shares is not None:
            self.shrinkage_ = shares
        self._gaussian, within, ranks = class_densities(
            self.means_,
            covariances,
            weights,
            self.priors_,
            covariance=self.covariance,
            tol=self.tol**2,
        )
        self.covariances_, self.ranks_ = self._gaussian.covariances, ranks.copy()
        self._warn_of_collinear_columns()
        self._n_features_out = self._count_axes()
        self.xbar_, self.scalings_, self.explained_variance_ratio_ = discriminant_axes(
            self.means_, self.priors_, within.whitening(), self._n_features_out
        )
        self._linear, self._kept_covariance = None, self.covariance
        if self.covariance in TIED:
            self._linear = self._gaussian.linear_form(self.xbar_)

    def _warn_of_collinear_columns(self):
        n_features = self.means_.shape[1]
        singular = (self.ranks_ < n_features) & (self.class_weight_sum_ > 0)
        if singular.any():
            lowest = self.ranks_[singular].min()
            warnings.warn(
                f"Columns are collinear or constant within {singular.sum()} of "
                f"{len(self.classes_)} classes: {lowest} of {n_features} directions are kept at "
                "least. Raise `reg_gamma` or `reg_lambda` (or set them to 'auto'), use `shrinkage`,"
                " or lower `tol`.",
                LinAlgWarning,
                stacklevel=5,
            )

    def _count_axes(self):
        largest = min(len(self.classes_) - 1, self.means_.shape[1])
        n_axes = largest if self.n_components is None else self.n_components
        if n_axes > largest:
            raise bad_value(
                "n_components", self.n_components,
                f"is larger than min(n_classes - 1, n_features)={largest} "
                f"({len(self.classes_)} class{'es' * (len(self.classes_) > 1)})",
                f"None{f' or 1 to {largest}' * (largest > 0)}", "Lower it, or leave it None.",
            )  # fmt: skip
        return n_axes

    def _linear_map(self, name):
        """Return weights (n_rows, n_features) and constants (n_rows,) of the decision function."""
        check_is_fitted(self)
        if self._linear is None:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: it was fitted with "
                f"covariance={self._kept_covariance!r}, whose boundaries are quadratic. Linear are "
                "'tied' and 'tied_diag'."
            )
        weights, constants = self._linear[0].T, self._linear[1] + self._log_priors()
        constants -= weights @ self.xbar_
        if len(self.classes_) == 2:
            return weights[1:] - weights[:1], constants[1:] - constants[:1]
        return weights.copy(), constants

    @property
    def coef_(self):
        """Weights of the columns in the decision function; not for quadratic boundaries."""
        return self._linear_map("coef_")[0]

    @property
    def intercept_(self):
        """Constants of the decision function; not for quadratic boundaries."""
        return self._linear_map("intercept_")[1]

    # ------------------------------------------------------------------------------ predicting

    def _check_test_data(self, X):
        check_is_fitted(self)
        return validate_data(self, X, reset=False, dtype=[np.float64, np.float32], order="C")

    def _joint(self, X):
        """Log of prior times density, up to a constant that all classes of a row share, (n, K)."""
        n_threads = threads_for_rows(X.shape[0])
        if self._linear is None:
            scores = self._gaussian.log_density(X, n_threads=n_threads, constant=False)
        else:
            scores = affine_map(X, self.xbar_, *self._linear, n_threads=n_threads)
        scores += self._log_priors()
        return scores

    def _log_priors(self):
        """Log of the priors, -inf for classes without rows."""
        with np.errstate(divide="ignore"):
            return np.log(np.where(self.class_weight_sum_ > 0, self.priors_, 0.0))

    def decision_function(self, X):
        """Log of prior times density of each class, up to a constant for the row.

        For "tied" and "tied_diag" linear in X, as of scikit-learn's LDA; for the others quadratic,
        as of its QDA: densities less the factor (2 pi)^(-n_features / 2).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Scores in the order of `classes_`; for two classes the log ratio of the second to the
            first. -inf for classes without prior or without rows.
        """
        scores = self._joint(self._check_test_data(X))
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels; the first of equals.
        """
        X = self._check_test_data(X)
        best = np.empty(X.shape[0], np.intp)
        for start in range(0, X.shape[0], PREDICT_ROWS):
            rows = slice(start, start + PREDICT_ROWS)
            self._joint(X[rows]).argmax(axis=1, out=best[rows])
        return self.classes_[best]

    def predict_log_proba(self, X):
        """Return the log of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. Rows so far from all classes that every density is 0 get the
            priors.
        """
        X = self._check_test_data(X)
        scores = self._joint(X)
        top = scores.max(axis=1)
        lost = ~np.isfinite(top)
        if lost.any():
            scores[lost] = self._log_priors()
            top = scores.max(axis=1)
        scores -= top[:, None]
        with np.errstate(under="ignore"):
            scores -= np.log(np.exp(scores).sum(axis=1))[:, None]
        return scores

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to 1.
        """
        log_proba = self.predict_log_proba(X)
        with np.errstate(under="ignore"):
            return np.exp(log_proba, out=log_proba)

    def transform(self, X):
        """Project rows on the discriminant axes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to project.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            Coordinates, in units of the standard deviation within classes.
        """
        X = self._check_test_data(X)
        n_threads = threads_for_rows(X.shape[0])
        return affine_map(X, self.xbar_, self.scalings_, n_threads=n_threads)

    def mahalanobis(self, X):
        """Return the Mahalanobis distance of each row to each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to measure.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_classes)
            Distances to the class means in standard deviations of the class. For rows of the class
            their squares follow chi-squared with n_features degrees of freedom. Directions left out
            (see `tol`) do not count.
        """
        X = self._check_test_data(X)
        distances = self._gaussian.sq_mahalanobis(X, n_threads=threads_for_rows(X.shape[0]))
        return np.sqrt(distances, out=distances)

    def sample(self, n_samples=1, *, y=None, random_state=None):
        """Draw rows from the fitted model.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. Ignored when `y` is given.

        y : array-like of shape (n_samples,), default=None
            Classes to draw rows of. None: drawn too, by `priors_`.

        random_state : int, RandomState instance or None, default=None
            Determines the draws.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows.

        y : ndarray of shape (n_samples,)
            Their classes.
        """
        check_is_fitted(self)
        rng = check_random_state(random_state)
        if y is not None:
            codes = self._codes_of(column_or_1d(y))
        elif isinstance(n_samples, Integral) and n_samples >= 1:
            codes = rng.choice(len(self.classes_), size=n_samples, p=self.priors_)
        else:
            raise bad_value("n_samples", n_samples, "is no number of rows", "1 or more", "")
        return self._gaussian.sample(codes, rng), self.classes_[codes]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "covariances_")
