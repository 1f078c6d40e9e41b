"""Lloyd's algorithm, its rows settled by Hamerly's bounds where they can be.

The plain iteration computes n k distances. Here each row also keeps an upper bound on the distance
to its own centre and a lower bound on the distance to any other (Hamerly 2010). Both drift with
the centres; while upper < lower no distance of the row is computed, and its label is exactly that
of the plain iteration. On clustered data most rows settle within a few iterations.
"""

import numpy as np

from .._core._rows import DenseRows
from .._native._k_means_update import add_drift, half_gaps
from ._k_means_steps import Bounds, label_rows

__all__ = ["LloydAssignment"]

# Below so many multiply-adds for a row, all distances cost less than a look at the bounds.
MIN_WORK_FOR_BOUNDS = 150


class LloydAssignment:
    """The assignment step of Lloyd's algorithm, over one run."""

    def __init__(self, rows, n_clusters, n_threads):
        n_rows, n_features = rows.shape
        dense = isinstance(rows, DenseRows)
        per_row = n_features if dense else rows.data.shape[0] / max(n_rows, 1)
        keep = n_clusters > 1 and n_clusters * (per_row + 6) >= MIN_WORK_FOR_BOUNDS
        self.rows, self.n_threads = rows, n_threads
        self.bounds = Bounds.of(n_rows if keep else 0, n_clusters)
        self.settle = False
        # The gaps cost k^2 d; worth it while that is little beside the n k d of a full iteration.
        self.gaps = keep and 20 * n_clusters * n_features <= n_rows * per_row

    def assign(self, centers, labels, old_labels, distinct):
        """Label every row; `old_labels` receives the labels before."""
        label_rows(
            self.rows,
            centers,
            labels,
            self.n_threads,
            old_labels=old_labels,
            bounds=self.bounds,
            settle=self.settle,
            distinct=distinct,
        )

    def follow(self, centers, shift):
        """Let the bounds follow the centres, each moved by its `shift`."""
        bounds = self.bounds
        if not bounds.upper.size:
            return
        add_drift(shift, bounds.up_drift, bounds.low_drift)
        if self.gaps:
            zero = np.zeros(centers.shape[1], centers.dtype)
            half_gaps(centers, zero, bounds.half_gap, self.n_threads)
        self.settle = True
