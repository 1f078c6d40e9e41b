"""The update step of k-means, and what both algorithms need of centres and columns.

Cluster sums live on from iteration to iteration in double precision with their rounding errors
kept (Neumaier), and only rows whose label changed are moved. Rows are cut into ranges that depend
on the shape alone; the ranges' sums are added in their order, so the result has the same bits for
any number of threads.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport fabs, sqrt
from libc.stdlib cimport calloc, free, malloc

from ._k_means_kernels cimport move_rows, move_sparse_rows, moments, sq_dist
from ._typedefs cimport floating, int32_t, int64_t, intp_t, uint8_t


cdef inline void add_exactly(double *total, double *rest, double value) noexcept nogil:
    """Neumaier's step: total + rest grows by value, rest holds what total cannot."""
    cdef double s = total[0] + value
    if fabs(total[0]) >= fabs(value):
        rest[0] += (total[0] - s) + value
    else:
        rest[0] += (value - s) + total[0]
    total[0] = s


cdef intp_t n_ranges(intp_t n, intp_t k, intp_t d) noexcept nogil:
    """Ranges of rows with sums of their own: enough for many threads, below 64 MB of sums."""
    cdef intp_t by_rows = (n + 4095) // 4096
    cdef intp_t by_memory = <intp_t> (6.4e7 / (8.0 * k * d))
    return max(1, min(64, min(by_rows, by_memory)))


cdef struct Ranges:
    intp_t count
    intp_t size
    intp_t k
    intp_t d
    double *sums
    double *weights
    int64_t *counts
    uint8_t *touched
    intp_t *changed


cdef int open_ranges(Ranges *r, intp_t n, intp_t k, intp_t d) noexcept nogil:
    r.count = n_ranges(n, k, d)
    r.size = (n + r.count - 1) // r.count
    r.k = k
    r.d = d
    r.sums = <double*> malloc(r.count * k * d * sizeof(double))
    r.weights = <double*> calloc(r.count * k, sizeof(double))
    r.counts = <int64_t*> calloc(r.count * k, sizeof(int64_t))
    r.touched = <uint8_t*> calloc(r.count * k, sizeof(uint8_t))
    r.changed = <intp_t*> calloc(r.count, sizeof(intp_t))
    if (r.sums == NULL or r.weights == NULL or r.counts == NULL or r.touched == NULL
            or r.changed == NULL):
        return -1
    return 0


cdef void close_ranges(Ranges *r) noexcept nogil:
    free(r.sums)
    free(r.weights)
    free(r.counts)
    free(r.touched)
    free(r.changed)


cdef intp_t merge_ranges(Ranges *r, double[:, :, ::1] sums, double[:, ::1] weights,
                         int64_t[::1] counts, int n_threads) noexcept nogil:
    """Add the ranges in order. An emptied cluster is set to exact zeros. Returns rows changed."""
    cdef intp_t j, changed = 0
    for j in prange(r.k, num_threads=n_threads, schedule="static"):
        merge_one(r, j, sums, weights, counts)
    for j in range(r.count):
        changed += r.changed[j]
    return changed


cdef void merge_one(Ranges *r, intp_t j, double[:, :, ::1] sums, double[:, ::1] weights,
                    int64_t[::1] counts) noexcept nogil:
    cdef intp_t q, t
    cdef double *line
    for q in range(r.count):
        if not r.touched[q * r.k + j]:
            continue
        line = r.sums + (q * r.k + j) * r.d
        for t in range(r.d):
            add_exactly(&sums[0, j, t], &sums[1, j, t], line[t])
        add_exactly(&weights[0, j], &weights[1, j], r.weights[q * r.k + j])
        counts[j] += r.counts[q * r.k + j]
    if counts[j] == 0:
        weights[0, j] = 0
        weights[1, j] = 0
        for t in range(r.d):
            sums[0, j, t] = 0
            sums[1, j, t] = 0


def move_changed_rows(
        const floating[:, ::1] X,           # IN
        const floating[::1] offset,         # IN
        const floating[::1] sample_weight,  # IN, or empty: ones
        const int32_t[::1] labels,          # IN
        const int32_t[::1] old_labels,      # IN, -1: in no cluster yet
        double[:, :, ::1] sums,             # INOUT (2, k, d): weighted sums of centred rows, rest
        double[:, ::1] weights,             # INOUT (2, k): sums of weights, rest
        int64_t[::1] counts,                # INOUT (k,): rows of positive weight
        int n_threads):
    """Move rows between the clusters' sums; return how many labels changed."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], k = counts.shape[0], q, start, changed
        Ranges r
        int status = open_ranges(&r, n, k, d)
        int range_threads = <int> max(1, min(n_threads, r.count))
    try:
        if status:
            raise MemoryError()
        PyErr_CheckSignals()
        with nogil:
            for q in prange(r.count, num_threads=range_threads, schedule="dynamic"):
                start = q * r.size
                if start < n:
                    r.changed[q] = move_rows(
                        &X[start, 0], d, &offset[0],
                        &sample_weight[start] if sample_weight.shape[0] else NULL,
                        &labels[start], &old_labels[start], min(r.size, n - start),
                        r.sums + q * k * d, r.weights + q * k, r.counts + q * k,
                        r.touched + q * k)
            changed = merge_ranges(&r, sums, weights, counts, range_threads)
    finally:
        close_ranges(&r)
    return changed


def move_changed_rows_sparse(
        const floating[::1] data,           # IN, CSR
        const int32_t[::1] indices,         # IN
        const int32_t[::1] indptr,          # IN
        const floating[::1] sample_weight,  # IN, or empty
        const int32_t[::1] labels,          # IN
        const int32_t[::1] old_labels,      # IN
        double[:, :, ::1] sums,             # INOUT (2, k, d)
        double[:, ::1] weights,             # INOUT (2, k)
        int64_t[::1] counts,                # INOUT (k,)
        int n_threads):
    """Move rows of a CSR matrix between the clusters' sums; return how many labels changed."""
    cdef:
        intp_t n = labels.shape[0], k = counts.shape[0], d = sums.shape[2], q, start, changed
        const floating *values = &data[0] if data.shape[0] else NULL
        const int32_t *columns = &indices[0] if data.shape[0] else NULL
        Ranges r
        int status = open_ranges(&r, n, k, d)
        int range_threads = <int> max(1, min(n_threads, r.count))
    try:
        if status:
            raise MemoryError()
        PyErr_CheckSignals()
        with nogil:
            for q in prange(r.count, num_threads=range_threads, schedule="dynamic"):
                start = q * r.size
                if start < n:
                    r.changed[q] = move_sparse_rows(
                        values, columns, &indptr[start], d,
                        &sample_weight[start] if sample_weight.shape[0] else NULL,
                        &labels[start], &old_labels[start], min(r.size, n - start),
                        r.sums + q * k * d, r.weights + q * k, r.counts + q * k,
                        r.touched + q * k)
            changed = merge_ranges(&r, sums, weights, counts, range_threads)
    finally:
        close_ranges(&r)
    return changed


def average_centers(
        const double[:, :, ::1] sums,       # IN (2, k, d)
        const double[:, ::1] weights,       # IN (2, k)
        const floating[:, ::1] centers,     # IN, of the iteration before
        floating[:, ::1] centers_new,       # OUT
        double[::1] shift):                 # OUT (k,): distance that each centre moved
    """Write the means of the clusters. An empty one goes to the heaviest cluster's mean."""
    cdef:
        intp_t k = centers.shape[0], d = centers.shape[1], j, t, heaviest = 0
        double w
    for j in range(1, k):
        if weights[0, j] + weights[1, j] > weights[0, heaviest] + weights[1, heaviest]:
            heaviest = j
    for j in range(k):
        w = weights[0, j] + weights[1, j]
        if w > 0:
            for t in range(d):
                centers_new[j, t] = <floating> ((sums[0, j, t] + sums[1, j, t]) / w)
    for j in range(k):
        if not weights[0, j] + weights[1, j] > 0:
            for t in range(d):
                centers_new[j, t] = centers_new[heaviest, t]
    for j in range(k):
        shift[j] = sqrt(plain_sq_dist(&centers_new[j, 0], &centers[j, 0], d))


cdef double plain_sq_dist(const floating *a, const floating *b, intp_t d) noexcept nogil:
    cdef intp_t t
    cdef double total = 0, e
    for t in range(d):
        e = <double> a[t] - <double> b[t]
        total += e * e
    return total


def add_drift(const double[::1] shift, double[::1] up_drift, double[::1] low_drift):
    """Let the bounds follow the centres: each its own shift, all others the largest one."""
    cdef:
        intp_t k = shift.shape[0], j, largest = 0
        double second = 0, other
    for j in range(1, k):
        if shift[j] > shift[largest]:
            largest = j
    for j in range(k):
        if j != largest and shift[j] > second:
            second = shift[j]
    for j in range(k):
        other = second if j == largest else shift[largest]
        up_drift[j] += shift[j] * (1 + 1e-9)
        low_drift[j] += other * (1 + 1e-9)


def half_gaps(const floating[:, ::1] centers, const floating[::1] zero, double[::1] out,
              int n_threads):
    """Write half the distance of each centre to the nearest other one, rounded down."""
    cdef:
        intp_t k = centers.shape[0], d = centers.shape[1], j
    if k * k * d < 1e6:
        n_threads = 1
    with nogil:
        for j in prange(k, num_threads=n_threads, schedule="static"):
            out[j] = half_gap_of(centers, zero, j)


cdef double half_gap_of(const floating[:, ::1] centers, const floating[::1] zero,
                        intp_t j) noexcept nogil:
    cdef intp_t i, d = centers.shape[1]
    cdef double smallest = -1, dist
    for i in range(centers.shape[0]):
        if i == j:
            continue
        dist = sq_dist(&centers[i, 0], &zero[0], &centers[j, 0], d)
        if smallest < 0 or dist < smallest:
            smallest = dist
    return 0.5 * (1 - 1e-9) * sqrt(smallest) if smallest > 0 else 0.0


def column_moments(
        const floating[:, ::1] X,           # IN
        const floating[::1] sample_weight,  # IN, or empty
        double[::1] mean,                   # OUT
        double[::1] m2,                     # OUT, weighted sums of squared deviations
        int n_threads):
    """Write weighted column moments, pieces of rows merged in order (Chan 1983). Returns the weight."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], piece = max(16, min(4096, 16384 // d))
        intp_t n_pieces = (n + piece - 1) // piece, wave, first, last, q, t, start
        double total = 0, w, delta
        double *means
        double *m2s
        double *totals
    wave = min(n_pieces, 4096)
    n_threads = <int> max(1, min(n_threads, n * d // 65536))
    means = <double*> malloc(wave * d * sizeof(double))
    m2s = <double*> malloc(wave * d * sizeof(double))
    totals = <double*> malloc(wave * sizeof(double))
    mean[:] = 0
    m2[:] = 0
    try:
        if means == NULL or m2s == NULL or totals == NULL:
            raise MemoryError()
        for first in range(0, n_pieces, wave):
            PyErr_CheckSignals()
            last = min(n_pieces, first + wave)
            for q in prange(first, last, nogil=True,
                            num_threads=n_threads, schedule="static"):
                start = q * piece
                totals[q - first] = moments(
                    &X[start, 0], min(piece, n - start), d,
                    &sample_weight[start] if sample_weight.shape[0] else NULL,
                    means + (q - first) * d, m2s + (q - first) * d)
            for q in range(last - first):
                w = totals[q]
                if w <= 0:
                    continue
                total += w
                for t in range(d):
                    delta = means[q * d + t] - mean[t]
                    mean[t] += delta * (w / total)
                    m2[t] += m2s[q * d + t] + delta * delta * w * ((total - w) / total)
    finally:
        free(means)
        free(m2s)
        free(totals)
    return total


def same_clustering(const int32_t[::1] labels, const int32_t[::1] others, intp_t n_clusters):
    """Whether two labellings are equal up to the numbers of the clusters."""
    cdef:
        intp_t i
        int32_t *name = <int32_t*> calloc(n_clusters, sizeof(int32_t))
        bint same = True
    if name == NULL:
        raise MemoryError()
    for i in range(n_clusters):
        name[i] = -1
    with nogil:
        for i in range(labels.shape[0]):
            if name[labels[i]] == -1:
                name[labels[i]] = others[i]
            elif name[labels[i]] != others[i]:
                same = False
                break
    free(name)
    return same
