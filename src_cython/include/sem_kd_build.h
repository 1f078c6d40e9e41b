/* Build of the k-d tree.
 *
 * A node that spans the leaves [first, last) is split across the widest side of its tight box, at
 * the side's midpoint where that leaves at least a quarter of the leaves on either side ("sliding
 * midpoint" cells are fat, which is what queries like; the clamp keeps the depth logarithmic), and
 * always at a multiple of the leaf size, so every leaf but the last is full and no SIMD lane is
 * wasted. The number of nodes below a node then follows from its leaves alone: node numbers are
 * known before the subtree exists, and subtrees are built in parallel straight into place.
 *
 * Points are compared by (coordinate, row), a strict total order: which points go left is defined
 * by the data alone, equal points split by row number, and all-duplicate data build as any other.
 */
#ifndef SEM_KD_BUILD_H
#define SEM_KD_BUILD_H

#include "sem_kd_tree.h"

typedef struct {
    int32_t node;
    int32_t first;  /* first leaf */
    int32_t last;   /* one past the last leaf */
    int32_t buffer; /* where its points stand */
} sem_kd_span;

#define SEM_BODY "sem_kd_build_real.h"
#include "sem_both_types.h"
#undef SEM_BODY

#endif
