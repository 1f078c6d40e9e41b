"""From distances to neighbours to a symmetric graph of similarities.

Directed similarities of n rows to their k neighbours come as two arrays of shape (n, k). The
symmetric graph holds row by row: the row's own neighbours, then the rows that count it among theirs
without being counted back; edges are padded to a multiple of 16 with weight 0. Nothing of the size of
the data but the result is allocated.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from sklearn_extra_ml._native._kd_tree cimport KDTree
from sklearn_extra_ml._native._typedefs cimport floating, intp_t

cdef extern from "sem_tsne.h" nogil:
    float sem_ts_row_weights(const float *, Py_ssize_t, float, float *, float *)
    int sem_thread_num()

cdef enum:
    STEP = 65536  # rows between two looks for Ctrl-C


def without_self(
    const floating[:, ::1] sq_distances,  # IN (n, k + 1), squared
    const int32_t[:, ::1] neighbors,      # IN (n, k + 1): neighbours of row first + i, most often
    intp_t first,                         #    with the row itself
    int n_threads,
    float[:, ::1] out_distances,          # OUT (n, k)
    int32_t[:, ::1] out_neighbors,        # OUT (n, k), rising in each row
):
    """Leave each row itself out of its neighbours (the last one, where it is not among them)."""
    cdef intp_t n = neighbors.shape[0], k = out_neighbors.shape[1], i
    for i in prange(n, nogil=True, num_threads=n_threads, schedule="static"):
        _leave_out(&sq_distances[i, 0], &neighbors[i, 0], first + i, k, &out_distances[i, 0],
                   &out_neighbors[i, 0])


cdef void _leave_out(const floating *sq, const int32_t *neighbor, intp_t own, intp_t k, float *out,
                     int32_t *out_neighbor) noexcept nogil:
    cdef intp_t a, at = 0, b
    cdef float d
    for a in range(k + 1):
        if neighbor[a] == own or at == k:
            continue
        d = <float> sq[a]
        b = at  # insertion by number: the search for mutual neighbours needs it
        while b > 0 and out_neighbor[b - 1] > neighbor[a]:
            out_neighbor[b] = out_neighbor[b - 1]
            out[b] = out[b - 1]
            b -= 1
        out_neighbor[b] = neighbor[a]
        out[b] = d
        at += 1


def row_weights(
    float[:, ::1] values,  # IN (n, k) squared distances; OUT weights, each row summing to 1
    double log_perplexity,
    int n_threads,
):
    """Turn each row of squared distances into weights of the given entropy (natural logarithm)."""
    cdef:
        intp_t n = values.shape[0], k = values.shape[1], i, first, last
        intp_t padded = (k + 15) // 16 * 16
        float *scratch = <float *> malloc(n_threads * 3 * padded * sizeof(float))
    if scratch == NULL:
        raise MemoryError()
    try:
        for first in range(0, n, STEP):
            last = min(first + STEP, n)
            for i in prange(first, last, nogil=True, num_threads=n_threads, schedule="static"):
                _weigh(&values[i, 0], k, padded, <float> log_perplexity,
                       scratch + sem_thread_num() * 3 * padded)
            PyErr_CheckSignals()
    finally:
        free(scratch)


cdef void _weigh(float *values, intp_t k, intp_t padded, float log_perplexity,
                 float *scratch) noexcept nogil:
    cdef intp_t j
    for j in range(k):
        scratch[j] = values[j]
    for j in range(k, padded):
        scratch[j] = INFINITY
    sem_ts_row_weights(scratch, padded, log_perplexity, scratch + padded, scratch + 2 * padded)
    for j in range(k):
        values[j] = scratch[2 * padded + j]


cdef inline intp_t _find(const int32_t *row, intp_t k, int32_t value) noexcept nogil:
    """Where `value` stands in a rising row, or -1."""
    cdef intp_t low = 0, high = k, mid
    while low < high:
        mid = (low + high) // 2
        if row[mid] < value:
            low = mid + 1
        else:
            high = mid
    return low if low < k and row[low] == value else -1


def count_edges(
    const int32_t[:, ::1] neighbors,  # IN (n, k), rising in each row
    int n_threads,
    uint8_t[:, ::1] mutual,           # OUT (n, k)
    int64_t[::1] indptr,              # OUT (n + 1,)
):
    """Mark mutual neighbours and lay out the rows of the symmetric graph."""
    cdef intp_t n = neighbors.shape[0], k = neighbors.shape[1], i, a
    for i in prange(n, nogil=True, num_threads=n_threads, schedule="static"):
        for a in range(k):
            mutual[i, a] = _find(&neighbors[neighbors[i, a], 0], k, <int32_t> i) >= 0
    indptr[:] = 0
    with nogil:
        for i in range(n):
            for a in range(k):
                if not mutual[i, a]:
                    indptr[neighbors[i, a] + 1] += 1
        for i in range(n):
            indptr[i + 1] = indptr[i] + (indptr[i + 1] + k + 15) // 16 * 16


def fill_edges(
    const int32_t[:, ::1] neighbors,  # IN (n, k)
    const float[:, ::1] weights,      # IN (n, k)
    const uint8_t[:, ::1] mutual,     # IN (n, k)
    const int64_t[::1] indptr,        # IN (n + 1,)
    double factor,
    int n_threads,
    int32_t[::1] target,              # OUT
    float[::1] weight,                # OUT: factor (w_ij + w_ji)
):
    """Write the symmetric graph."""
    cdef:
        intp_t n = neighbors.shape[0], k = neighbors.shape[1], i, a, j
        int64_t e
        int64_t *end = <int64_t *> malloc(n * sizeof(int64_t))
    if end == NULL:
        raise MemoryError()
    for i in prange(n, nogil=True, num_threads=n_threads, schedule="static"):
        for a in range(k):
            target[indptr[i] + a] = neighbors[i, a]
            weight[indptr[i] + a] = <float> (factor * (
                weights[i, a] + _weight_back(neighbors, weights, mutual, i, a)))
        end[i] = indptr[i] + k
    with nogil:
        for i in range(n):
            for a in range(k):
                if not mutual[i, a]:
                    j = neighbors[i, a]
                    target[end[j]] = <int32_t> i
                    weight[end[j]] = <float> (factor * weights[i, a])
                    end[j] += 1
        for i in range(n):
            for e in range(end[i], indptr[i + 1]):
                target[e] = <int32_t> i
                weight[e] = 0
    free(end)


cdef inline double _weight_back(const int32_t[:, ::1] neighbors, const float[:, ::1] weights,
                                const uint8_t[:, ::1] mutual, intp_t i, intp_t a) noexcept nogil:
    cdef intp_t j = neighbors[i, a]
    if not mutual[i, a]:
        return 0.0
    return weights[j, _find(&neighbors[j, 0], neighbors.shape[1], <int32_t> i)]


def reorder_rows(
    const int64_t[::1] indptr,  # IN (n + 1,)
    const intp_t[::1] order,    # IN (n,): old number of each new row
    int64_t[::1] out_indptr,    # OUT (n + 1,)
):
    """Lay out the rows of a graph in another order."""
    cdef intp_t i
    out_indptr[0] = 0
    for i in range(order.shape[0]):
        out_indptr[i + 1] = out_indptr[i] + indptr[order[i] + 1] - indptr[order[i]]


def reorder_edges(
    const int64_t[::1] indptr,      # IN (n + 1,)
    const int64_t[::1] new_indptr,  # IN (n + 1,), from `reorder_rows`
    const intp_t[::1] order,        # IN (n,): old number of each new row
    const int32_t[::1] position,    # IN (n,): new number of each old row; empty: values stay
    const int32_t[::1] values,      # IN: one for each edge
    int n_threads,
    int32_t[::1] out,               # OUT
):
    """Move the edges' values, four bytes each, to the new places of their rows."""
    cdef intp_t n = order.shape[0], i
    cdef int64_t e, shift
    cdef bint renumber = position.shape[0] > 0
    for i in prange(n, nogil=True, num_threads=n_threads, schedule="static"):
        shift = indptr[order[i]] - new_indptr[i]
        for e in range(new_indptr[i], new_indptr[i + 1]):
            out[e] = position[values[e + shift]] if renumber else values[e + shift]


def tree_rows(KDTree tree, int32_t[::1] rows):
    """Write the row at each position of a k-d tree."""
    cdef intp_t i
    for i in range(tree.n_points):
        rows[i] = tree.perm[i]
