/* Emissions of discrete and count data: log-densities of n rows, and weighted sums over them.
 * Tables are K numbers to a line, so SIMD runs over states.
 */
#ifndef SEM_HMM_EMISSIONS_H
#define SEM_HMM_EMISSIONS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "sem_simd.h"

typedef ptrdiff_t sem_he_intp;

#if defined(__GNUC__)
#  define SEM_HE_INLINE static inline __attribute__((always_inline))
#else
#  define SEM_HE_INLINE static inline
#endif

/* out(t, :) = sum over columns of the line of the code; a code outside its column: -inf. */
SEM_CLONES
static void sem_he_lookup(
    const int32_t *codes, sem_he_intp n, sem_he_intp d, const sem_he_intp *offsets,
    const double *table, sem_he_intp K, double *out)
{
    for (sem_he_intp t = 0; t < n; ++t, codes += d, out += K) {
        for (sem_he_intp k = 0; k < K; ++k)
            out[k] = 0;
        for (sem_he_intp c = 0; c < d; ++c) {
            const sem_he_intp line = offsets[c] + codes[c];
            if (line >= offsets[c + 1])
                for (sem_he_intp k = 0; k < K; ++k)
                    out[k] = -INFINITY;
            else
                for (sem_he_intp k = 0; k < K; ++k)
                    out[k] += table[line * K + k];
        }
    }
}

/* counts(code, :) += posterior(t, :). */
SEM_CLONES
static void sem_he_count(
    const int32_t *codes, sem_he_intp n, sem_he_intp d, const sem_he_intp *offsets,
    const double *posterior, sem_he_intp K, double *counts)
{
    for (sem_he_intp t = 0; t < n; ++t, codes += d, posterior += K)
        for (sem_he_intp c = 0; c < d; ++c) {
            double *line = counts + (offsets[c] + codes[c]) * K;
            for (sem_he_intp k = 0; k < K; ++k)
                line[k] += posterior[k];
        }
}

/* out(t, :) = base(t) + constant + sum over columns of x log(rate); 0 log 0 = 0, x log 0 = -inf. */
SEM_HE_INLINE void sem_he_poisson_row(
    double x, const double *log_rate, sem_he_intp K, double *out)
{
    if (x != 0)
        for (sem_he_intp k = 0; k < K; ++k)
            out[k] += x * log_rate[k];
}

#define SEM_HE_REAL(REAL, SUFFIX)                                                             \
    SEM_CLONES                                                                                \
    static void sem_he_poisson_##SUFFIX(                                                      \
        const REAL *X, sem_he_intp n, sem_he_intp d, const double *base,                      \
        const double *log_rate, const double *constant, sem_he_intp K, double *out)           \
    {                                                                                         \
        for (sem_he_intp t = 0; t < n; ++t, X += d, out += K) {                               \
            for (sem_he_intp k = 0; k < K; ++k)                                               \
                out[k] = base[t] + constant[k];                                               \
            for (sem_he_intp c = 0; c < d; ++c)                                               \
                sem_he_poisson_row((double)X[c], log_rate + c * K, K, out);                   \
        }                                                                                     \
    }                                                                                         \
    /* sums(0, :) += posterior, sums(1 + c, :) += x(c) posterior */                           \
    SEM_CLONES                                                                                \
    static void sem_he_sum_##SUFFIX(                                                          \
        const REAL *X, sem_he_intp n, sem_he_intp d, const double *posterior, sem_he_intp K,  \
        double *sums)                                                                         \
    {                                                                                         \
        for (sem_he_intp t = 0; t < n; ++t, X += d, posterior += K) {                         \
            for (sem_he_intp k = 0; k < K; ++k)                                               \
                sums[k] += posterior[k];                                                      \
            for (sem_he_intp c = 0; c < d; ++c) {                                             \
                const double x = (double)X[c];                                                \
                double *line = sums + (c + 1) * K;                                            \
                for (sem_he_intp k = 0; k < K; ++k)                                           \
                    line[k] += x * posterior[k];                                              \
            }                                                                                 \
        }                                                                                     \
    }
SEM_HE_REAL(float, f32)
SEM_HE_REAL(double, f64)

#endif
