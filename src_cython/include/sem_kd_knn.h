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
 * Neighbours are ordered by (distance, row): the answer is unique, whatever the tree.
 */
#ifndef SEM_KD_KNN_H
#define SEM_KD_KNN_H

#include "sem_kd_tree.h"

#define SEM_BODY "sem_kd_knn_real.h"
#include "sem_per_isa.h"

/* Neighbours of the points in tiles [first, last) of `queries` among the points of `tree`, in tree
 * order: out_distances (reduced) and out_positions are (n_queries, k). `n_scanned` (may be NULL)
 * receives the number of tiles that were compared with a query. Returns -1 without memory. */
static SEM_UNUSED int sem_kd_knn_f32(const sem_kd_tree_f32 *queries, const sem_kd_tree_f32 *tree,
                                     ptrdiff_t k, ptrdiff_t first, ptrdiff_t last,
                                     float *out_distances, int32_t *out_positions,
                                     int64_t *n_scanned)
{
    return SEM_PICK(sem_kd_knn_tiles_f32)(queries, tree, k, first, last, out_distances,
                                          out_positions, n_scanned);
}

static SEM_UNUSED int sem_kd_knn_f64(const sem_kd_tree_f64 *queries, const sem_kd_tree_f64 *tree,
                                     ptrdiff_t k, ptrdiff_t first, ptrdiff_t last,
                                     double *out_distances, int32_t *out_positions,
                                     int64_t *n_scanned)
{
    return SEM_PICK(sem_kd_knn_tiles_f64)(queries, tree, k, first, last, out_distances,
                                          out_positions, n_scanned);
}

#endif
