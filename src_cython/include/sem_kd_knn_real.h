/* Body of sem_kd_knn.h for one floating type and instruction set (see there). */

#include "sem_lanes.h"

typedef struct {
    ptrdiff_t k;
    const int32_t *perm;  /* of the searched tree */
    SEM_REAL *points;     /* (SEM_TILE, d): the queries */
    SEM_REAL *box;        /* (2, d): their bounding box */
    SEM_REAL *distances;  /* (SEM_TILE, k), rising */
    int32_t *positions;   /* (SEM_TILE, k) */
    SEM_REAL kth[SEM_TILE];
    SEM_REAL worst;       /* largest of kth */
    int count;            /* queries in this tile */
    int64_t n_scanned;
} SEM_K(sem_kd_search);

/* Whether the neighbour at `position` (-1: none yet) comes after row `row` at equal distance. */
SEM_INLINE int SEM_K(sem_kd_after)(const int32_t *perm, int32_t position, int32_t row)
{
    return position < 0 || perm[position] > row;
}

SEM_INLINE void SEM_K(sem_kd_insert)(SEM_K(sem_kd_search) * s, int query, SEM_REAL value,
                                     int32_t position)
{
    SEM_REAL *distances = s->distances + query * s->k;
    int32_t *positions = s->positions + query * s->k;
    ptrdiff_t j = s->k - 1;
    if (value == distances[j] && !SEM_K(sem_kd_after)(s->perm, positions[j], s->perm[position]))
        return;
    for (; j > 0; j--) {
        if (distances[j - 1] < value)
            break;
        if (distances[j - 1] == value &&
            !SEM_K(sem_kd_after)(s->perm, positions[j - 1], s->perm[position]))
            break;
        distances[j] = distances[j - 1];
        positions[j] = positions[j - 1];
    }
    distances[j] = value;
    positions[j] = position;
    s->kth[query] = distances[s->k - 1];
}

/* Whether a node at exactly the worst k-th distance can still win a tie by row number. */
SEM_INLINE int SEM_K(sem_kd_wins_tie)(const SEM_K(sem_kd_search) * s, int32_t min_row)
{
    for (int q = 0; q < s->count; q++)
        if (s->kth[q] == s->worst &&
            SEM_K(sem_kd_after)(s->perm, s->positions[(q + 1) * s->k - 1], min_row))
            return 1;
    return 0;
}

SEM_INLINE void SEM_K(sem_kd_scan_leaf)(const SEM_T(sem_kd_tree) * tree, const sem_kd_node *leaf,
                                        const SEM_REAL *query_tile, const SEM_REAL *box,
                                        SEM_K(sem_kd_search) * s, const ptrdiff_t d,
                                        const int metric)
{
    SEM_REAL reduced[SEM_TILE];
    const uint32_t wanted =
        SEM_K(sem_lanes_near_box)(query_tile, box, d, metric, tree->p, s->kth) &
        ((UINT32_C(1) << s->count) - 1);
    if (!wanted)
        return;
    for (ptrdiff_t start = leaf->start; start < leaf->end; start += SEM_TILE) {
        const SEM_REAL *tile = tree->tiles + start * d;
        const ptrdiff_t left = leaf->end - start;
        const uint32_t valid = left < SEM_TILE ? (UINT32_C(1) << left) - 1 : 0xffff;
        for (uint32_t queries = wanted; queries; queries &= queries - 1) {
            const int q = SEM_CTZ(queries);
            uint32_t hits = valid & SEM_K(sem_lanes_within)(tile, s->points + q * d, d, metric,
                                                            tree->p, s->kth[q], reduced);
            for (; hits; hits &= hits - 1) {
                const int lane = SEM_CTZ(hits);
                if (reduced[lane] <= s->kth[q])
                    SEM_K(sem_kd_insert)(s, q, reduced[lane], (int32_t)(start + lane));
            }
        }
        s->n_scanned += SEM_POPCOUNT(wanted);
    }
    SEM_REAL worst = s->kth[0];
    for (int q = 1; q < s->count; q++)
        worst = s->kth[q] > worst ? s->kth[q] : worst;
    s->worst = worst;
}

SEM_INLINE void SEM_K(sem_kd_knn_tile)(const SEM_T(sem_kd_tree) * queries,
                                       const SEM_T(sem_kd_tree) * tree, ptrdiff_t tile_idx,
                                       SEM_K(sem_kd_search) * s, const ptrdiff_t d,
                                       const int metric)
{
    const SEM_REAL *query_tile = queries->tiles + tile_idx * d * SEM_TILE;
    const ptrdiff_t first = tile_idx * SEM_TILE, left = queries->n_points - first;
    s->count = left < SEM_TILE ? (int)left : SEM_TILE;
    SEM_T(sem_kd_tile_box)(query_tile, d, s->count, s->box);
    for (int q = 0; q < s->count; q++)
        SEM_T(sem_kd_gather)(query_tile, d, q, s->points + q * d);
    for (int q = 0; q < SEM_TILE; q++)
        s->kth[q] = (SEM_REAL)INFINITY;
    s->worst = (SEM_REAL)INFINITY;
    for (ptrdiff_t i = 0; i < s->count * s->k; i++) {
        s->distances[i] = (SEM_REAL)INFINITY;
        s->positions[i] = -1;
    }

    int32_t stack[SEM_KD_STACK];
    SEM_REAL bounds[SEM_KD_STACK];
    int depth = 0;
    int32_t node = 0;
    if (queries == tree)
        while (tree->nodes[node].right) { /* down to the own leaf, leaving the siblings */
            const int32_t right = tree->nodes[node].right;
            const int goes_right = first >= tree->nodes[right].start;
            const int32_t sibling = goes_right ? node + 1 : right;
            stack[depth] = sibling;
            bounds[depth++] = SEM_T(sem_kd_box_box_min)(
                s->box, tree->boxes + (ptrdiff_t)sibling * 2 * d, d, metric, tree->p);
            node = goes_right ? right : node + 1;
        }
    stack[depth] = node;
    bounds[depth++] = 0;
    while (depth) {
        const SEM_REAL bound = bounds[--depth];
        node = stack[depth];
        if (bound > s->worst)
            continue;
        const sem_kd_node *at = tree->nodes + node;
        if (bound == s->worst && !SEM_K(sem_kd_wins_tie)(s, at->min_row))
            continue;
        if (!at->right) {
            SEM_K(sem_kd_scan_leaf)(tree, at, query_tile, tree->boxes + (ptrdiff_t)node * 2 * d, s,
                                    d, metric);
            continue;
        }
        const int32_t a = node + 1, b = at->right;
        const SEM_REAL bound_a = SEM_T(sem_kd_box_box_min)(
            s->box, tree->boxes + (ptrdiff_t)a * 2 * d, d, metric, tree->p);
        const SEM_REAL bound_b = SEM_T(sem_kd_box_box_min)(
            s->box, tree->boxes + (ptrdiff_t)b * 2 * d, d, metric, tree->p);
        /* Equal bounds: the side with the smaller rows first, for the sake of ties. */
        const int a_first = bound_a < bound_b ||
                            (bound_a == bound_b && tree->nodes[a].min_row < tree->nodes[b].min_row);
        stack[depth] = a_first ? b : a;
        bounds[depth] = a_first ? bound_b : bound_a;
        stack[depth + 1] = a_first ? a : b;
        bounds[depth + 1] = a_first ? bound_a : bound_b;
        depth += 2;
    }
}

static SEM_UNUSED int SEM_K(sem_kd_knn_tiles)(const SEM_T(sem_kd_tree) * queries,
                                              const SEM_T(sem_kd_tree) * tree, ptrdiff_t k,
                                              ptrdiff_t first, ptrdiff_t last,
                                              SEM_REAL *out_distances, int32_t *out_positions,
                                              int64_t *n_scanned)
{
    const ptrdiff_t d = tree->n_features;
    SEM_K(sem_kd_search) search;
    search.k = k;
    search.perm = tree->perm;
    search.n_scanned = 0;
    SEM_REAL *scratch = malloc((size_t)(SEM_TILE + 2) * (size_t)d * sizeof *scratch);
    if (!scratch)
        return -1;
    search.points = scratch;
    search.box = scratch + SEM_TILE * d;
    for (ptrdiff_t t = first; t < last; t++) {
        /* The lists are kept where they are wanted: tree order is a tile's order. */
        search.distances = out_distances + t * SEM_TILE * k;
        search.positions = out_positions + t * SEM_TILE * k;
        if (tree->metric == SEM_EUCLIDEAN) {
            if (d == 2)
                SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, 2, SEM_EUCLIDEAN);
            else if (d == 3)
                SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, 3, SEM_EUCLIDEAN);
            else
                SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, d, SEM_EUCLIDEAN);
        } else if (tree->metric == SEM_MANHATTAN) {
            SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, d, SEM_MANHATTAN);
        } else if (tree->metric == SEM_CHEBYSHEV) {
            SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, d, SEM_CHEBYSHEV);
        } else {
            SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, d, SEM_MINKOWSKI);
        }
    }
    free(scratch);
    if (n_scanned)
        *n_scanned = search.n_scanned;
    return 0;
}
