"""Labels as numbers, class weights, class priors."""

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from .._core._labels import find_labels, number_labels
from .._core._validation import as_floats, bad_value

__all__ = ["check_classes", "class_weights", "encode_classes", "log_prior", "number_classes"]


def number_classes(y):
    """Return the sorted classes in `y` and the number of each row's class, int32.

    Raises `ValueError` for targets that are no classes (continuous ones).
    """
    if y.dtype.kind not in "iubUS":
        check_classification_targets(y)
    classes, codes = number_labels(y)
    if y.dtype.kind == "O":  # strings, as scikit-learn keeps them
        classes = np.array(classes.tolist())
    return classes, codes


def check_classes(classes, known):
    """Return the sorted `classes` of a first `partial_fit`, or `known` if they say the same."""
    if known is None and classes is None:
        raise ValueError(
            "`classes`=None on the first call to partial_fit. Allowed: all classes that any batch "
            "may hold. classes must be passed on the first call to partial_fit."
        )
    if known is None:
        return unique_labels(classes)
    if classes is not None and not np.array_equal(known, unique_labels(classes)):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )
    return known


def encode_classes(y, classes):
    """Return the number in `classes` (sorted) of each row's class, int32."""
    y = column_or_1d(y)
    if y.dtype.kind not in "iubUS":
        check_classification_targets(y)
    codes, unknown = find_labels(y, classes)
    if unknown.size:
        raise ValueError(
            f"The target label(s) {unknown} in y do not exist in the initial classes {classes}"
        )
    return codes


def class_weights(class_weight, classes, class_count, name="class_weight"):
    """Return the factor of each class: ones for None, a dict's values, or "balanced".

    "balanced": total / (number of classes with rows * rows of the class), weighted; so every
    class that has rows gets the same total.
    """
    factor = np.ones(len(classes))
    if class_weight is None:
        return factor
    if isinstance(class_weight, str):
        present = class_count > 0
        factor[present] = class_count.sum() / (present.sum() * class_count[present])
        return factor
    for label, weight in class_weight.items():
        at = np.flatnonzero(classes == label)
        if at.size == 0:
            raise bad_value(
                name,
                class_weight,
                f"names the class {label!r}, which is not among the classes",
                f"keys among {classes.tolist()}",
                "Remove it or correct its type.",
            )
        if not 0 <= weight < np.inf:
            raise bad_value(
                name,
                class_weight,
                f"gives the class {label!r} the weight {weight!r}",
                "finite weights, not negative",
                "Correct it.",
            )
        factor[at] = weight
    return factor


def log_prior(priors, class_count, *, fit_prior=True, sum_to_one=False):
    """Return the log-prior of each class: given, learnt from the weighted counts, or uniform.

    With `sum_to_one` priors given must sum to one; else they are taken as they are.
    """
    n_classes = len(class_count)
    if priors is not None:
        given, priors = priors, as_floats(priors)
        if priors.shape != (n_classes,):
            raise ValueError(
                f"Number of priors must match number of classes. Got {given!r}. Allowed: "
                f"{n_classes} numbers, in the order of `classes_`."
            )
        if sum_to_one and not np.isclose(priors.sum(), 1.0):
            raise ValueError(
                f"The sum of the priors should be 1. It is {priors.sum():.6g}: divide them by it."
            )
        if not (priors >= 0).all() or not 0 < priors.sum() < np.inf:
            raise ValueError(
                f"Priors must be non-negative, finite and not all zero. Got {given!r}."
            )
    elif not fit_prior:
        return np.full(n_classes, -np.log(n_classes))
    elif not class_count.sum() > 0:
        raise ValueError(
            "Every class has a total weight of zero. Allowed: at least one class of positive "
            "weight. Correct `sample_weight` or `class_weight`."
        )
    with np.errstate(divide="ignore"):
        if priors is not None:
            return np.log(priors)
        return np.log(class_count) - np.log(class_count.sum())
