/* The part of sem_ransac_qr.h that is compiled for each floating type (REAL, NAME). */

/* Columns of one block scaled by `root`: the ones (with an intercept), the design, the targets. */
SEM_CLONES static void NAME(sem_rs_columns)(const REAL *block, const double *root, ptrdiff_t n_columns,
                                            int intercept, double *a)
{
    if (intercept) {
        memcpy(a, root, SEM_RS_BLOCK * sizeof(double));
        a += SEM_RS_BLOCK;
    }
    for (ptrdiff_t j = 0; j < n_columns * SEM_RS_BLOCK; j += SEM_RS_BLOCK)
        for (int i = 0; i < SEM_RS_BLOCK; i++)
            a[j + i] = root[i] * (double)block[j + i];
}

/* Fold blocks [first, last) into `r`; `a` is scratch of (c + 1) * SEM_RS_BLOCK. Returns the rows
 * that were folded. */
static ptrdiff_t NAME(sem_rs_factor)(const sem_rs_rows *rows, ptrdiff_t first, ptrdiff_t last,
                                     int intercept, const uint8_t *mask, double *a, double *r)
{
    const ptrdiff_t width = rows->p + rows->t, c = width + intercept;
    double *root = a + c * SEM_RS_BLOCK;
    ptrdiff_t n = 0;
    for (ptrdiff_t b = first; b < last; b++) {
        const double *weights = rows->weights ? rows->weights + b * SEM_RS_BLOCK : NULL;
        const ptrdiff_t kept = sem_rs_roots(mask + b * SEM_RS_BLOCK, weights,
                                            rows->n_rows - b * SEM_RS_BLOCK, root);
        n += kept;
        if (!kept)
            continue;
        NAME(sem_rs_columns)((const REAL *)rows->blocks + b * width * SEM_RS_BLOCK, root, width,
                             intercept, a);
        sem_rs_fold(a, rows->p + intercept, c, r);
    }
    return n;
}

/* Which rows of one block lie within the threshold. */
SEM_CLONES static void NAME(sem_rs_mark)(const REAL *loss, double threshold, uint8_t *mask)
{
    for (int i = 0; i < SEM_RS_BLOCK; i++)
        mask[i] = (double)loss[i] <= threshold;
}

/* Sums over the rows of one block with weight: sums[3 k]: of weighted (target - centre[k]);
 * sums[3 k + 1]: of its square; sums[3 k + 2]: of the squared residual. */
SEM_CLONES static void NAME(sem_rs_moments)(const REAL *block, const double *root, ptrdiff_t p,
                                            ptrdiff_t t, const double *model, const double *centre,
                                            double *sums)
{
    for (ptrdiff_t k = 0; k < t; k++) {
        const REAL *y = block + (p + k) * SEM_RS_BLOCK;
        const double *w = model + k * (p + 1);
        double residual[SEM_RS_BLOCK], own[SEM_RS_BLOCK];
        for (int i = 0; i < SEM_RS_BLOCK; i++) {
            residual[i] = (double)y[i] - w[p];
            own[i] = ((double)y[i] - centre[k]) * root[i];
        }
        for (ptrdiff_t j = 0; j < p; j++)
            for (int i = 0; i < SEM_RS_BLOCK; i++)
                residual[i] -= (double)block[j * SEM_RS_BLOCK + i] * w[j];
        for (int i = 0; i < SEM_RS_BLOCK; i++)
            residual[i] *= root[i];
        sums[3 * k] += sem_rs_dot(own, root);
        sums[3 * k + 1] += sem_rs_dot(own, own);
        sums[3 * k + 2] += sem_rs_dot(residual, residual);
    }
}
