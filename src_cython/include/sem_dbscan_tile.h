/* DBSCAN: which points of a tile, and which boxes of the tree, lie within eps.
 * Part of sem_dbscan_body.h, for one instruction set. */

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
