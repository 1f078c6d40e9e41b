/* Body of sem_kd_build.h for one floating type (see there). */

typedef struct {
    SEM_REAL key;
    int32_t row;
    int32_t from; /* where the point stands, relative to the node's first position */
} SEM_T(sem_kd_item);

/* What the build works on. A node's points stand in one of two buffers (`sem_kd_span.buffer`) and
 * move to the other when it is split. */
typedef struct {
    ptrdiff_t n_points;
    ptrdiff_t n_features;
    ptrdiff_t leaf_size;
    SEM_REAL *points[2];        /* (n_points, n_features) */
    int32_t *rows;              /* (n_points,): ends as the tree's perm */
    SEM_T(sem_kd_item) * items; /* (n_points,): scratch */
    SEM_T(sem_kd_item) * spare; /* (n_points,): scratch */
    SEM_REAL *tiles;
    SEM_REAL *boxes;
    sem_kd_node *nodes;
} SEM_T(sem_kd_build);

SEM_INLINE int SEM_T(sem_kd_before)(SEM_T(sem_kd_item) a, SEM_T(sem_kd_item) b)
{
    return (a.key < b.key) | ((a.key == b.key) & (a.row < b.row));
}

/* Move the items before or equal to `pivot` to the front, return how many: no branch on data. The
 * others pass through `spare`; swapping them in place would read what was just written, and wait. */
static SEM_UNUSED ptrdiff_t SEM_T(sem_kd_partition)(SEM_T(sem_kd_item) * items,
                                                    SEM_T(sem_kd_item) * spare, ptrdiff_t n,
                                                    SEM_T(sem_kd_item) pivot)
{
    ptrdiff_t n_front = 0, n_back = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const SEM_T(sem_kd_item) item = items[i];
        const int back = SEM_T(sem_kd_before)(pivot, item);
        items[n_front] = item;
        spare[n_back] = item;
        n_front += !back;
        n_back += back;
    }
    memcpy(items + n_front, spare, (size_t)n_back * sizeof *items);
    return n_front;
}

static SEM_UNUSED void SEM_T(sem_kd_sort_items)(SEM_T(sem_kd_item) * items, ptrdiff_t n)
{
    for (ptrdiff_t i = 1; i < n; i++) {
        const SEM_T(sem_kd_item) item = items[i];
        ptrdiff_t j = i;
        for (; j > 0 && SEM_T(sem_kd_before)(item, items[j - 1]); j--)
            items[j] = items[j - 1];
        items[j] = item;
    }
}

/* Arrange the items so that the `target` smallest stand first. Pivots come from a sample at the
 * rank that is sought; the sample's places are scattered by a fixed multiplier, so that no ordinary
 * pattern in the data meets them. */
static SEM_UNUSED void SEM_T(sem_kd_select)(SEM_T(sem_kd_item) * items,
                                            SEM_T(sem_kd_item) * spare, ptrdiff_t n,
                                            ptrdiff_t target)
{
    enum { N_SAMPLE = 25, SMALL = 48 };
    uint64_t scatter = 0x9E3779B97F4A7C15u;
    while (n > SMALL && target > 0 && target < n) {
        SEM_T(sem_kd_item) sample[N_SAMPLE];
        for (int s = 0; s < N_SAMPLE; s++) {
            scatter = scatter * 6364136223846793005u + 1442695040888963407u;
            sample[s] = items[(scatter >> 33) % (uint64_t)n];
        }
        SEM_T(sem_kd_sort_items)(sample, N_SAMPLE);
        ptrdiff_t rank = (ptrdiff_t)((double)target / (double)n * (N_SAMPLE - 1) + 0.5);
        const ptrdiff_t n_front = SEM_T(sem_kd_partition)(items, spare, n, sample[rank]);
        if (n_front == n) {
            /* The pivot is the largest item: put it last, and go on without it. */
            for (ptrdiff_t i = 0; i < n; i++)
                if (items[i].row == sample[rank].row) {
                    const SEM_T(sem_kd_item) item = items[i];
                    items[i] = items[n - 1];
                    items[n - 1] = item;
                    break;
                }
            n--;
        } else if (target <= n_front) {
            n = n_front;
        } else {
            items += n_front;
            n -= n_front;
            target -= n_front;
        }
    }
    if (target > 0 && target < n)
        SEM_T(sem_kd_sort_items)(items, n);
}

/* Open the node of a range of points: positions and an empty box. */
SEM_INLINE void SEM_T(sem_kd_open)(SEM_T(sem_kd_build) * build, sem_kd_span span)
{
    const ptrdiff_t d = build->n_features, stop = span.last * build->leaf_size;
    SEM_REAL *lo = build->boxes + (ptrdiff_t)span.node * 2 * d, *hi = lo + d;
    sem_kd_node *node = build->nodes + span.node;
    node->right = 0;
    node->start = (int32_t)(span.first * build->leaf_size);
    node->end = (int32_t)(stop < build->n_points ? stop : build->n_points);
    node->min_row = INT32_MAX;
    for (ptrdiff_t f = 0; f < d; f++) {
        lo[f] = (SEM_REAL)INFINITY;
        hi[f] = -(SEM_REAL)INFINITY;
    }
}

/* Append `items`' points to `to`, their rows to `rows`, and widen the node's box around them. */
SEM_INLINE void SEM_T(sem_kd_move)(const SEM_REAL *from, SEM_REAL *to, int32_t *rows,
                                   const SEM_T(sem_kd_item) * items, ptrdiff_t n,
                                   const ptrdiff_t d, SEM_REAL *lo, SEM_REAL *hi,
                                   int32_t *node_min_row)
{
    SEM_REAL low[4], high[4];
    int32_t min_row = INT32_MAX;
    if (d <= 3)
        for (ptrdiff_t f = 0; f < d; f++) {
            low[f] = lo[f];
            high[f] = hi[f];
        }
    for (ptrdiff_t i = 0; i < n; i++) {
        const SEM_REAL *x = from + (ptrdiff_t)items[i].from * d;
        rows[i] = items[i].row;
        min_row = items[i].row < min_row ? items[i].row : min_row;
        for (ptrdiff_t f = 0; f < d; f++) {
            const SEM_REAL v = x[f];
            to[i * d + f] = v;
            if (d <= 3) {
                low[f] = v < low[f] ? v : low[f];
                high[f] = v > high[f] ? v : high[f];
            } else {
                lo[f] = v < lo[f] ? v : lo[f];
                hi[f] = v > hi[f] ? v : hi[f];
            }
        }
    }
    if (d <= 3)
        for (ptrdiff_t f = 0; f < d; f++) {
            lo[f] = low[f];
            hi[f] = high[f];
        }
    *node_min_row = min_row;
}

/* Transpose a leaf's points into its tiles; lanes without a point get +infinity. */
SEM_INLINE void SEM_T(sem_kd_fill_leaf)(SEM_T(sem_kd_build) * build, const sem_kd_node *leaf,
                                        const SEM_REAL *points, const ptrdiff_t d)
{
    for (ptrdiff_t start = leaf->start; start < leaf->end; start += SEM_TILE) {
        SEM_REAL *tile = build->tiles + start * d;
        const SEM_REAL *x = points + start * d;
        const ptrdiff_t left = leaf->end - start;
        const int count = left < SEM_TILE ? (int)left : SEM_TILE;
        for (ptrdiff_t f = 0; f < d; f++) {
            for (int lane = 0; lane < count; lane++)
                tile[f * SEM_TILE + lane] = x[lane * d + f];
            for (int lane = count; lane < SEM_TILE; lane++)
                tile[f * SEM_TILE + lane] = (SEM_REAL)INFINITY;
        }
    }
}

/* Where to split: how many points go left. The items are arranged for it. */
static SEM_UNUSED ptrdiff_t SEM_T(sem_kd_choose)(SEM_T(sem_kd_build) * build, sem_kd_span span,
                                                 const SEM_REAL *points)
{
    const ptrdiff_t d = build->n_features, leaf_size = build->leaf_size;
    const sem_kd_node *node = build->nodes + span.node;
    const SEM_REAL *lo = build->boxes + (ptrdiff_t)span.node * 2 * d, *hi = lo + d;
    const ptrdiff_t n = node->end - node->start, n_leaves = span.last - span.first;
    SEM_T(sem_kd_item) *items = build->items + node->start;
    SEM_T(sem_kd_item) *spare = build->spare + node->start;
    const int32_t *rows = build->rows + node->start;

    ptrdiff_t widest = 0;
    for (ptrdiff_t f = 1; f < d; f++)
        if (hi[f] - lo[f] > hi[widest] - lo[widest])
            widest = f;
    const SEM_REAL middle = lo[widest] / 2 + hi[widest] / 2;
    ptrdiff_t n_below = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        items[i].key = points[i * d + widest];
        items[i].row = rows[i];
        items[i].from = (int32_t)i;
        n_below += items[i].key <= middle;
    }
    ptrdiff_t n_left = (n_below + leaf_size / 2) / leaf_size;
    const ptrdiff_t fewest = (n_leaves + 3) / 4;
    n_left = n_left < fewest ? fewest : n_left > n_leaves - fewest ? n_leaves - fewest : n_left;
    if (hi[widest] == lo[widest])
        n_left = n_leaves / 2;
    const ptrdiff_t target = n_left * leaf_size;
    if (n_below == n || n_below == 0) {
        SEM_T(sem_kd_select)(items, spare, n, target);
        return target;
    }
    const SEM_T(sem_kd_item) at_middle = {middle, INT32_MAX, 0};
    n_below = SEM_T(sem_kd_partition)(items, spare, n, at_middle);
    if (target < n_below)
        SEM_T(sem_kd_select)(items, spare, n_below, target);
    else
        SEM_T(sem_kd_select)(items + n_below, spare, n - n_below, target - n_below);
    return target;
}

/* Split an open node: its points move to the other buffer, its children are opened. A leaf's go to
 * their tiles. Returns whether there are children. */
SEM_INLINE int SEM_T(sem_kd_split_d)(SEM_T(sem_kd_build) * build, sem_kd_span span,
                                     sem_kd_span *left, sem_kd_span *right, const ptrdiff_t d)
{
    sem_kd_node *node = build->nodes + span.node;
    const SEM_REAL *points = build->points[span.buffer];
    if (span.last - span.first == 1) {
        SEM_T(sem_kd_fill_leaf)(build, node, points, d);
        return 0;
    }
    const ptrdiff_t start = node->start, n = node->end - start;
    const ptrdiff_t target = SEM_T(sem_kd_choose)(build, span, points + start * d);
    const int32_t n_left = (int32_t)(target / build->leaf_size);
    node->right = span.node + 2 * n_left;
    left->node = span.node + 1;
    left->first = span.first;
    left->last = right->first = span.first + n_left;
    right->node = node->right;
    right->last = span.last;
    left->buffer = right->buffer = 1 - span.buffer;
    SEM_T(sem_kd_open)(build, *left);
    SEM_T(sem_kd_open)(build, *right);
    SEM_REAL *to = build->points[1 - span.buffer] + start * d;
    SEM_REAL *box = build->boxes + (ptrdiff_t)left->node * 2 * d;
    SEM_T(sem_kd_move)(points + start * d, to, build->rows + start, build->items + start, target, d,
                       box, box + d, &build->nodes[left->node].min_row);
    box = build->boxes + (ptrdiff_t)right->node * 2 * d;
    SEM_T(sem_kd_move)(points + start * d, to + target * d, build->rows + start + target,
                       build->items + start + target, n - target, d, box, box + d,
                       &build->nodes[right->node].min_row);
    return 1;
}

static SEM_UNUSED int SEM_T(sem_kd_split)(SEM_T(sem_kd_build) * build, sem_kd_span span,
                                          sem_kd_span *left, sem_kd_span *right)
{
    switch (build->n_features) {
    case 1:
        return SEM_T(sem_kd_split_d)(build, span, left, right, 1);
    case 2:
        return SEM_T(sem_kd_split_d)(build, span, left, right, 2);
    case 3:
        return SEM_T(sem_kd_split_d)(build, span, left, right, 3);
    default:
        return SEM_T(sem_kd_split_d)(build, span, left, right, build->n_features);
    }
}

/* Open the root: its box is the box of all points, which stand in buffer 0. */
static SEM_UNUSED void SEM_T(sem_kd_open_root)(SEM_T(sem_kd_build) * build, sem_kd_span root)
{
    const ptrdiff_t d = build->n_features;
    SEM_REAL *lo = build->boxes, *hi = lo + d;
    SEM_T(sem_kd_open)(build, root);
    build->nodes[0].min_row = 0;
    for (ptrdiff_t i = 0; i < build->n_points; i++) {
        const SEM_REAL *x = build->points[0] + i * d;
        for (ptrdiff_t f = 0; f < d; f++) {
            lo[f] = x[f] < lo[f] ? x[f] : lo[f];
            hi[f] = x[f] > hi[f] ? x[f] : hi[f];
        }
    }
}

/* Build the whole subtree of `span`, which is open. */
static SEM_UNUSED void SEM_T(sem_kd_build_subtree)(SEM_T(sem_kd_build) * build, sem_kd_span span)
{
    sem_kd_span stack[SEM_KD_STACK];
    int depth = 0;
    stack[depth++] = span;
    while (depth) {
        span = stack[--depth];
        if (SEM_T(sem_kd_split)(build, span, stack + depth + 1, stack + depth))
            depth += 2;
    }
}
