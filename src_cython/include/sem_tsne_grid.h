/* Charges to a regular grid and potentials back from it, by B-splines of order 6.
 *
 * A point at t of the way from its node to the next touches six nodes along each axis. Their
 * weights are polynomials of t, evaluated for all six at once: one register of eight lanes, two of
 * them idle. Along the second axis of the grid the six nodes are contiguous.
 *
 * In one dimension the grid has one row, whose weight is 1.
 */
#ifndef SEM_TSNE_GRID_H
#define SEM_TSNE_GRID_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "sem_simd.h"

#define SEM_TG_ORDER 6
#define SEM_TG_LANES 8

#if defined(__GNUC__)
#  pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed between inlined functions only */
#  define SEM_TG_INLINE static inline __attribute__((always_inline))
typedef float sem_tg_vec __attribute__((vector_size(32), aligned(4), may_alias));
#  define SEM_TG_PARTS 1
#else
#  define SEM_TG_INLINE static inline
typedef float sem_tg_vec;
#  define SEM_TG_PARTS 8
#endif

/* Eight lanes, in as many parts as it takes. */
typedef struct {
    sem_tg_vec part[SEM_TG_PARTS];
} sem_tg_lanes;

SEM_TG_INLINE sem_tg_lanes sem_tg_load(const float *from)
{
    sem_tg_lanes out;
    memcpy(&out, from, sizeof out);
    return out;
}

SEM_TG_INLINE void sem_tg_store(float *to, sem_tg_lanes v) { memcpy(to, &v, sizeof v); }

/* a s + b */
SEM_TG_INLINE sem_tg_lanes sem_tg_add_scaled(sem_tg_lanes a, float s, sem_tg_lanes b)
{
    for (int p = 0; p < SEM_TG_PARTS; p++)
        a.part[p] = a.part[p] * s + b.part[p];
    return a;
}

typedef struct {
    float low[2];      /* coordinates of node (0, 0) */
    float inv_spacing; /* nodes per unit */
    ptrdiff_t n_rows;  /* of the grid; 1 in one dimension */
    ptrdiff_t n_columns;
    ptrdiff_t stride; /* floats from a row to the next */
    float force_scale; /* force = this times the gradient of the potential */
    /* What a charge does to itself, to be taken away: potential c0 + c1 (cos 2 pi t0 + cos 2 pi t1),
     * force s1 sin 2 pi t. */
    float self_constant, self_cosine, self_sine;
} sem_tg_grid;

/* Node below a coordinate and the way from it to the next, 0 <= t <= 1; inside the grid whatever
 * the coordinate is. */
SEM_TG_INLINE ptrdiff_t sem_tg_cell(const sem_tg_grid *grid, int axis, float x, float *t)
{
    const ptrdiff_t n = axis ? grid->n_columns : grid->n_rows;
    const float last = (float)(n - SEM_TG_ORDER);
    float at = (x - grid->low[axis]) * grid->inv_spacing;
    at = at > 0 ? at : 0; /* NaN becomes 0 */
    at = at < last ? at : last;
    const ptrdiff_t cell = (ptrdiff_t)at;
    *t = at - (float)cell;
    return cell;
}

/* Coefficients of t^k of the six weights, and of their derivatives. */
#define SEM_TG_ROW(a, b, c, d, e, f) {a / 120.f, b / 120.f, c / 120.f, d / 120.f, e / 120.f, f / 120.f}
static const float sem_tg_weight_of[6][SEM_TG_LANES] = {
    SEM_TG_ROW(1, 26, 66, 26, 1, 0),       SEM_TG_ROW(-5, -50, 0, 50, 5, 0),
    SEM_TG_ROW(10, 20, -60, 20, 10, 0),    SEM_TG_ROW(-10, 20, 0, -20, 10, 0),
    SEM_TG_ROW(5, -20, 30, -20, 5, 0),     SEM_TG_ROW(-1, 5, -10, 10, -5, 1),
};
static const float sem_tg_slope_of[5][SEM_TG_LANES] = {
    SEM_TG_ROW(-5, -50, 0, 50, 5, 0),      SEM_TG_ROW(20, 40, -120, 40, 20, 0),
    SEM_TG_ROW(-30, 60, 0, -60, 30, 0),    SEM_TG_ROW(20, -80, 120, -80, 20, 0),
    SEM_TG_ROW(-5, 25, -50, 50, -25, 5),
};

SEM_TG_INLINE sem_tg_lanes sem_tg_weights(float t)
{
    sem_tg_lanes w = sem_tg_load(sem_tg_weight_of[5]);
    for (int k = 4; k >= 0; k--)
        w = sem_tg_add_scaled(w, t, sem_tg_load(sem_tg_weight_of[k]));
    return w;
}

SEM_TG_INLINE sem_tg_lanes sem_tg_slopes(float t)
{
    sem_tg_lanes w = sem_tg_load(sem_tg_slope_of[4]);
    for (int k = 3; k >= 0; k--)
        w = sem_tg_add_scaled(w, t, sem_tg_load(sem_tg_slope_of[k]));
    return w;
}

/* Bands of rows that the points in [first, last) belong to. */
SEM_CLONES
static void sem_tg_bands(const sem_tg_grid *grid, const float *x, ptrdiff_t first, ptrdiff_t last,
                         int32_t rows_per_band, int32_t *band)
{
    const float low = grid->low[0], inv = grid->inv_spacing;
    const float end = (float)(grid->n_rows - SEM_TG_ORDER);
    for (ptrdiff_t i = first; i < last; i++) {
        float at = (x[i] - low) * inv;
        at = at > 0 ? at : 0;
        at = at < end ? at : end;
        band[i] = (int32_t)at / rows_per_band;
    }
}

/* Add unit charges of `count` points to the grid; `x` is NULL in one dimension. */
SEM_CLONES
static void sem_tg_spread(const sem_tg_grid *grid, const float *x, const float *y,
                          const int32_t *order, ptrdiff_t count, float *charge)
{
    const ptrdiff_t stride = grid->stride;
    for (ptrdiff_t a = 0; a < count; a++) {
        const ptrdiff_t i = order ? order[a] : a;
        float t, wx[SEM_TG_LANES];
        float *to = charge + sem_tg_cell(grid, 1, y[i], &t);
        const sem_tg_lanes wy = sem_tg_weights(t);
        if (x == NULL) {
            sem_tg_store(to, sem_tg_add_scaled(wy, 1.0f, sem_tg_load(to)));
            continue;
        }
        to += sem_tg_cell(grid, 0, x[i], &t) * stride;
        sem_tg_store(wx, sem_tg_weights(t));
        for (int r = 0; r < SEM_TG_ORDER; r++, to += stride)
            sem_tg_store(to, sem_tg_add_scaled(wy, wx[r], sem_tg_load(to)));
    }
}

/* sin and cos of 2 pi t, 0 <= t <= 1, to 1e-4: they multiply small numbers only. */
SEM_TG_INLINE void sem_tg_wave(float t, float *sine, float *cosine)
{
    const float u = t - 0.5f, u2 = u * u; /* sin 2 pi t = -sin 2 pi u */
    *sine = -u * (6.2831852f + u2 * (-41.341694f + u2 * (81.602524f + u2 * (-76.58129f + u2 * 39.5367f))));
    *cosine = -(1.0f + u2 * (-19.739208f + u2 * (64.939391f + u2 * (-85.450332f + u2 * (60.176212f + u2 * -26.0f)))));
}

SEM_TG_INLINE float sem_tg_dot(sem_tg_lanes a, sem_tg_lanes b)
{
    float p[SEM_TG_LANES];
    for (int q = 0; q < SEM_TG_PARTS; q++)
        a.part[q] *= b.part[q];
    sem_tg_store(p, a);
    return ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));
}

/* Potential and force at `count` points.
 *
 * `own` is 1 where the points' charges are on the grid: what a charge does to itself is then taken
 * away. Returns the sum of the potentials.
 */
SEM_CLONES
static double sem_tg_gather(const sem_tg_grid *grid, const float *x, const float *y,
                            const int32_t *order, ptrdiff_t count, const float *potential, int own,
                            float *force_x, float *force_y, float *value)
{
    const ptrdiff_t stride = grid->stride;
    const float scale = grid->force_scale * grid->inv_spacing;
    double total = 0;
    for (ptrdiff_t a = 0; a < count; a++) {
        const ptrdiff_t i = order ? order[a] : a;
        float tx = 0, ty;
        const float *from = potential + sem_tg_cell(grid, 1, y[i], &ty);
        const sem_tg_lanes wy = sem_tg_weights(ty), dy = sem_tg_slopes(ty);
        sem_tg_lanes along, across;
        if (x == NULL) {
            along = across = sem_tg_load(from);
        } else {
            float wx[SEM_TG_LANES], dx[SEM_TG_LANES];
            from += sem_tg_cell(grid, 0, x[i], &tx) * stride;
            sem_tg_store(wx, sem_tg_weights(tx));
            sem_tg_store(dx, sem_tg_slopes(tx));
            memset(&along, 0, sizeof along);
            memset(&across, 0, sizeof across);
            for (int r = 0; r < SEM_TG_ORDER; r++, from += stride) {
                const sem_tg_lanes nodes = sem_tg_load(from);
                along = sem_tg_add_scaled(nodes, wx[r], along);
                across = sem_tg_add_scaled(nodes, dx[r], across);
            }
        }
        float sine, cosine, self = grid->self_constant;
        float phi = sem_tg_dot(along, wy), f_y = scale * sem_tg_dot(along, dy);
        if (own) {
            sem_tg_wave(ty, &sine, &cosine);
            f_y -= grid->self_sine * sine;
            self += grid->self_cosine * cosine;
        }
        force_y[i] = f_y;
        if (x != NULL) {
            float f_x = scale * sem_tg_dot(across, wy);
            if (own) {
                sem_tg_wave(tx, &sine, &cosine);
                f_x -= grid->self_sine * sine;
                self += grid->self_cosine * cosine;
            }
            force_x[i] = f_x;
        }
        if (own)
            phi -= self;
        value[i] = phi;
        total += phi;
    }
    return total;
}

/* Multiply complex numbers by real ones. */
SEM_CLONES
static void sem_tg_scale(float *restrict complex_values, const float *restrict factor, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        complex_values[2 * i] *= factor[i];
        complex_values[2 * i + 1] *= factor[i];
    }
}

#endif
