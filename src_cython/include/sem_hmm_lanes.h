/* Eight sequences at once, one in each lane. Included once for each register width: VL lanes to a
 * register, NAME(x) gives the suffix. Lanes are computed independently, so neither VL nor the
 * company changes a lane's bits.
 *
 * Sequences come sorted by falling length. Past its end a lane goes on with B = 1 and weight 0,
 * which keeps its numbers finite and counts for nothing.
 */

#ifndef SEM_HMM_LANES_TYPE
#define SEM_HMM_LANES_TYPE
typedef struct {
    const double *logb;         /* rows x K, all sequences */
    intp first[SEM_HMM_LANES];  /* first row of each sequence */
    intp len[SEM_HMM_LANES];    /* its length, falling; 0: no sequence */
    double weight[SEM_HMM_LANES];
    double *gamma;              /* OUT rows x K: posteriors times weight, or filtered; or NULL */
    double *row;                /* OUT rows: log p(x_t | past); or NULL */
    int32_t *path;              /* OUT rows: Viterbi states */
    double *xi;                 /* INOUT K x K */
    double *start;              /* INOUT K */
    double loglik[SEM_HMM_LANES];  /* OUT */
    int bad[SEM_HMM_LANES];        /* OUT: to be done with logarithms */
} sem_hmm_lanes;

/* Doubles of scratch for the longest sequence T. */
static inline intp sem_hmm_lanes_work(intp K, intp T)
{
    return SEM_HMM_LANES * ((2 * T + K + 4) * K + 2 * T + 8);
}
#endif

#if VL == 1
typedef double NAME(vd);
typedef uint64_t NAME(vu);
typedef double NAME(vm);
#else
typedef double NAME(vd) __attribute__((vector_size(VL * 8)));
typedef uint64_t NAME(vu) __attribute__((vector_size(VL * 8)));
typedef double NAME(vm) __attribute__((vector_size(VL * 8), aligned(8)));
#endif
#define VD NAME(vd)
#define VU NAME(vu)
#define VM NAME(vm) /* in memory */
#define AT(p) (*(VM *)(p))
#define GET(p) (*(const VM *)(p))

#if VL == 8
#  define V_MAX2(a, b) ((VD)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#elif VL == 4
#  define V_MAX2(a, b) ((VD)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#elif VL == 2
#  define V_MAX2(a, b) ((VD)_mm_max_pd((__m128d)(a), (__m128d)(b)))
#else
#  define V_MAX2(a, b) ((a) > (b) ? (a) : (b))
#endif
#define V_MIN2(a, b) (-V_MAX2(-(a), -(b)))

static SEM_INLINE VU NAME(bits)(VD x)
{
    VU u;
    memcpy(&u, &x, sizeof(x));
    return u;
}
static SEM_INLINE VD NAME(of_bits)(VU u)
{
    VD x;
    memcpy(&x, &u, sizeof(x));
    return x;
}
static SEM_INLINE VD NAME(all)(double s)
{
#if VL == 1
    return s;
#else
    return s - (VD){0};
#endif
}
static SEM_INLINE VD NAME(rescale)(VD x) { return NAME(of_bits)((2046 - (NAME(bits)(x) >> 52)) << 52); }

static SEM_INLINE VD NAME(exp)(VD x)
{
    VD t, p;
    VU r;
    SEM_EXP_BODY(VD, x, t, p)
    r = NAME(bits)(p) + (NAME(bits)(t) << 52);
#if VL == 1
    return x > -700.0 ? NAME(of_bits)(r) : 0.0;
#else
    return NAME(of_bits)(r & (VU)(x > NAME(all)(-700.0)));
#endif
}

/* Sum of a[i] * w[i] over i, in four strided parts. a: K registers, w: K scalars. */
static SEM_INLINE VD NAME(dot)(const double *a, const double *w, const intp K)
{
    VD p0 = NAME(all)(0), p1 = p0, p2 = p0, p3 = p0;
    intp i = 0;
    for (; i + 4 <= K; i += 4) {
        p0 += GET(a + i * VL) * w[i];
        p1 += GET(a + (i + 1) * VL) * w[i + 1];
        p2 += GET(a + (i + 2) * VL) * w[i + 2];
        p3 += GET(a + (i + 3) * VL) * w[i + 3];
    }
    if (i < K)
        p0 += GET(a + i * VL) * w[i];
    if (i + 1 < K)
        p1 += GET(a + (i + 1) * VL) * w[i + 1];
    if (i + 2 < K)
        p2 += GET(a + (i + 2) * VL) * w[i + 2];
    return (p0 + p1) + (p2 + p3);
}

/* Sum of x[k] over k, in the same order. */
static SEM_INLINE VD NAME(sum)(const double *x, const intp K)
{
    VD p0 = NAME(all)(0), p1 = p0, p2 = p0, p3 = p0;
    intp i = 0;
    for (; i + 4 <= K; i += 4) {
        p0 += GET(x + i * VL);
        p1 += GET(x + (i + 1) * VL);
        p2 += GET(x + (i + 2) * VL);
        p3 += GET(x + (i + 3) * VL);
    }
    if (i < K)
        p0 += GET(x + i * VL);
    if (i + 1 < K)
        p1 += GET(x + (i + 1) * VL);
    if (i + 2 < K)
        p2 += GET(x + (i + 2) * VL);
    return (p0 + p1) + (p2 + p3);
}

/* The next row of every running lane, transposed into L; lanes that ended are zero. */
static SEM_INLINE void NAME(gather)(
    const double *const *src, const intp *len, intp t, int *running, double *L, const intp K)
{
    while (*running > 0 && len[*running - 1] <= t) {
        --*running;
        for (intp k = 0; k < K; ++k)
            L[k * VL + *running] = 0;
    }
    for (int l = 0; l < *running; ++l)
        for (intp k = 0; k < K; ++k)
            L[k * VL + l] = src[l][t * K + k];
}

/* Forward: B and a (T x K registers), S (sums of a) and M (shifts), T registers each. */
static SEM_INLINE void NAME(forward)(
    const sem_hmm_chain *c, const sem_hmm_lanes *g, int lane, intp T, double *B, double *a,
    double *S, double *M, double *L, const intp K)
{
    const double *src[VL];
    const intp *len = g->len + lane;
    int running = VL;
    VD scale = NAME(all)(1);
    for (int l = 0; l < VL; ++l)
        src[l] = g->logb + g->first[lane + l] * K;
    for (intp k = 0; k < K * VL; ++k)
        L[k] = 0;
    for (intp t = 0; t < T; ++t, B += K * VL, a += K * VL, S += VL, M += VL) {
        VD top, sum;
        NAME(gather)(src, len, t, &running, L, K);
        top = NAME(all)(-1e308);
        for (intp k = 0; k < K; ++k)
            top = V_MAX2(GET(L + k * VL), top);
        AT(M) = top;
        for (intp k = 0; k < K; ++k)
            AT(B + k * VL) = NAME(exp)(GET(L + k * VL) - top);
        if (t == 0)
            for (intp k = 0; k < K; ++k)
                AT(a + k * VL) = GET(B + k * VL) * c->start[k];
        else
            for (intp k = 0; k < K; ++k)
                AT(a + k * VL) = NAME(dot)(a - K * VL, c->At + k * K, K) * (GET(B + k * VL) * scale);
        sum = NAME(sum)(a, K);
        AT(S) = sum;
        scale = NAME(rescale)(sum);
    }
}

/* What the forward sums say about lane l. */
static SEM_INLINE sem_hmm_end NAME(end)(const double *S, const double *M, intp T, int l)
{
    sem_hmm_end e = {0, 0, 1, 0};
    for (intp t = 0; t < T; ++t) {
        const double s = S[t * VL + l];
        e.shift += M[t * VL + l];
        e.bad |= !(s >= SEM_HMM_TINY);
        e.exponent += t + 1 < T ? sem_hmm_exponent(s) : 0;
        e.last = s;
    }
    return e;
}

static SEM_INLINE void NAME(smooth)(
    const sem_hmm_chain *c, sem_hmm_lanes *g, int lane, double *work, const intp K)
{
    const intp *len = g->len + lane;
    const intp T = len[0];
    double *B = work, *a = B + T * K * VL, *S = a + T * K * VL, *M = S + T * VL;
    double *L = M + T * VL, *b = L + K * VL, *u = b + K * VL, *v = u + K * VL;
    double *xi = v + K * VL;
    double *dst[VL];
    double w[VL], least[VL];
    int waiting = VL; /* lanes below this have yet to begin, going backward */
    VD low = NAME(all)(1);

    if (T == 0)
        return;
    NAME(forward)(c, g, lane, T, B, a, S, M, L, K);
    for (int l = 0; l < VL; ++l) {
        dst[l] = g->gamma + g->first[lane + l] * K;
        w[l] = 0;
    }
    for (intp k = 0; k < K; ++k)
        AT(b + k * VL) = NAME(all)(1);
    for (intp k = 0; k < K * K; ++k)
        AT(xi + k * VL) = NAME(all)(0);
    while (waiting > 0 && len[waiting - 1] == 0)
        --waiting;
    const int n_lanes = waiting;
    int begun = 0; /* lanes [0, begun) run; the longest begin first */
    for (intp t = T - 1; t >= 0; --t) {
        const double *at = a + t * K * VL, *past = at - K * VL, *Bt = B + t * K * VL;
        VD norm, factor;
        while (begun < n_lanes && len[begun] - 1 == t) {
            for (intp k = 0; k < K; ++k)
                b[k * VL + begun] = 1;
            w[begun] = g->weight[lane + begun];
            ++begun;
        }
        for (intp k = 0; k < K; ++k)
            AT(L + k * VL) = GET(at + k * VL) * GET(b + k * VL);
        norm = NAME(sum)(L, K);
        low = V_MIN2(low, norm);
        factor = GET(w) / norm;
        for (intp k = 0; k < K; ++k)
            AT(L + k * VL) = GET(L + k * VL) * factor;
        for (int l = 0; l < begun; ++l)
            for (intp k = 0; k < K; ++k)
                dst[l][t * K + k] = L[k * VL + l];
        if (t == 0)
            break;
        for (intp k = 0; k < K; ++k)
            AT(u + k * VL) = GET(Bt + k * VL) * GET(b + k * VL);
        norm = NAME(sum)(u, K);
        low = V_MIN2(low, norm);
        factor = factor * NAME(rescale)(GET(S + (t - 1) * VL));
        norm = NAME(rescale)(norm);
        for (intp k = 0; k < K; ++k)
            AT(v + k * VL) = GET(u + k * VL) * factor;
        for (intp i = 0; i < K; ++i) {
            const VD ai = GET(past + i * VL);
            double *line = xi + i * K * VL;
            for (intp j = 0; j < K; ++j)
                AT(line + j * VL) = GET(line + j * VL) + ai * GET(v + j * VL);
            AT(b + i * VL) = NAME(dot)(u, c->A + i * K, K) * norm;
        }
    }
    AT(least) = low;
    for (int l = 0; l < n_lanes; ++l) {
        const sem_hmm_end e = NAME(end)(S, M, len[l], l);
        g->bad[lane + l] = e.bad | !(least[l] >= SEM_HMM_TINY);
        g->loglik[lane + l] = sem_hmm_loglik(&e);
        if (g->bad[lane + l])
            continue;
        for (intp k = 0; k < K * K; ++k)
            g->xi[k] += xi[k * VL + l];
        for (intp k = 0; k < K; ++k)
            g->start[k] += dst[l][k];
    }
}

static SEM_INLINE void NAME(filter)(
    const sem_hmm_chain *c, sem_hmm_lanes *g, int lane, double *work, const intp K)
{
    const intp *len = g->len + lane;
    const intp T = len[0];
    double *B = work, *a = B + T * K * VL, *S = a + T * K * VL, *M = S + T * VL;
    double *L = M + T * VL;
    if (T == 0)
        return;
    NAME(forward)(c, g, lane, T, B, a, S, M, L, K);
    for (int l = 0; l < VL && len[l]; ++l) {
        const intp first = g->first[lane + l];
        const sem_hmm_end e = NAME(end)(S, M, len[l], l);
        g->bad[lane + l] = e.bad;
        g->loglik[lane + l] = sem_hmm_loglik(&e);
        for (intp t = 0; g->gamma && t < len[l]; ++t)
            for (intp k = 0; k < K; ++k)
                g->gamma[(first + t) * K + k] = a[(t * K + k) * VL + l] / S[t * VL + l];
        for (intp t = 0; g->row && t < len[l]; ++t)
            g->row[first + t] =
                log(S[t * VL + l] / (t ? sem_hmm_mantissa(S[(t - 1) * VL + l]) : 1.0))
                + M[t * VL + l];
    }
}

/* max over i of x[i] + w[i]. */
static SEM_INLINE VD NAME(best)(const double *x, const double *w, const intp K)
{
    VD m = GET(x) + w[0];
    for (intp i = 1; i < K; ++i)
        m = V_MAX2(GET(x + i * VL) + w[i], m);
    return m;
}

static SEM_INLINE void NAME(viterbi)(
    const sem_hmm_chain *c, sem_hmm_lanes *g, int lane, double *work, const intp K)
{
    const intp *len = g->len + lane;
    const intp T = len[0];
    double *D = work, *off = D + T * K * VL, *L = off + T * VL;
    const double *src[VL];
    intp state[VL];
    int running = VL, begun = 0;
    if (T == 0)
        return;
    for (int l = 0; l < VL; ++l)
        src[l] = g->logb + g->first[lane + l] * K;
    for (intp k = 0; k < K * VL; ++k)
        L[k] = 0;
    for (intp t = 0; t < T; ++t) {
        double *now = D + t * K * VL;
        NAME(gather)(src, len, t, &running, L, K);
        for (intp k = 0; k < K; ++k)
            AT(now + k * VL) =
                GET(L + k * VL)
                + (t ? NAME(best)(now - K * VL, c->At + k * K, K) : NAME(all)(c->start[k]));
        if (t % SEM_HMM_RENORM)
            continue;
        VD top = NAME(all)(-1e308);
        for (intp k = 0; k < K; ++k)
            top = V_MAX2(GET(now + k * VL), top);
        for (intp k = 0; k < K; ++k)
            AT(now + k * VL) = GET(now + k * VL) - top;
        AT(off + (t / SEM_HMM_RENORM) * VL) = top;
    }
    for (intp t = T - 1; t >= 0; --t) {
        const double *now = D + t * K * VL;
        for (int l = 0; l < begun; ++l) { /* the best way into the state at t + 1 */
            const double *into = c->At + state[l] * K;
            double top = -INFINITY;
            intp from = 0;
            for (intp i = 0; i < K; ++i) {
                const double value = now[i * VL + l] + into[i];
                from = value > top ? i : from;
                top = value > top ? value : top;
            }
            state[l] = from;
            g->path[g->first[lane + l] + t] = (int32_t)from;
        }
        for (; begun < VL && len[begun] - 1 == t; ++begun) {
            double top = -INFINITY, total = 0;
            intp from = 0;
            for (intp i = 0; i < K; ++i)
                if (now[i * VL + begun] > top) {
                    top = now[i * VL + begun];
                    from = i;
                }
            for (intp r = 0; r <= t; r += SEM_HMM_RENORM)
                total += off[(r / SEM_HMM_RENORM) * VL + begun];
            g->loglik[lane + begun] = total + top;
            g->bad[lane + begun] = !(top > -INFINITY);
            state[begun] = from;
            g->path[g->first[lane + begun] + t] = (int32_t)from;
        }
    }
}

/* The same loops with the number of states known where it is small. */
#define SEM_HMM_LANES_ENTRY(kernel)                                                           \
    SEM_UNUSED static void NAME(lanes_##kernel)(                                              \
        const sem_hmm_chain *c, sem_hmm_lanes *g, double *work)                               \
    {                                                                                         \
        for (int lane = 0; lane < SEM_HMM_LANES; lane += VL)                                  \
            switch (c->K) {                                                                   \
            case 2: NAME(kernel)(c, g, lane, work, 2); break;                                 \
            case 3: NAME(kernel)(c, g, lane, work, 3); break;                                 \
            case 4: NAME(kernel)(c, g, lane, work, 4); break;                                 \
            case 5: NAME(kernel)(c, g, lane, work, 5); break;                                 \
            case 8: NAME(kernel)(c, g, lane, work, 8); break;                                 \
            default: NAME(kernel)(c, g, lane, work, c->K);                                    \
            }                                                                                 \
    }
SEM_HMM_LANES_ENTRY(smooth)
SEM_HMM_LANES_ENTRY(filter)
SEM_HMM_LANES_ENTRY(viterbi)

#undef SEM_HMM_LANES_ENTRY
#undef VD
#undef VU
#undef VM
#undef AT
#undef GET
#undef V_MAX2
#undef V_MIN2
#undef VL
#undef SEM_SUFFIX
