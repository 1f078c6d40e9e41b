/* DBSCAN on the k-d tree: core points, connected components of core points, labels of the rest.
 *
 * Three passes, each over blocks of work that any thread may take, in O(n) memory whatever eps is:
 *
 * 1. count: the weight within eps of every point, given up as soon as it suffices. The 16 points of
 *    a tile descend together, nearest node first. A node whose points lie all within eps of the
 *    tile adds its weight without a distance; a node that is *tight* (its diagonal is at most eps)
 *    and heavy enough holds core points only, without a distance (the DenseBox of Prokopenko,
 *    Lebrun-Grandie and Arndt 2021, on the tree's own nodes).
 * 2. link: union-find over core points. The core points of a tight node are one component from the
 *    start. Units of work are the largest tight nodes and the leaves outside them; first each is
 *    joined inside, then each looks at the units behind it in tree order. Whole subtrees that already belong to the unit's own
 *    component are skipped, and two tight nodes are joined at their first pair within eps. Unions
 *    hook the larger root to the smaller by compare-and-swap, so threads need no locks, and the
 *    components do not depend on their order.
 * 3. label: the lowest label among the core points within eps, with subtrees skipped that hold
 *    no lower one. Serves border points, and rows that were not there at fit.
 *
 * Rounding. Distances of float64 trees are bit-equal to those of scikit-learn's trees (the
 * same sums in the same order), and so is the comparison with eps. One thing differs:
 * scikit-learn takes or leaves whole nodes by comparing *unreduced* bounds, sqrt(sum) <= eps, and
 * points by sum <= eps^2; where the two disagree (a sum one unit in the last place above eps^2:
 * common on decimal grids, never seen elsewhere), its answer depends on where its nodes end.
 * Such a pair is met by its `rule` (below), decided by the plain comparison, and reported; the
 * caller then finds out whether it mattered.
 *
 * In many dimensions boxes exclude little and distances are the work. There a float32 copy of the
 * tiles, scaled by eps, decides all pairs but those that its rounding could move across eps; these
 * go to float64. Differences are squared (not expanded into norms and products), so the error
 * stays small beside eps wherever the data lie.
 */
#ifndef SEM_DBSCAN_H
#define SEM_DBSCAN_H

#include "sem_kd_tree.h"

#if !defined(__GNUC__)
#  include <intrin.h>
#endif

#if defined(__GNUC__)
#  define SEM_CTZ64(mask) __builtin_ctzll(mask)
#else
static __forceinline int SEM_CTZ64(uint64_t mask)
{
    unsigned long lane;
    _BitScanForward64(&lane, mask);
    return (int)lane;
}
#endif

/* Leaves must not be larger: a leaf's points are bits of one integer. */
#define SEM_DBSCAN_MAX_LEAF 64

typedef struct {
    double eps;
    double reduced;  /* within eps: reduced distance at most this */
    double sure;     /* at most this: within eps however it is rounded */
    double possible; /* above this: outside however it is rounded */
    int always;      /* between the two, report: 1 every pair, 0 those whose bounds disagree */
} sem_dbscan_rule;

/* ---- union-find -------------------------------------------------------------------------- */

#if defined(__GNUC__)
SEM_INLINE int32_t sem_load(const int32_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
SEM_INLINE void sem_store(int32_t *at, int32_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}
SEM_INLINE int sem_swap_if(int32_t *at, int32_t expected, int32_t value)
{
    return __atomic_compare_exchange_n(at, &expected, value, 0, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}
SEM_INLINE int sem_flag(const uint8_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
SEM_INLINE void sem_raise(uint8_t *at) { __atomic_store_n(at, 1, __ATOMIC_RELAXED); }
#else
SEM_INLINE int32_t sem_load(const int32_t *at) { return *(const volatile int32_t *)at; }
SEM_INLINE void sem_store(int32_t *at, int32_t value) { *(volatile int32_t *)at = value; }
SEM_INLINE int sem_swap_if(int32_t *at, int32_t expected, int32_t value)
{
    return _InterlockedCompareExchange((volatile long *)at, value, expected) == expected;
}
SEM_INLINE int sem_flag(const uint8_t *at) { return *(const volatile uint8_t *)at; }
SEM_INLINE void sem_raise(uint8_t *at) { *(volatile uint8_t *)at = 1; }
#endif

/* Root of `x`, halving the path on the way. Only ancestors are ever written and a node that has a
 * parent never becomes a root again, so concurrent finds and unions leave the forest right. */
SEM_INLINE int32_t sem_find(int32_t *parent, int32_t x)
{
    for (;;) {
        const int32_t up = sem_load(parent + x);
        if (up == x)
            return x;
        const int32_t top = sem_load(parent + up);
        if (top == up)
            return up;
        sem_store(parent + x, top);
        x = top;
    }
}

SEM_INLINE void sem_unite(int32_t *parent, int32_t a, int32_t b)
{
    for (;;) {
        a = sem_find(parent, a);
        b = sem_find(parent, b);
        if (a == b)
            return;
        const int32_t low = a < b ? a : b, high = a < b ? b : a;
        if (sem_swap_if(parent + high, high, low))
            return;
    }
}

/* ---- what the passes work on --------------------------------------------------------------- */

typedef struct {
    const sem_kd_tree_f64 *tree;
    sem_dbscan_rule rule;
    /* the float32 filter, or NULL: tiles of (x - center) / eps, and the squares between which a pair
     * is decided in float64 */
    const float *narrow;
    const float *narrow_queries; /* of pass 3's queries */
    float narrow_sure;
    float narrow_possible;
    /* pass 1 */
    const double *weights;      /* of each position, or NULL: all one */
    const double *node_weights; /* of each node, or NULL: number of points */
    double min_samples;
    double tolerance;     /* relative uncertainty of a sum of weights; 0: sums are exact */
    int is_signed;        /* some weight is negative: a sum may fall again, so no early stop */
    const uint8_t *tight; /* of each node: its diagonal is at most eps */
    uint16_t *core;       /* of each tile: a bit per lane */
    uint16_t *undecided;  /* likewise: the sum is within its uncertainty of min_samples */
    /* pass 2 */
    const int32_t *units;    /* nodes */
    const int32_t *any_core; /* of each node: a core position below it, -1 for none */
    uint8_t *uniform;        /* of each node: known to hold one component only */
    int32_t *parent;         /* of each position */
    /* pass 3 */
    const int32_t *labels;    /* of each position that is a core point */
    const int32_t *min_label; /* of each node: over its core points; INT32_MAX for none */
} sem_dbscan;

/* Whether comparing reduced distances and comparing distances (as scikit-learn's node bounds do,
 * through pow) give different answers for a pair. */
static SEM_UNUSED int sem_dbscan_disagree(const sem_kd_tree_f64 *tree, const sem_dbscan_rule *rule,
                                          double reduced, const double *tile, int lane,
                                          const double *point)
{
    const double p = tree->metric == SEM_EUCLIDEAN ? 2.0 : tree->p;
    double sum = 0;
    if (rule->always)
        return 1;
    for (ptrdiff_t f = 0; f < tree->n_features; f++)
        sum += pow(fabs(tile[f * SEM_TILE + lane] - point[f]), p);
    return (reduced <= rule->reduced) != (pow(sum, 1.0 / p) <= rule->eps);
}

/* Decide, in float64, lanes that the float32 filter left open (Euclidean only). */
static SEM_UNUSED uint32_t sem_dbscan_decide_wide(const sem_kd_tree_f64 *tree,
                                                  const sem_dbscan_rule *rule, const double *tile,
                                                  uint32_t open, const double *point, int *doubt)
{
    uint32_t within = 0;
    for (; open; open &= open - 1) {
        const int lane = SEM_CTZ(open);
        double reduced = 0;
        for (ptrdiff_t f = 0; f < tree->n_features; f++) {
            const double diff = tile[f * SEM_TILE + lane] - point[f];
            reduced += diff * diff;
        }
        if (reduced <= rule->reduced)
            within |= UINT32_C(1) << lane;
        if (reduced > rule->sure && reduced <= rule->possible)
            *doubt |= sem_dbscan_disagree(tree, rule, reduced, tile, lane, point);
    }
    return within;
}

/* Write the tiles of the float32 filter: (x - center) / eps. */
static SEM_UNUSED void sem_dbscan_narrow(const sem_kd_tree_f64 *tree, const double *center,
                                         double eps, ptrdiff_t first, ptrdiff_t last, float *out)
{
    const ptrdiff_t d = tree->n_features;
    for (ptrdiff_t tile = first; tile < last; tile++)
        for (ptrdiff_t f = 0; f < d; f++)
            for (int lane = 0; lane < SEM_TILE; lane++) {
                const ptrdiff_t at = (tile * d + f) * SEM_TILE + lane;
                out[at] = (float)((tree->tiles[at] - center[f]) / eps);
            }
}

/* Decide the lanes of `open`, which lie between the rule's sure and possible bounds. */
static SEM_UNUSED uint32_t sem_dbscan_decide(const sem_kd_tree_f64 *tree,
                                             const sem_dbscan_rule *rule, const double *reduced,
                                             const double *tile, uint32_t open,
                                             const double *point, int *doubt)
{
    uint32_t within = 0;
    for (; open; open &= open - 1) {
        const int lane = SEM_CTZ(open);
        if (reduced[lane] <= rule->reduced)
            within |= UINT32_C(1) << lane;
        *doubt |= sem_dbscan_disagree(tree, rule, reduced[lane], tile, lane, point);
    }
    return within;
}

/* ---- the passes, for each instruction set --------------------------------------------------- */

/* The body is for float64 trees only: `#if SEM_T(sem_is)` asks which type it is included for. */
#define sem_is_f32 0
#define sem_is_f64 1
#define SEM_BODY "sem_dbscan_body.h"
#include "sem_per_isa.h"

/* Number of doubles that a pass needs as scratch, per thread: a box, the points of a tile, and both
 * again in float32. */
static SEM_UNUSED ptrdiff_t sem_dbscan_scratch(ptrdiff_t n_features)
{
    return (3 + SEM_TILE + SEM_TILE / 2) * n_features + 8;
}

/* Pass 1 over the tiles [first, last). Return whether a doubtful pair was met. */
static SEM_UNUSED int sem_dbscan_count(sem_dbscan *work, ptrdiff_t first, ptrdiff_t last,
                                       double *scratch)
{
    return SEM_PICK(sem_dbscan_count_f64)(work, first, last, scratch);
}

/* Pass 2 within each of the units [first, last). Return whether a doubtful pair was met. */
static SEM_UNUSED int sem_dbscan_inside(sem_dbscan *work, ptrdiff_t first, ptrdiff_t last,
                                        double *scratch)
{
    return SEM_PICK(sem_dbscan_inside_f64)(work, first, last, scratch);
}

/* Pass 2 from each of the units [first, last) to those behind it, once all are done inside. */
static SEM_UNUSED int sem_dbscan_link(sem_dbscan *work, ptrdiff_t first, ptrdiff_t last,
                                      double *scratch)
{
    return SEM_PICK(sem_dbscan_link_f64)(work, first, last, scratch);
}

/* Pass 3 over the tiles [first, last) of `queries`: `wanted` holds a bit per lane, `best` takes the
 * label of each position (INT32_MAX: no core point within eps). */
static SEM_UNUSED int sem_dbscan_label(sem_dbscan *work, const sem_kd_tree_f64 *queries,
                                       const uint16_t *wanted, ptrdiff_t first, ptrdiff_t last,
                                       int32_t *best, double *scratch)
{
    return SEM_PICK(sem_dbscan_label_f64)(work, queries, wanted, first, last, best, scratch);
}

#endif
