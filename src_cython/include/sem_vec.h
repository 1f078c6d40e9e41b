/* A few vector operations, one set for each instruction set and floating type.
 *
 * For kernels whose speed rests on registers (tiles of products, two smallest of k), where a
 * compiler's own vectoriser is a gamble. Include this file once for each instantiation, with
 *   SEM_VEC_ISA   4 (AVX-512), 3 (AVX2 + FMA), 1 (SSE2, part of every x86-64), 0 (plain C)
 *   SEM_VEC_F64   1: double, 0: float
 * defined; it defines REAL, V, VL and the V_* operations anew. V_FMA is fused where the
 * instruction set can: use it only where the last bits do not reach a result.
 */
#undef REAL
#undef V
#undef VL
#undef V_MASK
#undef V_TARGET
#undef V_TILE
#undef V_LOAD
#undef V_STORE
#undef V_SET1
#undef V_ADD
#undef V_SUB
#undef V_MUL
#undef V_FMA
#undef V_MIN
#undef V_MAX
#undef V_SQRT
#undef V_LT
#undef V_BLEND

#if SEM_VEC_F64
#  define REAL double
#else
#  define REAL float
#endif

#if SEM_VEC_ISA == 4
#  define V_TARGET __attribute__((target("arch=x86-64-v4,prefer-vector-width=512")))
#  define V_TILE 8
#  if SEM_VEC_F64
#    define V __m512d
#    define VL 8
#    define V_MASK __mmask8
#    define V_LOAD(p) _mm512_loadu_pd(p)
#    define V_STORE(p, a) _mm512_storeu_pd(p, a)
#    define V_SET1(s) _mm512_set1_pd(s)
#    define V_ADD(a, b) _mm512_add_pd(a, b)
#    define V_SUB(a, b) _mm512_sub_pd(a, b)
#    define V_MUL(a, b) _mm512_mul_pd(a, b)
#    define V_FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#    define V_MIN(a, b) _mm512_min_pd(a, b)
#    define V_MAX(a, b) _mm512_max_pd(a, b)
#    define V_SQRT(a) _mm512_sqrt_pd(a)
#    define V_LT(a, b) _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ)
#    define V_BLEND(m, a, b) _mm512_mask_blend_pd(m, b, a)
#  else
#    define V __m512
#    define VL 16
#    define V_MASK __mmask16
#    define V_LOAD(p) _mm512_loadu_ps(p)
#    define V_STORE(p, a) _mm512_storeu_ps(p, a)
#    define V_SET1(s) _mm512_set1_ps(s)
#    define V_ADD(a, b) _mm512_add_ps(a, b)
#    define V_SUB(a, b) _mm512_sub_ps(a, b)
#    define V_MUL(a, b) _mm512_mul_ps(a, b)
#    define V_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#    define V_MIN(a, b) _mm512_min_ps(a, b)
#    define V_MAX(a, b) _mm512_max_ps(a, b)
#    define V_SQRT(a) _mm512_sqrt_ps(a)
#    define V_LT(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#    define V_BLEND(m, a, b) _mm512_mask_blend_ps(m, b, a)
#  endif
#elif SEM_VEC_ISA == 3
#  define V_TARGET __attribute__((target("arch=x86-64-v3")))
#  define V_TILE 4
#  if SEM_VEC_F64
#    define V __m256d
#    define VL 4
#    define V_MASK __m256d
#    define V_LOAD(p) _mm256_loadu_pd(p)
#    define V_STORE(p, a) _mm256_storeu_pd(p, a)
#    define V_SET1(s) _mm256_set1_pd(s)
#    define V_ADD(a, b) _mm256_add_pd(a, b)
#    define V_SUB(a, b) _mm256_sub_pd(a, b)
#    define V_MUL(a, b) _mm256_mul_pd(a, b)
#    define V_FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#    define V_MIN(a, b) _mm256_min_pd(a, b)
#    define V_MAX(a, b) _mm256_max_pd(a, b)
#    define V_SQRT(a) _mm256_sqrt_pd(a)
#    define V_LT(a, b) _mm256_cmp_pd(a, b, _CMP_LT_OQ)
#    define V_BLEND(m, a, b) _mm256_blendv_pd(b, a, m)
#  else
#    define V __m256
#    define VL 8
#    define V_MASK __m256
#    define V_LOAD(p) _mm256_loadu_ps(p)
#    define V_STORE(p, a) _mm256_storeu_ps(p, a)
#    define V_SET1(s) _mm256_set1_ps(s)
#    define V_ADD(a, b) _mm256_add_ps(a, b)
#    define V_SUB(a, b) _mm256_sub_ps(a, b)
#    define V_MUL(a, b) _mm256_mul_ps(a, b)
#    define V_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#    define V_MIN(a, b) _mm256_min_ps(a, b)
#    define V_MAX(a, b) _mm256_max_ps(a, b)
#    define V_SQRT(a) _mm256_sqrt_ps(a)
#    define V_LT(a, b) _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#    define V_BLEND(m, a, b) _mm256_blendv_ps(b, a, m)
#  endif
#elif SEM_VEC_ISA == 1
#  define V_TARGET
#  define V_TILE 4
#  if SEM_VEC_F64
#    define V __m128d
#    define VL 2
#    define V_MASK __m128d
#    define V_LOAD(p) _mm_loadu_pd(p)
#    define V_STORE(p, a) _mm_storeu_pd(p, a)
#    define V_SET1(s) _mm_set1_pd(s)
#    define V_ADD(a, b) _mm_add_pd(a, b)
#    define V_SUB(a, b) _mm_sub_pd(a, b)
#    define V_MUL(a, b) _mm_mul_pd(a, b)
#    define V_FMA(a, b, c) _mm_add_pd(_mm_mul_pd(a, b), c)
#    define V_MIN(a, b) _mm_min_pd(a, b)
#    define V_MAX(a, b) _mm_max_pd(a, b)
#    define V_SQRT(a) _mm_sqrt_pd(a)
#    define V_LT(a, b) _mm_cmplt_pd(a, b)
#    define V_BLEND(m, a, b) _mm_or_pd(_mm_and_pd(m, a), _mm_andnot_pd(m, b))
#  else
#    define V __m128
#    define VL 4
#    define V_MASK __m128
#    define V_LOAD(p) _mm_loadu_ps(p)
#    define V_STORE(p, a) _mm_storeu_ps(p, a)
#    define V_SET1(s) _mm_set1_ps(s)
#    define V_ADD(a, b) _mm_add_ps(a, b)
#    define V_SUB(a, b) _mm_sub_ps(a, b)
#    define V_MUL(a, b) _mm_mul_ps(a, b)
#    define V_FMA(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#    define V_MIN(a, b) _mm_min_ps(a, b)
#    define V_MAX(a, b) _mm_max_ps(a, b)
#    define V_SQRT(a) _mm_sqrt_ps(a)
#    define V_LT(a, b) _mm_cmplt_ps(a, b)
#    define V_BLEND(m, a, b) _mm_or_ps(_mm_and_ps(m, a), _mm_andnot_ps(m, b))
#  endif
#else
#  define V_TARGET
#  define V_TILE 4
#  define V REAL
#  define VL 1
#  define V_MASK int
#  define V_LOAD(p) (*(p))
#  define V_STORE(p, a) (*(p) = (a))
#  define V_SET1(s) ((REAL)(s))
#  define V_ADD(a, b) ((a) + (b))
#  define V_SUB(a, b) ((a) - (b))
#  define V_MUL(a, b) ((a) * (b))
#  define V_FMA(a, b, c) ((a) * (b) + (c))
#  define V_MIN(a, b) ((a) < (b) ? (a) : (b))
#  define V_MAX(a, b) ((a) > (b) ? (a) : (b))
#  define V_SQRT(a) ((REAL)sqrt((double)(a)))
#  define V_LT(a, b) ((a) < (b))
#  define V_BLEND(m, a, b) ((m) ? (a) : (b))
#endif
