"""Elkan's algorithm: Lloyd's result, with a lower bound for every row and centre (Elkan 2003)."""

import numpy as np

from .._core._rows import SIMD_LEVEL, DenseRows
from .._native._k_means_assign import distances_dense
from .._native._k_means_elkan import elkan_assign, elkan_assign_sparse
from .._native._k_means_update import add_drift

__all__ = ["ElkanAssignment"]


class ElkanAssignment:
    """The assignment step of Elkan's algorithm, over one run. Memory: n_rows * n_clusters."""

    def __init__(self, rows, n_clusters, n_threads):
        n_rows = rows.shape[0]
        self.rows, self.n_threads = rows, n_threads
        self.upper = np.empty(n_rows)
        self.lower = np.empty((n_rows, n_clusters), rows.dtype)
        self.drift = np.zeros(n_clusters)
        self.unused = np.zeros(n_clusters)
        self.half = None
        self.first = True

    def assign(self, centers, labels, old_labels, distinct):
        """Label every row; `old_labels` receives the labels before."""
        if self.half is None:
            self._measure(centers)
        state = (
            labels,
            old_labels,
            self.upper,
            self.lower,
            self.drift,
            self.half,
            self.half_gap,
            self.first,
            self.n_threads,
        )
        rows = self.rows
        if isinstance(rows, DenseRows):
            elkan_assign(rows.X, rows.offset, centers, *state)
        else:
            wide = centers.astype(np.float64, copy=False)
            elkan_assign_sparse(*rows[:3], wide, sq_norms_of(centers), *state)
        self.first = False

    def follow(self, centers, shift):
        """Let the bounds follow the centres, each moved by its `shift`."""
        add_drift(shift, self.drift, self.unused)
        self._measure(centers)

    def _measure(self, centers):
        """Half the distances between the centres, rounded down."""
        wide = centers.astype(np.float64, copy=False)
        half = np.empty((wide.shape[0], wide.shape[0]))
        distances_dense(wide, np.zeros(wide.shape[1]), wide, half, self.n_threads, SIMD_LEVEL)
        half *= 0.5 * (1 - 1e-9)
        np.fill_diagonal(half, np.inf)
        self.half, self.half_gap = half, half.min(axis=1)


def sq_norms_of(centers):
    """Squared norms of the centres, each summed in feature order as for Lloyd's sparse rows."""
    transposed = np.ascontiguousarray(centers.T, dtype=np.float64)
    return np.einsum("ji,ji->i", transposed, transposed)
