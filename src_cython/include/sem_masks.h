/* Comparisons of 16 lanes with one number (or with 16) as bit masks: the step that no plain loop
 * compiles well. Included inside sem_per_isa.h bodies, hence no guard. */

/* Lanes with values[lane] <= bound. */
SEM_INLINE uint32_t SEM_K(sem_mask_le)(const SEM_REAL *values, const SEM_REAL bound)
{
#if defined(__AVX512F__)
    if (sizeof(SEM_REAL) == 4)
        return _mm512_cmp_ps_mask(_mm512_loadu_ps((const float *)values),
                                  _mm512_set1_ps((float)bound), _CMP_LE_OQ);
    const __m512d b = _mm512_set1_pd((double)bound);
    const double *v = (const double *)values;
    return (uint32_t)_mm512_cmp_pd_mask(_mm512_loadu_pd(v), b, _CMP_LE_OQ) |
           (uint32_t)_mm512_cmp_pd_mask(_mm512_loadu_pd(v + 8), b, _CMP_LE_OQ) << 8;
#elif defined(__AVX2__)
    uint32_t mask = 0;
    if (sizeof(SEM_REAL) == 4) {
        const __m256 b = _mm256_set1_ps((float)bound);
        for (int part = 0; part < 2; part++)
            mask |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(
                        _mm256_loadu_ps((const float *)values + 8 * part), b, _CMP_LE_OQ))
                    << (8 * part);
    } else {
        const __m256d b = _mm256_set1_pd((double)bound);
        for (int part = 0; part < 4; part++)
            mask |= (uint32_t)_mm256_movemask_pd(_mm256_cmp_pd(
                        _mm256_loadu_pd((const double *)values + 4 * part), b, _CMP_LE_OQ))
                    << (4 * part);
    }
    return mask;
#elif defined(__SSE2__)
    uint32_t mask = 0;
    if (sizeof(SEM_REAL) == 4) {
        const __m128 b = _mm_set1_ps((float)bound);
        for (int part = 0; part < 4; part++)
            mask |= (uint32_t)_mm_movemask_ps(
                        _mm_cmple_ps(_mm_loadu_ps((const float *)values + 4 * part), b))
                    << (4 * part);
    } else {
        const __m128d b = _mm_set1_pd((double)bound);
        for (int part = 0; part < 8; part++)
            mask |= (uint32_t)_mm_movemask_pd(
                        _mm_cmple_pd(_mm_loadu_pd((const double *)values + 2 * part), b))
                    << (2 * part);
    }
    return mask;
#else
    uint32_t mask = 0;
    for (int lane = 0; lane < SEM_TILE; lane++)
        mask |= (uint32_t)(values[lane] <= bound) << lane;
    return mask;
#endif
}

/* Lanes with values[lane] <= bounds[lane]. */
SEM_INLINE uint32_t SEM_K(sem_mask_le_lanes)(const SEM_REAL *values, const SEM_REAL *bounds)
{
#if defined(__AVX512F__)
    if (sizeof(SEM_REAL) == 4)
        return _mm512_cmp_ps_mask(_mm512_loadu_ps((const float *)values),
                                  _mm512_loadu_ps((const float *)bounds), _CMP_LE_OQ);
    const double *v = (const double *)values, *b = (const double *)bounds;
    return (uint32_t)_mm512_cmp_pd_mask(_mm512_loadu_pd(v), _mm512_loadu_pd(b), _CMP_LE_OQ) |
           (uint32_t)_mm512_cmp_pd_mask(_mm512_loadu_pd(v + 8), _mm512_loadu_pd(b + 8),
                                        _CMP_LE_OQ)
               << 8;
#elif defined(__AVX2__)
    uint32_t mask = 0;
    if (sizeof(SEM_REAL) == 4) {
        for (int part = 0; part < 2; part++)
            mask |= (uint32_t)_mm256_movemask_ps(
                        _mm256_cmp_ps(_mm256_loadu_ps((const float *)values + 8 * part),
                                      _mm256_loadu_ps((const float *)bounds + 8 * part),
                                      _CMP_LE_OQ))
                    << (8 * part);
    } else {
        for (int part = 0; part < 4; part++)
            mask |= (uint32_t)_mm256_movemask_pd(
                        _mm256_cmp_pd(_mm256_loadu_pd((const double *)values + 4 * part),
                                      _mm256_loadu_pd((const double *)bounds + 4 * part),
                                      _CMP_LE_OQ))
                    << (4 * part);
    }
    return mask;
#else
    uint32_t mask = 0;
    for (int lane = 0; lane < SEM_TILE; lane++)
        mask |= (uint32_t)(values[lane] <= bounds[lane]) << lane;
    return mask;
#endif
}
