/* The scale of noise in the losses of a model that fits the inliers.
 *
 * Near 0 losses are a half-normal part, the noise, and a rest whose density is taken as constant.
 * EM separates the two on a window of SEM_RS_WINDOW scales, which follows the scale.
 *
 * What it finds must earn its place by the description length of a parameter, log(n) / 2 (Rissanen,
 * 1978). EM has more than one fixed point where losses are uneven by chance, so it is started twice;
 * the narrower split is taken when it raises the likelihood of the losses in its window over that
 * under the wider one by log(n), for its scale and its share. And where the constant density raises
 * the likelihood by less than log(n) / 2, the window holds noise only.
 *
 * Sums run over 16 lanes and the exponential is our own, so bits do not depend on instruction set
 * or C library.
 */
#ifndef SEM_RANSAC_NOISE_H
#define SEM_RANSAC_NOISE_H

#include "sem_ransac.h"

#define SEM_RS_WINDOW 6.0 /* scales of noise within which outliers are looked for */
#define SEM_RS_PEAK 0.7978845608028654 /* sqrt(2 / pi), the half-normal density at 0 */

typedef struct {
    const double *loss;
    const double *weights; /* NULL: all one */
    ptrdiff_t n;
} sem_rs_losses;

/* Half-normal of `scale` that holds `share` of the losses up to `window`, the rest uniform. */
typedef struct {
    double scale;
    double share;
    double window;
} sem_rs_split;

typedef struct {
    double mass; /* weight of the losses within the window */
    double part; /* of which the half-normal explains so much */
    double square; /* their squared losses */
    double total; /* squared losses of all within the window */
} sem_rs_expected;

/* exp(-h) for h in [0, 700]: 2^k times a polynomial on [-log(2) / 2, log(2) / 2], to 1e-14. */
SEM_RS_INLINE double sem_rs_exp(double h)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: the sum's low bits are the integer */
    const double t = -h * 1.4426950408889634 + magic, k = t - magic;
    const double r = (-h - k * 0.6931471803691238) - k * 1.9082149292705877e-10;
    double p = 2.505210838544172e-08;
    int64_t bits;
    p = p * r + 2.755731922398589e-07;
    p = p * r + 2.7557319223985893e-06;
    p = p * r + 2.48015873015873e-05;
    p = p * r + 0.0001984126984126984;
    p = p * r + 0.001388888888888889;
    p = p * r + 0.008333333333333333;
    p = p * r + 0.041666666666666664;
    p = p * r + 0.16666666666666666;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    memcpy(&bits, &t, 8);
    bits = (int64_t)((uint64_t)(bits + 1023) << 52);
    memcpy(&h, &bits, 8);
    return p * h;
}

/* Expectation step over n losses, a multiple of 16 (those beyond the window do not count). */
SEM_CLONES static void sem_rs_expect16(const double *loss, const double *weights, ptrdiff_t n,
                                       const sem_rs_split *split, double lanes[4][16])
{
    const double window = split->window, inverse = 1 / split->scale;
    const double peak = split->share * SEM_RS_PEAK * inverse, flat = (1 - split->share) / window;
    for (ptrdiff_t first = 0; first < n; first += 16)
        for (int v = 0; v < 16; v++) {
            const double l = loss[first + v] <= window ? loss[first + v] : window;
            const double w = loss[first + v] <= window ? (weights ? weights[first + v] : 1.0) : 0.0;
            const double z = l * inverse, half = 0.5 * z * z;
            const double density = peak * sem_rs_exp(half < 700 ? half : 700);
            const double posterior = w * density / (density + flat), square = l * l;
            lanes[0][v] += w;
            lanes[1][v] += posterior;
            lanes[2][v] += posterior * square;
            lanes[3][v] += w * square;
        }
}

static inline sem_rs_expected sem_rs_expect(const sem_rs_losses *losses, const sem_rs_split *split)
{
    const ptrdiff_t whole = losses->n / 16 * 16, rest = losses->n - whole;
    double lanes[4][16], loss[16], weight[16];
    memset(lanes, 0, sizeof lanes);
    sem_rs_expect16(losses->loss, losses->weights, whole, split, lanes);
    if (rest) {
        for (ptrdiff_t i = 0; i < 16; i++) {
            loss[i] = i < rest ? losses->loss[whole + i] : 0.0;
            weight[i] = i < rest ? (losses->weights ? losses->weights[whole + i] : 1.0) : 0.0;
        }
        sem_rs_expect16(loss, weight, 16, split, lanes);
    }
    sem_rs_expected sums;
    sums.mass = sem_rs_sum16(lanes[0]);
    sums.part = sem_rs_sum16(lanes[1]);
    sums.square = sem_rs_sum16(lanes[2]);
    sums.total = sem_rs_sum16(lanes[3]);
    return sums;
}

/* A first share: the losses beyond three scales, half of the window, tell the constant density. */
static inline double sem_rs_first_share(const sem_rs_losses *losses, double scale)
{
    double near = 0, far = 0;
    for (ptrdiff_t i = 0; i < losses->n; i++) {
        const double w = losses->weights ? losses->weights[i] : 1.0;
        near += losses->loss[i] <= 0.5 * SEM_RS_WINDOW * scale ? w : 0.0;
        far += losses->loss[i] <= SEM_RS_WINDOW * scale ? w : 0.0;
    }
    const double share = far > 0 ? 1 - 2 * (far - near) / far : 0.5;
    return share < 0.05 ? 0.05 : share > 0.99 ? 0.99 : share;
}

/* EM from a first scale to a fixed point. */
static inline sem_rs_split sem_rs_settle(const sem_rs_losses *losses, double start, double dof,
                                         double lowest, sem_rs_expected *sums)
{
    sem_rs_split split = {start, sem_rs_first_share(losses, start), 0};
    for (int step = 0; step < 60; step++) {
        split.window = SEM_RS_WINDOW * split.scale;
        *sums = sem_rs_expect(losses, &split);
        if (!(sums->mass > 0))
            break;
        const double freedom = sums->part - dof, before = split.scale;
        const double next = sqrt(sums->square / (freedom > 1 ? freedom : 1));
        split.share = sums->part / sums->mass;
        split.scale = next > lowest ? next : lowest;
        if (fabs(split.scale - before) <= 5e-4 * before)
            break;
    }
    return split;
}

/* Densities of the half-normal part and of the rest, in units of the former at 0, for 16 losses. */
SEM_CLONES static void sem_rs_densities(const double *loss, ptrdiff_t n, const sem_rs_split *split,
                                        double *density)
{
    const double inverse = 1 / split->scale;
    const double flat = (1 - split->share) / split->window / (split->share * SEM_RS_PEAK * inverse);
    for (ptrdiff_t i = 0; i < n; i++) {
        const double z = loss[i] * inverse, half = 0.5 * z * z;
        density[i] = sem_rs_exp(half < 700 ? half : 700) + flat;
    }
}

/* Log-likelihood of the losses up to `limit`, given that they are, under a split with share > 0. */
static inline double sem_rs_likelihood(const sem_rs_losses *losses, const sem_rs_split *split,
                                       double limit)
{
    double sum = 0, mass = 0, density[SEM_RS_BLOCK];
    for (ptrdiff_t first = 0; first < losses->n; first += SEM_RS_BLOCK) {
        const double *loss = losses->loss + first;
        const ptrdiff_t left = losses->n - first, n = left < SEM_RS_BLOCK ? left : SEM_RS_BLOCK;
        double product = 1;
        sem_rs_densities(loss, n, split, density);
        for (ptrdiff_t i = 0; i < n; i++) {
            if (!(loss[i] <= limit))
                continue;
            if (losses->weights) {
                sum += losses->weights[first + i] * log(density[i]);
                mass += losses->weights[first + i];
                continue;
            }
            product *= density[i]; /* one logarithm for as many as fit the exponent */
            mass += 1;
            if (!(product > 1e-200 && product < 1e200)) {
                sum += log(product);
                product = 1;
            }
        }
        sum += log(product);
    }
    const double inside = split->share * erf(limit / split->scale * 0.7071067811865476)
                          + (1 - split->share) * limit / split->window;
    return sum + mass * log(split->share * SEM_RS_PEAK / (split->scale * inside));
}

/* Whether the half-normal part is more than what the coefficients fit exactly: EM that starts far
 * too narrow finds nothing and shrinks to a point. */
static inline int sem_rs_holds(const sem_rs_split *split, const sem_rs_expected *sums, double exact)
{
    return split->share * sums->mass >= exact + 1;
}

/* Split losses into noise and rest, from a first guess of the scale. `dof` coefficients were
 * fitted to the rows, and fit rows of weight `exact` at most exactly. With `twice` EM also starts
 * from four times the guess.
 * out: scale, mass of the noise, density of the rest (mass a unit of loss). */
static inline void sem_rs_mixture(const sem_rs_losses *losses, double start, int twice, double dof,
                                  double exact, double lowest, double *out)
{
    sem_rs_expected sums = {0, 0, 0, 0};
    sem_rs_split split = sem_rs_settle(losses, start, dof, lowest, &sums);
    if (twice) {
        sem_rs_expected wide_sums = sums;
        const sem_rs_split wide = sem_rs_settle(losses, 4 * start, dof, lowest, &wide_sums);
        if (wide.scale > 1.1 * split.scale && sem_rs_holds(&wide, &wide_sums, exact)
            && (!sem_rs_holds(&split, &sums, exact)
                || sem_rs_likelihood(losses, &split, split.window)
                           - sem_rs_likelihood(losses, &wide, split.window)
                       < log(sums.mass))) {
            split = wide;
            sums = wide_sums;
        }
    }
    if (!sem_rs_holds(&split, &sums, exact)) {
        out[0] = start;
        out[1] = sums.mass;
        out[2] = 0;
        return;
    }
    out[0] = split.scale;
    out[1] = split.share * sums.mass;
    out[2] = (1 - split.share) * sums.mass / split.window;
    if (split.share < 1) {
        double pure = sqrt(sums.total / (sums.mass - dof));
        pure = pure > lowest ? pure : lowest;
        const double alone = sums.mass * log(SEM_RS_PEAK / pure) - 0.5 * sums.total / (pure * pure);
        if (sem_rs_likelihood(losses, &split, split.window) - alone < 0.5 * log(sums.mass)) {
            out[0] = pure;
            out[1] = sums.mass;
            out[2] = 0;
        }
    }
}

/* Multiple of `scale` at which to cut, given the mass of the noise and the density of outliers.
 *
 * Least squares on the rows within c scales is an M-estimator that rejects; with a constant density
 * of outliers in the band its asymptotic variance is, up to a factor, the second moment of what it
 * keeps over the square of the kept moment of the noise (Huber and Ronchetti, 2009, Robust
 * Statistics, 3.2). Minimised over c from 2 to 5 by steps of 1/20; beyond 5 lies one normal row in
 * two million. */
static inline double sem_rs_cut(double scale, double mass, double density)
{
    double best = INFINITY, cut = 5;
    for (int step = 0; step <= 60; step++) {
        const double c = 2 + 0.05 * step;
        const double kept = erf(c / 1.4142135623730951) - c * SEM_RS_PEAK * exp(-0.5 * c * c);
        const double inside = mass * kept + density * scale * c * c * c / 3;
        const double variance = inside / (kept * kept); /* over scale squared */
        if (variance < best) {
            best = variance;
            cut = c;
        }
    }
    return cut;
}

#endif
