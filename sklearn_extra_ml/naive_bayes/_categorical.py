"""Categorical naive Bayes."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import validate_data

from .._core._validation import Interval, StrOptions
from ._category_counts import (
    CategoryCounts,
    add_codes,
    category_log_prob,
    largest_codes,
    sizes_at_least,
)
from ._discrete import BaseDiscrete
from ._forms import CategoryTable
from ._statistics import copied

__all__ = ["CategoricalNB"]


class CategoricalNB(BaseDiscrete):
    """Categorical naive Bayes: each column holds a category, drawn with its class' probabilities.

    A drop-in superset of :class:`sklearn.naive_bayes.CategoricalNB`. It adds unseen categories
    (scikit-learn raises IndexError), missing cells, class weights, :meth:`transform`, and
    `n_categories_` that does not shrink with a later batch. All columns are counted in one pass.

    Categories are codes 0, 1, ... (see :class:`~sklearn.preprocessing.OrdinalEncoder`); for
    columns of strings in a frame, see :class:`MixedNB`.

    Cost: O(n_samples n_features) to fit, O(n_samples n_features n_classes) to predict, in threads;
    O(categories n_classes) memory.

    Parameters
    ----------
    alpha : float, default=1.0
        Rows that are added to each category of each class, not negative.

    force_alpha : bool, default=True
        If False, an alpha below 1e-10 is raised to it, with a warning.

    fit_prior : bool, default=True
        Whether priors are learnt; if not, they are equal.

    class_prior : array-like of shape (n_classes,), default=None
        Priors of the classes, in place of learnt ones.

    min_categories : int or array-like of shape (n_features,), default=None
        Number of categories of each column, at least; None: the largest code plus 1.

    unseen : {'smooth', 'ignore', 'error'}, default='smooth'
        What a category that `fit` did not see means in predictions: one seen zero times, a cell
        that is left out, or an error. Seen zero times, it has the probability alpha / (n + alpha
        n_categories) in a class of n rows.

    class_weights : dict, 'balanced' or None, default=None
        Factor of the weights of each class' rows, {class: factor}; classes not named have 1.
        'balanced' gives all classes the same total weight. (Elsewhere it is `class_weight`; see the
        user guide.)

    missing : {'error', 'ignore'}, default='error'
        What NaN means: an error, or a cell that is left out. Only columns of floats can hold it.

    Attributes
    ----------
    category_count_ : list of n_features arrays of shape (n_classes, n_categories)
        Weight of the rows of each class and category.

    class_count_ : ndarray of shape (n_classes,)
        Weight of the rows of each class.

    class_log_prior_ : ndarray of shape (n_classes,)
        Log-prior of each class.

    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    feature_log_prob_ : list of n_features arrays of shape (n_classes, n_categories)
        log P(category | class) of each column, smoothed.

    n_categories_ : ndarray of shape (n_features,), int64
        Number of categories of each column.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    BernoulliNB : Two values.
    MixedNB : Strings, and columns of other kinds.

    Notes
    -----
    As in scikit-learn, numbers with a fraction are cut to whole codes.

    References
    ----------
    Mitchell, T. M. "Machine Learning", chapter 6. McGraw-Hill, 1997.

    Examples
    --------
    >>> from sklearn_extra_ml.naive_bayes import CategoricalNB
    >>> model = CategoricalNB().fit([[0, 1], [0, 0], [1, 2]], ["a", "a", "b"])
    >>> model.predict([[0, 1], [1, 7]])
    array(['a', 'b'], dtype='<U1')
    """

    _parameter_constraints: dict = {
        **BaseDiscrete._parameter_constraints,
        "class_weights": BaseDiscrete._class_weight_constraint,
        "alpha": [Interval(Real, 0, None, closed="left")],
        "min_categories": [None, "array-like", Interval(Integral, 1, None, closed="left")],
        "unseen": [StrOptions({"error", "smooth", "ignore"})],
    }

    _class_weight_name = "class_weights"

    def __init__(
        self,
        *,
        alpha=1.0,
        force_alpha=True,
        fit_prior=True,
        class_prior=None,
        min_categories=None,
        unseen="smooth",
        class_weights=None,
        missing="error",
    ):
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.min_categories = min_categories
        self.unseen = unseen
        self.class_weights = class_weights
        self.missing = missing

    def _check_rows(self, X, y="no_validation", *, reset):
        checked = validate_data(self, X, y, dtype=None, ensure_all_finite=False, reset=reset)
        if isinstance(checked, tuple):
            return as_codes(checked[0]), checked[1]
        return as_codes(checked)

    def _learn(self, statistics, X, codes, weight, n_threads, n_classes):
        sizes = largest_codes(X, self, n_threads, weight) + 1
        sizes = sizes_at_least(sizes, self.min_categories)
        if statistics is None:
            counts = CategoryCounts.zeros(sizes, n_classes)
        elif (sizes > statistics.sizes).any():
            counts = statistics.grown(sizes)
        else:
            counts = copied(statistics)
        add_codes(counts, X, codes, weight, n_threads)
        return counts

    def _read(self, statistics, factor):
        alpha = self._smoothing()
        self._read_prior()
        self.n_categories_ = statistics.sizes.copy()
        self.category_count_ = [count * factor[:, None] for count in statistics.by_column()]
        both = [category_log_prob(count, alpha) for count in self.category_count_]
        self.feature_log_prob_ = [log_prob for log_prob, _ in both]
        self._log_prob_unseen = [unseen for _, unseen in both]

    def _form_of(self, X):
        unseen = self._log_prob_unseen
        if self.unseen != "smooth":
            unseen = [np.zeros(len(self.classes_))] * len(unseen)
        return CodesForm(self, CategoryTable(self.feature_log_prob_, unseen))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        return tags


def as_codes(X):
    """`X` in a type that the kernels count: int32, int64, float32 or float64."""
    if X.dtype in (np.int32, np.int64, np.float32, np.float64):
        return X
    try:
        return X.astype(np.int64 if X.dtype.kind in "iub" else np.float64)
    except ValueError as error:
        raise ValueError(
            f"CategoricalNB takes codes of categories, but X holds words ({error}). Allowed: "
            "integers from 0 on. Encode with OrdinalEncoder, or use MixedNB, which takes words."
        ) from None


class CodesForm:
    """The table, with the estimator's rules for codes that are negative or unseen."""

    def __init__(self, estimator, table):
        self.estimator, self.table = estimator, table

    def add(self, X, first, last, joint, n_threads):
        largest_codes(X[first:last], self.estimator, n_threads)
        unseen = self.table.add(X, first, last, joint, n_threads)
        if unseen and self.estimator.unseen == "error":
            row, column, code = self.table.first_unseen(X[first:last])
            raise ValueError(
                f"`X` holds the category {code} in column {column} (row {first + row}), which has "
                f"{self.table.sizes[column]} categories. Allowed: 0 to "
                f"{self.table.sizes[column] - 1}. Raise `min_categories` and fit again, or choose "
                "`unseen`='smooth' or 'ignore'."
            )
        return 0
