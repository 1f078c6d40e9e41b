"""What the recursions of a hidden Markov model share: the chain's tables and the schedule.

The schedule depends on lengths and number of states alone, never on threads, and statistics are
added in its order: groups of eight sequences of like length, longest first, in chunks; then the
long sequences one by one.
"""

from libc.stdlib cimport free, malloc

from ._hmm_kernels cimport SEM_HMM_LANES, sem_hmm_lanes_work, sem_hmm_rows_work
from ._typedefs cimport int32_t, intp_t

# A lane group longer than this (steps times squared states) would not look for signals in time.
cdef double LONGEST_IN_LANES = 4e7
# Lanes pay when three of them are busy.
cdef int LEAST_LANES = 3
# Multiply-adds between two looks at signals, for each thread.
cdef double WAVE_WORK = 1e9
cdef intp_t MAX_TASKS = 16  # long sequences at a time


cdef class Chain:
    """Start and transition probabilities (or their logarithms), padded and transposed."""

    def __cinit__(self, const double[::1] start, const double[:, ::1] transmat, double padding):
        cdef intp_t K = start.shape[0], KP = (K + 3) // 4 * 4, i, j
        cdef double *m = <double *> malloc((KP + 2 * K * K + 2 * KP * KP) * sizeof(double))
        self.memory = m
        if m == NULL:
            raise MemoryError()
        self.c.K = K
        self.c.KP = KP
        self.c.start = m
        self.c.A = m + KP
        self.c.At = m + KP + K * K
        self.c.Ap = m + KP + 2 * K * K
        self.c.Atp = m + KP + 2 * K * K + KP * KP
        for i in range(KP):
            m[i] = start[i] if i < K else padding
            for j in range(KP):
                if i < K and j < K:
                    m[KP + i * K + j] = transmat[i, j]
                    m[KP + K * K + j * K + i] = transmat[i, j]
                    m[KP + 2 * K * K + i * KP + j] = transmat[i, j]
                    m[KP + 2 * K * K + KP * KP + j * KP + i] = transmat[i, j]
                else:
                    m[KP + 2 * K * K + i * KP + j] = padding
                    m[KP + 2 * K * K + KP * KP + j * KP + i] = padding

    def __dealloc__(self):
        free(self.memory)


cdef class Wave:
    """How many lane groups make a chunk with sums of its own, and how many chunks run at once."""

    def __cinit__(self, intp_t n_groups, double work, int n_threads):
        cdef double chunks = max(64.0, work / WAVE_WORK)
        self.n_groups = n_groups
        self.n_chunks = <intp_t> min(<double> n_groups, chunks)
        self.size = 0
        self.per_wave = 0
        if n_groups:
            self.size = (n_groups + self.n_chunks - 1) // self.n_chunks
            self.n_chunks = (n_groups + self.size - 1) // self.size
            self.per_wave = <intp_t> max(<double> n_threads,
                                         self.n_chunks * WAVE_WORK * n_threads / max(work, 1.0))
            self.per_wave = min(self.per_wave, self.n_chunks)


def schedule(const intp_t[::1] lengths, const intp_t[::1] order, intp_t n_states,
             intp_t[:, ::1] groups, intp_t[::1] singles):
    """Divide sequences into lane groups (-1: no sequence) and single ones.

    `order` sorts the lengths, longest first. Returns the number of groups and of singles.
    """
    cdef intp_t n = lengths.shape[0], i = 0, q, total, length, n_groups = 0, n_singles = 0
    cdef double states = <double> n_states * n_states
    while i < n:
        length = lengths[order[i]]
        total = 0
        for q in range(i, min(n, i + SEM_HMM_LANES)):
            total += lengths[order[q]]
        if total < LEAST_LANES * length or length * states > LONGEST_IN_LANES:
            singles[n_singles] = order[i]
            n_singles += 1
            i += 1
            continue
        for q in range(SEM_HMM_LANES):
            groups[n_groups, q] = order[i + q] if i + q < n else -1
        n_groups += 1
        i += SEM_HMM_LANES
    return n_groups, n_singles


def scratch_size(intp_t n_states, intp_t longest_in_lanes):
    """Return the doubles of scratch that each thread needs in lane groups."""
    return sem_hmm_lanes_work(n_states, longest_in_lanes)


def stored_size(const intp_t[::1] lengths, const intp_t[::1] singles, intp_t n_states):
    """Return the doubles that the long sequences of one wave store, the largest wave."""
    cdef intp_t KP = (n_states + 3) // 4 * 4, first, i, size, largest = 0
    for first in range(0, singles.shape[0], MAX_TASKS):
        size = 0
        for i in range(first, min(singles.shape[0], first + MAX_TASKS)):
            size += lengths[singles[i]] * KP
        largest = max(largest, size)
    return largest


def tasks_at_once():
    """Return how many long sequences run in one wave."""
    return MAX_TASKS


def draw_states(const double[::1] start, const double[:, ::1] transmat,
                const double[:, ::1] uniform, int32_t[:, ::1] states):
    """Draw paths: cumulative probabilities against uniform numbers (n_sequences, length)."""
    cdef intp_t K = start.shape[0], s, t, k
    cdef const double *cumulative
    cdef double u
    with nogil:
        for s in range(uniform.shape[0]):
            for t in range(uniform.shape[1]):
                cumulative = &transmat[states[s, t - 1], 0] if t else &start[0]
                u = uniform[s, t]
                k = 0
                while k < K - 1 and not u < cumulative[k]:
                    k += 1
                states[s, t] = <int32_t> k
