"""Sufficient statistics of Gaussian components: one pass over the rows, centred, weighted.

Rows come with a class each (hard) or with one weight for each component (soft). A block of rows is
read once into cache; there the mean of each component is taken, the rows are centred by it and the
centred rows are multiplied with themselves (`dgemm` or `dsyrk` on one block). What the block holds
of a component is merged into the running statistics by the update of Chan, Golub and LeVeque
(1979): two groups of weights v, w and means m, n have the common scatter

    A + B + v w / (v + w) (m - n) (m - n)',

whose last term is one more centred row, appended to the block before it is multiplied. No sum of
raw squares is ever formed, so columns far from zero lose nothing.

Rows are cut into ranges by their shape alone, every range has running statistics of its own, and
the ranges are merged in order: the same bits for any number of threads. Between slices of the rows
signals are looked at. BLAS must be held to one thread by the caller.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset
from scipy.linalg.cython_blas cimport dgemm, dsyrk

from ._typedefs cimport floating, int32_t, intp_t

cdef extern from "sem_gaussian.h" nogil:
    enum:
        SEM_GS_LANES
    double sem_gs_lane_sum(const double*, intp_t)
    void sem_gs_lane_means(const double*, intp_t, intp_t, const double*, intp_t, double, double*)
    void sem_gs_lane_squares(const double*, intp_t, intp_t, const double*, intp_t, const double*,
                             double*)
    void sem_gs_lane_center(const double*, intp_t, intp_t, const double*, intp_t, const double*,
                            double*)
    void sem_gs_lane_roots(const double*, intp_t, double*)
    void sem_gs_lanes_f64(const double*, intp_t, intp_t, intp_t, double*, intp_t)
    void sem_gs_lanes_f32(const float*, intp_t, intp_t, intp_t, double*, intp_t)
    double sem_gs_gather_f64(const double*, intp_t, const int32_t*, intp_t, const double*, double*,
                             double*)
    double sem_gs_gather_f32(const float*, intp_t, const int32_t*, intp_t, const double*, double*,
                             double*)
    void sem_gs_add_rows_f64(const double*, intp_t, const int32_t*, const double*, intp_t, double*,
                             double*)
    void sem_gs_add_rows_f32(const float*, intp_t, const int32_t*, const double*, intp_t, double*,
                             double*)
    void sem_gs_add_squares_f64(const double*, intp_t, const int32_t*, const double*, intp_t,
                                const double*, double*)
    void sem_gs_add_squares_f32(const float*, intp_t, const int32_t*, const double*, intp_t,
                                const double*, double*)

cdef enum:
    BLOCK = 256  # rows that are centred and multiplied together, SEM_GS_LANES
    LD = 272  # lanes of a block and of the row that Chan's update appends


cdef struct Sums:
    # Running statistics of one range, and scratch for a block.
    intp_t K
    intp_t d
    int full  # 1: scatter is (d, d) for each component or shared; 0: (d,) for each component
    intp_t stride  # from one component's scatter to the next; 0 when they share one
    double *weights
    double *means
    double *scatter
    double *mean  # (d,)
    double *block  # rows: (2 BLOCK + 2, d) or lanes: (d, LD)
    double *lanes  # (d, LD)
    double *share  # (K, LD): responsibilities of the block
    double *root  # (LD,)
    intp_t filled  # rows of `block` not multiplied yet


# ------------------------------------------------------------------------------------- products

cdef void add_product(const double *block, int m, int d, int ld, bint lanes,
                      double *scatter) noexcept nogil:
    """scatter += block' block, of which the upper triangle counts (in row order)."""
    cdef double one = 1.0
    cdef char *first = <char*> (b"T" if lanes else b"N")
    cdef char *second = <char*> (b"N" if lanes else b"T")
    if d < 64:
        dgemm(first, second, &d, &d, &m, &one, <double*> block, &ld, <double*> block, &ld, &one,
              scatter, &d)
    else:
        dsyrk(b"L", first, &d, &m, &one, <double*> block, &ld, &one, scatter, &d)


cdef double absorb(Sums *s, intp_t k, double total, double *row, intp_t step) noexcept nogil:
    """Merge weight and mean of a block into component k; write Chan's row. 0: there is none."""
    cdef double before = s.weights[k], share, factor, delta
    cdef double *mean = s.means + k * s.d
    cdef intp_t j
    s.weights[k] = before + total
    if before == 0:
        for j in range(s.d):
            mean[j] = s.mean[j]
        return 0
    share = total / (before + total)
    factor = sqrt(before * share)
    for j in range(s.d):
        delta = s.mean[j] - mean[j]
        row[j * step] = factor * delta
        mean[j] += share * delta
    return 1


# ----------------------------------------------------------------------------- hard, (d, d) scatter

cdef void flush(Sums *s, intp_t k) noexcept nogil:
    if s.filled:
        add_product(s.block, <int> s.filled, <int> s.d, <int> s.d, False, s.scatter + k * s.stride)
    s.filled = 0


cdef void add_group(Sums *s, const floating *X, const int32_t *rows, intp_t m,
                    const double *weights, intp_t k) noexcept nogil:
    """Rows of component k: centre them into the block, and multiply when it is full."""
    cdef double *out = s.block + s.filled * s.d
    cdef double total
    if floating is double:
        total = sem_gs_gather_f64(X, s.d, rows, m, weights, s.mean, out)
    else:
        total = sem_gs_gather_f32(X, s.d, rows, m, weights, s.mean, out)
    if total == 0:
        return
    s.filled += m
    if absorb(s, k, total, out + m * s.d, 1) > 0:
        s.filled += 1
    if s.filled > BLOCK:
        flush(s, k)


cdef void add_hard_full(Sums *s, const floating *X, const int32_t *codes, const double *weights,
                        intp_t n, intp_t chunk, int32_t *order, intp_t *starts) noexcept nogil:
    """Chunks of rows, each sorted by component (stable counting sort)."""
    cdef intp_t K = s.K, b, first, m, i, k, begin, count
    for b in range((n + chunk - 1) // chunk):
        first = b * chunk
        m = min(chunk, n - first)
        memset(starts, 0, (K + 1) * sizeof(intp_t))
        for i in range(m):
            if codes[first + i] >= 0:
                starts[codes[first + i] + 1] += 1
        for k in range(K):
            starts[k + 1] += starts[k]
        for i in range(m):
            k = codes[first + i]
            if k >= 0:
                order[starts[k]] = <int32_t> i
                starts[k] += 1
        begin = 0  # now starts[k] is where component k ends
        for k in range(K):
            while begin < starts[k]:
                count = min(starts[k] - begin, <intp_t> BLOCK)
                add_group(s, X + first * s.d, order + begin, count,
                          NULL if weights == NULL else weights + first, k)
                begin += count
            if s.stride:
                flush(s, k)
    flush(s, 0)


# --------------------------------------------------------------------------- hard, (d,) scatter

cdef void add_hard_diag(Sums *s, const floating *X, const int32_t *codes, const double *weights,
                        intp_t n, double *sums, double *totals, int32_t *seen) noexcept nogil:
    """Blocks of rows as they come; `sums` (K, d), `totals` (K,) and `seen` (K,) are scratch."""
    cdef intp_t d = s.d, b, first, m, i, j, k, n_seen
    cdef double before, total, share, factor, delta
    cdef const double *w
    for b in range((n + BLOCK - 1) // BLOCK):
        first = b * BLOCK
        m = min(<intp_t> BLOCK, n - first)
        w = NULL if weights == NULL else weights + first
        n_seen = 0
        for i in range(m):
            k = codes[first + i]
            if k >= 0 and totals[k] < 0:
                totals[k] = 0
                memset(sums + k * d, 0, d * sizeof(double))
                seen[n_seen] = <int32_t> k
                n_seen += 1
        if floating is double:
            sem_gs_add_rows_f64(X + first * d, d, codes + first, w, m, sums, totals)
        else:
            sem_gs_add_rows_f32(X + first * d, d, codes + first, w, m, sums, totals)
        for i in range(n_seen):
            k = seen[i]
            if totals[k] > 0:
                for j in range(d):
                    sums[k * d + j] /= totals[k]
        if floating is double:
            sem_gs_add_squares_f64(X + first * d, d, codes + first, w, m, sums, s.scatter)
        else:
            sem_gs_add_squares_f32(X + first * d, d, codes + first, w, m, sums, s.scatter)
        for i in range(n_seen):
            k = seen[i]
            total = totals[k]
            totals[k] = -1
            if total == 0:
                continue
            before = s.weights[k]
            share = total / (before + total)
            factor = before * share
            s.weights[k] = before + total
            for j in range(d):
                delta = sums[k * d + j] - s.means[k * d + j]
                s.scatter[k * d + j] += factor * (delta * delta)
                s.means[k * d + j] += share * delta


# ------------------------------------------------------------------------------------------ soft

cdef void read_shares(Sums *s, const double *shares, const double *weights, intp_t m,
                      intp_t up) noexcept nogil:
    """The block's responsibilities, one component after the other; lanes beyond m are zeros."""
    cdef intp_t i, k
    for i in range(m):
        for k in range(s.K):
            s.share[k * LD + i] = shares[i * s.K + k]
    if weights != NULL:
        for k in range(s.K):
            for i in range(m):
                s.share[k * LD + i] *= weights[i]
    for k in range(s.K):
        for i in range(m, up):
            s.share[k * LD + i] = 0


cdef void add_soft(Sums *s, const floating *X, const double *shares, const double *weights,
                   intp_t n) noexcept nogil:
    cdef intp_t d = s.d, b, first, m, up, k, j
    cdef double total, before, share, factor, delta
    cdef double *w
    cdef double *square
    for b in range((n + BLOCK - 1) // BLOCK):
        first = b * BLOCK
        m = min(<intp_t> BLOCK, n - first)
        up = (m + 15) // 16 * 16
        if floating is double:
            sem_gs_lanes_f64(X + first * d, d, m, up, s.lanes, LD)
        else:
            sem_gs_lanes_f32(X + first * d, d, m, up, s.lanes, LD)
        read_shares(s, shares + first * s.K, NULL if weights == NULL else weights + first, m, up)
        for k in range(s.K):
            w = s.share + k * LD
            total = sem_gs_lane_sum(w, up)
            if total == 0:
                continue
            sem_gs_lane_means(s.lanes, LD, d, w, up, total, s.mean)
            if s.full:
                sem_gs_lane_roots(w, up, s.root)
                sem_gs_lane_center(s.lanes, LD, d, s.root, up, s.mean, s.block)
                if absorb(s, k, total, s.block + up, LD) == 0:
                    for j in range(d):
                        s.block[j * LD + up] = 0
                add_product(s.block, <int> (up + 1), <int> d, LD, True, s.scatter + k * s.stride)
            else:
                square = s.scatter + k * d
                sem_gs_lane_squares(s.lanes, LD, d, w, up, s.mean, square)
                before = s.weights[k]
                share = total / (before + total)
                factor = before * share
                s.weights[k] = before + total
                for j in range(d):
                    delta = s.mean[j] - s.means[k * d + j]
                    square[j] += factor * (delta * delta)
                    s.means[k * d + j] += share * delta


# -------------------------------------------------------------------------------- ranges and slices

cdef int run_range(const floating *X, const int32_t *codes, const double *shares,
                   const double *weights, intp_t n, intp_t K, intp_t d, int full, int pooled,
                   intp_t chunk, double *out_weights, double *out_means,
                   double *out_scatter) noexcept nogil:
    """Add n rows to the statistics of one range. Returns -1 when memory is short."""
    cdef Sums s
    cdef intp_t k
    cdef int32_t *order = NULL
    cdef intp_t *starts = NULL
    cdef int failed
    s.K, s.d, s.full, s.filled = K, d, full, 0
    s.stride = 0 if pooled else (d * d if full else d)
    s.weights, s.means, s.scatter = out_weights, out_means, out_scatter
    s.mean = <double*> malloc(d * sizeof(double))
    s.block, s.lanes, s.share, s.root = NULL, NULL, NULL, NULL
    failed = s.mean == NULL
    if shares != NULL:
        s.lanes = <double*> malloc(d * LD * sizeof(double))
        s.share = <double*> malloc(K * LD * sizeof(double))
        s.root = <double*> malloc(LD * sizeof(double))
        s.block = <double*> malloc(d * LD * sizeof(double))
        failed |= s.lanes == NULL or s.share == NULL or s.root == NULL or s.block == NULL
        if not failed:
            add_soft(&s, X, shares, weights, n)
    elif full:
        s.block = <double*> malloc((2 * BLOCK + 2) * d * sizeof(double))
        order = <int32_t*> malloc(chunk * sizeof(int32_t))
        starts = <intp_t*> malloc((K + 1) * sizeof(intp_t))
        failed |= s.block == NULL or order == NULL or starts == NULL
        if not failed:
            add_hard_full(&s, X, codes, weights, n, chunk, order, starts)
    else:
        s.block = <double*> malloc(K * d * sizeof(double))
        s.share = <double*> malloc(K * sizeof(double))
        order = <int32_t*> malloc(min(K, <intp_t> BLOCK) * sizeof(int32_t))
        failed |= s.block == NULL or s.share == NULL or order == NULL
        if not failed:
            for k in range(K):
                s.share[k] = -1
            add_hard_diag(&s, X, codes, weights, n, s.block, s.share, order)
    free(s.mean)
    free(s.block)
    free(s.lanes)
    free(s.share)
    free(s.root)
    free(order)
    free(starts)
    return -1 if failed else 0


def accumulate(const floating[:, ::1] X, const int32_t[::1] codes, const double[:, ::1] shares,
               const double[::1] sample_weight, bint pooled, intp_t chunk, intp_t slice_rows,
               double[:, ::1] weights, double[:, :, ::1] means, double[:, :, ::1] scatter,
               bint full, int n_threads):
    """Add the rows to the statistics of the ranges.

    Parameters
    ----------
    X : (n, d), the rows.
    codes : (n,), the component of each row, negative for none; empty when `shares` is given.
    shares : (n, K), weights of each row in each component; of no rows when `codes` is given.
    sample_weight : (n,) or empty.
    pooled : one (d, d) scatter for all components.
    chunk : rows that are sorted by component together.
    slice_rows : rows between two looks at signals.
    weights : (R, K), means : (R, K, d), added to.
    scatter : (R, K or 1, d * d) with `full`, else (R, K, d); added to. Where d >= 64 only the upper
        triangles hold sums.
    """
    cdef intp_t n = X.shape[0], d = X.shape[1], R = weights.shape[0], K = weights.shape[1]
    cdef intp_t first, m, per_range, r, begin, count
    cdef bint soft = shares.shape[0] > 0, weighted = sample_weight.shape[0] > 0
    cdef int failed = 0
    if n == 0 or d == 0:
        return
    for first in range(0, n, slice_rows):
        m = min(slice_rows, n - first)
        per_range = (m + R - 1) // R
        per_range = (per_range + BLOCK - 1) // BLOCK * BLOCK
        for r in prange(R, num_threads=n_threads, schedule="dynamic", nogil=True):
            begin = min(r * per_range, m)
            count = min(per_range, m - begin)
            begin = begin + first
            if count > 0:
                failed += run_range(
                    &X[begin, 0], NULL if soft else &codes[begin],
                    &shares[begin, 0] if soft else NULL,
                    &sample_weight[begin] if weighted else NULL,
                    count, K, d, full, pooled, chunk,
                    &weights[r, 0], &means[r, 0, 0], &scatter[r, 0, 0])
        if failed:
            raise MemoryError("No memory for blocks of rows.")
        PyErr_CheckSignals()


def merge(double[::1] weights, double[:, ::1] means, double[:, ::1] scatter,
          const double[::1] other_weights, const double[:, ::1] other_means,
          const double[:, ::1] other_scatter, bint full):
    """Add other statistics to the first, in place (Chan, Golub and LeVeque).

    `scatter` is (K, d * d), or (1, d * d) for one that all components share, with `full`; else
    (K, d).
    """
    cdef intp_t K = weights.shape[0], d = means.shape[1], k, i, j, at
    cdef double share, factor, delta
    cdef double *row
    cdef double *step = <double*> malloc(d * sizeof(double))
    if step == NULL:
        raise MemoryError("No memory to merge statistics.")
    with nogil:
        for k in range(scatter.shape[0]):
            for j in range(scatter.shape[1]):
                scatter[k, j] += other_scatter[k, j]
        for k in range(K):
            if other_weights[k] == 0:
                continue
            share = other_weights[k] / (weights[k] + other_weights[k])
            factor = weights[k] * share
            if weights[k] == 0:
                for j in range(d):
                    means[k, j] = other_means[k, j]
                    step[j] = 0
            else:
                for j in range(d):
                    step[j] = other_means[k, j] - means[k, j]
                    means[k, j] += share * step[j]
            weights[k] += other_weights[k]
            at = k if scatter.shape[0] == K else 0
            if factor == 0:
                continue
            if full:
                for i in range(d):
                    row = &scatter[at, i * d]
                    delta = factor * step[i]
                    for j in range(d):
                        row[j] += delta * step[j]
            else:
                for j in range(d):
                    scatter[at, j] += factor * (step[j] * step[j])
    free(step)


def mirror(double[:, ::1] scatter, intp_t d):
    """Copy the upper triangle of each (d, d) matrix, stored as a row, to its lower one."""
    cdef intp_t k, i, j
    for k in range(scatter.shape[0]):
        for i in range(d):
            for j in range(i):
                scatter[k, i * d + j] = scatter[k, j * d + i]
