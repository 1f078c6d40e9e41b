"""Multinomial naive Bayes."""

import numpy as np

from ._discrete import BaseCounts, safe_log
from ._forms import LinearForm

__all__ = ["MultinomialNB"]


class MultinomialNB(BaseCounts):
    """Multinomial naive Bayes: a row is a bag of counts drawn with the class' probabilities.

    A drop-in superset of :class:`sklearn.naive_bayes.MultinomialNB`. It adds missing cells, class
    weights, :meth:`transform`, an error for labels that `partial_fit` was not told of, and finite
    arithmetic without smoothing. Sparse rows are summed and multiplied in threads, entry by entry.

    Good for words of documents and other counts, also fractional ones such as tf-idf; with classes of
    very different size, see :class:`ComplementNB`.

    Cost: O(stored entries) to fit, O(stored entries n_classes) to predict, O(n_features n_classes)
    memory.

    Parameters
    ----------
    alpha : float or array-like of shape (n_features,), default=1.0
        Count that is added to each feature of each class (Laplace 1, Lidstone below), not
        negative. With 0, a feature that a class never showed rules the class out.

    force_alpha : bool, default=True
        If False, an alpha below 1e-10 is raised to it, with a warning.

    fit_prior : bool, default=True
        Whether priors are learnt; if not, they are equal.

    class_prior : array-like of shape (n_classes,), default=None
        Priors of the classes, in place of learnt ones.

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
        Log-prior of each class.

    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    feature_count_ : ndarray of shape (n_classes, n_features)
        Weighted sum of each feature in each class.

    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        log P(feature | class), smoothed.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    ComplementNB : For classes of unequal size.
    BernoulliNB : Whether a word occurs, not how often.

    Notes
    -----
    Joint log-probabilities leave out the multinomial coefficient, which is the same for all classes.

    References
    ----------
    Manning, C. D., Raghavan, P. and Schütze, H. "Introduction to Information Retrieval", chapter 13.
    Cambridge University Press, 2008.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from sklearn_extra_ml.naive_bayes import MultinomialNB
    >>> words = csr_array([[2, 1, 0], [1, 2, 0], [0, 1, 3], [0, 0, 2]])
    >>> model = MultinomialNB().fit(words, ["sport", "sport", "trade", "trade"])
    >>> model.predict(csr_array([[1, 1, 1], [0, 0, 1]]))
    array(['sport', 'trade'], dtype='<U5')
    """

    _parameter_constraints: dict = {
        **BaseCounts._parameter_constraints,
        "class_weights": BaseCounts._class_weight_constraint,
    }

    _class_weight_name = "class_weights"

    def __init__(
        self,
        *,
        alpha=1.0,
        force_alpha=True,
        fit_prior=True,
        class_prior=None,
        class_weights=None,
        missing="error",
    ):
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.class_weights = class_weights
        self.missing = missing

    def _read_features(self, alpha, mass):
        smoothed = self.feature_count_ + alpha
        total = smoothed.sum(axis=1, keepdims=True)
        # A class without any count, unsmoothed, says nothing: equal probabilities.
        empty = total[:, 0] == 0
        smoothed[empty], total[empty] = 1.0, smoothed.shape[1]
        self.feature_log_prob_ = safe_log(smoothed, out=smoothed)
        self.feature_log_prob_ -= np.log(total)

    def _form_of(self, X):
        return LinearForm(self.feature_log_prob_, missing=self.missing == "ignore")
