"""Barnes-Hut repulsion of t-SNE in one, two or three dimensions.

Points are sorted along the Morton curve. A cell of the quadtree (octree) is then a range of points
with a common prefix of their codes, so the tree is found by bisection, its centres of mass are
differences of prefix sums, and depth-first order with a "skip" link needs neither recursion nor a
stack for the walk. Sixteen neighbours on the curve walk together, a register of lanes.

J. Barnes and P. Hut, "A hierarchical O(N log N) force-calculation algorithm", Nature 324, 1986.
"""

from cython.parallel cimport prange
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc

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


def morton_codes(
    const float[:, ::1] y,      # IN (n_components, stride), at most 3 components
    intp_t n,
    const double[::1] low,      # IN (n_components,)
    double width,               # of the cube that holds the points
    int n_threads,
    uint64_t[::1] codes,        # OUT (n,)
):
    """Write each point's place on the Morton curve, 63, 62 or 63 bits for 1, 2 or 3 components."""
    cdef:
        intp_t i
        int dim = <int> y.shape[0], bits = level_bits(dim)
        double scale = (<uint64_t> 1 << bits) / width if width > 0 else 0
        double top = <double> ((<uint64_t> 1 << bits) - 1)
    for i in prange(n, nogil=True, num_threads=n_threads, schedule="static"):
        codes[i] = _code(&y[0, i], y.shape[1], dim, bits, &low[0], scale, top)


cdef int level_bits(int dim) noexcept nogil:
    return 52 if dim == 1 else 31 if dim == 2 else 21


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
    for b in range(bits - 1, -1, -1):
        for c in range(dim):
            code = (code << 1) | ((cell[c] >> b) & 1)
    return code


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
):
    """Return the `Tree` of sorted points."""
    cdef:
        intp_t n = codes.shape[0]
        int dim = <int> y.shape[0], bits = level_bits(dim)
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
        prefix[c * (n + 1)] = 0
        for i in range(n):
            prefix[c * (n + 1) + i + 1] = prefix[c * (n + 1) + i] + y[c * stride + i]
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
