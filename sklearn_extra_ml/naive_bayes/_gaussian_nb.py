"""Gaussian naive Bayes."""

from numbers import Real

import numpy as np

from .._core._validation import Interval, StrOptions
from .._native._naive_bayes_fit import NOT_FINITE
from ._base import BaseNaiveBayes, check_numeric
from ._chunks import refuse_wrong
from ._classes import log_prior
from ._forms import GaussianForm
from ._statistics import Moments, add_moments, copied, pooled_moments

__all__ = ["SMALLEST_VARIANCE", "GaussianNB", "read_moments"]

# Below this a density's square overflows where it need not; only a column that is constant within
# a class, without smoothing, has less.
SMALLEST_VARIANCE = 1e-200


def read_moments(moments, factor, smoothing, *, per_feature):
    """Return means, smoothed variances (both (n_classes, n_features)) and what was added.

    What is added is `smoothing` times the variance of the column over all classes, or, unless
    `per_feature`, times the largest of them. A class that never saw a column gets the moments of
    the column over all classes: it then says nothing about the class.
    """
    _, pooled_mean, pooled_var = pooled_moments(moments, factor)
    added = smoothing * (pooled_var if per_feature else pooled_var.max())
    seen = moments.mass > 0
    own = np.divide(moments.m2, moments.mass, out=np.zeros_like(moments.m2), where=seen)
    mean = np.where(seen, moments.center(), pooled_mean)
    var = np.where(seen, own, pooled_var) + added
    return mean, np.maximum(var, SMALLEST_VARIANCE), added


class GaussianNB(BaseNaiveBayes):
    """Gaussian naive Bayes: each column is normal within each class, independently of the others.

    A drop-in superset of :class:`sklearn.naive_bayes.GaussianNB`. It adds missing cells, class
    weights, sparse rows, smoothing by column, :meth:`transform`, and a :meth:`partial_fit` that
    equals one `fit` whatever the batches (scikit-learn's takes a wrong constant out of the variances
    when the scale of the batches changes); and it reads the data twice in cache instead of some
    tens of times in memory.

    Good as a first model, for very many rows or classes, for streams, and with missing values. Its
    probabilities are too extreme when columns are correlated: see
    :class:`~sklearn.calibration.CalibratedClassifierCV`.

    Cost: O(n_samples n_features) to fit and O(n_samples n_features n_classes) to predict, in threads;
    O(n_classes n_features) memory beside the data and one chunk of 16 MB.

    Parameters
    ----------
    priors : array-like of shape (n_classes,), default=None
        Prior probabilities of the classes, summing to 1. None: their (weighted) shares in the data.

    var_smoothing : float, default=1e-9
        Share of a variance of the whole data that is added to all variances; see
        `smoothing_scale`.

    smoothing_scale : {'largest', 'feature'}, default='largest'
        Whose variance it is a share of: 'largest' the largest of all columns (scikit-learn's rule,
        which depends on the units of the columns), 'feature' the column's own, so that results
        do not depend on units.

    class_weight : dict, 'balanced' or None, default=None
        Factor of the weights of each class' rows, {class: factor}; classes not named have 1.
        'balanced' gives all classes the same total weight. Here it changes the priors, and very
        slightly the smoothing.

    missing : {'error', 'ignore'}, default='error'
        What NaN means: an error, or a cell that is left out. In `fit` and in predictions, as if the
        row had no such column.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Weight of the rows of each class.

    class_prior_ : ndarray of shape (n_classes,)
        Prior probability of each class.

    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    epsilon_ : float or ndarray of shape (n_features,)
        What smoothing added to the variances; an array with ``smoothing_scale="feature"``.

    theta_ : ndarray of shape (n_classes, n_features)
        Mean of each column in each class, in units of X.

    var_ : ndarray of shape (n_classes, n_features)
        Variance of each column in each class, `epsilon_` included; in squared units of X.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    MixedNB : Columns of different kinds.
    MultinomialNB : Counts.

    Notes
    -----
    Moments are kept relative to a value of each class and column, by block means and squared
    deviations from them, merged by the formula of Chan, Golub and LeVeque. A class that has rows but
    none with a value in some column gets that column's moments over all classes.

    X may be an array, a frame or a sparse matrix (not made dense). Statistics and results are
    float64 also for float32 rows.

    References
    ----------
    Chan, T. F., Golub, G. H. and LeVeque, R. J. "Updating formulae and a pairwise algorithm for
    computing sample variances". Stanford CS report STAN-CS-79-773, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.naive_bayes import GaussianNB
    >>> X = np.array([[1.0, 2.0], [1.2, np.nan], [3.0, 0.5], [np.nan, 0.7]])
    >>> model = GaussianNB(missing="ignore").fit(X, ["low", "low", "high", "high"])
    >>> model.predict([[1.1, 1.9], [np.nan, 0.6]])
    array(['low', 'high'], dtype='<U4')
    >>> model.theta_
    array([[3. , 0.6],
           [1.1, 2. ]])
    """

    _parameter_constraints: dict = {
        **BaseNaiveBayes._shared_constraints,
        "class_weight": BaseNaiveBayes._class_weight_constraint,
        "priors": ["array-like", None],
        "var_smoothing": [Interval(Real, 0, None, closed="left")],
        "smoothing_scale": [StrOptions({"largest", "feature"})],
    }

    def __init__(
        self,
        *,
        priors=None,
        var_smoothing=1e-9,
        smoothing_scale="largest",
        class_weight=None,
        missing="error",
    ):
        self.priors = priors
        self.var_smoothing = var_smoothing
        self.smoothing_scale = smoothing_scale
        self.class_weight = class_weight
        self.missing = missing

    def _check_rows(self, X, y="no_validation", *, reset):
        return check_numeric(self, X, y, reset=reset)

    def _learn(self, statistics, X, codes, weight, n_threads, n_classes):
        if statistics is None:
            moments = Moments.zeros(n_classes, X.shape[1])
        else:
            moments = copied(statistics)
        missing = self.missing == "ignore"
        with np.errstate(over="ignore", invalid="ignore"):
            add_moments(moments, X, codes, weight, missing, n_threads)
        if not np.isfinite(moments.m2.sum() + moments.mean.sum()) and not hasattr(X, "indptr"):
            refuse_wrong(NOT_FINITE, X, self, allow_nan=missing)
        return moments

    def _read(self, statistics, factor):
        prior = log_prior(self.priors, self.class_count_, sum_to_one=True)
        with np.errstate(over="ignore", invalid="ignore"):
            self.theta_, self.var_, epsilon = read_moments(
                statistics,
                factor,
                self.var_smoothing,
                per_feature=self.smoothing_scale == "feature",
            )
        self.epsilon_ = epsilon if np.ndim(epsilon) else float(epsilon)
        self.class_prior_ = np.exp(prior)

    def _get_log_prior(self):
        with np.errstate(divide="ignore"):
            return np.log(self.class_prior_)

    def _form_of(self, X):
        return GaussianForm(self.theta_, self.var_, missing=self.missing == "ignore")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
