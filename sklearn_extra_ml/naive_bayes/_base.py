"""What all naive Bayes classifiers share: labels, weights, batches, and from joint to posterior."""

from abc import ABCMeta, abstractmethod

import numpy as np
import scipy.sparse as sp
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core._merge import check_mergeable
from .._core._threads import threads_for_rows
from .._core._validation import StrOptions, check_sample_weight, fit_context
from .._native._naive_bayes_fit import wrong_values
from .._native._naive_bayes_predict import best_classes, normalise
from ._chunks import NO_WEIGHTS, chunks_of, prepared, refuse_wrong
from ._classes import check_classes, class_weights, encode_classes, number_classes
from ._statistics import class_mass

__all__ = ["BaseNaiveBayes", "check_numeric"]


class BaseNaiveBayes(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Fit, `partial_fit` and the predictions; subclasses say what is counted and how it is read.

    Raw statistics are all that batches add up in. Smoothing, class weights and priors enter when
    they are read, in `_read`, so the order and size of batches leave no trace.
    """

    # What subclasses share of `_parameter_constraints`.
    _shared_constraints: dict = {"missing": [StrOptions({"error", "ignore"})]}
    _class_weight_constraint: list = [dict, StrOptions({"balanced"}), None]

    _counted_by: tuple = ("missing",)  # what must be equal where models are merged

    _allow_negative = True  # whether `fit` takes negative numbers

    # The name of the parameter that weighs classes. Where X may not be negative it is plural:
    # scikit-learn's check of `class_weight` fits negative numbers and would have to fail.
    _class_weight_name = "class_weight"

    # What a subclass has to say.

    @abstractmethod
    def _check_rows(self, X, y="no_validation", *, reset):
        """Return X (and y, if given) validated; the kernels look for NaN and infinity."""

    @abstractmethod
    def _learn(self, statistics, X, codes, weight, n_threads, n_classes):
        """Return `statistics` (None: nothing yet) and the rows together, as a new record."""

    @abstractmethod
    def _read(self, statistics, factor):
        """Set the public attributes from raw statistics and the factor of each class."""

    @abstractmethod
    def _form_of(self, X):
        """Return an object whose ``add`` gives the log-densities of the rows `X`; see `_forms`."""

    @abstractmethod
    def _get_log_prior(self):
        """Return the log-prior of each class, (n_classes,)."""

    # Fitting.

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from. Which containers and values are allowed is told at the class.

        y : array-like of shape (n_samples,)
            Class of each row: numbers or strings.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative; weight m equals m copies of the row. None: ones.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `X` is empty or holds values that the model does not allow; if `y` is continuous; if
            weights or priors are negative, of another length, or all zero.
        """
        X, y = self._check_rows(X, y, reset=True)
        classes, codes = number_classes(column_or_1d(y))
        return self._update(None, X, classes, codes, sample_weight)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Add one batch of rows.

        Batches of any size in any order give what one `fit` on all rows gives: counts exactly,
        means and variances up to rounding.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The batch.

        y : array-like of shape (n_samples,)
            Class of each row.

        classes : array-like of shape (n_classes,), default=None
            All classes that any batch may hold. Required in the first call without a `fit` before
            it; in later calls None or the same.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, not negative. None: ones.

        Returns
        -------
        self : object
            The updated estimator.

        Raises
        ------
        ValueError
            As in `fit`, and if a label is not among the classes. The model is then left as it was.
        """
        first = not self.__sklearn_is_fitted__()
        known = None if first else self.classes_
        classes = check_classes(classes, known)
        X, y = self._check_rows(X, y, reset=first)
        codes = encode_classes(y, classes)
        return self._update(
            None if first else self._statistics, X, classes, codes, sample_weight, first=first
        )

    def _update(self, statistics, X, classes, codes, sample_weight, *, first=True):
        """Learn from the rows, and read the statistics anew."""
        weight = NO_WEIGHTS
        if sample_weight is not None:
            weight = check_sample_weight(sample_weight, codes, keep_dtype=True).astype(
                np.float64, copy=False
            )
        count = class_mass(codes, weight, len(classes))
        if not first:
            count += self._class_mass
        n_threads = threads_for_rows(len(codes))
        return self._set(
            classes,
            count,
            lambda: self._learn(statistics, prepared(X), codes, weight, n_threads, len(classes)),
        )

    def _set(self, classes, count, learn):
        """Read what `learn` returns; nothing changes if that, or the weighing of classes, fails."""
        name = self._class_weight_name
        factor = class_weights(getattr(self, name), classes, count, name)
        statistics = learn()
        self.classes_ = classes
        self.class_count_ = count * factor
        self._class_mass = count
        self._read(statistics, factor)
        self._statistics = statistics
        return self

    def merge(self, other):
        """Add what another model has learnt from other rows.

        For rows that lie in several files, processes or places: fit a model to each part by
        `partial_fit` with the same `classes`, and merge the models, in any order. The result is what
        one `fit` on all rows gives: counts exactly, means and variances up to rounding.

        Parameters
        ----------
        other : estimator of the same class
            Fitted to the same columns and classes, with the same parameters as far as they decide
            what is counted. It is left as it is.

        Returns
        -------
        self : object
            The updated estimator. Smoothing, priors and class weights are its own.

        Raises
        ------
        TypeError
            If `other` is of another class.
        ValueError
            If it was fitted to other columns or classes, or counts otherwise. The model is then left
            as it was.
        """
        check_mergeable(self, other, self._counted_by)
        count = self._class_mass + other._class_mass
        return self._set(self.classes_, count, lambda: self._statistics.merged(other._statistics))

    # Predictions.

    def _blocks(self, X):
        """Yield (first, last, joint log-densities) of consecutive rows."""
        X = prepared(X)
        form, log_prior = self._form_of(X), self._get_log_prior()
        n_threads = threads_for_rows(X.shape[0])
        buffer = None
        for first, last in chunks_of(X, len(log_prior)):
            if buffer is None or len(buffer) < last - first:
                buffer = np.empty((last - first, len(log_prior)))
            joint = buffer[: last - first]
            joint[:] = log_prior
            wrong = form.add(X, first, last, joint, n_threads)
            if wrong:
                refuse_wrong(wrong, X[first:last], self, allow_nan=self.missing == "ignore")
            yield first, last, joint

    def _joint(self, X):
        check_is_fitted(self)
        X = self._check_rows(X, reset=False)
        out = np.empty((X.shape[0], len(self.classes_)))
        for first, last, joint in self._blocks(X):
            out[first:last] = joint
        return out

    def predict(self, X):
        """Return the most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The classes. Of equally probable ones the first in `classes_`; the one of largest prior
            for a row that no class allows.
        """
        check_is_fitted(self)
        X = self._check_rows(X, reset=False)
        best = np.empty(X.shape[0], dtype=np.int32)
        log_prior, n_threads = self._get_log_prior(), threads_for_rows(X.shape[0])
        for first, last, joint in self._blocks(X):
            best_classes(joint, log_prior, best[first:last], n_threads)
        return self.classes_[best]

    def _posterior(self, X, *, exponentiate):
        joint = self._joint(X)
        normalise(joint, self._get_log_prior(), exponentiate, threads_for_rows(len(joint)))
        return joint

    def predict_proba(self, X):
        """Return the posterior probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, columns in the order of `classes_`. A row that no class allows gets the
            prior; probabilities are never NaN.
        """
        return self._posterior(X, exponentiate=True)

    def predict_log_proba(self, X):
        """Return the logarithm of the posterior probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of probabilities, columns in the order of `classes_`.
        """
        return self._posterior(X, exponentiate=False)

    def predict_joint_log_proba(self, X):
        """Return log P(x, y) = log P(y) + log P(x | y) for each row x and class y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        joint : ndarray of shape (n_samples, n_classes)
            Joint log-probabilities (or log-densities), columns in the order of `classes_`; -inf
            where a class does not allow the row.
        """
        return self._joint(X)

    def transform(self, X):
        """Return the joint log-likelihood of each row and class, as features for another model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        joint : ndarray of shape (n_samples, n_classes)
            What :meth:`predict_joint_log_proba` returns.
        """
        return self._joint(X)

    @property
    def _n_features_out(self):
        return len(self.classes_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "classes_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "ignore"
        return tags


def check_numeric(estimator, X, y, *, reset):
    """Validate rows of float32 or float64. The kernels look for what is wrong in dense ones."""
    options = dict(accept_sparse="csr", dtype=[np.float64, np.float32], reset=reset)
    missing = estimator.missing == "ignore"
    checked = validate_data(estimator, X, y, ensure_all_finite=False, **options)
    rows = checked[0] if isinstance(checked, tuple) else checked
    if sp.issparse(rows):
        wrong = wrong_values(rows.data, missing, threads_for_rows(rows.nnz))
        negative = estimator._allow_negative or not isinstance(checked, tuple)
        refuse_wrong(wrong, rows.data, estimator, allow_nan=missing, allow_negative=negative)
    return checked
