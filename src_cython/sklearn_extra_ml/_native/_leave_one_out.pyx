"""Leave-one-out classification by Gaussian classes, without refitting.

Taking one row of weight w out of its class c (weight W, mean m, scatter S) leaves, with v = x - m,

    weight W - w,   mean m - w / (W - w) v,   scatter S - t v v',   t = w W / (W - w),

so the mixed scatter A_k of every class k loses a multiple of v v': of t for k = c, of lambda t for
the others, through the pooled part. After shrinkage by gamma it is M - s v v' with M = a A_k + b 1,
and by Sherman and Morrison

    u' (M - s v v')^-1 u = u' M^-1 u + s (u' M^-1 v)^2 / (1 - s v' M^-1 v),
    |M - s v v'| = |M| (1 - s v' M^-1 v).

The eigenvectors of A_k diagonalise M for all gamma, so a grid costs one decomposition for each
lambda and class, and O(d) for each row, class and pair (Friedman 1989, section 5, in other terms).
BLAS must be held to one thread by the caller.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport INFINITY, exp, log
from libc.stdlib cimport free, malloc
from scipy.linalg.cython_blas cimport dgemm

from ._typedefs cimport int32_t, intp_t

cdef extern from "sem_leave_one_out.h" nogil:
    void sem_loo_forms(const double*, const double*, intp_t, intp_t, const double*, double,
                       const double*, double*, double*, double*, double*, double*)
    void sem_loo_axes(const double*, const double*, intp_t, intp_t, const double*, double,
                      const double*, const double*, double*, double*, double*, double*)

cdef enum:
    LANES = 64  # SEM_LOO_LANES

BLOCK = LANES


cdef struct Task:
    const double *X  # (n, d) rows
    const double *means  # (K, d)
    const int32_t *codes
    const double *removed  # (n,) weight taken out of each row's class
    const double *class_weights  # (K,)
    const double *log_priors  # (K,), or NULL: shares of the weight
    double total  # weight of all rows
    intp_t d
    intp_t K
    intp_t extra  # directions in which nothing varies, beyond the d of X
    double reg_lambda
    const double *gammas
    intp_t n_gammas
    const double *vectors  # (K, d, d) eigenvectors as rows, or NULL: no correlations
    const double *values  # (K, d) eigenvalues of A_k, or its diagonal
    int shared  # 1: decomposition of class 0 serves all


cdef void lanes_of(const Task *s, intp_t first, intp_t m, double *v, double *squares) noexcept nogil:
    """v = x - (mean of the row's class), features by rows, zeros in spare lanes; and |v|^2."""
    cdef intp_t i, j
    cdef const double *mean
    for i in range(LANES):
        squares[i] = 0
        if i >= m:
            for j in range(s.d):
                v[j * LANES + i] = 0
            continue
        mean = s.means + s.codes[first + i] * s.d
        for j in range(s.d):
            v[j * LANES + i] = s.X[(first + i) * s.d + j] - mean[j]
            squares[i] += v[j * LANES + i] * v[j * LANES + i]


cdef void deviations(const Task *s, intp_t first, intp_t m, intp_t k, const double *v,
                     double *u) noexcept nogil:
    """u = x - (mean of class k without the row)."""
    cdef intp_t i, j, c
    cdef double stretch
    cdef const double *mean = s.means + k * s.d
    for i in range(LANES):
        if i >= m:
            for j in range(s.d):
                u[j * LANES + i] = 0
            continue
        c = s.codes[first + i]
        if c == k:
            stretch = s.class_weights[c] / (s.class_weights[c] - s.removed[first + i])
            for j in range(s.d):
                u[j * LANES + i] = stretch * v[j * LANES + i]
        else:
            for j in range(s.d):
                u[j * LANES + i] = s.X[(first + i) * s.d + j] - mean[j]


cdef void rotate(const double *matrix, int d, double *rows, double *out) noexcept nogil:
    """out = rows Q, features by rows; `matrix` holds the eigenvectors one after the other."""
    cdef double one = 1.0, zero = 0.0
    cdef int n = LANES
    dgemm(b"N", b"N", &n, &d, &d, &one, rows, &n, <double*> matrix, &d, &zero, out, &n)


cdef double log_prior(const Task *s, intp_t k, intp_t c, double w) noexcept nogil:
    if s.log_priors != NULL:
        return s.log_priors[k]
    return log((s.class_weights[k] - (w if k == c else 0)) / (s.total - w))


cdef void class_scores(const Task *s, intp_t first, intp_t m, intp_t k, double *v, double *u,
                       double *pv, double *pu, const double *squares, double *scores) noexcept nogil:
    """scores[g, i]: log of prior times density of class k, each row left out, for each gamma."""
    cdef intp_t d = s.d, g, i, l, c, at = 0 if s.shared else k
    cdef double dimension = <double> (d + s.extra), trace = 0, weight, w, taken, form
    cdef double t[8]
    cdef double base[8]
    cdef double uu[8]
    cdef double uv[8]
    cdef double vv[8]
    cdef double log_det[8]
    cdef double factor[8]
    cdef double constant[8]
    cdef double weights[8]
    cdef double share, gamma
    cdef const double *values = s.values + at * d
    for i in range(d):
        trace += values[i]
    deviations(s, first, m, k, v, u)
    if s.vectors != NULL:
        rotate(s.vectors + at * d * d, <int> d, u, pu)
        if k == 0 or not s.shared:
            rotate(s.vectors + at * d * d, <int> d, v, pv)
    else:
        pu, pv = u, v
    for i in range(0, LANES, 8):
        if i >= m:
            break
        for l in range(8):
            t[l], weights[l], constant[l] = 0, 1, 0
            if i + l >= m:
                continue
            c = s.codes[first + i + l]
            w = s.removed[first + i + l]
            taken = w * s.class_weights[c] / (s.class_weights[c] - w)
            t[l] = taken if c == k else s.reg_lambda * taken
            weight = (1 - s.reg_lambda) * s.class_weights[k] + s.reg_lambda * s.total
            weights[l] = weight - (w if c == k else s.reg_lambda * w)
            constant[l] = log_prior(s, k, c, w) + 0.5 * dimension * log(weights[l])
        for g in range(s.n_gammas):
            gamma = s.gammas[g]
            share = 1 - gamma
            for l in range(8):
                base[l] = gamma / dimension * (trace - t[l] * squares[i + l])
            if s.vectors != NULL:
                sem_loo_forms(pu + i, pv + i, LANES, d, values, share, base, uu, uv, vv, log_det,
                              factor)
                for l in range(8):
                    form = 1 - share * t[l] * vv[l]
                    if not form > 1e-10:
                        uu[l] = INFINITY
                        continue
                    uu[l] += share * t[l] * uv[l] * uv[l] / form
                    factor[l] *= form
            else:
                sem_loo_axes(pu + i, pv + i, LANES, d, values, share, t, base, uu, vv, log_det,
                             factor)
                for l in range(8):
                    if not vv[l] > 1e-14 * trace:
                        uu[l] = INFINITY
            for l in range(8):
                if not uu[l] < INFINITY:
                    scores[g * LANES + i + l] = -INFINITY
                    continue
                log_det[l] += log(factor[l])
                if s.extra:
                    log_det[l] += <double> s.extra * log(base[l])
                scores[g * LANES + i + l] = constant[l] - 0.5 * (weights[l] * uu[l] + log_det[l])


cdef void judge(const Task *s, intp_t first, intp_t m, const double *scores, double *error,
                double *loss, const double *row_weights) noexcept nogil:
    """Add the weight of wrongly classified rows, and minus the log probability of the true class."""
    cdef intp_t g, i, k, best, c
    cdef double top, score, total
    cdef const double *at
    for g in range(s.n_gammas):
        for i in range(m):
            at = scores + g * LANES + i
            best, top = -1, -INFINITY
            for k in range(s.K):
                score = at[k * s.n_gammas * LANES]
                if score > top:
                    best, top = k, score
            c = s.codes[first + i]
            if best != c:
                error[g] += row_weights[first + i]
            score = at[c * s.n_gammas * LANES]
            if not score > -INFINITY:
                loss[g] += row_weights[first + i] * 1e3
                continue
            total = 0
            for k in range(s.K):
                total += exp(at[k * s.n_gammas * LANES] - top)
            loss[g] += row_weights[first + i] * min(1e3, top + log(total) - score)


cdef int one_block(const Task *s, intp_t first, intp_t m, const double *row_weights, double *error,
                   double *loss) noexcept nogil:
    cdef intp_t size = s.d * LANES, k
    cdef double *v = <double*> malloc((4 * size + s.K * s.n_gammas * LANES) * sizeof(double))
    cdef double squares[LANES]
    cdef double *scores
    if v == NULL:
        return -1
    scores = v + 4 * size
    lanes_of(s, first, m, v, squares)
    for k in range(s.K):
        class_scores(s, first, m, k, v, v + size, v + 2 * size, v + 3 * size, squares,
                     scores + k * s.n_gammas * LANES)
    judge(s, first, m, scores, error, loss, row_weights)
    free(v)
    return 0


def leave_one_out(const double[:, ::1] X, const int32_t[::1] codes, const double[::1] row_weights,
                  const double[::1] removed, const double[:, ::1] means,
                  const double[::1] class_weights, const double[::1] log_priors, intp_t extra,
                  double reg_lambda, const double[::1] gammas, const double[:, :, ::1] vectors,
                  const double[:, ::1] values, double[:, ::1] error, double[:, ::1] loss,
                  int n_threads):
    """Leave-one-out error and log-loss of one lambda and all gammas, summed for each block of rows.

    Parameters
    ----------
    X : (n, d) rows, all of classes with more weight than is removed.
    codes, row_weights, removed : (n,)
    means, class_weights : (K, d) and (K,)
    log_priors : (K,), or empty: priors are shares of the weight, without the row.
    extra : directions beyond those of X in which nothing varies.
    vectors : (K or 1, d, d) eigenvectors as rows of the mixed scatter; of no classes: no
        correlations. One for all classes where they share their scatter.
    values : (K or 1, d) eigenvalues, or the diagonal.
    error, loss : (n_blocks, n_gammas), added to; a row's loss counts at most 1000.
    """
    cdef intp_t n = X.shape[0], n_blocks = error.shape[0], block
    cdef intp_t b, last, per_slice
    cdef int failed = 0
    cdef double total = 0
    cdef Task s
    for b in range(class_weights.shape[0]):
        total += class_weights[b]
    s.X, s.means, s.codes, s.removed = &X[0, 0], &means[0, 0], &codes[0], &removed[0]
    s.class_weights, s.total = &class_weights[0], total
    s.log_priors = &log_priors[0] if log_priors.shape[0] else NULL
    s.d, s.K, s.extra = X.shape[1], means.shape[0], extra
    s.reg_lambda, s.gammas, s.n_gammas = reg_lambda, &gammas[0], gammas.shape[0]
    s.vectors = &vectors[0, 0, 0] if vectors.shape[0] else NULL
    s.values = &values[0, 0]
    s.shared = values.shape[0] == 1 and s.K > 1
    per_slice = max(<intp_t> 8, <intp_t> (2e8 / (LANES * s.K * s.d * (s.d + 8.0 * s.n_gammas))))
    for block in range(0, n_blocks, per_slice):
        last = min(n_blocks, block + per_slice)
        for b in prange(block, last, num_threads=n_threads, schedule="dynamic", nogil=True):
            failed += one_block(&s, b * LANES, min(<intp_t> LANES, n - b * LANES), &row_weights[0],
                                &error[b, 0], &loss[b, 0])
        if failed:
            raise MemoryError("No memory for blocks of rows.")
        PyErr_CheckSignals()
