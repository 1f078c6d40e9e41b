/* The part of sem_ransac.h that is compiled for each floating type (REAL, NAME). */

#if defined(__GNUC__)
typedef REAL NAME(sem_rs_vec) __attribute__((vector_size(64), aligned(4), may_alias));
#  define SEM_RS_LANES (64 / (int)sizeof(REAL))
#else
typedef REAL NAME(sem_rs_vec);
#  define SEM_RS_LANES 1
#endif
#define SEM_RS_STEP (2 * SEM_RS_LANES)

/* Add |residual| or its square to losses: separate loops of fixed length, which vectorise. */
SEM_RS_INLINE void NAME(sem_rs_add)(const REAL *residual, int n, int fresh, int squared, REAL *loss)
{
    if (squared && fresh)
        for (int v = 0; v < n; v++)
            loss[v] = residual[v] * residual[v];
    else if (squared)
        for (int v = 0; v < n; v++)
            loss[v] += residual[v] * residual[v];
    else if (fresh)
        for (int v = 0; v < n; v++)
            loss[v] = SEM_RS_ABS(residual[v]);
    else
        for (int v = 0; v < n; v++)
            loss[v] += SEM_RS_ABS(residual[v]);
}

/* Losses of one tile of rows under SEM_RS_GROUP models; coefficients as [target][column][model].
 * Two models by two vectors of 64 bytes: four sums in AVX-512 registers, as many as the latency of
 * a subtraction asks for, or eight in those of AVX2. */
SEM_RS_INLINE void NAME(sem_rs_tile)(const REAL *block, ptrdiff_t p, ptrdiff_t t, int squared,
                                     const REAL *models, REAL loss[SEM_RS_GROUP][SEM_RS_TILE])
{
    typedef NAME(sem_rs_vec) vec;
    for (ptrdiff_t k = 0; k < t; k++) {
        REAL residual[SEM_RS_GROUP][SEM_RS_TILE];
        for (int pair = 0; pair < SEM_RS_GROUP; pair += 2)
            for (int first = 0; first < SEM_RS_TILE; first += SEM_RS_STEP) {
                const REAL *w = models + k * (p + 1) * SEM_RS_GROUP + pair;
                const vec *y = (const vec *)(block + (p + k) * SEM_RS_BLOCK + first);
                const REAL b0 = w[p * SEM_RS_GROUP], b1 = w[p * SEM_RS_GROUP + 1];
                vec r00 = y[0] - b0, r01 = y[1] - b0;
                vec r10 = y[0] - b1, r11 = y[1] - b1;
                for (ptrdiff_t j = 0; j < p; j++) {
                    const vec *x = (const vec *)(block + j * SEM_RS_BLOCK + first);
                    const REAL w0 = w[j * SEM_RS_GROUP], w1 = w[j * SEM_RS_GROUP + 1];
                    r00 -= x[0] * w0;
                    r01 -= x[1] * w0;
                    r10 -= x[0] * w1;
                    r11 -= x[1] * w1;
                }
                vec *to = (vec *)(residual[pair] + first);
                to[0] = r00;
                to[1] = r01;
                to = (vec *)(residual[pair + 1] + first);
                to[0] = r10;
                to[1] = r11;
            }
        for (int h = 0; h < SEM_RS_GROUP; h++)
            NAME(sem_rs_add)(residual[h], SEM_RS_TILE, k == 0, squared, loss[h]);
    }
}

/* Gain of SEM_RS_GROUP models on one block. */
SEM_RS_MAYBE
SEM_CLONES static void NAME(sem_rs_score)(
    const REAL *block, const double *weights, ptrdiff_t p, ptrdiff_t t, int squared,
    const REAL *models, int kind, double threshold, const float *curve, double *gain)
{
    const REAL limit = (REAL)threshold;
    const REAL inverse = threshold > 0 ? (REAL)(1 / threshold) : 0;
    REAL lanes[SEM_RS_GROUP][SEM_RS_TILE];
    double wide[SEM_RS_GROUP][SEM_RS_TILE];
    memset(lanes, 0, sizeof lanes);
    memset(wide, 0, sizeof wide);
    for (int first = 0; first < SEM_RS_BLOCK; first += SEM_RS_TILE) {
        REAL loss[SEM_RS_GROUP][SEM_RS_TILE];
        NAME(sem_rs_tile)(block + first, p, t, squared, models, loss);
        for (int h = 0; h < SEM_RS_GROUP; h++) {
            REAL *g = loss[h];
            if (kind == SEM_RS_COUNT || !(threshold > 0)) {
                for (int v = 0; v < SEM_RS_TILE; v++)
                    g[v] = g[v] <= limit ? (REAL)1 : (REAL)0;
            } else if (kind == SEM_RS_LINEAR) {
                for (int v = 0; v < SEM_RS_TILE; v++) {
                    const REAL rest = 1 - g[v] * inverse;
                    g[v] = rest > 0 ? rest : 0;
                }
            } else if (kind == SEM_RS_QUADRATIC) {
                for (int v = 0; v < SEM_RS_TILE; v++) {
                    const REAL z = g[v] * inverse, rest = 1 - z * z;
                    g[v] = rest > 0 ? rest : 0;
                }
            } else {
                for (int v = 0; v < SEM_RS_TILE; v++) {
                    const double z = (double)g[v] / threshold, u = squared ? z : z * z;
                    const double at = u * (SEM_RS_TABLE / SEM_RS_TABLE_END);
                    if (at < SEM_RS_TABLE) {
                        const int i = (int)at;
                        const double part = at - i;
                        g[v] = (REAL)(curve[i] + part * ((double)curve[i + 1] - curve[i]));
                    } else
                        g[v] = 0;
                }
            }
            if (weights)
                for (int v = 0; v < SEM_RS_TILE; v++)
                    wide[h][v] += weights[first + v] * (double)g[v];
            else
                for (int v = 0; v < SEM_RS_TILE; v++)
                    lanes[h][v] += g[v];
        }
    }
    for (int h = 0; h < SEM_RS_GROUP; h++) {
        double sum = 0;
        for (int v = 0; v < SEM_RS_TILE; v++)
            sum += weights ? wide[h][v] : (double)lanes[h][v];
        gain[h] = sum;
    }
}

/* Losses of one block under one model (t x (p + 1)). */
SEM_RS_MAYBE
SEM_CLONES static void NAME(sem_rs_losses)(const REAL *block, ptrdiff_t p, ptrdiff_t t, int squared,
                                           const double *model, REAL *loss)
{
    for (ptrdiff_t k = 0; k < t; k++) {
        const double *w = model + k * (p + 1);
        const REAL *y = block + (p + k) * SEM_RS_BLOCK;
        REAL r[SEM_RS_BLOCK];
        const REAL b = (REAL)w[p];
        for (int i = 0; i < SEM_RS_BLOCK; i++)
            r[i] = y[i] - b;
        for (ptrdiff_t j = 0; j < p; j++) {
            const REAL *x = block + j * SEM_RS_BLOCK, a = (REAL)w[j];
            for (int i = 0; i < SEM_RS_BLOCK; i++)
                r[i] -= x[i] * a;
        }
        NAME(sem_rs_add)(r, SEM_RS_BLOCK, k == 0, squared, loss);
    }
}

/* Add the products of the columns (design, one, targets), weighted, to the upper triangle of gram. */
SEM_RS_MAYBE
SEM_CLONES static void NAME(sem_rs_products)(const REAL *block, const double *row_weight, ptrdiff_t p,
                                             ptrdiff_t t, double *gram)
{
    const ptrdiff_t c = p + 1 + t;
    for (ptrdiff_t i = 0; i < c; i++) {
        double left[SEM_RS_BLOCK];
        if (i == p)
            memcpy(left, row_weight, sizeof left);
        else {
            const REAL *x = block + (i < p ? i : i - 1) * SEM_RS_BLOCK;
            for (int v = 0; v < SEM_RS_BLOCK; v++)
                left[v] = row_weight[v] * (double)x[v];
        }
        for (ptrdiff_t j = i; j < c; j++) {
            if (i > p && j > i)
                break; /* products of two targets are not needed */
            double lanes[16] = {0};
            if (j == p)
                for (int first = 0; first < SEM_RS_BLOCK; first += 16)
                    for (int v = 0; v < 16; v++)
                        lanes[v] += left[first + v];
            else {
                const REAL *z = block + (j < p ? j : j - 1) * SEM_RS_BLOCK;
                for (int first = 0; first < SEM_RS_BLOCK; first += 16)
                    for (int v = 0; v < 16; v++)
                        lanes[v] += left[first + v] * (double)z[first + v];
            }
            const double sum = sem_rs_sum16(lanes);
            gram[i * c + j] += sum;
        }
    }
}

/* Weight of each row of one block in the next fit: its own within the threshold, 0 beyond. */
SEM_RS_MAYBE
SEM_CLONES static void NAME(sem_rs_weigh)(const REAL *loss, const double *weights, double threshold,
                                          double *part, sem_rs_pass *pass)
{
    double mass[16] = {0}, sum[16] = {0}, largest[16] = {0};
    for (int first = 0; first < SEM_RS_BLOCK; first += 16)
        for (int v = 0; v < 16; v++) {
            const double l = (double)loss[first + v], w = weights ? weights[first + v] : 1.0;
            const double in = l <= threshold ? w : 0.0, seen = in > 0 ? l : 0.0;
            part[first + v] = in;
            mass[v] += in;
            sum[v] += in * seen;
            largest[v] = largest[v] > seen ? largest[v] : seen;
        }
    pass->mass += sem_rs_sum16(mass);
    pass->sum += sem_rs_sum16(sum);
    for (int v = 0; v < 16; v++)
        pass->largest = largest[v] > pass->largest ? largest[v] : pass->largest;
}

/* One pass over blocks [first, last): rows within `threshold` of the model (or those of `mask`,
 * when given) add to `gram`; the losses of all rows go into `bins` when given. */
SEM_RS_MAYBE
static void NAME(sem_rs_collect)(const sem_rs_rows *rows, ptrdiff_t first, ptrdiff_t last,
                                 const double *model, const uint8_t *mask, double threshold,
                                 double lowest, double *gram, double *bins, sem_rs_pass *pass)
{
    const ptrdiff_t width = (rows->p + rows->t) * SEM_RS_BLOCK;
    int32_t counts[4][SEM_RS_BINS]; /* four, as equal bins in a row would wait for each other */
    if (bins)
        memset(counts, 0, sizeof counts);
    for (ptrdiff_t b = first; b < last; b++) {
        const REAL *block = (const REAL *)rows->blocks + b * width;
        const double *weights = rows->weights ? rows->weights + b * SEM_RS_BLOCK : NULL;
        ptrdiff_t here = rows->n_rows - b * SEM_RS_BLOCK;
        REAL loss[SEM_RS_BLOCK];
        double part[SEM_RS_BLOCK];
        here = here < SEM_RS_BLOCK ? here : SEM_RS_BLOCK;
        if (model)
            NAME(sem_rs_losses)(block, rows->p, rows->t, rows->squared, model, loss);
        else
            memset(loss, 0, sizeof loss);
        if (here == SEM_RS_BLOCK && !mask)
            NAME(sem_rs_weigh)(loss, weights, threshold, part, pass);
        else { /* rows of a mask, or padding to be left out */
            double own[SEM_RS_BLOCK];
            for (ptrdiff_t i = 0; i < SEM_RS_BLOCK; i++) {
                const int in = i < here && (!mask || mask[b * SEM_RS_BLOCK + i]);
                own[i] = in ? (weights ? weights[i] : 1.0) : 0.0;
            }
            NAME(sem_rs_weigh)(loss, own, mask ? INFINITY : threshold, part, pass);
        }
        if (bins) {
            double size[SEM_RS_BLOCK];
            int32_t bin[SEM_RS_BLOCK];
            for (ptrdiff_t i = 0; i < SEM_RS_BLOCK; i++)
                size[i] = rows->squared ? sqrt((double)loss[i]) : (double)loss[i];
            sem_rs_bins(size, lowest, bin);
            if (weights)
                for (ptrdiff_t i = 0; i < here; i++)
                    bins[bin[i]] += weights[i];
            else
                for (ptrdiff_t i = 0; i < here; i++)
                    counts[i % 4][bin[i]]++;
        }
        if (gram)
            NAME(sem_rs_products)(block, part, rows->p, rows->t, gram);
    }
    if (bins)
        for (int v = 0; v < SEM_RS_BINS; v++)
            bins[v] += (double)(counts[0][v] + counts[1][v]) + (double)(counts[2][v] + counts[3][v]);
}

/* Least squares on ever tighter rows: the local optimisation, on the first `n_blocks` blocks.
 *
 * Starts from `model`, or from least squares on `mask`; each step fits the rows within the
 * threshold, which shrinks by `shrink` down to `tightest`, then stays until nothing moves. With
 * `entropy` given, `model` ends as the step with the least entropy of its losses, looked for until
 * SEM_RS_PATIENCE steps in a row were no better; otherwise as the last step. `drop`: weight of the rows
 * that the starting model fits exactly, `exact`: the most that any model can; these are no evidence.
 * Returns 0, or -1 without memory. */
SEM_RS_MAYBE
static int NAME(sem_rs_tighten)(const sem_rs_rows *rows, ptrdiff_t n_blocks, int intercept, double alpha,
                                const uint8_t *mask, double threshold, double shrink, double tightest,
                                int steps, double lowest, double drop, double exact, double *model,
                                double *entropy)
{
    const ptrdiff_t c = rows->p + 1 + rows->t, size = rows->t * (rows->p + 1);
    double *gram = (double *)malloc((size_t)(c * c + 2 * size) * sizeof(double));
    if (!gram)
        return -1;
    double *current = gram + c * c, *best = current + size;
    double last_mass = -1, last_sum = 0, best_entropy = INFINITY;
    int started = mask == NULL, best_step = 0;
    memcpy(current, model, (size_t)size * sizeof(double));
    memcpy(best, model, (size_t)size * sizeof(double));
    if (mask) {
        sem_rs_pass pass = {0, 0, 0};
        memset(gram, 0, (size_t)(c * c) * sizeof(double));
        NAME(sem_rs_collect)(rows, 0, n_blocks, NULL, mask, 0, lowest, gram, NULL, &pass);
        sem_rs_solve(gram, rows->p, rows->t, intercept, alpha, current);
        pass.sum = pass.mass = 0;
        NAME(sem_rs_collect)(rows, 0, n_blocks, current, mask, 0, lowest, NULL, NULL, &pass);
        threshold = pass.mass > 0 ? 3 * pass.sum / pass.mass : 0;
        if (rows->squared)
            threshold *= 3;
        drop = exact;
    }
    for (int step = 0; step <= steps; step++) {
        double bins[SEM_RS_BINS];
        sem_rs_pass pass = {0, 0, 0};
        memset(gram, 0, (size_t)(c * c) * sizeof(double));
        memset(bins, 0, sizeof bins);
        NAME(sem_rs_collect)(rows, 0, n_blocks, current, NULL, threshold, lowest, gram,
                             entropy ? bins : NULL, &pass);
        if (entropy) {
            sem_rs_drop(bins, drop);
            const double here = sem_rs_entropy(bins, lowest);
            if (here < best_entropy) {
                best_entropy = here;
                best_step = step;
                memcpy(best, current, (size_t)size * sizeof(double));
            }
        }
        const int settled = threshold <= tightest && pass.mass == last_mass && pass.sum == last_sum;
        const int lost = entropy && step - best_step >= SEM_RS_PATIENCE;
        if (step == steps || settled || lost || pass.mass < exact + (entropy ? 4 : 1))
            break;
        last_mass = pass.mass;
        last_sum = pass.sum;
        sem_rs_solve(gram, rows->p, rows->t, intercept, alpha, current);
        drop = exact;
        started = 1;
        if (pass.largest < threshold)
            threshold = pass.largest > tightest ? pass.largest : tightest;
        threshold = threshold * shrink > tightest ? threshold * shrink : tightest;
    }
    if (entropy) {
        *entropy = best_entropy;
        memcpy(model, best, (size_t)size * sizeof(double));
    } else if (started)
        memcpy(model, current, (size_t)size * sizeof(double));
    free(gram);
    return 0;
}

#undef SEM_RS_LANES
#undef SEM_RS_STEP
