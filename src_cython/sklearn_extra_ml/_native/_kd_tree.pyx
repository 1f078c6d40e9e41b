"""A k-d tree over tree-ordered points, and nearest neighbours in it.

The layout, and the rounding of distances, are described in ``include/sem_kd_tree.h``; the build in
``include/sem_kd_build.h``; the search in ``include/sem_kd_knn.h``. This module owns the memory,
spreads blocks of work over threads, and answers Ctrl-C between blocks. Every result is the same,
bit for bit, for any number of threads: each node and each query is computed by one thread alone.

Positions and nodes are 32-bit integers, which keeps a node at 16 bytes: 2**31 - 1 points at most.
"""

import time

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from sklearn_extra_ml._native._typedefs cimport floating, intp_t


cdef extern from "sem_kd_build.h" nogil:
    ctypedef struct sem_kd_span:
        int32_t node
        int32_t first
        int32_t last
        int32_t buffer

    ctypedef struct sem_kd_item_f32:
        float key

    ctypedef struct sem_kd_item_f64:
        double key

    ctypedef struct sem_kd_build_f32:
        intp_t n_points
        intp_t n_features
        intp_t leaf_size
        float *points[2]
        int32_t *rows
        sem_kd_item_f32 *items
        sem_kd_item_f32 *spare
        float *tiles
        float *boxes
        sem_kd_node *nodes

    ctypedef struct sem_kd_build_f64:
        intp_t n_points
        intp_t n_features
        intp_t leaf_size
        double *points[2]
        int32_t *rows
        sem_kd_item_f64 *items
        sem_kd_item_f64 *spare
        double *tiles
        double *boxes
        sem_kd_node *nodes

    void sem_kd_open_root_f32(sem_kd_build_f32 *build, sem_kd_span root)
    void sem_kd_open_root_f64(sem_kd_build_f64 *build, sem_kd_span root)
    int sem_kd_split_f32(sem_kd_build_f32 *build, sem_kd_span span, sem_kd_span *left,
                         sem_kd_span *right)
    int sem_kd_split_f64(sem_kd_build_f64 *build, sem_kd_span span, sem_kd_span *left,
                         sem_kd_span *right)
    void sem_kd_build_subtree_f32(sem_kd_build_f32 *build, sem_kd_span span)
    void sem_kd_build_subtree_f64(sem_kd_build_f64 *build, sem_kd_span span)

cdef extern from "sem_kd_knn.h" nogil:
    enum:
        SEM_KD_DOT_FEATURES

    void sem_kd_norms_f32(const sem_kd_tree_f32 *tree, intp_t first, intp_t last, float *norms)
    int sem_kd_knn_f32(const sem_kd_tree_f32 *queries, const sem_kd_tree_f32 *tree,
                       const float *norms, intp_t k, intp_t first, intp_t last, float *out_distances, int32_t *out_positions,
                       int64_t *n_scanned)
    void sem_kd_norms_f64(const sem_kd_tree_f64 *tree, intp_t first, intp_t last, double *norms)
    int sem_kd_knn_f64(const sem_kd_tree_f64 *queries, const sem_kd_tree_f64 *tree,
                       const double *norms, intp_t k, intp_t first, intp_t last, double *out_distances, int32_t *out_positions,
                       int64_t *n_scanned)


METRICS = {
    "euclidean": SEM_EUCLIDEAN,
    "manhattan": SEM_MANHATTAN,
    "chebyshev": SEM_CHEBYSHEV,
    "minkowski": SEM_MINKOWSKI,
}
TILE = SEM_TILE
MAX_POINTS = INT32_MAX - SEM_TILE

# A build splits nodes larger than 1 / N_PARTS of the leaves one level at a time, all nodes of a
# level in parallel; what is left are at most MAX_SPANS subtrees, each the work of one thread.
cdef enum:
    N_PARTS = 64
    MAX_SPANS = 2048


cdef class KDTree:
    """The arrays of a tree; `build_tree` makes one. Pickles as its arrays."""

    def __cinit__(self):
        self.memory_tiles = NULL
        self.boxes = NULL
        self.nodes = NULL
        self.perm = NULL

    def __dealloc__(self):
        free(self.memory_tiles)
        free(self.boxes)
        free(self.nodes)
        free(self.perm)

    cdef int allocate(self) except -1:
        cdef size_t itemsize = 4 if self.is_float32 else 8
        cdef size_t n_tiles = (self.n_points + SEM_TILE - 1) // SEM_TILE
        cdef intp_t n_leaves = (self.n_points + self.leaf_size - 1) // self.leaf_size
        self.n_nodes = 2 * n_leaves - 1
        # Tiles on cache lines: a SIMD load never straddles two.
        self.memory_tiles = malloc(n_tiles * SEM_TILE * self.n_features * itemsize + 64)
        self.boxes = malloc(self.n_nodes * 2 * self.n_features * itemsize)
        self.nodes = <sem_kd_node *> malloc(self.n_nodes * sizeof(sem_kd_node))
        self.perm = <int32_t *> malloc(self.n_points * sizeof(int32_t))
        if not (self.memory_tiles and self.boxes and self.nodes and self.perm):
            raise MemoryError(f"No memory for a k-d tree of {self.n_points} points.")
        self.tiles = <void *> ((<uintptr_t> self.memory_tiles + 63) & ~(<uintptr_t> 63))
        return 0

    cdef void point_structs(self) noexcept nogil:
        cdef intp_t n_tiles = (self.n_points + SEM_TILE - 1) // SEM_TILE
        self.f32.n_points = self.f64.n_points = self.n_points
        self.f32.n_features = self.f64.n_features = self.n_features
        self.f32.n_tiles = self.f64.n_tiles = n_tiles
        self.f32.n_nodes = self.f64.n_nodes = self.n_nodes
        self.f32.leaf_size = self.f64.leaf_size = self.leaf_size
        self.f32.metric = self.f64.metric = self.metric
        self.f32.p = self.f64.p = self.p
        self.f32.nodes = self.f64.nodes = self.nodes
        self.f32.perm = self.f64.perm = self.perm
        self.f32.tiles = <const float *> (self.tiles if self.is_float32 else NULL)
        self.f32.boxes = <const float *> (self.boxes if self.is_float32 else NULL)
        self.f64.tiles = <const double *> (NULL if self.is_float32 else self.tiles)
        self.f64.boxes = <const double *> (NULL if self.is_float32 else self.boxes)

    def _sizes(self):
        """Bytes of tiles, boxes, nodes, perm."""
        cdef size_t itemsize = 4 if self.is_float32 else 8
        cdef size_t n_tiles = (self.n_points + SEM_TILE - 1) // SEM_TILE
        return (
            n_tiles * SEM_TILE * self.n_features * itemsize,
            self.n_nodes * 2 * self.n_features * itemsize,
            self.n_nodes * sizeof(sem_kd_node),
            self.n_points * sizeof(int32_t),
        )

    @property
    def nbytes(self):
        """Bytes that the tree holds."""
        return sum(self._sizes())

    def arrays(self):
        """Return copies of tiles, boxes, nodes (right, start, end, min_row) and perm as bytes."""
        tiles, boxes, nodes, perm = self._sizes()
        return {
            "tiles": (<char *> self.tiles)[:tiles],
            "boxes": (<char *> self.boxes)[:boxes],
            "nodes": (<char *> self.nodes)[:nodes],
            "perm": (<char *> self.perm)[:perm],
        }

    def __reduce__(self):
        shape = (self.is_float32, self.n_points, self.n_features, self.leaf_size, self.metric, self.p)
        return _restore_tree, (shape, self.arrays())


def _restore_tree(shape, arrays):
    """Return the tree that was pickled as `shape` and `arrays`."""
    cdef KDTree tree = KDTree()
    cdef const unsigned char[::1] content
    (tree.is_float32, tree.n_points, tree.n_features, tree.leaf_size, tree.metric, tree.p) = shape
    tree.allocate()
    content = arrays["tiles"]
    memcpy(tree.tiles, &content[0], content.shape[0])
    content = arrays["boxes"]
    memcpy(tree.boxes, &content[0], content.shape[0])
    content = arrays["nodes"]
    memcpy(tree.nodes, &content[0], content.shape[0])
    content = arrays["perm"]
    memcpy(tree.perm, &content[0], content.shape[0])
    tree.point_structs()
    return tree


cdef class _Scratch:
    """Memory of one call, freed however the call ends."""

    cdef void *points
    cdef void *moved
    cdef void *items
    cdef sem_kd_span *spans
    cdef int *has_children

    def __cinit__(self, size_t n_values, size_t itemsize, size_t n_items, size_t item_size):
        self.points = malloc(n_values * itemsize)
        self.moved = malloc(n_values * itemsize if n_items else 1)
        self.items = malloc(n_items * item_size + 1)
        self.spans = <sem_kd_span *> malloc(4 * MAX_SPANS * sizeof(sem_kd_span))
        self.has_children = <int *> malloc(MAX_SPANS * sizeof(int))
        if not (self.points and self.moved and self.items and self.spans and self.has_children):
            raise MemoryError("No memory for a k-d tree.")

    def __dealloc__(self):
        free(self.points)
        free(self.moved)
        free(self.items)
        free(self.spans)
        free(self.has_children)


cdef int _grow(floating *points, floating *moved, void *items, KDTree tree, _Scratch scratch,
               int n_threads) except -1:
    """Split the root's descendants level by level, then finish the subtrees."""
    cdef:
        sem_kd_build_f32 build_f32
        sem_kd_build_f64 build_f64
        intp_t n_leaves = (tree.n_points + tree.leaf_size - 1) // tree.leaf_size
        intp_t large = max(n_leaves // N_PARTS, 16)
        sem_kd_span *level = scratch.spans
        sem_kd_span *below = scratch.spans + MAX_SPANS
        sem_kd_span *subtrees = scratch.spans + 3 * MAX_SPANS
        int *has_children = scratch.has_children
        int n_level = 1, n_subtrees = 0, n_below, i, first, last
        sem_kd_span span

    level[0] = sem_kd_span(0, 0, <int32_t> n_leaves, 0)
    if floating is float:
        build_f32.n_points, build_f32.n_features = tree.n_points, tree.n_features
        build_f32.leaf_size = tree.leaf_size
        build_f32.points[0], build_f32.points[1] = points, moved
        build_f32.rows, build_f32.items = tree.perm, <sem_kd_item_f32 *> items
        build_f32.spare = <sem_kd_item_f32 *> items + tree.n_points
        build_f32.tiles, build_f32.boxes = <float *> tree.tiles, <float *> tree.boxes
        build_f32.nodes = tree.nodes
        sem_kd_open_root_f32(&build_f32, level[0])
    else:
        build_f64.n_points, build_f64.n_features = tree.n_points, tree.n_features
        build_f64.leaf_size = tree.leaf_size
        build_f64.points[0], build_f64.points[1] = points, moved
        build_f64.rows, build_f64.items = tree.perm, <sem_kd_item_f64 *> items
        build_f64.spare = <sem_kd_item_f64 *> items + tree.n_points
        build_f64.tiles, build_f64.boxes = <double *> tree.tiles, <double *> tree.boxes
        build_f64.nodes = tree.nodes
        sem_kd_open_root_f64(&build_f64, level[0])
    while n_level:
        for i in prange(n_level, schedule="dynamic", num_threads=n_threads, nogil=True):
            has_children[i] = 0
            if level[i].last - level[i].first > large:
                if floating is float:
                    has_children[i] = sem_kd_split_f32(
                        &build_f32, level[i], below + 2 * i, below + 2 * i + 1)
                else:
                    has_children[i] = sem_kd_split_f64(
                        &build_f64, level[i], below + 2 * i, below + 2 * i + 1)
        PyErr_CheckSignals()
        n_below = 0
        for i in range(n_level):
            if has_children[i]:
                below[n_below] = below[2 * i]
                below[n_below + 1] = below[2 * i + 1]
                n_below += 2
            else:
                subtrees[n_subtrees] = level[i]
                n_subtrees += 1
        n_level = 0
        for i in range(n_below):
            level[n_level] = below[i]
            n_level += 1
    for first in range(0, n_subtrees, 32):
        last = min(first + 32, n_subtrees)
        for i in prange(first, last, schedule="dynamic", num_threads=n_threads, nogil=True):
            if floating is float:
                sem_kd_build_subtree_f32(&build_f32, subtrees[i])
            else:
                sem_kd_build_subtree_f64(&build_f64, subtrees[i])
        PyErr_CheckSignals()
    return 0


def build_tree(
    const floating[:, ::1] X,         # IN  (n_points, n_features), finite
    const double[::1] offset,         # IN  (n_features,): subtracted in float64; None: nothing
    int metric,                       # IN  a value of METRICS
    double p,                         # IN  exponent of "minkowski"
    intp_t leaf_size,                 # IN  a multiple of TILE
    int n_threads,
):
    """Return the `KDTree` of the rows of `X`."""
    cdef:
        KDTree tree = KDTree()
        intp_t n = X.shape[0], d = X.shape[1], i, f
        floating *points
        _Scratch scratch
        bint shifted = offset is not None

    if n < 1 or d < 1:
        raise ValueError(f"A k-d tree needs points and features; X has shape ({n}, {d}).")
    if n > MAX_POINTS:
        raise ValueError(
            f"X has {n} rows. Allowed: at most {MAX_POINTS} (positions are 32-bit integers)."
        )
    if leaf_size < SEM_TILE or leaf_size % SEM_TILE:
        raise ValueError(f"leaf_size={leaf_size} is not a multiple of {SEM_TILE}.")
    tree.is_float32 = sizeof(floating) == 4
    tree.n_points, tree.n_features, tree.leaf_size = n, d, leaf_size
    tree.metric, tree.p = metric, p
    tree.allocate()
    scratch = _Scratch(
        n * d, sizeof(floating), 2 * n,
        sizeof(sem_kd_item_f32) if sizeof(floating) == 4 else sizeof(sem_kd_item_f64))
    points = <floating *> scratch.points
    for i in prange(n, schedule="static", num_threads=n_threads, nogil=True):
        tree.perm[i] = <int32_t> i
        if shifted:
            for f in range(d):
                points[i * d + f] = <floating> (<double> X[i, f] - offset[f])
        else:
            memcpy(points + i * d, &X[i, 0], d * sizeof(floating))
    _grow[floating](points, <floating *> scratch.moved, scratch.items, tree, scratch, n_threads)
    tree.point_structs()
    return tree


def knn_positions(
    KDTree queries,                   # IN  may be `tree` itself
    KDTree tree,                      # IN
    floating[:, ::1] distances,       # OUT (n_queries, k): reduced distances, rising
    int32_t[:, ::1] positions,        # OUT (n_queries, k): positions in `tree`
    intp_t first_tile,                # IN  only query tiles [first_tile, last_tile)
    intp_t last_tile,
    int n_threads,
):
    """Write each query's nearest points, queries and points in tree order.

    Returns how many (query, tile) pairs were compared. Row i of the output belongs to the query at
    position ``first_tile * TILE + i``.
    """
    cdef:
        intp_t k = distances.shape[1], n_queries = queries.n_points
        intp_t per_task = 4, n_tasks, first, last, step = 32 * n_threads, i, a, b
        intp_t n_tiles = (tree.n_points + SEM_TILE - 1) // SEM_TILE
        int failed = 0
        int64_t scanned = 0, in_block
        _Scratch scratch
        floating *norms = NULL
        floating *out_distances = &distances[0, 0] - first_tile * SEM_TILE * k
        int32_t *out_positions = &positions[0, 0] - first_tile * SEM_TILE * k

    if queries.is_float32 != tree.is_float32 or tree.is_float32 != (sizeof(floating) == 4):
        raise TypeError("Queries, tree and output must share one floating type.")
    if queries.n_features != tree.n_features or not 1 <= k <= tree.n_points:
        raise ValueError("Queries do not fit the tree, or k is not in 1 ... n_points.")
    if not 0 <= first_tile <= last_tile <= (n_queries + SEM_TILE - 1) // SEM_TILE:
        raise ValueError("The range of query tiles is empty or out of bounds.")
    if distances.shape[0] != min(last_tile * SEM_TILE, n_queries) - first_tile * SEM_TILE:
        raise ValueError("The output does not have one row for each query.")
    if positions.shape[0] != distances.shape[0] or positions.shape[1] != k:
        raise ValueError("The two outputs do not have the same shape.")
    if tree.metric == SEM_EUCLIDEAN and tree.n_features >= SEM_KD_DOT_FEATURES:
        scratch = _Scratch(n_tiles * SEM_TILE, sizeof(floating), 0, 0)
        norms = <floating *> scratch.points
        for i in prange(n_tiles, schedule="static", num_threads=n_threads, nogil=True):
            if floating is float:
                sem_kd_norms_f32(&tree.f32, i, i + 1, norms)
            else:
                sem_kd_norms_f64(&tree.f64, i, i + 1, norms)
    n_tasks = (last_tile - first_tile + per_task - 1) // per_task
    first = 0
    while first < n_tasks:
        last = min(first + step, n_tasks)
        begun = time.perf_counter()
        for i in prange(first, last, schedule="dynamic", num_threads=n_threads, nogil=True):
            a = first_tile + i * per_task
            b = min(a + per_task, last_tile)
            in_block = 0
            if floating is float:
                if sem_kd_knn_f32(&queries.f32, &tree.f32, norms, k, a, b, out_distances,
                                  out_positions, &in_block):
                    failed += 1
            else:
                if sem_kd_knn_f64(&queries.f64, &tree.f64, norms, k, a, b, out_distances,
                                  out_positions, &in_block):
                    failed += 1
            scanned += in_block
        if failed:
            raise MemoryError("No memory for a nearest-neighbour search.")
        PyErr_CheckSignals()
        # Blocks of 0.05 to 0.25 s: rare enough to cost nothing, short enough for Ctrl-C.
        begun = time.perf_counter() - begun
        first = last
        if begun < 0.05:
            step *= 2
        elif begun > 0.25:
            step = max(step // 2, n_threads)
    return scanned


def rows_of_knn(
    KDTree queries,                   # IN
    KDTree tree,                      # IN
    const floating[:, ::1] reduced,   # IN  (n_queries, k), of `knn_positions`
    const int32_t[:, ::1] positions,  # IN  (n_queries, k)
    floating[:, ::1] distances,       # OUT (n_queries, k), by row of the queries
    intp_t[:, ::1] rows,              # OUT (n_queries, k): rows of the tree's points
    int n_threads,
):
    """Translate neighbours from tree order and reduced distances to rows and distances.

    Different squares can have one root: such neighbours are put in the order of their rows again.
    """
    cdef:
        intp_t n = reduced.shape[0], k = reduced.shape[1], i, j, at, row, neighbor
        floating distance
        int metric = tree.metric
        double p = tree.p
    if not n == queries.n_points == positions.shape[0] == distances.shape[0] == rows.shape[0]:
        raise ValueError("All arrays need one row for each query.")
    if not k == positions.shape[1] == distances.shape[1] == rows.shape[1]:
        raise ValueError("All arrays need k columns.")
    for i in prange(n, schedule="static", num_threads=n_threads, nogil=True):
        row = queries.perm[i]
        for j in range(k):
            if floating is float:
                distance = sem_kd_unreduce_f32(reduced[i, j], metric, p)
            else:
                distance = sem_kd_unreduce_f64(reduced[i, j], metric, p)
            neighbor = tree.perm[positions[i, j]]
            at = j
            while at > 0 and distances[row, at - 1] == distance and rows[row, at - 1] > neighbor:
                rows[row, at] = rows[row, at - 1]
                at = at - 1
            distances[row, j] = distance
            rows[row, at] = neighbor


def core_of_lists(
    KDTree tree,                      # IN
    const floating[:, ::1] reduced,   # IN  (n_points, k), tree order
    intp_t min_samples,               # IN  1 ... k
    floating[::1] core_distances,     # OUT (n_points,), by row
    int n_threads,
):
    """Write each row's distance to its `min_samples`-th nearest row, itself counted."""
    cdef intp_t i
    cdef int metric = tree.metric
    cdef double p = tree.p
    if not tree.n_points == reduced.shape[0] == core_distances.shape[0]:
        raise ValueError("All arrays need one row for each point.")
    if not 1 <= min_samples <= reduced.shape[1]:
        raise ValueError("The lists are shorter than min_samples.")
    for i in prange(tree.n_points, schedule="static", num_threads=n_threads, nogil=True):
        if floating is float:
            core_distances[tree.perm[i]] = sem_kd_unreduce_f32(reduced[i, min_samples - 1], metric,
                                                               p)
        else:
            core_distances[tree.perm[i]] = sem_kd_unreduce_f64(reduced[i, min_samples - 1], metric,
                                                               p)
