"""Rows as the kernels want them: dense and centred by a stored offset, or CSR."""

from typing import NamedTuple

import numpy as np

from .._native._k_means_assign import pack_blocks, simd_level
from .._native._k_means_update import column_moments
from .._native._seeding import hash_dense, hash_sparse, row_keys

__all__ = ["BLOCK", "SIMD_LEVEL", "DenseRows", "SparseRows", "coarse_offset", "moments"]

BLOCK = 64  # points of one transposed block (SEM_BLOCK in sem_k_means.h)
SIMD_LEVEL = simd_level()


class DenseRows(NamedTuple):
    """Rows of a C-contiguous array; kernels subtract `offset` as they read.

    `X` is never copied as a whole nor written to. `blocks` may hold the centred rows once more as
    transposed blocks, (n_blocks * 64 * n_features,), or be empty.
    """

    X: np.ndarray
    offset: np.ndarray
    blocks: np.ndarray

    @classmethod
    def of(cls, X, offset=None):
        """Rows of `X` less `offset` (default: zeros)."""
        offset = np.zeros(X.shape[1], X.dtype) if offset is None else offset
        return cls(X, offset, np.empty(0, X.dtype))

    def with_blocks(self, n_threads):
        """The same rows, with the transposed copy beside them."""
        n_rows, n_features = self.X.shape
        blocks = np.empty(-(-n_rows // BLOCK) * BLOCK * n_features, self.X.dtype)
        pack_blocks(self.X, self.offset, blocks, n_threads, SIMD_LEVEL)
        return self._replace(blocks=blocks)

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def shape(self):
        return self.X.shape

    def hashes(self, n_threads):
        """A 64-bit hash of each row's content."""
        keys = np.empty(self.X.shape[1], np.uint64)
        row_keys(keys)
        hashes = np.empty(self.X.shape[0], np.uint64)
        hash_dense(self.X, keys, hashes, n_threads)
        return hashes

    def compare(self, i, j):
        """Negative, 0 or positive: row i sorts before, equals, sorts after row j."""
        differ = np.flatnonzero(self.X[i] != self.X[j])
        if differ.size == 0:
            return 0
        return -1 if self.X[i, differ[0]] < self.X[j, differ[0]] else 1

    def centered(self, index):
        """The centred rows of these numbers as a dense array."""
        return self.X[index] - self.offset


class SparseRows(NamedTuple):
    """Rows of a canonical CSR matrix with 32-bit indices. They are not centred."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    n_features: int

    @classmethod
    def of(cls, X):
        """Rows of the CSR matrix `X`; entries of one place are added up in a copy."""
        if max(X.nnz, X.shape[1]) > np.iinfo(np.int32).max:
            raise ValueError(
                f"X holds {X.nnz} stored entries in {X.shape[1]} columns. Allowed: at most "
                f"{np.iinfo(np.int32).max} of each. Fit on fewer rows, or in batches."
            )
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        indices = X.indices.astype(np.int32, copy=False)
        return cls(X.data, indices, X.indptr.astype(np.int32, copy=False), X.shape[1])

    @property
    def dtype(self):
        return self.data.dtype

    @property
    def offset(self):
        """What the rows are centred by: nothing."""
        return np.zeros(self.n_features, self.data.dtype)

    @property
    def shape(self):
        return self.indptr.shape[0] - 1, self.n_features

    def hashes(self, n_threads):
        """A 64-bit hash of each row's content; that of the dense row."""
        keys = np.empty(self.n_features, np.uint64)
        row_keys(keys)
        hashes = np.empty(self.shape[0], np.uint64)
        hash_sparse(self.data, self.indices, self.indptr, keys, hashes)
        return hashes

    def row(self, i):
        """Columns and values of row i, without stored zeros."""
        entries = slice(self.indptr[i], self.indptr[i + 1])
        values, columns = self.data[entries], self.indices[entries]
        return columns[values != 0], values[values != 0]

    def compare(self, i, j):
        """Negative, 0 or positive: row i sorts before, equals, sorts after row j."""
        mine = [part.tolist() for part in self.row(i)]
        other = [part.tolist() for part in self.row(j)]
        return (mine > other) - (mine < other)

    def centered(self, index):
        """The rows of these numbers as a dense array."""
        dense = np.zeros((len(index), self.n_features), self.dtype)
        for line, i in zip(dense, index, strict=True):
            columns, values = self.row(i)
            line[columns] = values
        return dense


def moments(X, sample_weight, n_threads):
    """Weighted mean and variance of each column, and the sum of weights, in double precision."""
    mean, m2 = np.empty(X.shape[1]), np.empty(X.shape[1])
    weight = np.empty(0, X.dtype) if sample_weight is None else sample_weight
    total = column_moments(X, weight, mean, m2, n_threads)
    return mean, m2 / total, total


def coarse_offset(mean, variance, dtype):
    """Return the column means, rounded to an eighth of the standard deviation's power of two.

    Any point near the data serves as the origin. A rounded one is the same whatever the order
    the means were summed in, and whether rows were repeated or weighted; and it has few bits, so
    subtracting it is mostly exact. A constant column is centred at its value.
    """
    scale = np.sqrt(variance)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        grid = np.exp2(np.floor(np.log2(scale)) - 3)
        rounded = np.rint(mean / grid) * grid
    offset = np.where(np.isfinite(rounded), rounded, mean).astype(dtype)
    return np.where(np.isfinite(offset), offset, dtype.type(0))
