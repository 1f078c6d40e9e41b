/* Body of sem_kd_build.h for one floating type (see there). */

typedef struct {
    SEM_REAL key;
    int32_t row;
    int32_t from; /* where the point stands, relative to the node's first position */
} SEM_T(sem_kd_item);

/* What the build works on; `points`, `rows` are permuted into tree order, the rest is scratch. */
typedef struct {
    ptrdiff_t n_points;
    ptrdiff_t n_features;
    ptrdiff_t leaf_size;
    SEM_REAL *points;        /* (n_points, n_features) */
    SEM_REAL *moved;         /* (n_points, n_features) */
    int32_t *rows;           /* (n_points,) */
    SEM_T(sem_kd_item) * items; /* (n_points,) */
    SEM_REAL *boxes;
    sem_kd_node *nodes;
} SEM_T(sem_kd_build);

SEM_INLINE int SEM_T(sem_kd_before)(SEM_T(sem_kd_item) a, SEM_T(sem_kd_item) b)
{
    return (a.key < b.key) | ((a.key == b.key) & (a.row < b.row));
}

/* Move the items before or equal to `pivot` to the front, return how many: no branch on data. */
static SEM_UNUSED ptrdiff_t SEM_T(sem_kd_partition)(SEM_T(sem_kd_item) * items, ptrdiff_t n,
                                                    SEM_T(sem_kd_item) pivot)
{
    ptrdiff_t n_front = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const SEM_T(sem_kd_item) item = items[i];
        items[i] = items[n_front];
        items[n_front] = item;
        n_front += !SEM_T(sem_kd_before)(pivot, item);
    }
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
static SEM_UNUSED void SEM_T(sem_kd_select)(SEM_T(sem_kd_item) * items, ptrdiff_t n,
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
        const ptrdiff_t n_front = SEM_T(sem_kd_partition)(items, n, sample[rank]);
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

/* Fill in the node of `span`: box, smallest row, positions; for an inner node also permute its
 * points around the split. Return the first leaf of the right child, 0 for a leaf. */
static SEM_UNUSED ptrdiff_t SEM_T(sem_kd_split)(SEM_T(sem_kd_build) * build, sem_kd_span span)
{
    const ptrdiff_t d = build->n_features, leaf_size = build->leaf_size;
    const ptrdiff_t start = span.first * leaf_size;
    const ptrdiff_t stop = span.last * leaf_size;
    const ptrdiff_t end = stop < build->n_points ? stop : build->n_points;
    const ptrdiff_t n = end - start, n_leaves = span.last - span.first;
    SEM_REAL *points = build->points + start * d, *moved = build->moved + start * d;
    int32_t *rows = build->rows + start;
    SEM_REAL *lo = build->boxes + (ptrdiff_t)span.node * 2 * d, *hi = lo + d;
    sem_kd_node *node = build->nodes + span.node;

    memcpy(lo, points, (size_t)d * sizeof *lo);
    memcpy(hi, points, (size_t)d * sizeof *hi);
    int32_t min_row = rows[0];
    for (ptrdiff_t i = 1; i < n; i++) {
        const SEM_REAL *x = points + i * d;
        for (ptrdiff_t f = 0; f < d; f++) {
            lo[f] = x[f] < lo[f] ? x[f] : lo[f];
            hi[f] = x[f] > hi[f] ? x[f] : hi[f];
        }
        min_row = rows[i] < min_row ? rows[i] : min_row;
    }
    node->start = (int32_t)start;
    node->end = (int32_t)end;
    node->min_row = min_row;
    node->right = 0;
    if (n_leaves == 1)
        return 0;

    ptrdiff_t widest = 0;
    for (ptrdiff_t f = 1; f < d; f++)
        if (hi[f] - lo[f] > hi[widest] - lo[widest])
            widest = f;
    const SEM_REAL middle = lo[widest] / 2 + hi[widest] / 2;
    SEM_T(sem_kd_item) *items = build->items + start;
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
    const SEM_T(sem_kd_item) at_middle = {middle, INT32_MAX, 0};
    if (n_below == n || n_below == 0) {
        SEM_T(sem_kd_select)(items, n, target);
    } else {
        n_below = SEM_T(sem_kd_partition)(items, n, at_middle);
        if (target < n_below)
            SEM_T(sem_kd_select)(items, n_below, target);
        else
            SEM_T(sem_kd_select)(items + n_below, n - n_below, target - n_below);
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        const SEM_REAL *from = points + (ptrdiff_t)items[i].from * d;
        for (ptrdiff_t f = 0; f < d; f++)
            moved[i * d + f] = from[f];
        rows[i] = items[i].row;
    }
    memcpy(points, moved, (size_t)(n * d) * sizeof *points);
    node->right = (int32_t)(span.node + 2 * n_left);
    return span.first + n_left;
}

SEM_INLINE void SEM_T(sem_kd_children)(sem_kd_span span, ptrdiff_t middle, sem_kd_span *left,
                                       sem_kd_span *right)
{
    left->node = span.node + 1;
    left->first = span.first;
    left->last = right->first = (int32_t)middle;
    right->node = (int32_t)(span.node + 2 * (middle - span.first));
    right->last = span.last;
}

/* Split one node; return whether it has children. */
static SEM_UNUSED int SEM_T(sem_kd_split_once)(SEM_T(sem_kd_build) * build, sem_kd_span span,
                                               sem_kd_span *left, sem_kd_span *right)
{
    const ptrdiff_t middle = SEM_T(sem_kd_split)(build, span);
    if (middle)
        SEM_T(sem_kd_children)(span, middle, left, right);
    return middle != 0;
}

/* Build the whole subtree of `span`. */
static SEM_UNUSED void SEM_T(sem_kd_build_subtree)(SEM_T(sem_kd_build) * build, sem_kd_span span)
{
    sem_kd_span stack[SEM_KD_STACK];
    int depth = 0;
    stack[depth++] = span;
    while (depth) {
        span = stack[--depth];
        const ptrdiff_t middle = SEM_T(sem_kd_split)(build, span);
        if (middle) {
            SEM_T(sem_kd_children)(span, middle, stack + depth + 1, stack + depth);
            depth += 2;
        }
    }
}

/* Transpose the points of tiles [first, last) into place; lanes without a point get +infinity. */
static SEM_UNUSED void SEM_T(sem_kd_fill_tiles)(const SEM_REAL *points, ptrdiff_t n_points,
                                                ptrdiff_t d, ptrdiff_t first, ptrdiff_t last,
                                                SEM_REAL *tiles)
{
    for (ptrdiff_t t = first; t < last; t++) {
        SEM_REAL *tile = tiles + t * d * SEM_TILE;
        const SEM_REAL *x = points + t * SEM_TILE * d;
        const ptrdiff_t left = n_points - t * SEM_TILE;
        const int count = left < SEM_TILE ? (int)left : SEM_TILE;
        for (ptrdiff_t f = 0; f < d; f++) {
            for (int lane = 0; lane < count; lane++)
                tile[f * SEM_TILE + lane] = x[lane * d + f];
            for (int lane = count; lane < SEM_TILE; lane++)
                tile[f * SEM_TILE + lane] = (SEM_REAL)INFINITY;
        }
    }
}
