"""Log-densities of rows in the two forms that the kernels know, and tables of categories.

A form is made once from fitted parameters; ``add(X, first, last, joint, n_threads)`` adds the
log-densities of those rows to `joint` (n_rows, n_classes). It returns what is wrong with the rows,
as bits of `refuse_wrong`.
"""

import numpy as np

from .._core._rows import SparseRows
from .._native import _naive_bayes_predict as kernels
from ._chunks import NO_LINES, slice_of

__all__ = ["CategoryTable", "GaussianForm", "LinearForm"]


class GaussianForm:
    """Independent Gaussians: means `mean` and variances `var`, both (n_classes, n_features)."""

    def __init__(self, mean, var, *, missing):
        self.mean = np.ascontiguousarray(mean, dtype=np.float64)
        self.var = np.asarray(var, dtype=np.float64)
        self.missing = missing
        self.constant = np.log(2.0 * np.pi * self.var)
        self.scale = 1.0 / np.sqrt(self.var)
        base = np.zeros(len(self.mean)) if missing else -0.5 * self.constant.sum(axis=1)
        self.base = base

    def add(self, X, first, last, joint, n_threads):
        if isinstance(X, SparseRows):
            self._add_sparse(X, first, last, joint, n_threads)
            return 0
        return kernels.add_densities(
            *(slice_of(X, first, last), self.mean, self.scale, self.constant, self.base),
            *(False, 0.0, self.missing, joint, n_threads),
        )

    def _add_sparse(self, X, first, last, joint, n_threads):
        """-(x - m)^2 / 2 v = -m^2 / 2 v + x (m / v - x / 2 v): a zero costs nothing."""
        of_zero = -0.5 * (self.constant + (self.mean * self.scale) ** 2)
        kernels.add_sparse_densities(
            *(X.data, X.indices, X.indptr, first, last),
            np.ascontiguousarray((self.mean / self.var).T),
            np.ascontiguousarray((0.5 / self.var).T),
            np.ascontiguousarray(-of_zero.T),
            of_zero.sum(axis=1),
            *(False, 0.0, joint, n_threads),
        )


class LinearForm:
    """x present + (1 - x) absent, or x present: both (n_classes, n_features), -inf allowed.

    A cell x > 0 (with `binary`, x > `threshold`) is impossible in a class where `present` is
    -inf, and a cell of 0 where `absent` is; everything else is a product with finite weights, for
    0 times infinity is no number.
    """

    def __init__(self, present, absent=None, *, missing, binary=False, threshold=0.0):
        never, always = present == -np.inf, None
        present = np.where(never, 0.0, present)
        if absent is not None:
            always = absent == -np.inf
            absent = np.where(always, 0.0, absent)
        self.missing = missing
        self.binary, self.threshold = binary, threshold
        self.weight, self.constant, self.base = self._linear(present, absent)
        self.impossible = None
        if never.any() or (always is not None and always.any()):
            always = None if always is None else always.astype(np.float64)
            self.impossible = self._linear(never.astype(np.float64), always)

    def _linear(self, present, absent):
        """Weights, constant of each cell, constant of each row."""
        if absent is None:
            return np.ascontiguousarray(present), np.zeros_like(present), np.zeros(len(present))
        # Seen cells add their constant one by one where cells may be missing.
        base = np.zeros(len(present)) if self.missing else absent.sum(axis=1)
        return np.ascontiguousarray(present - absent), np.ascontiguousarray(absent), base

    def add(self, X, first, last, joint, n_threads):
        rows = X if isinstance(X, SparseRows) else slice_of(X, first, last)
        form = self.weight, self.constant, self.base
        wrong = self._add(rows, first, last, form, self.binary, joint, n_threads)
        if self.impossible is not None:
            count = np.zeros_like(joint)
            self._add(rows, first, last, self.impossible, True, count, n_threads)
            joint[count > 0.5] = -np.inf
        return wrong

    def _add(self, X, first, last, form, binary, joint, n_threads):
        weight, constant, base = form
        if not isinstance(X, SparseRows):
            return kernels.add_densities(
                *(X, weight, NO_LINES, constant, base, binary, self.threshold, self.missing),
                *(joint, n_threads),
            )
        kernels.add_sparse_densities(
            *(X.data, X.indices, X.indptr, first, last),
            np.ascontiguousarray(weight.T),
            NO_LINES,
            np.ascontiguousarray(-constant.T),
            constant.sum(axis=1),
            *(binary, self.threshold, joint, n_threads),
        )
        return 0


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
