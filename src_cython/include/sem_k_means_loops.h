/* Plain loops of k-means for one floating type. Included by sem_k_means.h with REAL and NAME(x). */

/* The squared distance that decides near ties, and that inertia is the sum of: differences and
 * sums in double precision, in one order that depends on d alone. */
static SEM_INLINE double NAME(sq_dist_inline)(
    const REAL *x, const REAL *offset, const REAL *c, intp d)
{
    double sum[16] = {0}, tail = 0, e;
    intp t = 0;
    int l;
    for (; t + 16 <= d; t += 16)
        for (l = 0; l < 16; ++l) {
            e = (double)(REAL)(x[t + l] - offset[t + l]) - (double)c[t + l];
            sum[l] += e * e;
        }
    for (; t < d; ++t) {
        e = (double)(REAL)(x[t] - offset[t]) - (double)c[t];
        tail += e * e;
    }
    return d < 16 ? tail : SEM_SUM16(sum) + tail;
}

SEM_CLONES
static double NAME(sem_sq_dist)(const REAL *x, const REAL *offset, const REAL *c, intp d)
{
    return NAME(sq_dist_inline)(x, offset, c, d);
}

/* out[p]: squared distance of row p to the centre of its label. */
SEM_CLONES
static void NAME(sem_sq_dist_to_label)(
    const REAL *X, intp m, intp d, const REAL *offset, const REAL *centers,
    const int32_t *labels, double *out)
{
    for (intp p = 0; p < m; ++p)
        out[p] = NAME(sq_dist_inline)(X + p * d, offset, centers + labels[p] * d, d);
}

/* The nearest centre by that distance, the lowest of equals. */
SEM_CLONES
static intp NAME(sem_nearest_exact)(
    const REAL *x, const REAL *offset, const REAL *centers, intp k, intp d)
{
    double best = SEM_INF, dist;
    intp label = 0;
    for (intp j = 0; j < k; ++j) {
        dist = NAME(sq_dist_inline)(x, offset, centers + j * d, d);
        if (dist < best) {
            best = dist;
            label = j;
        }
    }
    return label;
}

/* Of the m rows listed, keep those that the exact distance to their own centre does not settle
 * either; that distance becomes the new upper bound. */
SEM_CLONES
static intp NAME(sem_still_unsettled)(
    const REAL *X, intp d, const REAL *offset, const REAL *centers, const int32_t *labels,
    float *upper, const float *lower, const double *up_drift, const double *low_drift,
    const double *half_gap, intp m, intp *rows)
{
    intp kept = 0;
    for (intp p = 0; p < m; ++p) {
        const intp i = rows[p];
        const int32_t j = labels[i];
        const double u =
            sqrt(NAME(sq_dist_inline)(X + i * d, offset, centers + j * d, d)) * (1 + 1e-9);
        upper[i] = sem_round_up(u - up_drift[j]);
        rows[kept] = i;
        kept += !(u < lower[i] - low_drift[j]) & !(u < half_gap[j]);
    }
    return kept;
}

/* Write the m decided lanes of a block to rows[p], or to p when `rows` is NULL. Undecided ones
 * (low < 0) are listed in `open`; their count is returned. `upper` NULL: no bounds are kept. */
SEM_CLONES
static intp NAME(sem_commit)(
    const REAL *label, const REAL *up, const REAL *low, const intp *rows, intp m,
    const double *up_drift, const double *low_drift, int32_t *labels, float *upper, float *lower,
    intp *open)
{
    intp n_open = 0, p, i;
    int32_t j;
    if (!rows) {
        for (p = 0; p < m; ++p)
            labels[p] = (int32_t)label[p];
        if (upper)
            for (p = 0; p < m; ++p) {
                j = (int32_t)label[p];
                upper[p] = sem_round_up(up[p] - up_drift[j]);
                lower[p] = sem_round_down(low[p] + low_drift[j]);
            }
        for (p = 0; p < m; ++p) {
            open[n_open] = p;
            n_open += !(low[p] >= 0);
        }
        return n_open;
    }
    for (p = 0; p < m; ++p) {
        i = rows[p];
        if (!(low[p] >= 0)) {
            open[n_open++] = i;
            continue;
        }
        j = (int32_t)label[p];
        labels[i] = j;
        if (upper) {
            upper[i] = sem_round_up(up[p] - up_drift[j]);
            lower[i] = sem_round_down(low[p] + low_drift[j]);
        }
    }
    return n_open;
}

/* Move every row whose label changed from its old cluster's sums to its new one's (old -1: from
 * none). Returns how many changed. A centre's line of `sums` is cleared when first touched. */
SEM_CLONES
static intp NAME(sem_move_rows)(
    const REAL *X, intp d, const REAL *offset, const REAL *weight, const int32_t *labels,
    const int32_t *old_labels, intp n, double *sums, double *weights, int64_t *counts,
    uint8_t *touched)
{
    intp changed = 0, t;
    for (intp i = 0; i < n; ++i) {
        /* Late iterations move few rows: pass over 16 that stay at once. */
        if (i % 16 == 0 && i + 16 <= n
            && memcmp(labels + i, old_labels + i, 16 * sizeof(int32_t)) == 0) {
            i += 15;
            continue;
        }
        const int32_t to = labels[i], from = old_labels[i];
        const double w = weight ? (double)weight[i] : 1.0;
        const REAL *x = X + i * d;
        double *add, *take, e;
        if (to == from)
            continue;
        ++changed;
        if (w == 0)
            continue;
        add = sums + to * d;
        if (!touched[to]) {
            touched[to] = 1;
            memset(add, 0, (size_t)d * sizeof(double));
        }
        weights[to] += w;
        ++counts[to];
        if (from < 0) {
            for (t = 0; t < d; ++t)
                add[t] += w * (double)(REAL)(x[t] - offset[t]);
            continue;
        }
        take = sums + from * d;
        if (!touched[from]) {
            touched[from] = 1;
            memset(take, 0, (size_t)d * sizeof(double));
        }
        weights[from] -= w;
        --counts[from];
        for (t = 0; t < d; ++t) {
            e = w * (double)(REAL)(x[t] - offset[t]);
            add[t] += e;
            take[t] -= e;
        }
    }
    return changed;
}

/* The same for rows of a CSR matrix, whose entries are the sums' own units. */
SEM_CLONES
static intp NAME(sem_move_sparse_rows)(
    const REAL *data, const int32_t *indices, const int32_t *indptr, intp d, const REAL *weight,
    const int32_t *labels, const int32_t *old_labels, intp n, double *sums, double *weights,
    int64_t *counts, uint8_t *touched)
{
    intp changed = 0;
    for (intp i = 0; i < n; ++i) {
        const int32_t side[2] = {labels[i], old_labels[i]};
        const double w = weight ? (double)weight[i] : 1.0;
        if (side[0] == side[1])
            continue;
        ++changed;
        if (w == 0)
            continue;
        for (int s = 0; s < 2; ++s) {
            const double signed_w = s ? -w : w;
            double *line = sums + side[s] * d;
            if (side[s] < 0)
                continue;
            if (!touched[side[s]]) {
                touched[side[s]] = 1;
                memset(line, 0, (size_t)d * sizeof(double));
            }
            weights[side[s]] += signed_w;
            counts[side[s]] += s ? -1 : 1;
            for (int32_t q = indptr[i]; q < indptr[i + 1]; ++q)
                line[indices[q]] += signed_w * (double)data[q];
        }
    }
    return changed;
}

/* Products of one sparse row with all centres (ct: transposed, lines of length ld), in double
 * precision and in the row's own order: value[j] = c2[j] - 2 x.c_j. Returns |x|^2. */
SEM_CLONES
static double NAME(sem_sparse_values)(
    const REAL *data, const int32_t *indices, intp nnz, const double *ct, intp ld,
    const double *c2, double *value)
{
    double x2 = 0;
    intp j;
    for (j = 0; j < ld; ++j)
        value[j] = 0;
    for (intp q = 0; q < nnz; ++q) {
        const double v = (double)data[q];
        const double *c = ct + (intp)indices[q] * ld;
        x2 += v * v;
        for (j = 0; j < ld; ++j)
            value[j] += v * c[j];
    }
    for (j = 0; j < ld; ++j)
        value[j] = c2[j] - 2 * value[j];
    return x2;
}

/* Weighted means and sums of squared deviations of each column of n rows, in two sweeps over rows
 * that fit a cache. Returns the sum of weights. */
SEM_CLONES
static double NAME(sem_moments)(
    const REAL *X, intp n, intp d, const REAL *weight, double *mean, double *m2)
{
    double total = 0;
    intp i, t;
    for (t = 0; t < d; ++t)
        mean[t] = m2[t] = 0;
    for (i = 0; i < n; ++i) {
        const double w = weight ? (double)weight[i] : 1.0;
        const REAL *x = X + i * d;
        total += w;
        for (t = 0; t < d; ++t)
            mean[t] += w * (double)x[t];
    }
    if (!(total > 0))
        return 0;
    for (t = 0; t < d; ++t)
        mean[t] /= total;
    for (i = 0; i < n; ++i) {
        const double w = weight ? (double)weight[i] : 1.0;
        const REAL *x = X + i * d;
        for (t = 0; t < d; ++t) {
            const double e = (double)x[t] - mean[t];
            m2[t] += w * (e * e);
        }
    }
    return total;
}

/* One entry's part of a row's hash. */
static SEM_INLINE uint64_t NAME(sem_hash_entry)(REAL value, uint64_t key)
{
    const double wide = (double)value; /* a float hashes as the double of the same value */
    uint64_t bits;
    memcpy(&bits, &wide, 8);
    bits = (uint64_t)((uint32_t)bits + (uint32_t)key) *
           (uint64_t)((uint32_t)(bits >> 32) + (uint32_t)(key >> 32));
    return wide == 0 ? 0 : bits;
}

/* Which candidates can lower a row's closest distance, as bits: by the triangle inequality none can
 * whose squared distance to the row's own seed is at least four times that. `quarter`: a quarter
 * of the squared distances, (n_candidates, n_seeds). */
SEM_CLONES
static void NAME(sem_mask_candidates)(
    const REAL *closest, const int32_t *owner, const REAL *quarter, int n_candidates,
    intp n_seeds, uint32_t *mask)
{
    for (int p = 0; p < SEM_BLOCK; ++p)
        mask[p] = 0;
    for (int l = 0; l < n_candidates; ++l) {
        const REAL *table = quarter + l * n_seeds;
        const uint32_t bit = (uint32_t)1 << l;
        for (int p = 0; p < SEM_BLOCK; ++p)
            mask[p] |= table[owner[p]] < closest[p] ? bit : 0;
    }
}

/* Sum of weight * value over a block, in 16 fixed lanes. */
SEM_CLONES
static double NAME(sem_block_sum)(const REAL *value, const REAL *weight)
{
    double lane[16] = {0};
    if (weight)
        for (int g = 0; g < SEM_BLOCK; g += 16)
            for (int l = 0; l < 16; ++l)
                lane[l] += (double)weight[g + l] * (double)value[g + l];
    else
        for (int g = 0; g < SEM_BLOCK; g += 16)
            for (int l = 0; l < 16; ++l)
                lane[l] += (double)value[g + l];
    return SEM_SUM16(lane);
}

/* mass[bucket] += weight * closest. */
static void NAME(sem_add_mass)(
    const REAL *closest, const REAL *weight, const uint16_t *bucket, intp n, double *mass)
{
    if (weight)
        for (intp i = 0; i < n; ++i)
            mass[bucket[i]] += (double)weight[i] * (double)closest[i];
    else
        for (intp i = 0; i < n; ++i)
            mass[bucket[i]] += (double)closest[i];
}

/* x - offset, in the rows' own precision. */
static void NAME(sem_center_row)(const REAL *x, const REAL *offset, intp d, REAL *out)
{
    for (intp t = 0; t < d; ++t)
        out[t] = x[t] - offset[t];
}

/* A hash of each row's content: -0.0 counts as 0.0, and a zero adds nothing, so a sparse row has
 * the hash of the same dense row. Multilinear in 32-bit halves (UMAC's NH), then mixed. */
SEM_CLONES
static void NAME(sem_hash_rows)(
    const REAL *X, intp n, intp d, const uint64_t *keys, uint64_t *out)
{
    for (intp i = 0; i < n; ++i) {
        uint64_t h = 0;
        for (intp t = 0; t < d; ++t)
            h += NAME(sem_hash_entry)(X[i * d + t], keys[t]);
        out[i] = sem_mix(h);
    }
}

static void NAME(sem_hash_sparse_rows)(
    const REAL *data, const int32_t *indices, const int32_t *indptr, intp n,
    const uint64_t *keys, uint64_t *out)
{
    for (intp i = 0; i < n; ++i) {
        uint64_t h = 0;
        for (int32_t q = indptr[i]; q < indptr[i + 1]; ++q)
            h += NAME(sem_hash_entry)(data[q], keys[indices[q]]);
        out[i] = sem_mix(h);
    }
}

/* Elkan's test: list the centres whose lower bound (less drift) and half distance to the row's own
 * centre both allow them to be as near as `upper`. */
SEM_CLONES
static intp NAME(sem_rivals)(
    const REAL *lower, const double *drift, const double *half, double upper, intp k, intp label,
    int32_t *rivals)
{
    uint8_t open[256];
    intp m = 0, j0, j;
    for (j0 = 0; j0 < k; j0 += 256) {
        const intp count = k - j0 < 256 ? k - j0 : 256;
        for (j = 0; j < count; ++j)
            open[j] = !(upper < (double)lower[j0 + j] - drift[j0 + j]) & !(upper < half[j0 + j]);
        if (label >= j0 && label < j0 + count)
            open[label - j0] = 0;
        for (j = 0; j < count; ++j) {
            rivals[m] = (int32_t)(j0 + j);
            m += open[j];
        }
    }
    return m;
}
