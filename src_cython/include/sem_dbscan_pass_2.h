/* DBSCAN, pass 2: core points within eps of each other join their clusters.
 * Part of sem_dbscan_body.h, for one instruction set. */

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
