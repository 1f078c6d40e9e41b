/* k nearest neighbours in the k-d tree, one tile of queries at a time.
 *
 * The queries are themselves a tree (for self-queries the same one), so the 16 points of a tile lie
 * close together and share one traversal: nodes are pruned by the distance of two boxes against
 * the largest k-th distance of the tile; at a leaf, one SIMD loop finds which queries may gain
 * anything, and one more per such query takes its distances to the tile. Compared with one
 * traversal per query this saves most of the mispredicted branches, which dominate in few
 * dimensions. A self-query starts at its own leaf and meets the siblings of its ancestors from the
 * bottom up, so that bounds are tight before far nodes are looked at.
 *
 * In many dimensions boxes prune little and nearly every leaf is wanted by nearly every query. There
 * a tile of points is first held against eight queries at once by |q|^2 + |x|^2 - 2 q.x, a small
 * matrix product in registers, and only tiles that pass are computed directly, as everything that is
 * kept is. The product is off by at most (2 d + 6) u (|q|^2 + |x|^2), u the unit roundoff (norms and
 * product, d u each, and six roundings of the sum); the direct sum by (d + 2) u times itself. The
 * norms are scaled down by twice that, so no neighbour is lost. Whether the product is taken follows
 * from the count of queries that a leaf's box leaves, not from the number of features alone.
 *
 * Neighbours are ordered by (distance, row): the answer is unique, whatever the tree.
 */
#ifndef SEM_KD_KNN_H
#define SEM_KD_KNN_H

#include "sem_kd_tree.h"

/* Features from which the inner products pay. */
enum { SEM_KD_DOT_FEATURES = 12 };

/* A squared norm, lowered by what rounding may add to an inner-product distance. */
SEM_INLINE float sem_kd_slack_norm_f32(float norm, ptrdiff_t d)
{
    return (float)(norm - (double)norm * FLT_EPSILON * (double)(4 * d + 16));
}

SEM_INLINE double sem_kd_slack_norm_f64(double norm, ptrdiff_t d)
{
    return norm - norm * DBL_EPSILON * (double)(4 * d + 16);
}

/* Slackened squared norms of the points in tiles [first, last), (n_tiles * SEM_TILE,). */
static SEM_UNUSED void sem_kd_norms_f32(const sem_kd_tree_f32 *tree, ptrdiff_t first,
                                        ptrdiff_t last, float *norms)
{
    for (ptrdiff_t t = first; t < last; t++)
        for (int lane = 0; lane < SEM_TILE; lane++) {
            const float *x = tree->tiles + t * tree->n_features * SEM_TILE + lane;
            float sum = 0;
            for (ptrdiff_t f = 0; f < tree->n_features; f++)
                sum += x[f * SEM_TILE] * x[f * SEM_TILE];
            norms[t * SEM_TILE + lane] = sem_kd_slack_norm_f32(sum, tree->n_features);
        }
}

static SEM_UNUSED void sem_kd_norms_f64(const sem_kd_tree_f64 *tree, ptrdiff_t first,
                                        ptrdiff_t last, double *norms)
{
    for (ptrdiff_t t = first; t < last; t++)
        for (int lane = 0; lane < SEM_TILE; lane++) {
            const double *x = tree->tiles + t * tree->n_features * SEM_TILE + lane;
            double sum = 0;
            for (ptrdiff_t f = 0; f < tree->n_features; f++)
                sum += x[f * SEM_TILE] * x[f * SEM_TILE];
            norms[t * SEM_TILE + lane] = sem_kd_slack_norm_f64(sum, tree->n_features);
        }
}

#define SEM_BODY "sem_kd_knn_real.h"
#include "sem_per_isa.h"

/* Neighbours of the points in tiles [first, last) of `queries` among the points of `tree`, in tree
 * order: out_distances (reduced) and out_positions are (n_queries, k). `norms`: of sem_kd_norms, or NULL. `n_scanned` (may be NULL)
 * receives the number of tiles that were compared with a query. Returns -1 without memory. */
static SEM_UNUSED int sem_kd_knn_f32(const sem_kd_tree_f32 *queries, const sem_kd_tree_f32 *tree,
                                     const float *norms, ptrdiff_t k, ptrdiff_t first,
                                     ptrdiff_t last, float *out_distances, int32_t *out_positions,
                                     int64_t *n_scanned)
{
    return SEM_PICK(sem_kd_knn_tiles_f32)(queries, tree, norms, k, first, last, out_distances,
                                          out_positions, n_scanned);
}

static SEM_UNUSED int sem_kd_knn_f64(const sem_kd_tree_f64 *queries, const sem_kd_tree_f64 *tree,
                                     const double *norms, ptrdiff_t k, ptrdiff_t first,
                                     ptrdiff_t last, double *out_distances, int32_t *out_positions,
                                     int64_t *n_scanned)
{
    return SEM_PICK(sem_kd_knn_tiles_f64)(queries, tree, norms, k, first, last, out_distances,
                                          out_positions, n_scanned);
}

#endif
