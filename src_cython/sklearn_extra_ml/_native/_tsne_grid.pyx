"""Charges to a grid and forces back from it: the ends of t-SNE's repulsion by Fourier transforms.

Rows of the grid are cut into bands. Points are sorted by band (a counting sort of fixed chunks,
stable), and bands of even and of odd number are filled in turn: what two bands of one colour write
never overlaps, so threads need no atomic operations and every node sums its charges in one order.
"""

from cython.parallel cimport prange
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free, malloc

from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_tsne_grid.h" nogil:
    int SEM_TG_ORDER
    ctypedef struct sem_tg_grid:
        float low[2]
        float inv_spacing
        Py_ssize_t n_rows, n_columns, stride
        float force_scale, self_constant, self_cosine, self_sine
    void sem_tg_bands(const sem_tg_grid *, const float *, Py_ssize_t, Py_ssize_t, int32_t, int32_t *)
    void sem_tg_spread(const sem_tg_grid *, const float *, const float *, const int32_t *,
                       Py_ssize_t, float *)
    double sem_tg_gather(const sem_tg_grid *, const float *, const float *, const int32_t *,
                         Py_ssize_t, const float *, int, float *, float *, float *)
    void sem_tg_scale(float *, const float *, Py_ssize_t)

ORDER = SEM_TG_ORDER
SLACK = 2  # nodes behind the last column that are written with zeros

cdef enum:
    BAND = 8       # rows of a band, more than the order less one
    CHUNK = 4096   # points of one task
    GATHER = 512


cdef sem_tg_grid _grid(dict geometry) except *:
    cdef sem_tg_grid grid
    grid.low[0] = geometry["low"][0]
    grid.low[1] = geometry["low"][1]
    grid.inv_spacing = 1 / geometry["spacing"]
    grid.n_rows, grid.n_columns = geometry["shape"]
    grid.stride = geometry["stride"]
    grid.force_scale = geometry["force_scale"]
    grid.self_constant, grid.self_cosine, grid.self_sine = geometry["self_terms"]
    return grid


cdef void _fill(const sem_tg_grid *grid, const float *x, const float *y, const int32_t *order,
                const intp_t *start, intp_t band, float *charge) noexcept nogil:
    """Empty the rows that no other band of this colour writes, then add the band's charges."""
    sem_tg_spread(grid, x, y, order + start[band], start[band + 1] - start[band], charge)


def spread(
    dict geometry,
    const float[:, ::1] y,  # IN (1 or 2, stride)
    intp_t n,
    int n_threads,
    int32_t[::1] order,     # OUT (n,): points sorted by band
    float[:, ::1] charge,   # OUT (n_rows, grid stride)
):
    """Fill the grid with the unit charges of `n` points."""
    cdef:
        sem_tg_grid grid = _grid(geometry)
        bint plane = y.shape[0] == 2
        const float *x = &y[0, 0] if plane else NULL
        const float *along = &y[y.shape[0] - 1, 0]
        intp_t n_bands = (grid.n_rows + BAND - 1) // BAND
        intp_t n_chunks = (n + CHUNK - 1) // CHUNK, b, c, i, r, at, count
        int32_t *band
        intp_t *start
        intp_t *counts
    charge[:] = 0
    if not plane:
        sem_tg_spread(&grid, NULL, along, NULL, n, &charge[0, 0])
        for i in range(n):
            order[i] = <int32_t> i
        return
    band = <int32_t *> malloc(n * sizeof(int32_t))
    start = <intp_t *> malloc((n_bands + 1) * sizeof(intp_t))
    counts = <intp_t *> calloc(n_chunks * n_bands, sizeof(intp_t))
    try:
        if band == NULL or start == NULL or counts == NULL:
            raise MemoryError()
        with nogil:
            for c in prange(n_chunks, num_threads=n_threads, schedule="static"):
                _count(&grid, x, c * CHUNK, min((c + 1) * CHUNK, n), band, counts + c * n_bands)
            at = 0
            for b in range(n_bands):
                start[b] = at
                for c in range(n_chunks):
                    count = counts[c * n_bands + b]
                    counts[c * n_bands + b] = at
                    at += count
            start[n_bands] = at
            for c in prange(n_chunks, num_threads=n_threads, schedule="static"):
                _place(c * CHUNK, min((c + 1) * CHUNK, n), band, counts + c * n_bands, &order[0])
            for r in range(2):
                for b in prange((n_bands + 1 - r) // 2, num_threads=n_threads, schedule="dynamic"):
                    _fill(&grid, x, along, &order[0], start, 2 * b + r, &charge[0, 0])
    finally:
        free(band)
        free(start)
        free(counts)


cdef void _count(const sem_tg_grid *grid, const float *x, intp_t first, intp_t last,
                 int32_t *band, intp_t *counts) noexcept nogil:
    cdef intp_t i
    sem_tg_bands(grid, x, first, last, BAND, band)
    for i in range(first, last):
        counts[band[i]] += 1


cdef void _place(intp_t first, intp_t last, const int32_t *band, intp_t *position,
                 int32_t *order) noexcept nogil:
    cdef intp_t i
    for i in range(first, last):
        order[position[band[i]]] = <int32_t> i
        position[band[i]] += 1


def gather(
    dict geometry,
    const float[:, ::1] y,          # IN (1 or 2, stride)
    intp_t n,
    const int32_t[::1] order,       # IN (n,), or empty
    const float[:, ::1] potential,  # IN (n_rows, grid stride)
    bint own,
    int n_threads,
    float[:, ::1] force,            # OUT (1 or 2, stride)
    float[::1] value,               # OUT (n,)
):
    """Read potentials and forces at `n` points; return the sum of the potentials.

    `own`: the points' charges are those of the grid; what a charge does to itself is taken away.
    """
    cdef:
        sem_tg_grid grid = _grid(geometry)
        bint plane = y.shape[0] == 2
        const float *x = &y[0, 0] if plane else NULL
        const float *along = &y[y.shape[0] - 1, 0]
        float *force_x = &force[0, 0]
        float *force_y = &force[y.shape[0] - 1, 0]
        const int32_t *sorted_ = &order[0] if order.shape[0] else NULL
        intp_t c, n_chunks = (n + GATHER - 1) // GATHER
        double total = 0
        double *partial = <double *> malloc(n_chunks * sizeof(double))
    if partial == NULL:
        raise MemoryError()
    for c in prange(n_chunks, nogil=True, num_threads=n_threads, schedule="dynamic"):
        partial[c] = _gather_chunk(&grid, x, along, sorted_, c * GATHER, min(GATHER, n - c * GATHER),
                                   &potential[0, 0], own, force_x, force_y, &value[0])
    for c in range(n_chunks):
        total += partial[c]
    free(partial)
    return total


cdef double _gather_chunk(const sem_tg_grid *grid, const float *x, const float *y,
                          const int32_t *order, intp_t first, intp_t count, const float *potential,
                          int own, float *force_x, float *force_y, float *value) noexcept nogil:
    if order != NULL:
        return sem_tg_gather(grid, x, y, order + first, count, potential, own, force_x, force_y,
                             value)
    return sem_tg_gather(grid, x + first if x != NULL else NULL, y + first, NULL, count, potential,
                         own, force_x + first, force_y + first, value + first)


def multiply(
    float[:, ::1] values,        # IN and OUT (n_rows, 2 n_columns): complex numbers
    const float[:, ::1] factor,  # IN (n_rows, n_columns)
    int n_threads,
):
    """Multiply complex values by real factors in place."""
    cdef intp_t r, n = factor.shape[1]
    for r in prange(factor.shape[0], nogil=True, num_threads=n_threads, schedule="static"):
        sem_tg_scale(&values[r, 0], &factor[r, 0], n)
