"""Forward and backward over many sequences: posteriors, expected transitions, likelihoods.

The mathematics stands at the head of ``sem_hmm.h``. Here tasks are handed to threads, each with
sums of its own that are added in the order of the schedule: the bits are the same for any number
of threads.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from ._hmm_chain cimport Chain, Wave
from ._hmm_chain import tasks_at_once
from ._hmm_kernels cimport (
    SEM_HMM_BLOCK,
    SEM_HMM_LANES,
    sem_hmm_chain,
    sem_hmm_lanes,
    sem_hmm_lanes_filter,
    sem_hmm_lanes_smooth,
    sem_hmm_log_backward,
    sem_hmm_log_forward,
    sem_hmm_loglik,
    sem_hmm_rows_work,
    sem_hmm_run_task,
    sem_hmm_task,
    sem_thread_num,
)
from ._typedefs cimport intp_t, uint8_t

cdef double ROUND_WORK = 5e8  # multiply-adds of a long sequence between two looks at signals


# All that a task may read and write.
cdef struct Job:
    const sem_hmm_chain *c
    const double *logb
    const intp_t *offsets
    const double *weights
    const intp_t *groups
    double *gamma
    double *row
    double *loglik
    uint8_t *bad
    bint smooth


cdef void run_group(const Job *job, intp_t group, double *sums, double *work) noexcept nogil:
    """One lane group; sums: K x K pairs, then K starts."""
    cdef sem_hmm_lanes g
    cdef intp_t K = job.c.K, s
    cdef int l
    g.logb = job.logb
    g.gamma = job.gamma
    g.row = job.row
    g.xi = sums
    g.start = sums + K * K
    for l in range(SEM_HMM_LANES):
        s = job.groups[group * SEM_HMM_LANES + l]
        g.first[l] = job.offsets[s] if s >= 0 else 0
        g.len[l] = job.offsets[s + 1] - job.offsets[s] if s >= 0 else 0
        g.weight[l] = (job.weights[s] if job.weights != NULL else 1.0) if s >= 0 else 0.0
    if job.smooth:
        sem_hmm_lanes_smooth(job.c, &g, work)
    else:
        sem_hmm_lanes_filter(job.c, &g, work)
    for l in range(SEM_HMM_LANES):
        s = job.groups[group * SEM_HMM_LANES + l]
        if s >= 0:
            job.loglik[s] = g.loglik[l]
            job.bad[s] = g.bad[l] != 0


cdef void run_chunk(const Job *job, intp_t first, intp_t last, double *sums,
                    double *work) noexcept nogil:
    cdef intp_t group
    memset(sums, 0, (job.c.K + 1) * job.c.K * sizeof(double))
    for group in range(first, last):
        run_group(job, group, sums, work)


cdef int run_groups(const Job *job, Wave wave, double[:, ::1] work, double *total,
                    int n_threads) except -1:
    """All lane groups; `total` (K x K + K) grows by their sums."""
    cdef intp_t size = (job.c.K + 1) * job.c.K, first, n, q, i
    cdef double *sums
    if wave.n_groups == 0:
        return 0
    sums = <double *> malloc(wave.per_wave * size * sizeof(double))
    if sums == NULL:
        raise MemoryError()
    try:
        for first in range(0, wave.n_chunks, wave.per_wave):
            PyErr_CheckSignals()
            n = min(wave.per_wave, wave.n_chunks - first)
            for q in prange(n, nogil=True, num_threads=n_threads, schedule="dynamic"):
                run_chunk(job, (first + q) * wave.size,
                          min((first + q + 1) * wave.size, wave.n_groups),
                          sums + q * size, &work[sem_thread_num(), 0])
            for q in range(n):
                for i in range(size):
                    total[i] += sums[q * size + i]
    finally:
        free(sums)
    return 0


cdef intp_t middle_of(intp_t length) noexcept nogil:
    return length // 2 // SEM_HMM_BLOCK * SEM_HMM_BLOCK


cdef bint advance(const Job *job, sem_hmm_task *task, intp_t goal, intp_t rows) noexcept nogil:
    """Run at most `rows` rows towards `goal`; True while more are left."""
    cdef intp_t until
    if task.step > 0:
        until = min(goal, task.t + rows)
    else:
        until = max(goal, (task.t - rows) // SEM_HMM_BLOCK * SEM_HMM_BLOCK)
    sem_hmm_run_task(job.c, task, until)
    return until != goal


cdef int run_tasks(const Job *job, sem_hmm_task *tasks, intp_t n, bint second_half,
                   int n_threads) except -1:
    """Bring every task to the middle of its sequence, or from there to its end."""
    cdef intp_t i, rows = <intp_t> (ROUND_WORK / (job.c.KP * job.c.KP * 3.0)), left
    cdef intp_t *goals = <intp_t *> malloc(n * sizeof(intp_t))
    if goals == NULL:
        raise MemoryError()
    rows = max(1, rows // SEM_HMM_BLOCK) * SEM_HMM_BLOCK
    for i in range(n):
        goals[i] = tasks[i].middle
        if second_half:
            goals[i] = tasks[i].T if tasks[i].step > 0 else 0
    try:
        while True:
            PyErr_CheckSignals()
            left = 0
            for i in prange(n, nogil=True, num_threads=n_threads, schedule="dynamic"):
                left += advance(job, &tasks[i], goals[i], rows)
            if left == 0:
                break
    finally:
        free(goals)
    return 0


cdef int run_singles(const Job *job, const intp_t[::1] singles, double[::1] stored, double *total,
                     int n_threads) except -1:
    """Long sequences, a few at a time, two tasks each (one when only filtering)."""
    cdef:
        intp_t K = job.c.K, KP = job.c.KP, wave = tasks_at_once(), first, n, i, s, q, j, k
        intp_t per_task = sem_hmm_rows_work(KP) + K * KP, place, halves = 2 if job.smooth else 1
        sem_hmm_task *tasks
        sem_hmm_task *task
        double *scratch
        double value
    if singles.shape[0] == 0:
        return 0
    wave = min(wave, singles.shape[0])
    tasks = <sem_hmm_task *> malloc(wave * halves * sizeof(sem_hmm_task))
    scratch = <double *> malloc(wave * halves * per_task * sizeof(double))
    try:
        if tasks == NULL or scratch == NULL:
            raise MemoryError()
        for first in range(0, singles.shape[0], wave):
            n = min(wave, singles.shape[0] - first)
            memset(tasks, 0, n * halves * sizeof(sem_hmm_task))
            memset(scratch, 0, n * halves * per_task * sizeof(double))
            place = 0
            for i in range(n * halves):
                task = &tasks[i]
                s = singles[first + i // halves]
                task.T = job.offsets[s + 1] - job.offsets[s]
                task.middle = middle_of(task.T) if job.smooth else task.T
                task.logb = job.logb + job.offsets[s] * K
                task.gamma = job.gamma + job.offsets[s] * K if job.gamma != NULL else NULL
                task.row = job.row + job.offsets[s] if job.row != NULL else NULL
                task.weight = job.weights[s] if job.weights != NULL else 1.0
                task.step = -1 if i % 2 and job.smooth else 1
                task.t = task.T if task.step < 0 else 0
                task.scratch = scratch + i * per_task
                task.xi = task.scratch + sem_hmm_rows_work(KP)
                if job.smooth:
                    task.stored = &stored[place]
                    if i % 2:
                        place += task.T * KP
            run_tasks(job, tasks, n * halves, False, n_threads)
            if job.smooth:
                run_tasks(job, tasks, n * halves, True, n_threads)
            for i in range(n):
                task = &tasks[i * halves]
                s = singles[first + i]
                job.loglik[s] = sem_hmm_loglik(&task.end)
                job.bad[s] = task.end.bad != 0
                if job.smooth:
                    job.bad[s] |= tasks[2 * i + 1].end.bad != 0
                    if job.bad[s]:
                        continue
                    for k in range(K):
                        total[K * K + k] += task.gamma[k]
                        for j in range(K):
                            total[k * K + j] += (task.xi[k * KP + j]
                                                 + tasks[2 * i + 1].xi[k * KP + j])
    finally:
        free(tasks)
        free(scratch)
    return 0


cdef int run_flagged(const Job *job, intp_t n_sequences, double *total) except -1:
    """Do again with logarithms what underflowed."""
    cdef:
        intp_t K = job.c.K, s, T, first, k
        double *scratch
        uint8_t *kind
        double weight
    for s in range(n_sequences):
        if not job.bad[s]:
            continue
        PyErr_CheckSignals()
        first = job.offsets[s]
        T = job.offsets[s + 1] - first
        scratch = <double *> malloc((T + 3) * K * sizeof(double))
        kind = <uint8_t *> malloc(T)
        try:
            if scratch == NULL or kind == NULL:
                raise MemoryError()
            weight = job.weights[s] if job.weights != NULL else 1.0
            with nogil:
                job.loglik[s] = sem_hmm_log_forward(
                    job.c, job.logb + first * K, T, scratch + 3 * K, kind,
                    job.row + first if job.row != NULL else NULL, scratch)
                if job.smooth:
                    sem_hmm_log_backward(
                        job.c, job.logb + first * K, T, scratch + 3 * K, kind, weight,
                        job.gamma + first * K, total, scratch)
                    for k in range(K):
                        total[K * K + k] += job.gamma[first * K + k]
                elif job.gamma != NULL:
                    exp_rows(scratch + 3 * K, T * K, job.gamma + first * K)
        finally:
            free(scratch)
            free(kind)
    return 0


cdef extern from "math.h" nogil:
    double exp(double)


cdef void exp_rows(const double *x, intp_t n, double *out) noexcept nogil:
    cdef intp_t i
    for i in range(n):
        out[i] = exp(x[i])


cdef int run_job(Job *job, intp_t n_sequences, const intp_t[:, ::1] groups,
                 const intp_t[::1] singles, double[:, ::1] work, double[::1] stored,
                 double *total, double n_rows, int n_threads) except -1:
    cdef double states = <double> job.c.K * job.c.K
    job.groups = &groups[0, 0] if groups.shape[0] else NULL
    job.bad = <uint8_t *> calloc(max(n_sequences, 1), 1)
    if job.bad == NULL:
        raise MemoryError()
    try:
        run_groups(job, Wave(groups.shape[0], 3.0 * n_rows * (states + 10.0 * job.c.K), n_threads),
                   work, total, n_threads)
        run_singles(job, singles, stored, total, n_threads)
        run_flagged(job, n_sequences, total)
    finally:
        free(job.bad)
    return 0


def smooth(
        const double[:, ::1] log_density,   # IN (n, K)
        const intp_t[::1] offsets,          # IN (n_sequences + 1,)
        const double[::1] weights,          # IN (n_sequences,), or empty: ones
        const double[::1] start,            # IN (K,)
        const double[:, ::1] transmat,      # IN (K, K)
        const intp_t[:, ::1] groups,        # IN (n_groups, 8), from `schedule`
        const intp_t[::1] singles,          # IN
        double[:, ::1] work,                # scratch (n_threads, scratch_size)
        double[::1] stored,                 # scratch (stored_size,)
        double[:, ::1] posteriors,          # OUT (n, K), times weight
        double[::1] start_sum,              # INOUT (K,)
        double[:, ::1] pair_sum,            # INOUT (K, K)
        double[::1] log_likelihood,         # OUT (n_sequences,)
        int n_threads):
    """State posteriors, and what the M-step of start and transitions needs."""
    cdef:
        Chain chain = Chain(start, transmat, 0.0)
        intp_t K = start.shape[0], i, j
        Job job
        double *total = <double *> calloc((K + 1) * K, sizeof(double))
    if total == NULL:
        raise MemoryError()
    job.c = &chain.c
    job.logb = &log_density[0, 0]
    job.offsets = &offsets[0]
    job.weights = &weights[0] if weights.shape[0] else NULL
    job.gamma = &posteriors[0, 0]
    job.row = NULL
    job.loglik = &log_likelihood[0]
    job.smooth = True
    try:
        run_job(&job, offsets.shape[0] - 1, groups, singles, work, stored, total,
                log_density.shape[0], n_threads)
        for i in range(K):
            start_sum[i] += total[K * K + i]
            for j in range(K):
                pair_sum[i, j] += total[i * K + j] * transmat[i, j]
    finally:
        free(total)


def forward(
        const double[:, ::1] log_density,   # IN (n, K)
        const intp_t[::1] offsets,          # IN
        const double[::1] start,            # IN
        const double[:, ::1] transmat,      # IN
        const intp_t[:, ::1] groups,        # IN
        const intp_t[::1] singles,          # IN
        double[:, ::1] work,                # scratch
        double[:, ::1] filtered,            # OUT (n, K), or empty
        double[::1] row_log_likelihood,     # OUT (n,), or empty: log p(x_t | past)
        double[::1] log_likelihood,         # OUT (n_sequences,)
        int n_threads):
    """State probabilities given the past alone, and the likelihoods."""
    cdef:
        Chain chain = Chain(start, transmat, 0.0)
        intp_t K = start.shape[0]
        Job job
        double *total = <double *> calloc((K + 1) * K, sizeof(double))
    if total == NULL:
        raise MemoryError()
    job.c = &chain.c
    job.logb = &log_density[0, 0]
    job.offsets = &offsets[0]
    job.weights = NULL
    job.gamma = &filtered[0, 0] if filtered.shape[0] else NULL
    job.row = &row_log_likelihood[0] if row_log_likelihood.shape[0] else NULL
    job.loglik = &log_likelihood[0]
    job.smooth = False
    try:
        run_job(&job, offsets.shape[0] - 1, groups, singles, work, None, total,
                log_density.shape[0], n_threads)
    finally:
        free(total)
