/* Forces of t-SNE: attraction along the edges of a graph, exact repulsion, and a step of descent.
 *
 * Points are kept by coordinate, y[c * stride + i], so a register holds one coordinate of 16 points.
 * Sixteen lanes are summed in the same order on every instruction set, without fused
 * multiply-adds, so all of them return the same bits.
 *
 * With u = 1 + r^2 / dof the similarity of two points is w = u^(-(dof + 1) / 2), and the force
 * between them is along w / u (repulsion) or p / u (attraction).
 */
#ifndef SEM_TSNE_H
#define SEM_TSNE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "sem_simd.h"

#define SEM_TS_PAD 16 /* edges of a row, and points, are padded to a multiple of this */
#if defined(__GNUC__)
#  pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed between inlined functions only */
#  define SEM_TS_INLINE static inline __attribute__((always_inline))
#else
#  define SEM_TS_INLINE static inline
#endif

/* How w is computed from u. */
enum sem_ts_power { SEM_TS_CAUCHY = 0, SEM_TS_DOF_2 = 1, SEM_TS_ANY_DOF = 2 };

static inline int sem_ts_power_of(double dof)
{
    return dof == 1.0 ? SEM_TS_CAUCHY : dof == 2.0 ? SEM_TS_DOF_2 : SEM_TS_ANY_DOF;
}

/* A graph of similarities: row i has the edges indptr[i] .. indptr[i + 1], padded with weight 0. */
typedef struct {
    const int64_t *indptr;
    const int32_t *target;
    const float *weight;
} sem_ts_graph;

/* Where the points are. */
typedef struct {
    const float *y;
    ptrdiff_t stride, n;
    int dim;
    const float *pairs; /* two coordinates: (x, y) of each point side by side, for the edges */
} sem_ts_points;

/* What a step of gradient descent needs beside the forces. */
typedef struct {
    float attraction; /* 2 (dof + 1) / dof times the exaggeration */
    float repulsion;  /* 2 (dof + 1) / dof over the normaliser */
    float rate, momentum, max_step;
    float inv_dof;
} sem_ts_rule;

/* A node of the Barnes-Hut tree, in depth-first order. */
typedef struct {
    float center[3]; /* of mass */
    float sq_width;  /* of its cell */
    int32_t start, end; /* its points, in the order of the tree */
    int32_t skip;    /* the node after its last descendant */
    int32_t is_leaf;
} sem_ts_node;

#define SEM_BODY "sem_tsne_body.h"
#include "sem_per_isa.h"

SEM_UNUSED
static void sem_ts_attract(const sem_ts_graph *graph, const sem_ts_points *points, float inv_dof,
                           ptrdiff_t first, ptrdiff_t last, float *scratch, float *force)
{
    SEM_PICK(sem_ts_attract_f32)(graph, points, inv_dof, first, last, scratch, force);
}

SEM_UNUSED
static double sem_ts_graph_log(const sem_ts_graph *graph, const sem_ts_points *points,
                               float inv_dof, ptrdiff_t first, ptrdiff_t last)
{
    return SEM_PICK(sem_ts_graph_log_f32)(graph, points, inv_dof, first, last);
}

SEM_UNUSED
static void sem_ts_repulse(const sem_ts_points *queries, const sem_ts_points *points, int others, double dof,
                           ptrdiff_t first, ptrdiff_t last, float *scratch, float *force,
                           float *potential)
{
    SEM_PICK(sem_ts_repulse_f32)(queries, points, others, dof, first, last, scratch, force, potential);
}

SEM_UNUSED
static float sem_ts_row_weights(const float *sq_distances, ptrdiff_t k, float log_perplexity,
                                float *buffer, float *weight)
{
    return SEM_PICK(sem_ts_row_weights_f32)(sq_distances, k, log_perplexity, buffer, weight);
}

SEM_UNUSED
static void sem_ts_walk(const sem_ts_node *nodes, int32_t n_nodes, const sem_ts_points *points,
                        const sem_ts_points *queries, ptrdiff_t first, double dof, float sq_angle,
                        float *force, float *potential)
{
    SEM_PICK(sem_ts_walk_f32)(nodes, n_nodes, points, queries, first, dof, sq_angle, force,
                              potential);
}

/* One coordinate of some points: gains, momentum, and the sum of squares of the scaled gradient.
 * The step is written to `step`, which the caller may clip before it adds it. */
SEM_UNUSED SEM_CLONES
static double sem_ts_momentum(const sem_ts_rule *rule, ptrdiff_t n, const float *attraction,
                              const float *repulsion, float *restrict step, float *restrict gain)
{
    float partial[SEM_TS_PAD] = {0};
    double total = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const float gradient =
            rule->attraction * attraction[i] - rule->repulsion * repulsion[i];
        const float grown = gain[i] + 0.2f, shrunk = gain[i] * 0.8f;
        float g = step[i] * gradient < 0 ? grown : shrunk;
        g = g < 0.01f ? 0.01f : g;
        const float scaled = g * gradient;
        gain[i] = g;
        step[i] = rule->momentum * step[i] - rule->rate * scaled;
        partial[i % SEM_TS_PAD] += scaled * scaled;
    }
    for (int l = 0; l < SEM_TS_PAD; l++)
        total += partial[l];
    return total;
}

#endif
