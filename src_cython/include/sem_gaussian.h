/* Leaf loops of the Gaussian core, in double precision whatever the data are.
 *
 * Two layouts of a block. "Lanes": column j of up to SEM_GS_LANES rows lies at block[j * ld], so
 * that SIMD runs over rows whatever the number of features; lanes beyond the last row hold zeros.
 * "Rows": as in the data, for rows gathered by class. Sums over lanes run in 16 partial sums that
 * are added in one fixed order, so every instruction set returns the same bits.
 */
#ifndef SEM_GAUSSIAN_H
#define SEM_GAUSSIAN_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sem_simd.h"

typedef ptrdiff_t sem_gs_int;

#define SEM_GS_LANES 256 /* rows of a block of lanes, a multiple of 16 */

#define SEM_GS_SUM16(a)                                                                       \
    ((((a[0] + a[8]) + (a[4] + a[12])) + ((a[2] + a[10]) + (a[6] + a[14]))) +                 \
     (((a[1] + a[9]) + (a[5] + a[13])) + ((a[3] + a[11]) + (a[7] + a[15]))))

#define SEM_GS_LOCAL SEM_UNUSED static

#define REAL double
#define NAME(x) x##_f64
#include "sem_gaussian_loops.h"
#undef REAL
#undef NAME
#define REAL float
#define NAME(x) x##_f32
#include "sem_gaussian_loops.h"
#undef REAL
#undef NAME

/* sum_i w[i], and sum_i w[i] x[i]; m is a multiple of 16. */
SEM_GS_LOCAL SEM_CLONES double sem_gs_lane_sum(const double *w, sem_gs_int m)
{
    double sum[16] = {0};
    for (sem_gs_int i = 0; i < m; i += 16)
        for (int l = 0; l < 16; ++l)
            sum[l] += w[i + l];
    return SEM_GS_SUM16(sum);
}

/* mean[j] = sum_i w[i] x[j, i] / total. */
SEM_GS_LOCAL SEM_CLONES void sem_gs_lane_means(const double *x, sem_gs_int ld, sem_gs_int d,
    const double *w, sem_gs_int m, double total, double *mean)
{
    for (sem_gs_int j = 0; j < d; ++j) {
        const double *row = x + j * ld;
        double sum[16] = {0};
        for (sem_gs_int i = 0; i < m; i += 16)
            for (int l = 0; l < 16; ++l)
                sum[l] += w[i + l] * row[i + l];
        mean[j] = SEM_GS_SUM16(sum) / total;
    }
}

/* square[j] += sum_i w[i] (x[j, i] - mean[j])^2. */
SEM_GS_LOCAL SEM_CLONES void sem_gs_lane_squares(const double *x, sem_gs_int ld, sem_gs_int d,
    const double *w, sem_gs_int m, const double *mean, double *square)
{
    for (sem_gs_int j = 0; j < d; ++j) {
        const double *row = x + j * ld;
        const double c = mean[j];
        double sum[16] = {0};
        for (sem_gs_int i = 0; i < m; i += 16)
            for (int l = 0; l < 16; ++l) {
                const double e = row[i + l] - c;
                sum[l] += w[i + l] * (e * e);
            }
        square[j] += SEM_GS_SUM16(sum);
    }
}

/* out[j, i] = (x[j, i] - mean[j]) * scale[i]; scale NULL: 1. */
SEM_GS_LOCAL SEM_CLONES void sem_gs_lane_center(const double *x, sem_gs_int ld, sem_gs_int d,
    const double *scale, sem_gs_int m, const double *mean, double *out)
{
    for (sem_gs_int j = 0; j < d; ++j) {
        const double *row = x + j * ld;
        double *to = out + j * ld;
        const double c = mean[j];
        if (scale)
            for (sem_gs_int i = 0; i < m; ++i)
                to[i] = (row[i] - c) * scale[i];
        else
            for (sem_gs_int i = 0; i < m; ++i)
                to[i] = row[i] - c;
    }
}

/* root[i] = sqrt(w[i]). */
SEM_GS_LOCAL SEM_CLONES void sem_gs_lane_roots(const double *w, sem_gs_int m, double *root)
{
    for (sem_gs_int i = 0; i < m; ++i)
        root[i] = sqrt(w[i]);
}

/* out[i * stride] = shift + scale * sum_j x[j, i]^2, for the first n of m lanes. */
SEM_GS_LOCAL SEM_CLONES void sem_gs_lane_norms(const double *x, sem_gs_int ld, sem_gs_int d,
    sem_gs_int m, sem_gs_int n, double scale, double shift, double *out, sem_gs_int stride)
{
    for (sem_gs_int i = 0; i < m; i += 32) {
        const int width = m - i < 32 ? 16 : 32;
        double sum[32] = {0};
        if (width == 32)
            for (sem_gs_int j = 0; j < d; ++j) {
                const double *row = x + j * ld + i;
                for (int l = 0; l < 32; ++l)
                    sum[l] += row[l] * row[l];
            }
        else
            for (sem_gs_int j = 0; j < d; ++j) {
                const double *row = x + j * ld + i;
                for (int l = 0; l < 16; ++l)
                    sum[l] += row[l] * row[l];
            }
        for (int l = 0; l < width && i + l < n; ++l)
            out[(i + l) * stride] = shift + scale * sum[l];
    }
}

/* out[i * stride] = shift + scale * sum_j (x[j, i] - mean[j])^2 precision[j]; `precision` NULL: 1. */
SEM_GS_LOCAL SEM_CLONES void sem_gs_lane_distances(const double *x, sem_gs_int ld, sem_gs_int d,
    sem_gs_int m, sem_gs_int n, const double *mean, const double *precision, double scale,
    double shift, double *out, sem_gs_int stride)
{
    for (sem_gs_int i = 0; i < m; i += 32) {
        const int width = m - i < 32 ? 16 : 32;
        double sum[32] = {0};
        for (sem_gs_int j = 0; j < d; ++j) {
            const double *row = x + j * ld + i;
            const double c = mean[j], p = precision ? precision[j] : 1.0;
            if (width == 32)
                for (int l = 0; l < 32; ++l) {
                    const double e = row[l] - c;
                    sum[l] += e * e * p;
                }
            else
                for (int l = 0; l < 16; ++l) {
                    const double e = row[l] - c;
                    sum[l] += e * e * p;
                }
        }
        for (int l = 0; l < width && i + l < n; ++l)
            out[(i + l) * stride] = shift + scale * sum[l];
    }
}

#endif
