/* The part of sem_ransac_starts.h that is compiled for each floating type (REAL, NAME). */

/* Signed linear form of the rows of one block: offset + sum of w_j x_j. */
SEM_CLONES static void NAME(sem_rs_form)(const REAL *block, ptrdiff_t p, const double *w, double *form)
{
    for (ptrdiff_t j = 0; j < p; j++)
        for (int i = 0; i < SEM_RS_BLOCK; i++)
            form[i] += w[j] * (double)block[j * SEM_RS_BLOCK + i];
}

/* Masks (SEM_RS_STARTS x n_blocks * SEM_RS_BLOCK) of the starts on the first blocks; p > 0.
 * Returns 0, or -1 without memory. */
static int NAME(sem_rs_starts)(const sem_rs_rows *rows, ptrdiff_t n_blocks, int intercept,
                               uint8_t *masks)
{
    const ptrdiff_t p = rows->p, t = rows->t, c = p + 1 + t, width = (p + t) * SEM_RS_BLOCK;
    const ptrdiff_t all = n_blocks * SEM_RS_BLOCK, n = rows->n_rows < all ? rows->n_rows : all;
    double *gram = (double *)calloc((size_t)(c * c + p * p + 2 * p + t * (p + 1) + 3 * all),
                                    sizeof(double));
    if (!gram)
        return -1;
    double *s = gram + c * c, *axis = s + p * p, *next = axis + p, *model = next + p;
    double *along = model + t * (p + 1), *side = along + all, *copy = side + all;
    const REAL *first = (const REAL *)rows->blocks;
    sem_rs_pass pass = {0, 0, 0};
    for (ptrdiff_t i = 0; i < n; i++)
        masks[i] = 1;
    NAME(sem_rs_collect)(rows, 0, n_blocks, NULL, masks, 0, 1, gram, NULL, &pass);
    for (ptrdiff_t i = 0; i < p; i++)
        for (ptrdiff_t j = i; j < p; j++) {
            const double mean = intercept ? gram[i * c + p] / gram[p * c + p] : 0.0;
            s[i * p + j] = s[j * p + i] = gram[i * c + j] - mean * gram[j * c + p];
        }
    sem_rs_longest_axis(s, p, axis, next);
    sem_rs_solve(gram, p, t, intercept, 0.0, model);
    for (ptrdiff_t b = 0; b < n_blocks; b++) {
        NAME(sem_rs_form)(first + b * width, p, axis, along + b * SEM_RS_BLOCK);
        NAME(sem_rs_form)(first + b * width, p, model, side + b * SEM_RS_BLOCK);
    }
    memcpy(copy, along, (size_t)n * sizeof(double));
    const ptrdiff_t tail = 3 * (n - 1) / 10;
    const double low = sem_rs_select(copy, n, tail), high = sem_rs_select(copy, n, n - 1 - tail);
    for (ptrdiff_t i = 0; i < n; i++) {
        const double y = (double)first[i / SEM_RS_BLOCK * width + p * SEM_RS_BLOCK + i % SEM_RS_BLOCK];
        const int above = y - model[p] > side[i];
        masks[all + i] = along[i] <= low;
        masks[2 * all + i] = along[i] >= high;
        masks[3 * all + i] = above;
        masks[4 * all + i] = !above;
    }
    free(gram);
    return 0;
}
