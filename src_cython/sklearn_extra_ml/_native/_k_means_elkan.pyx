"""The assignment step of Elkan's k-means (Elkan, ICML 2003): a lower bound for every row and centre.

A distance is computed only when neither the row's lower bound for that centre nor half the distance
between the two centres rules it out. Bounds are kept less the drift of the centres, so the n x k
table is written where a distance was computed and nowhere else; the original rewrites all of it in
each iteration. Distances are the exact ones that decide near ties in Lloyd's algorithm, and bounds
are rounded outward, so the labels are those of Lloyd's algorithm.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdlib cimport free, malloc

from ._k_means_kernels cimport rivals_of, sq_dist
from ._typedefs cimport floating, int32_t, intp_t

cdef extern from "sem_simd.h" nogil:
    int sem_thread_num()

cdef double WAVE_WORK = 1e8


# What a task needs besides its rows.
cdef struct Elkan:
    intp_t d
    intp_t k
    double slack          # relative rounding error of a distance
    double storage        # and of an entry of the table
    const double *drift
    const double *half
    const double *half_gap
    bint first


cdef inline double distance_key(
        const floating *x, const floating *offset, const floating *center, const int32_t *columns,
        intp_t nnz, const double *wide, double c2, intp_t d) noexcept nogil:
    """What two centres are compared by: the squared distance; for a sparse row less |x|^2."""
    cdef intp_t q
    cdef double product = 0
    if columns == NULL and wide == NULL:
        return sq_dist(x, offset, center, d)
    for q in range(nnz):
        product += <double> x[q] * wide[columns[q]]
    return c2 - 2 * product


cdef inline double bound_below(const Elkan *e, double dist, intp_t j) noexcept nogil:
    """A lower bound as the table keeps it: plus the drift so far, rounded down."""
    return (dist * (1 - e.slack) + e.drift[j]) * (1 - e.storage)


cdef void assign_row(
        const Elkan *e, const floating *x, const floating *offset, const floating *centers,
        const int32_t *columns, intp_t nnz, const double *wide, const double *c2, int32_t *label,
        double *upper, floating *lower, int32_t *rivals) noexcept nogil:
    cdef:
        intp_t k = e.k, d = e.d, j, q, m, best
        double u, key, best_key, dist, x2 = 0, grow = 1 + e.slack
        bint sparse = wide != NULL
    if e.first:
        best = 0
        m = k
    else:
        best = label[0]
        u = upper[0] + e.drift[best]
        if u * grow < e.half_gap[best]:
            return
        m = rivals_of(lower, e.drift, e.half + best * k, u * grow, k, best, rivals)
        if m == 0:
            return
    if sparse:
        for q in range(nnz):
            x2 += <double> x[q] * <double> x[q]
    best_key = distance_key(x, offset, centers + best * d, columns, nnz,
                            wide + best * d if sparse else NULL, c2[best] if sparse else 0.0, d)
    u = sqrt(max(0.0, best_key + x2))
    lower[best] = <floating> bound_below(e, u, best)
    for q in range(m):
        j = q if e.first else rivals[q]
        if e.first:
            if j == best:
                continue
            if u * grow < e.half[best * k + j]:
                lower[j] = <floating> bound_below(e, 2 * e.half[best * k + j] - u * grow, j)
                continue
        elif u * grow < lower[j] - e.drift[j] or u * grow < e.half[best * k + j]:
            continue
        key = distance_key(x, offset, centers + j * d, columns, nnz,
                           wide + j * d if sparse else NULL, c2[j] if sparse else 0.0, d)
        dist = sqrt(max(0.0, key + x2))
        lower[j] = <floating> bound_below(e, dist, j)
        if key < best_key or (key == best_key and j < best):
            best = j
            best_key = key
            u = dist
    label[0] = <int32_t> best
    upper[0] = (u * grow - e.drift[best]) + 4.5e-16 * (u + e.drift[best])


def elkan_assign(
        const floating[:, ::1] X,           # IN, dense rows
        const floating[::1] offset,         # IN
        const floating[:, ::1] centers,     # IN, centred
        int32_t[::1] labels,                # INOUT
        int32_t[::1] old_labels,            # OUT
        double[::1] upper,                  # INOUT, less drift
        floating[:, ::1] lower,             # INOUT (n, k), plus drift
        const double[::1] drift,            # IN (k,), what each centre has moved so far
        const double[:, ::1] half,          # IN (k, k), half the distances between centres
        const double[::1] half_gap,         # IN (k,), the smallest of them
        bint first,                         # IN, no bounds yet
        int n_threads):
    """Label every dense row with its nearest centre."""
    cdef:
        intp_t n = X.shape[0], size = 256, n_tasks = (n + size - 1) // size, task, start, last, i
        intp_t k = centers.shape[0], wave
        int32_t *rivals
        Elkan e
    fill_elkan(&e, X.shape[1], k, drift, half, half_gap, first,
               2.4e-7 if floating is float else 4.5e-16)
    n_threads = <int> max(1, min(n_threads, n_tasks))
    wave = <intp_t> max(4.0 * n_threads, WAVE_WORK * n_threads / (256.0 * k * (e.d + 6)))
    rivals = <int32_t*> malloc(n_threads * (k + 1) * sizeof(int32_t))
    if rivals == NULL:
        raise MemoryError()
    try:
        for start in range(0, n_tasks, wave):
            PyErr_CheckSignals()
            last = min(n_tasks, start + wave)
            for task in prange(start, last, nogil=True, num_threads=n_threads,
                               schedule="dynamic"):
                for i in range(task * size, min(n, (task + 1) * size)):
                    old_labels[i] = labels[i]
                    assign_row(&e, &X[i, 0], &offset[0], &centers[0, 0], NULL, 0, NULL, NULL,
                               &labels[i], &upper[i], &lower[i, 0],
                               rivals + sem_thread_num() * (k + 1))
    finally:
        free(rivals)


def elkan_assign_sparse(
        const floating[::1] data,           # IN, CSR
        const int32_t[::1] indices,         # IN
        const int32_t[::1] indptr,          # IN
        const double[:, ::1] centers,       # IN
        const double[::1] c2,               # IN, squared norms
        int32_t[::1] labels,                # INOUT
        int32_t[::1] old_labels,            # OUT
        double[::1] upper,                  # INOUT
        floating[:, ::1] lower,             # INOUT
        const double[::1] drift,            # IN
        const double[:, ::1] half,          # IN
        const double[::1] half_gap,         # IN
        bint first,
        int n_threads):
    """Label every row of a CSR matrix with its nearest centre."""
    cdef:
        intp_t n = labels.shape[0], size = 256, n_tasks = (n + size - 1) // size, task, start
        intp_t last, i, k = centers.shape[0], wave
        const floating *values = &data[0] if data.shape[0] else NULL
        const int32_t *columns = &indices[0] if data.shape[0] else NULL
        int32_t *rivals
        Elkan e
    fill_elkan(&e, centers.shape[1], k, drift, half, half_gap, first,
               2.4e-7 if floating is float else 4.5e-16)
    n_threads = <int> max(1, min(n_threads, n_tasks))
    wave = <intp_t> max(4.0 * n_threads,
                        WAVE_WORK * n_threads / (256.0 * k * (data.shape[0] / n + 6.0)))
    rivals = <int32_t*> malloc(n_threads * (k + 1) * sizeof(int32_t))
    if rivals == NULL:
        raise MemoryError()
    try:
        for start in range(0, n_tasks, wave):
            PyErr_CheckSignals()
            last = min(n_tasks, start + wave)
            for task in prange(start, last, nogil=True, num_threads=n_threads,
                               schedule="dynamic"):
                for i in range(task * size, min(n, (task + 1) * size)):
                    old_labels[i] = labels[i]
                    assign_row(&e, values + indptr[i], <const floating*> NULL,
                               <const floating*> NULL, columns + indptr[i],
                               indptr[i + 1] - indptr[i], &centers[0, 0], &c2[0], &labels[i],
                               &upper[i], &lower[i, 0], rivals + sem_thread_num() * (k + 1))
    finally:
        free(rivals)


cdef void fill_elkan(Elkan *e, intp_t d, intp_t k, const double[::1] drift,
                     const double[:, ::1] half, const double[::1] half_gap, bint first,
                     double storage) noexcept:
    e.d = d
    e.k = k
    e.first = first
    e.slack = (d + 16) * 4.5e-16 + 1e-9
    e.storage = storage
    e.drift = &drift[0]
    e.half = &half[0, 0]
    e.half_gap = &half_gap[0]
