/* Quadratic forms of the leave-one-out formula, eight rows side by side. */
#ifndef SEM_LEAVE_ONE_OUT_H
#define SEM_LEAVE_ONE_OUT_H

#include <math.h>
#include <stddef.h>

#include "sem_simd.h"

#define SEM_LOO_LANES 64 /* rows of a block, a multiple of 8 */

/* With e_j = share * values[j] + base[l]: the sums over j of u^2 / e, u v / e and v^2 / e, and the
 * product of all e as log_det + log(factor). Sixteen factors are multiplied before a logarithm is
 * taken; the caller keeps them near 1. */
SEM_CLONES
static void sem_loo_forms(const double *u, const double *v, ptrdiff_t ld, ptrdiff_t d,
    const double *values, double share, const double *base, double *uu, double *uv, double *vv,
    double *log_det, double *factor)
{
    double a[8] = {0}, b[8] = {0}, c[8] = {0}, product[8], start[8];
    for (int l = 0; l < 8; ++l) {
        log_det[l] = 0;
        product[l] = 1;
        start[l] = base[l];
    }
    for (ptrdiff_t first = 0; first < d; first += 16) {
        const ptrdiff_t last = d - first < 16 ? d : first + 16;
        if (first)
            for (int l = 0; l < 8; ++l) {
                log_det[l] += log(product[l]);
                product[l] = 1;
            }
        for (ptrdiff_t j = first; j < last; ++j) {
            const double *pu = u + j * ld, *pv = v + j * ld, value = share * values[j];
            for (int l = 0; l < 8; ++l) {
                const double e = value + start[l], r = 1.0 / e, t = pv[l] * r;
                a[l] += pu[l] * pu[l] * r;
                b[l] += pu[l] * t;
                c[l] += pv[l] * t;
                product[l] *= e;
            }
        }
    }
    for (int l = 0; l < 8; ++l) {
        factor[l] = product[l];
        uu[l] = a[l];
        uv[l] = b[l];
        vv[l] = c[l];
    }
}

/* Without correlations: e_j = share * (values[j] - removed[l] v_j^2) + base[l]; the sum of u^2 / e,
 * the product of all e as above, and the smallest. */
SEM_CLONES
static void sem_loo_axes(const double *u, const double *v, ptrdiff_t ld, ptrdiff_t d,
    const double *values, double share, const double *removed, const double *base, double *uu,
    double *smallest, double *log_det, double *factor)
{
    double a[8] = {0}, product[8], least[8], start[8], taken[8];
    for (int l = 0; l < 8; ++l) {
        log_det[l] = 0;
        product[l] = 1;
        least[l] = INFINITY;
        start[l] = base[l];
        taken[l] = removed[l];
    }
    for (ptrdiff_t first = 0; first < d; first += 16) {
        const ptrdiff_t last = d - first < 16 ? d : first + 16;
        if (first)
            for (int l = 0; l < 8; ++l) {
                log_det[l] += log(product[l]);
                product[l] = 1;
            }
        for (ptrdiff_t j = first; j < last; ++j) {
            const double *pu = u + j * ld, *pv = v + j * ld, value = values[j];
            for (int l = 0; l < 8; ++l) {
                const double e = share * (value - taken[l] * (pv[l] * pv[l])) + start[l];
                a[l] += pu[l] * pu[l] / e;
                least[l] = e < least[l] ? e : least[l];
                product[l] *= e;
            }
        }
    }
    for (int l = 0; l < 8; ++l) {
        factor[l] = product[l];
        uu[l] = a[l];
        smallest[l] = least[l];
    }
}

#endif
