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
#else
#  define SEM_RS_INLINE static inline
#endif

#define SEM_RS_BLOCK 256
#define SEM_RS_TILE 32
#define SEM_RS_GROUP 4
#define SEM_RS_PAD 1e30
#define SEM_RS_BINS 256
#define SEM_RS_TABLE 2048
#define SEM_RS_TABLE_END 8.0
#define SEM_RS_WINDOW 6.0 /* scales of noise within which outliers are looked for */
#define SEM_RS_PEAK 0.7978845608028654 /* sqrt(2 / pi), the half-normal density at 0 */

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

/* Entropy (nats a row) of the histogram as a piecewise constant density. */
static inline double sem_rs_entropy(const double *bins, double lowest)
{
    double total = 0, sum = 0;
    for (int b = 0; b < SEM_RS_BINS; b++)
        total += bins[b];
    if (!(total > 0))
        return INFINITY;
    for (int b = 0; b < SEM_RS_BINS; b++)
        if (bins[b] > 0) {
            double width = sem_rs_edge(b + 1, lowest) - sem_rs_edge(b, lowest);
            sum -= bins[b] * log(bins[b] / (total * width));
        }
    return sum / total;
}

/* Upper edge of the core: one constant density up to it, the histogram beyond it, and half of
 * log(total) for every bin that the tail needs (the description length of a number). */
static inline double sem_rs_core(const double *bins, double lowest)
{
    double total = 0, tail = 0, mass, best = -INFINITY, edge = lowest;
    for (int b = 0; b < SEM_RS_BINS; b++)
        total += bins[b];
    if (!(total > 1))
        return lowest;
    mass = total;
    for (int b = SEM_RS_BINS - 1; b >= 0 && mass > 0; b--) {
        double upper = sem_rs_edge(b + 1, lowest);
        double length = mass * log(mass / (total * upper)) + tail;
        if (bins[b] > 0) {
            if (length > best) {
                best = length;
                edge = upper;
            }
            double width = upper - sem_rs_edge(b, lowest);
            tail += bins[b] * log(bins[b] / (total * width)) - 0.5 * log(total);
        }
        mass -= bins[b];
    }
    return edge;
}

/* Log-likelihood of the losses up to `window` under a half-normal of `scale` that holds `share` of
 * them, the rest uniform. */
static inline double sem_rs_likelihood(const double *loss, const double *weights, ptrdiff_t n,
                                       double window, double scale, double share)
{
    const double inverse = 1 / scale, peak = share * SEM_RS_PEAK * inverse, flat = (1 - share) / window;
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        if (loss[i] <= window) {
            const double z = loss[i] * inverse, half = 0.5 * z * z, w = weights ? weights[i] : 1.0;
            sum += w * (flat > 0 ? log(peak * exp(-half) + flat) : log(peak) - half);
        }
    return sum;
}

/* Scale of the half-normal part of losses: EM for a half-normal plus a constant density on a
 * window of SEM_RS_WINDOW scales, which follows the scale. `dof` coefficients were fitted to the
 * rows. The constant density must earn its place: where it raises the likelihood by less than
 * log(n) / 2, the description length of its share, the window holds noise only.
 * out: scale, mass of the half-normal part, density of the rest (mass per unit of loss). */
static inline void sem_rs_mixture(const double *loss, const double *weights, ptrdiff_t n, double start,
                                  double dof, double lowest, double *out)
{
    double scale = start, share = 0.5, window_mass = 0, total = 0;
    for (int step = 0; step < 60; step++) {
        const double window = SEM_RS_WINDOW * scale, inverse = 1 / scale;
        const double peak = share * SEM_RS_PEAK * inverse, flat = (1 - share) / window;
        double mass = 0, part = 0, square = 0;
        total = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            if (!(loss[i] <= window))
                continue;
            double w = weights ? weights[i] : 1.0, z = loss[i] * inverse;
            double density = peak * exp(-0.5 * z * z);
            double posterior = w * density / (density + flat);
            mass += w;
            part += posterior;
            square += posterior * loss[i] * loss[i];
            total += w * loss[i] * loss[i];
        }
        window_mass = mass;
        if (!(mass > 0))
            break;
        share = part / mass;
        double next = sqrt(square / (part - dof > 1 ? part - dof : 1));
        next = next > lowest ? next : lowest;
        int settled = fabs(next - scale) <= 5e-4 * scale;
        scale = next;
        if (settled)
            break;
    }
    out[0] = scale;
    out[1] = share * window_mass;
    out[2] = (1 - share) * window_mass / (SEM_RS_WINDOW * scale);
    if (window_mass > dof + 1 && share < 1) {
        const double window = SEM_RS_WINDOW * scale;
        double pure = sqrt(total / (window_mass - dof));
        pure = pure > lowest ? pure : lowest;
        const double gained = sem_rs_likelihood(loss, weights, n, window, scale, share)
                              - sem_rs_likelihood(loss, weights, n, window, pure, 1.0);
        if (gained < 0.5 * log(window_mass)) {
            out[0] = pure;
            out[1] = window_mass;
            out[2] = 0;
        }
    }
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
