/* Compiled once for each instruction set (sem_per_isa.h); float32 only. */
#if SEM_IS_FLOAT

#if defined(__GNUC__)
typedef float SEM_K(sem_vf) __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t SEM_K(sem_vi) __attribute__((vector_size(64), aligned(4), may_alias));
#  define TS_LANES 16
#  define TS_TO_FLOAT(v) __builtin_convertvector(v, VF)
#  define TS_TO_INT(v) __builtin_convertvector(v, VI)
#  define TS_ABOVE(a, b) ((VI)((a) > (b)))
#else
typedef float SEM_K(sem_vf);
typedef int32_t SEM_K(sem_vi);
#  define TS_LANES 1
#  define TS_TO_FLOAT(v) ((float)(v))
#  define TS_TO_INT(v) ((int32_t)(v))
#  define TS_ABOVE(a, b) (-(int32_t)((a) > (b)))
#endif
#define VF SEM_K(sem_vf)
#define VI SEM_K(sem_vi)

SEM_TS_INLINE VF SEM_K(sem_ts_gather)(const float *from, const int32_t *at)
{
#if defined(__AVX512F__)
    return (VF)_mm512_i32gather_ps(_mm512_loadu_si512(at), from, 4);
#elif defined(__AVX2__)
    union { VF v; __m256 half[2]; } u;
    u.half[0] = _mm256_i32gather_ps(from, _mm256_loadu_si256((const __m256i *)at), 4);
    u.half[1] = _mm256_i32gather_ps(from, _mm256_loadu_si256((const __m256i *)(at + 8)), 4);
    return u.v;
#else
    float out[TS_LANES];
    VF v;
    for (int l = 0; l < TS_LANES; l++)
        out[l] = from[at[l]];
    memcpy(&v, out, sizeof v);
    return v;
#endif
}

/* Both coordinates of 16 points: half the gathers that two arrays would take. */
SEM_TS_INLINE void SEM_K(sem_ts_gather_pairs)(const float *pairs, const int32_t *at, VF *x, VF *y)
{
#if defined(__AVX512F__)
    const __m512i numbers = _mm512_loadu_si512(at);
    const __m512 a = _mm512_castpd_ps(
        _mm512_i32gather_pd(_mm512_castsi512_si256(numbers), (const double *)pairs, 8));
    const __m512 b = _mm512_castpd_ps(_mm512_i32gather_pd(
        _mm512_extracti64x4_epi64(numbers, 1), (const double *)pairs, 8));
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    *x = (VF)_mm512_permutex2var_ps(a, even, b);
    *y = (VF)_mm512_permutex2var_ps(a, odd, b);
#else
    float first[TS_LANES], second[TS_LANES];
    for (int l = 0; l < TS_LANES; l++) {
        first[l] = pairs[2 * at[l]];
        second[l] = pairs[2 * at[l] + 1];
    }
    memcpy(x, first, sizeof first);
    memcpy(y, second, sizeof second);
#endif
}

/* a where the mask's bits are set, else b. */
SEM_TS_INLINE VF SEM_K(sem_ts_select)(VI mask, VF a, VF b)
{
    VI x, y;
    VF out;
    memcpy(&x, &a, sizeof a);
    memcpy(&y, &b, sizeof b);
    x = (x & mask) | (y & ~mask);
    memcpy(&out, &x, sizeof out);
    return out;
}

SEM_TS_INLINE VF SEM_K(sem_ts_sqrt)(VF v)
{
#if defined(__AVX512F__)
    return (VF)_mm512_sqrt_ps((__m512)v);
#else
    float out[TS_LANES];
    memcpy(out, &v, sizeof v);
    for (int l = 0; l < TS_LANES; l++)
        out[l] = sqrtf(out[l]);
    memcpy(&v, out, sizeof v);
    return v;
#endif
}

SEM_TS_INLINE float SEM_K(sem_ts_sum)(VF v)
{
    float lane[TS_LANES];
    memcpy(lane, &v, sizeof v);
    for (int width = TS_LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    return lane[0];
}

/* log2 of positive, normal numbers, to about 1e-7: exponent, and atanh's series for the rest. */
SEM_TS_INLINE VF SEM_K(sem_ts_log2)(VF v)
{
    VI bits, exponent;
    VF m;
    memcpy(&bits, &v, sizeof v);
    exponent = ((bits - 0x3f3504f3) >> 23); /* so that m is in [sqrt(1/2), sqrt(2)) */
    bits = bits - exponent * (1 << 23);
    memcpy(&m, &bits, sizeof m);
    const VF s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
    const VF series =
        ((s2 * 0.32059889f + 0.41219858f) * s2 + 0.57707802f) * s2 * s2 + 0.96179669f * s2;
    return TS_TO_FLOAT(exponent) + s * (series + 2.88539008f);
}

/* 2^v for v of at most 0, to about 1e-7; 0 below 2^-125. */
SEM_TS_INLINE VF SEM_K(sem_ts_exp2)(VF v)
{
    const VF zero = (VF){0}, low = zero - 126.0f;
    v = SEM_K(sem_ts_select)(TS_ABOVE(v, low), v, low);
    const VI whole = TS_TO_INT(v - 0.5f); /* truncation towards 0 rounds to nearest */
    const VF f = v - TS_TO_FLOAT(whole);
    VF p = f * 1.5403530e-4f + 1.3333558e-3f;
    p = p * f + 9.6181291e-3f;
    p = p * f + 5.5504109e-2f;
    p = p * f + 2.4022651e-1f;
    p = p * f + 6.9314718e-1f;
    p = p * f + 1.0f;
    VI bits;
    memcpy(&bits, &p, sizeof p);
    bits = bits + whole * (1 << 23);
    VF out;
    memcpy(&out, &bits, sizeof out);
    return SEM_K(sem_ts_select)(TS_ABOVE(v, low), out, zero);
}

/* w and w / u of u = 1 + r^2 / dof. */
SEM_TS_INLINE void SEM_K(sem_ts_kernel)(VF u, const int power, float exponent, VF *w, VF *f)
{
    const VF q = 1.0f / u;
    if (power == SEM_TS_CAUCHY)
        *w = q;
    else if (power == SEM_TS_DOF_2)
        *w = q * SEM_K(sem_ts_sqrt)(q);
    else
        *w = SEM_K(sem_ts_exp2)(SEM_K(sem_ts_log2)(u) * exponent);
    *f = *w * q;
}

SEM_TS_INLINE void SEM_K(sem_ts_attract_rows)(const sem_ts_graph *g, const sem_ts_points *points,
                                              const int dim, float inv_dof, ptrdiff_t first,
                                              ptrdiff_t last, VF *sums, float *force)
{
    const float *y = points->y;
    const ptrdiff_t stride = points->stride;
    for (ptrdiff_t i = first; i < last; i++) {
        for (int c = 0; c < dim; c++)
            sums[c] = (VF){0};
        for (int64_t e = g->indptr[i]; e < g->indptr[i + 1]; e += TS_LANES) {
            VF diff[3], sq = (VF){0};
            if (dim == 2)
                SEM_K(sem_ts_gather_pairs)(points->pairs, g->target + e, diff, diff + 1);
            for (int c = 0; c < dim; c++) {
                VF d;
                if (dim == 2)
                    d = y[c * stride + i] - diff[c];
                else
                    d = y[c * stride + i] - SEM_K(sem_ts_gather)(y + c * stride, g->target + e);
                if (c < 3)
                    diff[c] = d;
                sq += d * d;
            }
            const VF f = *(const VF *)(g->weight + e) / (1.0f + sq * inv_dof);
            for (int c = 0; c < dim; c++) {
                VF d;
                if (c < 3)
                    d = diff[c];
                else
                    d = y[c * stride + i] - SEM_K(sem_ts_gather)(y + c * stride, g->target + e);
                sums[c] += f * d;
            }
        }
        for (int c = 0; c < dim; c++)
            force[c * stride + i] = SEM_K(sem_ts_sum)(sums[c]);
    }
}

/* Attraction on the rows [first, last); `scratch` has 16 floats a coordinate. */
static void SEM_K(sem_ts_attract)(const sem_ts_graph *g, const sem_ts_points *points,
                                  float inv_dof, ptrdiff_t first, ptrdiff_t last, float *scratch,
                                  float *force)
{
    VF sums[3];
    if (points->dim == 1)
        SEM_K(sem_ts_attract_rows)(g, points, 1, inv_dof, first, last, sums, force);
    else if (points->dim == 2)
        SEM_K(sem_ts_attract_rows)(g, points, 2, inv_dof, first, last, sums, force);
    else if (points->dim == 3)
        SEM_K(sem_ts_attract_rows)(g, points, 3, inv_dof, first, last, sums, force);
    else
        SEM_K(sem_ts_attract_rows)(g, points, points->dim, inv_dof, first, last, (VF *)scratch,
                                   force);
}

/* Sum over the edges of rows [first, last) of weight times log2(1 + r^2 / dof). */
static double SEM_K(sem_ts_graph_log)(const sem_ts_graph *g, const sem_ts_points *points,
                                      float inv_dof, ptrdiff_t first, ptrdiff_t last)
{
    const float *y = points->y;
    const ptrdiff_t stride = points->stride;
    double total = 0;
    for (ptrdiff_t i = first; i < last; i++) {
        VF sum = (VF){0};
        for (int64_t e = g->indptr[i]; e < g->indptr[i + 1]; e += TS_LANES) {
            VF sq = (VF){0};
            for (int c = 0; c < points->dim; c++) {
                const VF d = y[c * stride + i] - SEM_K(sem_ts_gather)(y + c * stride, g->target + e);
                sq += d * d;
            }
            sum += *(const VF *)(g->weight + e) * SEM_K(sem_ts_log2)(1.0f + sq * inv_dof);
        }
        total += SEM_K(sem_ts_sum)(sum);
    }
    return total;
}

/* `others` is only told apart for dim > 3: see `repulsion`. */
SEM_TS_INLINE void SEM_K(sem_ts_repulse_rows)(const sem_ts_points *queries,
                                              const sem_ts_points *points, const int dim,
                                              const int power, const int others, double dof,
                                              ptrdiff_t first,
                                              ptrdiff_t last, VF *sums, float *force,
                                              float *potential)
{
    const float *y = points->y;
    const ptrdiff_t stride = points->stride, n = points->n;
    const float inv_dof = (float)(1.0 / dof), exponent = (float)(-0.5 * (dof + 1.0));
    for (ptrdiff_t i = first; i < last; i++) {
        const float *at = queries->y + i;
        VF mass = (VF){0};
        for (int c = 0; c < dim; c++)
            sums[c] = (VF){0};
        for (ptrdiff_t j = 0; j < n; j += TS_LANES) {
            VF diff[3], sq = (VF){0}, w, f;
            for (int c = 0; c < dim; c++) {
                const VF d = at[c * queries->stride] - *(const VF *)(y + c * stride + j);
                if (c < 3)
                    diff[c] = d;
                sq += d * d;
            }
            SEM_K(sem_ts_kernel)(1.0f + sq * inv_dof, power, exponent, &w, &f);
            if (others && i / TS_LANES == j / TS_LANES)
                w[i % TS_LANES] = 0.0f;
            mass += w;
            for (int c = 0; c < dim; c++) {
                VF d;
                if (c < 3)
                    d = diff[c];
                else
                    d = at[c * queries->stride] - *(const VF *)(y + c * stride + j);
                sums[c] += f * d;
            }
        }
        for (int c = 0; c < dim; c++)
            force[c * queries->stride + i] = SEM_K(sem_ts_sum)(sums[c]);
        potential[i] = SEM_K(sem_ts_sum)(mass);
    }
}

/* Exact repulsion of all `points` (padded with far ones) on the queries [first, last). With `others`,
 * the queries being the points, potentials leave out the point itself. */
static void SEM_K(sem_ts_repulse)(const sem_ts_points *queries, const sem_ts_points *points,
                                  int others, double dof, ptrdiff_t first, ptrdiff_t last,
                                  float *scratch,
                                  float *force, float *potential)
{
    VF sums[3];
    const int power = sem_ts_power_of(dof);
#define TS_CALL(dim, power, others, sums) \
    SEM_K(sem_ts_repulse_rows)(queries, points, dim, power, others, dof, first, last, sums, force, \
                               potential)
    if (points->dim == 1 && power == SEM_TS_CAUCHY)
        TS_CALL(1, SEM_TS_CAUCHY, 0, sums);
    else if (points->dim == 2 && power == SEM_TS_CAUCHY)
        TS_CALL(2, SEM_TS_CAUCHY, 0, sums);
    else if (points->dim == 2)
        TS_CALL(2, SEM_TS_ANY_DOF, 0, sums);
    else if (points->dim == 3 && power == SEM_TS_DOF_2)
        TS_CALL(3, SEM_TS_DOF_2, 0, sums);
    else if (points->dim == 3 && power == SEM_TS_CAUCHY)
        TS_CALL(3, SEM_TS_CAUCHY, 0, sums);
    else
        TS_CALL(points->dim, SEM_TS_ANY_DOF, others, (VF *)scratch);
#undef TS_CALL
}

/* Add what `mass` at a place does to the lanes. */
SEM_TS_INLINE void SEM_K(sem_ts_add)(const VF *at, const float *place, ptrdiff_t apart, float mass,
                                     const int dim, const int power, float inv_dof, float exponent,
                                     VF *sums, VF *total)
{
    VF diff[3], sq = (VF){0}, w, f;
    for (int c = 0; c < dim; c++) {
        diff[c] = at[c] - place[c * apart];
        sq += diff[c] * diff[c];
    }
    SEM_K(sem_ts_kernel)(1.0f + sq * inv_dof, power, exponent, &w, &f);
    *total += mass * w;
    for (int c = 0; c < dim; c++)
        sums[c] += mass * f * diff[c];
}

/* The lanes of one register walk the tree together: a node stands for its points where its cell is
 * narrow as seen from the nearest corner of the lanes' box, so every lane is at least as exact as if
 * it walked alone. */
SEM_TS_INLINE void SEM_K(sem_ts_walk_lanes)(const sem_ts_node *nodes, int32_t n_nodes,
                                            const sem_ts_points *points, const VF *at,
                                            const float *low, const float *high, const int dim,
                                            const int power, double dof, float sq_angle, VF *sums,
                                            VF *total)
{
    const float inv_dof = (float)(1.0 / dof), exponent = (float)(-0.5 * (dof + 1.0));
    for (int32_t k = 0; k < n_nodes;) {
        const sem_ts_node *node = nodes + k;
        float sq = 0;
        for (int c = 0; c < dim; c++) {
            const float below = low[c] - node->center[c], above = node->center[c] - high[c];
            const float gap = below > 0 ? below : above > 0 ? above : 0;
            sq += gap * gap;
        }
        if (node->sq_width < sq_angle * sq) {
            SEM_K(sem_ts_add)(at, node->center, 1, (float)(node->end - node->start), dim, power,
                              inv_dof, exponent, sums, total);
            k = node->skip;
        } else if (node->is_leaf) {
            for (int32_t j = node->start; j < node->end; j++)
                SEM_K(sem_ts_add)(at, points->y + j, points->stride, 1.0f, dim, power, inv_dof,
                                  exponent, sums, total);
            k = node->skip;
        } else
            k++;
    }
}

/* Repulsion on the 16 queries from `first` on, sorted as the tree is. */
static void SEM_K(sem_ts_walk)(const sem_ts_node *nodes, int32_t n_nodes,
                               const sem_ts_points *points, const sem_ts_points *queries,
                               ptrdiff_t first, double dof, float sq_angle, float *force,
                               float *potential)
{
    const int dim = points->dim, power = sem_ts_power_of(dof);
    for (ptrdiff_t l = 0; l < SEM_TS_PAD; l += TS_LANES) {
        VF at[3], sums[3], total = (VF){0};
        float low[3], high[3];
        for (int c = 0; c < dim; c++) {
            const float *q = queries->y + c * queries->stride + first;
            at[c] = *(const VF *)(q + l);
            sums[c] = (VF){0};
            low[c] = high[c] = q[0]; /* the box of all 16, whatever a register holds */
            for (int j = 1; j < SEM_TS_PAD; j++) {
                low[c] = q[j] < low[c] ? q[j] : low[c];
                high[c] = q[j] > high[c] ? q[j] : high[c];
            }
        }
#define TS_CALL(dim, power) \
    SEM_K(sem_ts_walk_lanes)(nodes, n_nodes, points, at, low, high, dim, power, dof, sq_angle, sums, \
                             &total)
        if (dim == 2 && power == SEM_TS_CAUCHY)
            TS_CALL(2, SEM_TS_CAUCHY);
        else if (dim == 3 && power == SEM_TS_DOF_2)
            TS_CALL(3, SEM_TS_DOF_2);
        else if (dim == 3 && power == SEM_TS_CAUCHY)
            TS_CALL(3, SEM_TS_CAUCHY);
        else
            TS_CALL(dim, SEM_TS_ANY_DOF);
#undef TS_CALL
        for (int c = 0; c < dim; c++)
            *(VF *)(force + c * queries->stride + first + l) = sums[c];
        *(VF *)(potential + first + l) = total;
    }
}

/* Weights exp(-beta d^2) of a row's neighbours, summing to 1, whose entropy is `log_perplexity`.
 *
 * Newton's method on log(beta), held in a bracket that bisection narrows. `buffer` and `weight`
 * have k entries, k a multiple of 16 and the padding infinite. Returns beta.
 */
static float SEM_K(sem_ts_row_weights)(const float *sq_distances, ptrdiff_t k,
                                       float log_perplexity, float *buffer, float *weight)
{
    const float log2_e = 1.44269504f;
    float nearest = INFINITY, farthest = 0;
    ptrdiff_t n = 0;
    for (ptrdiff_t j = 0; j < k; j++)
        if (sq_distances[j] < INFINITY) {
            nearest = sq_distances[j] < nearest ? sq_distances[j] : nearest;
            farthest = sq_distances[j] > farthest ? sq_distances[j] : farthest;
            n++;
        }
    const float spread = farthest - nearest;
    /* excess distances in units of the largest; the padding far away */
    for (ptrdiff_t j = 0; j < k; j++)
        buffer[j] = sq_distances[j] < INFINITY
                        ? (spread > 0 ? (sq_distances[j] - nearest) / spread : 0.0f)
                        : 1e30f;
    double low = 0, high = INFINITY, beta = 4;
    double total = 1;
    for (int step = 0; step < 100; step++) {
        VF sum = (VF){0}, first = (VF){0}, second = (VF){0};
        for (ptrdiff_t j = 0; j < k; j += TS_LANES) {
            const VF d = *(const VF *)(buffer + j);
            const VF w = SEM_K(sem_ts_exp2)(d * (float)(-beta * log2_e));
            *(VF *)(weight + j) = w;
            const VF wd = w * d;
            sum += w;
            first += wd;
            second += wd * d;
        }
        total = SEM_K(sem_ts_sum)(sum);
        const double mean = SEM_K(sem_ts_sum)(first) / total;
        const double variance = SEM_K(sem_ts_sum)(second) / total - mean * mean;
        const double entropy = log(total) + beta * mean, miss = entropy - log_perplexity;
        if (spread == 0 || fabs(miss) < 1e-5)
            break;
        if (miss > 0)
            low = beta;
        else
            high = beta;
        /* d entropy / d log(beta) = -beta^2 variance */
        const double slope = beta * beta * variance;
        double next = slope > 1e-12 ? beta * exp(fmax(-3.0, fmin(3.0, miss / slope))) : -1;
        if (!(next > low && next < high))
            next = high == INFINITY ? beta * 8 : 0.5 * (low + high);
        if (next == beta || beta > 1e30 || next < 1e-12)
            break;
        beta = next;
    }
    for (ptrdiff_t j = 0; j < k; j++)
        weight[j] = (float)(weight[j] / total);
    return (float)(spread > 0 ? beta / spread : 0);
}

#undef VF
#undef VI
#undef TS_LANES
#undef TS_TO_FLOAT
#undef TS_TO_INT
#undef TS_ABOVE
#endif
