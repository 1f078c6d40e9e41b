"""What naive Bayes learns from rows: moments, sums and category counts by class and column.

Every function adds the statistics of one chunk of rows to what it is given. A chunk is cut into
ranges that depend on its shape alone; their statistics are added in their order, so the bits are
the same for any number of threads. The loops and their idea stand in ``sem_naive_bayes.h``.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdlib cimport calloc, free, malloc

from ._typedefs cimport floating, int32_t, int64_t, intp_t, uint8_t

cdef extern from "sem_naive_bayes.h" nogil:
    enum:
        SEM_NB_NEGATIVE
        SEM_NB_NOT_FINITE
    void sem_nb_merge(intp_t, const double*, double, const double*, const double*, double*,
                      double*, double*)
    void sem_nb_moments_f32(
        const float*, intp_t, intp_t, intp_t, const int32_t*, const double*, const double*, int,
        intp_t, double*, double*, double*, double*, uint8_t*, int32_t*)
    void sem_nb_moments_f64(
        const double*, intp_t, intp_t, intp_t, const int32_t*, const double*, const double*, int,
        intp_t, double*, double*, double*, double*, uint8_t*, int32_t*)
    int sem_nb_sums_f32(const float*, intp_t, intp_t, const int32_t*, const double*, int, double,
                        int, double*, double*)
    int sem_nb_sums_f64(const double*, intp_t, intp_t, const int32_t*, const double*, int, double,
                        int, double*, double*)
    int sem_nb_wrong_f32(const float*, intp_t, int)
    int sem_nb_wrong_f64(const double*, intp_t, int)
    void sem_nb_sparse_sums_f32(
        const float*, const int32_t*, const int32_t*, const int32_t*, intp_t, const double*, int,
        double, const double*, double*)
    void sem_nb_sparse_sums_f64(
        const double*, const int32_t*, const int32_t*, const int32_t*, intp_t, const double*, int,
        double, const double*, double*)

NEGATIVE = SEM_NB_NEGATIVE
NOT_FINITE = SEM_NB_NOT_FINITE

ctypedef fused code_t:
    int32_t
    int64_t
    float
    double


cdef intp_t count_ranges(intp_t m, intp_t k) noexcept nogil:
    """Ranges of a chunk: enough for many threads, few enough that their statistics stay small."""
    return max(1, min(16, m // max(1024, 24 * k)))


cdef intp_t block_rows(intp_t d, intp_t k) noexcept nogil:
    """Rows that stay in the second-level cache between the two readings of a block."""
    return max(4 * k, max(64, min(4096, 16384 // d)))


def find_origins(
        const floating[:, ::1] X,  # IN
        const int32_t[::1] y,      # IN
        double[:, ::1] origin,     # INOUT (k, d), NaN: not found yet
        intp_t n_missing):         # classes and columns not found yet
    """Write the first value seen of each class and column; return how many remain."""
    cdef intp_t i, t, m = X.shape[0], d = X.shape[1]
    cdef int64_t *left = <int64_t*> malloc(origin.shape[0] * sizeof(int64_t))
    if left == NULL:
        raise MemoryError()
    with nogil:
        for i in range(origin.shape[0]):
            left[i] = 0
            for t in range(d):
                left[i] += origin[i, t] != origin[i, t]
        for i in range(m):
            if n_missing == 0:
                break
            if left[y[i]] == 0:
                continue
            for t in range(d):
                if origin[y[i], t] != origin[y[i], t] and X[i, t] == X[i, t]:
                    origin[y[i], t] = X[i, t]
                    left[y[i]] -= 1
                    n_missing -= 1
        free(left)
    return n_missing


def add_moments(
        const floating[:, ::1] X,        # IN, one chunk of rows
        const int32_t[::1] y,            # IN, class of each row
        const double[::1] sample_weight, # IN, or empty: ones
        const double[:, ::1] origin,     # IN (k, d)
        bint missing,                    # whether NaN cells are skipped
        double[:, ::1] mass,             # INOUT (k, d): weight of the cells seen
        double[:, ::1] mean,             # INOUT (k, d), relative to the origin
        double[:, ::1] m2,               # INOUT (k, d): weighted squared deviations from the mean
        int n_threads):
    """Add the moments of the chunk by class and column, blocks merged by Chan's formula."""
    cdef:
        intp_t m = X.shape[0], d = X.shape[1], k = mass.shape[0], kd = k * d, q, c
        intp_t n_ranges = count_ranges(m, k), size = (m + n_ranges - 1) // n_ranges
        intp_t block = block_rows(d, k)
        double *own = <double*> calloc(n_ranges * (6 * kd + k), sizeof(double))
        uint8_t *touched = <uint8_t*> calloc(n_ranges * k, sizeof(uint8_t))
        int32_t *lists = <int32_t*> malloc(n_ranges * k * sizeof(int32_t))
        double *at
    n_threads = <int> max(1, min(n_threads, n_ranges))
    try:
        if own == NULL or touched == NULL or lists == NULL:
            raise MemoryError()
        PyErr_CheckSignals()
        with nogil:
            for q in prange(n_ranges, num_threads=n_threads, schedule="dynamic"):
                moments_of_range(X, y, sample_weight, origin, missing, block, q * size,
                                 min(m, (q + 1) * size), k, own + q * (6 * kd + k),
                                 touched + q * k, lists + q * k)
            for q in range(n_ranges):
                at = own + q * (6 * kd + k)
                for c in range(k):
                    sem_nb_merge(d, at + c * d, 0, at + kd + c * d, at + 2 * kd + c * d,
                                 &mass[c, 0], &mean[c, 0], &m2[c, 0])
    finally:
        free(own)
        free(touched)
        free(lists)


cdef void moments_of_range(
        const floating[:, ::1] X, const int32_t[::1] y, const double[::1] sample_weight,
        const double[:, ::1] origin, bint missing, intp_t block, intp_t start, intp_t stop,
        intp_t k, double *own, uint8_t *touched, int32_t *lists) noexcept nogil:
    cdef:
        intp_t d = X.shape[1], kd = k * d
        const double *w = &sample_weight[start] if sample_weight.shape[0] and start < stop else NULL
    if start >= stop:
        return
    if floating is float:
        sem_nb_moments_f32(&X[start, 0], stop - start, d, k, &y[start], w, &origin[0, 0], missing,
                           block, own, own + kd, own + 2 * kd, own + 3 * kd, touched, lists)
    else:
        sem_nb_moments_f64(&X[start, 0], stop - start, d, k, &y[start], w, &origin[0, 0], missing,
                           block, own, own + kd, own + 2 * kd, own + 3 * kd, touched, lists)


def add_sums(
        const floating[:, ::1] X,        # IN, one chunk of rows
        const int32_t[::1] y,            # IN
        const double[::1] sample_weight, # IN, or empty: ones
        bint binary,                     # sum (x > threshold) in place of x
        double threshold,
        bint missing,                    # whether NaN cells are skipped
        double[:, ::1] sums,             # INOUT (k, d)
        double[:, ::1] mass,             # INOUT (k, d) weight of the cells seen; only if `missing`
        int n_threads):
    """Add the sums of the chunk by class and column. Returns the bits of what is wrong with X."""
    cdef:
        intp_t m = X.shape[0], d = X.shape[1], k = sums.shape[0], kd = k * d, q, j, start, stop
        intp_t n_ranges = count_ranges(m, k), size = (m + n_ranges - 1) // n_ranges
        double *own = <double*> calloc(n_ranges * 2 * kd, sizeof(double))
        const double *w
        double *at
        double *total = &sums[0, 0]
        double *seen = &mass[0, 0] if missing else NULL
        int wrong = 0
    n_threads = <int> max(1, min(n_threads, n_ranges))
    try:
        if own == NULL:
            raise MemoryError()
        PyErr_CheckSignals()
        for q in prange(n_ranges, nogil=True, num_threads=n_threads, schedule="dynamic"):
            start = q * size
            stop = min(m, start + size)
            if start < stop:
                wrong |= sums_of_range(X, y, sample_weight, binary, threshold, missing, start,
                                       stop, own + 2 * q * kd, own + (2 * q + 1) * kd)
        with nogil:
            for q in range(n_ranges):
                at = own + 2 * q * kd
                for j in range(kd):
                    total[j] += at[j]
                if missing:
                    for j in range(kd):
                        seen[j] += at[kd + j]
    finally:
        free(own)
    return wrong


cdef int sums_of_range(
        const floating[:, ::1] X, const int32_t[::1] y, const double[::1] sample_weight,
        bint binary, double threshold, bint missing, intp_t start, intp_t stop, double *sums,
        double *mass) noexcept nogil:
    cdef const double *w = &sample_weight[start] if sample_weight.shape[0] else NULL
    if floating is float:
        return sem_nb_sums_f32(&X[start, 0], stop - start, X.shape[1], &y[start], w, binary,
                               threshold, missing, sums, mass)
    else:
        return sem_nb_sums_f64(&X[start, 0], stop - start, X.shape[1], &y[start], w, binary,
                               threshold, missing, sums, mass)


def wrong_values(const floating[::1] data, bint missing, int n_threads):
    """Return the bits of what is wrong with the stored entries of sparse rows."""
    cdef intp_t n = data.shape[0], q, size = 65536, n_blocks = (n + size - 1) // size
    cdef int wrong = 0
    n_threads = <int> max(1, min(n_threads, n_blocks))
    for q in prange(n_blocks, nogil=True, num_threads=n_threads, schedule="static"):
        if floating is float:
            wrong |= sem_nb_wrong_f32(&data[q * size], min(size, n - q * size), missing)
        else:
            wrong |= sem_nb_wrong_f64(&data[q * size], min(size, n - q * size), missing)
    return wrong


def add_sparse_sums(
        const floating[::1] data,        # IN, CSR
        const int32_t[::1] indices,      # IN
        const int32_t[::1] indptr,       # IN
        intp_t first,                    # rows first to last
        intp_t last,
        const int32_t[::1] y,            # IN, class of each of all rows
        const double[::1] sample_weight, # IN, or empty: ones
        int what,                        # 0: x, 1: (x > threshold), 2: 1, 3: (x - mean)^2
        double threshold,
        const double[:, ::1] mean,       # IN (k, d), or of no rows
        double[:, ::1] sums,             # INOUT (k, d)
        int n_threads):
    """Add sums over the stored entries of some rows, by class and column.

    Rows are sorted by class (counting sort), and classes cut into pieces, so that a piece writes
    to one line of d numbers and no thread needs a table of its own.
    """
    cdef:
        intp_t k = sums.shape[0], d = sums.shape[1], m = last - first, i, c, p, t
        intp_t n_pieces = 0, n_extra = 0, since = 0, stored = indptr[last] - indptr[first]
        intp_t target = max(stored // 16 + 1, 2 * d), most = k + 18
        intp_t *ends = <intp_t*> calloc(k + 1, sizeof(intp_t))
        int32_t *order = <int32_t*> malloc(max(m, 1) * sizeof(int32_t))
        intp_t *pieces = <intp_t*> malloc(4 * most * sizeof(intp_t))  # class, start, stop, line
        double *extra = NULL
        double *line
    try:
        if ends == NULL or order == NULL or pieces == NULL:
            raise MemoryError()
        PyErr_CheckSignals()
        with nogil:
            for i in range(first, last):
                ends[y[i] + 1] += 1
            for c in range(k):
                ends[c + 1] += ends[c]
            for i in range(first, last):
                order[ends[y[i]]] = <int32_t> i
                ends[y[i]] += 1
            i = 0
            for c in range(k):
                t = i  # start of the piece
                p = 0  # pieces of this class
                since = 0
                while i < ends[c]:
                    since += indptr[order[i] + 1] - indptr[order[i]]
                    i += 1
                    if i == ends[c] or since >= target:
                        pieces[4 * n_pieces] = c
                        pieces[4 * n_pieces + 1] = t
                        pieces[4 * n_pieces + 2] = i
                        pieces[4 * n_pieces + 3] = -1 if p == 0 else n_extra
                        n_extra += p > 0
                        n_pieces += 1
                        p += 1
                        t = i
                        since = 0
        extra = <double*> calloc(max(1, n_extra * d), sizeof(double))
        if extra == NULL:
            raise MemoryError()
        n_threads = <int> max(1, min(n_threads, n_pieces))
        for p in prange(n_pieces, nogil=True, num_threads=n_threads, schedule="dynamic"):
            sums_of_piece(data, indices, indptr, order, pieces + 4 * p, sample_weight, what,
                          threshold, mean, sums, extra)
        with nogil:
            for p in range(n_pieces):
                if pieces[4 * p + 3] >= 0:
                    line = extra + pieces[4 * p + 3] * d
                    c = pieces[4 * p]
                    for t in range(d):
                        sums[c, t] += line[t]
    finally:
        free(ends)
        free(order)
        free(pieces)
        free(extra)


cdef void sums_of_piece(
        const floating[::1] data, const int32_t[::1] indices, const int32_t[::1] indptr,
        const int32_t *order, const intp_t *piece, const double[::1] sample_weight, int what,
        double threshold, const double[:, ::1] mean, double[:, ::1] sums,
        double *extra) noexcept nogil:
    cdef:
        const double *w = &sample_weight[0] if sample_weight.shape[0] else NULL
        const double *center = &mean[piece[0], 0] if mean.shape[0] else NULL
        double *line = &sums[piece[0], 0]
        const floating *values = &data[0] if data.shape[0] else NULL
        const int32_t *columns = &indices[0] if indices.shape[0] else NULL
    if piece[3] >= 0:
        line = extra + piece[3] * sums.shape[1]
    if floating is float:
        sem_nb_sparse_sums_f32(values, columns, &indptr[0], order + piece[1],
                               piece[2] - piece[1], w, what, threshold, center, line)
    else:
        sem_nb_sparse_sums_f64(values, columns, &indptr[0], order + piece[1],
                               piece[2] - piece[1], w, what, threshold, center, line)


def largest_codes(
        const code_t[:, ::1] X,  # IN, one chunk of rows of category codes
        int64_t[::1] largest,    # INOUT (d,)
        bint missing,            # whether NaN is allowed
        int n_threads):
    """Raise `largest` to the largest code of each column. Returns the bits of what is wrong."""
    cdef:
        intp_t m = X.shape[0], d = X.shape[1], q, t
        intp_t n_ranges = max(1, min(16, m // 1024)), size = (m + n_ranges - 1) // n_ranges
        int64_t *own = <int64_t*> calloc(n_ranges * d, sizeof(int64_t))
        int wrong = 0
    n_threads = <int> max(1, min(n_threads, n_ranges))
    if own == NULL:
        raise MemoryError()
    try:
        PyErr_CheckSignals()
        for q in prange(n_ranges, nogil=True, num_threads=n_threads, schedule="dynamic"):
            wrong |= largest_of_range(X, q * size, min(m, (q + 1) * size), missing, own + q * d)
        for q in range(n_ranges):
            for t in range(d):
                largest[t] = max(largest[t], own[q * d + t])
    finally:
        free(own)
    return wrong


cdef int largest_of_range(const code_t[:, ::1] X, intp_t start, intp_t stop, bint missing,
                          int64_t *largest) noexcept nogil:
    cdef:
        intp_t i, t, d = X.shape[1]
        code_t x
        const code_t *row
        int wrong = 0
    for i in range(start, stop):
        row = &X[i, 0]
        for t in range(d):
            x = row[t]
            if code_t is float or code_t is double:
                if not x - x == 0:
                    if not (missing and x != x):
                        wrong |= SEM_NB_NOT_FINITE
                    continue
                if x <= -1:
                    wrong |= SEM_NB_NEGATIVE
                if x > largest[t]:
                    largest[t] = <int64_t> x if x < 9e18 else <int64_t> 9e18
            else:
                if x < 0:
                    wrong |= SEM_NB_NEGATIVE
                if x > largest[t]:
                    largest[t] = x
    return wrong


def add_category_counts(
        const code_t[:, ::1] X,          # IN, one chunk of rows of category codes; NaN or below 0: missing
        const int32_t[::1] y,            # IN
        const double[::1] sample_weight, # IN, or empty: ones
        const intp_t[::1] offsets,       # IN (d,): first line of each column
        double[:, ::1] counts,           # INOUT (lines, k)
        int n_threads):
    """Add the weight of each category of each column and class."""
    cdef:
        intp_t m = X.shape[0], d = X.shape[1], q, j
        intp_t cells = counts.shape[0] * counts.shape[1]
        intp_t n_ranges = max(1, min(16, min(m // 1024, m * d // max(1, 2 * cells))))
        intp_t size = (m + n_ranges - 1) // n_ranges
        double *own = <double*> calloc(n_ranges * cells, sizeof(double))
        double *total = &counts[0, 0]
    n_threads = <int> max(1, min(n_threads, n_ranges))
    if own == NULL:
        raise MemoryError()
    try:
        PyErr_CheckSignals()
        for q in prange(n_ranges, nogil=True, num_threads=n_threads, schedule="dynamic"):
            categories_of_range(X, y, sample_weight, offsets, q * size, min(m, (q + 1) * size),
                                counts.shape[1], own + q * cells)
        with nogil:
            for q in range(n_ranges):
                for j in range(cells):
                    total[j] += own[q * cells + j]
    finally:
        free(own)


cdef void categories_of_range(
        const code_t[:, ::1] X, const int32_t[::1] y, const double[::1] sample_weight,
        const intp_t[::1] offsets, intp_t start, intp_t stop, intp_t k,
        double *counts) noexcept nogil:
    cdef:
        intp_t i, t, d = X.shape[1]
        const code_t *row
        double w = 1
        double *of_class
    for i in range(start, stop):
        row = &X[i, 0]
        of_class = counts + y[i]
        if sample_weight.shape[0]:
            w = sample_weight[i]
            if w == 0:
                continue  # its categories may have no lines
        for t in range(d):
            if code_t is float or code_t is double:
                if row[t] != row[t]:
                    continue
            if row[t] <= -1:
                continue
            of_class[(offsets[t] + <intp_t> row[t]) * k] += w
