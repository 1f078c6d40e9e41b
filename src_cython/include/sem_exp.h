/* The exponential of numbers that are not positive, as the kernels of probabilities need it. */
#ifndef SEM_EXP_H
#define SEM_EXP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sem_simd.h"

/* exp(x) for x <= 0, 0 below -700: x = n ln 2 + r, |r| <= ln 2 / 2, and the series of exp(r) to r^13,
 * which is good to an ulp. T is double or a vector of doubles. Leaves p = exp(r), and t, whose low bits
 * hold n: add them to the exponent of p. */
#define SEM_EXP_MAGIC 6755399441055744.0 /* 1.5 * 2^52 */
#define SEM_EXP_BODY(T, x, t, p)                                                              \
    {                                                                                         \
        T n_, r_, s_, even_, odd_;                                                            \
        t = (x) * 1.4426950408889634 + SEM_EXP_MAGIC;                                         \
        n_ = t - SEM_EXP_MAGIC;                                                               \
        r_ = (x) - n_ * 0.69314718036912382;                                                  \
        r_ = r_ - n_ * 1.9082149292705877e-10;                                                \
        s_ = r_ * r_;                                                                         \
        even_ = s_ * (1.0 / 479001600.0) + (1.0 / 3628800.0);                                 \
        odd_ = s_ * (1.0 / 6227020800.0) + (1.0 / 39916800.0);                                \
        even_ = even_ * s_ + (1.0 / 40320.0);                                                 \
        odd_ = odd_ * s_ + (1.0 / 362880.0);                                                  \
        even_ = even_ * s_ + (1.0 / 720.0);                                                   \
        odd_ = odd_ * s_ + (1.0 / 5040.0);                                                    \
        even_ = even_ * s_ + (1.0 / 24.0);                                                    \
        odd_ = odd_ * s_ + (1.0 / 120.0);                                                     \
        even_ = even_ * s_ + 0.5;                                                             \
        odd_ = odd_ * s_ + (1.0 / 6.0);                                                       \
        p = (even_ + odd_ * r_) * s_ + r_ + 1.0;                                              \
    }

/* x[i] = exp(x[i]) for i < n, all x not positive; 0 for -infinity. */
SEM_CLONES
SEM_UNUSED
static void sem_exp_all(double *x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; ++i) {
        double t, p;
        uint64_t low, bits;
        SEM_EXP_BODY(double, x[i], t, p)
        memcpy(&low, &t, 8);
        memcpy(&bits, &p, 8);
        bits += low << 52;
        bits &= (uint64_t)0 - (uint64_t)(x[i] > -700.0);
        memcpy(&x[i], &bits, 8);
    }
}

#endif
