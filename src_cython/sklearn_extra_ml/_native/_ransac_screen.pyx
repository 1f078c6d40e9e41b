"""RANSAC for linear models with one target: drop what cannot win, in single precision.

``sem_ransac_screen.h`` tells why nothing that could win is lost. `narrow_rows` makes the packed
rows single, `screen_models` runs a batch of models over them and marks those that remain.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_ransac_screen.h" nogil:
    enum:
        SEM_RS_BLOCK
        SEM_RS_GROUP
    const double SEM_RS_UNIT
    void sem_rs_narrow(const double *block, intp_t p, float *narrow, float *largest)
    void sem_rs_largest(const float *block, intp_t p, float *largest)
    void sem_rs_limits(const float *sizes, const float *largest, intp_t p, double threshold,
                       int quadratic, float *limits)
    void sem_rs_screen(const float *block, intp_t p, const float *models, const float *limits,
                       int quadratic, float *gains)

cdef double FAR = 1e18  # beyond, squares may overflow: such models are left to the full pass


def narrow_rows(const floating[:, :, ::1] blocks, int n_threads, float[:, :, ::1] narrow,
                float[:, ::1] largest):
    """Copy packed rows of one target to single precision; `largest` (n_blocks, p): of each |x_j|.

    Rows that are single already are not copied: `narrow` may be `blocks` itself.
    """
    cdef intp_t b, p = blocks.shape[1] - 1
    for b in prange(blocks.shape[0], schedule="static", num_threads=n_threads, nogil=True):
        if floating is float:
            sem_rs_largest(&blocks[b, 0, 0], p, &largest[b, 0] if p else NULL)
        else:
            sem_rs_narrow(&blocks[b, 0, 0], p, &narrow[b, 0, 0], &largest[b, 0] if p else NULL)


cdef void _screen_block(const float *block, const float *largest, intp_t p, intp_t n_groups,
                        const float *models, const float *sizes, double threshold, int quadratic,
                        float *gains) noexcept nogil:
    cdef float[SEM_RS_GROUP] limits
    cdef intp_t g, size = (p + 1) * SEM_RS_GROUP
    for g in range(n_groups):
        sem_rs_limits(sizes + g * size, largest, p, threshold, quadratic, &limits[0])
        sem_rs_screen(block, p, models + g * size, &limits[0], quadratic, gains + g * SEM_RS_GROUP)


def screen_models(const float[:, :, ::1] narrow, const float[:, ::1] largest, intp_t n_rows,
                  const double[:, :, ::1] models, bint quadratic, double threshold, double to_beat,
                  int n_threads, uint8_t[::1] kept):
    """Mark in `kept` the models whose gain over all rows may reach `to_beat`.

    `models` is (n, 1, p + 1), the intercept last; `threshold` is one of the residual. Gains: the
    number of rows within the threshold, or (`quadratic`) their sum of ``1 - (r / threshold)**2``.
    """
    cdef intp_t n = models.shape[0], n_blocks = narrow.shape[0], p = narrow.shape[1] - 1
    cdef intp_t size = (p + 1) * SEM_RS_GROUP, step = 8, start = 0, stop, n_active = 0, n_groups
    cdef intp_t width = (n + SEM_RS_GROUP - 1) // SEM_RS_GROUP * SEM_RS_GROUP, i, j, b, h, still, at
    cdef double left, reach, scale = threshold / (1 - 2 * (p + 5) * SEM_RS_UNIT)
    cdef double unit = 1 / (scale * scale) if quadratic else 1.0
    cdef intp_t *active = <intp_t *>malloc(max(n, 1) * sizeof(intp_t))
    cdef double *total = <double *>malloc(max(n, 1) * sizeof(double))
    cdef float *packed = <float *>malloc(max(2 * width * (p + 1), 1) * sizeof(float))
    cdef float *parts = <float *>malloc(max(width * 32, 1) * sizeof(float))
    cdef float *sizes
    if active == NULL or total == NULL or packed == NULL or parts == NULL:
        free(active)
        free(total)
        free(packed)
        free(parts)
        raise MemoryError()
    sizes = packed + width * (p + 1)
    try:
        for i in range(n):
            total[i] = 0
            kept[i] = 1
            if _is_near(&models[i, 0, 0], largest, p):
                active[n_active] = i
                n_active += 1
        while start < n_blocks and n_active:
            stop = min(start + step, n_blocks)
            step = min(2 * step, 32)
            n_groups = (n_active + SEM_RS_GROUP - 1) // SEM_RS_GROUP
            with nogil:
                memset(packed, 0, 2 * width * (p + 1) * sizeof(float))
                for i in range(n_active):
                    for j in range(p + 1):
                        at = i // SEM_RS_GROUP * size + j * SEM_RS_GROUP + i % SEM_RS_GROUP
                        packed[at] = <float>(-models[active[i], 0, j])
                        sizes[at] = abs(packed[at])
                for b in prange(start, stop, schedule="static", num_threads=n_threads):
                    _screen_block(&narrow[b, 0, 0], &largest[b, 0] if p else NULL, p, n_groups,
                                  packed, sizes, threshold, quadratic, parts + (b - start) * width)
                left = max(n_rows - stop * SEM_RS_BLOCK, 0)
                # what rounding of the sums may have taken away
                left = left + 32 * SEM_RS_UNIT * min(stop * SEM_RS_BLOCK, n_rows)
                still = 0
                for i in range(n_active):
                    h = active[i]
                    for b in range(stop - start):
                        # no block gains more than its rows, however loose its bound
                        total[h] += min(unit * parts[b * width + i], <double>SEM_RS_BLOCK)
                    if total[h] + left < to_beat:
                        kept[h] = 0
                    else:
                        active[still] = h
                        still += 1
                n_active = still
            start = stop
            PyErr_CheckSignals()
    finally:
        free(active)
        free(total)
        free(packed)
        free(parts)


cdef bint _is_near(const double *model, const float[:, ::1] largest, intp_t p) noexcept nogil:
    """Whether no prediction of the model on the rows is beyond what is safe to square."""
    cdef double bound = abs(model[p])
    cdef intp_t b, j
    cdef float most
    for j in range(p):
        most = 0
        for b in range(largest.shape[0]):
            most = max(most, largest[b, j])
        bound += abs(model[j]) * most
    return bound < FAR
