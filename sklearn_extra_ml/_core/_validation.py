"""The one door to scikit-learn's private names, and how our own errors read.

An upstream release that moves a private name changes this file and no other
(`tests/test_architecture.py` holds the rest of the package to that).
"""

import sys
import warnings

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.metrics.pairwise import _VALID_METRICS as pairwise_metrics
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    Options,
    RealNotInt,
    StrOptions,
    validate_params,
)
from sklearn.utils.metadata_routing import _raise_for_params
from sklearn.utils.validation import (
    _check_method_params,
    _check_sample_weight,
    _is_arraylike_not_scalar,
)

__all__ = [
    "HasMethods",
    "Hidden",
    "Interval",
    "Options",
    "RealNotInt",
    "StrOptions",
    "as_floats",
    "bad_value",
    "check_method_params",
    "check_sample_weight",
    "fit_context",
    "has_callbacks",
    "is_array_like",
    "pairwise_metrics",
    "raise_for_params",
    "safe_indexing",
    "validate_params",
    "warn",
]

is_array_like = _is_arraylike_not_scalar
check_method_params = _check_method_params
raise_for_params = _raise_for_params
safe_indexing = _safe_indexing


def bad_value(name, value, problem, allowed, fix):
    """Return the `ValueError` for a parameter: what was given, what is allowed, how to fix it.

    Examples
    --------
    >>> from sklearn_extra_ml._core._validation import bad_value
    >>> print(bad_value("n_clusters", 9, "is larger than n_samples=5", "1 to 5", "Lower it."))
    `n_clusters`=9 is larger than n_samples=5. Allowed: 1 to 5. Lower it.
    """
    return ValueError(f"`{name}`={value!r} {problem}. Allowed: {allowed}. {fix}")


def as_floats(values):
    """Return an array-like as float64, an empty array for what holds no numbers (such as a dict)."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.empty(0)


def check_sample_weight(sample_weight, X, *, allow_negative=False, keep_dtype=False):
    """Return `sample_weight` as a contiguous array of `X`'s dtype, ones for None.

    With `keep_dtype` float32 and float64 weights stay what they are, whatever `X` is.

    Raises `ValueError` for the wrong length, for NaN or infinity, for negative weights (unless
    allowed), when every weight is zero, for there is nothing to fit then, and when they are so large
    that their sum is infinite.
    """
    weights = _check_sample_weight(
        sample_weight,
        X,
        dtype=None if keep_dtype else X.dtype,
        ensure_non_negative=not allow_negative,
    )
    with np.errstate(over="ignore"):
        total = weights.sum(dtype=np.float64)
    if not np.isfinite(total):
        raise ValueError(
            f"The sum of `sample_weight` is infinite: its largest entry is {weights.max():.3g}. "
            "Allowed: weights whose sum is a number. Divide them by the largest."
        )
    return weights


def has_callbacks(estimator):
    """Whether `estimator` was given scikit-learn callbacks, itself or by a meta-estimator."""
    return bool(getattr(estimator, "_skl_callbacks", None))


def warn(message, category=UserWarning):
    """Warn of the caller's line: the first one that is neither ours nor scikit-learn's."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_inner(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_inner(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0] in ("sklearn", "sklearn_extra_ml")
