"""Gradient of t-SNE: attraction along a graph, exact repulsion, and a step with momentum and gains.

Points are float32, one row a coordinate: y of shape (n_components, stride), stride a multiple of 16
with the points in front and padding behind. Rows are cut into blocks of fixed size, each block is
one task, and what blocks return is added in their order: no bit depends on the threads.
"""

from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_tsne.h" nogil:
    ctypedef struct sem_ts_graph:
        const int64_t *indptr
        const int32_t *target
        const float *weight
    ctypedef struct sem_ts_points:
        const float *y
        Py_ssize_t stride, n
        int dim
        const float *pairs
    ctypedef struct sem_ts_rule:
        float attraction, repulsion, rate, momentum, max_step, inv_dof
    void sem_ts_attract(const sem_ts_graph *, const sem_ts_points *, float inv_dof, Py_ssize_t,
                        Py_ssize_t, float *scratch, float *force)
    double sem_ts_graph_log(const sem_ts_graph *, const sem_ts_points *, float inv_dof,
                            Py_ssize_t, Py_ssize_t)
    void sem_ts_repulse(const sem_ts_points *, const sem_ts_points *, int others, double dof,
                        Py_ssize_t, Py_ssize_t, float *scratch, float *force, float *potential)
    double sem_ts_momentum(const sem_ts_rule *, Py_ssize_t, const float *, const float *, float *,
                           float *)
    int sem_thread_num()

PAD = 16  # edges of a row, and points, are padded to a multiple of this

cdef enum:
    BLOCK = 256   # rows of one task


cdef sem_ts_graph _graph(const int64_t[::1] indptr, const int32_t[::1] target,
                         const float[::1] weight) noexcept:
    cdef sem_ts_graph graph
    graph.indptr = &indptr[0]
    graph.target = &target[0] if target.shape[0] else NULL
    graph.weight = &weight[0] if target.shape[0] else NULL
    return graph


cdef sem_ts_points _points(const float[:, ::1] y, intp_t n) noexcept:
    cdef sem_ts_points points
    points.y = &y[0, 0]
    points.dim = <int> y.shape[0]
    points.stride = y.shape[1]
    points.n = n
    points.pairs = NULL
    return points


cdef float *_pairs(const float[:, ::1] y, intp_t n) except NULL:
    """Return the points' two coordinates side by side; to be freed."""
    cdef float *pairs = <float *> malloc(2 * n * sizeof(float))
    cdef intp_t i
    if pairs == NULL:
        raise MemoryError()
    if y.shape[0] == 2:
        with nogil:
            for i in range(n):
                pairs[2 * i] = y[0, i]
                pairs[2 * i + 1] = y[1, i]
    return pairs


def attraction(
    const int64_t[::1] indptr,  # IN (n + 1,)
    const int32_t[::1] target,  # IN
    const float[::1] weight,    # IN
    const float[:, ::1] y,      # IN (n_components, stride)
    double dof,
    int n_threads,
    float[:, ::1] force,        # OUT (n_components, stride)
):
    """Sum over the edges of each row of weight / u times the difference of the points.

    Edges of the n rows may lead to any column of `y`.
    """
    cdef:
        intp_t n = indptr.shape[0] - 1, b, n_blocks = (n + BLOCK - 1) // BLOCK
        sem_ts_graph graph = _graph(indptr, target, weight)
        sem_ts_points points = _points(y, n)
        float inv_dof = <float> (1 / dof)
        float *scratch = <float *> malloc(n_threads * 16 * y.shape[0] * sizeof(float))
        float *pairs
    if scratch == NULL:
        raise MemoryError()
    try:
        pairs = _pairs(y, y.shape[1])
    except MemoryError:
        free(scratch)
        raise
    points.pairs = pairs
    for b in prange(n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic"):
        sem_ts_attract(&graph, &points, inv_dof, b * BLOCK, min((b + 1) * BLOCK, n),
                       scratch + sem_thread_num() * 16 * points.dim, &force[0, 0])
    free(pairs)
    free(scratch)


def graph_log(
    const int64_t[::1] indptr,  # IN
    const int32_t[::1] target,  # IN
    const float[::1] weight,    # IN
    const float[:, ::1] y,      # IN
    double dof,
    int n_threads,
):
    """Return the sum over all edges of weight times log2(u): the part of the divergence that moves."""
    cdef:
        intp_t n = indptr.shape[0] - 1, b, n_blocks = (n + BLOCK - 1) // BLOCK
        sem_ts_graph graph = _graph(indptr, target, weight)
        sem_ts_points points = _points(y, n)
        float inv_dof = <float> (1 / dof)
        double *partial = <double *> malloc(n_blocks * sizeof(double))
        double total = 0
    if partial == NULL:
        raise MemoryError()
    for b in prange(n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic"):
        partial[b] = sem_ts_graph_log(&graph, &points, inv_dof, b * BLOCK, min((b + 1) * BLOCK, n))
    for b in range(n_blocks):
        total += partial[b]
    free(partial)
    return total


def repulsion(
    const float[:, ::1] queries,  # IN (n_components, query stride)
    intp_t n_queries,
    const float[:, ::1] y,        # IN (n_components, stride), padding far away
    double dof,
    int n_threads,
    float[:, ::1] force,          # OUT (n_components, query stride)
    float[::1] potential,         # OUT (query stride,): sums of w
    bint others=False,
):
    """Exact repulsion of all points on each query: the sum of w / u times the difference.

    A potential counts the point at the query's own place. With `others` (only where there are more
    than 3 components, and the queries are the points) it leaves out the point itself: w falls so
    fast there that beside the 1 of the point itself the others are lost in float32.
    """
    cdef:
        intp_t b, step = 16, n_blocks = (n_queries + step - 1) // step
        sem_ts_points points = _points(y, y.shape[1]), at = _points(queries, n_queries)
        float *scratch = <float *> malloc(n_threads * 16 * y.shape[0] * sizeof(float))
    if scratch == NULL:
        raise MemoryError()
    for b in prange(n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic"):
        sem_ts_repulse(&at, &points, others, dof, b * step, min((b + 1) * step, n_queries),
                       scratch + sem_thread_num() * 16 * points.dim, &force[0, 0], &potential[0])
    free(scratch)


cdef double _clip(intp_t first, intp_t last, int dim, intp_t stride, float max_step,
                  float *step, float *y) noexcept nogil:
    """Shorten steps longer than `max_step`, add them."""
    cdef intp_t i, c
    cdef double sq
    cdef float shorter
    for i in range(first, last):
        sq = 0
        for c in range(dim):
            sq += <double> step[c * stride + i] * step[c * stride + i]
        if not sq <= <double> max_step * max_step:
            shorter = <float> (max_step / sqrt(sq)) if sq < 1e300 else 0.0
            for c in range(dim):
                step[c * stride + i] = step[c * stride + i] * shorter
        for c in range(dim):
            y[c * stride + i] += step[c * stride + i]
    return 0


def descend(
    float[:, ::1] y,                 # IN and OUT (n_components, stride)
    const float[:, ::1] attraction,  # IN (n_components, stride)
    const float[:, ::1] repulsion,   # IN (n_components, stride)
    float[:, ::1] step,              # IN and OUT (n_components, stride): the last step
    float[:, ::1] gain,              # IN and OUT (n_components, stride)
    intp_t n,
    dict rule,
    int n_threads,
):
    """Move the points by one step of gradient descent; return the norm of the scaled gradient.

    `rule` holds attraction and repulsion (factors of the forces), rate, momentum, max_step.
    """
    cdef:
        intp_t b, c, i, n_blocks = (n + BLOCK - 1) // BLOCK, stride = y.shape[1], count
        int dim = <int> y.shape[0]
        sem_ts_rule r
        double total = 0
        double *partial = <double *> malloc(n_blocks * sizeof(double))
    if partial == NULL:
        raise MemoryError()
    r.attraction = rule["attraction"]
    r.repulsion = rule["repulsion"]
    r.rate = rule["rate"]
    r.momentum = rule["momentum"]
    r.max_step = rule["max_step"]
    r.inv_dof = 1
    for b in prange(n_blocks, nogil=True, num_threads=n_threads, schedule="static"):
        partial[b] = _descend_block(&r, b * BLOCK, min((b + 1) * BLOCK, n), dim, stride,
                                    &attraction[0, 0], &repulsion[0, 0], &step[0, 0],
                                    &gain[0, 0], &y[0, 0])
    for b in range(n_blocks):
        total += partial[b]
    free(partial)
    return sqrt(total)


cdef double _descend_block(const sem_ts_rule *r, intp_t first, intp_t last, int dim, intp_t stride,
                           const float *attraction, const float *repulsion, float *step,
                           float *gain, float *y) noexcept nogil:
    cdef intp_t c, at
    cdef double total = 0
    for c in range(dim):
        at = c * stride + first
        total += sem_ts_momentum(r, last - first, attraction + at, repulsion + at, step + at,
                                 gain + at)
    _clip(first, last, dim, stride, r.max_step, step, y)
    return total
