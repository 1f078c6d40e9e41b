"""Squared Mahalanobis distances to Gaussian components, and affine maps, block by block.

A block of 256 rows is transposed into lanes once; each component then centres it by its own mean
(never by a product that would cancel), multiplies it with the component's whitening matrix and sums
squares over the features, rows side by side in SIMD lanes. Every entry of the result depends on its
row and the component alone, whatever the number of threads. BLAS must be held to one thread by the
caller.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
from scipy.linalg.cython_blas cimport dgemm, dtrmm

from ._typedefs cimport floating, intp_t

cdef extern from "sem_gaussian.h" nogil:
    void sem_gs_lane_center(const double*, intp_t, intp_t, const double*, intp_t, const double*,
                            double*)
    void sem_gs_lane_norms(const double*, intp_t, intp_t, intp_t, intp_t, double, double, double*,
                           intp_t)
    void sem_gs_lane_distances(const double*, intp_t, intp_t, intp_t, intp_t, const double*,
                               const double*, double, double, double*, intp_t)
    void sem_gs_lanes_f64(const double*, intp_t, intp_t, intp_t, double*, intp_t)
    void sem_gs_lanes_f32(const float*, intp_t, intp_t, intp_t, double*, intp_t)

cdef enum:
    BLOCK = 256
    GROUP = 8  # blocks that one task takes


cdef void load(const floating *X, intp_t d, intp_t m, intp_t up, double *lanes) noexcept nogil:
    if floating is double:
        sem_gs_lanes_f64(X, d, m, up, lanes, BLOCK)
    else:
        sem_gs_lanes_f32(X, d, m, up, lanes, BLOCK)


cdef double *whiten(double *centered, double *spare, int m, int d, int r, const double *matrix,
                    bint triangular) noexcept nogil:
    """centered (m, d) times matrix (d, r), both by columns; in one of the two buffers."""
    cdef double one = 1.0, zero = 0.0
    cdef int ld = BLOCK
    if triangular and d >= 64:
        dtrmm(b"R", b"U", b"N", b"N", &m, &d, &one, <double*> matrix, &d, centered, &ld)
        return centered
    dgemm(b"N", b"N", &m, &r, &d, &one, centered, &ld, <double*> matrix, &d, &zero, spare, &ld)
    return spare


cdef int full_task(const floating *X, intp_t n, intp_t d, intp_t r, intp_t K, const double *means,
                   const double *matrices, bint triangular, const double *scale,
                   const double *shift, double *out) noexcept nogil:
    cdef double *lanes = <double*> malloc(3 * d * BLOCK * sizeof(double))
    cdef double *white
    cdef intp_t b, first, m, up, k
    if lanes == NULL:
        return -1
    for b in range((n + BLOCK - 1) // BLOCK):
        first = b * BLOCK
        m = min(<intp_t> BLOCK, n - first)
        up = (m + 15) // 16 * 16
        load(X + first * d, d, m, up, lanes)
        for k in range(K):
            sem_gs_lane_center(lanes, BLOCK, d, NULL, up, means + k * d, lanes + d * BLOCK)
            white = whiten(lanes + d * BLOCK, lanes + 2 * d * BLOCK, <int> up, <int> d, <int> r,
                           matrices + k * r * d, triangular)
            sem_gs_lane_norms(white, BLOCK, r, up, m, scale[k], shift[k], out + first * K + k, K)
    free(lanes)
    return 0


cdef int tied_task(const floating *X, intp_t n, intp_t d, intp_t r, intp_t K, const double *center,
                   const double *matrix, bint triangular, const double *means,
                   const double *scale, const double *shift, double *out) noexcept nogil:
    cdef double *lanes = <double*> malloc(3 * d * BLOCK * sizeof(double))
    cdef double *white
    cdef intp_t b, first, m, up, k
    if lanes == NULL:
        return -1
    for b in range((n + BLOCK - 1) // BLOCK):
        first = b * BLOCK
        m = min(<intp_t> BLOCK, n - first)
        up = (m + 15) // 16 * 16
        load(X + first * d, d, m, up, lanes)
        sem_gs_lane_center(lanes, BLOCK, d, NULL, up, center, lanes + d * BLOCK)
        white = whiten(lanes + d * BLOCK, lanes + 2 * d * BLOCK, <int> up, <int> d, <int> r,
                       matrix, triangular)
        for k in range(K):
            sem_gs_lane_distances(white, BLOCK, r, up, m, means + k * r, NULL, scale[k], shift[k],
                                  out + first * K + k, K)
    free(lanes)
    return 0


cdef int diag_task(const floating *X, intp_t n, intp_t d, intp_t K, const double *means,
                   const double *precisions, const double *scale, const double *shift,
                   double *out) noexcept nogil:
    cdef double *lanes = <double*> malloc(d * BLOCK * sizeof(double))
    cdef intp_t b, first, m, up, k
    if lanes == NULL:
        return -1
    for b in range((n + BLOCK - 1) // BLOCK):
        first = b * BLOCK
        m = min(<intp_t> BLOCK, n - first)
        up = (m + 15) // 16 * 16
        load(X + first * d, d, m, up, lanes)
        for k in range(K):
            sem_gs_lane_distances(lanes, BLOCK, d, up, m, means + k * d, precisions + k * d,
                                  scale[k], shift[k], out + first * K + k, K)
    free(lanes)
    return 0


cdef int affine_task(const floating *X, intp_t n, intp_t d, intp_t r, const double *center,
                     const double *matrix, const double *shift, double *out) noexcept nogil:
    cdef double *lanes = <double*> malloc((2 * d + r) * BLOCK * sizeof(double))
    cdef double *mapped
    cdef intp_t b, first, m, up, i, j
    if lanes == NULL:
        return -1
    for b in range((n + BLOCK - 1) // BLOCK):
        first = b * BLOCK
        m = min(<intp_t> BLOCK, n - first)
        up = (m + 15) // 16 * 16
        load(X + first * d, d, m, up, lanes)
        sem_gs_lane_center(lanes, BLOCK, d, NULL, up, center, lanes + d * BLOCK)
        mapped = whiten(lanes + d * BLOCK, lanes + 2 * d * BLOCK, <int> up, <int> d, <int> r,
                        matrix, False)
        for i in range(m):
            for j in range(r):
                out[(first + i) * r + j] = mapped[j * BLOCK + i] + shift[j]
    free(lanes)
    return 0


cdef int check(int failed) except -1:
    if failed:
        raise MemoryError("No memory for blocks of rows.")
    PyErr_CheckSignals()
    return 0


cdef intp_t tasks_per_slice(intp_t work_per_row) noexcept nogil:
    """Tasks between two looks at signals: about 2e9 operations."""
    return max(<intp_t> 32, <intp_t> (2e9 / (work_per_row + 1.0)) // (GROUP * BLOCK))


def distances_full(const floating[:, ::1] X, const double[:, ::1] means,
                   const double[:, :, ::1] matrices, bint triangular, const double[::1] scale,
                   const double[::1] shift, double[:, ::1] out, int n_threads):
    """out[i, k] = shift[k] + scale[k] |(X[i] - means[k]) W_k|^2.

    `matrices`[k] (r, d), r at most d, holds W_k by columns, so it is W_k' in row order;
    `triangular`: each W_k is upper triangular, r = d.
    """
    cdef intp_t n = X.shape[0], d = X.shape[1], K = means.shape[0], step = GROUP * BLOCK
    cdef intp_t r = matrices.shape[1]
    cdef intp_t n_tasks = (n + step - 1) // step, slice_tasks = tasks_per_slice(2 * d * r * K)
    cdef intp_t t, first, last
    cdef int failed = 0
    for first in range(0, n_tasks, slice_tasks):
        last = min(n_tasks, first + slice_tasks)
        for t in prange(first, last, num_threads=n_threads, schedule="dynamic", nogil=True):
            failed += full_task(&X[t * step, 0], min(step, n - t * step), d, r, K, &means[0, 0],
                                &matrices[0, 0, 0], triangular, &scale[0], &shift[0],
                                &out[t * step, 0])
        check(failed)


def distances_tied(const floating[:, ::1] X, const double[::1] center, const double[:, ::1] matrix,
                   bint triangular, const double[:, ::1] means, const double[::1] scale,
                   const double[::1] shift, double[:, ::1] out, int n_threads):
    """out[i, k] = shift[k] + scale[k] |(X[i] - center) W - means[k]|^2; `matrix` (r, d) is W'."""
    cdef intp_t n = X.shape[0], d = X.shape[1], K = means.shape[0], step = GROUP * BLOCK
    cdef intp_t r = matrix.shape[0]
    cdef intp_t n_tasks = (n + step - 1) // step, slice_tasks = tasks_per_slice(2 * r * (d + K))
    cdef intp_t t, first, last
    cdef int failed = 0
    for first in range(0, n_tasks, slice_tasks):
        last = min(n_tasks, first + slice_tasks)
        for t in prange(first, last, num_threads=n_threads, schedule="dynamic", nogil=True):
            failed += tied_task(&X[t * step, 0], min(step, n - t * step), d, r, K, &center[0],
                                &matrix[0, 0], triangular, &means[0, 0], &scale[0], &shift[0],
                                &out[t * step, 0])
        check(failed)


def distances_diag(const floating[:, ::1] X, const double[:, ::1] means,
                   const double[:, ::1] precisions, const double[::1] scale,
                   const double[::1] shift, double[:, ::1] out, int n_threads):
    """out[i, k] = shift[k] + scale[k] sum_j (X[i, j] - means[k, j])^2 precisions[k, j]."""
    cdef intp_t n = X.shape[0], d = X.shape[1], K = means.shape[0], step = GROUP * BLOCK
    cdef intp_t n_tasks = (n + step - 1) // step, slice_tasks = tasks_per_slice(4 * d * K)
    cdef intp_t t, first, last
    cdef int failed = 0
    for first in range(0, n_tasks, slice_tasks):
        last = min(n_tasks, first + slice_tasks)
        for t in prange(first, last, num_threads=n_threads, schedule="dynamic", nogil=True):
            failed += diag_task(&X[t * step, 0], min(step, n - t * step), d, K, &means[0, 0],
                                &precisions[0, 0], &scale[0], &shift[0], &out[t * step, 0])
        check(failed)


def affine_map(const floating[:, ::1] X, const double[::1] center, const double[:, ::1] matrix,
               const double[::1] shift, double[:, ::1] out, int n_threads):
    """out[i, :] = (X[i] - center) A + shift; `matrix` (r, d) is A'."""
    cdef intp_t n = X.shape[0], d = X.shape[1], r = matrix.shape[0], step = GROUP * BLOCK
    cdef intp_t n_tasks = (n + step - 1) // step, slice_tasks = tasks_per_slice(2 * d * r)
    cdef intp_t t, first, last
    cdef int failed = 0
    for first in range(0, n_tasks, slice_tasks):
        last = min(n_tasks, first + slice_tasks)
        for t in prange(first, last, num_threads=n_threads, schedule="dynamic", nogil=True):
            failed += affine_task(&X[t * step, 0], min(step, n - t * step), d, r, &center[0],
                                  &matrix[0, 0], &shift[0], &out[t * step, 0])
        check(failed)
