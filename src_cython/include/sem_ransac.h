/* Robust linear regression: residuals of many models over blocked rows, and what is made of them.
 *
 * Rows lie in blocks of SEM_RS_BLOCK; a block is column-major: the p columns of the design, then
 * the t targets, SEM_RS_BLOCK values each, so SIMD runs over rows. A model is t x (p + 1) numbers,
 * the intercept last. The loss of a row is the sum over its targets of |residual|, or of its
 * square. Rows that only fill the last block hold the target SEM_RS_PAD: no threshold reaches it.
 *
 * Every sum runs over SEM_RS_TILE fixed lanes, then over the lanes, blocks and chunks in order,
 * so the bits depend neither on the instruction set nor on the number of threads.
 */
#ifndef SEM_RANSAC_H
#define SEM_RANSAC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sem_simd.h"

/* Into each clone of its caller, or it would run the baseline instructions. */
#if defined(__GNUC__)
#  define SEM_RS_INLINE static inline __attribute__((always_inline))
#  define SEM_RS_MAYBE __attribute__((unused)) /* each module takes what it needs of this file */
#else
#  define SEM_RS_INLINE static inline
#  define SEM_RS_MAYBE
#endif

#define SEM_RS_BLOCK 256
#define SEM_RS_TILE 32
#define SEM_RS_GROUP 4
#define SEM_RS_PAD 1e30
#define SEM_RS_BINS 256
#define SEM_RS_PATIENCE 8 /* at 0.7 a step: a band 17 times as narrow */
#define SEM_RS_TABLE 2048
#define SEM_RS_TABLE_END 8.0

/* How a row's loss becomes its gain, a number in [0, 1] that a model wants large. */
enum { SEM_RS_COUNT = 0, SEM_RS_LINEAR = 1, SEM_RS_QUADRATIC = 2, SEM_RS_CURVE = 3 };

typedef struct {
    const void *blocks; /* n_blocks x (p + t) x SEM_RS_BLOCK */
    const double *weights; /* one for each row, zero in the padding; NULL: all one */
    ptrdiff_t n_rows;
    ptrdiff_t p;
    ptrdiff_t t;
    int squared; /* loss: 0 absolute, 1 squared */
} sem_rs_rows;

/* What one pass over rows collects for one model. */
typedef struct {
    double mass; /* weight of the rows with loss <= threshold */
    double sum; /* their weighted losses */
    double largest; /* their largest loss */
} sem_rs_pass;

/* Sum of sixteen lanes, by halves. */
SEM_RS_INLINE double sem_rs_sum16(double *lanes)
{
    for (int v = 0; v < 8; v++)
        lanes[v] += lanes[v + 8];
    for (int v = 0; v < 4; v++)
        lanes[v] += lanes[v + 4];
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

/* Bins of |loss|, two an octave ([1, 1.5) and [1.5, 2) times a power of two), from `lowest` up. */
static inline int sem_rs_bin(double loss, double lowest)
{
    uint64_t bits, base;
    if (!(loss > lowest))
        return 0;
    memcpy(&bits, &loss, 8);
    memcpy(&base, &lowest, 8);
    int64_t bin = (int64_t)(bits >> 51) - (int64_t)(base >> 51);
    return (int)(bin < SEM_RS_BINS - 1 ? bin : SEM_RS_BINS - 1);
}

/* The same for a whole block, as a loop that vectorises. */
SEM_RS_MAYBE
SEM_CLONES static void sem_rs_bins(const double *loss, double lowest, int32_t *bins)
{
    int64_t base;
    memcpy(&base, &lowest, 8);
    base >>= 51;
    for (int i = 0; i < SEM_RS_BLOCK; i++) {
        int64_t bits;
        memcpy(&bits, loss + i, 8);
        const int64_t bin = (bits >> 51) - base;
        const int64_t least = bin > 0 ? bin : 0; /* at `lowest` itself: bin 0 too */
        bins[i] = (int32_t)(least < SEM_RS_BINS - 1 ? least : SEM_RS_BINS - 1);
    }
}

/* Lower edge of a bin; `lowest` must be the lower edge of its own. */
static inline double sem_rs_edge(int bin, double lowest)
{
    uint64_t bits;
    double edge;
    memcpy(&bits, &lowest, 8);
    bits = ((bits >> 51) + (uint64_t)bin) << 51;
    memcpy(&edge, &bits, 8);
    return bin ? edge : 0.0;
}

/* Take `drop` rows out of the lowest bins: a model through its own sample fits those exactly. */
static inline void sem_rs_drop(double *bins, double drop)
{
    for (int b = 0; b < SEM_RS_BINS && drop > 0; b++) {
        double taken = bins[b] < drop ? bins[b] : drop;
        bins[b] -= taken;
        drop -= taken;
    }
}

/* log(x) of a positive, normal x to 1e-15: exponent, and the series of atanh on [sqrt(1/2), sqrt(2)). */
SEM_RS_INLINE double sem_rs_log(double x)
{
    const int64_t half = 0x3FE6A09E667F3BCD; /* sqrt(1/2) */
    int64_t bits;
    memcpy(&bits, &x, 8);
    const int64_t exponent = (bits - half) >> 52;
    bits -= exponent * ((int64_t)1 << 52);
    memcpy(&x, &bits, 8);
    const double f = (x - 1) / (x + 1), s = f * f;
    double p = 0.11764705882352941; /* 2 / 17, then 2 / 15 ... 2 / 1 */
    p = p * s + 0.13333333333333333;
    p = p * s + 0.15384615384615385;
    p = p * s + 0.18181818181818182;
    p = p * s + 0.22222222222222221;
    p = p * s + 0.2857142857142857;
    p = p * s + 0.4;
    p = p * s + 0.66666666666666663;
    p = p * s + 2.0;
    return (double)exponent * 0.69314718055994529 + f * p;
}

/* Weight in all bins; `n_used` becomes the first multiple of 16 beyond the last one in use. */
SEM_RS_INLINE double sem_rs_bin_total(const double *bins, int *n_used)
{
    double lanes[16] = {0};
    int n = SEM_RS_BINS;
    while (n > 16 && !(bins[n - 1] > 0))
        n--;
    *n_used = (n + 15) / 16 * 16;
    for (int first = 0; first < *n_used; first += 16)
        for (int v = 0; v < 16; v++)
            lanes[v] += bins[first + v];
    return sem_rs_sum16(lanes);
}

/* Log-likelihood of each bin's rows under the histogram as a piecewise constant density, and
 * their sum; for the first n bins, a multiple of 16. */
SEM_RS_MAYBE
SEM_CLONES static double sem_rs_bin_terms(const double *bins, int n, double total, double lowest,
                                          double *terms)
{
    double lanes[16] = {0}, edges[SEM_RS_BINS + 1];
    uint64_t base;
    memcpy(&base, &lowest, 8);
    base >>= 51;
    for (int b = 0; b <= n; b++) {
        const uint64_t bits = (base + (uint64_t)b) << 51;
        memcpy(edges + b, &bits, 8);
    }
    edges[0] = 0;
    for (int first = 0; first < n; first += 16)
        for (int v = 0; v < 16; v++) {
            const int b = first + v;
            const double own = bins[b] > 0 ? bins[b] : 1.0;
            const double term = own * sem_rs_log(own / (total * (edges[b + 1] - edges[b])));
            terms[b] = bins[b] > 0 ? term : 0.0;
            lanes[v] += terms[b];
        }
    return sem_rs_sum16(lanes);
}

/* Entropy (nats a row) of the histogram. */
static inline double sem_rs_entropy(const double *bins, double lowest)
{
    int n;
    double terms[SEM_RS_BINS];
    const double total = sem_rs_bin_total(bins, &n);
    if (!(total > 0))
        return INFINITY;
    return -sem_rs_bin_terms(bins, n, total, lowest, terms) / total;
}

/* Upper edge of the core: one constant density up to it, the histogram beyond it, and half of
 * log(total) for every bin that the tail needs (the description length of a number). */
static inline double sem_rs_core(const double *bins, double lowest)
{
    int n;
    double tail = 0, best = -INFINITY, edge = lowest, terms[SEM_RS_BINS];
    const double total = sem_rs_bin_total(bins, &n);
    double mass = total;
    if (!(total > 1))
        return lowest;
    sem_rs_bin_terms(bins, n, total, lowest, terms);
    for (int b = n - 1; b >= 0 && mass > 0; b--) {
        if (bins[b] > 0) {
            const double upper = sem_rs_edge(b + 1, lowest);
            const double length = mass * log(mass / (total * upper)) + tail;
            if (length > best) {
                best = length;
                edge = upper;
            }
            tail += terms[b] - 0.5 * log(total);
        }
        mass -= bins[b];
    }
    return edge;
}

/* Solve the normal equations of one pass. `gram`: upper triangle of the c x c products of the
 * columns (design, one, targets), c = p + 1 + t. A column that the others explain gets 0. */
static inline void sem_rs_solve(double *gram, ptrdiff_t p, ptrdiff_t t, int intercept, double alpha,
                                double *model)
{
    const ptrdiff_t c = p + 1 + t;
    double *one = gram + p * c;
    const double mass = one[p];
    /* centre: what remains is the scatter about the mean of the rows in the pass */
    if (intercept && mass > 0) {
        for (ptrdiff_t i = 0; i < p; i++) {
            const double mean = gram[i * c + p] / mass;
            for (ptrdiff_t j = i; j < p; j++)
                gram[i * c + j] -= mean * gram[j * c + p];
            for (ptrdiff_t k = 0; k < t; k++)
                gram[i * c + p + 1 + k] -= mean * one[p + 1 + k];
        }
    }
    /* Cholesky in place; the strict lower triangle of `gram` holds the factor */
    for (ptrdiff_t j = 0; j < p; j++) {
        double own = gram[j * c + j] + alpha, d = own;
        for (ptrdiff_t i = 0; i < j; i++)
            d -= gram[j * c + i] * gram[j * c + i];
        const int known = !(d > 1e-11 * own);
        const double root = known ? 0.0 : sqrt(d);
        for (ptrdiff_t r = j + 1; r < p; r++) {
            double v = gram[j * c + r];
            for (ptrdiff_t i = 0; i < j; i++)
                v -= gram[r * c + i] * gram[j * c + i];
            gram[r * c + j] = known ? 0.0 : v / root;
        }
        gram[j * c + j] = root;
    }
    for (ptrdiff_t k = 0; k < t; k++) {
        double *w = model + k * (p + 1);
        for (ptrdiff_t j = 0; j < p; j++) {
            double v = gram[j * c + p + 1 + k];
            for (ptrdiff_t i = 0; i < j; i++)
                v -= gram[j * c + i] * w[i];
            w[j] = gram[j * c + j] > 0 ? v / gram[j * c + j] : 0.0;
        }
        for (ptrdiff_t j = p - 1; j >= 0; j--) {
            double v = w[j];
            for (ptrdiff_t i = j + 1; i < p; i++)
                v -= gram[i * c + j] * w[i];
            w[j] = gram[j * c + j] > 0 ? v / gram[j * c + j] : 0.0;
        }
        w[p] = 0.0;
        if (intercept && mass > 0) {
            double b = one[p + 1 + k];
            for (ptrdiff_t j = 0; j < p; j++)
                b -= gram[j * c + p] * w[j];
            w[p] = b / mass;
        }
    }
}

/* Least squares by Householder reflections of an m x (p + t) column-major array (design, targets).
 * Returns the smallest over the largest pivot; the model's coefficients are written. */
static inline double sem_rs_householder(double *a, ptrdiff_t m, ptrdiff_t p, ptrdiff_t t, double *model)
{
    double least = INFINITY, most = 0;
    for (ptrdiff_t j = 0; j < p; j++) {
        double *v = a + j * m, norm = 0;
        for (ptrdiff_t i = j; i < m; i++)
            norm += v[i] * v[i];
        norm = sqrt(norm);
        least = norm < least ? norm : least;
        most = norm > most ? norm : most;
        if (!(norm > 0))
            return 0;
        const double pivot = v[j] > 0 ? -norm : norm;
        const double scale = 1 / (norm * (norm + fabs(v[j])));
        v[j] -= pivot;
        for (ptrdiff_t k = j + 1; k < p + t; k++) {
            double *u = a + k * m, dot = 0;
            for (ptrdiff_t i = j; i < m; i++)
                dot += v[i] * u[i];
            dot *= scale;
            for (ptrdiff_t i = j; i < m; i++)
                u[i] -= dot * v[i];
        }
        v[j] = pivot;
    }
    for (ptrdiff_t k = 0; k < t; k++) {
        double *w = model + k * (p + 1), *u = a + (p + k) * m;
        for (ptrdiff_t j = p - 1; j >= 0; j--) {
            double v = u[j];
            for (ptrdiff_t i = j + 1; i < p; i++)
                v -= a[i * m + j] * w[i];
            w[j] = v / a[j * m + j];
        }
    }
    return p ? least / most : 1.0;
}

/* Solve the square system of p x (p + t) row-major `a` by LU with partial pivoting; the same return. */
static inline double sem_rs_lu(double *a, ptrdiff_t p, ptrdiff_t t, double *model)
{
    const ptrdiff_t c = p + t;
    double least = INFINITY, most = 0;
    for (ptrdiff_t j = 0; j < p; j++) {
        ptrdiff_t top = j;
        for (ptrdiff_t i = j + 1; i < p; i++)
            if (fabs(a[i * c + j]) > fabs(a[top * c + j]))
                top = i;
        const double pivot = a[top * c + j];
        least = fabs(pivot) < least ? fabs(pivot) : least;
        most = fabs(pivot) > most ? fabs(pivot) : most;
        if (!(fabs(pivot) > 0))
            return 0;
        if (top != j)
            for (ptrdiff_t k = j; k < c; k++) {
                double swap = a[j * c + k];
                a[j * c + k] = a[top * c + k];
                a[top * c + k] = swap;
            }
        for (ptrdiff_t i = j + 1; i < p; i++) {
            const double factor = a[i * c + j] / pivot;
            for (ptrdiff_t k = j + 1; k < c; k++)
                a[i * c + k] -= factor * a[j * c + k];
        }
    }
    for (ptrdiff_t k = 0; k < t; k++) {
        double *w = model + k * (p + 1);
        for (ptrdiff_t j = p - 1; j >= 0; j--) {
            double v = a[j * c + p + k];
            for (ptrdiff_t i = j + 1; i < p; i++)
                v -= a[j * c + i] * w[i];
            w[j] = v / a[j * c + j];
        }
    }
    return p ? least / most : 1.0;
}

#define REAL float
#define SEM_RS_ABS fabsf
#define NAME(x) x##_f32
#include "sem_ransac_real.h"
#undef REAL
#undef SEM_RS_ABS
#undef NAME
#define REAL double
#define SEM_RS_ABS fabs
#define NAME(x) x##_f64
#include "sem_ransac_real.h"
#undef REAL
#undef SEM_RS_ABS
#undef NAME

#endif
