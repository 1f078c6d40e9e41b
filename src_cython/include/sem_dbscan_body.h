/* Body of sem_dbscan.h for one instruction set (see there). */
#if SEM_T(sem_is)

#include "sem_lanes.h"

/* Squares of float32 distances between `n` queries and the lanes of a tile, as masks: at most
 * `sure`, at most `possible`. Given up once every lane is too far from every query. */
SEM_INLINE void SEM_K(sem_dbscan_filter)(const float *tile, const float *const *queries,
                                         const int n, const ptrdiff_t d, const float sure,
                                         const float possible, uint32_t *out_sure,
                                         uint32_t *out_possible)
{
#if defined(__AVX512F__)
    __m512 sum[4];
    for (int q = 0; q < n; q++)
        sum[q] = _mm512_setzero_ps();
    for (ptrdiff_t f = 0; f < d;) {
        for (const ptrdiff_t stop = f + 8 < d ? f + 8 : d; f < stop; f++) {
            const __m512 t = _mm512_loadu_ps(tile + f * SEM_TILE);
            for (int q = 0; q < n; q++) {
                const __m512 diff = _mm512_sub_ps(t, _mm512_set1_ps(queries[q][f]));
                sum[q] = _mm512_fmadd_ps(diff, diff, sum[q]);
            }
        }
        uint32_t any = 0;
        for (int q = 0; q < n; q++) {
            out_possible[q] = _mm512_cmp_ps_mask(sum[q], _mm512_set1_ps(possible), _CMP_LE_OQ);
            any |= out_possible[q];
        }
        if (!any)
            break;
    }
    for (int q = 0; q < n; q++)
        out_sure[q] = _mm512_cmp_ps_mask(sum[q], _mm512_set1_ps(sure), _CMP_LE_OQ) &
                      out_possible[q];
#elif defined(__AVX2__) && defined(__FMA__)
    __m256 sum[4][2];
    for (int q = 0; q < n; q++)
        sum[q][0] = sum[q][1] = _mm256_setzero_ps();
    for (ptrdiff_t f = 0; f < d;) {
        for (const ptrdiff_t stop = f + 8 < d ? f + 8 : d; f < stop; f++) {
            const __m256 low = _mm256_loadu_ps(tile + f * SEM_TILE);
            const __m256 high = _mm256_loadu_ps(tile + f * SEM_TILE + 8);
            for (int q = 0; q < n; q++) {
                const __m256 x = _mm256_set1_ps(queries[q][f]);
                const __m256 a = _mm256_sub_ps(low, x), b = _mm256_sub_ps(high, x);
                sum[q][0] = _mm256_fmadd_ps(a, a, sum[q][0]);
                sum[q][1] = _mm256_fmadd_ps(b, b, sum[q][1]);
            }
        }
        uint32_t any = 0;
        for (int q = 0; q < n; q++) {
            out_possible[q] = 0;
            for (int part = 0; part < 2; part++)
                out_possible[q] |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(
                                       sum[q][part], _mm256_set1_ps(possible), _CMP_LE_OQ))
                                   << (8 * part);
            any |= out_possible[q];
        }
        if (!any)
            break;
    }
    for (int q = 0; q < n; q++) {
        out_sure[q] = 0;
        for (int part = 0; part < 2; part++)
            out_sure[q] |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(
                               sum[q][part], _mm256_set1_ps(sure), _CMP_LE_OQ))
                           << (8 * part);
        out_sure[q] &= out_possible[q];
    }
#else
    for (int q = 0; q < n; q++) {
        float sum[SEM_TILE] = {0};
        for (ptrdiff_t f = 0; f < d; f++)
            for (int lane = 0; lane < SEM_TILE; lane++) {
                const float diff = tile[f * SEM_TILE + lane] - queries[q][f];
                sum[lane] += diff * diff;
            }
        out_sure[q] = out_possible[q] = 0;
        for (int lane = 0; lane < SEM_TILE; lane++) {
            out_possible[q] |= (uint32_t)(sum[lane] <= possible) << lane;
            out_sure[q] |= (uint32_t)(sum[lane] <= sure) << lane;
        }
    }
#endif
}

/* Lanes within eps after the filter. */
SEM_INLINE uint32_t SEM_K(sem_dbscan_settle)(const sem_dbscan *w, const double *tile,
                                             const double *point, uint32_t sure,
                                             uint32_t possible, int *doubt)
{
    return possible == sure ? sure
                            : sure | sem_dbscan_decide_wide(w->tree, &w->rule, tile,
                                                            possible & ~sure, point, doubt);
}

/* Lanes within eps of a point, of the tile that starts at a position. `narrow`: the point as the
 * filter takes it. */
SEM_INLINE uint32_t SEM_K(sem_dbscan_within)(const sem_dbscan *w, ptrdiff_t start,
                                             const double *point, const float *narrow,
                                             uint32_t valid, const ptrdiff_t d, const int metric,
                                             int *doubt)
{
    const double *tile = w->tree->tiles + start * d;
    if (metric == SEM_EUCLIDEAN && d > 3 && w->narrow) {
        uint32_t sure = 0, possible = 0;
        SEM_K(sem_dbscan_filter)(w->narrow + start * d, &narrow, 1, d, w->narrow_sure,
                                 w->narrow_possible, &sure, &possible);
        return SEM_K(sem_dbscan_settle)(w, tile, point, sure & valid, possible & valid, doubt);
    }
    double reduced[SEM_TILE];
    uint32_t possible = valid;
    if (d <= 4 || metric == SEM_MINKOWSKI) {
        sem_kd_tile_distances_f64(tile, point, d, metric, w->tree->p, reduced);
        possible &= SEM_K(sem_lanes_le)(reduced, w->rule.possible);
    } else { /* four features at a time, until no lane is near enough any more */
        for (int lane = 0; lane < SEM_TILE; lane++)
            reduced[lane] = 0;
        ptrdiff_t f = 0;
        for (; f + 4 <= d && possible; f += 4) {
            const double *t = tile + f * SEM_TILE;
            const double x = point[f], y = point[f + 1], z = point[f + 2], v = point[f + 3];
            for (int lane = 0; lane < SEM_TILE; lane++) {
                double sum = sem_kd_add_f64(reduced[lane], t[lane] - x, metric, 0);
                sum = sem_kd_add_f64(sum, t[SEM_TILE + lane] - y, metric, 0);
                sum = sem_kd_add_f64(sum, t[2 * SEM_TILE + lane] - z, metric, 0);
                reduced[lane] = sem_kd_add_f64(sum, t[3 * SEM_TILE + lane] - v, metric, 0);
            }
            possible &= SEM_K(sem_lanes_le)(reduced, w->rule.possible);
        }
        for (; f < d && possible; f++)
            for (int lane = 0; lane < SEM_TILE; lane++)
                reduced[lane] = sem_kd_add_f64(reduced[lane], tile[f * SEM_TILE + lane] - point[f],
                                               metric, 0);
        possible &= SEM_K(sem_lanes_le)(reduced, w->rule.possible);
    }
    if (!possible)
        return 0;
    const uint32_t sure = SEM_K(sem_lanes_le)(reduced, w->rule.sure) & valid;
    if (possible == sure)
        return sure;
    return sure | sem_dbscan_decide(w->tree, &w->rule, reduced, tile, possible & ~sure, point,
                                    doubt);
}

SEM_INLINE const double *SEM_K(sem_dbscan_box)(const sem_dbscan *w, int32_t node,
                                               const ptrdiff_t d)
{
    return w->tree->boxes + (ptrdiff_t)node * 2 * d;
}

/* Lanes that hold a point, of the tile that starts at a position. */
SEM_INLINE uint32_t SEM_K(sem_dbscan_valid)(ptrdiff_t start, ptrdiff_t end)
{
    return end - start < SEM_TILE ? (UINT32_C(1) << (end - start)) - 1 : 0xffff;
}

/* Put the children of `node` that may hold points within eps of `box` on the stack, the nearer one
 * on top. */
SEM_INLINE int SEM_K(sem_dbscan_descend)(const sem_dbscan *w, const double *box, int32_t node,
                                         int32_t *stack, int depth, const ptrdiff_t d,
                                         const int metric)
{
    const int32_t left = node + 1, right = w->tree->nodes[node].right;
    const double to_left = sem_kd_box_box_min_f64(box, SEM_K(sem_dbscan_box)(w, left, d), d,
                                                  metric, w->tree->p);
    const double to_right = sem_kd_box_box_min_f64(box, SEM_K(sem_dbscan_box)(w, right, d), d,
                                                   metric, w->tree->p);
    const int32_t near = to_left <= to_right ? left : right;
    if ((to_left <= to_right ? to_right : to_left) <= w->rule.possible)
        stack[depth++] = near == left ? right : left;
    if ((to_left <= to_right ? to_left : to_right) <= w->rule.possible)
        stack[depth++] = near;
    return depth;
}

/* ---- pass 1 -------------------------------------------------------------------------------- */

/* Sums of the weights within eps of the points of one tile. */
typedef struct {
    double sum[SEM_TILE];
    double size[SEM_TILE]; /* of absolute weights, when some are negative */
    const double *points;  /* (SEM_TILE, d) */
    const float *narrow;   /* (SEM_TILE, d), for the filter */
    ptrdiff_t first;       /* position of lane 0 */
    uint32_t active;       /* lanes whose sum is still wanted */
} SEM_K(sem_dbscan_sums);

SEM_INLINE void SEM_K(sem_dbscan_add)(sem_dbscan *w, SEM_K(sem_dbscan_sums) * s, int lane,
                                      double weight, double size)
{
    s->sum[lane] += weight;
    s->size[lane] += size;
    if (!w->is_signed && s->sum[lane] >= w->min_samples * (1 + w->tolerance)) {
        s->active &= ~(UINT32_C(1) << lane);
        w->core[s->first / SEM_TILE] |= (uint16_t)(UINT32_C(1) << lane);
    }
}

/* Add the weight of a node that lies wholly within eps of a point. */
SEM_INLINE void SEM_K(sem_dbscan_add_node)(sem_dbscan *w, SEM_K(sem_dbscan_sums) * s, int lane,
                                           int32_t node)
{
    const sem_kd_node *at = w->tree->nodes + node;
    if (!w->weights)
        SEM_K(sem_dbscan_add)(w, s, lane, at->end - at->start, 0);
    else if (!w->is_signed)
        SEM_K(sem_dbscan_add)(w, s, lane, w->node_weights[node], 0);
    else
        for (int32_t i = at->start; i < at->end; i++)
            SEM_K(sem_dbscan_add)(w, s, lane, w->weights[i], fabs(w->weights[i]));
}

SEM_INLINE void SEM_K(sem_dbscan_add_hits)(sem_dbscan *w, SEM_K(sem_dbscan_sums) * s, int lane,
                                           ptrdiff_t start, uint32_t hits)
{
    if (!w->weights) {
        SEM_K(sem_dbscan_add)(w, s, lane, SEM_POPCOUNT(hits), 0);
        return;
    }
    for (; hits; hits &= hits - 1) {
        const double weight = w->weights[start + SEM_CTZ(hits)];
        SEM_K(sem_dbscan_add)(w, s, lane, weight, fabs(weight));
    }
}

/* Take up to four lanes from `lanes` for the filter; the last is repeated. Returns how many. */
SEM_INLINE int SEM_K(sem_dbscan_group)(uint32_t *lanes, const float *narrow, const ptrdiff_t d,
                                       int *group, const float **queries)
{
    int n = 0;
    for (; *lanes && n < 4; *lanes &= *lanes - 1)
        group[n++] = SEM_CTZ(*lanes);
    for (int q = 0; q < 4; q++)
        queries[q] = narrow + group[q < n ? q : n - 1] * d;
    return n;
}

SEM_INLINE void SEM_K(sem_dbscan_count_leaf)(sem_dbscan *w, SEM_K(sem_dbscan_sums) * s,
                                             const double *query_tile, int32_t leaf,
                                             const ptrdiff_t d, const int metric, int *doubt)
{
    const sem_kd_node *at = w->tree->nodes + leaf;
    const double *box = SEM_K(sem_dbscan_box)(w, leaf, d);
    const int filtered = metric == SEM_EUCLIDEAN && d > 3 && w->narrow;
    uint32_t lanes = s->active;
    if (!filtered) { /* the filter gives up a tile for less than the box costs */
        double nearest[SEM_TILE];
        sem_kd_tile_box_min_f64(query_tile, box, d, metric, w->tree->p, nearest);
        lanes &= SEM_K(sem_lanes_le)(nearest, w->rule.possible);
    }
    while (filtered && lanes) {
        int group[4];
        const float *queries[4];
        const int n = SEM_K(sem_dbscan_group)(&lanes, s->narrow, d, group, queries);
        for (ptrdiff_t start = at->start; start < at->end; start += SEM_TILE) {
            uint32_t sure[4], possible[4];
            SEM_K(sem_dbscan_filter)(w->narrow + start * d, queries, 4, d, w->narrow_sure,
                                     w->narrow_possible, sure, possible);
            const uint32_t valid = SEM_K(sem_dbscan_valid)(start, at->end);
            for (int q = 0; q < n; q++) {
                if (!(possible[q] & valid) || !(s->active >> group[q] & 1))
                    continue;
                SEM_K(sem_dbscan_add_hits)(
                    w, s, group[q], start,
                    SEM_K(sem_dbscan_settle)(w, w->tree->tiles + start * d,
                                             s->points + group[q] * d, sure[q] & valid,
                                             possible[q] & valid, doubt));
            }
        }
    }
    for (; lanes; lanes &= lanes - 1) {
        const int lane = SEM_CTZ(lanes);
        const uint32_t bit = UINT32_C(1) << lane;
        const double *point = s->points + lane * d;
        if (w->tight[leaf] &&
            sem_kd_point_box_max_f64(point, box, d, metric, w->tree->p) <= w->rule.sure) {
            SEM_K(sem_dbscan_add_node)(w, s, lane, leaf);
            continue;
        }
        for (ptrdiff_t start = at->start; start < at->end && s->active & bit; start += SEM_TILE) {
            const uint32_t hits =
                SEM_K(sem_dbscan_within)(w, start, point, NULL,
                                         SEM_K(sem_dbscan_valid)(start, at->end), d, metric, doubt);
            if (hits)
                SEM_K(sem_dbscan_add_hits)(w, s, lane, start, hits);
        }
    }
}

SEM_INLINE void SEM_K(sem_dbscan_count_tile)(sem_dbscan *w, ptrdiff_t tile_idx, double *scratch,
                                             const ptrdiff_t d, const int metric, int *doubt)
{
    const sem_kd_tree_f64 *tree = w->tree;
    const ptrdiff_t first = tile_idx * SEM_TILE;
    const double *query_tile = tree->tiles + first * d;
    double *box = scratch, *points = scratch + 3 * d;
    float *narrow = (float *)(points + SEM_TILE * d);
    SEM_K(sem_dbscan_sums) s;
    s.points = points;
    s.narrow = narrow;
    s.first = first;
    s.active = SEM_K(sem_dbscan_valid)(first, tree->n_points) & ~(uint32_t)w->core[tile_idx];
    if (!s.active)
        return;
    for (int lane = 0; lane < SEM_TILE; lane++)
        s.sum[lane] = s.size[lane] = 0;
    for (uint32_t lanes = s.active; lanes; lanes &= lanes - 1) {
        sem_kd_gather_f64(query_tile, d, SEM_CTZ(lanes), points + SEM_CTZ(lanes) * d);
        if (w->narrow)
            sem_kd_gather_f32(w->narrow + first * d, d, SEM_CTZ(lanes),
                              narrow + SEM_CTZ(lanes) * d);
    }
    sem_kd_tile_box_f64(query_tile, d,
                        (int)(tree->n_points - first < SEM_TILE ? tree->n_points - first
                                                                : SEM_TILE),
                        box);

    int32_t stack[SEM_KD_STACK];
    int depth = 0;
    int32_t node = 0;
    while (tree->nodes[node].right) { /* down to the own leaf, leaving the siblings */
        const int32_t right = tree->nodes[node].right;
        const int goes_right = first >= tree->nodes[right].start;
        const int32_t sibling = goes_right ? node + 1 : right;
        if (sem_kd_box_box_min_f64(box, SEM_K(sem_dbscan_box)(w, sibling, d), d, metric,
                                   tree->p) <= w->rule.possible)
            stack[depth++] = sibling;
        node = goes_right ? right : node + 1;
    }
    stack[depth++] = node;
    while (depth && s.active) {
        node = stack[--depth];
        if (w->tight[node] && sem_kd_box_box_max_f64(box, SEM_K(sem_dbscan_box)(w, node, d), d,
                                                     metric, tree->p) <= w->rule.sure) {
            for (uint32_t lanes = s.active; lanes; lanes &= lanes - 1)
                SEM_K(sem_dbscan_add_node)(w, &s, SEM_CTZ(lanes), node);
        } else if (tree->nodes[node].right) {
            depth = SEM_K(sem_dbscan_descend)(w, box, node, stack, depth, d, metric);
        } else {
            SEM_K(sem_dbscan_count_leaf)(w, &s, query_tile, node, d, metric, doubt);
        }
    }
    for (uint32_t lanes = s.active; lanes; lanes &= lanes - 1) {
        const int lane = SEM_CTZ(lanes);
        const double slack = w->tolerance * (w->is_signed ? s.size[lane] : w->min_samples);
        if (s.sum[lane] - w->min_samples >= slack)
            w->core[tile_idx] |= (uint16_t)(UINT32_C(1) << lane);
        else if (s.sum[lane] - w->min_samples >= -slack)
            w->undecided[tile_idx] |= (uint16_t)(UINT32_C(1) << lane);
    }
}

/* ---- pass 2 -------------------------------------------------------------------------------- */

/* Whether a core point below `root` lies within eps of a point (`sem_dbscan_point_box`). */
SEM_INLINE int SEM_K(sem_dbscan_reaches)(const sem_dbscan *w, const double *box, int32_t root,
                                         const ptrdiff_t d, const int metric, int *doubt)
{
    const sem_kd_tree_f64 *tree = w->tree;
    int32_t stack[SEM_KD_STACK];
    int depth = 0;
    stack[depth++] = root;
    while (depth) {
        const int32_t node = stack[--depth];
        if (w->any_core[node] < 0)
            continue;
        if (w->tight[node] &&
            sem_kd_point_box_max_f64(box, SEM_K(sem_dbscan_box)(w, node, d), d, metric, tree->p) <=
                w->rule.sure)
            return 1;
        if (tree->nodes[node].right) {
            depth = SEM_K(sem_dbscan_descend)(w, box, node, stack, depth, d, metric);
            continue;
        }
        for (ptrdiff_t start = tree->nodes[node].start; start < tree->nodes[node].end;
             start += SEM_TILE) {
            const uint32_t core = w->core[start / SEM_TILE];
            if (core && SEM_K(sem_dbscan_within)(w, start, box, (const float *)(box + 2 * d), core,
                                                 d, metric, doubt))
                return 1;
        }
    }
    return 0;
}

/* Copy a point as a box without extent, which the bounds between boxes take: (2, d), and behind it,
 * in float32, for the filter. */
SEM_INLINE void SEM_K(sem_dbscan_point_box)(const sem_dbscan *w, ptrdiff_t position, double *box,
                                            const ptrdiff_t d)
{
    sem_kd_gather_f64(w->tree->tiles + position / SEM_TILE * SEM_TILE * d, d,
                      (int)(position % SEM_TILE), box);
    memcpy(box + d, box, (size_t)d * sizeof *box);
    if (w->narrow)
        sem_kd_gather_f32(w->narrow + position / SEM_TILE * SEM_TILE * d, d,
                          (int)(position % SEM_TILE), (float *)(box + 2 * d));
}

/* Whether a core point below `a` lies within eps of a core point below `b`. */
SEM_INLINE int SEM_K(sem_dbscan_touch)(const sem_dbscan *w, int32_t a, int32_t b, double *point,
                                       const ptrdiff_t d, const int metric, int *doubt)
{
    const sem_kd_tree_f64 *tree = w->tree;
    int32_t stack[2 * SEM_KD_STACK][2];
    int depth = 0;
    stack[depth][0] = a;
    stack[depth++][1] = b;
    while (depth) {
        a = stack[--depth][0];
        b = stack[depth][1];
        if (w->any_core[a] < 0 || w->any_core[b] < 0)
            continue;
        const double *box_a = SEM_K(sem_dbscan_box)(w, a, d);
        const double *box_b = SEM_K(sem_dbscan_box)(w, b, d);
        if (sem_kd_box_box_max_f64(box_a, box_b, d, metric, tree->p) <= w->rule.sure)
            return 1;
        const sem_kd_node *at_a = tree->nodes + a, *at_b = tree->nodes + b;
        if (!at_a->right && !at_b->right) {
            for (ptrdiff_t i = at_a->start; i < at_a->end; i++) {
                if (!(w->core[i / SEM_TILE] >> (i % SEM_TILE) & 1))
                    continue;
                SEM_K(sem_dbscan_point_box)(w, i, point, d);
                if (sem_kd_point_box_min_f64(point, box_b, d, metric, tree->p) <=
                        w->rule.possible &&
                    SEM_K(sem_dbscan_reaches)(w, point, b, d, metric, doubt))
                    return 1;
            }
            continue;
        }
        /* Split the larger side; the nearer half comes next. */
        const int split_a =
            at_a->right && (!at_b->right || at_a->end - at_a->start >= at_b->end - at_b->start);
        int32_t halves[2];
        const int n_halves = SEM_K(sem_dbscan_descend)(w, split_a ? box_b : box_a,
                                                       split_a ? a : b, halves, 0, d, metric);
        for (int i = 0; i < n_halves; i++) {
            stack[depth][0] = split_a ? halves[i] : a;
            stack[depth++][1] = split_a ? b : halves[i];
        }
    }
    return 0;
}

/* Note whether the core points of a node are known to be one component by now. */
SEM_INLINE int SEM_K(sem_dbscan_is_uniform)(sem_dbscan *w, int32_t node)
{
    if (sem_flag(w->uniform + node))
        return 1;
    const sem_kd_node *at = w->tree->nodes + node;
    const int32_t root = sem_find(w->parent, w->any_core[node]);
    if (at->right) {
        const int32_t children[2] = {node + 1, at->right};
        for (int i = 0; i < 2; i++) {
            const int32_t core = w->any_core[children[i]];
            if (core >= 0 && (!sem_flag(w->uniform + children[i]) ||
                              sem_find(w->parent, core) != root))
                return 0;
        }
    } else {
        for (ptrdiff_t start = at->start; start < at->end; start += SEM_TILE)
            for (uint32_t core = w->core[start / SEM_TILE]; core; core &= core - 1)
                if (sem_find(w->parent, (int32_t)start + SEM_CTZ(core)) != root)
                    return 0;
    }
    sem_raise(w->uniform + node);
    return 1;
}

/* Join the core point at a position to the core points of a leaf that are within eps. */
SEM_INLINE void SEM_K(sem_dbscan_link_leaf)(sem_dbscan *w, int32_t position, const double *point,
                                            int32_t leaf, const ptrdiff_t d, const int metric,
                                            int *doubt)
{
    const sem_kd_node *at = w->tree->nodes + leaf;
    const int uniform = sem_flag(w->uniform + leaf);
    for (ptrdiff_t start = at->start; start < at->end; start += SEM_TILE) {
        const uint32_t core = w->core[start / SEM_TILE];
        if (!core)
            continue;
        uint32_t hits = SEM_K(sem_dbscan_within)(w, start, point, (const float *)(point + 2 * d),
                                                 core, d, metric, doubt);
        for (; hits; hits &= hits - 1) {
            sem_unite(w->parent, position, (int32_t)start + SEM_CTZ(hits));
            if (uniform)
                return;
        }
    }
}

/* Join what is within eps in two units, `b` behind `a` in tree order. */
SEM_INLINE void SEM_K(sem_dbscan_link_pair)(sem_dbscan *w, int32_t a, int32_t b, double *point,
                                            const ptrdiff_t d, const int metric, int *doubt)
{
    const sem_kd_tree_f64 *tree = w->tree;
    const int32_t core_a = w->any_core[a], core_b = w->any_core[b];
    if (w->tight[a] && w->tight[b]) {
        if (sem_find(w->parent, core_a) != sem_find(w->parent, core_b) &&
            SEM_K(sem_dbscan_touch)(w, a, b, point, d, metric, doubt))
            sem_unite(w->parent, core_a, core_b);
        return;
    }
    /* Point by point of a leaf that is not tight. */
    const int32_t leaf = w->tight[a] ? b : a, other = w->tight[a] ? a : b;
    const double *box = SEM_K(sem_dbscan_box)(w, other, d);
    const sem_kd_node *at = tree->nodes + leaf;
    const int32_t core = w->any_core[other];
    for (ptrdiff_t start = at->start; start < at->end; start += SEM_TILE) {
        double nearest[SEM_TILE];
        uint32_t lanes = w->core[start / SEM_TILE];
        if (!lanes)
            continue;
        sem_kd_tile_box_min_f64(tree->tiles + start * d, box, d, metric, tree->p, nearest);
        lanes &= SEM_K(sem_lanes_le)(nearest, w->rule.possible);
        for (; lanes; lanes &= lanes - 1) {
            const int32_t position = (int32_t)start + SEM_CTZ(lanes);
            if (sem_flag(w->uniform + other) &&
                sem_find(w->parent, position) == sem_find(w->parent, core))
                continue;
            SEM_K(sem_dbscan_point_box)(w, position, point, d);
            if (!w->tight[other])
                SEM_K(sem_dbscan_link_leaf)(w, position, point, other, d, metric, doubt);
            else if (SEM_K(sem_dbscan_reaches)(w, point, other, d, metric, doubt))
                sem_unite(w->parent, position, core);
        }
    }
}

/* Find the components within one leaf that is not tight: each point is compared with those that no
 * point before it has reached. Nobody else looks at the leaf meanwhile. */
SEM_INLINE void SEM_K(sem_dbscan_link_inside)(sem_dbscan *w, int32_t leaf, double *point,
                                              const ptrdiff_t d, const int metric, int *doubt)
{
    const sem_kd_node *at = w->tree->nodes + leaf;
    uint64_t todo = 0;
    int n_components = 0;
    for (ptrdiff_t start = at->start; start < at->end; start += SEM_TILE)
        todo |= (uint64_t)w->core[start / SEM_TILE] << (start - at->start);
    for (; todo; n_components++) {
        const int seed = SEM_CTZ64(todo);
        uint64_t reached = UINT64_C(1) << seed;
        todo &= ~reached;
        while (reached && todo) {
            SEM_K(sem_dbscan_point_box)(w, at->start + SEM_CTZ64(reached), point, d);
            reached &= reached - 1;
            for (ptrdiff_t start = at->start; start < at->end; start += SEM_TILE) {
                const int shift = (int)(start - at->start);
                const uint32_t open = (uint32_t)(todo >> shift) & 0xffff;
                if (!open)
                    continue;
                uint32_t hits = SEM_K(sem_dbscan_within)(w, start, point,
                                                         (const float *)(point + 2 * d), open, d,
                                                         metric, doubt);
                reached |= (uint64_t)hits << shift;
                todo &= ~((uint64_t)hits << shift);
                for (; hits; hits &= hits - 1)
                    w->parent[start + SEM_CTZ(hits)] = at->start + seed;
            }
        }
    }
    if (n_components == 1)
        w->uniform[leaf] = 1;
}

SEM_INLINE void SEM_K(sem_dbscan_link_unit)(sem_dbscan *w, int32_t unit, double *scratch,
                                            const ptrdiff_t d, const int metric, int *doubt)
{
    const sem_kd_tree_f64 *tree = w->tree;
    const double *box = SEM_K(sem_dbscan_box)(w, unit, d);
    int32_t stack[SEM_KD_STACK];
    int depth = 0;
    for (int32_t node = 0; node != unit;) { /* down to the unit, leaving what lies behind it */
        const int32_t right = tree->nodes[node].right;
        if (unit < right && sem_kd_box_box_min_f64(box, SEM_K(sem_dbscan_box)(w, right, d), d,
                                                   metric, tree->p) <= w->rule.possible)
            stack[depth++] = right;
        node = unit < right ? node + 1 : right;
    }
    while (depth) {
        const int32_t node = stack[--depth];
        if (w->any_core[node] < 0)
            continue;
        const int is_unit = w->tight[node] || !tree->nodes[node].right;
        if (SEM_K(sem_dbscan_is_uniform)(w, unit) && SEM_K(sem_dbscan_is_uniform)(w, node) &&
            sem_find(w->parent, w->any_core[unit]) == sem_find(w->parent, w->any_core[node]))
            continue;
        if (is_unit)
            SEM_K(sem_dbscan_link_pair)(w, unit, node, scratch, d, metric, doubt);
        else
            depth = SEM_K(sem_dbscan_descend)(w, box, node, stack, depth, d, metric);
    }
}

/* ---- pass 3 -------------------------------------------------------------------------------- */

/* Lower a query's label to the lowest of the core points in `hits`. */
SEM_INLINE void SEM_K(sem_dbscan_lower)(const sem_dbscan *w, ptrdiff_t start, uint32_t hits,
                                        int32_t *best)
{
    for (; hits; hits &= hits - 1) {
        const int32_t label = w->labels[start + SEM_CTZ(hits)];
        *best = label < *best ? label : *best;
    }
}

SEM_INLINE void SEM_K(sem_dbscan_label_leaf)(const sem_dbscan *w, const double *query_tile,
                                             const double *points, const float *narrow,
                                             int32_t leaf, uint32_t lanes, int32_t *best,
                                             const ptrdiff_t d, const int metric, int *doubt)
{
    const sem_kd_node *at = w->tree->nodes + leaf;
    double nearest[SEM_TILE];
    sem_kd_tile_box_min_f64(query_tile, SEM_K(sem_dbscan_box)(w, leaf, d), d, metric, w->tree->p,
                            nearest);
    lanes &= SEM_K(sem_lanes_le)(nearest, w->rule.possible);
    while (metric == SEM_EUCLIDEAN && d > 3 && w->narrow && lanes) {
        int group[4];
        const float *queries[4];
        const int n = SEM_K(sem_dbscan_group)(&lanes, narrow, d, group, queries);
        for (ptrdiff_t start = at->start; start < at->end; start += SEM_TILE) {
            const uint32_t core = w->core[start / SEM_TILE];
            uint32_t sure[4], possible[4];
            if (!core)
                continue;
            SEM_K(sem_dbscan_filter)(w->narrow + start * d, queries, 4, d, w->narrow_sure,
                                     w->narrow_possible, sure, possible);
            for (int q = 0; q < n; q++)
                SEM_K(sem_dbscan_lower)(
                    w, start,
                    SEM_K(sem_dbscan_settle)(w, w->tree->tiles + start * d, points + group[q] * d,
                                             sure[q] & core, possible[q] & core, doubt),
                    best + group[q]);
        }
    }
    for (; lanes; lanes &= lanes - 1) {
        const int lane = SEM_CTZ(lanes);
        for (ptrdiff_t start = at->start; start < at->end && best[lane] > w->min_label[leaf];
             start += SEM_TILE) {
            const uint32_t core = w->core[start / SEM_TILE];
            if (core)
                SEM_K(sem_dbscan_lower)(w, start,
                                        SEM_K(sem_dbscan_within)(w, start, points + lane * d, NULL,
                                                                 core, d, metric, doubt),
                                        best + lane);
        }
    }
}

SEM_INLINE void SEM_K(sem_dbscan_label_tile)(const sem_dbscan *w, const sem_kd_tree_f64 *queries,
                                             uint32_t wanted, ptrdiff_t tile_idx,
                                             int32_t *best, double *scratch, const ptrdiff_t d,
                                             const int metric, int *doubt)
{
    const sem_kd_tree_f64 *tree = w->tree;
    const ptrdiff_t first = tile_idx * SEM_TILE, left = queries->n_points - first;
    const double *query_tile = queries->tiles + first * d;
    double *box = scratch, *points = scratch + 3 * d;
    float *narrow = (float *)(points + SEM_TILE * d);
    sem_kd_tile_box_f64(query_tile, d, (int)(left < SEM_TILE ? left : SEM_TILE), box);
    best += first;
    for (uint32_t lanes = wanted; lanes; lanes &= lanes - 1) {
        best[SEM_CTZ(lanes)] = INT32_MAX;
        sem_kd_gather_f64(query_tile, d, SEM_CTZ(lanes), points + SEM_CTZ(lanes) * d);
        if (w->narrow)
            sem_kd_gather_f32(w->narrow_queries + first * d, d, SEM_CTZ(lanes),
                              narrow + SEM_CTZ(lanes) * d);
    }
    int32_t stack[SEM_KD_STACK];
    int depth = 0;
    if (sem_kd_box_box_min_f64(box, tree->boxes, d, metric, tree->p) <= w->rule.possible)
        stack[depth++] = 0;
    while (depth) {
        const int32_t node = stack[--depth];
        uint32_t open = 0; /* lanes that this node could give a lower label */
        for (uint32_t lanes = wanted; lanes; lanes &= lanes - 1)
            open |= (uint32_t)(best[SEM_CTZ(lanes)] > w->min_label[node]) << SEM_CTZ(lanes);
        if (!open)
            continue;
        if (w->tight[node] && sem_kd_box_box_max_f64(box, SEM_K(sem_dbscan_box)(w, node, d), d,
                                                     metric, tree->p) <= w->rule.sure) {
            for (; open; open &= open - 1)
                best[SEM_CTZ(open)] = w->min_label[node];
        } else if (tree->nodes[node].right) {
            depth = SEM_K(sem_dbscan_descend)(w, box, node, stack, depth, d, metric);
        } else {
            SEM_K(sem_dbscan_label_leaf)(w, query_tile, points, narrow, node, open, best, d,
                                         metric, doubt);
        }
    }
}

/* ---- the loops ----------------------------------------------------------------------------- */

/* Constants for what is common, so that loops over features unroll. */
#ifndef SEM_DBSCAN_EACH
#  define SEM_DBSCAN_EACH(STEP)                                                                    \
      switch (w->tree->metric) {                                                                   \
      case SEM_EUCLIDEAN:                                                                          \
          if (d == 1) STEP(1, SEM_EUCLIDEAN) else if (d == 2) STEP(2, SEM_EUCLIDEAN)               \
          else if (d == 3) STEP(3, SEM_EUCLIDEAN) else STEP(d, SEM_EUCLIDEAN)                      \
          break;                                                                                   \
      case SEM_MANHATTAN: STEP(d, SEM_MANHATTAN) break;                                            \
      case SEM_CHEBYSHEV: STEP(d, SEM_CHEBYSHEV) break;                                            \
      default: STEP(d, SEM_MINKOWSKI)                                                              \
      }
#endif

static SEM_UNUSED int SEM_K(sem_dbscan_count)(sem_dbscan *w, ptrdiff_t first, ptrdiff_t last,
                                              double *scratch)
{
    const ptrdiff_t d = w->tree->n_features;
    int doubt = 0;
#define STEP(D, METRIC)                                                                            \
    {                                                                                              \
        for (ptrdiff_t i = first; i < last; i++)                                                   \
            SEM_K(sem_dbscan_count_tile)(w, i, scratch, D, METRIC, &doubt);                        \
    }
    SEM_DBSCAN_EACH(STEP)
#undef STEP
    return doubt;
}

static SEM_UNUSED int SEM_K(sem_dbscan_inside)(sem_dbscan *w, ptrdiff_t first, ptrdiff_t last,
                                               double *scratch)
{
    const ptrdiff_t d = w->tree->n_features;
    int doubt = 0;
#define STEP(D, METRIC)                                                                            \
    {                                                                                              \
        for (ptrdiff_t i = first; i < last; i++)                                                   \
            if (!w->tight[w->units[i]])                                                            \
                SEM_K(sem_dbscan_link_inside)(w, w->units[i], scratch, D, METRIC, &doubt);         \
    }
    SEM_DBSCAN_EACH(STEP)
#undef STEP
    return doubt;
}

static SEM_UNUSED int SEM_K(sem_dbscan_link)(sem_dbscan *w, ptrdiff_t first, ptrdiff_t last,
                                             double *scratch)
{
    const ptrdiff_t d = w->tree->n_features;
    int doubt = 0;
#define STEP(D, METRIC)                                                                            \
    {                                                                                              \
        for (ptrdiff_t i = first; i < last; i++)                                                   \
            SEM_K(sem_dbscan_link_unit)(w, w->units[i], scratch, D, METRIC, &doubt);               \
    }
    SEM_DBSCAN_EACH(STEP)
#undef STEP
    return doubt;
}

static SEM_UNUSED int SEM_K(sem_dbscan_label)(sem_dbscan *w, const sem_kd_tree_f64 *queries,
                                              const uint16_t *wanted, ptrdiff_t first,
                                              ptrdiff_t last, int32_t *best, double *scratch)
{
    const ptrdiff_t d = w->tree->n_features;
    int doubt = 0;
#define STEP(D, METRIC)                                                                            \
    {                                                                                              \
        for (ptrdiff_t i = first; i < last; i++)                                                   \
            if (wanted[i])                                                                         \
                SEM_K(sem_dbscan_label_tile)(w, queries, wanted[i], i, best, scratch, D, METRIC,   \
                                             &doubt);                                              \
    }
    SEM_DBSCAN_EACH(STEP)
#undef STEP
    return doubt;
}

#endif
