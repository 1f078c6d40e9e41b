/* Which models may still win: optimistic gains in single precision, for one target.
 *
 * Most hypotheses of RANSAC are far from the best, and it takes few digits to see that. The
 * residual r of a row, computed in single precision in any order and with fused operations or
 * without, is off by at most g (|r| + 2 S), where S bounds |b| + sum |w_j x_j| over the block and
 * g = (p + 5) u, u the unit roundoff (Higham, 2002, Accuracy and Stability of Numerical Algorithms,
 * 3.1, with |y| <= |r| + S). So a threshold T is widened to (T + E) / (1 - e), e = 2 g, E = 4 g S:
 * what lies outside would lie outside T in exact arithmetic and in the kernels of sem_ransac.h too.
 * A model whose optimistic gain cannot reach the best one is dropped; the others are computed in
 * full. Fused operations may thus be used: no bit of them reaches a result.
 *
 * The gain of "msac", 1 - r^2 / T^2, grows by at most 2 d + 2 d^2 (d = E / T) when |r| shrinks by E:
 * it is summed as K - r^2 with K = T^2 (1 + 2 d + 2 d^2).
 */
#ifndef SEM_RANSAC_SCREEN_H
#define SEM_RANSAC_SCREEN_H

#include "sem_ransac.h"

#define SEM_RS_UNIT 5.9604644775390625e-08 /* 2^-24 */

/* Squared limits of SEM_RS_GROUP models on one block. `sizes`: |b| and |w_j|, [column][model], the
 * intercept last; `largest`: the largest |x_j| of the block. */
static inline void sem_rs_limits(const float *sizes, const float *largest, ptrdiff_t p, double threshold,
                                 int quadratic, float *limits)
{
    const double g = (double)(p + 5) * SEM_RS_UNIT, e = 2 * g;
    double sum[SEM_RS_GROUP];
    for (int h = 0; h < SEM_RS_GROUP; h++)
        sum[h] = sizes[p * SEM_RS_GROUP + h];
    for (ptrdiff_t j = 0; j < p; j++)
        for (int h = 0; h < SEM_RS_GROUP; h++)
            sum[h] += (double)sizes[j * SEM_RS_GROUP + h] * (double)largest[j];
    for (int h = 0; h < SEM_RS_GROUP; h++) {
        const double wide = threshold / (1 - e), shift = (4 * g * sum[h] + 1e-30) / (1 - e);
        const double d = shift / wide;
        const double square = quadratic ? wide * wide * (1 + 2 * d + 2 * d * d)
                                        : (wide + shift) * (wide + shift);
        limits[h] = (float)(square * (1 + 8 * SEM_RS_UNIT));
    }
}

/* A block in single precision, and the largest |x_j| of its rows, rounded up. */
SEM_CLONES static void sem_rs_narrow(const double *block, ptrdiff_t p, float *narrow, float *largest)
{
    for (ptrdiff_t j = 0; j <= p; j++) {
        const double *x = block + j * SEM_RS_BLOCK;
        float *z = narrow + j * SEM_RS_BLOCK;
        double lanes[16] = {0};
        for (int first = 0; first < SEM_RS_BLOCK; first += 16)
            for (int v = 0; v < 16; v++) {
                const double size = fabs(x[first + v]);
                z[first + v] = (float)x[first + v];
                lanes[v] = lanes[v] > size ? lanes[v] : size;
            }
        for (int v = 1; v < 16; v++)
            lanes[0] = lanes[0] > lanes[v] ? lanes[0] : lanes[v];
        if (j < p)
            largest[j] = (float)(lanes[0] * (1 + 2 * SEM_RS_UNIT));
    }
}

/* The largest |x_j| of a block that is in single precision already. */
static inline void sem_rs_largest(const float *block, ptrdiff_t p, float *largest)
{
    for (ptrdiff_t j = 0; j < p; j++) {
        const float *x = block + j * SEM_RS_BLOCK;
        largest[j] = 0;
        for (int i = 0; i < SEM_RS_BLOCK; i++)
            largest[j] = fabsf(x[i]) > largest[j] ? fabsf(x[i]) : largest[j];
    }
}

#define SEM_BODY "sem_ransac_screen_isa.h"
#include "sem_per_isa.h"

/* Optimistic gains of SEM_RS_GROUP models on one block: counts, or sums of K - r^2. `models`: the
 * coefficients negated, [column][model], the intercept last. */
static inline void sem_rs_screen(const float *block, ptrdiff_t p, const float *models,
                                 const float *limits, int quadratic, float *gains)
{
    SEM_PICK(sem_rs_screen_f32)(block, p, models, limits, quadratic, gains);
}

#endif
