"""RANSAC for linear models: the last fit by QR, which rows agree, and how well they are explained.

Rows are packed as ``sem_ransac.h`` tells, `factor_rows` is the QR of ``sem_ransac_qr.h``. Every sum
runs over fixed lanes, blocks and chunks in order: bits depend neither on the number of threads nor
on the instruction set.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from sklearn_extra_ml._native._ransac_rows cimport SEM_RS_BLOCK, packed_rows, sem_rs_rows
from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_ransac_qr.h" nogil:
    void sem_rs_fold(double *a, intp_t q, intp_t c, double *r)
    void sem_rs_unfold(const double *r, intp_t q, intp_t c, double *a)
    intp_t sem_rs_roots(const uint8_t *mask, const double *weights, intp_t here, double *root)
    intp_t sem_rs_factor_f32(const sem_rs_rows *rows, intp_t first, intp_t last, int intercept,
                             const uint8_t *mask, double *a, double *r)
    intp_t sem_rs_factor_f64(const sem_rs_rows *rows, intp_t first, intp_t last, int intercept,
                             const uint8_t *mask, double *a, double *r)
    void sem_rs_losses_f32(const float *block, intp_t p, intp_t t, int squared, const double *model,
                           float *loss)
    void sem_rs_losses_f64(const double *block, intp_t p, intp_t t, int squared, const double *model,
                           double *loss)
    void sem_rs_mark_f32(const float *loss, double threshold, uint8_t *mask)
    void sem_rs_mark_f64(const double *loss, double threshold, uint8_t *mask)
    void sem_rs_moments_f32(const float *block, const double *root, intp_t p, intp_t t,
                            const double *model, const double *centre, double *sums)
    void sem_rs_moments_f64(const double *block, const double *root, intp_t p, intp_t t,
                            const double *model, const double *centre, double *sums)

cdef intp_t CHUNK = 32  # blocks that one task takes
cdef intp_t GROUP = 32  # chunks between two looks at Ctrl-C


cdef int _factor(const floating[:, :, ::1] blocks, const sem_rs_rows *rows, intp_t first,
                 intp_t last, int intercept, const uint8_t *mask, double *r) noexcept nogil:
    """Factor of one chunk; -1 without memory."""
    cdef intp_t c = rows.p + rows.t + intercept
    cdef double *a = <double *>malloc((c + 1) * SEM_RS_BLOCK * sizeof(double))
    if a == NULL:
        return -1
    if floating is float:
        sem_rs_factor_f32(rows, first, last, intercept, mask, a, r)
    else:
        sem_rs_factor_f64(rows, first, last, intercept, mask, a, r)
    free(a)
    return 0


def factor_rows(const floating[:, :, ::1] blocks, const double[::1] weights, intp_t n_rows,
                intp_t n_targets, bint intercept, const uint8_t[:, ::1] mask, int n_threads,
                double[:, ::1] r):
    """QR factor of the rows in `mask` (n_blocks, BLOCK), scaled by the roots of their weights.

    `r` (c, c) receives R of the columns [one, design], as rows of the triangle, and Q' times the
    targets beside it; c counts the one (with `intercept`), the design and the targets.
    """
    cdef sem_rs_rows rows = packed_rows(blocks, weights, n_rows, n_targets, False)
    cdef intp_t c = r.shape[0], q = c - n_targets, n_blocks = blocks.shape[0], k, first, here
    cdef intp_t n_chunks = (n_blocks + CHUNK - 1) // CHUNK
    cdef int failed = 0
    cdef double *parts = <double *>malloc(GROUP * c * c * sizeof(double))
    cdef double *a = <double *>malloc(c * SEM_RS_BLOCK * sizeof(double))
    if parts == NULL or a == NULL:
        free(parts)
        free(a)
        raise MemoryError()
    try:
        memset(&r[0, 0], 0, c * c * sizeof(double))
        for first in range(0, n_chunks, GROUP):
            here = min(GROUP, n_chunks - first)
            memset(parts, 0, here * c * c * sizeof(double))
            for k in prange(here, schedule="dynamic", num_threads=n_threads, nogil=True):
                if _factor(blocks, &rows, (first + k) * CHUNK,
                           min((first + k + 1) * CHUNK, n_blocks), intercept, &mask[0, 0],
                           parts + k * c * c) < 0:
                    failed |= 1
            if failed:
                raise MemoryError()
            with nogil:
                for k in range(here):
                    sem_rs_unfold(parts + k * c * c, q, c, a)
                    sem_rs_fold(a, q, c, &r[0, 0])
            PyErr_CheckSignals()
    finally:
        free(parts)
        free(a)


def mark_within(const floating[:, :, ::1] blocks, intp_t n_targets, bint squared,
                const double[:, ::1] model, double threshold, int n_threads, uint8_t[:, ::1] mask):
    """Set `mask` (n_blocks, BLOCK) to 1 where the loss is at most `threshold`, padding included."""
    cdef intp_t b, t = n_targets, p = blocks.shape[1] - n_targets
    for b in prange(blocks.shape[0], schedule="static", num_threads=n_threads, nogil=True):
        _mark(blocks, b, p, t, squared, &model[0, 0], threshold, &mask[b, 0])


cdef void _mark(const floating[:, :, ::1] blocks, intp_t b, intp_t p, intp_t t, int squared,
                const double *model, double threshold, uint8_t *mask) noexcept nogil:
    cdef floating[SEM_RS_BLOCK] loss
    if floating is float:
        sem_rs_losses_f32(&blocks[b, 0, 0], p, t, squared, model, &loss[0])
        sem_rs_mark_f32(&loss[0], threshold, mask)
    else:
        sem_rs_losses_f64(&blocks[b, 0, 0], p, t, squared, model, &loss[0])
        sem_rs_mark_f64(&loss[0], threshold, mask)


cdef void _moments(const floating[:, :, ::1] blocks, const sem_rs_rows *rows, intp_t first,
                   intp_t last, const uint8_t *mask, const double *model, const double *centre,
                   double *sums) noexcept nogil:
    cdef double[SEM_RS_BLOCK] root
    cdef intp_t b
    for b in range(first, last):
        if not sem_rs_roots(
            mask + b * SEM_RS_BLOCK,
            rows.weights + b * SEM_RS_BLOCK if rows.weights != NULL else NULL,
            rows.n_rows - b * SEM_RS_BLOCK,
            &root[0],
        ):
            continue
        if floating is float:
            sem_rs_moments_f32(&blocks[b, 0, 0], &root[0], rows.p, rows.t, model, centre, sums)
        else:
            sem_rs_moments_f64(&blocks[b, 0, 0], &root[0], rows.p, rows.t, model, centre, sums)


def explained_sums(const floating[:, :, ::1] blocks, const double[::1] weights, intp_t n_rows,
                   intp_t n_targets, const double[:, ::1] model, const double[::1] centre,
                   const uint8_t[:, ::1] mask, int n_threads, double[:, ::1] sums):
    """Weighted sums over the rows in `mask`, one line of `sums` (n_targets, 3) for each target.

    Of ``target - centre``, of its square, and of the squared residual under `model`.
    """
    cdef sem_rs_rows rows = packed_rows(blocks, weights, n_rows, n_targets, False)
    cdef intp_t n_blocks = blocks.shape[0], size = 3 * n_targets, k, i
    cdef intp_t n_chunks = (n_blocks + CHUNK - 1) // CHUNK
    cdef double *parts = <double *>calloc(n_chunks * size, sizeof(double))
    if parts == NULL:
        raise MemoryError()
    for k in prange(n_chunks, schedule="static", num_threads=n_threads, nogil=True):
        _moments(blocks, &rows, k * CHUNK, min((k + 1) * CHUNK, n_blocks), &mask[0, 0],
                 &model[0, 0], &centre[0], parts + k * size)
    memset(&sums[0, 0], 0, size * sizeof(double))
    for k in range(n_chunks):
        for i in range(size):
            sums[i // 3, i % 3] += parts[k * size + i]
    free(parts)
