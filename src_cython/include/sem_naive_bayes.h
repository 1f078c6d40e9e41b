/* Statistics and log-densities of naive Bayes, for rows of float and of double.
 *
 * Learning. A block of rows small enough for the cache is read twice: first its sums by class and
 * column, then squared deviations from the block's own means; blocks are merged by Chan's formula.
 * So nothing like E[x^2] - mean^2 is ever formed. Values are taken relative to an `origin` of
 * each class and column (a value seen there), so means keep the precision of the spread rather
 * than that of the magnitude, and a constant column has a variance of exactly 0.
 *
 * Predicting. 32 rows are transposed into a tile of doubles, so that SIMD runs over rows and
 * features are added in their order: a row's result depends neither on its neighbours, nor on the
 * instruction set, nor on the number of threads. Two forms of a cell's log-density do for all
 * distributions with numbers for cells:
 *     quadratic   -((x - m) s)^2 / 2 + b      Gaussian; log-normal after a logarithm
 *     linear      x w + b                     multinomial, Bernoulli, Poisson, exponential
 * Missing cells (NaN) add nothing.
 */
#ifndef SEM_NAIVE_BAYES_H
#define SEM_NAIVE_BAYES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "sem_simd.h"

typedef ptrdiff_t sem_nb_intp;

#define SEM_NB_TILE 32      /* rows of one tile */
#define SEM_NB_FEATURES 128 /* features of one tile: 32 kB, the first-level cache */

enum { SEM_NB_NEGATIVE = 1, SEM_NB_NOT_FINITE = 2 }; /* what may be wrong with rows, bits */
enum { SEM_NB_VALUE, SEM_NB_BINARY, SEM_NB_STORED, SEM_NB_DEVIATION }; /* what is summed */

#if defined(__GNUC__)
#  define SEM_NB_INLINE static inline __attribute__((always_inline))
typedef double sem_nb_vec __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t sem_nb_mask __attribute__((vector_size(32), aligned(8), may_alias));
#  define SEM_NB_LANES 4
#  define SEM_NB_WHERE_SEEN(x, v) ((sem_nb_vec)((sem_nb_mask)(v) & (sem_nb_mask)((x) == (x))))
#else
#  define SEM_NB_INLINE static inline
typedef double sem_nb_vec;
#  define SEM_NB_LANES 1
#  define SEM_NB_WHERE_SEEN(x, v) ((x) == (x) ? (v) : 0.0)
#endif
#define SEM_NB_PARTS 8 /* vectors of lanes that share one pass over the parameters */

/* ------------------------------------------------------------------ statistics: merging */

/* Add the statistics (mass, mean, m2) of a line of cells to a total (Chan, Golub, LeVeque 1983).
 * `mass` NULL: `all` for every cell. */
SEM_UNUSED SEM_CLONES
static void sem_nb_merge(sem_nb_intp d, const double *mass, double all, const double *mean,
                         const double *m2, double *total_mass, double *total_mean,
                         double *total_m2)
{
    for (sem_nb_intp t = 0; t < d; t++) {
        const double added = mass ? mass[t] : all, before = total_mass[t];
        const double both = before + added;
        const double share = both > 0 ? added / both : 0;
        const double delta = added > 0 ? mean[t] - total_mean[t] : 0;
        total_mean[t] += delta * share;
        total_m2[t] += (added > 0 ? m2[t] : 0) + delta * delta * before * share;
        total_mass[t] = both;
    }
}

/* Turn sums into means. */
SEM_UNUSED SEM_CLONES
static void sem_nb_average(sem_nb_intp d, const double *mass, double all, double *sums)
{
    for (sem_nb_intp t = 0; t < d; t++) {
        const double w = mass ? mass[t] : all;
        sums[t] = w > 0 ? sums[t] / w : 0;
    }
}

/* ------------------------------------------------------------------ densities: one tile */

/* acc[row] += sum over features of ((x - mean) scale)^2, for the rows of a tile and one class. */
SEM_UNUSED SEM_CLONES
static void sem_nb_quadratic(const double *tile, sem_nb_intp d, const double *mean,
                             const double *scale, double *acc)
{
    for (int first = 0; first < SEM_NB_TILE; first += SEM_NB_PARTS * SEM_NB_LANES) {
        sem_nb_vec *to = (sem_nb_vec *)(acc + first);
        sem_nb_vec a0 = to[0], a1 = to[1], a2 = to[2], a3 = to[3];
        sem_nb_vec a4 = to[4], a5 = to[5], a6 = to[6], a7 = to[7];
        for (sem_nb_intp t = 0; t < d; t++) {
            const sem_nb_vec *x = (const sem_nb_vec *)(tile + t * SEM_NB_TILE + first);
            const double m = mean[t], s = scale[t];
            const sem_nb_vec z0 = (x[0] - m) * s, z1 = (x[1] - m) * s, z2 = (x[2] - m) * s;
            const sem_nb_vec z3 = (x[3] - m) * s, z4 = (x[4] - m) * s, z5 = (x[5] - m) * s;
            const sem_nb_vec z6 = (x[6] - m) * s, z7 = (x[7] - m) * s;
            a0 += z0 * z0;
            a1 += z1 * z1;
            a2 += z2 * z2;
            a3 += z3 * z3;
            a4 += z4 * z4;
            a5 += z5 * z5;
            a6 += z6 * z6;
            a7 += z7 * z7;
        }
        to[0] = a0;
        to[1] = a1;
        to[2] = a2;
        to[3] = a3;
        to[4] = a4;
        to[5] = a5;
        to[6] = a6;
        to[7] = a7;
    }
}

/* acc[row] += sum over features of x w. */
SEM_UNUSED SEM_CLONES
static void sem_nb_linear(const double *tile, sem_nb_intp d, const double *weight, double *acc)
{
    for (int first = 0; first < SEM_NB_TILE; first += SEM_NB_PARTS * SEM_NB_LANES) {
        sem_nb_vec *to = (sem_nb_vec *)(acc + first);
        sem_nb_vec a0 = to[0], a1 = to[1], a2 = to[2], a3 = to[3];
        sem_nb_vec a4 = to[4], a5 = to[5], a6 = to[6], a7 = to[7];
        for (sem_nb_intp t = 0; t < d; t++) {
            const sem_nb_vec *x = (const sem_nb_vec *)(tile + t * SEM_NB_TILE + first);
            const double w = weight[t];
            a0 += x[0] * w;
            a1 += x[1] * w;
            a2 += x[2] * w;
            a3 += x[3] * w;
            a4 += x[4] * w;
            a5 += x[5] * w;
            a6 += x[6] * w;
            a7 += x[7] * w;
        }
        to[0] = a0;
        to[1] = a1;
        to[2] = a2;
        to[3] = a3;
        to[4] = a4;
        to[5] = a5;
        to[6] = a6;
        to[7] = a7;
    }
}

/* The same two where cells may be missing: each seen cell adds its constant b too. */
SEM_UNUSED SEM_CLONES
static void sem_nb_quadratic_seen(const double *tile, sem_nb_intp d, const double *mean,
                                  const double *scale, const double *constant, double *acc)
{
    for (int first = 0; first < SEM_NB_TILE; first += SEM_NB_LANES) {
        sem_nb_vec *to = (sem_nb_vec *)(acc + first);
        sem_nb_vec sum = to[0];
        for (sem_nb_intp t = 0; t < d; t++) {
            const sem_nb_vec x = *(const sem_nb_vec *)(tile + t * SEM_NB_TILE + first);
            const sem_nb_vec z = (x - mean[t]) * scale[t], cell = z * z + constant[t];
            sum += SEM_NB_WHERE_SEEN(x, cell);
        }
        to[0] = sum;
    }
}

SEM_UNUSED SEM_CLONES
static void sem_nb_linear_seen(const double *tile, sem_nb_intp d, const double *weight,
                               const double *constant, double *acc)
{
    for (int first = 0; first < SEM_NB_TILE; first += SEM_NB_LANES) {
        sem_nb_vec *to = (sem_nb_vec *)(acc + first);
        sem_nb_vec sum = to[0];
        for (sem_nb_intp t = 0; t < d; t++) {
            const sem_nb_vec x = *(const sem_nb_vec *)(tile + t * SEM_NB_TILE + first);
            const sem_nb_vec cell = x * weight[t] + constant[t];
            sum += SEM_NB_WHERE_SEEN(x, cell);
        }
        to[0] = sum;
    }
}

/* ------------------------------------------------------------------ sparse rows, and tables */

/* Add the lines of `table` that the codes of a row name: out[c] += table[line][c]. */
SEM_UNUSED SEM_CLONES
static void sem_nb_add_lines(sem_nb_intp k, sem_nb_intp d, const sem_nb_intp *lines,
                             const double *table, double *out)
{
    for (sem_nb_intp t = 0; t < d; t++) {
        if (lines[t] < 0)
            continue;
        const double *line = table + lines[t] * k;
        for (sem_nb_intp c = 0; c < k; c++)
            out[c] += line[c];
    }
}

/* ------------------------------------------------------------------ from joint to posterior */

/* The class of the largest entry, the first of equals; of `prior` when no class is possible. */
SEM_UNUSED
static sem_nb_intp sem_nb_best(sem_nb_intp k, const double *joint, const double *prior)
{
    sem_nb_intp best = 0;
    double top = -INFINITY;
    for (sem_nb_intp c = 0; c < k; c++)
        if (joint[c] > top) {
            top = joint[c];
            best = c;
        }
    if (top > -INFINITY)
        return best;
    for (sem_nb_intp c = 1; c < k; c++)
        if (prior[c] > prior[best])
            best = c;
    return best;
}

/* Replace a row of joint log-densities by the log-posterior, or by the posterior. A row that is
 * impossible (-inf) in every class gets the prior: it tells nothing about its class. */
SEM_UNUSED
static void sem_nb_normalise(sem_nb_intp k, double *joint, const double *prior, int exponentiate)
{
    double top = joint[sem_nb_best(k, joint, prior)], sum = 0;
    const int impossible = !(top > -INFINITY);
    if (impossible) {
        top = -INFINITY;
        for (sem_nb_intp c = 0; c < k; c++) {
            joint[c] = prior[c];
            top = prior[c] > top ? prior[c] : top;
        }
    }
    for (sem_nb_intp c = 0; c < k; c++) {
        /* Two infinities of one sign are equal here, and NaN (their difference) is impossible. */
        double gap = joint[c] == top ? 0 : joint[c] - top;
        joint[c] = gap == gap ? gap : -INFINITY;
        sum += exp(joint[c]);
    }
    const double log_sum = log(sum);
    for (sem_nb_intp c = 0; c < k; c++) {
        joint[c] -= log_sum;
        if (exponentiate)
            joint[c] = exp(joint[c]);
    }
}

#define REAL float
#define NAME(x) x##_f32
#include "sem_naive_bayes_real.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "sem_naive_bayes_real.h"
#undef REAL
#undef NAME

#endif
