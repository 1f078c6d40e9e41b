/* DBSCAN, pass 3: the lowest cluster with a core point within eps of each query.
 * Part of sem_dbscan_body.h, for one instruction set. */

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
