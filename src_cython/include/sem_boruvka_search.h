/* Body of sem_boruvka.h for one floating type and instruction set: the search of one tile. */

#include "sem_lanes.h"

/* Lanes whose component is not `own`. */
SEM_INLINE uint32_t SEM_K(sem_mask_alien)(const int32_t *components, int32_t own)
{
#if defined(__AVX512F__)
    return _mm512_cmpneq_epi32_mask(_mm512_loadu_si512(components), _mm512_set1_epi32(own));
#elif defined(__SSE2__)
    const __m128i b = _mm_set1_epi32(own);
    uint32_t same = 0;
    for (int part = 0; part < 4; part++)
        same |= (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(
                    _mm_loadu_si128((const __m128i *)(components + 4 * part)), b)))
                << (4 * part);
    return ~same & 0xffff;
#else
    uint32_t mask = 0;
    for (int lane = 0; lane < SEM_TILE; lane++)
        mask |= (uint32_t)(components[lane] != own) << lane;
    return mask;
#endif
}

typedef struct {
    SEM_T(sem_boruvka) * b;
    int32_t first;                      /* position of lane 0 */
    uint32_t active;                    /* lanes that search */
    int32_t only_component;             /* the one component of the active lanes, or -1 */
    SEM_REAL *points;                   /* (SEM_TILE, d) */
    SEM_REAL *box;                      /* (2, d): of the active lanes */
    SEM_REAL radius[SEM_TILE];          /* nothing farther can win; -1 in lanes that are idle */
    SEM_T(sem_edge_key) limit[SEM_TILE]; /* only a lesser edge is wanted */
    int32_t found[SEM_TILE];            /* the other end of the edge that set the limit, or -1 */
    SEM_REAL max_radius;
    SEM_REAL max_weight;
    int64_t n_scanned;
} SEM_K(sem_boruvka_tile);

/* Where the query's own core distance sets the weight, only the raw distance decides. */
SEM_INLINE void SEM_K(sem_set_radius)(SEM_K(sem_boruvka_tile) * s, int q)
{
    const SEM_T(sem_edge_key) *limit = s->limit + q;
    s->radius[q] =
        limit->weight <= s->b->core[s->first + q] ? limit->reduced : limit->weight;
}

SEM_INLINE void SEM_K(sem_set_maxima)(SEM_K(sem_boruvka_tile) * s)
{
    SEM_REAL radius = -1, weight = -1;
    for (uint32_t lanes = s->active; lanes; lanes &= lanes - 1) {
        const int q = SEM_CTZ(lanes);
        radius = s->radius[q] > radius ? s->radius[q] : radius;
        weight = s->limit[q].weight > weight ? s->limit[q].weight : weight;
    }
    s->max_radius = radius;
    s->max_weight = weight;
}

/* Lower the limit of every active lane of a component to the bound that is known for it. */
SEM_INLINE void SEM_K(sem_lower_limit)(SEM_K(sem_boruvka_tile) * s, int q, SEM_REAL bound)
{
    if (bound < s->limit[q].weight) {
        s->limit[q].weight = s->limit[q].reduced = bound;
        s->limit[q].row_min = s->limit[q].row_max = INT32_MAX;
        s->found[q] = -1;
        SEM_K(sem_set_radius)(s, q);
    }
}

/* Find the lanes that need a search, and the least edge that each must beat. */
SEM_INLINE uint32_t SEM_K(sem_begin_tile)(SEM_K(sem_boruvka_tile) * s, int count)
{
    SEM_T(sem_boruvka) *b = s->b;
    s->active = 0;
    s->only_component = -1;
    for (int q = 0; q < count; q++) {
        const int32_t i = s->first + q, own = b->component[i];
        s->radius[q] = -1;
        if (b->exact[i])
            continue;
        const SEM_REAL bound = SEM_T(sem_atomic_load)(b->bound + own);
        if (b->lower[i] > bound)
            continue;
        s->only_component =
            s->active == 0 || s->only_component == own ? own : -1;
        s->active |= UINT32_C(1) << q;
        const int32_t holder = b->best[own];
        s->found[q] = -1;
        if (holder >= 0) {
            s->limit[q] = SEM_T(sem_key_at)(b, holder);
            if (holder == i)
                s->found[q] = b->candidate[i];
        } else {
            s->limit[q].weight = s->limit[q].reduced = (SEM_REAL)INFINITY;
            s->limit[q].row_min = s->limit[q].row_max = INT32_MAX;
        }
        SEM_K(sem_set_radius)(s, q);
        SEM_K(sem_lower_limit)(s, q, bound);
    }
    for (int q = count; q < SEM_TILE; q++)
        s->radius[q] = -1;
    return s->active;
}

/* Whether a node whose bounds equal the maxima of the tile can still win by its rows. */
SEM_INLINE int SEM_K(sem_node_wins_tie)(const SEM_K(sem_boruvka_tile) * s, int32_t node,
                                        SEM_REAL reduced)
{
    const SEM_T(sem_boruvka) *b = s->b;
    for (uint32_t lanes = s->active; lanes; lanes &= lanes - 1) {
        const int q = SEM_CTZ(lanes);
        const SEM_T(sem_edge_key) least =
            SEM_T(sem_key_of)(b->core[s->first + q], b->node_core[node], reduced,
                              b->tree->perm[s->first + q], b->tree->nodes[node].min_row);
        if (SEM_T(sem_key_less)(least, s->limit[q]))
            return 1;
    }
    return 0;
}

SEM_INLINE void SEM_K(sem_boruvka_leaf)(SEM_K(sem_boruvka_tile) * s, int32_t node,
                                        const SEM_REAL *query_tile, const ptrdiff_t d,
                                        const int metric)
{
    SEM_T(sem_boruvka) *b = s->b;
    const SEM_T(sem_kd_tree) *tree = b->tree;
    const sem_kd_node *leaf = tree->nodes + node;
    const int32_t leaf_component = b->node_component[node];
    SEM_REAL reduced[SEM_TILE];
    uint32_t wanted =
        s->active & SEM_K(sem_lanes_near_box)(query_tile, tree->boxes + (ptrdiff_t)node * 2 * d, d,
                                              metric, tree->p, s->radius);
    if (leaf_component >= 0 && wanted)
        wanted &= SEM_K(sem_mask_alien)(b->component + s->first, leaf_component);
    if (!wanted)
        return;
    int improved = 0;
    for (int32_t start = leaf->start; start < leaf->end; start += SEM_TILE) {
        const SEM_REAL *tile = tree->tiles + start * d;
        const int32_t left = leaf->end - start;
        const uint32_t valid = left < SEM_TILE ? (UINT32_C(1) << left) - 1 : 0xffff;
        for (uint32_t queries = wanted; queries; queries &= queries - 1) {
            const int q = SEM_CTZ(queries);
            const int32_t i = s->first + q, own = b->component[i];
            uint32_t hits = valid & SEM_K(sem_lanes_le)(b->core + start, s->limit[q].weight);
            if (leaf_component < 0)
                hits &= SEM_K(sem_mask_alien)(b->component + start, own);
            if (!hits)
                continue;
            s->n_scanned++;
            hits &= SEM_K(sem_lanes_within)(tile, s->points + q * d, d, metric, tree->p,
                                            s->radius[q], reduced);
            int lane_improved = 0;
            for (; hits; hits &= hits - 1) {
                const int lane = SEM_CTZ(hits);
                const int32_t j = start + lane;
                const SEM_T(sem_edge_key) key = SEM_T(sem_key_of)(
                    b->core[i], b->core[j], reduced[lane], tree->perm[i], tree->perm[j]);
                if (SEM_T(sem_key_less)(key, s->limit[q])) {
                    s->limit[q] = key;
                    s->found[q] = j;
                    lane_improved = 1;
                }
            }
            if (lane_improved) {
                improved = 1;
                SEM_K(sem_set_radius)(s, q);
                SEM_T(sem_atomic_min)(b->bound + own, s->limit[q].weight);
                for (uint32_t others = s->active; others; others &= others - 1) {
                    const int other = SEM_CTZ(others);
                    if (b->component[s->first + other] == own)
                        SEM_K(sem_lower_limit)(s, other, s->limit[q].weight);
                }
            }
        }
    }
    if (improved)
        SEM_K(sem_set_maxima)(s);
}

/* Whether the node can hold the other end of an edge that is wanted. */
SEM_INLINE int SEM_K(sem_node_wanted)(const SEM_K(sem_boruvka_tile) * s, int32_t node,
                                      SEM_REAL reduced)
{
    const SEM_T(sem_boruvka) *b = s->b;
    if (reduced > s->max_radius || b->node_core[node] > s->max_weight)
        return 0;
    const int32_t component = b->node_component[node];
    return component < 0 || component != s->only_component;
}

SEM_INLINE void SEM_K(sem_boruvka_tile_search)(SEM_K(sem_boruvka_tile) * s,
                                               const SEM_REAL *query_tile, const ptrdiff_t d,
                                               const int metric)
{
    const SEM_T(sem_boruvka) *b = s->b;
    const SEM_T(sem_kd_tree) *tree = b->tree;
    int32_t stack[SEM_KD_STACK];
    SEM_REAL bounds[SEM_KD_STACK];
    int depth = 0;
    int32_t node = 0;
    while (tree->nodes[node].right) { /* down to the own leaf, leaving the siblings */
        const int32_t right = tree->nodes[node].right;
        const int goes_right = s->first >= tree->nodes[right].start;
        const int32_t sibling = goes_right ? node + 1 : right;
        const SEM_REAL bound = SEM_T(sem_kd_box_box_min)(
            s->box, tree->boxes + (ptrdiff_t)sibling * 2 * d, d, metric, tree->p);
        if (SEM_K(sem_node_wanted)(s, sibling, bound)) {
            stack[depth] = sibling;
            bounds[depth++] = bound;
        }
        node = goes_right ? right : node + 1;
    }
    stack[depth] = node;
    bounds[depth++] = 0;
    while (depth) {
        const SEM_REAL bound = bounds[--depth];
        node = stack[depth];
        if (!SEM_K(sem_node_wanted)(s, node, bound))
            continue;
        if ((bound == s->max_radius || b->node_core[node] == s->max_weight) &&
            !SEM_K(sem_node_wins_tie)(s, node, bound))
            continue;
        const int32_t right = tree->nodes[node].right;
        if (!right) {
            SEM_K(sem_boruvka_leaf)(s, node, query_tile, d, metric);
            continue;
        }
        const int32_t left = node + 1;
        const SEM_REAL bound_left = SEM_T(sem_kd_box_box_min)(
            s->box, tree->boxes + (ptrdiff_t)left * 2 * d, d, metric, tree->p);
        const SEM_REAL bound_right = SEM_T(sem_kd_box_box_min)(
            s->box, tree->boxes + (ptrdiff_t)right * 2 * d, d, metric, tree->p);
        const int left_first =
            bound_left < bound_right ||
            (bound_left == bound_right && tree->nodes[left].min_row < tree->nodes[right].min_row);
        stack[depth] = left_first ? right : left;
        bounds[depth] = left_first ? bound_right : bound_left;
        depth += SEM_K(sem_node_wanted)(s, stack[depth], bounds[depth]);
        stack[depth] = left_first ? left : right;
        bounds[depth] = left_first ? bound_left : bound_right;
        depth += SEM_K(sem_node_wanted)(s, stack[depth], bounds[depth]);
    }
}

static SEM_UNUSED int64_t SEM_K(sem_boruvka_search_tiles)(SEM_T(sem_boruvka) * b, ptrdiff_t first,
                                                          ptrdiff_t last)
{
    const SEM_T(sem_kd_tree) *tree = b->tree;
    const ptrdiff_t d = tree->n_features;
    SEM_K(sem_boruvka_tile) search;
    search.b = b;
    search.n_scanned = 0;
    SEM_REAL *scratch = malloc((size_t)(SEM_TILE + 2) * (size_t)d * sizeof *scratch);
    if (!scratch)
        return -1;
    search.points = scratch;
    search.box = scratch + SEM_TILE * d;
    for (ptrdiff_t t = first; t < last; t++) {
        const SEM_REAL *query_tile = tree->tiles + t * d * SEM_TILE;
        search.first = (int32_t)(t * SEM_TILE);
        const ptrdiff_t left = tree->n_points - t * SEM_TILE;
        if (!SEM_K(sem_begin_tile)(&search, left < SEM_TILE ? (int)left : SEM_TILE))
            continue;
        int is_first = 1;
        for (uint32_t lanes = search.active; lanes; lanes &= lanes - 1) {
            const int q = SEM_CTZ(lanes);
            SEM_REAL *point = search.points + q * d;
            SEM_T(sem_kd_gather)(query_tile, d, q, point);
            for (ptrdiff_t f = 0; f < d; f++) {
                search.box[f] = is_first || point[f] < search.box[f] ? point[f] : search.box[f];
                search.box[d + f] =
                    is_first || point[f] > search.box[d + f] ? point[f] : search.box[d + f];
            }
            is_first = 0;
        }
        SEM_K(sem_set_maxima)(&search);
        if (tree->metric == SEM_EUCLIDEAN) {
            if (d == 2)
                SEM_K(sem_boruvka_tile_search)(&search, query_tile, 2, SEM_EUCLIDEAN);
            else if (d == 3)
                SEM_K(sem_boruvka_tile_search)(&search, query_tile, 3, SEM_EUCLIDEAN);
            else
                SEM_K(sem_boruvka_tile_search)(&search, query_tile, d, SEM_EUCLIDEAN);
        } else if (tree->metric == SEM_MANHATTAN) {
            SEM_K(sem_boruvka_tile_search)(&search, query_tile, d, SEM_MANHATTAN);
        } else if (tree->metric == SEM_CHEBYSHEV) {
            SEM_K(sem_boruvka_tile_search)(&search, query_tile, d, SEM_CHEBYSHEV);
        } else {
            SEM_K(sem_boruvka_tile_search)(&search, query_tile, d, SEM_MINKOWSKI);
        }
        for (uint32_t lanes = search.active; lanes; lanes &= lanes - 1) {
            const int q = SEM_CTZ(lanes);
            const int32_t i = search.first + q;
            b->lower[i] = search.limit[q].weight;
            if (search.found[q] >= 0) {
                /* Not into `candidate`: other threads are reading the frozen best edges there. */
                b->found[i] = search.found[q];
                b->found_reduced[i] = search.limit[q].reduced;
            }
        }
    }
    free(scratch);
    return search.n_scanned;
}
