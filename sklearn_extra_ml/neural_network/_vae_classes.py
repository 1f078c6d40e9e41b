"""The classes that the decoder of a VAE is told: whether, which, and their numbers."""

import numpy as np
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from .._core._validation import bad_value


def wants_classes(y, conditional):
    """Whether the decoder is to be told the classes `y`."""
    if conditional is False or y is None:
        if conditional is True:
            raise bad_value(
                "conditional", True, "needs classes, and y is None", "y of classes", "Pass `y`."
            )
        return False
    kind = type_of_target(y, input_name="y")
    if kind in ("binary", "multiclass"):
        return True
    if conditional is True:
        raise bad_value(
            "conditional", True, f"does not go with a {kind} y", "classes", "Pass labels."
        )
    return False


def learn_classes(y, classes=None):
    """Return the classes, by default those of the labels `y`, and the logs of their shares."""
    classes = np.unique(y if classes is None else classes)
    counts = np.array([np.sum(y == c) for c in classes], dtype=np.float64)
    return classes, np.log(np.maximum(counts, 0.5) / np.maximum(counts, 0.5).sum())


def class_numbers(y, classes):
    """Return the number of each label among the classes, int64."""
    numbers = np.searchsorted(classes, y)
    numbers = np.minimum(numbers, len(classes) - 1)
    unknown = classes[numbers] != y
    if np.any(unknown):
        raise ValueError(
            f"`y` holds {np.asarray(y)[unknown].tolist()[0]!r}, which was not seen in `fit`. "
            f"Allowed: {classes.tolist()}."
        )
    return numbers.astype(np.int64)


def class_numbers_of_rows(y, classes, n):
    """Return class numbers for `y`, one class or one for each of n rows; None without."""
    if y is None:
        return None
    if classes is None:
        raise ValueError(
            f"`y`={y!r} was given, but the model was fitted without classes. Allowed: None. Fit "
            "with `y` to sample by class."
        )
    y = np.full(n, y) if np.ndim(y) == 0 else column_or_1d(y)
    if len(y) != n:
        raise ValueError(f"`y` has {len(y)} entries for {n} rows. Allowed: one, or {n}.")
    return class_numbers(y, classes)
