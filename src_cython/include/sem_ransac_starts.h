/* Rows that the deterministic starts of the local optimisation are fitted to: all of them, the two
 * ends of the longest axis of the design, and the two sides of the least-squares plane. Outliers
 * that crowd one place are missing from one of these.
 */
#ifndef SEM_RANSAC_STARTS_H
#define SEM_RANSAC_STARTS_H

#include "sem_ransac.h"

#define SEM_RS_STARTS 5

/* The k-th smallest of n numbers (Hoare's selection), which are reordered. */
static inline double sem_rs_select(double *a, ptrdiff_t n, ptrdiff_t k)
{
    ptrdiff_t low = 0, high = n - 1;
    while (low < high) {
        const double pivot = a[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (pivot < a[j])
                j--;
            if (i <= j) {
                const double swap = a[i];
                a[i++] = a[j];
                a[j--] = swap;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            break;
    }
    return a[k];
}

/* The longest axis of the p x p scatter `s` by power iteration: its direction need not be exact.
 * `axis` and `next` hold p numbers. */
static inline void sem_rs_longest_axis(const double *s, ptrdiff_t p, double *axis, double *next)
{
    ptrdiff_t top = 0;
    for (ptrdiff_t j = 1; j < p; j++)
        if (s[j * p + j] > s[top * p + top])
            top = j;
    memcpy(axis, s + top * p, (size_t)p * sizeof(double));
    for (int step = 0; step < 40; step++) {
        double largest = 0;
        for (ptrdiff_t i = 0; i < p; i++)
            largest = fabs(axis[i]) > largest ? fabs(axis[i]) : largest;
        if (!(largest > 0))
            break;
        for (ptrdiff_t i = 0; i < p; i++) {
            next[i] = 0;
            for (ptrdiff_t j = 0; j < p; j++)
                next[i] += s[i * p + j] * (axis[j] / largest);
        }
        memcpy(axis, next, (size_t)p * sizeof(double));
    }
}

#define REAL float
#define NAME(x) x##_f32
#include "sem_ransac_starts_real.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "sem_ransac_starts_real.h"
#undef REAL
#undef NAME

#endif
