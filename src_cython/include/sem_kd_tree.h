/* The k-d tree as the kernels see it: flat arrays, and the distances taken on them.
 *
 * Layout
 * ------
 * Points are permuted into tree order: `perm[position]` is the row. They are stored in tiles of
 * SEM_TILE points, transposed: feature f of position s is
 *
 *     tiles[((s / SEM_TILE) * n_features + f) * SEM_TILE + s % SEM_TILE]
 *
 * so one loop over the lanes of a tile is a SIMD loop, in 1 dimension as in 1000. Every leaf starts
 * on a tile and holds exactly `leaf_size` points (a multiple of SEM_TILE) but for the last leaf of
 * the tree; so only the last tile has unused lanes, and those are filled with +infinity: their
 * distance to anything is +infinity. (Mask them all the same wherever +infinity is a legal bound.)
 *
 * Nodes stand in preorder: node 0 is the root, the left child of node i is i + 1, the right child
 * `nodes[i].right`, which is 0 for a leaf. A node's points are the positions [start, end).
 * A parent comes before its children, so a loop over falling node numbers is a bottom-up pass.
 * `boxes` holds for each node its tight bounding box: n_features lower, then n_features upper sides.
 * `min_row` is the smallest row below a node: ties that are broken by row number prune with it.
 * The depth is at most SEM_KD_MAX_DEPTH whatever the data are (equal points are split by row), so
 * a traversal needs a stack of SEM_KD_STACK entries and never recursion.
 *
 * Distances
 * ---------
 * Kernels work on reduced distances, which order like distances: the squared one for Euclid, the
 * sum of p-th powers for Minkowski, the distance itself for the other two. They are accumulated
 * feature by feature in input order, without FMA, which is scikit-learn's rounding. Bounds on boxes
 * take the same steps on differences that are never larger (smaller, for upper bounds); IEEE
 * rounding is monotone, so a computed bound is never above (below) the computed distance of any
 * point in the box, and comparisons need no slack. Minkowski is the exception (pow is not exactly
 * monotone), and its bounds carry a relative slack.
 *
 * Helpers are always inlined: they take on the instruction set of the function that calls them.
 */
#ifndef SEM_KD_TREE_H
#define SEM_KD_TREE_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sem_simd.h"

#define SEM_TILE 16
/* Each split leaves at least a quarter of the leaves on either side: 1.5 * 31 levels at the most. */
#define SEM_KD_MAX_DEPTH 96
#define SEM_KD_STACK (2 * SEM_KD_MAX_DEPTH)

#if defined(__GNUC__)
#  define SEM_INLINE static inline __attribute__((always_inline, unused))
#  define SEM_CTZ(mask) __builtin_ctz(mask)
#  define SEM_POPCOUNT(mask) __builtin_popcount(mask)
#else
#  include <intrin.h>
#  define SEM_INLINE static __forceinline
static __forceinline int SEM_CTZ(uint32_t mask)
{
    unsigned long lane;
    _BitScanForward(&lane, mask);
    return (int)lane;
}
#  define SEM_POPCOUNT(mask) ((int)__popcnt(mask))
#endif

enum { SEM_EUCLIDEAN = 0, SEM_MANHATTAN = 1, SEM_CHEBYSHEV = 2, SEM_MINKOWSKI = 3 };

typedef struct {
    int32_t right;   /* 0: this node is a leaf */
    int32_t start;   /* first position */
    int32_t end;     /* one past the last position */
    int32_t min_row; /* smallest row below this node */
} sem_kd_node;

#define SEM_BODY "sem_kd_tree_real.h"
#include "sem_both_types.h"
#undef SEM_BODY

#endif
