/* The part of sem_naive_bayes.h that reads rows: for each floating type (REAL, NAME). */

/* ------------------------------------------------------------------ statistics */

/* Sums over a block: sums[c] += w (x - origin[c]); mass by class, or by cell with NaN skipped. */
SEM_UNUSED SEM_CLONES
static void NAME(sem_nb_block_sums)(const REAL *X, sem_nb_intp m, sem_nb_intp d,
                                    const int32_t *y, const double *w, const double *origin,
                                    int missing, double *sums, double *mass, double *cell_mass)
{
    for (sem_nb_intp i = 0; i < m; i++, X += d) {
        const double wi = w ? w[i] : 1.0, *o = origin + y[i] * d;
        double *restrict s = sums + y[i] * d;
        mass[y[i]] += wi;
        if (!missing) {
            for (sem_nb_intp t = 0; t < d; t++)
                s[t] += wi * ((double)X[t] - o[t]);
            continue;
        }
        double *restrict seen = cell_mass + y[i] * d;
        for (sem_nb_intp t = 0; t < d; t++) {
            const double x = X[t];
            s[t] += x == x ? wi * (x - o[t]) : 0;
            seen[t] += x == x ? wi : 0;
        }
    }
}

/* Squared deviations of a block from its means: m2[c] += w (x - origin[c] - mean[c])^2. */
SEM_UNUSED SEM_CLONES
static void NAME(sem_nb_block_squares)(const REAL *X, sem_nb_intp m, sem_nb_intp d,
                                       const int32_t *y, const double *w, const double *origin,
                                       int missing, const double *mean, double *m2)
{
    for (sem_nb_intp i = 0; i < m; i++, X += d) {
        const double wi = w ? w[i] : 1.0, *o = origin + y[i] * d, *mu = mean + y[i] * d;
        double *restrict q = m2 + y[i] * d;
        if (!missing) {
            for (sem_nb_intp t = 0; t < d; t++) {
                const double e = ((double)X[t] - o[t]) - mu[t];
                q[t] += wi * (e * e);
            }
            continue;
        }
        for (sem_nb_intp t = 0; t < d; t++) {
            const double x = X[t], e = (x - o[t]) - mu[t];
            q[t] += x == x ? wi * (e * e) : 0;
        }
    }
}

/* Moments of m rows by class, block by block, added to (mass, mean, m2), each (k, d).
 * `scratch` holds 3 k d + k doubles, and `touched` k flags and `list` k numbers, all zero. */
SEM_UNUSED
static void NAME(sem_nb_moments)(const REAL *X, sem_nb_intp m, sem_nb_intp d, sem_nb_intp k,
                                 const int32_t *y, const double *w, const double *origin,
                                 int missing, sem_nb_intp block, double *mass, double *mean,
                                 double *m2, double *scratch, unsigned char *touched,
                                 int32_t *list)
{
    double *sums = scratch, *squares = sums + k * d, *cells = squares + k * d;
    double *masses = cells + k * d;
    for (sem_nb_intp start = 0; start < m; start += block) {
        const sem_nb_intp rows = m - start < block ? m - start : block;
        const double *weights = w ? w + start : NULL;
        sem_nb_intp n_touched = 0;
        for (sem_nb_intp i = start; i < start + rows; i++)
            if (!touched[y[i]]) {
                const sem_nb_intp c = y[i];
                touched[c] = 1;
                list[n_touched++] = (int32_t)c;
                memset(sums + c * d, 0, (size_t)d * sizeof(double));
                memset(squares + c * d, 0, (size_t)d * sizeof(double));
                memset(cells + c * d, 0, (size_t)d * sizeof(double));
                masses[c] = 0;
            }
        NAME(sem_nb_block_sums)(X + start * d, rows, d, y + start, weights, origin, missing, sums,
                                masses, cells);
        for (sem_nb_intp j = 0; j < n_touched; j++) {
            const sem_nb_intp c = list[j];
            sem_nb_average(d, missing ? cells + c * d : NULL, masses[c], sums + c * d);
        }
        NAME(sem_nb_block_squares)(X + start * d, rows, d, y + start, weights, origin, missing,
                                   sums, squares);
        for (sem_nb_intp j = 0; j < n_touched; j++) {
            const sem_nb_intp c = list[j];
            sem_nb_merge(d, missing ? cells + c * d : NULL, masses[c], sums + c * d,
                         squares + c * d, mass + c * d, mean + c * d, m2 + c * d);
            touched[c] = 0;
        }
    }
}

/* Plain sums by class of m rows: of x, or with `binary` of (x > threshold), over seen cells.
 * `mass` (k, d) of seen cells is added to when cells may be missing. Returns what is wrong. */
SEM_UNUSED SEM_CLONES
static int NAME(sem_nb_sums)(const REAL *X, sem_nb_intp m, sem_nb_intp d, const int32_t *y,
                             const double *w, int binary, double threshold, int missing,
                             double *sums, double *mass)
{
    int64_t negative = 0, strange = 0;
    for (sem_nb_intp i = 0; i < m; i++, X += d) {
        const double wi = w ? w[i] : 1.0;
        double *restrict s = sums + y[i] * d;
        if (missing) {
            double *restrict seen = mass + y[i] * d;
            for (sem_nb_intp t = 0; t < d; t++) {
                const double x = X[t], v = binary ? (x > threshold ? 1.0 : 0.0) : x;
                negative |= x < 0 ? 1 : 0;
                strange |= x == x && !(x - x == 0) ? 1 : 0;
                s[t] += x == x ? wi * v : 0;
                seen[t] += x == x ? wi : 0;
            }
        } else if (binary)
            for (sem_nb_intp t = 0; t < d; t++) {
                const double x = X[t];
                strange |= x - x == 0 ? 0 : 1;
                s[t] += x > threshold ? wi : 0;
            }
        else
            for (sem_nb_intp t = 0; t < d; t++) {
                const double x = X[t];
                negative |= x < 0 ? 1 : 0;
                strange |= x - x == 0 ? 0 : 1;
                s[t] += wi * x;
            }
    }
    return (negative ? SEM_NB_NEGATIVE : 0) | (strange ? SEM_NB_NOT_FINITE : 0);
}

/* ------------------------------------------------------------------ densities */

/* Transpose up to 32 rows and `n` features into a tile; the last row fills the rest. */
SEM_UNUSED SEM_CLONES
static int NAME(sem_nb_pack)(const REAL *X, sem_nb_intp rows, sem_nb_intp stride, sem_nb_intp n,
                             int binary, double threshold, int missing, double *tile)
{
    int64_t negative = 0, strange = 0;
    for (sem_nb_intp i = 0; i < SEM_NB_TILE; i++) {
        const REAL *row = X + (i < rows ? i : rows - 1) * stride;
        for (sem_nb_intp t = 0; t < n; t++) {
            const double x = row[t];
            negative |= x < 0 ? 1 : 0;
            strange |= x - x == 0 || (missing && x != x) ? 0 : 1;
            tile[t * SEM_NB_TILE + i] = binary && x == x ? (x > threshold ? 1.0 : 0.0) : x;
        }
    }
    return (negative ? SEM_NB_NEGATIVE : 0) | (strange ? SEM_NB_NOT_FINITE : 0);
}

/* Add the log-density of up to 32 rows to joint (rows, k). `acc` holds k 32 doubles, `tile` 32
 * by SEM_NB_FEATURES. `scale` NULL: linear, with `a` the weights; else quadratic about `a`. */
SEM_UNUSED
static int NAME(sem_nb_densities)(const REAL *X, sem_nb_intp rows, sem_nb_intp d, sem_nb_intp k,
                                  const double *a, const double *scale, const double *constant,
                                  const double *base, int binary, double threshold, int missing,
                                  double *tile, double *acc, double *joint)
{
    int wrong = 0;
    memset(acc, 0, (size_t)k * SEM_NB_TILE * sizeof(double));
    for (sem_nb_intp t = 0; t < d; t += SEM_NB_FEATURES) {
        const sem_nb_intp n = d - t < SEM_NB_FEATURES ? d - t : SEM_NB_FEATURES;
        wrong |= NAME(sem_nb_pack)(X + t, rows, d, n, binary, threshold, missing, tile);
        for (sem_nb_intp c = 0; c < k; c++) {
            const sem_nb_intp at = c * d + t;
            double *sums = acc + c * SEM_NB_TILE;
            if (scale && missing)
                sem_nb_quadratic_seen(tile, n, a + at, scale + at, constant + at, sums);
            else if (scale)
                sem_nb_quadratic(tile, n, a + at, scale + at, sums);
            else if (missing)
                sem_nb_linear_seen(tile, n, a + at, constant + at, sums);
            else
                sem_nb_linear(tile, n, a + at, sums);
        }
    }
    const double factor = scale ? -0.5 : 1.0;
    for (sem_nb_intp i = 0; i < rows; i++)
        for (sem_nb_intp c = 0; c < k; c++)
            joint[i * k + c] += base[c] + factor * acc[c * SEM_NB_TILE + i];
    return wrong;
}

/* ------------------------------------------------------------------ sparse rows */

/* line[column] += w f(x) over the stored entries of the rows listed, all of one class:
 * f is x, (x > threshold), 1, or (x - mean[column])^2. Missing entries are skipped. */
SEM_UNUSED
static void NAME(sem_nb_sparse_sums)(const REAL *data, const int32_t *indices,
                                     const int32_t *indptr, const int32_t *rows, sem_nb_intp m,
                                     const double *w, int what, double threshold,
                                     const double *mean, double *line)
{
    for (sem_nb_intp r = 0; r < m; r++) {
        const int32_t i = rows[r];
        const double wi = w ? w[i] : 1.0;
        for (int32_t p = indptr[i]; p < indptr[i + 1]; p++) {
            const double x = data[p];
            const int32_t t = indices[p];
            if (x != x)
                continue;
            if (what == SEM_NB_VALUE)
                line[t] += wi * x;
            else if (what == SEM_NB_BINARY)
                line[t] += x > threshold ? wi : 0;
            else if (what == SEM_NB_STORED)
                line[t] += wi;
            else {
                const double e = x - mean[t];
                line[t] += wi * (e * e);
            }
        }
    }
}

/* What is wrong with the stored entries: bits of negative ones, of infinite ones, of NaN unless
 * `missing`. */
SEM_UNUSED SEM_CLONES
static int NAME(sem_nb_wrong)(const REAL *data, sem_nb_intp n, int missing)
{
    int64_t negative = 0, strange = 0;
    for (sem_nb_intp i = 0; i < n; i++) {
        const double x = data[i];
        negative |= x < 0 ? 1 : 0;
        strange |= x - x == 0 || (missing && x != x) ? 0 : 1;
    }
    return (negative ? SEM_NB_NEGATIVE : 0) | (strange ? SEM_NB_NOT_FINITE : 0);
}

/* out[v] += sum of x w over the stored entries of a row, for `parts` vectors of classes, held in
 * registers. Missing entries are skipped. */
SEM_NB_INLINE void NAME(sem_nb_row)(const REAL *data, const int32_t *columns, sem_nb_intp n,
                                    const double *weight, sem_nb_intp width, const int parts,
                                    int binary, double threshold, double *out)
{
    sem_nb_vec sum[SEM_NB_PARTS], *to = (sem_nb_vec *)out;
    for (int v = 0; v < parts; v++)
        sum[v] = to[v];
    for (sem_nb_intp p = 0; p < n; p++) {
        double x = data[p];
        if (x != x)
            continue;
        if (binary)
            x = x > threshold ? 1.0 : 0.0;
        const sem_nb_vec *w = (const sem_nb_vec *)(weight + (sem_nb_intp)columns[p] * width);
        for (int v = 0; v < parts; v++)
            sum[v] += w[v] * x;
    }
    for (int v = 0; v < parts; v++)
        to[v] = sum[v];
}

/* Add to joint (rows, k): base, and for each stored entry x w, or x (w - x curve), of its
 * feature's line of `weight`; for a missing entry its line of `absent`, unless NULL. Lines (of
 * features, and `base` and the buffer `row`) have room for `width` classes, k and zeros. */
SEM_UNUSED SEM_CLONES
static void NAME(sem_nb_sparse_densities)(const REAL *data, const int32_t *indices,
                                          const int32_t *indptr, sem_nb_intp first,
                                          sem_nb_intp last, sem_nb_intp k, sem_nb_intp width,
                                          const double *weight, const double *curve,
                                          const double *absent, const double *base, int binary,
                                          double threshold, double *row, double *joint)
{
    const sem_nb_intp step = SEM_NB_PARTS * SEM_NB_LANES;
    for (sem_nb_intp i = first; i < last; i++, joint += k) {
        const REAL *values = data + indptr[i];
        const int32_t *columns = indices + indptr[i];
        const sem_nb_intp n = indptr[i + 1] - indptr[i];
        memcpy(row, base, (size_t)width * sizeof(double));
        for (sem_nb_intp c = 0; c < width && !curve; c += step) {
            const sem_nb_intp parts = (width - c < step ? width - c : step) / SEM_NB_LANES;
            const double *w = weight + c;
            double *out = row + c;
#define SEM_NB_ROW(v) \
    case v: \
        NAME(sem_nb_row)(values, columns, n, w, width, v, binary, threshold, out); \
        break;
            switch (parts) {
                SEM_NB_ROW(1)
                SEM_NB_ROW(2)
                SEM_NB_ROW(3)
                SEM_NB_ROW(4)
                SEM_NB_ROW(5)
                SEM_NB_ROW(6)
                SEM_NB_ROW(7)
                SEM_NB_ROW(8)
            }
#undef SEM_NB_ROW
        }
        for (sem_nb_intp p = 0; p < n && (curve || absent); p++) {
            const double x = values[p];
            const sem_nb_intp at = columns[p] * width;
            if (x != x) {
                for (sem_nb_intp c = 0; c < k && absent; c++)
                    row[c] += absent[at + c];
                continue;
            }
            for (sem_nb_intp c = 0; c < k && curve; c++)
                row[c] += x * (weight[at + c] - x * curve[at + c]);
        }
        for (sem_nb_intp c = 0; c < k; c++)
            joint[c] += row[c];
    }
}
