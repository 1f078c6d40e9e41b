"""Naive Bayes for columns of different kinds."""

from numbers import Real

import numpy as np

from .._core._validation import Interval, StrOptions
from ._base import BaseNaiveBayes
from ._classes import log_prior
from ._mixed_columns import KINDS, check_columns, resolve_kinds
from ._mixed_model import Groups, MixedForm, MixedStatistics, Reader, learn, read

__all__ = ["MixedNB"]


class MixedNB(BaseNaiveBayes):
    """Naive Bayes for tables: each column has a distribution of its own kind.

    scikit-learn has one class for each kind of column, and no way to combine them but by hand
    (requested since 2018). Here numbers, switches, counts, waiting times and strings stand side by
    side, in a pandas or polars frame as it is: nothing is encoded or scaled beforehand.

    Good as a first model of a table, with missing cells, with few rows, for streams of rows
    (:meth:`partial_fit`), and where every column's part in a decision should be told apart.

    Cost: O(n_samples n_features) to fit, O(n_samples n_features n_classes) to predict, in threads;
    memory for one chunk of rows and 4 bytes for each categorical cell.

    Parameters
    ----------
    kinds : 'auto', str, array-like of shape (n_features,) or dict, default='auto'
        Kind of each column: one for all, one each, or {name or position: kind}, where columns
        not named are 'auto'.

        * 'gaussian': a number; mean and variance of each class.
        * 'lognormal': a positive number whose logarithm is Gaussian: incomes, sizes, concentrations.
        * 'bernoulli': yes or no; see `binarize`.
        * 'categorical': any hashable value: strings, categories, codes.
        * 'poisson': a count 0, 1, ... of events of one rate.
        * 'exponential': a number, not negative: a waiting time of one rate.
        * 'multinomial': a count; all columns of this kind are one bag of counts, as in
          :class:`MultinomialNB`.
        * 'auto': by dtype. Booleans are 'bernoulli'; strings, objects and categories
          'categorical'; numbers (integers too) 'gaussian', as are all columns of an array.

    alpha : float, default=1.0
        Additive smoothing, not negative: rows added to each category, to each outcome of a
        Bernoulli column, to each multinomial count; and for a Poisson or exponential column the
        number of rows of the column's overall mean that are added to each class.

    var_smoothing : float, default=1e-9
        Share of a Gaussian column's own variance over all classes (log-normal: of the logarithm's)
        that is added to its variances.

    binarize : float or None, default=0.0
        A cell above it counts as yes. None: cells are 0 or 1 already. For Bernoulli columns.

    priors : array-like of shape (n_classes,), default=None
        Prior probabilities of the classes, summing to 1. None: their (weighted) shares in the data.

    unseen : {'smooth', 'ignore', 'error'}, default='smooth'
        What a category that `fit` did not see means in predictions: one seen zero times, a cell
        that is left out, or an error.

    class_weight : dict, 'balanced' or None, default=None
        Factor of the weights of each class' rows, {class: factor}; classes not named have 1.
        'balanced' gives all classes the same total weight.

    missing : {'error', 'ignore'}, default='error'
        What NaN means: an error, or a cell that is left out. In `fit` and in predictions; None and
        NA are missing too.

    Attributes
    ----------
    kinds_ : ndarray of shape (n_features,) of str
        Kind of each column.

    categories_ : list of n_features lists or None
        Sorted categories of each categorical column, None for others.

    feature_params_ : list of n_features dicts
        Fitted parameters of each column, arrays with a number for each class: 'mean' and 'var'
        (Gaussian; of the logarithm for log-normal), 'prob' (Bernoulli), 'rate' (Poisson: events a
        row; exponential: 1 / mean), 'log_prob' (multinomial; categorical: (n_classes,
        n_categories)) and 'log_prob_unseen' (categorical).

    class_count_ : ndarray of shape (n_classes,)
        Weight of the rows of each class.

    class_prior_ : ndarray of shape (n_classes,)
        Prior probability of each class.

    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    GaussianNB, MultinomialNB, BernoulliNB, CategoricalNB : All columns of one kind.

    Notes
    -----
    Joint log-probabilities are complete densities, but for the multinomial coefficient, which is
    the same for all classes. Smoothing Gaussian columns by their own variance makes posteriors
    independent of the columns' units.

    References
    ----------
    Hastie, T., Tibshirani, R. and Friedman, J. "The Elements of Statistical Learning", section
    6.6.3. Springer, 2009.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_extra_ml.naive_bayes import MixedNB
    >>> X = pd.DataFrame(
    ...     {
    ...         "weight": [3.9, 4.4, 25.0, 31.0],
    ...         "color": ["grey", "black", "black", "brown"],
    ...         "barks": [False, False, True, True],
    ...     }
    ... )
    >>> model = MixedNB().fit(X, ["cat", "cat", "dog", "dog"])
    >>> model.kinds_
    array(['gaussian', 'categorical', 'bernoulli'], dtype='<U11')
    >>> model.predict(pd.DataFrame({"weight": [5.0], "color": ["white"], "barks": [False]}))
    array(['cat'], dtype='<U3')
    """

    _parameter_constraints: dict = {
        **BaseNaiveBayes._shared_constraints,
        "class_weight": BaseNaiveBayes._class_weight_constraint,
        "kinds": [StrOptions({"auto", *KINDS}), dict, "array-like"],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "var_smoothing": [Interval(Real, 0, None, closed="left")],
        "binarize": [None, Real],
        "priors": ["array-like", None],
        "unseen": [StrOptions({"smooth", "ignore", "error"})],
    }

    _counted_by = ("missing", "binarize", "kinds_")

    def __init__(
        self,
        kinds="auto",
        *,
        alpha=1.0,
        var_smoothing=1e-9,
        binarize=0.0,
        priors=None,
        unseen="smooth",
        class_weight=None,
        missing="error",
    ):
        self.kinds = kinds
        self.alpha = alpha
        self.var_smoothing = var_smoothing
        self.binarize = binarize
        self.priors = priors
        self.unseen = unseen
        self.class_weight = class_weight
        self.missing = missing

    def _check_rows(self, X, y="no_validation", *, reset):
        return check_columns(self, X, y, reset=reset)

    def _reader(self, X, kinds):
        return Reader(X, kinds, Groups.of(kinds), self.binarize, self.missing == "ignore")

    def _learn(self, statistics, X, codes, weight, n_threads, n_classes):
        kinds = resolve_kinds(self.kinds, X) if statistics is None else self.kinds_
        reader = self._reader(X, kinds)
        if statistics is None:
            statistics = MixedStatistics.zeros(reader.groups, n_classes)
        statistics = learn(statistics, reader, codes, weight, n_threads)
        self.kinds_ = kinds
        return statistics

    def _read(self, statistics, factor):
        prior = log_prior(self.priors, self.class_count_, sum_to_one=True)
        groups = Groups.of(self.kinds_)
        self.feature_params_ = read(
            statistics, factor, self.kinds_, groups, self.alpha, self.var_smoothing
        )
        self.categories_ = [None] * len(self.kinds_)
        for j, categories in zip(groups.categorical, statistics.categories, strict=True):
            self.categories_[j] = list(categories)
        self.class_prior_ = np.exp(prior)

    def _get_log_prior(self):
        with np.errstate(divide="ignore"):
            return np.log(self.class_prior_)

    def _form_of(self, X):
        reader = self._reader(X, self.kinds_)
        categories = [self.categories_[j] for j in reader.groups.categorical]
        return MixedForm(reader, self.feature_params_, categories, self.unseen, len(self.classes_))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
