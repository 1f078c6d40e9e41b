/* Emissions of discrete and count data: log-densities of n rows, and weighted sums over them.
 * Tables are K numbers to a line, so SIMD runs over states. And mixtures: what the parts of each state
 * come to.
 */
#ifndef SEM_HMM_EMISSIONS_H
#define SEM_HMM_EMISSIONS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "sem_exp.h"
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

#define SEM_HE_CHUNK 2048 /* log-densities exponentiated at a time, in the first cache */

/* Rows of K states of M parts each. part(t, k, :), log-densities, becomes the share of each part in its
 * state; out(t, k) = log of the sum over m of exp(part(t, k, m) + weight(k, m)). A state that no part can
 * emit has -inf, and shares of 0. */
SEM_CLONES
static void sem_he_mix(
    double *part, sem_he_intp n, sem_he_intp K, sem_he_intp M, const double *weight, double *out)
{
    const sem_he_intp size = K * M;
    const sem_he_intp rows = size < SEM_HE_CHUNK ? SEM_HE_CHUNK / size : 1;
    for (sem_he_intp first = 0; first < n; first += rows) {
        const sem_he_intp some = rows < n - first ? rows : n - first;
        double *const p = part + first * size, *const o = out + first * K;
        for (sem_he_intp t = 0; t < some; ++t)
            for (sem_he_intp i = 0; i < size; ++i)
                p[t * size + i] += weight[i];
        for (sem_he_intp s = 0; s < some * K; ++s) {
            double top = -1e308;
            for (sem_he_intp m = 0; m < M; ++m)
                top = p[s * M + m] > top ? p[s * M + m] : top;
            for (sem_he_intp m = 0; m < M; ++m)
                p[s * M + m] -= top;
            o[s] = top;
        }
        sem_exp_all(p, some * size);
        for (sem_he_intp s = 0; s < some * K; ++s) {
            double sum = 0;
            for (sem_he_intp m = 0; m < M; ++m)
                sum += p[s * M + m];
            const double inverse = sum > 0 ? 1 / sum : 0;
            for (sem_he_intp m = 0; m < M; ++m)
                p[s * M + m] *= inverse;
            o[s] += log(sum);
        }
    }
}

/* share(t, k, :) *= posterior(t, k), for `n_states` pairs of t and k. */
SEM_CLONES
static void sem_he_share_out(
    double *share, sem_he_intp n_states, sem_he_intp M, const double *posterior)
{
    for (sem_he_intp s = 0; s < n_states; ++s)
        for (sem_he_intp m = 0; m < M; ++m)
            share[s * M + m] *= posterior[s];
}

#endif
