/* The SIMD block kernels of k-means, written once and compiled for each instruction set.
 *
 * Included by sem_k_means.h with SEM_VEC_ISA, SEM_VEC_F64 and NAME(x) defined. All of them work
 * on a block: SEM_BLOCK points, transposed, so that feature t of point p is x[t * SEM_BLOCK + p]
 * and a vector register holds one feature of several points. Nothing is then lost in tails of d
 * or of k, and the smallest distance of each point never leaves its lane.
 */

#if SEM_VEC_ISA >= 3
/* One small square, features of W rows in, W points of each feature out, less the offset. */
#  if SEM_VEC_F64
#    define SEM_SQUARE 4
static SEM_INLINE V_TARGET void NAME(transpose)(
    const double *const *x, intp t, const double *offset, double *out)
{
    const __m256d o = _mm256_loadu_pd(offset + t);
    const __m256d a = _mm256_sub_pd(_mm256_loadu_pd(x[0] + t), o);
    const __m256d b = _mm256_sub_pd(_mm256_loadu_pd(x[1] + t), o);
    const __m256d c = _mm256_sub_pd(_mm256_loadu_pd(x[2] + t), o);
    const __m256d e = _mm256_sub_pd(_mm256_loadu_pd(x[3] + t), o);
    const __m256d ab0 = _mm256_unpacklo_pd(a, b), ab1 = _mm256_unpackhi_pd(a, b);
    const __m256d ce0 = _mm256_unpacklo_pd(c, e), ce1 = _mm256_unpackhi_pd(c, e);
    _mm256_storeu_pd(out, _mm256_permute2f128_pd(ab0, ce0, 0x20));
    _mm256_storeu_pd(out + SEM_BLOCK, _mm256_permute2f128_pd(ab1, ce1, 0x20));
    _mm256_storeu_pd(out + 2 * SEM_BLOCK, _mm256_permute2f128_pd(ab0, ce0, 0x31));
    _mm256_storeu_pd(out + 3 * SEM_BLOCK, _mm256_permute2f128_pd(ab1, ce1, 0x31));
}
#  else
#    define SEM_SQUARE 8
static SEM_INLINE V_TARGET void NAME(transpose)(
    const float *const *x, intp t, const float *offset, float *out)
{
    const __m256 o = _mm256_loadu_ps(offset + t);
    __m256 r[8], s[8];
    int i;
    SEM_UNROLL
    for (i = 0; i < 8; ++i)
        r[i] = _mm256_sub_ps(_mm256_loadu_ps(x[i] + t), o);
    SEM_UNROLL
    for (i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    SEM_UNROLL
    for (i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    SEM_UNROLL
    for (i = 0; i < 4; ++i) {
        _mm256_storeu_ps(out + i * SEM_BLOCK, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(out + (i + 4) * SEM_BLOCK, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
#  endif
#else
#  define SEM_SQUARE 8
static SEM_INLINE void NAME(transpose)(
    const REAL *const *x, intp t, const REAL *offset, REAL *out)
{
    int s, p;
    for (s = 0; s < SEM_SQUARE; ++s)
        for (p = 0; p < SEM_SQUARE; ++p)
            out[s * SEM_BLOCK + p] = x[p][t + s] - offset[t + s];
}
#endif

/* out[t * SEM_BLOCK + p] = row p, feature t, less the offset, for m rows: those of `rows`, or the
 * m rows from X on when it is NULL. Lanes from m on are zero. Small squares, because a plain loop
 * writes one element to each cache line at a time and is then slower than the products. */
static V_TARGET void NAME(pack)(
    const REAL *X, intp d, const intp *rows, intp m, const REAL *offset, REAL *out)
{
    intp p0, p, t;
    for (p0 = 0; p0 < SEM_BLOCK; p0 += SEM_SQUARE) {
        const REAL *x[SEM_SQUARE];
        t = 0;
        if (p0 + SEM_SQUARE > m) {
            for (; t < d; ++t)
                for (p = p0; p < p0 + SEM_SQUARE; ++p)
                    out[t * SEM_BLOCK + p] =
                        p < m ? X[(rows ? rows[p] : p) * d + t] - offset[t] : 0;
            continue;
        }
        for (p = 0; p < SEM_SQUARE; ++p)
            x[p] = X + (rows ? rows[p0 + p] : p0 + p) * d;
        for (; t + SEM_SQUARE <= d; t += SEM_SQUARE)
            NAME(transpose)(x, t, offset, out + t * SEM_BLOCK + p0);
        for (; t < d; ++t)
            for (p = 0; p < SEM_SQUARE; ++p)
                out[t * SEM_BLOCK + p0 + p] = x[p][t] - offset[t];
    }
}
#undef SEM_SQUARE

/* Products of one register pair of points with `tile` centres, folded into the two smallest. */
static SEM_INLINE V_TARGET void NAME(fold_tile)(
    const REAL *x, intp d, const REAL *cm2, const REAL *c2, intp j, const int tile,
    V *first, V *second, V *which)
{
    V acc0[V_TILE], acc1[V_TILE];
    int q;
    intp t;
    const REAL *c = cm2 + j * d;
    SEM_UNROLL
    for (q = 0; q < tile; ++q) {
        acc0[q] = V_SET1(c2[j + q]);
        acc1[q] = acc0[q];
    }
    for (t = 0; t < d; ++t) {
        const V x0 = V_LOAD(x + t * SEM_BLOCK);
        const V x1 = V_LOAD(x + t * SEM_BLOCK + VL);
        SEM_UNROLL
        for (q = 0; q < tile; ++q) {
            const V b = V_SET1(c[q * d + t]);
            acc0[q] = V_FMA(x0, b, acc0[q]);
            acc1[q] = V_FMA(x1, b, acc1[q]);
        }
    }
    SEM_UNROLL
    for (q = 0; q < tile; ++q) {
        const V jj = V_SET1((REAL)(j + q));
        const V_MASK less0 = V_LT(acc0[q], first[0]);
        const V_MASK less1 = V_LT(acc1[q], first[1]);
        second[0] = V_MIN(second[0], V_MAX(first[0], acc0[q]));
        second[1] = V_MIN(second[1], V_MAX(first[1], acc1[q]));
        which[0] = V_BLEND(less0, jj, which[0]);
        which[1] = V_BLEND(less1, jj, which[1]);
        first[0] = V_MIN(acc0[q], first[0]);
        first[1] = V_MIN(acc1[q], first[1]);
    }
}

/* For each point of the block: its nearest centre, an upper bound on the distance to it and a lower
 * bound on the distance to every other centre. `cm2` holds -2 c, `c2` the squared norms.
 *
 * The squared distance less |x|^2 is c2 - 2 x.c, with an error below gamma (c2 + 2 |x| |c|), where
 * gamma covers d + 1 roundings. With |c| <= 2 |x| that is at most 8 gamma |x|^2, otherwise at most
 * 8 gamma times the squared distance itself. A point whose two smallest values are further apart
 * than twice that is decided; for any other `lower` is -1, and the caller looks closer. Labels then
 * depend neither on the order of the sum nor on fused products.
 */
static V_TARGET void NAME(nearest_two)(
    const REAL *x, intp d, const REAL *cm2, const REAL *c2, intp k, double gamma,
    REAL *label, REAL *upper, REAL *lower)
{
    const V zero = V_SET1(0), margin = V_SET1((REAL)(20.0 * gamma)), undecided = V_SET1(-1);
    int g, h;
    intp j, t;
    for (g = 0; g < SEM_BLOCK; g += 2 * VL) {
        V first[2], second[2], which[2];
        for (h = 0; h < 2; ++h) {
            first[h] = V_SET1(SEM_INF);
            second[h] = first[h];
            which[h] = zero;
        }
        for (j = 0; j + V_TILE <= k; j += V_TILE)
            NAME(fold_tile)(x + g, d, cm2, c2, j, V_TILE, first, second, which);
#if V_TILE == 8
        if (j + 4 <= k) {
            NAME(fold_tile)(x + g, d, cm2, c2, j, 4, first, second, which);
            j += 4;
        }
#endif
        if (j + 2 <= k) {
            NAME(fold_tile)(x + g, d, cm2, c2, j, 2, first, second, which);
            j += 2;
        }
        if (j < k)
            NAME(fold_tile)(x + g, d, cm2, c2, j, 1, first, second, which);
        for (h = 0; h < 2; ++h) {
            V x2 = zero, gap, error, far;
            V_MASK decided;
            for (t = 0; t < d; ++t) {
                const V xt = V_LOAD(x + t * SEM_BLOCK + g + h * VL);
                x2 = V_FMA(xt, xt, x2);
            }
            gap = V_SUB(second[h], first[h]);
            far = V_ADD(second[h], x2);
            error = V_MUL(margin, V_ADD(x2, V_MAX(far, zero)));
            if (k == 1) {
                error = V_MUL(margin, V_ADD(x2, V_MAX(V_ADD(first[h], x2), zero)));
                gap = V_SET1(SEM_INF);
            }
            decided = V_LT(error, gap);
            V_STORE(label + g + h * VL, which[h]);
            V_STORE(upper + g + h * VL,
                    V_SQRT(V_MAX(V_ADD(V_ADD(first[h], x2), error), zero)));
            V_STORE(lower + g + h * VL,
                    V_BLEND(decided, V_SQRT(V_MAX(V_SUB(far, error), zero)), undecided));
        }
    }
}

/* Squared distances of two registers of points to `tile` centres, in feature order: out[2 * q] and
 * out[2 * q + 1] for centre q. Several centres at once, or the chain of additions would wait. */
static SEM_INLINE V_TARGET void NAME(sq_dist_tile)(
    const REAL *x, intp d, const REAL *c, const int tile, V *out)
{
    int q;
    intp t;
    SEM_UNROLL
    for (q = 0; q < 2 * tile; ++q)
        out[q] = V_SET1(0);
    for (t = 0; t < d; ++t) {
        const V x0 = V_LOAD(x + t * SEM_BLOCK);
        const V x1 = V_LOAD(x + t * SEM_BLOCK + VL);
        SEM_UNROLL
        for (q = 0; q < tile; ++q) {
            const V b = V_SET1(c[q * d + t]);
            const V e0 = V_SUB(x0, b), e1 = V_SUB(x1, b);
            out[2 * q] = V_ADD(out[2 * q], V_MUL(e0, e0));
            out[2 * q + 1] = V_ADD(out[2 * q + 1], V_MUL(e1, e1));
        }
    }
}

/* Distances of the points of one register pair to `tile` centres, written to their lines. */
static SEM_INLINE V_TARGET void NAME(distance_tile)(
    const REAL *x, intp d, const REAL *c, const int tile, intp m, REAL *out, intp ld)
{
    REAL lane[8][2 * VL];
    V dist[8];
    int q, p;
    NAME(sq_dist_tile)(x, d, c, tile, dist);
    SEM_UNROLL
    for (q = 0; q < tile; ++q) {
        V_STORE(lane[q], V_SQRT(dist[2 * q]));
        V_STORE(lane[q] + VL, V_SQRT(dist[2 * q + 1]));
    }
    for (p = 0; p < 2 * VL && p < m; ++p)
        SEM_UNROLL
        for (q = 0; q < tile; ++q)
            out[p * ld + q] = lane[q][p];
}

/* out[p * ld + j]: distance of point p to centre j, for the first m points. */
static V_TARGET void NAME(distances)(
    const REAL *x, intp d, const REAL *centers, intp k, intp m, REAL *out, intp ld)
{
    intp g, j;
    for (g = 0; g < m; g += 2 * VL) {
        for (j = 0; j + 4 <= k; j += 4)
            NAME(distance_tile)(x + g, d, centers + j * d, 4, m - g, out + g * ld + j, ld);
        for (; j < k; ++j)
            NAME(distance_tile)(x + g, d, centers + j * d, 1, m - g, out + g * ld + j, ld);
    }
}

/* Fold `tile` candidates into pot. */
static SEM_INLINE V_TARGET void NAME(potential_tile)(
    const REAL *x, intp d, const REAL *candidates, const int tile, const REAL *closest,
    const REAL *weight, double *pot)
{
    REAL lane[16];
    V sum[4][16 / VL], dist[8];
    int g, q, h;
    for (q = 0; q < tile; ++q)
        for (h = 0; h < 16 / VL; ++h)
            sum[q][h] = V_SET1(0);
    for (g = 0; g < SEM_BLOCK; g += 2 * VL) {
        NAME(sq_dist_tile)(x + g, d, candidates, tile, dist);
        SEM_UNROLL
        for (q = 0; q < tile; ++q)
            SEM_UNROLL
            for (h = 0; h < 2; ++h) {
                V part = V_MIN(dist[2 * q + h], V_LOAD(closest + g + h * VL));
                V *s = &sum[q][(g / VL + h) % (16 / VL)];
                if (weight)
                    part = V_MUL(part, V_LOAD(weight + g + h * VL));
                *s = V_ADD(*s, part);
            }
    }
    for (q = 0; q < tile; ++q) {
        for (h = 0; h < 16 / VL; ++h)
            V_STORE(lane + h * VL, sum[q][h]);
        pot[q] += SEM_SUM16(lane);
    }
}

/* pot[l] += sum over the block of weight * min(closest, squared distance to candidate l).
 * The sum runs in 16 fixed lanes, so it has the same bits for every instruction set. */
static V_TARGET void NAME(potentials)(
    const REAL *x, intp d, const REAL *candidates, intp n_candidates, const REAL *closest,
    const REAL *weight, double *pot)
{
    intp l;
    for (l = 0; l + 4 <= n_candidates; l += 4)
        NAME(potential_tile)(x, d, candidates + l * d, 4, closest, weight, pot + l);
    for (; l + 2 <= n_candidates; l += 2)
        NAME(potential_tile)(x, d, candidates + l * d, 2, closest, weight, pot + l);
    if (l < n_candidates)
        NAME(potential_tile)(x, d, candidates + l * d, 1, closest, weight, pot + l);
}

/* closest = min(closest, squared distance to the centre). */
static V_TARGET void NAME(lower_closest)(
    const REAL *x, intp d, const REAL *center, REAL *closest)
{
    V pair[2];
    int g;
    for (g = 0; g < SEM_BLOCK; g += 2 * VL) {
        NAME(sq_dist_tile)(x + g, d, center, 1, pair);
        V_STORE(closest + g, V_MIN(pair[0], V_LOAD(closest + g)));
        V_STORE(closest + g + VL, V_MIN(pair[1], V_LOAD(closest + g + VL)));
    }
}

/* Squared distances of one row (not transposed) to m candidates, in 16 fixed lanes. */
static SEM_INLINE V_TARGET void NAME(row_to_few)(
    const REAL *row, intp d, const REAL *const *candidates, const int m, REAL *out)
{
    V sum[SEM_FEW][16 / VL];
    REAL lane[16], tail, e;
    int l, q;
    intp t, s;
    SEM_UNROLL
    for (l = 0; l < m; ++l)
        SEM_UNROLL
        for (q = 0; q < 16 / VL; ++q)
            sum[l][q] = V_SET1(0);
    for (t = 0; t + 16 <= d; t += 16)
        SEM_UNROLL
        for (q = 0; q < 16 / VL; ++q) {
            const V xt = V_LOAD(row + t + q * VL);
            SEM_UNROLL
            for (l = 0; l < m; ++l) {
                const V diff = V_SUB(xt, V_LOAD(candidates[l] + t + q * VL));
                sum[l][q] = V_ADD(sum[l][q], V_MUL(diff, diff));
            }
        }
    for (l = 0; l < m; ++l) {
        for (q = 0; q < 16 / VL; ++q)
            V_STORE(lane + q * VL, sum[l][q]);
        tail = 0;
        for (s = t; s < d; ++s) {
            e = row[s] - candidates[l][s];
            tail += e * e;
        }
        out[l] = (REAL)(SEM_SUM16(lane) + tail);
    }
}

static V_TARGET void NAME(row_to_candidates)(
    const REAL *row, intp d, const REAL *const *candidates, int m, REAL *out)
{
    for (; m >= SEM_FEW; m -= SEM_FEW, candidates += SEM_FEW, out += SEM_FEW)
        NAME(row_to_few)(row, d, candidates, SEM_FEW, out);
#if SEM_VEC_ISA >= 3
    for (; m >= 2; m -= 2, candidates += 2, out += 2)
        NAME(row_to_few)(row, d, candidates, 2, out);
    if (m)
        NAME(row_to_few)(row, d, candidates, 1, out);
#endif
}
