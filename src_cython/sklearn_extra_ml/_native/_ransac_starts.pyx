"""RANSAC for linear models: the rows of the deterministic starts (``sem_ransac_starts.h``)."""

from cython cimport floating
from libc.stdint cimport uint8_t

from sklearn_extra_ml._native._ransac_rows cimport SEM_RS_BLOCK, packed_rows, sem_rs_rows
from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_ransac_starts.h" nogil:
    enum:
        SEM_RS_STARTS
    int sem_rs_starts_f32(const sem_rs_rows *rows, intp_t n_blocks, int intercept, uint8_t *masks)
    int sem_rs_starts_f64(const sem_rs_rows *rows, intp_t n_blocks, int intercept, uint8_t *masks)

N_STARTS = SEM_RS_STARTS


def mark_starts(const floating[:, :, ::1] blocks, const double[::1] weights, intp_t n_rows,
                intp_t n_targets, bint intercept, uint8_t[:, ::1] masks):
    """Mark the rows of each start: `masks` (N_STARTS, rows of the first blocks), zeros before.

    All rows, the two ends of the longest axis of the design (30 % each), the two sides of the
    least-squares plane of the first target. The design has at least one column.
    """
    cdef sem_rs_rows rows = packed_rows(blocks, weights, n_rows, n_targets, False)
    cdef intp_t n_blocks = masks.shape[1] // SEM_RS_BLOCK
    cdef int status
    with nogil:
        if floating is float:
            status = sem_rs_starts_f32(&rows, n_blocks, intercept, &masks[0, 0])
        else:
            status = sem_rs_starts_f64(&rows, n_blocks, intercept, &masks[0, 0])
    if status < 0:
        raise MemoryError()
