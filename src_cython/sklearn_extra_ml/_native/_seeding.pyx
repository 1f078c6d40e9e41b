"""Seeds for k-means and mixtures: greedy k-means++, and weighted draws of distinct rows.

Rows are drawn in an order that their content fixes: by a hash of the row, ties broken by the row
itself. Permuting rows, or repeating a row instead of weighting it, then leaves the draws equal. The
order is never written out: rows are sorted by the leading bits of their hash into some thousand
buckets, a draw walks the buckets' masses, and only a bucket that is hit is sorted. Masses are kept
for each bucket, so no step needs a cumulative sum over all rows.

Greedy k-means++ (Arthur & Vassilvitskii 2007, section 5) tries several candidates in one pass over
the data. With many features a row skips a candidate that the triangle inequality rules out (Elkan
2003, Raff 2021): one at least twice as far from the row's own seed as the row is.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy

from ._k_means_kernels cimport (
    SEM_BLOCK,
    add_mass,
    block_sum,
    center_row,
    hash_rows,
    hash_sparse_rows,
    lower_closest,
    mask_candidates,
    pack,
    potentials,
    row_to_candidates,
    sem_lowest_bit,
    sem_mix,
    sem_prefetch,
    sparse_values,
)
from ._typedefs cimport floating, int32_t, intp_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "sem_simd.h" nogil:
    int sem_thread_num()

cdef enum:
    PIECE = 16            # blocks of one task
    MAX_CANDIDATES = 32   # candidates of one pass: bits of a mask

cdef double WAVE_WORK = 1e9


# ------------------------------------------------------------------------ the order of the rows


def row_keys(uint64_t[::1] keys):
    """Write the hash keys of the columns."""
    cdef intp_t t
    for t in range(keys.shape[0]):
        keys[t] = sem_mix(<uint64_t> (t + 1) * <uint64_t> 0x9e3779b97f4a7c15)


def hash_dense(const floating[:, ::1] X, const uint64_t[::1] keys, uint64_t[::1] out,
               int n_threads):
    """Write a hash of every row."""
    cdef intp_t n = X.shape[0], d = X.shape[1], size = max(1, 65536 // d)
    cdef intp_t n_tasks = (n + size - 1) // size, task, first, last, wave = 2048
    n_threads = <int> max(1, min(n_threads, n_tasks))
    for first in range(0, n_tasks, wave):
        PyErr_CheckSignals()
        last = min(n_tasks, first + wave)
        for task in prange(first, last, nogil=True, num_threads=n_threads, schedule="static"):
            hash_rows(&X[task * size, 0], min(size, n - task * size), d, &keys[0],
                      &out[task * size])


def hash_sparse(const floating[::1] data, const int32_t[::1] indices, const int32_t[::1] indptr,
                const uint64_t[::1] keys, uint64_t[::1] out):
    """Write a hash of every row of a CSR matrix."""
    if data.shape[0] == 0:
        out[:] = sem_mix(0)
        return
    with nogil:
        hash_sparse_rows(&data[0], &indices[0], &indptr[0], out.shape[0], &keys[0], &out[0])


cdef struct Entry:
    uint64_t key
    intp_t row


cdef int compare_entries(const void *a, const void *b) noexcept nogil:
    cdef const Entry *x = <const Entry*> a
    cdef const Entry *y = <const Entry*> b
    if x.key != y.key:
        return -1 if x.key < y.key else 1
    return (x.row > y.row) - (x.row < y.row)


cdef class ContentOrder:
    """Rows in an order that their content fixes, sorted where it is looked at.

    Parameters
    ----------
    hashes : (n_rows,) uint64
        From `hash_dense` or `hash_sparse`.
    compare_rows : callable
        ``compare_rows(i, j)`` is negative, 0 or positive as row i sorts before, equals or sorts
        after row j. Asked for rows of equal hash only.
    bucket, start, member, is_sorted
        Arrays to keep: (n_rows,) uint16, (n_buckets + 1,) intp, (n_rows,) intp, (n_buckets,) uint8;
        n_buckets is a power of two.
    mass, ranges
        (n_buckets,) and (16, n_buckets) float64.
    """

    cdef:
        readonly intp_t n_rows
        readonly intp_t n_buckets
        const uint64_t[::1] hashes
        object compare_rows
        uint16_t[::1] bucket
        intp_t[::1] start
        intp_t[::1] member
        uint8_t[::1] is_sorted
        double[::1] mass
        double[:, ::1] ranges

    def __init__(self, const uint64_t[::1] hashes, compare_rows, uint16_t[::1] bucket,
                 intp_t[::1] start, intp_t[::1] member, uint8_t[::1] is_sorted, double[::1] mass,
                 double[:, ::1] ranges):
        cdef intp_t i, b, size
        cdef int shift = 64
        self.hashes = hashes
        self.compare_rows = compare_rows
        self.bucket = bucket
        self.start = start
        self.member = member
        self.is_sorted = is_sorted
        self.mass = mass
        self.ranges = ranges
        self.n_rows = hashes.shape[0]
        self.n_buckets = is_sorted.shape[0]
        size = self.n_buckets
        while size > 1:
            size >>= 1
            shift -= 1
        with nogil:
            start[:] = 0
            is_sorted[:] = 0
            for i in range(self.n_rows):
                b = <intp_t> (hashes[i] >> shift) if shift < 64 else 0
                bucket[i] = <uint16_t> b
                start[b + 1] += 1
            for b in range(self.n_buckets):
                start[b + 1] += start[b]
            for i in range(self.n_rows):
                b = bucket[i]
                member[start[b]] = i
                start[b] += 1
            for b in range(self.n_buckets, 0, -1):
                start[b] = start[b - 1]
            start[0] = 0

    cdef int sort(self, intp_t b) except -1:
        cdef:
            intp_t first = self.start[b], size = self.start[b + 1] - first, i, j, row
            Entry *entries
        if self.is_sorted[b] or size == 0:
            return 0
        entries = <Entry*> malloc(size * sizeof(Entry))
        if entries == NULL:
            raise MemoryError()
        for i in range(size):
            entries[i].row = self.member[first + i]
            entries[i].key = self.hashes[entries[i].row]
        qsort(entries, size, sizeof(Entry), compare_entries)
        for i in range(size):
            self.member[first + i] = entries[i].row
        free(entries)
        # Rows of one hash but different content: insertion, since they are very few. Rows of one
        # content stay in the caller's order.
        for i in range(first + 1, first + size):
            row = self.member[i]
            j = i
            while (j > first and self.hashes[self.member[j - 1]] == self.hashes[row]
                   and self.compare_rows(self.member[j - 1], row) > 0):
                self.member[j] = self.member[j - 1]
                j -= 1
            self.member[j] = row
        self.is_sorted[b] = 1
        return 0

    cdef bint same(self, intp_t i, intp_t j) except -1:
        return i == j or (self.hashes[i] == self.hashes[j] and self.compare_rows(i, j) == 0)

    def weigh(self, const floating[::1] value, const floating[::1] weight, int n_threads):
        """Set the buckets' masses to the sums of weight * value and return the total.

        Fixed ranges of rows, added in their order: the same bits for any number of threads.
        """
        cdef:
            intp_t n = self.n_rows, n_buckets = self.n_buckets
            intp_t size = max(1, (n + self.ranges.shape[0] - 1) // self.ranges.shape[0])
            intp_t count = (n + size - 1) // size, r, b
            const floating *weight_ptr = &weight[0] if weight.shape[0] else NULL
            double total = 0
        if n < 16384:
            n_threads = 1
        with nogil:
            self.ranges[:, :] = 0
            for r in prange(count, num_threads=n_threads, schedule="static"):
                add_mass(&value[r * size], weight_ptr + r * size if weight_ptr != NULL else NULL,
                         &self.bucket[r * size], min(size, n - r * size), &self.ranges[r, 0])
            self.mass[:] = 0
            for r in range(count):
                for b in range(n_buckets):
                    self.mass[b] += self.ranges[r, b]
            for b in range(n_buckets):
                total += self.mass[b]
        return total

    def draw(self, const floating[::1] value, const floating[::1] weight,
             const double[::1] targets, intp_t[::1] rows):
        """For each target in [0, total) write the row at which the running mass passes it."""
        cdef intp_t l
        for l in range(targets.shape[0]):
            rows[l] = self.draw_one(value, weight, targets[l])

    cdef intp_t draw_one(self, const floating[::1] value, const floating[::1] weight,
                         double target) except -2:
        cdef:
            intp_t b, hit = -1, q, i, found = -1
            double part
        for b in range(self.n_buckets):
            if self.mass[b] > 0:
                hit = b
                if target < self.mass[b]:
                    break
                target -= self.mass[b]
        if hit < 0:
            return -1
        self.sort(hit)
        for q in range(self.start[hit], self.start[hit + 1]):
            i = self.member[q]
            part = value[i]
            if weight.shape[0]:
                part *= weight[i]
            if part > 0:
                found = i
                if target < part:
                    break
                target -= part
        return self.first_equal(found, weight)

    cdef intp_t first_equal(self, intp_t row, const floating[::1] weight) except -1:
        """Return the first row in the caller's order with this content and a positive weight."""
        cdef intp_t q, i, first = row, b = self.bucket[row]
        for q in range(self.start[b], self.start[b + 1]):
            i = self.member[q]
            if i < first and (not weight.shape[0] or weight[i] > 0) and self.same(i, row):
                first = i
        return first

    def remove(self, intp_t row, floating[::1] value, const floating[::1] weight):
        """Set the value of every row with this content to zero; return the mass that is left."""
        cdef intp_t q, i, b = self.bucket[row]
        cdef double total = 0
        self.mass[b] = 0
        for q in range(self.start[b], self.start[b + 1]):
            i = self.member[q]
            if self.same(i, row):
                value[i] = 0
            self.mass[b] += value[i] * (weight[i] if weight.shape[0] else 1.0)
        for q in range(self.n_buckets):
            total += self.mass[q]
        return total


# ------------------------------------------------------------- potentials of the candidates


cdef struct Task:
    intp_t n
    intp_t d
    int level
    double *scratch       # a block for each thread


cdef inline const floating *block_at(
        Task *task, const floating *X, const floating *offset, const floating *blocks, intp_t b,
        floating *block) noexcept nogil:
    if blocks != NULL:
        return blocks + b * SEM_BLOCK * task.d
    pack(task.level, X + b * SEM_BLOCK * task.d, task.d, NULL,
         min(SEM_BLOCK, task.n - b * SEM_BLOCK), offset, block)
    return block


cdef void try_piece(
        Task *task, const floating *X, const floating *offset, const floating *blocks,
        const floating *candidates, intp_t m, floating *closest, const floating *weight,
        double *pot, intp_t first, intp_t last) noexcept nogil:
    """Potentials of m candidates over the blocks of one piece; with `pot` NULL, take the candidate."""
    cdef:
        intp_t b
        const floating *points
        floating *block = <floating*> (task.scratch + sem_thread_num() * SEM_BLOCK * task.d)
    for b in range(first, last):
        points = block_at(task, X, offset, blocks, b, block)
        if pot == NULL:
            lower_closest(task.level, points, task.d, candidates, closest + b * SEM_BLOCK)
        else:
            potentials(task.level, points, task.d, candidates, m, closest + b * SEM_BLOCK,
                       weight + b * SEM_BLOCK if weight != NULL else NULL, pot)


def try_by_blocks(
        const floating[:, ::1] X,            # IN
        const floating[::1] offset,          # IN, subtracted from every row
        const floating[::1] blocks,          # IN, centred rows as transposed blocks, or empty
        const floating[:, ::1] candidates,   # IN, centred
        floating[::1] closest,               # IN, padded; INOUT when `pot` is empty
        const floating[::1] weight,          # IN, padded, or empty
        double[:, ::1] pot,                  # OUT (n_pieces, m), or empty: take the one candidate
        int n_threads,
        int level):
    """Few features: sums of weight * min(closest, squared distance) for each piece and candidate."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], m = candidates.shape[0]
        intp_t n_blocks = closest.shape[0] // SEM_BLOCK, n_pieces = (n_blocks + PIECE - 1) // PIECE
        intp_t q, first, last, wave
        const floating *weight_ptr = &weight[0] if weight.shape[0] else NULL
        const floating *block_ptr = &blocks[0] if blocks.shape[0] else NULL
        Task task
    n_threads = <int> max(1, min(n_threads, n_pieces))
    wave = <intp_t> max(64.0, n_threads * WAVE_WORK / (1024.0 * m * (3 * d + 6)))
    task.n = n
    task.d = d
    task.level = level
    task.scratch = <double*> malloc(n_threads * SEM_BLOCK * d * sizeof(double))
    if task.scratch == NULL:
        raise MemoryError()
    pot[:, :] = 0
    try:
        for first in range(0, n_pieces, wave):
            PyErr_CheckSignals()
            last = min(n_pieces, first + wave)
            for q in prange(first, last, nogil=True, num_threads=n_threads, schedule="static"):
                try_piece(&task, &X[0, 0], &offset[0], block_ptr, &candidates[0, 0], m,
                          &closest[0], weight_ptr, &pot[q, 0] if pot.shape[0] else NULL,
                          q * PIECE, min(n_blocks, (q + 1) * PIECE))
    finally:
        free(task.scratch)


cdef void try_rows_piece(
        Task *task, const floating *X, const floating *offset, const floating *candidates, int m,
        const floating *quarter, intp_t n_seeds, const floating *closest, const int32_t *owner,
        const floating *weight, floating *trial, intp_t stride, double *pot, intp_t first,
        intp_t last) noexcept nogil:
    cdef:
        intp_t b, i, p
        int l, count
        floating *row = <floating*> (task.scratch + sem_thread_num() * SEM_BLOCK * task.d)
        intp_t n_open, row_bytes = task.d * sizeof(floating), ahead = 1 + 4096 // row_bytes
        intp_t opened[SEM_BLOCK + 1]
        uint32_t bits
        uint32_t mask[SEM_BLOCK]
        const floating *chosen[MAX_CANDIDATES]
        int which[MAX_CANDIDATES]
        floating dist[MAX_CANDIDATES]
    for b in range(first, last):
        mask_candidates(closest + b * SEM_BLOCK, owner + b * SEM_BLOCK, quarter, m, n_seeds, mask)
        for l in range(m):
            memcpy(trial + l * stride + b * SEM_BLOCK, closest + b * SEM_BLOCK,
                   SEM_BLOCK * sizeof(floating))
        n_open = 0
        for p in range(SEM_BLOCK):
            i = b * SEM_BLOCK + p
            opened[n_open] = i
            n_open += mask[p] != 0 and (weight == NULL or weight[i] > 0)
        for p in range(n_open):
            i = opened[p]
            if p + ahead < n_open:
                # Rows are skipped at random, so the hardware cannot guess the next one.
                sem_prefetch(X + opened[p + ahead] * task.d, row_bytes)
            bits = mask[i - b * SEM_BLOCK]
            count = 0
            while bits:
                l = sem_lowest_bit(bits)
                bits &= bits - 1
                which[count] = l
                chosen[count] = candidates + l * task.d
                count += 1
            center_row(X + i * task.d, offset, task.d, row)
            row_to_candidates(task.level, row, task.d, chosen, count, dist)
            for l in range(count):
                if dist[l] < closest[i]:
                    trial[which[l] * stride + i] = dist[l]
        for l in range(m):
            pot[l] += block_sum(trial + l * stride + b * SEM_BLOCK,
                                weight + b * SEM_BLOCK if weight != NULL else NULL)


def try_by_rows(
        const floating[:, ::1] X,            # IN
        const floating[::1] offset,          # IN, subtracted from every row
        const floating[:, ::1] candidates,   # IN, centred, at most 32
        const floating[:, ::1] quarter,      # IN (m, n_seeds): a quarter of the squared distance
        const floating[::1] closest,         # IN, padded
        const int32_t[::1] owner,            # IN, padded: the seed that `closest` belongs to
        const floating[::1] weight,          # IN, padded, or empty
        floating[:, ::1] trial,              # OUT (m, padded): min(closest, squared distance)
        double[:, ::1] pot,                  # OUT (n_pieces, m)
        int n_threads,
        int level):
    """Many features: the same by rows, without the candidates that cannot be closer."""
    cdef:
        intp_t n = X.shape[0], d = X.shape[1], n_seeds = quarter.shape[1]
        int m = <int> candidates.shape[0]
        intp_t n_blocks = closest.shape[0] // SEM_BLOCK, n_pieces = (n_blocks + PIECE - 1) // PIECE
        intp_t q, first, last, wave, stride = trial.shape[1]
        const floating *weight_ptr = &weight[0] if weight.shape[0] else NULL
        Task task
    n_threads = <int> max(1, min(n_threads, n_pieces))
    wave = <intp_t> max(64.0, n_threads * WAVE_WORK / (1024.0 * m * (3 * d + 6)))
    task.n = n
    task.d = d
    task.level = level
    task.scratch = <double*> malloc(n_threads * SEM_BLOCK * d * sizeof(double))
    if task.scratch == NULL:
        raise MemoryError()
    pot[:, :] = 0
    try:
        for first in range(0, n_pieces, wave):
            PyErr_CheckSignals()
            last = min(n_pieces, first + wave)
            for q in prange(first, last, nogil=True, num_threads=n_threads, schedule="dynamic"):
                try_rows_piece(&task, &X[0, 0], &offset[0], &candidates[0, 0], m, &quarter[0, 0],
                               n_seeds, &closest[0], &owner[0], weight_ptr, &trial[0, 0], stride,
                               &pot[q, 0], q * PIECE, min(n_blocks, (q + 1) * PIECE))
    finally:
        free(task.scratch)


def take_trial(const floating[::1] trial, int32_t seed, floating[::1] closest, int32_t[::1] owner):
    """Lower `closest` to the accepted candidate's trial and note who owns the rows."""
    cdef intp_t i
    with nogil:
        for i in range(closest.shape[0]):
            if trial[i] < closest[i]:
                closest[i] = trial[i]
                owner[i] = seed


def try_sparse(
        const floating[::1] data,            # IN, CSR
        const int32_t[::1] indices,          # IN
        const int32_t[::1] indptr,           # IN
        const double[:, ::1] candidates_t,   # IN (n_features, m), lines padded
        const double[::1] c2,                # IN, squared norms of the candidates
        const floating[::1] closest,         # IN, padded
        const floating[::1] weight,          # IN, padded, or empty
        floating[:, ::1] trial,              # OUT (m, padded): min(closest, squared distance)
        double[:, ::1] pot,                  # OUT (n_pieces, m)
        int n_threads):
    """Rows of a CSR matrix. Distances to equal rows are exact zeros: sums run in one order."""
    cdef:
        intp_t n = indptr.shape[0] - 1, m = trial.shape[0], ld = candidates_t.shape[1]
        intp_t size = PIECE * SEM_BLOCK, n_pieces = pot.shape[0], q, first, last
        intp_t wave = max(n_threads, <intp_t> (WAVE_WORK / (ld * (data.shape[0] / n + 8.0) * size)))
        double *values
    n_threads = <int> max(1, min(n_threads, n_pieces))
    values = <double*> malloc(n_threads * ld * sizeof(double))
    if values == NULL:
        raise MemoryError()
    pot[:, :] = 0
    try:
        for first in range(0, n_pieces, wave):
            PyErr_CheckSignals()
            last = min(n_pieces, first + wave)
            for q in prange(first, last, nogil=True, num_threads=n_threads, schedule="dynamic"):
                try_sparse_piece(data, indices, indptr, candidates_t, c2, closest, weight, trial,
                                 pot, q, q * size, min(n, (q + 1) * size),
                                 values + sem_thread_num() * ld)
    finally:
        free(values)


cdef void try_sparse_piece(
        const floating[::1] data, const int32_t[::1] indices, const int32_t[::1] indptr,
        const double[:, ::1] candidates_t, const double[::1] c2, const floating[::1] closest,
        const floating[::1] weight, floating[:, ::1] trial, double[:, ::1] pot, intp_t piece,
        intp_t first, intp_t last, double *values) noexcept nogil:
    cdef:
        intp_t i, l, nnz
        double x2
        floating dist
        const floating *row
        const int32_t *columns
    for i in range(first, last):
        nnz = indptr[i + 1] - indptr[i]
        row = &data[0] + indptr[i] if nnz else NULL
        columns = &indices[0] + indptr[i] if nnz else NULL
        x2 = sparse_values(row, columns, nnz, &candidates_t[0, 0], candidates_t.shape[1], &c2[0],
                           values)
        for l in range(trial.shape[0]):
            dist = <floating> max(0.0, x2 + values[l])
            trial[l, i] = min(closest[i], dist)
            pot[piece, l] += <double> trial[l, i] * (
                <double> weight[i] if weight.shape[0] else 1.0)
