"""Class labels as numbers, quickly where labels are whole numbers close together."""

import numpy as np

__all__ = ["find_labels", "number_labels"]

_MOST_EXACT = 2.0**53  # whole numbers up to it are exact in double precision


def number_labels(y):
    """Return the distinct labels, sorted, and the number of each row's label among them, int32."""
    found = None
    if y.dtype.kind in "iub" and y.size:
        found = _unique_integers(y.view(np.uint8) if y.dtype.kind == "b" else y)
    elif y.dtype.kind == "f" and y.size and np.abs(y).max() < _MOST_EXACT:
        whole = y.astype(np.int64)
        if np.array_equal(whole, y):
            found = _unique_integers(whole)
    labels, codes = np.unique(y, return_inverse=True) if found is None else found
    return labels.astype(y.dtype, copy=False), codes.astype(np.int32, copy=False)


def find_labels(y, classes):
    """Return the number of each row's label among the sorted `classes`, int32, and the others.

    The others are the distinct labels that are no classes; with any of them the numbers mean nothing.
    """
    labels, codes = number_labels(y)
    others = labels[~np.isin(labels, classes)]
    return np.searchsorted(classes, labels).astype(np.int32)[codes], others


def _unique_integers(y):
    """Sorted distinct values and the number of each row's, by a table over their range.

    Returns None when the range is too wide for a table.
    """
    low, high = y.min(), y.max()
    if float(high) - float(low) > max(1000.0, 4.0 * y.size):
        return None
    narrow = y.dtype.itemsize < 8  # its differences may not fit its own type
    shifted = y.astype(np.int64) - int(low) if narrow else y - low
    shifted = shifted.astype(np.intp, copy=False)
    seen = np.bincount(shifted, minlength=int(high) - int(low) + 1) > 0
    number = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    # sums in the type of y may wrap on the way, and are right at the end
    return np.flatnonzero(seen).astype(y.dtype) + low, number[shifted]
