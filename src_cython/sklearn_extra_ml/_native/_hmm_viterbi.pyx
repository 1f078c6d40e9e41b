"""The most likely path of states (Viterbi 1967), sequences in parallel.

Forward only maxima of sums are kept, one number for each row and state; which state each came from
is found again on the way back, for the one path that matters: K comparisons a row instead of K^2.
Every 16 rows the maximum is subtracted, so a long sequence compares numbers of moderate size.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdlib cimport calloc, free, malloc

from ._hmm_chain cimport Chain, Wave
from ._hmm_kernels cimport (
    SEM_HMM_LANES,
    SEM_HMM_RENORM,
    sem_hmm_chain,
    sem_hmm_lanes,
    sem_hmm_lanes_viterbi,
    sem_hmm_log_viterbi,
    sem_hmm_viterbi_back,
    sem_hmm_viterbi_rows,
    sem_thread_num,
)
from ._typedefs cimport int32_t, intp_t, uint8_t

cdef double ROUND_WORK = 5e8


cdef struct Job:
    const sem_hmm_chain *c
    const double *logb
    const intp_t *offsets
    const intp_t *groups
    int32_t *path
    double *log_probability
    uint8_t *bad


cdef void run_group(const Job *job, intp_t group, double *work) noexcept nogil:
    cdef sem_hmm_lanes g
    cdef intp_t s
    cdef int l
    g.logb = job.logb
    g.path = job.path
    for l in range(SEM_HMM_LANES):
        s = job.groups[group * SEM_HMM_LANES + l]
        g.first[l] = job.offsets[s] if s >= 0 else 0
        g.len[l] = job.offsets[s + 1] - job.offsets[s] if s >= 0 else 0
    sem_hmm_lanes_viterbi(job.c, &g, work)
    for l in range(SEM_HMM_LANES):
        s = job.groups[group * SEM_HMM_LANES + l]
        if s >= 0:
            job.log_probability[s] = g.loglik[l]
            job.bad[s] = g.bad[l] != 0


cdef void run_chunk(const Job *job, intp_t first, intp_t last, double *work) noexcept nogil:
    cdef intp_t group
    for group in range(first, last):
        run_group(job, group, work)


cdef int run_groups(const Job *job, Wave wave, double[:, ::1] work, int n_threads) except -1:
    cdef intp_t first, n, q
    if wave.n_groups == 0:
        return 0
    for first in range(0, wave.n_chunks, wave.per_wave):
        PyErr_CheckSignals()
        n = min(wave.per_wave, wave.n_chunks - first)
        for q in prange(n, nogil=True, num_threads=n_threads, schedule="dynamic"):
            run_chunk(job, (first + q) * wave.size, min((first + q + 1) * wave.size, wave.n_groups),
                      &work[sem_thread_num(), 0])
    return 0


cdef intp_t advance(const Job *job, intp_t s, intp_t t, intp_t rows, double *D,
                    double *off) noexcept nogil:
    """At most `rows` further rows of a long sequence, and the way back after the last."""
    cdef intp_t first = job.offsets[s], T = job.offsets[s + 1] - first, until = min(T, t + rows)
    if t == T:
        return T
    sem_hmm_viterbi_rows(job.c, job.logb + first * job.c.K, t, until, D, off)
    if until == T:
        job.log_probability[s] = sem_hmm_viterbi_back(job.c, T, D, off, job.path + first)
        job.bad[s] = not job.log_probability[s] > -1e300
    return until


cdef int run_wave(const Job *job, const intp_t *singles, intp_t n, int n_threads) except -1:
    """A few long sequences side by side."""
    cdef intp_t KP = job.c.KP, i, T, place = 0, rows, left = n
    cdef intp_t *at = <intp_t *> calloc(2 * n, sizeof(intp_t))  # rows done, place of D
    cdef double *memory = NULL
    rows = max(1, <intp_t> (ROUND_WORK / (KP * KP)))
    try:
        if at == NULL:
            raise MemoryError()
        for i in range(n):
            T = job.offsets[singles[i] + 1] - job.offsets[singles[i]]
            at[n + i] = place
            place += T * KP + T // SEM_HMM_RENORM + 1
        memory = <double *> malloc(place * sizeof(double))
        if memory == NULL:
            raise MemoryError()
        while left:
            PyErr_CheckSignals()
            for i in prange(n, nogil=True, num_threads=n_threads, schedule="dynamic"):
                at[i] = advance(
                    job, singles[i], at[i], rows, memory + at[n + i],
                    memory + at[n + i]
                    + (job.offsets[singles[i] + 1] - job.offsets[singles[i]]) * KP)
            left = 0
            for i in range(n):
                left += at[i] < job.offsets[singles[i] + 1] - job.offsets[singles[i]]
    finally:
        free(at)
        free(memory)
    return 0


cdef int run_flagged(const Job *job, intp_t n_sequences) except -1:
    """Sequences that no path explains: piece by piece."""
    cdef intp_t s, T, first
    cdef double *delta
    cdef uint8_t *kind
    for s in range(n_sequences):
        if not job.bad[s]:
            continue
        PyErr_CheckSignals()
        first = job.offsets[s]
        T = job.offsets[s + 1] - first
        delta = <double *> malloc(T * job.c.K * sizeof(double))
        kind = <uint8_t *> malloc(T)
        try:
            if delta == NULL or kind == NULL:
                raise MemoryError()
            with nogil:
                job.log_probability[s] = sem_hmm_log_viterbi(
                    job.c, job.logb + first * job.c.K, T, delta, kind, job.path + first)
        finally:
            free(delta)
            free(kind)
    return 0


def viterbi(
        const double[:, ::1] log_density,   # IN (n, K)
        const intp_t[::1] offsets,          # IN (n_sequences + 1,)
        const double[::1] log_start,        # IN (K,), -inf allowed
        const double[:, ::1] log_transmat,  # IN (K, K), -inf allowed
        const intp_t[:, ::1] groups,        # IN (n_groups, 8), from `schedule`
        const intp_t[::1] singles,          # IN
        intp_t tasks_at_once,               # IN
        double[:, ::1] work,                # scratch
        int32_t[::1] path,                  # OUT (n,)
        double[::1] log_probability,        # OUT (n_sequences,)
        int n_threads):
    """The most likely states of each sequence and the log-probability of states and rows together."""
    cdef:
        Chain chain = Chain(log_start, log_transmat, -float("inf"))
        intp_t n = offsets.shape[0] - 1, i
        double K = log_start.shape[0]
        Job job
    job.c = &chain.c
    job.logb = &log_density[0, 0]
    job.offsets = &offsets[0]
    job.groups = &groups[0, 0] if groups.shape[0] else NULL
    job.path = &path[0]
    job.log_probability = &log_probability[0]
    job.bad = <uint8_t *> calloc(max(n, 1), 1)
    if job.bad == NULL:
        raise MemoryError()
    try:
        run_groups(&job, Wave(groups.shape[0], log_density.shape[0] * K * (K + 4), n_threads),
                   work, n_threads)
        for i in range(0, singles.shape[0], tasks_at_once):
            run_wave(&job, &singles[i], min(tasks_at_once, singles.shape[0] - i), n_threads)
        run_flagged(&job, n)
    finally:
        free(job.bad)
