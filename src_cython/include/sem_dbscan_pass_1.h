/* DBSCAN, pass 1: the weight within eps of each point, and so the core points.
 * Part of sem_dbscan_body.h, for one instruction set. */

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
