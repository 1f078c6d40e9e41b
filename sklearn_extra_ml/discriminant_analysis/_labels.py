"""Class labels to codes, quickly where labels are integers close together."""

import numpy as np


def encode_labels(y):
    """Return the distinct labels, sorted, and the index of each row's label among them (int32)."""
    if y.dtype.kind in "iub" and len(y):
        low, span = y.min(), int(y.max()) - int(y.min())
        if span < max(4 * len(y), 1024) and span < 2**31:
            wide = y if y.dtype.kind == "u" else y.astype(np.int64)
            shifted = (wide - low.astype(wide.dtype)).astype(np.intp)
            present = np.zeros(span + 1, bool)
            present[shifted] = True
            table = np.cumsum(present, dtype=np.int32) - np.int32(1)
            # Sums in the dtype of y may wrap on the way, and are right at the end.
            return np.flatnonzero(present).astype(y.dtype) + low, table[shifted]
    classes, codes = np.unique(y, return_inverse=True)
    return classes, codes.astype(np.int32)


def encode_known_labels(y, classes):
    """Return the index of each label among the sorted `classes` (int32), or raise `ValueError`."""
    found, codes = encode_labels(y)
    place = np.minimum(np.searchsorted(classes, found), len(classes) - 1)
    unknown = found[classes[place] != found]
    if len(unknown):
        raise ValueError(
            f"`y` holds {unknown[:5].tolist()}, not among the classes {classes[:20].tolist()}. "
            "Allowed: labels of the `classes` given to fit or to the first partial_fit."
        )
    return place.astype(np.int32)[codes]
