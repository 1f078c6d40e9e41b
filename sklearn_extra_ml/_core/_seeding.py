"""Rows to start from: greedy k-means++, and distinct rows drawn by weight.

Both draw in an order that the rows' content fixes (`_native._seeding.ContentOrder`), so permuting
rows leaves the seeds equal, and so does a row repeated m times in place of weight m. Rows of weight
zero are never drawn.
"""

import numpy as np

from .._native._k_means_assign import distances_dense
from .._native._seeding import (
    ContentOrder,
    take_trial,
    try_by_blocks,
    try_by_rows,
    try_sparse,
)
from ._magnitudes import squares_fit
from ._rows import BLOCK, SIMD_LEVEL, DenseRows

__all__ = ["draw_distinct_rows", "greedy_kmeans_plusplus"]

# Up to this many features all distances are computed, several points to a register; with more, row
# by row for the candidates that the triangle inequality leaves. Measured at 100k rows.
MAX_FEATURES_BY_BLOCKS = 24
MAX_TRIALS_IN_ONE_PASS = 32  # bits of the mask in try_by_rows


def greedy_kmeans_plusplus(
    rows, n_seeds, *, sample_weight=None, rng, n_local_trials=None, n_threads=1, check_range=False
):
    """Choose seeds among the rows by greedy k-means++ (Arthur & Vassilvitskii 2007, section 5).

    Each seed after the first is the best of several candidates, drawn with probability
    proportional to weight times squared distance to the nearest seed so far.

    Parameters
    ----------
    rows : DenseRows or SparseRows
    n_seeds : int
    sample_weight : ndarray of shape (n_rows,) and the rows' dtype, or None
    rng : numpy.random.RandomState
    n_local_trials : int or None
        Candidates for each seed; None: ``2 + int(log(n_seeds))``.
    n_threads : int
    check_range : bool
        Return None where squared distances may leave the range of the rows' dtype.

    Returns
    -------
    seeds : ndarray of shape (n_seeds,), intp
        Row numbers. When there are fewer distinct rows than seeds, the first one is repeated.
    """
    n_trials = 2 + int(np.log(n_seeds)) if n_local_trials is None else n_local_trials
    weight = _padded(sample_weight, rows.shape[0], rows.dtype)
    order = _content_order(rows, n_threads)
    # One draw of all random numbers: how many are used never depends on the data.
    uniform = rng.uniform(size=(n_seeds, n_trials))
    seeds = np.empty(n_seeds, np.intp)
    candidates = np.empty(n_trials, np.intp)

    closest = _padded(np.ones(rows.shape[0], rows.dtype), rows.shape[0], rows.dtype)
    total = total_weight = order.weigh(closest, weight, n_threads)
    order.draw(closest, weight, uniform[0, :1] * total, seeds[:1])
    potentials = _potentials(rows, weight, n_threads)
    potentials.start(seeds[0])
    for c in range(1, n_seeds):
        total = order.weigh(potentials.closest, weight, n_threads)
        if check_range and c == 1 and not squares_fit(total / total_weight, rows):
            return None
        if not total > 0:
            seeds[c:] = seeds[0]
            break
        order.draw(potentials.closest, weight, uniform[c] * total, candidates)
        best = _first_of_lowest(potentials.of(candidates), rows.dtype)
        seeds[c] = candidates[best]
        if c + 1 < n_seeds:
            potentials.accept(best)
    return seeds


def draw_distinct_rows(rows, n_seeds, *, sample_weight=None, rng, n_threads=1):
    """Draw rows without replacement, with probability proportional to weight.

    Equal rows count as one of their summed weight. When there are fewer distinct rows than seeds,
    the first one is repeated.

    Parameters and result as in `greedy_kmeans_plusplus`.
    """
    weight = _padded(sample_weight, rows.shape[0], rows.dtype)
    order = _content_order(rows, n_threads)
    uniform = rng.uniform(size=n_seeds)
    seeds = np.empty(n_seeds, np.intp)
    left = np.ones(rows.shape[0], rows.dtype)
    total = order.weigh(left, weight, n_threads)
    for c in range(n_seeds):
        if not total > 0:
            seeds[c:] = seeds[0]
            break
        order.draw(left, weight, uniform[c : c + 1] * total, seeds[c : c + 1])
        total = order.remove(seeds[c], left, weight)
    return seeds


def _first_of_lowest(potentials, dtype):
    """The first candidate whose potential is the lowest but for rounding.

    Two rows that are each other's nearest leave the same potential. Which of the sums is rounded
    lower depends on the order of the rows; the order of the draws does not.
    """
    near = potentials.min() * (1 + 128 * np.finfo(dtype).eps)
    return int(np.argmax(potentials <= near))


def _padded(values, n_rows, dtype):
    """`values` with zeros up to a whole block; None gives an empty array (all ones)."""
    if values is None:
        return np.empty(0, dtype)
    padded = np.zeros(-(-n_rows // BLOCK) * BLOCK, dtype)
    padded[:n_rows] = values
    return padded


def _content_order(rows, n_threads):
    n_rows = rows.shape[0]
    n_buckets = 1 << int(np.clip(np.log2(max(n_rows, 1) / 256), 0, 12))
    return ContentOrder(
        rows.hashes(n_threads),
        rows.compare,
        np.empty(n_rows, np.uint16),
        np.empty(n_buckets + 1, np.intp),
        np.empty(n_rows, np.intp),
        np.empty(n_buckets, np.uint8),
        np.empty(n_buckets),
        np.empty((16, n_buckets)),
    )


def _potentials(rows, weight, n_threads):
    if not isinstance(rows, DenseRows):
        return _SparsePotentials(rows, weight, n_threads)
    if rows.shape[1] <= MAX_FEATURES_BY_BLOCKS:
        return _BlockPotentials(rows, weight, n_threads)
    return _RowPotentials(rows, weight, n_threads)


class _Potentials:
    """What a candidate would leave of the potential: sum of weight * min(closest, sq. distance)."""

    def __init__(self, rows, weight, n_threads):
        self.rows, self.weight, self.n_threads = rows, weight, n_threads
        n_blocks = -(-rows.shape[0] // BLOCK)
        self.closest = np.zeros(n_blocks * BLOCK, rows.dtype)
        self.n_pieces = -(-n_blocks // 16)  # PIECE in _seeding.pyx

    def start(self, seed):
        # Rows of weight zero count for nothing from the start (0 * inf would not be 0).
        self.closest[: self.rows.shape[0]] = np.inf
        if self.weight.size:
            self.closest[self.weight == 0] = 0
        self.of(np.array([seed]))
        self.accept(0)


class _BlockPotentials(_Potentials):
    """Few features. The accepted candidate's distances are computed again: cheaper than kept."""

    def of(self, index):
        self.candidates = self.rows.centered(index)
        sums = np.empty((self.n_pieces, len(index)))
        self._run(self.candidates, sums)
        return sums.sum(axis=0)

    def accept(self, best):
        self._run(self.candidates[best : best + 1], np.empty((0, 0)))
        self.closest[self.rows.shape[0] :] = 0

    def _run(self, candidates, sums):
        rows = self.rows
        try_by_blocks(
            rows.X,
            rows.offset,
            rows.blocks,
            candidates,
            self.closest,
            self.weight,
            sums,
            self.n_threads,
            SIMD_LEVEL,
        )


class _KeptPotentials(_Potentials):
    """Every candidate's distances are kept until one is accepted."""

    def __init__(self, rows, weight, n_threads):
        super().__init__(rows, weight, n_threads)
        self.owner = np.zeros(self.closest.shape[0], np.int32)
        self.trial = np.empty((0, 0), rows.dtype)
        self.n_seeds = 0

    def of(self, index):
        if self.trial.shape[0] < len(index):
            self.trial = np.zeros((len(index), self.closest.shape[0]), self.closest.dtype)
        sums = np.empty((self.n_pieces, len(index)))
        for first in range(0, len(index), MAX_TRIALS_IN_ONE_PASS):
            part = slice(first, first + MAX_TRIALS_IN_ONE_PASS)
            sums[:, part] = self._try(index[part], self.trial[: len(index)][part])
        return sums.sum(axis=0)

    def accept(self, best):
        take_trial(self.trial[best], self.n_seeds, self.closest, self.owner)
        self.n_seeds += 1


class _RowPotentials(_KeptPotentials):
    """Many features, dense."""

    def __init__(self, rows, weight, n_threads):
        super().__init__(rows, weight, n_threads)
        self.seeds = np.empty((0, rows.shape[1]), rows.dtype)
        # A quarter of the squared distance must not be rounded up past the bound.
        self.shrink = 0.25 * (1 - 8 * (rows.shape[1] + 8) * np.finfo(rows.dtype).eps)

    def of(self, index):
        self.candidates = self.rows.centered(index)
        return super().of(index)

    def accept(self, best):
        super().accept(best)
        self.seeds = np.vstack([self.seeds, self.candidates[best]])

    def _try(self, index, trial):
        rows = self.rows
        candidates = rows.centered(index)
        quarter = np.zeros((len(index), max(1, self.n_seeds)), rows.dtype)
        if self.n_seeds:
            zero = np.zeros_like(rows.offset)
            distances_dense(candidates, zero, self.seeds, quarter, 1, SIMD_LEVEL)
            np.square(quarter, out=quarter)
            quarter *= quarter.dtype.type(max(self.shrink, 0.0))
        sums = np.empty((self.n_pieces, len(index)))
        try_by_rows(
            rows.X,
            rows.offset,
            candidates,
            quarter,
            self.closest,
            self.owner,
            self.weight,
            trial,
            sums,
            self.n_threads,
            SIMD_LEVEL,
        )
        return sums


class _SparsePotentials(_KeptPotentials):
    """Rows of a CSR matrix."""

    def _try(self, index, trial):
        rows = self.rows
        padded = -(-len(index) // 8) * 8
        candidates_t = np.zeros((rows.n_features, padded))
        sq_norms = np.zeros(padded)
        for column, i in enumerate(index):
            columns, values = rows.row(i)
            candidates_t[columns, column] = values
            with np.errstate(over="ignore"):  # such rows are refused by what comes out
                squares = np.square(values, dtype=np.float64)
            # Summed in the order of the products, so that an equal row is at distance zero.
            sq_norms[column] = np.cumsum(np.append(0.0, squares))[-1]
        sums = np.empty((self.n_pieces, len(index)))
        try_sparse(
            rows.data,
            rows.indices,
            rows.indptr,
            candidates_t,
            sq_norms,
            self.closest,
            self.weight,
            trial,
            sums,
            self.n_threads,
        )
        return sums
