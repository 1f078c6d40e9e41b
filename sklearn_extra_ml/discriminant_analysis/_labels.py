"""Class labels to codes, quickly where labels are integers close together."""

import numpy as np


def encode_labels(y):
    """Return the distinct labels, sorted, and the index of each row's label among them (int32)."""
    if y.dtype.kind in "iub" and len(y):
        low, high = int(y.min()), int(y.max())
        if high - low < max(4 * len(y), 1024) and high - low < 2**31:
            shifted = y.astype(np.intp) - low
            present = np.zeros(high - low + 1, bool)
            present[shifted] = True
            table = np.cumsum(present, dtype=np.int32) - 1
            classes = (np.flatnonzero(present) + low).astype(y.dtype)
            return classes, table[shifted].astype(np.int32, copy=False)
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
