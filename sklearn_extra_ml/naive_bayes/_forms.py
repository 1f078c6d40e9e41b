"""Log-densities of rows in the two forms that the kernels know, and tables of categories.

A form is made once from fitted parameters; ``add(X, first, last, joint, n_threads)`` adds the
log-densities of those rows to `joint` (n_rows, n_classes). It returns what is wrong with the rows,
as bits of `refuse_wrong`.
"""

from functools import cached_property

import numpy as np

from .._core._rows import SparseRows
from .._native import _naive_bayes_predict as kernels
from ._chunks import NO_LINES, slice_of

__all__ = ["CategoryTable", "GaussianForm", "LinearForm"]


LANES = 4  # of a vector of classes in the kernel for sparse rows


def padded(values):
    """Zeros after the last class, up to a whole number of vectors."""
    return np.pad(values, (0, -len(values) % LANES))


def by_feature(values):
    """(n_classes, n_features) transposed, padded as `padded`."""
    n_classes, n_features = values.shape
    lines = np.zeros((n_features, n_classes + -n_classes % LANES))
    lines[:, :n_classes] = values.T
    return lines


class GaussianForm:
    """Independent Gaussians: means `mean` and variances `var`, both (n_classes, n_features)."""

    def __init__(self, mean, var, *, missing):
        self.mean = np.ascontiguousarray(mean, dtype=np.float64)
        self.var = np.asarray(var, dtype=np.float64)
        self.missing = missing
        self.constant = np.log(2.0 * np.pi * self.var)
        self.scale = 1.0 / np.sqrt(self.var)
        self.base = np.zeros(len(self.mean)) if missing else -0.5 * self.constant.sum(axis=1)

    def add(self, X, first, last, joint, n_threads):
        if isinstance(X, SparseRows):
            kernels.add_sparse_densities(
                *(X.data, X.indices, X.indptr, first, last, *self.by_feature),
                *(False, 0.0, joint, n_threads),
            )
            return 0
        return kernels.add_densities(
            *(slice_of(X, first, last), self.mean, self.scale, self.constant, self.base),
            *(False, 0.0, self.missing, joint, n_threads),
        )

    @cached_property
    def by_feature(self):
        """-(x - m)^2 / 2 v = -m^2 / 2 v + x (m / v - x / 2 v): a zero costs nothing."""
        of_zero = -0.5 * (self.constant + (self.mean * self.scale) ** 2)
        parts = self.mean / self.var, 0.5 / self.var, -of_zero
        return *(by_feature(part) for part in parts), padded(of_zero.sum(axis=1))


class Line:
    """x weight + constant for each cell, both (n_classes, n_features); constant None: 0."""

    def __init__(self, weight, constant, missing):
        self.weight, self.constant = np.ascontiguousarray(weight, dtype=np.float64), constant
        everything = np.zeros(len(weight)) if constant is None else constant.sum(axis=1)
        # Seen cells add their constant one by one where cells may be missing.
        self.base = np.zeros(len(weight)) if missing else everything
        self.cells = NO_LINES
        if missing:
            self.cells = np.zeros_like(self.weight)
            self.cells += 0.0 if constant is None else constant
        self.everything = everything

    @cached_property
    def by_feature(self):
        """What sparse rows need: weight and what a missing cell takes back, (n_features, n_classes)."""
        absent = NO_LINES if self.constant is None else by_feature(-self.constant)
        return by_feature(self.weight), NO_LINES, absent, padded(self.everything)


class LinearForm:
    """x present + (1 - x) absent, or x present: both (n_classes, n_features), -inf allowed.

    A cell x > 0 (with `binary`, x > `threshold`) is impossible in a class where `present` is
    -inf, and a cell of 0 where `absent` is; everything else is a product with finite weights, for
    0 times infinity is no number.
    """

    def __init__(self, present, absent=None, *, missing, binary=False, threshold=0.0):
        self.missing = missing
        self.binary, self.threshold = binary, threshold
        never = np.isneginf(present)
        always = None if absent is None else np.isneginf(absent)
        self.impossible = None
        if never.any() or (always is not None and always.any()):
            present = np.where(never, 0.0, present)
            if always is None:
                self.impossible = Line(never.astype(np.float64), None, missing)
            else:
                absent = np.where(always, 0.0, absent)
                always = always.astype(np.float64)
                self.impossible = Line(never - always, always, missing)
        self.line = Line(present if absent is None else present - absent, absent, missing)

    def add(self, X, first, last, joint, n_threads):
        wrong = self._add(self.line, X, first, last, self.binary, joint, n_threads)
        if self.impossible is not None:
            count = np.zeros_like(joint)
            self._add(self.impossible, X, first, last, True, count, n_threads)
            joint[count > 0.5] = -np.inf
        return wrong

    def _add(self, line, X, first, last, binary, joint, n_threads):
        if isinstance(X, SparseRows):
            kernels.add_sparse_densities(
                *(X.data, X.indices, X.indptr, first, last, *line.by_feature),
                *(binary, self.threshold, joint, n_threads),
            )
            return 0
        return kernels.add_densities(
            *(slice_of(X, first, last), line.weight, NO_LINES, line.cells, line.base),
            *(binary, self.threshold, self.missing, joint, n_threads),
        )


class CategoryTable:
    """Log-probabilities of the categories of each column, one (n_classes, n_categories) each.

    unseen : list of arrays (n_classes,)
        What a category beyond those adds.
    """

    def __init__(self, log_prob, unseen):
        sizes = [p.shape[1] for p in log_prob]
        self.sizes = np.asarray(sizes, dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes + 1)]).astype(np.intp)
        lines = [line for p, u in zip(log_prob, unseen, strict=True) for line in (p.T, u[None])]
        self.table = np.ascontiguousarray(np.concatenate(lines), dtype=np.float64)

    def add(self, X, first, last, joint, n_threads):
        """Return the number of cells with an unseen category."""
        rows = slice_of(X, first, last)
        return kernels.add_categories(rows, self.offsets, self.table, joint, n_threads)

    def first_unseen(self, X):
        """Row, column and code of the first unseen category of codes `X`."""
        row, column = np.argwhere(X >= self.sizes)[0]
        return row, column, int(X[row, column])
