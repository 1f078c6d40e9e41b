"""What the classifiers of counts and categories share: smoothing, priors, feature counts."""

import warnings
from numbers import Real

import numpy as np

from .._core._validation import Interval
from ._base import BaseNaiveBayes, check_numeric
from ._chunks import refuse_wrong
from ._classes import log_prior
from ._statistics import Sums, add_sums, copied

__all__ = ["BaseCounts", "BaseDiscrete", "safe_log"]

SMALLEST_ALPHA = 1e-10


def safe_log(x, out=None):
    """Logarithm with -inf for 0 and no warning."""
    with np.errstate(divide="ignore"):
        return np.log(x, out=out)


class BaseDiscrete(BaseNaiveBayes):
    """Additive smoothing and the priors of scikit-learn's classifiers of counts."""

    _parameter_constraints: dict = {
        **BaseNaiveBayes._shared_constraints,
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "force_alpha": ["boolean"],
        "fit_prior": ["boolean"],
        "class_prior": ["array-like", None],
    }

    def _smoothing(self):
        """Return alpha, a number or an array of shape (n_features,), checked."""
        alpha = self.alpha
        if not isinstance(alpha, Real):
            alpha = np.asarray(alpha, dtype=np.float64)
            if alpha.shape != (self.n_features_in_,):
                raise ValueError(
                    "When alpha is an array, it should contains `n_features`. Got "
                    f"{alpha.shape[0] if alpha.ndim else 1} elements instead of "
                    f"{self.n_features_in_}."
                )
            if not (alpha >= 0).all():
                raise ValueError("All values in alpha must be greater than 0.")
        if not self.force_alpha and np.min(alpha) < SMALLEST_ALPHA:
            warnings.warn(
                "alpha too small will result in numeric errors, setting alpha = "
                f"{SMALLEST_ALPHA:.1e}. Use `force_alpha=True` to keep alpha unchanged.",
                stacklevel=2,
            )
            return np.maximum(alpha, SMALLEST_ALPHA)
        return alpha

    def _read_prior(self):
        self.class_log_prior_ = log_prior(
            self.class_prior, self.class_count_, fit_prior=self.fit_prior
        )

    def _get_log_prior(self):
        return np.asarray(self.class_log_prior_, dtype=np.float64)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class BaseCounts(BaseDiscrete):
    """Sums of the columns by class, of dense or sparse rows."""

    _binary = False  # whether (X > threshold) is counted
    _threshold = 0.0
    _allow_negative = False

    def _check_rows(self, X, y="no_validation", *, reset):
        return check_numeric(self, X, y, reset=reset)

    def _learn(self, statistics, X, codes, weight, n_threads, n_classes):
        missing = self.missing == "ignore"
        if statistics is None:
            statistics = Sums.zeros(n_classes, X.shape[1])
        else:
            statistics = copied(statistics)
        if missing:
            statistics = statistics.by_cell()
        wrong = add_sums(
            *(statistics, X, codes, weight, missing, n_threads),
            binary=self._binary,
            threshold=self._threshold,
        )
        for bits, rows in wrong:
            refuse_wrong(bits, rows, self, allow_nan=missing, allow_negative=self._allow_negative)
        return statistics

    def _read(self, statistics, factor):
        alpha = self._smoothing()
        self._read_prior()
        self.feature_count_ = statistics.total * factor[:, None]
        self._read_features(alpha, statistics.mass * factor[:, None])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = not self._allow_negative
        return tags
