/* Body of sem_kd_tree.h for one floating type: SEM_REAL, SEM_T(name). No include guard: included
 * once per type. `d` and `metric` are arguments so that a caller that passes constants gets
 * unrolled, branch-free loops. */

typedef struct {
    ptrdiff_t n_points;
    ptrdiff_t n_features;
    ptrdiff_t n_tiles;
    ptrdiff_t n_nodes;
    ptrdiff_t leaf_size;
    int metric; /* SEM_EUCLIDEAN, ... */
    double p;   /* the exponent of SEM_MINKOWSKI */
    const SEM_REAL *tiles;    /* (n_tiles, n_features, SEM_TILE) */
    const SEM_REAL *boxes;    /* (n_nodes, 2, n_features): lower sides, upper sides */
    const sem_kd_node *nodes; /* (n_nodes,) in preorder */
    const int32_t *perm;      /* (n_points,): position -> row */
} SEM_T(sem_kd_tree);

/* Add the difference of one feature to a reduced distance. */
SEM_INLINE SEM_REAL SEM_T(sem_kd_add)(SEM_REAL sum, SEM_REAL diff, const int metric, const double p)
{
    if (metric == SEM_EUCLIDEAN)
        return sum + diff * diff;
    diff = diff < 0 ? -diff : diff;
    if (metric == SEM_MANHATTAN)
        return sum + diff;
    if (metric == SEM_CHEBYSHEV)
        return sum > diff ? sum : diff;
    return (SEM_REAL)(sum + pow(diff, p));
}

/* Distance of a reduced distance. */
SEM_INLINE SEM_REAL SEM_T(sem_kd_unreduce)(SEM_REAL reduced, const int metric, const double p)
{
    if (metric == SEM_EUCLIDEAN)
        return (SEM_REAL)(sizeof(SEM_REAL) == 4 ? sqrtf((float)reduced) : sqrt((double)reduced));
    return metric == SEM_MINKOWSKI ? (SEM_REAL)pow(reduced, 1.0 / p) : reduced;
}

/* Reduced distance of a distance (rounded: compare in one space only, or leave a margin). */
SEM_INLINE SEM_REAL SEM_T(sem_kd_reduce)(SEM_REAL distance, const int metric, const double p)
{
    if (metric == SEM_EUCLIDEAN)
        return distance * distance;
    return metric == SEM_MINKOWSKI ? (SEM_REAL)pow(distance, p) : distance;
}

/* Slack of a lower bound: see the note on Minkowski at the head of sem_kd_tree.h. */
SEM_INLINE SEM_REAL SEM_T(sem_kd_slacken)(SEM_REAL bound, const int metric)
{
    const SEM_REAL slack = sizeof(SEM_REAL) == 4 ? (SEM_REAL)1e-6 : (SEM_REAL)1e-14;
    return metric == SEM_MINKOWSKI ? bound * (1 - slack) : bound;
}

/* Reduced distance between a point (contiguous features) and each lane of a tile. */
SEM_INLINE void SEM_T(sem_kd_tile_distances)(const SEM_REAL *tile, const SEM_REAL *point,
                                             const ptrdiff_t d, const int metric, const double p,
                                             SEM_REAL *out)
{
    if (d == 1) {
        for (int lane = 0; lane < SEM_TILE; lane++)
            out[lane] = SEM_T(sem_kd_add)(0, tile[lane] - point[0], metric, p);
    } else if (d == 2) {
        const SEM_REAL x = point[0], y = point[1];
        for (int lane = 0; lane < SEM_TILE; lane++) {
            SEM_REAL sum = SEM_T(sem_kd_add)(0, tile[lane] - x, metric, p);
            out[lane] = SEM_T(sem_kd_add)(sum, tile[SEM_TILE + lane] - y, metric, p);
        }
    } else if (d == 3) {
        const SEM_REAL x = point[0], y = point[1], z = point[2];
        for (int lane = 0; lane < SEM_TILE; lane++) {
            SEM_REAL sum = SEM_T(sem_kd_add)(0, tile[lane] - x, metric, p);
            sum = SEM_T(sem_kd_add)(sum, tile[SEM_TILE + lane] - y, metric, p);
            out[lane] = SEM_T(sem_kd_add)(sum, tile[2 * SEM_TILE + lane] - z, metric, p);
        }
    } else {
        ptrdiff_t f = 0;
        for (int lane = 0; lane < SEM_TILE; lane++)
            out[lane] = 0;
        for (; f + 4 <= d; f += 4) {
            const SEM_REAL *t = tile + f * SEM_TILE;
            const SEM_REAL a = point[f], b = point[f + 1], c = point[f + 2], e = point[f + 3];
            for (int lane = 0; lane < SEM_TILE; lane++) {
                SEM_REAL sum = SEM_T(sem_kd_add)(out[lane], t[lane] - a, metric, p);
                sum = SEM_T(sem_kd_add)(sum, t[SEM_TILE + lane] - b, metric, p);
                sum = SEM_T(sem_kd_add)(sum, t[2 * SEM_TILE + lane] - c, metric, p);
                out[lane] = SEM_T(sem_kd_add)(sum, t[3 * SEM_TILE + lane] - e, metric, p);
            }
        }
        for (; f < d; f++) {
            const SEM_REAL *t = tile + f * SEM_TILE;
            const SEM_REAL a = point[f];
            for (int lane = 0; lane < SEM_TILE; lane++)
                out[lane] = SEM_T(sem_kd_add)(out[lane], t[lane] - a, metric, p);
        }
    }
}

/* How far x lies outside [lo, hi]; 0 inside. */
SEM_INLINE SEM_REAL SEM_T(sem_kd_outside)(SEM_REAL x, SEM_REAL lo, SEM_REAL hi)
{
    const SEM_REAL below = lo - x, above = x - hi;
    const SEM_REAL gap = below > above ? below : above;
    return gap > 0 ? gap : 0;
}

/* Lower bound of the reduced distance between each lane of a tile and the points of a box. */
SEM_INLINE void SEM_T(sem_kd_tile_box_min)(const SEM_REAL *tile, const SEM_REAL *box,
                                           const ptrdiff_t d, const int metric, const double p,
                                           SEM_REAL *out)
{
    if (d <= 3) {
        for (int lane = 0; lane < SEM_TILE; lane++) {
            SEM_REAL sum = SEM_T(sem_kd_add)(
                0, SEM_T(sem_kd_outside)(tile[lane], box[0], box[d]), metric, p);
            if (d > 1)
                sum = SEM_T(sem_kd_add)(
                    sum, SEM_T(sem_kd_outside)(tile[SEM_TILE + lane], box[1], box[d + 1]), metric,
                    p);
            if (d > 2)
                sum = SEM_T(sem_kd_add)(
                    sum, SEM_T(sem_kd_outside)(tile[2 * SEM_TILE + lane], box[2], box[d + 2]),
                    metric, p);
            out[lane] = SEM_T(sem_kd_slacken)(sum, metric);
        }
        return;
    }
    for (int lane = 0; lane < SEM_TILE; lane++)
        out[lane] = 0;
    for (ptrdiff_t f = 0; f < d; f++) {
        const SEM_REAL *t = tile + f * SEM_TILE;
        const SEM_REAL lo = box[f], hi = box[d + f];
        for (int lane = 0; lane < SEM_TILE; lane++)
            out[lane] =
                SEM_T(sem_kd_add)(out[lane], SEM_T(sem_kd_outside)(t[lane], lo, hi), metric, p);
    }
    for (int lane = 0; lane < SEM_TILE; lane++)
        out[lane] = SEM_T(sem_kd_slacken)(out[lane], metric);
}

/* Lower bound of the reduced distance between a point (contiguous) and the points of a box. */
SEM_INLINE SEM_REAL SEM_T(sem_kd_point_box_min)(const SEM_REAL *point, const SEM_REAL *box,
                                                const ptrdiff_t d, const int metric,
                                                const double p)
{
    SEM_REAL sum = 0;
    for (ptrdiff_t f = 0; f < d; f++)
        sum = SEM_T(sem_kd_add)(sum, SEM_T(sem_kd_outside)(point[f], box[f], box[d + f]), metric,
                                p);
    return SEM_T(sem_kd_slacken)(sum, metric);
}

/* Upper bound of the reduced distance between a point (contiguous) and the points of a box. */
SEM_INLINE SEM_REAL SEM_T(sem_kd_point_box_max)(const SEM_REAL *point, const SEM_REAL *box,
                                                const ptrdiff_t d, const int metric,
                                                const double p)
{
    SEM_REAL sum = 0;
    for (ptrdiff_t f = 0; f < d; f++) {
        const SEM_REAL below = point[f] - box[f], above = box[d + f] - point[f];
        sum = SEM_T(sem_kd_add)(sum, below > above ? below : above, metric, p);
    }
    return metric == SEM_MINKOWSKI ? 2 * sum - SEM_T(sem_kd_slacken)(sum, metric) : sum;
}

/* Lower bound of the reduced distance between the points of two boxes. */
SEM_INLINE SEM_REAL SEM_T(sem_kd_box_box_min)(const SEM_REAL *a, const SEM_REAL *b,
                                              const ptrdiff_t d, const int metric, const double p)
{
    SEM_REAL sum = 0;
    for (ptrdiff_t f = 0; f < d; f++) {
        const SEM_REAL below = a[f] - b[d + f], above = b[f] - a[d + f];
        const SEM_REAL gap = below > above ? below : above;
        sum = SEM_T(sem_kd_add)(sum, gap > 0 ? gap : 0, metric, p);
    }
    return SEM_T(sem_kd_slacken)(sum, metric);
}

/* Upper bound of the reduced distance between the points of two boxes (a == b: the diagonal). */
SEM_INLINE SEM_REAL SEM_T(sem_kd_box_box_max)(const SEM_REAL *a, const SEM_REAL *b,
                                              const ptrdiff_t d, const int metric, const double p)
{
    SEM_REAL sum = 0;
    for (ptrdiff_t f = 0; f < d; f++) {
        const SEM_REAL below = a[d + f] - b[f], above = b[d + f] - a[f];
        sum = SEM_T(sem_kd_add)(sum, below > above ? below : above, metric, p);
    }
    return metric == SEM_MINKOWSKI ? 2 * sum - SEM_T(sem_kd_slacken)(sum, metric) : sum;
}

/* Bounding box of the first `count` lanes of a tile. */
SEM_INLINE void SEM_T(sem_kd_tile_box)(const SEM_REAL *tile, const ptrdiff_t d, int count,
                                       SEM_REAL *box)
{
    for (ptrdiff_t f = 0; f < d; f++) {
        const SEM_REAL *t = tile + f * SEM_TILE;
        SEM_REAL lo = t[0], hi = t[0];
        for (int lane = 1; lane < count; lane++) {
            lo = t[lane] < lo ? t[lane] : lo;
            hi = t[lane] > hi ? t[lane] : hi;
        }
        box[f] = lo;
        box[d + f] = hi;
    }
}

/* Copy the point of one lane into contiguous features. */
SEM_INLINE void SEM_T(sem_kd_gather)(const SEM_REAL *tile, const ptrdiff_t d, int lane,
                                     SEM_REAL *point)
{
    for (ptrdiff_t f = 0; f < d; f++)
        point[f] = tile[f * SEM_TILE + lane];
}
