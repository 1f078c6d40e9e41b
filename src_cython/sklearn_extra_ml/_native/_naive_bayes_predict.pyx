"""Log-densities of rows under every class, and from joint to posterior.

The density functions *add* to `joint` (n_rows, n_classes), so that one row may have columns of
several kinds. The loops stand in ``sem_naive_bayes.h``; each row is computed by itself.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc

from ._typedefs cimport floating, int32_t, int64_t, intp_t

cdef extern from "sem_naive_bayes.h" nogil:
    enum:
        SEM_NB_TILE
        SEM_NB_FEATURES
    int sem_nb_densities_f32(
        const float*, intp_t, intp_t, intp_t, const double*, const double*, const double*,
        const double*, int, double, int, double*, double*, double*)
    int sem_nb_densities_f64(
        const double*, intp_t, intp_t, intp_t, const double*, const double*, const double*,
        const double*, int, double, int, double*, double*, double*)
    void sem_nb_sparse_densities_f32(
        const float*, const int32_t*, const int32_t*, intp_t, intp_t, intp_t, intp_t,
        const double*, const double*, const double*, const double*, int, double, double*, double*)
    void sem_nb_sparse_densities_f64(
        const double*, const int32_t*, const int32_t*, intp_t, intp_t, intp_t, intp_t,
        const double*, const double*, const double*, const double*, int, double, double*, double*)
    void sem_nb_add_lines(intp_t, intp_t, const intp_t*, const double*, double*)
    intp_t sem_nb_best(intp_t, const double*, const double*)
    void sem_nb_normalise(intp_t, double*, const double*, int)

ctypedef fused code_t:
    int32_t
    int64_t
    float
    double


def add_densities(
        const floating[:, ::1] X,      # IN, one chunk of rows
        const double[:, ::1] a,        # IN (k, d): means, or weights of the linear form
        const double[:, ::1] scale,    # IN (k, d), or of no rows: the linear form
        const double[:, ::1] constant, # IN (k, d): what each seen cell adds; only if `missing`
        const double[::1] base,        # IN (k,): what each row adds
        bint binary,                   # whether a cell stands for (x > threshold)
        double threshold,
        bint missing,                  # whether NaN cells are skipped
        double[:, ::1] joint,          # INOUT (n_rows, k)
        int n_threads):
    """Add to `joint` base - sum(((x - a) scale)^2 + constant) / 2, or base + sum(x a + constant).

    Returns the bits of what is wrong with X.
    """
    cdef:
        intp_t m = X.shape[0], k = a.shape[0], q, n_tiles = (m + SEM_NB_TILE - 1) // SEM_NB_TILE
        intp_t room = SEM_NB_TILE * (SEM_NB_FEATURES + k)
        double *scratch
        int wrong = 0
    n_threads = <int> max(1, min(n_threads, n_tiles // 8))
    scratch = <double*> malloc(n_threads * room * sizeof(double))
    if scratch == NULL:
        raise MemoryError()
    try:
        PyErr_CheckSignals()
        for q in prange(n_tiles, nogil=True, num_threads=n_threads, schedule="static"):
            wrong |= densities_of_tile(X, a, scale, constant, base, binary, threshold, missing,
                                       q * SEM_NB_TILE, scratch + threadid() * room, joint)
    finally:
        free(scratch)
    return wrong


cdef int densities_of_tile(
        const floating[:, ::1] X, const double[:, ::1] a, const double[:, ::1] scale,
        const double[:, ::1] constant, const double[::1] base, bint binary, double threshold,
        bint missing, intp_t first, double *scratch, double[:, ::1] joint) noexcept nogil:
    cdef:
        intp_t rows = min(X.shape[0] - first, <intp_t> SEM_NB_TILE)
        const double *s = &scale[0, 0] if scale.shape[0] else NULL
        const double *b = &constant[0, 0] if constant.shape[0] else NULL
        double *acc = scratch + SEM_NB_TILE * SEM_NB_FEATURES
    if floating is float:
        return sem_nb_densities_f32(
            &X[first, 0], rows, X.shape[1], a.shape[0], &a[0, 0], s, b, &base[0], binary,
            threshold, missing, scratch, acc, &joint[first, 0])
    else:
        return sem_nb_densities_f64(
            &X[first, 0], rows, X.shape[1], a.shape[0], &a[0, 0], s, b, &base[0], binary,
            threshold, missing, scratch, acc, &joint[first, 0])


def add_sparse_densities(
        const floating[::1] data,    # IN, CSR
        const int32_t[::1] indices,  # IN
        const int32_t[::1] indptr,   # IN
        intp_t first,                # rows first to last
        intp_t last,
        const double[:, ::1] weight, # IN (d, width), zeros beyond k; width a multiple of 4
        const double[:, ::1] curve,  # IN (d, width), or of no rows: the linear form
        const double[:, ::1] absent, # IN (d, width): what a missing entry adds; or of no rows
        const double[::1] base,      # IN (width,)
        bint binary,
        double threshold,
        double[:, ::1] joint,        # INOUT (last - first, k)
        int n_threads):
    """Add base and, for each stored entry x of feature t, x (weight[t] - x curve[t])."""
    cdef:
        intp_t m = last - first, q, step = 256, width = weight.shape[1]
        intp_t n_blocks = (m + step - 1) // step
        double *rows
    n_threads = <int> max(1, min(n_threads, n_blocks))
    rows = <double*> malloc(n_threads * width * sizeof(double))
    if rows == NULL:
        raise MemoryError()
    try:
        PyErr_CheckSignals()
        for q in prange(n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic"):
            sparse_densities_of_rows(
                data, indices, indptr, first + q * step, min(last, first + (q + 1) * step), weight,
                curve, absent, base, binary, threshold, rows + threadid() * width,
                &joint[q * step, 0], joint.shape[1])
    finally:
        free(rows)


cdef void sparse_densities_of_rows(
        const floating[::1] data, const int32_t[::1] indices, const int32_t[::1] indptr,
        intp_t first, intp_t last, const double[:, ::1] weight, const double[:, ::1] curve,
        const double[:, ::1] absent, const double[::1] base, bint binary, double threshold,
        double *row, double *joint, intp_t k) noexcept nogil:
    cdef:
        const floating *values = &data[0] if data.shape[0] else NULL
        const int32_t *columns = &indices[0] if data.shape[0] else NULL
        const double *c = &curve[0, 0] if curve.shape[0] else NULL
        const double *b = &absent[0, 0] if absent.shape[0] else NULL
    if floating is float:
        sem_nb_sparse_densities_f32(values, columns, &indptr[0], first, last, k, weight.shape[1],
                                    &weight[0, 0], c, b, &base[0], binary, threshold, row, joint)
    else:
        sem_nb_sparse_densities_f64(values, columns, &indptr[0], first, last, k, weight.shape[1],
                                    &weight[0, 0], c, b, &base[0], binary, threshold, row, joint)


def add_categories(
        const code_t[:, ::1] X,         # IN, one chunk of rows of category codes; NaN or below 0: missing
        const intp_t[::1] offsets,      # IN (d + 1,): first line of each column
        const double[:, ::1] table,     # IN (lines, k); the last line of a column: unseen codes
        double[:, ::1] joint,           # INOUT (n_rows, k)
        int n_threads):
    """Add the lines of the categories. Returns the number of cells with an unseen category."""
    cdef:
        intp_t m = X.shape[0], d = X.shape[1], q, step = 256, n_blocks = (m + step - 1) // step
        intp_t unseen = 0
        intp_t *lines
    n_threads = <int> max(1, min(n_threads, n_blocks))
    lines = <intp_t*> malloc(n_threads * d * sizeof(intp_t))
    if lines == NULL:
        raise MemoryError()
    try:
        PyErr_CheckSignals()
        for q in prange(n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic"):
            unseen += categories_of_rows(X, offsets, table, q * step, min(m, (q + 1) * step),
                                         lines + threadid() * d, joint)
    finally:
        free(lines)
    return unseen


cdef intp_t categories_of_rows(
        const code_t[:, ::1] X, const intp_t[::1] offsets, const double[:, ::1] table,
        intp_t start, intp_t stop, intp_t *lines, double[:, ::1] joint) noexcept nogil:
    cdef:
        intp_t i, t, last, d = X.shape[1], unseen = 0
        const code_t *row
    for i in range(start, stop):
        row = &X[i, 0]
        for t in range(d):
            last = offsets[t + 1] - 1 - offsets[t]
            if code_t is float or code_t is double:
                if row[t] != row[t]:
                    lines[t] = -1
                    continue
            if row[t] <= -1:
                lines[t] = -1
            elif row[t] < last:
                lines[t] = offsets[t] + <intp_t> row[t]
            else:
                lines[t] = offsets[t] + last
                unseen += 1
        sem_nb_add_lines(joint.shape[1], d, lines, &table[0, 0], &joint[i, 0])
    return unseen


def best_classes(const double[:, ::1] joint, const double[::1] log_prior, int32_t[::1] out,
                 int n_threads):
    """Write the number of the most probable class of each row, the first of equals."""
    cdef intp_t i, m = joint.shape[0]
    PyErr_CheckSignals()
    for i in prange(m, nogil=True, num_threads=n_threads, schedule="static"):
        out[i] = <int32_t> sem_nb_best(joint.shape[1], &joint[i, 0], &log_prior[0])


def normalise(double[:, ::1] joint, const double[::1] log_prior, bint exponentiate, int n_threads):
    """Replace joint log-densities by log-posteriors, or posteriors, in place."""
    cdef intp_t i, m = joint.shape[0]
    PyErr_CheckSignals()
    for i in prange(m, nogil=True, num_threads=n_threads, schedule="static"):
        sem_nb_normalise(joint.shape[1], &joint[i, 0], &log_prior[0], exponentiate)
