"""Order and merge equal rows by content: a random-like order that row order cannot change.

Every row is hashed (64 bits, seeded) from its values; sorting the hashes puts equal rows beside each
other and all others into an order that depends on content and seed alone, so draws by position
treat a data set and its permutations, and a weight of 2 and a repeated row, alike. Zeros do not
enter the hash, so a dense row and the same row in CSR form agree; float32 and float64 of equal
values agree as well. Rows whose hashes collide are compared, never merged by hash.
"""

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from sklearn_extra_ml._native._typedefs cimport intp_t


cdef inline uint64_t _mix(uint64_t z) noexcept nogil:
    """The finaliser of splitmix64 (Steele, Lea and Flood, 2014)."""
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline uint64_t _cell(uint64_t key, double value) noexcept nogil:
    """Hash of a value in its column; 0 for zeros of either sign, one pattern for every NaN."""
    cdef uint64_t bits
    if value == 0:
        return 0
    if value != value:
        bits = <uint64_t>0x7FF8000000000000
    else:
        memcpy(&bits, &value, 8)
    return _mix(bits ^ key)


def hash_rows(const floating[:, :] X, const uint64_t[::1] keys, int n_threads,
              uint64_t[::1] hashes):
    """Add the hash of each row of a dense X to `hashes`; `keys` holds one number a column."""
    cdef intp_t n = X.shape[0], p = X.shape[1], i, j
    cdef uint64_t total
    for i in prange(n, schedule="static", num_threads=n_threads, nogil=True):
        total = 0
        for j in range(p):
            total = total + _cell(keys[j], X[i, j])
        hashes[i] += total


def hash_sparse_rows(const floating[::1] data, const intp_t[::1] indices, const intp_t[::1] indptr,
                     const uint64_t[::1] keys, int n_threads, uint64_t[::1] hashes):
    """Add the hash of each row of a CSR matrix without duplicate entries to `hashes`."""
    cdef intp_t n = indptr.shape[0] - 1, i, k
    cdef uint64_t total
    for i in prange(n, schedule="static", num_threads=n_threads, nogil=True):
        total = 0
        for k in range(indptr[i], indptr[i + 1]):
            total = total + _cell(keys[indices[k]], data[k])
        hashes[i] += total


cdef inline int _compare(const floating[:, :] X, intp_t a, intp_t b) noexcept nogil:
    """-1, 0 or 1: lexicographic order of two rows; NaN equals NaN and comes last."""
    cdef intp_t j
    cdef floating u, v
    for j in range(X.shape[1]):
        u = X[a, j]
        v = X[b, j]
        if u < v or (v != v and u == u):
            return -1
        if u > v or (u != u and v == v):
            return 1
    return 0


cdef inline int _compare_both(const floating[:, :] X, const floating[:, :] Y, intp_t a,
                              intp_t b) noexcept nogil:
    cdef int sign = _compare(X, a, b)
    return sign if sign else _compare(Y, a, b)


def mark_starts(const floating[:, :] X, const floating[:, :] Y, const uint64_t[::1] hashes,
                intp_t[::1] order, uint8_t[::1] starts):
    """Mark where a new distinct row (X, Y) starts along `order`, which is sorted by hash.

    Within a run of equal hashes rows are compared; should different rows share a hash, the run is
    sorted by content, so that equal rows are neighbours again.
    """
    cdef intp_t n = order.shape[0], i, j, k, first = 0, row
    cdef bint differs
    if n == 0:
        return
    with nogil:
        starts[0] = 1
        for i in range(1, n + 1):
            if i < n and hashes[order[i]] == hashes[order[i - 1]]:
                continue
            differs = False
            for j in range(first + 1, i):
                starts[j] = _compare_both(X, Y, order[j - 1], order[j]) != 0
                differs = differs or starts[j]
            if differs:
                for j in range(first + 1, i):  # insertion: collisions are rare and their runs short
                    row = order[j]
                    k = j
                    while k > first and _compare_both(X, Y, row, order[k - 1]) < 0:
                        order[k] = order[k - 1]
                        k = k - 1
                    order[k] = row
                for j in range(first + 1, i):
                    starts[j] = _compare_both(X, Y, order[j - 1], order[j]) != 0
            if i < n:
                starts[i] = 1
            first = i
