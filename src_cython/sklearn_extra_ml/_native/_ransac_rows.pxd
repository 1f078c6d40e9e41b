"""The packed rows of ``sem_ransac.h``, as every kernel of RANSAC takes them."""

from cython cimport floating

from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_ransac.h" nogil:
    enum:
        SEM_RS_BLOCK
    ctypedef struct sem_rs_rows:
        const void *blocks
        const double *weights
        intp_t n_rows
        intp_t p
        intp_t t
        int squared


cdef inline sem_rs_rows packed_rows(const floating[:, :, ::1] blocks, const double[::1] weights,
                                    intp_t n_rows, intp_t n_targets, bint squared) noexcept:
    cdef sem_rs_rows rows
    rows.blocks = <const void *>&blocks[0, 0, 0]
    rows.weights = &weights[0] if weights.shape[0] else NULL
    rows.n_rows = n_rows
    rows.t = n_targets
    rows.p = blocks.shape[1] - n_targets
    rows.squared = squared
    return rows
