/* One long sequence, its states side by side in registers of four.
 *
 * Forward and backward are two tasks that run towards each other and meet in the middle. Up to
 * there each stores its variables, beyond it each meets the other's and makes posteriors of both
 * at once, so every row is stored once and read once. A task stops after a number of rows and goes
 * on later, so that the caller can look for signals.
 */

#define SEM_HMM_BLOCK 256 /* rows exponentiated at a time */

#if defined(__GNUC__)
typedef double sem_v4 __attribute__((vector_size(32)));
typedef uint64_t sem_u4 __attribute__((vector_size(32)));
typedef double sem_v4m __attribute__((vector_size(32), aligned(8)));
#  define SEM_V4_GET(p) (*(const sem_v4m *)(p))
#  define SEM_V4_PUT(p, x) (*(sem_v4m *)(p) = (x))
#  define SEM_V4_ADD(x, y) ((x) + (y))
#  define SEM_V4_MUL(x, y) ((x) * (y))
#  define SEM_V4_SCALE(x, s) ((x) * (s))
#  define SEM_V4_ZERO ((sem_v4){0, 0, 0, 0})
#else
typedef struct { double x[4]; } sem_v4;
static SEM_INLINE sem_v4 SEM_V4_GET(const double *p)
{
    sem_v4 r;
    memcpy(r.x, p, 32);
    return r;
}
#  define SEM_V4_PUT(p, v) memcpy(p, (v).x, 32)
static SEM_INLINE sem_v4 SEM_V4_ADD(sem_v4 a, sem_v4 b)
{
    for (int q = 0; q < 4; ++q)
        a.x[q] += b.x[q];
    return a;
}
static SEM_INLINE sem_v4 SEM_V4_MUL(sem_v4 a, sem_v4 b)
{
    for (int q = 0; q < 4; ++q)
        a.x[q] *= b.x[q];
    return a;
}
static SEM_INLINE sem_v4 SEM_V4_SCALE(sem_v4 a, double s)
{
    for (int q = 0; q < 4; ++q)
        a.x[q] *= s;
    return a;
}
static const sem_v4 SEM_V4_ZERO = {{0, 0, 0, 0}};
#endif

/* A task. Forward when `step` is 1, backward when -1. */
typedef struct {
    const double *logb;   /* T x K */
    double *gamma;        /* OUT T x K: posteriors times weight, or filtered; NULL: none */
    double *row;          /* OUT T: log p(x_t | past), forward only; NULL: none */
    double *stored;       /* T x KP: forward below `middle`, backward from there on; NULL: no posteriors */
    double *xi;           /* INOUT K x KP, not yet times A */
    double *scratch;      /* sem_hmm_rows_work(KP) */
    intp T, middle;
    int step;
    double weight;
    intp t;               /* the row to do next */
    double sum;           /* sum of the variables of the row before */
    sem_hmm_end end;
} sem_hmm_task;

/* Doubles of scratch: blocks of B, of a task's own variables, of shifts; the row before; one more. */
static inline intp sem_hmm_rows_work(intp KP) { return (2 * SEM_HMM_BLOCK + 4) * KP + SEM_HMM_BLOCK; }

static SEM_INLINE double sem_hmm_sum4(const double *x, const intp KP)
{
    double p0 = x[0], p1 = x[1], p2 = x[2], p3 = x[3];
    for (intp k = 4; k < KP; k += 4) {
        p0 += x[k];
        p1 += x[k + 1];
        p2 += x[k + 2];
        p3 += x[k + 3];
    }
    return (p0 + p1) + (p2 + p3);
}

/* out = (sum over i of x[i] * W[i, :]) in four strided parts. W: KP x KP. NV registers of four. */
static SEM_INLINE void sem_hmm_times(
    const double *x, const double *W, double *out, const intp KP)
{
    for (intp v = 0; v < KP; v += 4) {
        sem_v4 p0 = SEM_V4_ZERO, p1 = p0, p2 = p0, p3 = p0;
        for (intp i = 0; i < KP; i += 4) {
            const double *line = W + i * KP + v;
            p0 = SEM_V4_ADD(p0, SEM_V4_SCALE(SEM_V4_GET(line), x[i]));
            p1 = SEM_V4_ADD(p1, SEM_V4_SCALE(SEM_V4_GET(line + KP), x[i + 1]));
            p2 = SEM_V4_ADD(p2, SEM_V4_SCALE(SEM_V4_GET(line + 2 * KP), x[i + 2]));
            p3 = SEM_V4_ADD(p3, SEM_V4_SCALE(SEM_V4_GET(line + 3 * KP), x[i + 3]));
        }
        SEM_V4_PUT(out + v, SEM_V4_ADD(SEM_V4_ADD(p0, p1), SEM_V4_ADD(p2, p3)));
    }
}

/* B and shifts of n rows; the padding of B is zero. B has room for a whole block. */
SEM_CLONES
static void sem_hmm_exp_block(
    const double *logb, intp n, intp K, intp KP, double *B, double *M)
{
    for (intp t = 0; t < n; ++t) {
        const double *b = logb + t * K;
        double top = -1e308;
        for (intp k = 0; k < K; ++k)
            top = b[k] > top ? b[k] : top;
        M[t] = top;
        for (intp k = 0; k < K; ++k)
            B[t * KP + k] = b[k] - top;
        for (intp k = K; k < KP; ++k)
            B[t * KP + k] = -INFINITY;
    }
    sem_exp_all(B, n * KP);
}

/* n rows forward: a (n x KP) after the row `past`. */
static SEM_INLINE void sem_hmm_forward_rows(
    const sem_hmm_chain *c, sem_hmm_task *task, intp first, intp n, const double *B,
    const double *M, const double *past, double *a, const intp KP)
{
    double sum = task->sum;
    for (intp t = 0; t < n; ++t, B += KP, a += KP) {
        if (first + t == 0)
            for (intp k = 0; k < KP; ++k)
                a[k] = B[k] * c->start[k];
        else {
            const double scale = sem_hmm_rescale(sum);
            sem_hmm_times(past, c->Ap, a, KP);
            for (intp v = 0; v < KP; v += 4)
                SEM_V4_PUT(a + v, SEM_V4_MUL(SEM_V4_GET(a + v), SEM_V4_SCALE(SEM_V4_GET(B + v), scale)));
            task->end.exponent += sem_hmm_exponent(sum);
        }
        if (task->row)
            task->row[first + t] = first + t ? sem_hmm_mantissa(sum) : 1.0;
        sum = sem_hmm_sum4(a, KP);
        if (task->row) /* logarithms follow outside: this loop waits for each row's sum */
            task->row[first + t] = sum / task->row[first + t];
        task->end.bad |= !(sum >= SEM_HMM_TINY);
        task->end.shift += M[t];
        past = a;
    }
    task->sum = task->end.last = sum;
}

/* n rows backward, last first: b (n x KP); `next` is b of the row above with u = B o b already. */
static SEM_INLINE void sem_hmm_backward_rows(
    const sem_hmm_chain *c, sem_hmm_task *task, intp first, intp n, const double *B, double *u,
    double *b, const intp KP)
{
    double sum = task->sum;
    for (intp t = n - 1; t >= 0; --t) {
        double *bt = b + t * KP;
        if (first + t == task->T - 1)
            for (intp k = 0; k < KP; ++k)
                bt[k] = k < c->K;
        else {
            const double scale = sem_hmm_rescale(sum);
            sem_hmm_times(u, c->Atp, bt, KP);
            for (intp v = 0; v < KP; v += 4)
                SEM_V4_PUT(bt + v, SEM_V4_SCALE(SEM_V4_GET(bt + v), scale));
        }
        for (intp v = 0; v < KP; v += 4)
            SEM_V4_PUT(u + v, SEM_V4_MUL(SEM_V4_GET(B + t * KP + v), SEM_V4_GET(bt + v)));
        sum = sem_hmm_sum4(u, KP);
        task->end.bad |= first + t > 0 && !(sum >= SEM_HMM_TINY);
    }
    task->sum = sum;
}

/* Posteriors and pairs of n rows. `past`: the forward variables of the row before the first. */
static SEM_INLINE void sem_hmm_meet_rows(
    const sem_hmm_chain *c, sem_hmm_task *task, intp first, intp n, const double *B,
    const double *past, const double *a, const double *b, double *v, const intp KP)
{
    const intp K = c->K;
    double *gamma = task->gamma + first * K;
    for (intp t = 0; t < n; ++t, B += KP, a += KP, b += KP, gamma += K) {
        double norm, factor;
        for (intp k = 0; k < KP; k += 4)
            SEM_V4_PUT(v + k, SEM_V4_MUL(SEM_V4_GET(a + k), SEM_V4_GET(b + k)));
        norm = sem_hmm_sum4(v, KP);
        task->end.bad |= !(norm >= SEM_HMM_TINY);
        factor = task->weight / norm;
        for (intp k = 0; k < K; ++k)
            gamma[k] = v[k] * factor;
        if (first + t > 0) {
            factor *= sem_hmm_rescale(sem_hmm_sum4(past, KP));
            for (intp k = 0; k < KP; k += 4)
                SEM_V4_PUT(v + k, SEM_V4_SCALE(SEM_V4_MUL(SEM_V4_GET(B + k), SEM_V4_GET(b + k)), factor));
            for (intp i = 0; i < K; ++i)
                for (intp k = 0; k < KP; k += 4)
                    SEM_V4_PUT(
                        task->xi + i * KP + k,
                        SEM_V4_ADD(
                            SEM_V4_GET(task->xi + i * KP + k),
                            SEM_V4_SCALE(SEM_V4_GET(v + k), past[i])));
        }
        past = a;
    }
}

static SEM_INLINE void sem_hmm_run(
    const sem_hmm_chain *c, sem_hmm_task *task, intp until, const intp KP)
{
    double *B = task->scratch, *own = B + SEM_HMM_BLOCK * KP, *M = own + SEM_HMM_BLOCK * KP;
    double *edge = M + SEM_HMM_BLOCK, *v = edge + KP, *before = v + KP;
    /* `edge`: forward: the last row done; backward: B o b of it. */
    while (task->t != until) {
        intp first, n;
        if (task->step > 0) {
            first = task->t;
            n = (until < first + SEM_HMM_BLOCK ? until : first + SEM_HMM_BLOCK) - first;
        } else {
            const intp low = (task->t - 1) / SEM_HMM_BLOCK * SEM_HMM_BLOCK;
            first = low > until ? low : until;
            n = task->t - first;
        }
        sem_hmm_exp_block(task->logb + first * c->K, n, c->K, KP, B, M);
        if (task->step > 0) {
            const int meets = task->stored && first >= task->middle;
            double *a = task->stored && !meets ? task->stored + first * KP : own;
            memcpy(before, edge, (size_t)KP * sizeof(double));
            sem_hmm_forward_rows(c, task, first, n, B, M, before, a, KP);
            memcpy(edge, a + (n - 1) * KP, (size_t)KP * sizeof(double));
            if (meets)
                sem_hmm_meet_rows(
                    c, task, first, n, B, before, a, task->stored + first * KP, v, KP);
            else if (task->gamma && !task->stored)
                for (intp t = 0; t < n; ++t) {
                    const double sum = sem_hmm_sum4(a + t * KP, KP);
                    for (intp k = 0; k < c->K; ++k)
                        task->gamma[(first + t) * c->K + k] = a[t * KP + k] / sum;
                }
            if (task->row)
                for (intp t = 0; t < n; ++t)
                    task->row[first + t] = log(task->row[first + t]) + M[t];
            task->t = first + n;
        } else {
            const int meets = first < task->middle;
            double *b = meets ? own : task->stored + first * KP;
            sem_hmm_backward_rows(c, task, first, n, B, edge, b, KP);
            if (meets)
                sem_hmm_meet_rows(
                    c, task, first, n, B, first ? task->stored + (first - 1) * KP : edge,
                    task->stored + first * KP, b, v, KP);
            task->t = first;
        }
    }
}

/* Go on to row `until` (exclusive forward; backward: done down to and with it). */
SEM_CLONES
static void sem_hmm_run_clone(const sem_hmm_chain *c, sem_hmm_task *task, intp until)
{
    switch (c->KP) {
    case 4: sem_hmm_run(c, task, until, 4); break;
    case 8: sem_hmm_run(c, task, until, 8); break;
    default: sem_hmm_run(c, task, until, c->KP);
    }
}

SEM_UNUSED static void sem_hmm_run_task(const sem_hmm_chain *c, sem_hmm_task *task, intp until)
{
    SEM_HMM_FLUSH
    sem_hmm_run_clone(c, task, until);
    SEM_HMM_RESTORE
}

/* Viterbi forward over rows [t, until): D is T x KP; off one for each SEM_HMM_RENORM rows.
 * c holds logarithms, -inf in the padding. */
static SEM_INLINE void sem_hmm_viterbi_run(
    const sem_hmm_chain *c, const double *logb, intp t, intp until, double *D, double *off,
    const intp KP)
{
    const intp K = c->K;
    for (; t < until; ++t) {
        double *now = D + t * KP;
        const double *past = now - KP, *b = logb + t * K;
        if (t == 0)
            for (intp k = 0; k < KP; ++k)
                now[k] = k < K ? c->start[k] : -INFINITY;
        else
            for (intp v = 0; v < KP; v += 4) {
                double m[4], value;
                for (int q = 0; q < 4; ++q)
                    m[q] = past[0] + c->Ap[v + q];
                for (intp i = 1; i < K; ++i)
                    for (int q = 0; q < 4; ++q) {
                        value = past[i] + c->Ap[i * KP + v + q];
                        m[q] = value > m[q] ? value : m[q];
                    }
                for (int q = 0; q < 4; ++q)
                    now[v + q] = m[q];
            }
        for (intp k = 0; k < K; ++k)
            now[k] = b[k] + now[k];
        if (t % SEM_HMM_RENORM == 0) {
            double top = -1e308;
            for (intp k = 0; k < K; ++k)
                top = now[k] > top ? now[k] : top;
            for (intp k = 0; k < KP; ++k)
                now[k] -= top;
            off[t / SEM_HMM_RENORM] = top;
        }
    }
}

SEM_CLONES
SEM_UNUSED static void sem_hmm_viterbi_rows(
    const sem_hmm_chain *c, const double *logb, intp t, intp until, double *D, double *off)
{
    switch (c->KP) {
    case 4: sem_hmm_viterbi_run(c, logb, t, until, D, off, 4); break;
    case 8: sem_hmm_viterbi_run(c, logb, t, until, D, off, 8); break;
    default: sem_hmm_viterbi_run(c, logb, t, until, D, off, c->KP);
    }
}

/* The path back; returns its log-probability, -inf when there is none. */
SEM_CLONES
SEM_UNUSED static double sem_hmm_viterbi_back(
    const sem_hmm_chain *c, intp T, const double *D, const double *off, int32_t *path)
{
    const intp K = c->K, KP = c->KP;
    double top = -INFINITY, total = 0;
    intp best = 0;
    for (intp k = 0; k < K; ++k)
        if (D[(T - 1) * KP + k] > top) {
            top = D[(T - 1) * KP + k];
            best = k;
        }
    for (intp r = 0; r < T; r += SEM_HMM_RENORM)
        total += off[r / SEM_HMM_RENORM];
    total += top;
    path[T - 1] = (int32_t)best;
    for (intp t = T - 2; t >= 0; --t) {
        const double *now = D + t * KP, *into = c->At + best * K;
        double most = -INFINITY;
        intp from = 0;
        for (intp i = 0; i < K; ++i) {
            const double value = now[i] + into[i];
            from = value > most ? i : from;
            most = value > most ? value : most;
        }
        best = from;
        path[t] = (int32_t)best;
    }
    return top > -INFINITY ? total : -INFINITY;
}
