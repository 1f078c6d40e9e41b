/* Least squares of a linear model by QR, block by block, over rows packed as sem_ransac.h tells.
 *
 * The factor R of the rows seen so far is kept; each block of SEM_RS_BLOCK rows is folded into it by
 * Householder reflections (a vector of the reflection touches one row of R and the whole block),
 * and rows that are left out are zeros in their block, which change nothing. A column of ones comes
 * first, so what the later columns keep is centred. Chunks of blocks have factors of their own that
 * are merged in order: as accurate as a QR of all rows at once, in one pass over memory.
 * Source: Demmel, Grigori, Hoemmen and Langou (2012), Communication-optimal QR, SISC 34 (1).
 */
#ifndef SEM_RANSAC_QR_H
#define SEM_RANSAC_QR_H

#include "sem_ransac.h"

#define SEM_RS_WIDE 32 /* lanes of a sum: enough chains to hide the latency of an addition */

SEM_RS_INLINE double sem_rs_dot(const double *a, const double *b)
{
    double lanes[SEM_RS_WIDE] = {0};
    for (int first = 0; first < SEM_RS_BLOCK; first += SEM_RS_WIDE)
        for (int v = 0; v < SEM_RS_WIDE; v++)
            lanes[v] += a[first + v] * b[first + v];
    for (int v = 0; v < 16; v++)
        lanes[v] += lanes[v + 16];
    return sem_rs_sum16(lanes);
}

/* Fold the rows of `a` (c columns of SEM_RS_BLOCK, overwritten) into the factor `r` (c x c), whose
 * first q columns are to be triangular. */
SEM_CLONES static void sem_rs_fold(double *a, ptrdiff_t q, ptrdiff_t c, double *r)
{
    for (ptrdiff_t j = 0; j < q; j++) {
        double *v = a + j * SEM_RS_BLOCK;
        const double square = sem_rs_dot(v, v), own = r[j * c + j];
        if (!(square > 0))
            continue;
        const double norm = sqrt(own * own + square);
        const double first = own > 0 ? own + norm : own - norm;
        const double scale = 1 / (norm * (norm + fabs(own)));
        r[j * c + j] = own > 0 ? -norm : norm;
        for (ptrdiff_t k = j + 1; k < c; k++) {
            double *u = a + k * SEM_RS_BLOCK;
            const double dot = (r[j * c + k] * first + sem_rs_dot(v, u)) * scale;
            r[j * c + k] -= dot * first;
            for (int i = 0; i < SEM_RS_BLOCK; i++)
                u[i] -= dot * v[i];
        }
    }
}

/* The first q rows of another factor, as columns that sem_rs_fold takes (q <= SEM_RS_BLOCK). */
static inline void sem_rs_unfold(const double *r, ptrdiff_t q, ptrdiff_t c, double *a)
{
    memset(a, 0, (size_t)(c * SEM_RS_BLOCK) * sizeof(double));
    for (ptrdiff_t j = 0; j < q; j++)
        for (ptrdiff_t k = j; k < c; k++)
            a[k * SEM_RS_BLOCK + j] = r[j * c + k];
}

/* Roots of the weights of a block's rows, 0 where `mask` is; returns how many rows remain. */
static inline ptrdiff_t sem_rs_roots(const uint8_t *mask, const double *weights, ptrdiff_t here,
                                     double *root)
{
    ptrdiff_t kept = 0;
    for (ptrdiff_t i = 0; i < SEM_RS_BLOCK; i++) {
        const int in = i < here && mask[i];
        root[i] = in ? (weights ? sqrt(weights[i]) : 1.0) : 0.0;
        kept += in;
    }
    return kept;
}

#define REAL float
#define NAME(x) x##_f32
#include "sem_ransac_qr_real.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "sem_ransac_qr_real.h"
#undef REAL
#undef NAME

#endif
