"""Log-densities and sufficient statistics of categorical, Poisson and mixed emissions.

Rows are cut into pieces that depend on the shape alone, and the pieces' sums are added in order,
so the bits do not depend on the number of threads.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdlib cimport calloc, free

from ._typedefs cimport floating, int32_t, intp_t

cdef extern from "sem_hmm_emissions.h" nogil:
    void sem_he_lookup(const int32_t *, intp_t, intp_t, const intp_t *, const double *, intp_t,
                       double *)
    void sem_he_count(const int32_t *, intp_t, intp_t, const intp_t *, const double *, intp_t,
                      double *)
    void sem_he_poisson_f32(const float *, intp_t, intp_t, const double *, const double *,
                            const double *, intp_t, double *)
    void sem_he_poisson_f64(const double *, intp_t, intp_t, const double *, const double *,
                            const double *, intp_t, double *)
    void sem_he_sum_f32(const float *, intp_t, intp_t, const double *, intp_t, double *)
    void sem_he_sum_f64(const double *, intp_t, intp_t, const double *, intp_t, double *)
    void sem_he_mix(double *, intp_t, intp_t, intp_t, const double *, double *)
    void sem_he_share_out(double *, intp_t, intp_t, const double *)

cdef intp_t PIECE = 4096  # rows of one task


cdef intp_t range_size(intp_t n, intp_t size) noexcept nogil:
    """Rows of a range with sums of its own: at most 64 ranges and 64 MB of sums."""
    cdef intp_t n_ranges = min(64, (n + PIECE - 1) // PIECE)
    n_ranges = max(1, min(n_ranges, <intp_t> (6.4e7 / (8.0 * size))))
    return (n + n_ranges - 1) // n_ranges


def categorical_log_density(
        const int32_t[:, ::1] codes,    # IN (n, d), not negative
        const intp_t[::1] offsets,      # IN (d + 1,): first line of each column in the table
        const double[:, ::1] table,     # IN (n_lines, K): log-probabilities
        double[:, ::1] out,             # OUT (n, K)
        int n_threads):
    """Sum of the log-probabilities of a row's codes; -inf for a code beyond its column's table."""
    cdef intp_t n = codes.shape[0], d = codes.shape[1], K = table.shape[1], q
    for q in prange((n + PIECE - 1) // PIECE, nogil=True, num_threads=n_threads,
                    schedule="static"):
        sem_he_lookup(&codes[q * PIECE, 0], min(PIECE, n - q * PIECE), d, &offsets[0],
                      &table[0, 0], K, &out[q * PIECE, 0])
    PyErr_CheckSignals()


def categorical_counts(
        const int32_t[:, ::1] codes,          # IN (n, d), all within their column's table
        const intp_t[::1] offsets,            # IN (d + 1,)
        const double[:, ::1] posteriors,      # IN (n, K)
        double[:, ::1] counts,                # INOUT (n_lines, K)
        int n_threads):
    """Add each row's posteriors to the counts of its codes."""
    cdef:
        intp_t n = codes.shape[0], d = codes.shape[1], K = posteriors.shape[1]
        intp_t lines = counts.shape[0], size = lines * K, rows = range_size(n, size), q, i
        intp_t n_ranges = (n + rows - 1) // rows
        double *sums = <double *> calloc(n_ranges * size, sizeof(double))
    if sums == NULL:
        raise MemoryError()
    try:
        for q in prange(n_ranges, nogil=True, num_threads=n_threads, schedule="dynamic"):
            sem_he_count(&codes[q * rows, 0], min(rows, n - q * rows), d, &offsets[0],
                         &posteriors[q * rows, 0], K, sums + q * size)
        for q in range(n_ranges):
            for i in range(size):
                counts[i // K, i % K] += sums[q * size + i]
    finally:
        free(sums)
    PyErr_CheckSignals()


def poisson_log_density(
        const floating[:, ::1] X,       # IN (n, d), not negative
        const double[::1] base,         # IN (n,): what all states share
        const double[:, ::1] log_rate,  # IN (d, K), -inf for a rate of 0
        const double[::1] constant,     # IN (K,): minus the sum of the rates
        double[:, ::1] out,             # OUT (n, K)
        int n_threads):
    """base + constant + sum of x log(rate), with 0 log 0 = 0."""
    cdef intp_t n = X.shape[0], d = X.shape[1], K = log_rate.shape[1], q
    for q in prange((n + PIECE - 1) // PIECE, nogil=True, num_threads=n_threads,
                    schedule="static"):
        if floating is float:
            sem_he_poisson_f32(&X[q * PIECE, 0], min(PIECE, n - q * PIECE), d, &base[q * PIECE],
                               &log_rate[0, 0], &constant[0], K, &out[q * PIECE, 0])
        else:
            sem_he_poisson_f64(&X[q * PIECE, 0], min(PIECE, n - q * PIECE), d, &base[q * PIECE],
                               &log_rate[0, 0], &constant[0], K, &out[q * PIECE, 0])
    PyErr_CheckSignals()


def weighted_sums(
        const floating[:, ::1] X,           # IN (n, d)
        const double[:, ::1] posteriors,    # IN (n, K)
        double[:, ::1] sums,                # INOUT (1 + d, K): mass, then sums of x
        int n_threads):
    """Add the posteriors, and the posteriors times each column."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], K = posteriors.shape[1]
        intp_t size = (d + 1) * K, rows = range_size(n, size), q, i
        intp_t n_ranges = (n + rows - 1) // rows
        double *parts = <double *> calloc(n_ranges * size, sizeof(double))
    if parts == NULL:
        raise MemoryError()
    try:
        for q in prange(n_ranges, nogil=True, num_threads=n_threads, schedule="dynamic"):
            if floating is float:
                sem_he_sum_f32(&X[q * rows, 0], min(rows, n - q * rows), d,
                               &posteriors[q * rows, 0], K, parts + q * size)
            else:
                sem_he_sum_f64(&X[q * rows, 0], min(rows, n - q * rows), d,
                               &posteriors[q * rows, 0], K, parts + q * size)
        for q in range(n_ranges):
            for i in range(size):
                sums[i // K, i % K] += parts[q * size + i]
    finally:
        free(parts)
    PyErr_CheckSignals()


def mix(
        double[:, ::1] parts,           # INOUT (n, K * M): log-densities; then each part's share
        const double[::1] log_weights,  # IN (K * M,)
        double[:, ::1] out,             # OUT (n, K): log-density of the mixtures
        int n_threads):
    """Log-densities of mixtures of M parts, and the share of each part in its mixture."""
    cdef intp_t n = parts.shape[0], size = parts.shape[1], K = out.shape[1], q
    for q in prange((n + PIECE - 1) // PIECE, nogil=True, num_threads=n_threads,
                    schedule="static"):
        sem_he_mix(&parts[q * PIECE, 0], min(PIECE, n - q * PIECE), K, size // K,
                   &log_weights[0], &out[q * PIECE, 0])
    PyErr_CheckSignals()


def share_out(
        double[:, ::1] shares,             # INOUT (n, K * M)
        const double[:, ::1] posteriors,   # IN (n, K)
        int n_threads):
    """Multiply the shares of a state's parts by the posterior of the state."""
    cdef intp_t n = shares.shape[0], K = posteriors.shape[1], M = shares.shape[1] // K, q
    for q in prange((n + PIECE - 1) // PIECE, nogil=True, num_threads=n_threads,
                    schedule="static"):
        sem_he_share_out(&shares[q * PIECE, 0], min(PIECE, n - q * PIECE) * K, M,
                         &posteriors[q * PIECE, 0])
    PyErr_CheckSignals()
