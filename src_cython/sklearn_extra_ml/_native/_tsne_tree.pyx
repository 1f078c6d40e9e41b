"""Barnes-Hut repulsion of t-SNE in one, two or three dimensions.

Points are sorted along the Morton curve. A cell of the quadtree (octree) is then a range of points
with a common prefix of their codes, so the tree is found by bisection, its centres of mass are
differences of prefix sums, and depth-first order with a "skip" link needs neither recursion nor a
stack for the walk. Sixteen neighbours on the curve walk together, a register of lanes.

J. Barnes and P. Hut, "A hierarchical O(N log N) force-calculation algorithm", Nature 324, 1986.
"""

from cython.parallel cimport prange
from libc.stdint cimport int32_t, uint64_t
from libc.math cimport log2
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_tsne.h" nogil:
    ctypedef struct sem_ts_points:
        const float *y
        Py_ssize_t stride, n
        int dim
    ctypedef struct sem_ts_node:
        float center[3]
        float sq_width
        int32_t start, end, skip, is_leaf
    void sem_ts_walk(const sem_ts_node *, int32_t, const sem_ts_points *, const sem_ts_points *,
                     Py_ssize_t, double, float, float *, float *)

cdef enum:
    LEAF = 8        # points in a leaf, more only where codes are equal
    LANES = 16
    MAX_STACK = 600  # at most 2^3 - 1 waiting cells on each of 63 levels


cdef enum:
    DIGIT = 11      # bits of one pass of the radix sort
    DIGITS = 2048

# Cells need be no finer than this: points so close push the others alike.
cdef double FINEST = 0.02


cdef int level_bits(int dim, intp_t n, double width) noexcept nogil:
    """Levels of the tree: to cells of size `FINEST`, but enough for `n` points in little space."""
    cdef int most = 52 if dim == 1 else 31 if dim == 2 else 21
    cdef double levels = log2(width / FINEST) + 1 if width > 0 else 1
    levels = max(levels, log2(<double> n) / dim + 4)
    return <int> min(levels, <double> most)


cdef uint64_t _code(const float *y, intp_t stride, int dim, int bits, const double *low,
                    double scale, double top) noexcept nogil:
    cdef uint64_t code = 0
    cdef uint64_t cell[3]
    cdef int c, b
    cdef double at
    for c in range(dim):
        at = (<double> y[c * stride] - low[c]) * scale
        at = at if at > 0 else 0
        cell[c] = <uint64_t> (at if at < top else top)
    if dim == 1:
        return cell[0]
    if dim == 2:
        return _spread_bits(cell[0]) << 1 | _spread_bits(cell[1])
    for b in range(bits - 1, -1, -1):
        for c in range(dim):
            code = (code << 1) | ((cell[c] >> b) & 1)
    return code


cdef inline uint64_t _spread_bits(uint64_t x) noexcept nogil:
    """Put a zero between any two of the lower 32 bits."""
    x = (x | (x << 16)) & <uint64_t> 0x0000FFFF0000FFFF
    x = (x | (x << 8)) & <uint64_t> 0x00FF00FF00FF00FF
    x = (x | (x << 4)) & <uint64_t> 0x0F0F0F0F0F0F0F0F
    x = (x | (x << 2)) & <uint64_t> 0x3333333333333333
    return (x | (x << 1)) & <uint64_t> 0x5555555555555555


cdef void _radix_sort(uint64_t *keys, int32_t *order, uint64_t *spare_keys, int32_t *spare,
                      intp_t n, int n_bits) noexcept nogil:
    """Sort keys and their numbers, stably; the result is in `keys` and `order`."""
    cdef int32_t counts[DIGITS]
    cdef int shift, n_passes = (n_bits + DIGIT - 1) // DIGIT, k
    cdef intp_t i
    cdef int32_t at, count
    cdef uint64_t *keys_from = keys
    cdef uint64_t *keys_to = spare_keys
    cdef int32_t *from_ = order
    cdef int32_t *to = spare
    for k in range(n_passes):
        shift = k * DIGIT
        memset(counts, 0, sizeof(counts))
        for i in range(n):
            counts[(keys_from[i] >> shift) & (DIGITS - 1)] += 1
        at = 0
        for i in range(DIGITS):
            count = counts[i]
            counts[i] = at
            at += count
        for i in range(n):
            at = counts[(keys_from[i] >> shift) & (DIGITS - 1)]
            counts[(keys_from[i] >> shift) & (DIGITS - 1)] = at + 1
            keys_to[at] = keys_from[i]
            to[at] = from_[i]
        keys_from, keys_to = keys_to, keys_from
        from_, to = to, from_
    if keys_from != keys:
        memcpy(keys, keys_from, n * sizeof(uint64_t))
        memcpy(order, from_, n * sizeof(int32_t))


def sort_on_curve(
    const float[:, ::1] y,   # IN (n_components, stride), at most 3 components
    intp_t n,
    const double[::1] low,   # IN (n_components,)
    double width,            # of the cube that holds the points
    int bits,                # levels of the curve (`curve_bits`)
    int n_threads,
    uint64_t[::1] codes,     # OUT (n,): rising places on the Morton curve
    int32_t[::1] order,      # OUT (n,): points in that order
):
    """Sort points along the Morton curve."""
    cdef:
        intp_t i
        int dim = <int> y.shape[0]
        double scale = (<uint64_t> 1 << bits) / width if width > 0 else 0
        double top = <double> ((<uint64_t> 1 << bits) - 1)
        uint64_t *keys = <uint64_t *> malloc(n * sizeof(uint64_t))
        int32_t *spare = <int32_t *> malloc(n * sizeof(int32_t))
    try:
        if keys == NULL or spare == NULL:
            raise MemoryError()
        with nogil:
            for i in prange(n, num_threads=n_threads, schedule="static"):
                codes[i] = _code(&y[0, i], y.shape[1], dim, bits, &low[0], scale, top)
                order[i] = <int32_t> i
            _radix_sort(&codes[0], &order[0], keys, spare, n, bits * dim)
    finally:
        free(keys)
        free(spare)


def curve_bits(int n_components, intp_t n, double width):
    """Levels that the curve, and the tree, need for `n` points in a cube."""
    return level_bits(n_components, n, width)


cdef class Tree:
    """The nodes over sorted points; made anew for each embedding."""

    cdef sem_ts_node *nodes
    cdef int32_t n_nodes, room

    def __cinit__(self):
        self.nodes = NULL

    def __dealloc__(self):
        free(self.nodes)

    @property
    def size(self):
        return self.n_nodes

    cdef sem_ts_node *push(self) noexcept nogil:
        cdef sem_ts_node *larger
        if self.n_nodes == self.room:
            larger = <sem_ts_node *> realloc(self.nodes, 2 * self.room * sizeof(sem_ts_node))
            if larger == NULL:
                return NULL
            self.nodes = larger
            self.room *= 2
        self.n_nodes += 1
        return self.nodes + self.n_nodes - 1


def build(
    const uint64_t[::1] codes,   # IN (n,), rising
    const float[:, ::1] y,       # IN (n_components, stride), sorted likewise
    double width,
    int bits,
):
    """Return the `Tree` of sorted points."""
    cdef:
        intp_t n = codes.shape[0]
        int dim = <int> y.shape[0]
        Tree tree = Tree()
        double *prefix = <double *> malloc(dim * (n + 1) * sizeof(double))
        int32_t *first_at = <int32_t *> malloc((n + 1) * sizeof(int32_t))
        int failed = 1
    tree.room = <int32_t> (n // 2 + 16)
    tree.n_nodes = 0
    tree.nodes = <sem_ts_node *> malloc(tree.room * sizeof(sem_ts_node))
    try:
        if prefix != NULL and first_at != NULL and tree.nodes != NULL:
            with nogil:
                failed = _build(tree, &codes[0], &y[0, 0], y.shape[1], n, dim, bits, width, prefix,
                                first_at)
        if failed:
            raise MemoryError(f"no memory for a tree of {n} points")
    finally:
        free(prefix)
        free(first_at)
    return tree


cdef int _build(Tree tree, const uint64_t *codes, const float *y, intp_t stride, intp_t n, int dim,
                int bits, double width, double *prefix, int32_t *first_at) noexcept nogil:
    cdef:
        int32_t start[MAX_STACK]
        int32_t end[MAX_STACK]
        int level[MAX_STACK]
        int32_t cut[9]
        int depth = 1, lv, c, shift, n_cells = 1 << dim
        intp_t i
        int32_t s, e, k
        double side, mean
        sem_ts_node *node
    for c in range(dim):
        mean = 0
        prefix[c * (n + 1)] = 0
        for i in range(n):
            mean = mean + <double> y[c * stride + i]
            prefix[c * (n + 1) + i + 1] = mean
    start[0], end[0], level[0] = 0, <int32_t> n, 0
    while depth:
        depth -= 1
        s, e, lv = start[depth], end[depth], level[depth]
        # levels on which all points fall into one cell are skipped
        while lv < bits and codes[s] >> ((bits - lv - 1) * dim) == codes[e - 1] >> ((bits - lv - 1) * dim):
            lv += 1
        node = tree.push()
        if node == NULL:
            return 1
        node.start, node.end = s, e
        node.is_leaf = e - s <= LEAF or lv == bits
        side = width / <double> (<uint64_t> 1 << lv)
        node.sq_width = <float> (side * side)
        for c in range(dim):
            mean = (prefix[c * (n + 1) + e] - prefix[c * (n + 1) + s]) / (e - s)
            node.center[c] = <float> mean
        if node.is_leaf:
            continue
        shift = (bits - lv - 1) * dim
        cut[0] = s
        for c in range(1, n_cells):
            cut[c] = _first_of_cell(codes, cut[c - 1], e, shift, n_cells, c)
        cut[n_cells] = e
        for c in range(n_cells - 1, -1, -1):
            if cut[c] < cut[c + 1]:
                start[depth], end[depth], level[depth] = cut[c], cut[c + 1], lv + 1
                depth += 1
    for k in range(tree.n_nodes - 1, -1, -1):
        first_at[tree.nodes[k].start] = k  # the topmost node that starts there comes last
    first_at[n] = tree.n_nodes
    for k in range(tree.n_nodes):
        tree.nodes[k].skip = first_at[tree.nodes[k].end]
    return 0


cdef int32_t _first_of_cell(const uint64_t *codes, int32_t low, int32_t high, int shift,
                            int n_cells, int cell) noexcept nogil:
    """First position in [low, high) whose digit at `shift` is at least `cell`."""
    cdef int32_t mid
    while low < high:
        mid = low + (high - low) // 2
        if <int> ((codes[mid] >> shift) & <uint64_t> (n_cells - 1)) < cell:
            low = mid + 1
        else:
            high = mid
    return low


def repulsion(
    Tree tree,
    const float[:, ::1] y,        # IN (n_components, stride), sorted
    intp_t n,
    const float[:, ::1] queries,  # IN (n_components, query stride), sorted on the same curve
    intp_t n_queries,
    double dof,
    double angle,
    int n_threads,
    float[:, ::1] force,          # OUT (n_components, query stride)
    float[::1] potential,         # OUT (query stride,): a point itself included
):
    """Repulsion of the tree's points on the queries; the stride of the queries is padded to 16."""
    cdef:
        sem_ts_points points, at
        intp_t b, n_blocks = (n_queries + LANES - 1) // LANES
        float sq_angle = <float> (angle * angle)
    points.y, points.dim, points.stride, points.n = &y[0, 0], <int> y.shape[0], y.shape[1], n
    at.y, at.dim, at.stride, at.n = &queries[0, 0], points.dim, queries.shape[1], n_queries
    for b in prange(n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=8):
        sem_ts_walk(tree.nodes, tree.n_nodes, &points, &at, b * LANES, dof, sq_angle,
                    &force[0, 0], &potential[0])


def gather_points(const float[:, ::1] y, const int32_t[::1] order, float[:, ::1] out):
    """Write the points in another order; the padding repeats the last one."""
    cdef intp_t c, i, n = order.shape[0]
    with nogil:
        for c in range(y.shape[0]):
            for i in range(n):
                out[c, i] = y[c, order[i]]
            for i in range(n, out.shape[1]):
                out[c, i] = out[c, n - 1]


def scatter_points(const float[:, ::1] values, const int32_t[::1] order, float[:, ::1] out):
    """Undo `gather_points`."""
    cdef intp_t c, i, n = order.shape[0]
    with nogil:
        for c in range(values.shape[0]):
            for i in range(n):
                out[c, order[i]] = values[c, i]
