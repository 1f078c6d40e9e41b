/* SIMD vectors of the instruction set and floating type being compiled, and the loops over the
 * lanes of a tile that are built on them. Included inside sem_per_isa.h bodies, hence no guard.
 *
 * Plain loops would do for two or three features; for more, compilers keep the sums in memory or
 * fall back to scalar code with branches. The sums are the same as sem_kd_tile_distances', bit for
 * bit: features in order, no FMA.
 */

#undef SEM_WIDTH
#undef SEM_OP
#undef SEM_VEC

#if defined(__AVX512F__) && SEM_IS_FLOAT
#  define SEM_WIDTH 16
#  define SEM_VEC __m512
#  define SEM_OP(name) _mm512_##name##_ps
#elif defined(__AVX512F__)
#  define SEM_WIDTH 8
#  define SEM_VEC __m512d
#  define SEM_OP(name) _mm512_##name##_pd
#elif defined(__AVX2__) && SEM_IS_FLOAT
#  define SEM_WIDTH 8
#  define SEM_VEC __m256
#  define SEM_OP(name) _mm256_##name##_ps
#elif defined(__AVX2__)
#  define SEM_WIDTH 4
#  define SEM_VEC __m256d
#  define SEM_OP(name) _mm256_##name##_pd
#elif defined(__SSE2__) && SEM_IS_FLOAT
#  define SEM_WIDTH 4
#  define SEM_VEC __m128
#  define SEM_OP(name) _mm_##name##_ps
#elif defined(__SSE2__)
#  define SEM_WIDTH 2
#  define SEM_VEC __m128d
#  define SEM_OP(name) _mm_##name##_pd
#else
#  define SEM_WIDTH 1
#  define SEM_VEC SEM_REAL
#endif

#if SEM_WIDTH == 1
SEM_INLINE SEM_REAL SEM_K(sem_load)(const SEM_REAL *at) { return *at; }
SEM_INLINE void SEM_K(sem_store)(SEM_REAL *at, SEM_REAL v) { *at = v; }
SEM_INLINE SEM_REAL SEM_K(sem_set)(SEM_REAL x) { return x; }
SEM_INLINE SEM_REAL SEM_K(sem_plus)(SEM_REAL a, SEM_REAL b) { return a + b; }
SEM_INLINE SEM_REAL SEM_K(sem_minus)(SEM_REAL a, SEM_REAL b) { return a - b; }
SEM_INLINE SEM_REAL SEM_K(sem_times)(SEM_REAL a, SEM_REAL b) { return a * b; }
SEM_INLINE SEM_REAL SEM_K(sem_larger)(SEM_REAL a, SEM_REAL b) { return a > b ? a : b; }
SEM_INLINE uint32_t SEM_K(sem_le)(SEM_REAL a, SEM_REAL b) { return a <= b; }
#else
SEM_INLINE SEM_VEC SEM_K(sem_load)(const SEM_REAL *at) { return SEM_OP(loadu)(at); }
SEM_INLINE void SEM_K(sem_store)(SEM_REAL *at, SEM_VEC v) { SEM_OP(storeu)(at, v); }
SEM_INLINE SEM_VEC SEM_K(sem_set)(SEM_REAL x) { return SEM_OP(set1)(x); }
SEM_INLINE SEM_VEC SEM_K(sem_plus)(SEM_VEC a, SEM_VEC b) { return SEM_OP(add)(a, b); }
SEM_INLINE SEM_VEC SEM_K(sem_minus)(SEM_VEC a, SEM_VEC b) { return SEM_OP(sub)(a, b); }
SEM_INLINE SEM_VEC SEM_K(sem_times)(SEM_VEC a, SEM_VEC b) { return SEM_OP(mul)(a, b); }
SEM_INLINE SEM_VEC SEM_K(sem_larger)(SEM_VEC a, SEM_VEC b) { return SEM_OP(max)(a, b); }
SEM_INLINE uint32_t SEM_K(sem_le)(SEM_VEC a, SEM_VEC b)
{
#  if defined(__AVX512F__) && SEM_IS_FLOAT
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
#  elif defined(__AVX512F__)
    return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ);
#  elif defined(__AVX2__)
    return (uint32_t)SEM_OP(movemask)(SEM_OP(cmp)(a, b, _CMP_LE_OQ));
#  else
    return (uint32_t)SEM_OP(movemask)(SEM_OP(cmple)(a, b));
#  endif
}
#endif

enum { SEM_K(sem_parts) = SEM_TILE / SEM_WIDTH };

/* Add |diff| of one feature (any sign) to the sums. */
SEM_INLINE SEM_VEC SEM_K(sem_add_lanes)(SEM_VEC sum, SEM_VEC diff, const int metric, const double p)
{
    if (metric == SEM_EUCLIDEAN)
        return SEM_K(sem_plus)(sum, SEM_K(sem_times)(diff, diff));
    if (metric == SEM_MINKOWSKI) {
        SEM_REAL diffs[SEM_WIDTH], sums[SEM_WIDTH];
        SEM_K(sem_store)(diffs, diff);
        SEM_K(sem_store)(sums, sum);
        for (int lane = 0; lane < SEM_WIDTH; lane++)
            sums[lane] = SEM_T(sem_kd_add)(sums[lane], diffs[lane], metric, p);
        return SEM_K(sem_load)(sums);
    }
    const SEM_VEC size = SEM_K(sem_larger)(diff, SEM_K(sem_minus)(SEM_K(sem_set)(0), diff));
    return metric == SEM_MANHATTAN ? SEM_K(sem_plus)(sum, size) : SEM_K(sem_larger)(sum, size);
}

/* Reduced distances between a point and the lanes of a tile; returns the lanes within `radius`.
 * `out` is complete only where that is not 0: with many features the sum stops early when no lane
 * is left. */
SEM_INLINE uint32_t SEM_K(sem_lanes_within)(const SEM_REAL *tile, const SEM_REAL *point,
                                            const ptrdiff_t d, const int metric, const double p,
                                            const SEM_REAL radius, SEM_REAL *out)
{
    enum { PARTS = SEM_K(sem_parts), CHUNK = 4 };
    const SEM_VEC limit = SEM_K(sem_set)(radius);
    SEM_VEC sums[PARTS];
    uint32_t mask = 0;
    for (int part = 0; part < PARTS; part++)
        sums[part] = SEM_K(sem_set)(0);
    ptrdiff_t f = 0;
    if (d > 3)
        while (f + CHUNK <= d) {
            for (int step = 0; step < CHUNK; step++, f++) {
                const SEM_VEC x = SEM_K(sem_set)(point[f]);
                for (int part = 0; part < PARTS; part++)
                    sums[part] = SEM_K(sem_add_lanes)(
                        sums[part],
                        SEM_K(sem_minus)(
                            SEM_K(sem_load)(tile + f * SEM_TILE + part * SEM_WIDTH), x),
                        metric, p);
            }
            if (f + CHUNK > d)
                break;
            mask = 0;
            for (int part = 0; part < PARTS; part++)
                mask |= SEM_K(sem_le)(sums[part], limit);
            if (!mask)
                return 0;
        }
    for (; f < d; f++) {
        const SEM_VEC x = SEM_K(sem_set)(point[f]);
        for (int part = 0; part < PARTS; part++)
            sums[part] = SEM_K(sem_add_lanes)(
                sums[part],
                SEM_K(sem_minus)(SEM_K(sem_load)(tile + f * SEM_TILE + part * SEM_WIDTH), x),
                metric, p);
    }
    mask = 0;
    for (int part = 0; part < PARTS; part++) {
        mask |= SEM_K(sem_le)(sums[part], limit) << (part * SEM_WIDTH);
        SEM_K(sem_store)(out + part * SEM_WIDTH, sums[part]);
    }
    return mask;
}

/* Lanes of a tile that are within their own radius of a box. */
SEM_INLINE uint32_t SEM_K(sem_lanes_near_box)(const SEM_REAL *tile, const SEM_REAL *box,
                                              const ptrdiff_t d, const int metric, const double p,
                                              const SEM_REAL *radius)
{
    enum { PARTS = SEM_K(sem_parts) };
    SEM_VEC sums[PARTS];
    uint32_t mask = 0;
    for (int part = 0; part < PARTS; part++)
        sums[part] = SEM_K(sem_set)(0);
    for (ptrdiff_t f = 0; f < d; f++) {
        const SEM_VEC lo = SEM_K(sem_set)(box[f]), hi = SEM_K(sem_set)(box[d + f]);
        for (int part = 0; part < PARTS; part++) {
            const SEM_VEC x = SEM_K(sem_load)(tile + f * SEM_TILE + part * SEM_WIDTH);
            const SEM_VEC gap = SEM_K(sem_larger)(
                SEM_K(sem_larger)(SEM_K(sem_minus)(lo, x), SEM_K(sem_minus)(x, hi)),
                SEM_K(sem_set)(0));
            sums[part] = SEM_K(sem_add_lanes)(sums[part], gap, metric, p);
        }
    }
    const SEM_VEC slack = SEM_K(sem_set)(SEM_T(sem_kd_slacken)(1, metric));
    for (int part = 0; part < PARTS; part++) {
        if (metric == SEM_MINKOWSKI)
            sums[part] = SEM_K(sem_times)(sums[part], slack);
        mask |= SEM_K(sem_le)(sums[part], SEM_K(sem_load)(radius + part * SEM_WIDTH))
                << (part * SEM_WIDTH);
    }
    return mask;
}

/* Lanes with values[lane] <= bound. */
SEM_INLINE uint32_t SEM_K(sem_lanes_le)(const SEM_REAL *values, const SEM_REAL bound)
{
    const SEM_VEC limit = SEM_K(sem_set)(bound);
    uint32_t mask = 0;
    for (int part = 0; part < SEM_K(sem_parts); part++)
        mask |= SEM_K(sem_le)(SEM_K(sem_load)(values + part * SEM_WIDTH), limit)
                << (part * SEM_WIDTH);
    return mask;
}

/* Lanes with values[lane] >= bound. */
SEM_INLINE uint32_t SEM_K(sem_lanes_ge)(const SEM_REAL *values, const SEM_REAL bound)
{
    const SEM_VEC limit = SEM_K(sem_set)(bound);
    uint32_t mask = 0;
    for (int part = 0; part < SEM_K(sem_parts); part++)
        mask |= SEM_K(sem_le)(limit, SEM_K(sem_load)(values + part * SEM_WIDTH))
                << (part * SEM_WIDTH);
    return mask;
}

/* a * b + c, fused where there is such an instruction: only for sums that need no exact rounding. */
SEM_INLINE SEM_VEC SEM_K(sem_fused)(SEM_VEC a, SEM_VEC b, SEM_VEC c)
{
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
    return SEM_OP(fmadd)(a, b, c);
#else
    return SEM_K(sem_plus)(SEM_K(sem_times)(a, b), c);
#endif
}

/* Inner products: how many queries share one pass over a tile. With two vectors of lanes each, the
 * sums fill half of the registers. */
#undef SEM_GROUP
#if defined(__AVX512F__)
#  define SEM_GROUP 8
#else
#  define SEM_GROUP 4
#endif

/* For SEM_GROUP points: the lanes of a tile that may be within a radius of them, by |q|^2 + |x|^2 -
 * 2 q.x, which costs a third of the arithmetic of (q - x)^2 and is off by rounding. `reach[g]` is
 * the squared radius of point g less |q|^2, `norms` is |x|^2 by lane, both with the slack that
 * rounding needs (sem_kd_knn.h). */
SEM_INLINE void SEM_K(sem_lanes_maybe_within)(const SEM_REAL *tile, const SEM_REAL *norms,
                                              const SEM_REAL *points, const SEM_REAL *reach,
                                              const ptrdiff_t d, uint32_t *masks)
{
    enum { BOTH = SEM_K(sem_parts) < 2 ? 1 : 2, GROUP = SEM_GROUP };
    for (int g = 0; g < GROUP; g++)
        masks[g] = 0;
    for (int first = 0; first < SEM_K(sem_parts); first += BOTH) {
        SEM_VEC sums[GROUP][BOTH];
        for (int g = 0; g < GROUP; g++)
            for (int part = 0; part < BOTH; part++)
                sums[g][part] = SEM_K(sem_set)(0);
        for (ptrdiff_t f = 0; f < d; f++) {
            SEM_VEC lanes[BOTH];
            for (int part = 0; part < BOTH; part++)
                lanes[part] =
                    SEM_K(sem_load)(tile + f * SEM_TILE + (first + part) * SEM_WIDTH);
            for (int g = 0; g < GROUP; g++) {
                const SEM_VEC x = SEM_K(sem_set)(points[g * d + f]);
                for (int part = 0; part < BOTH; part++)
                    sums[g][part] = SEM_K(sem_fused)(lanes[part], x, sums[g][part]);
            }
        }
        for (int part = 0; part < BOTH; part++) {
            const SEM_VEC norm = SEM_K(sem_load)(norms + (first + part) * SEM_WIDTH);
            for (int g = 0; g < GROUP; g++) {
                const SEM_VEC twice = SEM_K(sem_plus)(sums[g][part], sums[g][part]);
                masks[g] |= SEM_K(sem_le)(SEM_K(sem_minus)(norm, twice), SEM_K(sem_set)(reach[g]))
                            << ((first + part) * SEM_WIDTH);
            }
        }
    }
}
