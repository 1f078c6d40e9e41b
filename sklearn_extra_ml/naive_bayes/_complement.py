"""Complement naive Bayes."""

import numpy as np

from ._discrete import BaseCounts, safe_log
from ._forms import LinearForm

__all__ = ["ComplementNB"]

CERTAIN = 1e300  # stands for infinite evidence: finite, so that 0 times it is 0


class ComplementNB(BaseCounts):
    """Complement naive Bayes: a class is scored by how badly the *other* classes fit the row.

    A drop-in superset of :class:`sklearn.naive_bayes.ComplementNB`, with what
    :class:`MultinomialNB` adds. All other classes together have more rows than one, so their
    frequencies are known better, which helps small classes.

    Cost: as :class:`MultinomialNB`.

    Parameters
    ----------
    alpha : float or array-like of shape (n_features,), default=1.0
        Count that is added to each feature of each complement, not negative.

    force_alpha : bool, default=True
        If False, an alpha below 1e-10 is raised to it, with a warning.

    fit_prior : bool, default=True
        Whether priors are learnt; if not, they are equal. Used only when there is a single class.

    class_prior : array-like of shape (n_classes,), default=None
        Priors of the classes, in place of learnt ones. Used only when there is a single class.

    norm : bool, default=False
        Whether the weights of each class are divided by their sum (the last step of table 4 in the
        paper, which Mahout and Weka leave out).

    class_weights : dict, 'balanced' or None, default=None
        Factor of the weights of each class' rows, {class: factor}; classes not named have 1.
        'balanced' gives all classes the same total weight. (Elsewhere it is `class_weight`; see the
        user guide.)

    missing : {'error', 'ignore'}, default='error'
        What NaN means: an error, or a cell that is left out. Its count is not known, which is not
        0.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Weight of the rows of each class.

    class_log_prior_ : ndarray of shape (n_classes,)
        Log-prior of each class. Used only when there is a single class.

    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    feature_all_ : ndarray of shape (n_features,)
        Weighted sum of each feature over all classes.

    feature_count_ : ndarray of shape (n_classes, n_features)
        Weighted sum of each feature in each class.

    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        Weights of the features: minus the log-probability in the complement, or with `norm` that
        divided by the sum.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    MultinomialNB : The same counts, each class by itself.

    References
    ----------
    Rennie, J. D. M., Shih, L., Teevan, J. and Karger, D. R. "Tackling the poor assumptions of naive
    Bayes text classifiers". ICML 2003.

    Examples
    --------
    >>> from sklearn_extra_ml.naive_bayes import ComplementNB
    >>> model = ComplementNB().fit([[2, 1, 0], [1, 2, 0], [0, 1, 3]], ["a", "a", "b"])
    >>> model.predict([[0, 0, 1], [1, 0, 0]])
    array(['b', 'a'], dtype='<U1')
    """

    _parameter_constraints: dict = {
        **BaseCounts._parameter_constraints,
        "class_weights": BaseCounts._class_weight_constraint,
        "norm": ["boolean"],
    }

    _class_weight_name = "class_weights"

    def __init__(
        self,
        *,
        alpha=1.0,
        force_alpha=True,
        fit_prior=True,
        class_prior=None,
        norm=False,
        class_weights=None,
        missing="error",
    ):
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.norm = norm
        self.class_weights = class_weights
        self.missing = missing

    def _read_features(self, alpha, mass):
        self.feature_all_ = self.feature_count_.sum(axis=0)
        # The sum over all, less the class' own, can be a rounding error below zero.
        complement = np.maximum(self.feature_all_ - self.feature_count_, 0.0) + alpha
        total = complement.sum(axis=1, keepdims=True)
        empty = total[:, 0] == 0
        complement[empty], total[empty] = 1.0, complement.shape[1]
        logged = safe_log(complement / total)
        if not self.norm:
            self.feature_log_prob_ = -logged
            return
        infinite = np.isinf(logged)
        summed = logged.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = logged / summed
        # The limit as alpha goes to 0: the features of infinite weight share the sum. With a single
        # feature all log-probabilities are 0, and so is their sum.
        shared = infinite / np.maximum(infinite.sum(axis=1, keepdims=True), 1)
        weights = np.where(np.isinf(summed), shared, weights)
        self.feature_log_prob_ = np.where(summed == 0, 1.0 / logged.shape[1], weights)

    def _get_log_prior(self):
        if len(self.classes_) == 1:
            return np.asarray(self.class_log_prior_, dtype=np.float64)
        return np.zeros(len(self.classes_))

    def _form_of(self, X):
        weight = np.minimum(self.feature_log_prob_, CERTAIN)
        return LinearForm(weight, missing=self.missing == "ignore")
