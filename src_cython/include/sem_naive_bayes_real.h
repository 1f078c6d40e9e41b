/* The part of sem_naive_bayes.h that reads rows: for each floating type (REAL, NAME). */

/* ------------------------------------------------------------------ statistics */

/* Sums over a block: sums[c] += w (x - origin[c]); mass by class, or by cell with NaN skipped. */
SEM_CLONES
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
SEM_CLONES
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
SEM_CLONES
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
SEM_CLONES
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

/* Add to joint (rows, k): base, and for each stored entry x w, or x (w - x curve), of its
 * feature's line of `weight` (d, k); for a missing entry its line of `absent`, unless NULL. */
SEM_CLONES
static void NAME(sem_nb_sparse_densities)(const REAL *data, const int32_t *indices,
                                          const int32_t *indptr, sem_nb_intp first,
                                          sem_nb_intp last, sem_nb_intp k, const double *weight,
                                          const double *curve, const double *absent,
                                          const double *base, int binary, double threshold,
                                          double *joint)
{
    for (sem_nb_intp i = first; i < last; i++, joint += k) {
        double *restrict out = joint;
        for (sem_nb_intp c = 0; c < k; c++)
            out[c] += base[c];
        for (int32_t p = indptr[i]; p < indptr[i + 1]; p++) {
            const double stored = data[p];
            const double *w = weight + (sem_nb_intp)indices[p] * k;
            if (stored != stored) {
                if (absent)
                    sem_nb_entry(k, 1.0, absent + (sem_nb_intp)indices[p] * k, out);
                continue;
            }
            const double x = binary ? (stored > threshold ? 1.0 : 0.0) : stored;
            if (!curve) {
                sem_nb_entry(k, x, w, out);
                continue;
            }
            const double *q = curve + (sem_nb_intp)indices[p] * k;
            for (sem_nb_intp c = 0; c < k; c++)
                out[c] += x * (w[c] - x * q[c]);
        }
    }
}
