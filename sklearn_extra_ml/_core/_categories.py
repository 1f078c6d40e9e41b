"""Values of columns of categories, which may be any Python objects: the missing ones, and an order."""

import numpy as np

__all__ = ["in_order", "is_missing", "missing_as_none"]


def is_missing(value):
    """Whether a value is None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    different = value != value  # NaN; pandas' NA answers NA
    return different is not False and different is not np.False_


def missing_as_none(values):
    """Return the values as an object array, None where they are missing."""
    out = np.empty(len(values), dtype=object)
    out[:] = [None if is_missing(value) else value for value in values]
    return out


def in_order(values):
    """Return the values sorted; those that do not compare by type and text."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: (type(value).__name__, str(value)))
