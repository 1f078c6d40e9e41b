/* The recursions with logarithms, for sequences that the scaled ones flagged. Slow and safe.
 *
 * A row that no path explains has log-density -inf given the past. So that what follows is defined
 * all the same, such a row starts the chain anew from its own emissions; when no state can emit it,
 * it is passed over as if it were missing. The log-likelihood is -inf either way.
 */

static inline double sem_hmm_lse(const double *x, intp K)
{
    double top = -INFINITY, sum = 0;
    for (intp k = 0; k < K; ++k)
        if (x[k] > top)
            top = x[k];
    if (!(top > -INFINITY))
        return -INFINITY;
    for (intp k = 0; k < K; ++k)
        sum += exp(x[k] - top);
    return top + log(sum);
}

enum { SEM_HMM_PLAIN = 0, SEM_HMM_RESTART = 1, SEM_HMM_MISSING = 2 };

/* Log forward variables, each row normalised; kind[t] as above. Returns the log-likelihood.
 * `row` (T) receives log p(x_t | past) when not NULL; `part` is K scratch. */
SEM_UNUSED static double sem_hmm_log_forward(
    const sem_hmm_chain *c, const double *logb, intp T, double *la, uint8_t *kind, double *row,
    double *part)
{
    const intp K = c->K;
    double total = 0;
    for (intp t = 0; t < T; ++t) {
        double *now = la + t * K, norm;
        const double *past = now - K, *b = logb + t * K;
        for (intp j = 0; j < K; ++j) {
            if (t) {
                for (intp i = 0; i < K; ++i)
                    part[i] = past[i] + log(c->A[i * K + j]);
                now[j] = sem_hmm_lse(part, K);
            } else
                now[j] = log(c->start[j]);
        }
        for (intp j = 0; j < K; ++j)
            part[j] = now[j] + b[j];
        norm = sem_hmm_lse(part, K);
        total += norm;
        if (row)
            row[t] = norm;
        kind[t] = SEM_HMM_PLAIN;
        if (!(norm > -INFINITY)) {
            norm = sem_hmm_lse(b, K);
            kind[t] = norm > -INFINITY ? SEM_HMM_RESTART : SEM_HMM_MISSING;
            memcpy(part, kind[t] == SEM_HMM_RESTART ? b : now, (size_t)K * sizeof(double));
            if (kind[t] == SEM_HMM_MISSING)
                norm = sem_hmm_lse(part, K);
        }
        for (intp j = 0; j < K; ++j)
            now[j] = part[j] - norm;
    }
    return total;
}

/* Posteriors (times weight) into gamma, pairs (not yet times A, but with it folded in: see `xi`)
 * added to xi, K x K. `la`, `kind` from above; `scratch` is 3 K. */
SEM_UNUSED static void sem_hmm_log_backward(
    const sem_hmm_chain *c, const double *logb, intp T, const double *la, const uint8_t *kind,
    double weight, double *gamma, double *xi, double *scratch)
{
    const intp K = c->K;
    double *lb = scratch, *u = scratch + K, *part = scratch + 2 * K, norm;
    for (intp k = 0; k < K; ++k)
        lb[k] = 0;
    for (intp t = T - 1;; --t) {
        const double *now = la + t * K;
        for (intp k = 0; k < K; ++k)
            part[k] = now[k] + lb[k];
        norm = sem_hmm_lse(part, K);
        for (intp k = 0; k < K; ++k)
            gamma[t * K + k] = weight * exp(part[k] - norm);
        if (t == 0)
            break;
        if (kind[t] == SEM_HMM_RESTART) {
            for (intp k = 0; k < K; ++k)
                lb[k] = 0;
            continue;
        }
        for (intp k = 0; k < K; ++k)
            u[k] = lb[k] + (kind[t] == SEM_HMM_MISSING ? 0.0 : logb[t * K + k]);
        for (intp i = 0; i < K; ++i) {
            for (intp j = 0; j < K; ++j)
                part[j] = log(c->A[i * K + j]) + u[j];
            lb[i] = sem_hmm_lse(part, K);
        }
        for (intp i = 0; i < K; ++i)
            part[i] = now[i - K] + lb[i];
        norm = sem_hmm_lse(part, K);
        /* xi is multiplied by A at the end; the logarithm of A is left out here. */
        for (intp i = 0; i < K; ++i)
            for (intp j = 0; j < K; ++j)
                if (c->A[i * K + j] > 0)
                    xi[i * K + j] += weight * exp(now[i - K] + u[j] - norm);
        norm = sem_hmm_lse(lb, K);
        for (intp k = 0; k < K; ++k)
            lb[k] -= norm;
    }
}

/* Most likely path with restarts. delta: T x K scratch. `logA`: K x K. Returns -inf always when a
 * restart was needed, else the log-probability. */
SEM_UNUSED static double sem_hmm_log_viterbi(
    const sem_hmm_chain *c, const double *logb, intp T, double *delta, uint8_t *kind,
    int32_t *path)
{
    const intp K = c->K;
    const double *start = c->start, *logA = c->A; /* logarithms here */
    int broken = 0;
    intp best = 0;
    double result;
    for (intp t = 0; t < T; ++t) {
        double *now = delta + t * K, top = -INFINITY;
        const double *past = now - K, *b = logb + t * K;
        int any = 0;
        for (intp j = 0; j < K; ++j) {
            double m = t ? -INFINITY : start[j];
            for (intp i = 0; t && i < K; ++i)
                if (past[i] + logA[i * K + j] > m)
                    m = past[i] + logA[i * K + j];
            now[j] = m;
            if (m + b[j] > top)
                top = m + b[j];
            any |= b[j] > -INFINITY;
        }
        kind[t] = top > -INFINITY ? SEM_HMM_PLAIN : any ? SEM_HMM_RESTART : SEM_HMM_MISSING;
        broken |= kind[t] != SEM_HMM_PLAIN;
        for (intp j = 0; j < K; ++j)
            now[j] = kind[t] == SEM_HMM_PLAIN     ? now[j] + b[j]
                     : kind[t] == SEM_HMM_RESTART ? b[j]
                                                  : now[j];
    }
    for (intp k = 1; k < K; ++k)
        if (delta[(T - 1) * K + k] > delta[(T - 1) * K + best])
            best = k;
    result = broken ? -INFINITY : delta[(T - 1) * K + best];
    for (intp t = T - 1;; --t) {
        path[t] = (int32_t)best;
        if (t == 0)
            break;
        const double *past = delta + (t - 1) * K;
        double top = -INFINITY, value;
        intp from = 0;
        for (intp i = 0; i < K; ++i) {
            value = past[i] + (kind[t] == SEM_HMM_RESTART ? 0.0 : logA[i * K + best]);
            if (value > top) {
                top = value;
                from = i;
            }
        }
        best = from;
    }
    return result;
}
