/* Loops over the data themselves, for one floating type: REAL and NAME(x) from sem_gaussian.h. */

/* The m rows from X on as lanes, in double precision; lanes m to up are zeros. */
SEM_GS_LOCAL SEM_CLONES void NAME(sem_gs_lanes)(const REAL *X, sem_gs_int d, sem_gs_int m,
    sem_gs_int up, double *out, sem_gs_int ld)
{
    sem_gs_int i = 0, j;
    for (; i + 8 <= m; i += 8)
        for (j = 0; j < d; ++j)
            for (int l = 0; l < 8; ++l)
                out[j * ld + i + l] = (double)X[(i + l) * d + j];
    for (; i < m; ++i)
        for (j = 0; j < d; ++j)
            out[j * ld + i] = (double)X[i * d + j];
    for (; i < up; ++i)
        for (j = 0; j < d; ++j)
            out[j * ld + i] = 0.0;
}

/* The m rows listed: their weighted mean, and out[i, :] = sqrt(w) (x - mean). Returns the sum of
 * the weights; when that is 0 nothing else is written. `weights` NULL: ones. */
SEM_GS_LOCAL SEM_CLONES double NAME(sem_gs_gather)(const REAL *X, sem_gs_int d,
    const int32_t *rows, sem_gs_int m, const double *weights, double *mean, double *out)
{
    double total = 0;
    sem_gs_int i, j;
    for (j = 0; j < d; ++j)
        mean[j] = 0;
    for (i = 0; i < m; ++i) {
        const REAL *x = X + (sem_gs_int)rows[i] * d;
        if (weights) {
            const double w = weights[rows[i]];
            total += w;
            for (j = 0; j < d; ++j)
                mean[j] += w * (double)x[j];
        } else
            for (j = 0; j < d; ++j)
                mean[j] += (double)x[j];
    }
    if (!weights)
        total = (double)m;
    if (!(total > 0))
        return 0;
    for (j = 0; j < d; ++j)
        mean[j] /= total;
    for (i = 0; i < m; ++i) {
        const REAL *x = X + (sem_gs_int)rows[i] * d;
        double *u = out + i * d;
        if (weights) {
            const double root = sqrt(weights[rows[i]]);
            for (j = 0; j < d; ++j)
                u[j] = root * ((double)x[j] - mean[j]);
        } else
            for (j = 0; j < d; ++j)
                u[j] = (double)x[j] - mean[j];
    }
    return total;
}

/* sum[j] += w x[j]. */
SEM_GS_LOCAL SEM_CLONES void NAME(sem_gs_add_rows)(const REAL *X, sem_gs_int d,
    const int32_t *codes, const double *weights, sem_gs_int m, double *sums, double *totals)
{
    for (sem_gs_int i = 0; i < m; ++i) {
        if (codes[i] < 0)
            continue;
        const REAL *x = X + i * d;
        double *sum = sums + codes[i] * d;
        if (weights) {
            const double w = weights[i];
            totals[codes[i]] += w;
            for (sem_gs_int j = 0; j < d; ++j)
                sum[j] += w * (double)x[j];
        } else {
            totals[codes[i]] += 1.0;
            for (sem_gs_int j = 0; j < d; ++j)
                sum[j] += (double)x[j];
        }
    }
}

/* squares[code, :] += w (x - means[code, :])^2. */
SEM_GS_LOCAL SEM_CLONES void NAME(sem_gs_add_squares)(const REAL *X, sem_gs_int d,
    const int32_t *codes, const double *weights, sem_gs_int m, const double *means,
    double *squares)
{
    for (sem_gs_int i = 0; i < m; ++i) {
        if (codes[i] < 0)
            continue;
        const REAL *x = X + i * d;
        const double *mean = means + codes[i] * d, w = weights ? weights[i] : 1.0;
        double *square = squares + codes[i] * d;
        for (sem_gs_int j = 0; j < d; ++j) {
            const double e = (double)x[j] - mean[j];
            square[j] += w * (e * e);
        }
    }
}
