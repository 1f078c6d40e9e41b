"""Raw statistics by class and column: they add up over batches and are smoothed when read.

A statistic is a record of arrays of shape (n_classes, n_features). The functions `add_...` change
the record in place; `copied` gives one that may be changed while the old one is still needed.

The diagonal statistics of `_core/_gaussian` are of complete rows: one weight a class. Cells that are
missing one by one need a weight each, and values relative to an origin of each cell keep more digits
where classes lie far apart, so the moments here have a kernel of their own.
"""

from typing import NamedTuple

import numpy as np

from .._core._rows import SparseRows
from .._native import _naive_bayes_fit as kernels
from ._chunks import NO_LINES, chunks_of, slice_of

__all__ = ["Moments", "Sums", "add_moments", "add_sums", "copied", "pooled_moments"]

VALUE, BINARY, STORED, DEVIATION = range(4)  # SEM_NB_... of sem_naive_bayes.h


class Moments(NamedTuple):
    """Weighted moments of each class and column.

    mass : weight of the cells seen.
    origin : a value seen in the cell, or NaN before there was one; means are relative to it.
    mean : weighted mean less the origin.
    m2 : weighted sum of squared deviations from the mean.
    """

    mass: np.ndarray
    origin: np.ndarray
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def zeros(cls, n_classes, n_features):
        shape = n_classes, n_features
        return cls(np.zeros(shape), np.full(shape, np.nan), np.zeros(shape), np.zeros(shape))

    def merged(self, other):
        """The moments of the rows of both, as a new record."""
        origin = np.where(np.isnan(self.origin), other.origin, self.origin)
        both = copied(self)._replace(origin=origin)
        mean = np.where(other.mass > 0, other.mean + (other.origin - origin), 0.0)
        merge_moments(both, other.mass, mean, other.m2)
        return both

    def center(self):
        """The means in the units of X; 0 where nothing was seen."""
        return np.where(self.mass > 0, np.nan_to_num(self.origin, nan=0.0) + self.mean, 0.0)


class Sums(NamedTuple):
    """Weighted sums of each class and column, and the weight of the cells seen.

    While no cell may be missing, all columns of a class have the same weight: `mass` is
    (n_classes, 1).
    """

    mass: np.ndarray
    total: np.ndarray

    @classmethod
    def zeros(cls, n_classes, n_features):
        return cls(np.zeros((n_classes, 1)), np.zeros((n_classes, n_features)))

    def merged(self, other):
        """The sums of the rows of both, as a new record."""
        return Sums(self.mass + other.mass, self.total + other.total)

    def by_cell(self):
        """The same record, with a mass for each cell."""
        return self._replace(mass=np.zeros_like(self.total) + self.mass)


def copied(statistics):
    """The same record with arrays of its own."""
    return type(statistics)(*(array.copy() for array in statistics))


def merge_moments(moments, mass, mean, m2):
    """Add moments about the same origin (Chan, Golub and LeVeque 1983)."""
    both = moments.mass + mass
    share = np.divide(mass, both, out=np.zeros_like(both), where=both > 0)
    delta = np.where(mass > 0, mean - moments.mean, 0.0)
    moments.m2[...] += m2 + delta * delta * moments.mass * share
    moments.mean[...] += delta * share
    moments.mass[...] = both


def class_mass(codes, weight, n_classes):
    """Total weight of the rows of each class."""
    return np.bincount(codes, None if weight.size == 0 else weight, n_classes).astype(np.float64)


def add_moments(moments, X, codes, weight, missing, n_threads):
    """Add the moments of rows `X` (dense or `SparseRows`), of classes `codes`.

    `weight` is empty for ones. With `missing`, NaN cells are skipped; without, they make the
    moments NaN, as infinite cells do in either case, and the caller has to look.
    """
    if isinstance(X, SparseRows):
        _add_sparse_moments(moments, X, codes, weight, n_threads)
        return
    for first, last in chunks_of(X):
        rows, of_rows = slice_of(X, first, last), codes[first:last]
        unknown = int(np.isnan(moments.origin).sum())
        if unknown:
            kernels.find_origins(rows, of_rows, moments.origin, unknown)
        kernels.add_moments(
            rows,
            of_rows,
            weight[first:last],
            np.nan_to_num(moments.origin, nan=0.0),
            missing,
            moments.mass,
            moments.mean,
            moments.m2,
            n_threads,
        )


def _add_sparse_moments(moments, X, codes, weight, n_threads):
    """Moments of the stored entries, merged with those of the zeros between them."""
    n_classes, n_features = moments.mass.shape
    moments.origin[np.isnan(moments.origin)] = 0.0
    for first, last in chunks_of(X):

        def sums(what, data, mean=NO_LINES, first=first, last=last):
            out = np.zeros((n_classes, n_features))
            kernels.add_sparse_sums(
                *(data, X.indices, X.indptr, first, last, codes, weight, what),
                *(0.0, mean, out, n_threads),
            )
            return out

        rows = class_mass(codes[first:last], weight[first:last], n_classes)
        stored = sums(STORED, X.data)
        mean = np.divide(sums(VALUE, X.data), stored, out=np.zeros_like(stored), where=stored > 0)
        m2 = sums(DEVIATION, X.data, mean)
        seen = np.zeros_like(stored) + rows[:, None] - _missing_mass(X, sums)
        zeros = np.maximum(seen - stored, 0.0)
        share = np.divide(stored, seen, out=np.zeros_like(seen), where=seen > 0)
        m2 += mean * mean * zeros * share
        merge_moments(moments, seen, mean * share - moments.origin, m2)


def _missing_mass(X, sums):
    """Weight of the stored entries that are NaN, by class and column; 0 for none."""
    absent = np.isnan(X.data)
    return sums(VALUE, absent.astype(np.float64)) if absent.any() else 0.0


def add_sums(sums, X, codes, weight, missing, n_threads, *, binary=False, threshold=0.0):
    """Add the sums of rows `X`, with `binary` those of (X > threshold).

    Returns what is wrong, as ``[(bits, chunk), ...]`` for `refuse_wrong`; sparse rows are taken
    as validated. The mass is kept by cell with `missing`, else by class.
    """
    n_classes = len(sums.total)
    wrong = []
    if not missing:
        sums.mass[...] += class_mass(codes, weight, n_classes)[:, None]
    if not isinstance(X, SparseRows):
        for first, last in chunks_of(X):
            rows = slice_of(X, first, last)
            bits = kernels.add_sums(
                *(rows, codes[first:last], weight[first:last], binary, threshold, missing),
                *(sums.total, sums.mass, n_threads),
            )
            if bits:
                wrong.append((bits, rows))
        return wrong
    for first, last in chunks_of(X):

        def add(what, data, out, first=first, last=last):
            kernels.add_sparse_sums(
                *(data, X.indices, X.indptr, first, last, codes, weight, what),
                *(threshold, NO_LINES, out, n_threads),
            )

        add(BINARY if binary else VALUE, X.data, sums.total)
        if missing:
            absent = np.isnan(X.data).astype(np.float64)
            lost = np.zeros_like(sums.mass)
            add(VALUE, absent, lost)
            rows = class_mass(codes[first:last], weight[first:last], n_classes)
            sums.mass[...] += rows[:, None] - lost
    return wrong


def pooled_moments(moments, factor):
    """Mass, mean and variance of each column over all classes, classes weighted by `factor`."""
    mass = moments.mass * factor[:, None]
    total = mass.sum(axis=0)
    seen = total > 0
    center = moments.center()
    # About a typical class mean, so that a large common offset does not cancel.
    anchor = center[mass.argmax(axis=0), np.arange(mass.shape[1])]
    shifted = center - anchor
    safe = np.where(seen, total, 1.0)
    mean = (mass * shifted).sum(axis=0) / safe
    spread = (moments.m2 * factor[:, None]).sum(axis=0)
    spread += (mass * (shifted - mean) ** 2).sum(axis=0)
    return total, anchor + mean, spread / safe
