"""Counts of categories by column and class, as the kernels want them: one line a category."""

from typing import NamedTuple

import numpy as np

from .._core._validation import bad_value
from .._native import _naive_bayes_fit as kernels
from ._chunks import NO_WEIGHTS, chunks_of, refuse_wrong, slice_of

__all__ = ["CategoryCounts", "add_codes", "category_log_prob", "largest_codes"]

MOST_CATEGORIES = 2**31


class CategoryCounts(NamedTuple):
    """Weight of each category.

    sizes : (n_features,) number of categories.
    lines : (sizes.sum(), n_classes) weights, the categories of a column one after the other.
    """

    sizes: np.ndarray
    lines: np.ndarray

    @classmethod
    def zeros(cls, sizes, n_classes):
        sizes = np.asarray(sizes, dtype=np.int64)
        return cls(sizes, np.zeros((int(sizes.sum()), n_classes)))

    @property
    def offsets(self):
        """The first line of each column, and the end."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.intp)

    def grown(self, sizes):
        """The same counts with room for more categories at the end of each column; a copy."""
        wider = CategoryCounts.zeros(np.maximum(self.sizes, sizes), self.lines.shape[1])
        for old, new, size in zip(self.offsets, wider.offsets, self.sizes, strict=False):
            wider.lines[new : new + size] = self.lines[old : old + size]
        return wider

    def merged(self, other):
        """The counts of the rows of both, as a new record."""
        both = self.grown(other.sizes)
        both.lines[...] += other.grown(both.sizes).lines
        return both

    def by_column(self):
        """List of (n_classes, n_categories) arrays, copies."""
        return [np.ascontiguousarray(part.T) for part in np.split(self.lines, self.offsets[1:-1])]


def largest_codes(X, estimator, n_threads, weight=NO_WEIGHTS):
    """The largest code of each column; codes below 0 (or NaN, unless ignored) are refused.

    Rows of weight 0 do not count, as if they were not there.
    """
    missing = estimator.missing == "ignore"
    largest = np.zeros(X.shape[1], dtype=np.int64)
    for first, last in chunks_of(X):
        rows = slice_of(X, first, last)
        if weight.size and not weight[first:last].all():
            rows = rows[weight[first:last] > 0]
        wrong = kernels.largest_codes(rows, largest, missing, n_threads)
        if wrong:
            refuse_wrong(wrong, rows, estimator, allow_nan=missing, allow_negative=False)
    if largest.max() >= MOST_CATEGORIES:
        column = int(largest.argmax())
        raise ValueError(
            f"`X` holds the category {largest[column]} in column {column}. Allowed: codes 0, 1, ... "
            f"below {MOST_CATEGORIES}; a count is kept for every code up to the largest. Number the "
            "categories with OrdinalEncoder."
        )
    return largest


def add_codes(counts, X, codes, weight, n_threads):
    """Add the categories of rows `X` to `counts`; NaN adds nothing."""
    offsets = counts.offsets[:-1]
    for first, last in chunks_of(X):
        kernels.add_category_counts(
            *(slice_of(X, first, last), codes[first:last], weight[first:last], offsets),
            *(counts.lines, n_threads),
        )


def category_log_prob(count, alpha):
    """Log-probabilities (n_classes, n_categories) of one column, and of an unseen category.

    An unseen category is one seen zero times: log(alpha / (n + alpha n_categories)). A class
    without any count, unsmoothed, says nothing: equal probabilities.
    """
    smoothed = count + alpha
    total = smoothed.sum(axis=1, keepdims=True)
    empty = total[:, 0] == 0
    smoothed[empty], total[empty] = 1.0, smoothed.shape[1]
    with np.errstate(divide="ignore"):
        log_prob = np.log(smoothed) - np.log(total)
        unseen = np.log(np.float64(alpha)) - np.log(total[:, 0])
    # Impossible in every class: it cannot tell them apart.
    return log_prob, unseen if alpha > 0 else np.zeros(len(count))


def sizes_at_least(sizes, min_categories):
    """`sizes` raised to `min_categories`, an int, an array-like (n_features,) or None."""
    if min_categories is None:
        return sizes
    given = np.asarray(min_categories)
    if not np.issubdtype(given.dtype, np.signedinteger):
        raise ValueError(f"'min_categories' should have integral type. Got {given.dtype} instead.")
    if given.ndim and given.shape != sizes.shape:
        raise ValueError(
            f"'min_categories' should have shape ({len(sizes)},) when an array-like is provided. "
            f"Got {given.shape} instead."
        )
    if (given < 0).any():
        raise bad_value(
            "min_categories",
            min_categories,
            "has negative entries",
            "numbers of categories, 0 or more",
            "Correct it.",
        )
    return np.maximum(sizes, given)
