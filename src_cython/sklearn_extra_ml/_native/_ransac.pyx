"""RANSAC for linear models: draws, minimal solutions, consensus of many models, local optimisation.

Rows are packed once into column-major blocks (``sem_ransac.h`` tells the layout). Trials come in
batches: `draw_samples` gives the rows of each trial as a function of the seed and the trial's
number alone; `solve_samples` solves them by LU (square) or Householder QR, and reports how close
to singular each was; `score_models` runs all models of a batch over the blocks and stops following
a model as soon as even a perfect rest could not lift it over the best one, or over an earlier model
of its batch. That bound is exact, so a sequential scan would have met the same winners.
`tighten_models` is the local optimisation, many starting points in parallel on the first rows;
`fit_within` is one such step over all rows.

Bits depend neither on the number of threads nor on the instruction set: lanes, blocks and chunks
are summed in a fixed order.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport int8_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from sklearn_extra_ml._native._ransac_rows cimport SEM_RS_BLOCK, packed_rows, sem_rs_rows
from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_simd.h" nogil:
    void sem_prefetch(const void *start, intp_t n_bytes)

cdef extern from "sem_ransac_noise.h" nogil:
    ctypedef struct sem_rs_losses:
        const double *loss
        const double *weights
        intp_t n
    void sem_rs_mixture(const sem_rs_losses *losses, double start, int twice, double dof, double exact,
                        double lowest, double *out)
    double sem_rs_cut(double scale, double mass, double density)

cdef extern from "sem_ransac.h" nogil:
    enum:
        SEM_RS_GROUP
        SEM_RS_BINS
    const double SEM_RS_PAD
    ctypedef struct sem_rs_pass:
        double mass
        double sum
        double largest
    int sem_rs_bin(double loss, double lowest)
    void sem_rs_drop(double *bins, double drop)
    double sem_rs_entropy(const double *bins, double lowest)
    double sem_rs_core(const double *bins, double lowest)
    void sem_rs_solve(double *gram, intp_t p, intp_t t, int intercept, double alpha, double *model)
    double sem_rs_householder(double *a, intp_t m, intp_t p, intp_t t, double *model)
    double sem_rs_lu(double *a, intp_t p, intp_t t, double *model)
    void sem_rs_score_f32(const float *block, const double *weights, intp_t p, intp_t t, int squared,
                          const float *models, int kind, double threshold, const float *curve,
                          double *gain)
    void sem_rs_score_f64(const double *block, const double *weights, intp_t p, intp_t t, int squared,
                          const double *models, int kind, double threshold, const float *curve,
                          double *gain)
    void sem_rs_losses_f32(const float *block, intp_t p, intp_t t, int squared, const double *model,
                           float *loss)
    void sem_rs_losses_f64(const double *block, intp_t p, intp_t t, int squared, const double *model,
                           double *loss)
    void sem_rs_collect_f32(const sem_rs_rows *rows, intp_t first, intp_t last, const double *model,
                            const uint8_t *mask, double threshold, double lowest, double *gram,
                            double *bins, sem_rs_pass *result)
    void sem_rs_collect_f64(const sem_rs_rows *rows, intp_t first, intp_t last, const double *model,
                            const uint8_t *mask, double threshold, double lowest, double *gram,
                            double *bins, sem_rs_pass *result)
    int sem_rs_tighten_f32(const sem_rs_rows *rows, intp_t n_blocks, int intercept, double alpha,
                           const uint8_t *mask, double threshold, double shrink, double tightest,
                           int steps, double lowest, double drop, double exact, double *model,
                           double *entropy)
    int sem_rs_tighten_f64(const sem_rs_rows *rows, intp_t n_blocks, int intercept, double alpha,
                           const uint8_t *mask, double threshold, double shrink, double tightest,
                           int steps, double lowest, double drop, double exact, double *model,
                           double *entropy)

BLOCK = SEM_RS_BLOCK
BINS = SEM_RS_BINS
cdef intp_t CHUNK = 16  # blocks that one task of a pass over all rows takes


# ---------------------------------------------------------------------------------------- draws

cdef inline uint64_t _mix(uint64_t z) noexcept nogil:
    """The finaliser of splitmix64 (Steele, Lea and Flood, 2014)."""
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline double _uniform(uint64_t *state) noexcept nogil:
    """The next number in [0, 1)."""
    state[0] += <uint64_t>0x9E3779B97F4A7C15
    return <double>(_mix(state[0]) >> 11) * (1.0 / 9007199254740992.0)


cdef inline intp_t _pick(uint64_t *state, const double *cumulative, intp_t n) noexcept nogil:
    """Draw a row: uniform without weights, else the row whose share of the weights is hit."""
    cdef intp_t low = 0, high = n - 1, middle
    cdef double u = _uniform(state)
    if cumulative == NULL:
        middle = <intp_t>(u * n)
        return middle if middle < n else n - 1
    u *= cumulative[n - 1]
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low


cdef intp_t _pick_unmarked(uint64_t *state, const double *cumulative, const uint8_t *marked,
                           intp_t n) noexcept nogil:
    """Draw among the rows not taken yet by one pass: when a few rows hold nearly all the weight."""
    cdef intp_t i, last = -1
    cdef double total = 0, u, before
    for i in range(n):
        if not marked[i]:
            total += cumulative[i] - (cumulative[i - 1] if i else 0.0) if cumulative != NULL else 1.0
    u = _uniform(state) * total
    total = 0
    for i in range(n):
        if not marked[i]:
            before = cumulative[i - 1] if cumulative != NULL and i else 0.0
            total += cumulative[i] - before if cumulative != NULL else 1.0
            last = i
            if total > u:
                break
    return last


def draw_samples(uint64_t seed, intp_t first_trial, const double[::1] cumulative, intp_t n_rows,
                 intp_t[:, ::1] samples):
    """Fill `samples` (n_trials, size) with distinct rows, one trial a line.

    A trial's rows depend on `seed` and its number only, so trials may be drawn in any batches.
    `cumulative` holds the running sum of the rows' weights, or is empty for a uniform draw. Samples
    larger than half of the rows (uniform) are drawn by what they leave out.
    """
    cdef intp_t n_trials = samples.shape[0], size = samples.shape[1], trial, k, row, tries, wanted
    cdef bint weighted = cumulative.shape[0] > 0
    cdef bint complement = not weighted and 2 * size > n_rows
    cdef const double *total = &cumulative[0] if weighted else NULL
    cdef uint64_t state
    cdef uint8_t *marked = <uint8_t *>calloc(max(n_rows, 1), 1)
    if marked == NULL:
        raise MemoryError()
    try:
        for trial in range(n_trials):
            with nogil:
                state = _mix(seed ^ _mix(<uint64_t>(first_trial + trial) + 1))
                wanted = n_rows - size if complement else size
                for k in range(wanted):
                    tries = 0
                    row = _pick(&state, total, n_rows)
                    while marked[row] and tries < 64:
                        row = _pick(&state, total, n_rows)
                        tries += 1
                    if marked[row]:
                        row = _pick_unmarked(&state, total, marked, n_rows)
                    marked[row] = 1
                    if not complement:
                        samples[trial, k] = row
                if complement:
                    k = 0
                    for row in range(n_rows):
                        if not marked[row]:
                            samples[trial, k] = row
                            k += 1
                    memset(marked, 0, n_rows)
                else:
                    for k in range(size):
                        marked[samples[trial, k]] = 0
            if size > 1000:
                PyErr_CheckSignals()
    finally:
        free(marked)


# ---------------------------------------------------------------------------------------- packing

def pack_rows(const floating[:, :] X, const floating[:, :] y, const intp_t[::1] order,
              const double[::1] x_centre, const double[::1] y_centre, int n_threads,
              floating[:, :, ::1] blocks):
    """Gather rows `order` of X and y, centred, into `blocks` (n_blocks, p + t, BLOCK)."""
    cdef intp_t n = order.shape[0], p = X.shape[1], t = y.shape[1], n_blocks = blocks.shape[0]
    cdef intp_t b, i, j, row, here, later
    for b in prange(n_blocks, schedule="static", num_threads=n_threads, nogil=True):
        here = min(n - b * SEM_RS_BLOCK, SEM_RS_BLOCK)
        for i in range(SEM_RS_BLOCK):
            if i < here:
                row = order[b * SEM_RS_BLOCK + i]
                later = order[min(b * SEM_RS_BLOCK + i + 12, n - 1)]
                # rows come in random order, which no hardware prefetcher foresees
                sem_prefetch(&y[later, 0], t * sizeof(floating))
                if p:
                    sem_prefetch(&X[later, 0], p * sizeof(floating))
                for j in range(p):
                    blocks[b, j, i] = <floating>(<double>X[row, j] - x_centre[j])
                for j in range(t):
                    blocks[b, p + j, i] = <floating>(<double>y[row, j] - y_centre[j])
            else:
                for j in range(p):
                    blocks[b, j, i] = 0
                for j in range(t):
                    blocks[b, p + j, i] = <floating>SEM_RS_PAD


# -------------------------------------------------------------------------------- minimal solutions

cdef int _solve_sample(const sem_rs_rows *rows, bint single, const intp_t *sample, intp_t m,
                       bint intercept, double alpha, double *model, double *ratio) noexcept nogil:
    """Fit one sample exactly (square) or by least squares; -1 without memory."""
    cdef intp_t p = rows.p, t = rows.t, width = (p + t) * SEM_RS_BLOCK, i, j, k, row
    cdef intp_t extra = p if alpha > 0 else 0
    cdef bint square = intercept and m == p + 1 and alpha == 0
    cdef intp_t height = m + extra
    cdef double *a = <double *>malloc((height * (p + t) + 2 * (p + t) + m) * sizeof(double))
    cdef double *mean
    cdef double *first
    cdef double *w
    cdef const float *low = <const float *>rows.blocks
    cdef const double *full = <const double *>rows.blocks
    cdef double total = 0, value
    cdef intp_t at
    if a == NULL:
        return -1
    mean = a + height * (p + t)
    first = mean + p + t
    w = first + p + t
    for j in range(p + t):
        mean[j] = 0
    for i in range(m):
        w[i] = rows.weights[sample[i]] if rows.weights != NULL else 1.0
        total += w[i]
    for i in range(m):
        row = sample[i]
        at = (row // SEM_RS_BLOCK) * width + row % SEM_RS_BLOCK
        for j in range(p + t):
            value = low[at + j * SEM_RS_BLOCK] if single else full[at + j * SEM_RS_BLOCK]
            if square:
                if i == 0:
                    first[j] = value
                else:
                    a[(i - 1) * (p + t) + j] = value - first[j]
            else:
                a[j * height + i] = value
                if intercept:
                    mean[j] += w[i] / total * value
    if square:
        ratio[0] = sem_rs_lu(a, p, t, model)
    else:
        for j in range(p + t):
            for i in range(m):
                a[j * height + i] = (a[j * height + i] - mean[j]) * w[i] ** 0.5
            for i in range(extra):
                a[j * height + m + i] = alpha ** 0.5 if i == j else 0.0
        ratio[0] = sem_rs_householder(a, height, p, t, model) if height >= p else 0.0
        first = mean
    for k in range(t):
        value = first[p + k] if intercept else 0.0
        for j in range(p):
            if intercept:
                value -= first[j] * model[k * (p + 1) + j]
        model[k * (p + 1) + p] = value
    free(a)
    return 0


def solve_samples(const floating[:, :, ::1] blocks, const double[::1] weights, intp_t n_rows,
                  intp_t n_targets, const intp_t[:, ::1] samples, bint intercept, double alpha,
                  int n_threads, double[:, :, ::1] models, double[::1] ratios):
    """Fit a linear model to each sample: `models` (n, t, p + 1), the intercept last.

    `ratios` is the smallest over the largest pivot, 0 where a sample holds too few rows: the caller
    decides what is too close to singular and solves those by other means. `alpha` is Ridge's.
    """
    cdef sem_rs_rows rows = packed_rows(blocks, weights, n_rows, n_targets, False)
    cdef intp_t n = samples.shape[0], m = samples.shape[1], i
    cdef bint single = floating is float
    cdef int failed = 0
    if n == 0:
        return
    for i in prange(n, schedule="dynamic", num_threads=n_threads, nogil=True):
        if _solve_sample(&rows, single, &samples[i, 0], m, intercept, alpha, &models[i, 0, 0],
                         &ratios[i]) < 0:
            failed |= 1
    if failed:
        raise MemoryError()


# ---------------------------------------------------------------------------------------- consensus

cdef void _score_block(const floating[:, :, ::1] blocks, const sem_rs_rows *rows, intp_t b,
                       const floating *packed, intp_t n_groups, int kind, double threshold,
                       const float *curve, double *gains) noexcept nogil:
    """Gains of all groups of models on one block."""
    cdef intp_t g, size = rows.t * (rows.p + 1) * SEM_RS_GROUP
    cdef const double *weights = rows.weights + b * SEM_RS_BLOCK if rows.weights != NULL else NULL
    for g in range(n_groups):
        if floating is float:
            sem_rs_score_f32(&blocks[b, 0, 0], weights, rows.p, rows.t, rows.squared,
                             packed + g * size, kind, threshold, curve, gains + g * SEM_RS_GROUP)
        else:
            sem_rs_score_f64(&blocks[b, 0, 0], weights, rows.p, rows.t, rows.squared,
                             packed + g * size, kind, threshold, curve, gains + g * SEM_RS_GROUP)


def score_models(const floating[:, :, ::1] blocks, const double[::1] weights,
                 const double[::1] mass_before, intp_t n_rows, intp_t n_targets, bint squared,
                 const double[:, :, ::1] models, int kind, double threshold, const float[::1] curve,
                 double to_beat, bint among, int n_threads, double[::1] gains, intp_t[::1] rows_seen):
    """Sum of the gains of each model over all rows; -inf for a model that was dropped on the way.

    A model is dropped when its gain so far plus all the weight still to come is below `to_beat`, or
    (with `among`) below what an earlier model of the batch holds already. `mass_before` (n_blocks + 1) is the
    weight of the rows before each block. `rows_seen` receives how far each model was followed.
    """
    cdef sem_rs_rows rows = packed_rows(blocks, weights, n_rows, n_targets, squared)
    cdef intp_t n = models.shape[0], n_blocks = blocks.shape[0], p1 = rows.p + 1, t = n_targets
    cdef intp_t size = t * p1, n_active = n, n_groups, step = 4, start = 0, stop, width
    cdef intp_t i, b, h, kept
    cdef double left, bound
    cdef const float *table = &curve[0] if curve.shape[0] else NULL
    width = (n + SEM_RS_GROUP - 1) // SEM_RS_GROUP * SEM_RS_GROUP
    cdef intp_t *active = <intp_t *>malloc(max(n, 1) * sizeof(intp_t))
    cdef floating *packed = <floating *>malloc(max(width * size, 1) * sizeof(floating))
    cdef double *parts = <double *>malloc(max(width * 64, 1) * sizeof(double))
    if active == NULL or packed == NULL or parts == NULL:
        free(active)
        free(packed)
        free(parts)
        raise MemoryError()
    try:
        for i in range(n):
            active[i] = i
            gains[i] = 0
        while start < n_blocks and n_active:
            stop = min(start + step, n_blocks)
            step = min(2 * step, 64)
            n_groups = (n_active + SEM_RS_GROUP - 1) // SEM_RS_GROUP
            with nogil:
                memset(packed, 0, width * size * sizeof(floating))
                for i in range(n_active):
                    for h in range(size):
                        packed[(i // SEM_RS_GROUP * size + h) * SEM_RS_GROUP + i % SEM_RS_GROUP] = (
                            <floating>models[active[i], h // p1, h % p1]
                        )
                for b in prange(start, stop, schedule="static", num_threads=n_threads):
                    _score_block(blocks, &rows, b, packed, n_groups, kind, threshold, table,
                                 parts + (b - start) * width)
                left = mass_before[n_blocks] - mass_before[stop]
                bound = to_beat
                kept = 0
                for i in range(n_active):
                    h = active[i]
                    for b in range(stop - start):
                        gains[h] += parts[b * width + i]
                    rows_seen[h] = min(stop * SEM_RS_BLOCK, n_rows)
                    if gains[h] + left < bound:
                        gains[h] = -INFINITY
                    else:
                        active[kept] = h
                        kept += 1
                        if among:
                            bound = max(bound, gains[h])
                n_active = kept
            start = stop
            PyErr_CheckSignals()
    finally:
        free(active)
        free(packed)
        free(parts)


def model_losses(const floating[:, :, ::1] blocks, intp_t n_targets, bint squared,
                 const double[:, ::1] model, int n_threads, floating[:, ::1] losses):
    """Losses of all rows under one model into `losses` (n_blocks, BLOCK), padding included."""
    cdef intp_t b, t = n_targets, p = blocks.shape[1] - n_targets
    for b in prange(losses.shape[0], schedule="static", num_threads=n_threads, nogil=True):
        if floating is float:
            sem_rs_losses_f32(&blocks[b, 0, 0], p, t, squared, &model[0, 0], &losses[b, 0])
        else:
            sem_rs_losses_f64(&blocks[b, 0, 0], p, t, squared, &model[0, 0], &losses[b, 0])


# -------------------------------------------------------------------------------- local optimisation

cdef void _collect(const floating[:, :, ::1] blocks, const sem_rs_rows *rows, intp_t first,
                   intp_t last, const double *model, double threshold, double *gram, double *bins,
                   double lowest, sem_rs_pass *result) noexcept nogil:
    if floating is float:
        sem_rs_collect_f32(rows, first, last, model, NULL, threshold, lowest, gram, bins, result)
    else:
        sem_rs_collect_f64(rows, first, last, model, NULL, threshold, lowest, gram, bins, result)


def fit_within(const floating[:, :, ::1] blocks, const double[::1] weights, intp_t n_rows,
               intp_t n_targets, bint squared, bint intercept, double alpha, double threshold,
               int n_threads, double[:, ::1] model):
    """Replace `model` by least squares on all rows whose loss is at most `threshold`.

    Returns the weight of those rows, and the sum of their losses, under the model given.
    """
    cdef sem_rs_rows rows = packed_rows(blocks, weights, n_rows, n_targets, squared)
    cdef intp_t c = rows.p + 1 + n_targets, n_blocks = blocks.shape[0]
    cdef intp_t n_chunks = (n_blocks + CHUNK - 1) // CHUNK, k, i
    cdef double mass = 0, total = 0
    cdef double *grams = <double *>calloc((n_chunks + 1) * c * c, sizeof(double))
    cdef sem_rs_pass *passes = <sem_rs_pass *>calloc(n_chunks, sizeof(sem_rs_pass))
    if grams == NULL or passes == NULL:
        free(grams)
        free(passes)
        raise MemoryError()
    try:
        for k in prange(n_chunks, schedule="static", num_threads=n_threads, nogil=True):
            _collect(blocks, &rows, k * CHUNK, min((k + 1) * CHUNK, n_blocks), &model[0, 0],
                     threshold, grams + (k + 1) * c * c, NULL, 1.0, &passes[k])
        for k in range(n_chunks):
            mass += passes[k].mass
            total += passes[k].sum
            for i in range(c * c):
                grams[i] += grams[(k + 1) * c * c + i]
        if mass > 0:
            sem_rs_solve(grams, rows.p, rows.t, intercept, alpha, &model[0, 0])
    finally:
        free(grams)
        free(passes)
    PyErr_CheckSignals()
    return mass, total


def tighten_models(const floating[:, :, ::1] blocks, const double[::1] weights, intp_t n_rows,
                   intp_t n_blocks, intp_t n_targets, bint squared, bint intercept, double alpha,
                   const uint8_t[:, ::1] masks, const double[::1] thresholds, double shrink,
                   double tightest, int n_steps, double lowest, const double[::1] drops,
                   double exact, int n_threads, double[:, :, ::1] models, double[::1] entropies):
    """Tighten each model on the first `n_blocks` blocks (`sem_rs_tighten`), models in parallel.

    The first ``len(masks)`` models start from least squares on their mask, the others from
    themselves at their threshold. With `entropies` given (not empty), each ends as the step of
    least residual entropy, else as the last step. `drops`: weight of the rows that each fits exactly
    to begin with; `exact`: the most that any model can.
    """
    cdef sem_rs_rows rows = packed_rows(blocks, weights, n_rows, n_targets, squared)
    cdef intp_t n = models.shape[0], n_masks = masks.shape[0], i
    cdef bint by_entropy = entropies.shape[0] > 0
    cdef int failed = 0, status
    cdef const uint8_t *mask
    cdef double *entropy
    for i in prange(n, schedule="dynamic", num_threads=n_threads, nogil=True):
        mask = &masks[i, 0] if i < n_masks else NULL
        entropy = &entropies[i] if by_entropy else NULL
        if floating is float:
            status = sem_rs_tighten_f32(&rows, n_blocks, intercept, alpha, mask, thresholds[i],
                                        shrink, tightest, n_steps, lowest, drops[i], exact,
                                        &models[i, 0, 0], entropy)
        else:
            status = sem_rs_tighten_f64(&rows, n_blocks, intercept, alpha, mask, thresholds[i],
                                        shrink, tightest, n_steps, lowest, drops[i], exact,
                                        &models[i, 0, 0], entropy)
        if status < 0:
            failed |= 1
    if failed:
        raise MemoryError()
    PyErr_CheckSignals()


# ------------------------------------------------------------------------------------ scale of noise

cdef void _entropy(const floating[:, :, ::1] blocks, const sem_rs_rows *rows, intp_t n_blocks,
                   const double *model, double lowest, double drop, double *entropy,
                   double *core) noexcept nogil:
    cdef double[SEM_RS_BINS] bins
    cdef sem_rs_pass result
    memset(&bins[0], 0, SEM_RS_BINS * sizeof(double))
    memset(&result, 0, sizeof(sem_rs_pass))
    _collect(blocks, rows, 0, n_blocks, model, INFINITY, NULL, &bins[0], lowest, &result)
    sem_rs_drop(&bins[0], drop)
    if entropy != NULL:
        entropy[0] = sem_rs_entropy(&bins[0], lowest)
    if core != NULL:
        core[0] = sem_rs_core(&bins[0], lowest)


def model_entropies(const floating[:, :, ::1] blocks, const double[::1] weights, intp_t n_rows,
                    intp_t n_blocks, intp_t n_targets, bint squared, const double[:, :, ::1] models,
                    double lowest, const double[::1] drops, int n_threads, double[::1] entropies,
                    double[::1] cores):
    """Entropy of the losses on the first blocks, and edge of their core, for each model.

    One of the two may be empty: it is not wanted.
    """
    cdef sem_rs_rows rows = packed_rows(blocks, weights, n_rows, n_targets, squared)
    cdef intp_t i
    for i in prange(models.shape[0], schedule="dynamic", num_threads=n_threads, nogil=True):
        _entropy(blocks, &rows, n_blocks, &models[i, 0, 0], lowest, drops[i],
                 &entropies[i] if entropies.shape[0] else NULL,
                 &cores[i] if cores.shape[0] else NULL)
    PyErr_CheckSignals()


def loss_entropy(const double[::1] losses, const double[::1] weights, double lowest, double drop):
    """Entropy of given losses (nats a row) and the edge of their core."""
    cdef double[SEM_RS_BINS] bins
    cdef intp_t i
    memset(&bins[0], 0, SEM_RS_BINS * sizeof(double))
    for i in range(losses.shape[0]):
        bins[sem_rs_bin(losses[i], lowest)] += weights[i] if weights.shape[0] else 1.0
    sem_rs_drop(&bins[0], drop)
    return sem_rs_entropy(&bins[0], lowest), sem_rs_core(&bins[0], lowest)


def noise_mixture(const double[::1] losses, const double[::1] weights, double start, bint twice,
                  double dof, double lowest, double exact=-1):
    """Half-normal plus constant density, fitted to the losses near 0 by EM.

    Returns the scale of the half-normal part, its weight, and the density of the rest, which is 0
    where it explains too little. `start` is a first guess of the scale; with `twice`, four times it
    is tried as well. `exact`: the most weight that the `dof` coefficients can fit exactly (less than
    0: `dof`); a half-normal part that holds no more is no noise.
    """
    cdef double[3] out
    cdef sem_rs_losses part
    if losses.shape[0] == 0:
        return start, 0.0, 0.0
    part.loss = &losses[0]
    part.weights = &weights[0] if weights.shape[0] else NULL
    part.n = losses.shape[0]
    with nogil:
        sem_rs_mixture(&part, start, twice, dof, exact if exact >= 0 else dof, lowest, &out[0])
    return out[0], out[1], out[2]


def inlier_cut(double scale, double mass, double density):
    """Multiple of `scale`, 2 to 5, within which least squares has the least asymptotic variance.

    `mass` is the weight of the noise, `density` that of the outliers a unit of loss.
    """
    return sem_rs_cut(scale, mass, density)
