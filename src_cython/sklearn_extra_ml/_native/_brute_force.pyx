"""Exact neighbours and spanning trees from all pairs: O(n^2 d) time, O(n) memory beside the data.

The path for metrics without a tree, for ``algorithm="brute"`` and for the reference that the trees
are tested against. Rows are packed into transposed tiles of 32 (``sem_tile_distance.h``), distances
are direct differences in float64 and added in feature order, so no result depends on the
instruction set, and every reduction is merged in slot order, so none depends on the threads.

Prim's algorithm keeps the rows that are not yet in the tree packed together: whenever a quarter of
the slots has been taken, the tiles are packed again, in order.
"""

from cython.parallel cimport prange
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY, pow
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

import numpy as np

from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_tile_distance.h" nogil:
    int SEM_TILE
    int sem_thread_num()
    double sem_finish(double reduced, int metric, double p)
    void sem_reduced_distances(const double *tiles, Py_ssize_t n_tiles, const double *query,
                               Py_ssize_t n_features, int metric, double p, double *out)
    void sem_finish_all(double *values, Py_ssize_t n, int metric, double p)
    Py_ssize_t sem_prim_relax(const double *distance, Py_ssize_t n, const double *core,
                              double core_of_source, Py_ssize_t source,
                              const unsigned char *open, double *best, double *best_distance,
                              Py_ssize_t *best_source, double *lightest, double *shortest)
    double sem_lightest_to_others(const double *distance, Py_ssize_t n, const double *core,
                                  double core_of_row, const Py_ssize_t *group,
                                  Py_ssize_t group_of_row)

cdef enum:
    TILE = 32
    CHUNK = 32          # tiles that one thread takes at a time: 1024 rows
    QUERIES = 16        # rows that share a chunk while it is in cache
    PATIENCE = 50_000_000  # distances x features between two looks for Ctrl-C, about 0.1 s


def pack_tiles(const double[:, ::1] X):
    """Return the rows of `X` as transposed tiles, (n_tiles, n_features, 32), the last one padded."""
    cdef intp_t n = X.shape[0], d = X.shape[1], n_tiles = (n + TILE - 1) // TILE
    tiles = np.empty((n_tiles, d, TILE))
    cdef double[:, :, ::1] out = tiles
    cdef intp_t t, f, l, row
    with nogil:
        for t in range(n_tiles):
            for l in range(TILE):
                row = min(t * TILE + l, n - 1)
                for f in range(d):
                    out[t, f, l] = X[row, f]
    return tiles


cdef intp_t rows_between_signals(intp_t n, intp_t d) noexcept nogil:
    return max(QUERIES, PATIENCE // (n * (d + 1) + 1) // QUERIES * QUERIES)


# --------------------------------------------------------------------------- distances, neighbours


def pairwise(
    const double[:, ::1] queries,  # IN
    const double[:, :, ::1] tiles,  # IN
    int metric,
    double p,
    int n_threads,
    double[:, ::1] out,  # OUT (n_queries, n_rows)
):
    """Distances from each query to each packed row."""
    cdef intp_t n = out.shape[1], d = queries.shape[1], n_tiles = tiles.shape[0]
    cdef intp_t n_queries = queries.shape[0]
    cdef intp_t step = rows_between_signals(n, d), start, stop, q
    if n == 0:
        return
    for start in range(0, n_queries, step):
        stop = min(start + step, n_queries)
        with nogil:
            for q in prange(start, stop, num_threads=n_threads, schedule="static"):
                pairwise_row(&queries[q, 0] if d else NULL, &tiles[0, 0, 0] if d else NULL,
                             n, d, n_tiles, metric, p, &out[q, 0])
        PyErr_CheckSignals()


cdef void pairwise_row(const double *query, const double *tiles, intp_t n, intp_t d,
                       intp_t n_tiles, int metric, double p, double *out) noexcept nogil:
    cdef double buffer_[TILE]
    cdef intp_t whole = n // TILE
    sem_reduced_distances(tiles, whole, query, d, metric, p, out)
    if whole < n_tiles:
        sem_reduced_distances(tiles + whole * TILE * d, 1, query, d, metric, p, buffer_)
        memcpy(out + whole * TILE, buffer_, (n - whole * TILE) * sizeof(double))
    sem_finish_all(out, n, metric, p)


cdef inline void replace_top(double *heap, intp_t size, double value) noexcept nogil:
    """Put `value` in the place of the largest entry of a max-heap."""
    cdef intp_t i = 0, child
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = value


def kth_distances(
    const double[:, ::1] X,  # IN
    const double[:, :, ::1] tiles,  # IN, of the same rows or others
    intp_t n,
    intp_t k,
    int metric,
    double p,
    int n_threads,
    double[::1] out,  # OUT (n_queries,)
):
    """Distance from each row of `X` to the k-th nearest of the `n` packed rows."""
    cdef intp_t n_queries = X.shape[0], d = X.shape[1], n_tiles = tiles.shape[0]
    cdef intp_t step = rows_between_signals(n, d), start, stop, g, n_groups
    cdef int failed = 0
    for start in range(0, n_queries, step):
        stop = min(start + step, n_queries)
        n_groups = (stop - start + QUERIES - 1) // QUERIES
        with nogil:
            for g in prange(n_groups, num_threads=n_threads, schedule="dynamic"):
                failed += kth_of_group(
                    &X[0, 0], start + g * QUERIES, min(start + (g + 1) * QUERIES, stop),
                    &tiles[0, 0, 0], n, d, n_tiles, k, metric, p, &out[0])
        if failed:
            raise MemoryError(f"no memory for {QUERIES * k} neighbours per thread")
        PyErr_CheckSignals()


cdef int kth_of_group(const double *X, intp_t first, intp_t last, const double *tiles, intp_t n,
                      intp_t d, intp_t n_tiles, intp_t k, int metric, double p,
                      double *out) noexcept nogil:
    cdef double distance[CHUNK * TILE]
    cdef double *heaps = <double *> malloc(QUERIES * k * sizeof(double))
    cdef double *heap
    cdef intp_t g, c, q, j, i, width
    if heaps == NULL:
        return 1
    for i in range(QUERIES * k):
        heaps[i] = INFINITY
    for g in range((n_tiles + CHUNK - 1) // CHUNK):
        c = g * CHUNK
        for q in range(first, last):
            heap = heaps + (q - first) * k
            width = min(<intp_t> CHUNK, n_tiles - c)
            sem_reduced_distances(tiles + c * TILE * d, width, X + q * d, d, metric, p, distance)
            width = min(width * TILE, n - c * TILE)
            for j in range(width):
                if distance[j] < heap[0]:
                    replace_top(heap, k, distance[j])
    for q in range(first, last):
        out[q] = sem_finish(heaps[(q - first) * k], metric, p)
    free(heaps)
    return 0


# ---------------------------------------------------------------------------------- spanning trees


cdef class _Slots:
    """Prim's state: the rows still outside the tree, packed in slots."""

    cdef double[:, :, ::1] tiles
    cdef double[::1] core, best, distance, chunk_least, chunk_nearest
    cdef intp_t[::1] source, row, chunk_slot
    cdef unsigned char[::1] open
    cdef intp_t n, d, n_open

    def __init__(self, const double[:, ::1] X, const double[::1] core):
        self.n = self.n_open = core.shape[0]
        self.d = X.shape[1]
        self.tiles = pack_tiles(X)
        self.core = core.copy()
        self.best = np.full(self.n, np.inf)
        self.distance = np.full(self.n, np.inf)
        self.source = np.zeros(self.n, dtype=np.intp)
        self.row = np.arange(self.n)
        self.open = np.ones(self.n, dtype=np.uint8)
        chunks = (self.n + CHUNK * TILE - 1) // (CHUNK * TILE)
        self.chunk_least = np.empty(chunks)
        self.chunk_nearest = np.empty(chunks)
        self.chunk_slot = np.empty(chunks, dtype=np.intp)

    cdef void pack(self) noexcept nogil:
        """Drop the closed slots, keeping the order of the others."""
        cdef intp_t i, j = 0, f
        for i in range(self.n):
            if self.open[i]:
                if i != j:
                    for f in range(self.d):
                        self.tiles[j // TILE, f, j % TILE] = self.tiles[i // TILE, f, i % TILE]
                    self.core[j] = self.core[i]
                    self.best[j] = self.best[i]
                    self.distance[j] = self.distance[i]
                    self.source[j] = self.source[i]
                    self.row[j] = self.row[i]
                    self.open[j] = 1
                j += 1
        self.n = j

    cdef intp_t relax(self, const double *query, double core_of_source, intp_t source,
                      int metric, double p, int n_threads) noexcept nogil:
        """Offer the edges from `source` to every open slot; return the slot to take next."""
        cdef intp_t c, n_chunks = (self.n + CHUNK * TILE - 1) // (CHUNK * TILE), slot = -1
        cdef double least = INFINITY, nearest = INFINITY
        cdef bint worth = self.n * (self.d + 2) > 60000
        for c in prange(n_chunks, num_threads=n_threads, schedule="static",
                        use_threads_if=worth):
            self.relax_chunk(c, query, core_of_source, source, metric, p)
        for c in range(n_chunks):
            if self.chunk_slot[c] >= 0 and (
                slot < 0 or self.chunk_least[c] < least
                or (self.chunk_least[c] == least and self.chunk_nearest[c] < nearest)
            ):
                least = self.chunk_least[c]
                nearest = self.chunk_nearest[c]
                slot = self.chunk_slot[c]
        return slot

    cdef void relax_chunk(self, intp_t c, const double *query, double core_of_source,
                          intp_t source, int metric, double p) noexcept nogil:
        cdef double distance[CHUNK * TILE]
        cdef intp_t first = c * CHUNK * TILE, width = min(<intp_t> CHUNK * TILE, self.n - first)
        cdef intp_t slot
        sem_reduced_distances(&self.tiles[first // TILE, 0, 0], (width + TILE - 1) // TILE, query,
                              self.d, metric, p, distance)
        sem_finish_all(distance, width, metric, p)
        slot = sem_prim_relax(distance, width, &self.core[first], core_of_source, source,
                              &self.open[first], &self.best[first], &self.distance[first],
                              &self.source[first], &self.chunk_least[c], &self.chunk_nearest[c])
        self.chunk_slot[c] = first + slot if slot >= 0 else -1


def spanning_tree(
    const double[:, ::1] X,  # IN
    const double[::1] core,  # IN
    int metric,
    double p,
    int n_threads,
    intp_t[:, ::1] edges,  # OUT (n - 1, 2)
    double[::1] weights,  # OUT (n - 1,)
):
    """Minimum spanning tree of ``max(core_i, core_j, distance_ij)`` by Prim's algorithm."""
    cdef _Slots slots = _Slots(X, core)
    cdef intp_t n = core.shape[0], step = rows_between_signals(n, X.shape[1])
    cdef intp_t source = 0, slot = 0, e, first, last
    slots.open[0] = 0
    slots.n_open -= 1
    for first in range(0, n - 1, step):
        last = min(first + step, n - 1)
        with nogil:
            for e in range(first, last):
                if 4 * slots.n_open < 3 * slots.n:
                    slots.pack()
                slot = slots.relax(&X[source, 0], core[source], source, metric, p, n_threads)
                edges[e, 0] = slots.source[slot]
                edges[e, 1] = slots.row[slot]
                weights[e] = slots.best[slot]
                source = slots.row[slot]
                slots.open[slot] = 0
                slots.n_open -= 1
        PyErr_CheckSignals()


def spanning_tree_step(
    const double[::1] distance,  # IN, from `source` to every row
    const double[::1] core,  # IN
    intp_t source,
    const unsigned char[::1] open,  # IN, 0 for rows in the tree
    double[::1] best,  # IN and OUT
    double[::1] best_distance,  # IN and OUT
    intp_t[::1] best_source,  # IN and OUT
):
    """Offer the edges from `source`; return the next row of Prim's algorithm."""
    cdef double least, nearest
    cdef intp_t slot
    with nogil:
        slot = sem_prim_relax(&distance[0], distance.shape[0], &core[0], core[source],
                              source, &open[0], &best[0], &best_distance[0],
                              &best_source[0], &least, &nearest)
    return slot


ctypedef fused real:
    float
    double


def spanning_tree_of_matrix(
    const real[:, :] D,  # IN (n, n), symmetric up to rounding
    const double[::1] core,  # IN
    bint exactly_symmetric,
    intp_t[:, ::1] edges,  # OUT (n - 1, 2)
    double[::1] weights,  # OUT (n - 1,)
):
    """Minimum spanning tree of ``max(core_i, core_j, D_ij)``; `D` is only read.

    Where D_ij and D_ji differ by rounding the larger one counts, so that the tree does not depend
    on the order of the rows.
    """
    cdef intp_t n = core.shape[0], e, j, source = 0, i, step = max(1, PATIENCE // n)
    cdef double least, nearest
    cdef double[::1] row = np.empty(n), best = np.full(n, np.inf)
    cdef double[::1] best_distance = np.full(n, np.inf)
    cdef intp_t[::1] best_source = np.zeros(n, dtype=np.intp)
    cdef unsigned char[::1] open = np.ones(n, dtype=np.uint8)
    open[0] = 0
    for e in range(n - 1):
        with nogil:
            for j in range(n):
                row[j] = D[source, j]
            if not exactly_symmetric:
                for j in range(n):
                    row[j] = max(row[j], <double> D[j, source])
            i = sem_prim_relax(&row[0], n, &core[0], core[source], source, &open[0],
                               &best[0], &best_distance[0], &best_source[0], &least, &nearest)
            edges[e, 0] = best_source[i]
            edges[e, 1] = i
            weights[e] = best[i]
            open[i] = 0
            source = i
        if e % step == 0:
            PyErr_CheckSignals()


# ---------------------------------------------------------------- density-based cluster validation


cdef double all_points_core(const double *distance, intp_t n, intp_t own,
                            double n_features) noexcept nogil:
    """(mean of distance^-n_features over the others)^(-1 / n_features), without overflow."""
    cdef double nearest = INFINITY, total = 0.0
    cdef intp_t j
    for j in range(n):
        if j != own and distance[j] < nearest:
            nearest = distance[j]
    if nearest == 0.0 or nearest == INFINITY:
        return nearest
    for j in range(n):
        if j != own:
            total += pow(nearest / distance[j], n_features)
    return nearest * pow(total / (n - 1), -1.0 / n_features)


def all_points_core_distances(
    const double[:, ::1] distance,  # IN (n_rows, n), rows [first, first + n_rows) of the cluster
    intp_t first,
    double n_features,
    int n_threads,
    double[::1] out,  # OUT (n_rows,)
):
    """All-points core distance (Moulavi et al. 2014, definition 1) of each row of a block."""
    cdef intp_t i, n = distance.shape[1]
    with nogil:
        for i in prange(distance.shape[0], num_threads=n_threads, schedule="static"):
            out[i] = all_points_core(&distance[i, 0], n, first + i, n_features)


def lightest_to_others(
    const double[:, ::1] distance,  # IN (n_rows, n)
    const double[::1] core,  # IN (n,)
    const intp_t[::1] group,  # IN (n,)
    intp_t first,
    int n_threads,
    double[::1] out,  # OUT (n_rows,)
):
    """Lightest mutual reachability from each row of a block to a row of another group."""
    cdef intp_t i, n = distance.shape[1]
    with nogil:
        for i in prange(distance.shape[0], num_threads=n_threads, schedule="static"):
            out[i] = sem_lightest_to_others(&distance[i, 0], n, &core[0], core[first + i],
                                            &group[0], group[first + i])
