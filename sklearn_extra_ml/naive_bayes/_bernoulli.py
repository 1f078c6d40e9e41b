"""Bernoulli naive Bayes."""

from numbers import Real

import numpy as np

from .._core._validation import Interval
from ._discrete import BaseCounts, safe_log
from ._forms import LinearForm

__all__ = ["BernoulliNB", "log_complement"]


def log_complement(log_prob):
    """log(1 - p) from log p, accurate for p near 0, -inf for p = 1."""
    return safe_log(-np.expm1(np.minimum(log_prob, 0.0)))


class BernoulliNB(BaseCounts):
    """Bernoulli naive Bayes: each column says yes or no, with a probability of each class.

    A drop-in superset of :class:`sklearn.naive_bayes.BernoulliNB`. It adds missing cells, class
    weights, :meth:`transform`, an error for labels that `partial_fit` was not told of, and finite
    arithmetic without smoothing. Cells are compared with the threshold as they are read: no
    binary copy of the data is made.

    Good for switches, and for short texts, where the absence of a word tells something too.

    Cost: O(stored entries) to fit, O(stored entries n_classes) to predict, O(n_features n_classes)
    memory.

    Parameters
    ----------
    alpha : float or array-like of shape (n_features,), default=1.0
        Rows of each outcome that are added to each feature of each class, not negative.

    force_alpha : bool, default=True
        If False, an alpha below 1e-10 is raised to it, with a warning.

    binarize : float or None, default=0.0
        A cell above it counts as yes. None: cells are 0 or 1 already.

    fit_prior : bool, default=True
        Whether priors are learnt; if not, they are equal.

    class_prior : array-like of shape (n_classes,), default=None
        Priors of the classes, in place of learnt ones.

    class_weight : dict, 'balanced' or None, default=None
        Factor of the weights of each class' rows, {class: factor}; classes not named have 1.
        'balanced' gives all classes the same total weight.

    missing : {'error', 'ignore'}, default='error'
        What NaN means: an error, or a cell that is left out.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Weight of the rows of each class.

    class_log_prior_ : ndarray of shape (n_classes,)
        Log-prior of each class.

    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    feature_count_ : ndarray of shape (n_classes, n_features)
        Weight of the rows that say yes, by class and feature.

    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        log P(yes | class) of each feature, smoothed.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    MultinomialNB : How often, not whether.
    CategoricalNB : More than two values.

    References
    ----------
    McCallum, A. and Nigam, K. "A comparison of event models for naive Bayes text classification".
    AAAI workshop on learning for text categorization, 1998.

    Examples
    --------
    >>> from sklearn_extra_ml.naive_bayes import BernoulliNB
    >>> model = BernoulliNB().fit([[1, 0, 1], [1, 1, 0], [0, 0, 1]], ["a", "a", "b"])
    >>> model.predict([[1, 1, 1], [0, 0, 1]])
    array(['a', 'b'], dtype='<U1')
    """

    _parameter_constraints: dict = {
        **BaseCounts._parameter_constraints,
        "class_weight": BaseCounts._class_weight_constraint,
        "binarize": [None, Interval(Real, 0, None, closed="left")],
    }

    _allow_negative = True

    _counted_by = ("missing", "binarize")

    def __init__(
        self,
        *,
        alpha=1.0,
        force_alpha=True,
        binarize=0.0,
        fit_prior=True,
        class_prior=None,
        class_weight=None,
        missing="error",
    ):
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.binarize = binarize
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.class_weight = class_weight
        self.missing = missing

    @property
    def _binary(self):
        return self.binarize is not None

    @property
    def _threshold(self):
        return 0.0 if self.binarize is None else float(self.binarize)

    def _read_features(self, alpha, mass):
        yes, rows = self.feature_count_ + alpha, mass + 2 * np.asarray(alpha)
        # Without rows and without smoothing, a class says nothing: one half.
        rows, yes = np.where(rows > 0, rows, 2.0), np.where(rows > 0, yes, 1.0)
        self.feature_log_prob_ = safe_log(yes) - np.log(rows)

    def _form_of(self, X):
        yes = np.asarray(self.feature_log_prob_, dtype=np.float64)
        return LinearForm(
            yes,
            log_complement(yes),
            missing=self.missing == "ignore",
            binary=self._binary,
            threshold=self._threshold,
        )
