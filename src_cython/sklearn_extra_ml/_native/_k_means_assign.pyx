"""The assignment step of k-means: the nearest centre of every row, and the bounds that save it.

Dense rows go through transposed blocks of 64 points (`sem_k_means_blocks.h`). A row whose two
nearest centres lie within the rounding error of the products is looked at again, in double
precision first and by direct differences last, so a label never depends on the block that the row
stood in, on the number of threads or on the instruction set: it is the arg-min of one fixed formula,
the lowest index of equals.

With bounds (Hamerly 2010) each row keeps an upper bound on the distance to its centre and a lower
bound on the distance to any other. Both are stored less the drift of the centres so far, so a row
that stays settled is read (12 bytes) and never written.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport INFINITY, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ._k_means_kernels cimport (
    SEM_BLOCK,
    commit,
    distances,
    nearest_exact,
    nearest_two,
    pack,
    sem_commit_f64,
    sem_nearest_two_f64,
    sem_pack_f32_as_f64,
    sem_round_down,
    sem_round_up,
    sem_unsettled,
    sem_vec_level,
    sparse_values,
    sq_dist_to_label,
    still_unsettled,
)
from ._typedefs cimport floating, int32_t, intp_t

cdef extern from "sem_simd.h" nogil:
    int sem_thread_num()

# Work (multiply-adds) of one task and between two looks at pending signals, for each thread: some
# milliseconds and at most half a second on the slowest path.
cdef double TASK_WORK = 4e6
cdef double WAVE_WORK = 1e9


def simd_level():
    """Return the level of the block kernels on this machine: 4, 3, 1 (see `sem_vec.h`) or 0."""
    return sem_vec_level()


def task_rows(intp_t n_clusters, intp_t n_features):
    """Return the rows of one task: a multiple of the block, at most 1024."""
    cdef double blocks = TASK_WORK / (64.0 * n_clusters * (n_features + 6))
    return SEM_BLOCK * <intp_t> min(16.0, max(1.0, blocks))


cdef struct Bounds:
    const double *up_drift
    const double *low_drift
    const double *half_gap
    float *upper
    float *lower


# All that one task needs of the centres, in both precisions.
cdef struct Codebook:
    intp_t k          # centres that may win: of equal ones only the first
    intp_t d
    double gamma
    double gamma64
    double *cm2       # -2 c, double precision
    double *c2
    float *cm2_f32
    float *c2_f32
    int32_t *index    # centre number of each, NULL when all are there
    intp_t n_all


cdef int fill_codebook(const floating[:, ::1] centers, const int32_t[::1] distinct,
                       Codebook *book) noexcept nogil:
    cdef:
        intp_t k = distinct.shape[0] if distinct.shape[0] else centers.shape[0]
        intp_t d = centers.shape[1], j, t, row
        double total
    book.k = k
    book.d = d
    book.n_all = centers.shape[0]
    book.gamma64 = (d + 4) * 1.2e-16
    book.gamma = book.gamma64 if floating is double else (d + 4) * 6.0e-8
    book.index = NULL
    book.cm2 = <double*> malloc(k * d * sizeof(double))
    book.c2 = <double*> malloc(k * sizeof(double))
    book.cm2_f32 = <float*> malloc(k * d * sizeof(float)) if floating is float else NULL
    book.c2_f32 = <float*> malloc(k * sizeof(float)) if floating is float else NULL
    if distinct.shape[0]:
        book.index = <int32_t*> malloc(k * sizeof(int32_t))
        if book.index == NULL:
            return -1
    if book.cm2 == NULL or book.c2 == NULL:
        return -1
    if floating is float:
        if book.cm2_f32 == NULL or book.c2_f32 == NULL:
            return -1
    for j in range(k):
        row = distinct[j] if distinct.shape[0] else j
        if book.index != NULL:
            book.index[j] = <int32_t> row
        total = 0
        for t in range(d):
            total += <double> centers[row, t] * <double> centers[row, t]
            book.cm2[j * d + t] = -2 * <double> centers[row, t]
            if floating is float:
                book.cm2_f32[j * d + t] = -2 * centers[row, t]
        book.c2[j] = total
        if floating is float:
            book.c2_f32[j] = <float> total
    return 0


cdef void free_codebook(Codebook *book) noexcept nogil:
    free(book.cm2)
    free(book.c2)
    free(book.cm2_f32)
    free(book.c2_f32)
    free(book.index)


cdef inline void name_centers(const int32_t *index, floating *label, intp_t m) noexcept nogil:
    cdef intp_t p
    if index != NULL:
        for p in range(m):
            label[p] = <floating> index[<intp_t> label[p]]


# Scratch of one thread.
cdef struct Scratch:
    double *block
    double *block64
    intp_t *rows
    intp_t *undecided
    intp_t *again


cdef void assign_task(
        const floating *X, const floating *offset, const floating *blocks,
        const floating *centers, const Codebook *book, intp_t m, int32_t *labels,
        const Bounds *bounds, bint settle, int level, Scratch *scratch) noexcept nogil:
    """Label the m rows of one task. `X`, `blocks`, `labels` and the bounds start at its first row."""
    cdef:
        intp_t d = book.d, n_rows = m, start, count, n_undecided = 0, n_again, b, p, i
        intp_t *rows = NULL
        floating *block = <floating*> scratch.block
        const floating *points
        floating label[SEM_BLOCK]
        floating up[SEM_BLOCK]
        floating low[SEM_BLOCK]
        double label64[SEM_BLOCK]
        double up64[SEM_BLOCK]
        double low64[SEM_BLOCK]
        const floating *cm2
        const floating *c2
    if floating is double:
        cm2 = book.cm2
        c2 = book.c2
    else:
        cm2 = book.cm2_f32
        c2 = book.c2_f32

    if settle:
        rows = scratch.rows
        n_rows = sem_unsettled(labels, bounds.upper, bounds.lower, bounds.up_drift,
                               bounds.low_drift, bounds.half_gap, m, rows)
        # One distance more is worth it where it may save enough others.
        if book.k * (d + 6) >= 300:
            n_rows = still_unsettled(X, d, offset, centers, labels, bounds.upper, bounds.lower,
                                     bounds.up_drift, bounds.low_drift, bounds.half_gap, n_rows,
                                     rows)

    for b in range((n_rows + SEM_BLOCK - 1) // SEM_BLOCK):
        start = b * SEM_BLOCK
        count = min(SEM_BLOCK, n_rows - start)
        if rows != NULL:
            pack(level, X, d, rows + start, count, offset, block)
            points = block
        elif blocks != NULL:
            points = blocks + start * d
        else:
            pack(level, X + start * d, d, NULL, count, offset, block)
            points = block
        nearest_two(level, points, d, cm2, c2, book.k, book.gamma, label, up, low)
        name_centers(book.index, label, count)
        if rows != NULL:
            n_undecided += commit(label, up, low, rows + start, count, bounds.up_drift,
                                  bounds.low_drift, labels, bounds.upper, bounds.lower,
                                  scratch.undecided + n_undecided)
        else:
            n_again = commit(label, up, low, NULL, count, bounds.up_drift, bounds.low_drift,
                             labels + start,
                             bounds.upper + start if bounds.upper != NULL else NULL,
                             bounds.lower + start if bounds.upper != NULL else NULL,
                             scratch.undecided + n_undecided)
            for p in range(n_undecided, n_undecided + n_again):
                scratch.undecided[p] += start
            n_undecided += n_again

    if floating is float:
        n_again = 0
        for b in range((n_undecided + SEM_BLOCK - 1) // SEM_BLOCK):
            start = b * SEM_BLOCK
            count = min(SEM_BLOCK, n_undecided - start)
            sem_pack_f32_as_f64(X, d, scratch.undecided + start, count, offset, scratch.block64)
            sem_nearest_two_f64(level, scratch.block64, d, book.cm2, book.c2, book.k,
                                book.gamma64, label64, up64, low64)
            name_centers(book.index, label64, count)
            n_again += sem_commit_f64(label64, up64, low64, scratch.undecided + start, count,
                                      bounds.up_drift, bounds.low_drift, labels, bounds.upper,
                                      bounds.lower, scratch.again + n_again)
        memcpy(scratch.undecided, scratch.again, n_again * sizeof(intp_t))
        n_undecided = n_again

    for p in range(n_undecided):
        i = scratch.undecided[p]
        labels[i] = <int32_t> nearest_exact(X + i * d, offset, centers, book.n_all, d)
        if bounds.upper != NULL:
            bounds.upper[i] = INFINITY
            bounds.lower[i] = -INFINITY


cdef void assign_one(
        const floating *X, const floating *offset, const floating *blocks,
        const floating *centers, const Codebook *book, intp_t m, int32_t *labels, Bounds bounds,
        float *upper, float *lower, bint settle, int level, Scratch *scratch) noexcept nogil:
    bounds.upper = upper
    bounds.lower = lower
    assign_task(X, offset, blocks, centers, book, m, labels, &bounds, settle, level, scratch)


def assign_dense(
        const floating[:, ::1] X,           # IN
        const floating[::1] offset,         # IN, subtracted from every row
        const floating[::1] blocks,         # IN, the centred rows as transposed blocks, or empty
        const floating[:, ::1] centers,     # IN, centred
        const int32_t[::1] distinct,        # IN, the centres that may win, or empty: all
        int32_t[::1] labels,                # INOUT
        int32_t[::1] old_labels,            # OUT, `labels` as they were, or empty
        float[::1] upper,                   # INOUT, bounds less drift, or empty
        float[::1] lower,                   # INOUT
        const double[::1] up_drift,         # IN
        const double[::1] low_drift,        # IN
        const double[::1] half_gap,         # IN
        bint settle,                        # IN, whether the bounds may be used
        int n_threads,
        int level):
    """Label every row with its nearest centre. Raises what a pending signal raises."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], k = centers.shape[0]
        intp_t size = task_rows(k, d), n_tasks = (n + size - 1) // size
        intp_t wave, first, last, task, start, count
        int status = 0, thread
        Codebook book
        Bounds bounds
        Scratch *scratch
        const floating *block_ptr = &blocks[0] if blocks.shape[0] else NULL
    if n == 0:
        return
    n_threads = <int> max(1, min(n_threads, n_tasks))
    wave = <intp_t> max(4.0 * n_threads, n_threads * WAVE_WORK / (<double> size * k * (d + 6)))
    bounds.up_drift = &up_drift[0]
    bounds.low_drift = &low_drift[0]
    bounds.half_gap = &half_gap[0]
    bounds.upper = NULL
    bounds.lower = NULL

    status = fill_codebook(centers, distinct, &book)
    scratch = <Scratch*> malloc(n_threads * sizeof(Scratch))
    if scratch == NULL:
        n_threads = 0
        status = -1
    for thread in range(n_threads):
        scratch[thread].block = <double*> malloc(d * SEM_BLOCK * sizeof(double))
        scratch[thread].block64 = <double*> malloc(d * SEM_BLOCK * sizeof(double))
        scratch[thread].rows = <intp_t*> malloc(3 * size * sizeof(intp_t))
        if (scratch[thread].block == NULL or scratch[thread].block64 == NULL
                or scratch[thread].rows == NULL):
            status = -1
            continue
        scratch[thread].undecided = scratch[thread].rows + size
        scratch[thread].again = scratch[thread].undecided + size
    try:
        if status:
            raise MemoryError()
        for first in range(0, n_tasks, wave):
            PyErr_CheckSignals()
            last = min(first + wave, n_tasks)
            for task in prange(first, last, nogil=True,
                               num_threads=n_threads, schedule="dynamic", chunksize=1):
                start = task * size
                count = min(size, n - start)
                if old_labels.shape[0]:
                    memcpy(&old_labels[start], &labels[start], count * sizeof(int32_t))
                assign_one(&X[start, 0], &offset[0],
                           block_ptr + start * d if block_ptr != NULL else NULL,
                           &centers[0, 0], &book, count, &labels[start], bounds,
                           &upper[start] if upper.shape[0] else NULL,
                           &lower[start] if upper.shape[0] else NULL,
                           settle, level, &scratch[sem_thread_num()])
    finally:
        for thread in range(n_threads):
            free(scratch[thread].block)
            free(scratch[thread].block64)
            free(scratch[thread].rows)
        free(scratch)
        free_codebook(&book)


cdef void assign_sparse_task(
        const floating[::1] data, const int32_t[::1] indices, const int32_t[::1] indptr,
        const double[:, ::1] centers_t, const double[::1] c2, int32_t[::1] labels,
        int32_t[::1] old_labels, float[::1] upper, float[::1] lower, const double[::1] up_drift,
        const double[::1] low_drift, const double[::1] half_gap, bint settle, intp_t start,
        intp_t end, double *values) noexcept nogil:
    cdef:
        intp_t i, j, ld = centers_t.shape[1], nnz
        int32_t best
        double first, second, x2, error, u
        const floating *row
        const int32_t *columns
    for i in range(start, end):
        if old_labels.shape[0]:
            old_labels[i] = labels[i]
        if settle:
            j = labels[i]
            u = (upper[i] + up_drift[j]) * (1 + 1e-9)
            if u < lower[i] - low_drift[j] or u < half_gap[j]:
                continue
        nnz = indptr[i + 1] - indptr[i]
        # An empty row at the end has no first entry to point at.
        row = &data[0] + indptr[i] if nnz else NULL
        columns = &indices[0] + indptr[i] if nnz else NULL
        x2 = sparse_values(row, columns, nnz, &centers_t[0, 0], ld, &c2[0], values)
        first = INFINITY
        second = INFINITY
        best = 0
        for j in range(ld):
            if values[j] < first:
                second = first
                first = values[j]
                best = <int32_t> j
            elif values[j] < second:
                second = values[j]
        labels[i] = best
        if upper.shape[0]:
            error = (nnz + 4) * 2e-15 * (x2 + max(second + x2, 0.0))
            upper[i] = sem_round_up(sqrt(max(first + x2 + error, 0.0)) - up_drift[best])
            lower[i] = sem_round_down(sqrt(max(second + x2 - error, 0.0)) + low_drift[best])


def assign_sparse(
        const floating[::1] data,           # IN, CSR
        const int32_t[::1] indices,         # IN
        const int32_t[::1] indptr,          # IN
        const double[:, ::1] centers_t,     # IN, transposed, lines padded with zeros
        const double[::1] c2,               # IN, squared norms, infinity in the padding
        int32_t[::1] labels,                # INOUT
        int32_t[::1] old_labels,            # OUT, or empty
        float[::1] upper,                   # INOUT, or empty
        float[::1] lower,                   # INOUT
        const double[::1] up_drift,         # IN
        const double[::1] low_drift,        # IN
        const double[::1] half_gap,         # IN
        bint settle,
        int n_threads):
    """Label every row of a CSR matrix with its nearest centre.

    The products of a row with all centres are summed in double precision in the row's own order, so
    labels depend on the row alone.
    """
    cdef:
        intp_t n = labels.shape[0], ld = centers_t.shape[1]
        intp_t size = 256, n_tasks = (n + size - 1) // size, wave, first, last, task
        intp_t work = ld * (<intp_t> data.shape[0] // max(n, 1) + 8)
        double *values
    if n == 0:
        return
    n_threads = <int> max(1, min(n_threads, n_tasks))
    wave = <intp_t> max(4.0 * n_threads, n_threads * WAVE_WORK / (<double> size * work))
    values = <double*> malloc(n_threads * ld * sizeof(double))
    if values == NULL:
        raise MemoryError()
    try:
        for first in range(0, n_tasks, wave):
            PyErr_CheckSignals()
            last = min(first + wave, n_tasks)
            for task in prange(first, last, nogil=True,
                               num_threads=n_threads, schedule="dynamic", chunksize=1):
                assign_sparse_task(
                    data, indices, indptr, centers_t, c2, labels, old_labels, upper, lower,
                    up_drift, low_drift, half_gap, settle, task * size,
                    min(n, task * size + size), values + sem_thread_num() * ld)
    finally:
        free(values)


def pack_blocks(const floating[:, ::1] X, const floating[::1] offset, floating[::1] out,
                int n_threads, int level):
    """Write the centred rows as transposed blocks of 64, the last one filled with zeros."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], n_blocks = (n + SEM_BLOCK - 1) // SEM_BLOCK
        intp_t b, first, last, wave = 1 << 15
    for first in range(0, n_blocks, wave):
        PyErr_CheckSignals()
        last = min(n_blocks, first + wave)
        for b in prange(first, last, nogil=True, num_threads=n_threads,
                        schedule="static"):
            pack(level, &X[b * SEM_BLOCK, 0], d, NULL, min(SEM_BLOCK, n - b * SEM_BLOCK),
                 &offset[0], &out[b * SEM_BLOCK * d])


cdef void distances_block(const floating[:, ::1] X, const floating[::1] offset,
                          const floating[:, ::1] centers, floating[:, ::1] out, intp_t start,
                          int level, floating *block) noexcept nogil:
    cdef intp_t m = min(SEM_BLOCK, X.shape[0] - start)
    pack(level, &X[start, 0], X.shape[1], NULL, m, &offset[0], block)
    distances(level, block, X.shape[1], &centers[0, 0], centers.shape[0], m, &out[start, 0],
              centers.shape[0])


def distances_dense(const floating[:, ::1] X, const floating[::1] offset,
                    const floating[:, ::1] centers, floating[:, ::1] out, int n_threads, int level):
    """Write the distance of every row to every centre: direct differences, in feature order."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], k = centers.shape[0]
        intp_t n_blocks = (n + SEM_BLOCK - 1) // SEM_BLOCK, b, first, last, wave
        int thread
        floating *scratch
        floating *block
    n_threads = <int> max(1, min(n_threads, n_blocks))
    wave = <intp_t> max(4.0 * n_threads, n_threads * WAVE_WORK / (64.0 * k * (3 * d + 6)))
    scratch = <floating*> malloc(n_threads * d * SEM_BLOCK * sizeof(floating))
    if scratch == NULL:
        raise MemoryError()
    try:
        for first in range(0, n_blocks, wave):
            PyErr_CheckSignals()
            last = min(n_blocks, first + wave)
            for b in prange(first, last, nogil=True,
                            num_threads=n_threads, schedule="dynamic", chunksize=4):
                distances_block(X, offset, centers, out, b * SEM_BLOCK, level,
                                scratch + sem_thread_num() * d * SEM_BLOCK)
    finally:
        free(scratch)


def sq_distances_to_labels(const floating[:, ::1] X, const floating[::1] offset,
                           const floating[:, ::1] centers, const int32_t[::1] labels,
                           double[::1] out, int n_threads):
    """Write each row's squared distance to the centre of its label: direct, double precision."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], size = 256, n_tasks = (n + size - 1) // size
        intp_t task, start, first, last, wave = max(64, <intp_t> (4e8 / (size * d)))
    n_threads = <int> max(1, min(n_threads, n_tasks))
    for first in range(0, n_tasks, wave):
        PyErr_CheckSignals()
        last = min(n_tasks, first + wave)
        for task in prange(first, last, nogil=True, num_threads=n_threads,
                           schedule="static"):
            start = task * size
            sq_dist_to_label(&X[start, 0], min(size, n - start), d, &offset[0], &centers[0, 0],
                             &labels[start], &out[start])
