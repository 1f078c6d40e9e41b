"""Exact minimum spanning tree of the mutual reachability graph, by Boruvka's rounds over one k-d tree.

**The problem.** The edge between points i and j weighs max(core_i, core_j, d_ij / alpha). All n^2
edges exist; none is stored. With core distances of zero it is the Euclidean spanning tree.

**One order, one tree.** Edges are compared by (weight, raw distance, smaller row, larger row). No two
edges are equal in that order, so the minimum spanning tree is unique, and what is found does not
depend on the tree, on the thread count or on timing. Comparisons run on reduced (squared) distances;
core distances are first turned into the largest reduced distance that is not above them
(`sem_reduced_core`), after which comparing reduced values is comparing weights, exactly.

**Rounds.** Boruvka: every component finds its least edge to another component; all those edges belong
to the tree; components merge; repeat. Searches are by far the largest cost, so most of the work is
there to avoid them:

1. *Lists.* The k nearest neighbours of each point are known from the core distances. A neighbour that
   is not listed is at least as far as the last one that is: where the best listed edge is no heavier
   than that (and than the point's core distance), it is the point's least edge, without a search. In
   the first round (every point a component) only such certified edges are used; points without one,
   about one in k, simply wait. Later rounds start from the best listed edges as bounds.
2. *Bounds of a component.* A point is searched only while its own lower bound is below the best edge
   of its component. Lower bounds come from the lists and from earlier searches, and stay valid for
   good: the set of points outside a component only shrinks.
3. *Exact candidates.* An edge that was a point's least one stays so while its other end remains
   outside the component.
4. *Searches by tile.* The 16 points of a tile are searched in one walk, as for nearest neighbours
   (``sem_kd_knn.h``). A node is skipped when it lies wholly in the component of the tile, when its
   box is too far, or when the smallest core distance in it is too large.

**Ties.** Pruning is strict: a node is skipped only when its bound is greater than the best edge in the
order above, with the node's smallest row as the last key. Duplicate points and grids therefore end
quickly, too.

**Threads.** In a search a component's bound is shared (a relaxed atomic minimum): how much is pruned
depends on timing, what is found does not. A component's best edge is chosen by compare-and-swap under
the strict order, while all candidates stand still.

Sources: single-tree Boruvka with component bounds: Prokopenko, Sao, Lebrun-Grandie, "A single-tree
algorithm to compute the Euclidean minimum spanning tree on GPUs" (2022), section 3; certified edges
from neighbour lists: McInnes and Healy, "Accelerated hierarchical density based clustering" (2017),
section 4. Cost: O(n log n) for a fixed number of features on ordinary data, memory O(n k).
"""

import time

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport free, malloc

from sklearn_extra_ml._native._kd_tree cimport (
    SEM_TILE,
    KDTree,
    sem_kd_tree_f32,
    sem_kd_tree_f64,
    sem_kd_unreduce_f32,
    sem_kd_unreduce_f64,
)
from sklearn_extra_ml._native._typedefs cimport floating, intp_t


cdef extern from "sem_boruvka.h" nogil:
    ctypedef struct sem_boruvka_f32:
        const sem_kd_tree_f32 *tree
        intp_t k
        const float *list_reduced
        const int32_t *list_positions
        const float *core
        const float *node_core
        int32_t *component
        int32_t *node_component
        int32_t *candidate
        float *candidate_reduced
        int32_t *found
        float *found_reduced
        float *lower
        uint8_t *exact
        uint16_t *n_own
        int32_t *best
        float *bound

    ctypedef struct sem_boruvka_f64:
        const sem_kd_tree_f64 *tree
        intp_t k
        const double *list_reduced
        const int32_t *list_positions
        const double *core
        const double *node_core
        int32_t *component
        int32_t *node_component
        int32_t *candidate
        double *candidate_reduced
        int32_t *found
        double *found_reduced
        double *lower
        uint8_t *exact
        uint16_t *n_own
        int32_t *best
        double *bound

    void sem_boruvka_from_lists_f32(sem_boruvka_f32 *b, intp_t first, intp_t last)
    void sem_boruvka_from_lists_f64(sem_boruvka_f64 *b, intp_t first, intp_t last)
    void sem_boruvka_set_bounds_f32(sem_boruvka_f32 *b, const int32_t *roots, intp_t n_roots)
    void sem_boruvka_set_bounds_f64(sem_boruvka_f64 *b, const int32_t *roots, intp_t n_roots)
    int64_t sem_boruvka_search_f32(sem_boruvka_f32 *b, intp_t first, intp_t last)
    int64_t sem_boruvka_search_f64(sem_boruvka_f64 *b, intp_t first, intp_t last)
    void sem_boruvka_take_found_f32(sem_boruvka_f32 *b, intp_t first, intp_t last, int offer)
    void sem_boruvka_take_found_f64(sem_boruvka_f64 *b, intp_t first, intp_t last, int offer)
    intp_t sem_boruvka_merge_f32(sem_boruvka_f32 *b, int32_t *root_of, int32_t *roots,
                                 intp_t *n_roots, int only_exact, int32_t *edge_ends,
                                 float *edge_reduced)
    intp_t sem_boruvka_merge_f64(sem_boruvka_f64 *b, int32_t *root_of, int32_t *roots,
                                 intp_t *n_roots, int only_exact, int32_t *edge_ends,
                                 double *edge_reduced)
    void sem_boruvka_relabel_f32(sem_boruvka_f32 *b, const int32_t *root_of, intp_t first,
                                 intp_t last)
    void sem_boruvka_relabel_f64(sem_boruvka_f64 *b, const int32_t *root_of, intp_t first,
                                 intp_t last)
    void sem_boruvka_label_nodes_f32(sem_boruvka_f32 *b, const int32_t *root_of)
    void sem_boruvka_label_nodes_f64(sem_boruvka_f64 *b, const int32_t *root_of)
    void sem_boruvka_node_core_f32(const sem_kd_tree_f32 *tree, const float *core,
                                   float *node_core)
    void sem_boruvka_node_core_f64(const sem_kd_tree_f64 *tree, const double *core,
                                   double *node_core)
    float sem_reduced_core_f32(float core, double alpha, int metric, double p)
    double sem_reduced_core_f64(double core, double alpha, int metric, double p)

cdef extern from "sem_edge_sort.h" nogil:
    ctypedef struct sem_edge:
        double weight
        double reduced
        int32_t row_min
        int32_t row_max

    int sem_sort_edges(sem_edge *edges, sem_edge *scratch, intp_t n)


cdef enum:
    BLOCK = 4096       # points in a task of a pass over points
    SEARCH_TILES = 8   # tiles in a task of a search


cdef class _Memory:
    """One allocation for all arrays of a run, freed however the run ends."""

    cdef char *start
    cdef size_t used
    cdef size_t size

    def __cinit__(self, size_t size):
        self.start = <char *> malloc(size)
        self.used = 0
        self.size = size
        if not self.start:
            raise MemoryError(f"No memory ({size} bytes) for a spanning tree.")

    def __dealloc__(self):
        free(self.start)

    cdef void *take(self, size_t n, size_t itemsize) except NULL:
        """Return the next array, on a cache line of its own."""
        cdef char *at = self.start + self.used
        self.used += (n * itemsize + 63) // 64 * 64
        if self.used > self.size:
            raise AssertionError("The arrays of a spanning tree exceed their allocation.")
        return at


cdef int _search(floating unused, sem_boruvka_f32 *b32, sem_boruvka_f64 *b64, intp_t n_tiles,
                 int n_threads) except -1:
    """Search all tiles, in blocks of 0.05 to 0.25 s between looks for Ctrl-C."""
    cdef:
        intp_t n_tasks = (n_tiles + SEARCH_TILES - 1) // SEARCH_TILES
        intp_t first = 0, last, step = 32 * n_threads, i, a, z
        int failed = 0
    while first < n_tasks:
        last = min(first + step, n_tasks)
        begun = time.perf_counter()
        for i in prange(first, last, schedule="dynamic", num_threads=n_threads, nogil=True):
            a = i * SEARCH_TILES
            z = min(a + SEARCH_TILES, n_tiles)
            if floating is float:
                failed += sem_boruvka_search_f32(b32, a, z) < 0
            else:
                failed += sem_boruvka_search_f64(b64, a, z) < 0
        if failed:
            raise MemoryError("No memory for a spanning tree's search.")
        PyErr_CheckSignals()
        begun = time.perf_counter() - begun
        first = last
        if begun < 0.05:
            step *= 2
        elif begun > 0.25:
            step = max(step // 2, n_threads)
    return 0


cdef intp_t _rounds(floating unused, sem_boruvka_f32 *b32, sem_boruvka_f64 *b64, intp_t n,
                    int32_t *root_of, int32_t *roots, int32_t *edge_ends, floating *edge_reduced,
                    int n_threads) except -1:
    """Run rounds until one component is left; return their number."""
    cdef:
        intp_t n_roots = n, n_edges = 0, n_rounds = 0, n_new, i, a, z
        intp_t n_blocks = (n + BLOCK - 1) // BLOCK, n_tiles = (n + SEM_TILE - 1) // SEM_TILE
        bint first_round = True
        int offer

    while n_roots > 1:
        for i in prange(n_blocks, schedule="dynamic", num_threads=n_threads, nogil=True):
            a = i * BLOCK
            z = min(a + BLOCK, n)
            if floating is float:
                sem_boruvka_from_lists_f32(b32, a, z)
            else:
                sem_boruvka_from_lists_f64(b64, a, z)
        PyErr_CheckSignals()
        if not first_round:
            if floating is float:
                sem_boruvka_set_bounds_f32(b32, roots, n_roots)
            else:
                sem_boruvka_set_bounds_f64(b64, roots, n_roots)
            _search[floating](unused, b32, b64, n_tiles, n_threads)
            for offer in range(2):
                for i in prange(n_blocks, schedule="static", num_threads=n_threads, nogil=True):
                    a = i * BLOCK
                    z = min(a + BLOCK, n)
                    if floating is float:
                        sem_boruvka_take_found_f32(b32, a, z, offer)
                    else:
                        sem_boruvka_take_found_f64(b64, a, z, offer)
        if floating is float:
            n_new = sem_boruvka_merge_f32(b32, root_of, roots, &n_roots, first_round,
                                          edge_ends + 2 * n_edges, edge_reduced + n_edges)
        else:
            n_new = sem_boruvka_merge_f64(b64, root_of, roots, &n_roots, first_round,
                                          edge_ends + 2 * n_edges, edge_reduced + n_edges)
        n_edges += n_new
        n_rounds += 1
        if n_new == 0 and not first_round:
            raise AssertionError("A round of Boruvka found no edge.")
        first_round = False
        for i in prange(n_blocks, schedule="static", num_threads=n_threads, nogil=True):
            a = i * BLOCK
            z = min(a + BLOCK, n)
            if floating is float:
                sem_boruvka_relabel_f32(b32, root_of, a, z)
            else:
                sem_boruvka_relabel_f64(b64, root_of, a, z)
        if floating is float:
            sem_boruvka_label_nodes_f32(b32, root_of)
        else:
            sem_boruvka_label_nodes_f64(b64, root_of)
        PyErr_CheckSignals()
    return n_rounds


def spanning_tree(
    KDTree tree,                          # IN
    const floating[::1] core_distances,   # IN  (n_points,) by row
    const floating[:, ::1] list_reduced,  # IN  (n_points, k) of `knn_positions`, tree order
    const int32_t[:, ::1] list_positions, # IN  (n_points, k)
    double alpha,                         # IN  distances are divided by it
    intp_t[:, ::1] edges,                 # OUT (n_points - 1, 2): rows, the smaller first
    double[::1] weights,                  # OUT (n_points - 1,), rising
    int n_threads,
):
    """Write the minimum spanning tree, ordered by (weight, distance, rows); return the rounds run."""
    cdef:
        intp_t n = tree.n_points, n_nodes = tree.n_nodes, k = list_reduced.shape[1], i, n_rounds
        intp_t n_padded = (n + SEM_TILE - 1) // SEM_TILE * SEM_TILE
        int metric = tree.metric
        double p = tree.p
        size_t real = sizeof(floating), after_edges
        int32_t a, z
        floating weight, distance
        _Memory memory
        sem_boruvka_f32 b32
        sem_boruvka_f64 b64
        floating *core
        floating *node_core
        int32_t *component
        int32_t *node_component
        int32_t *candidate
        floating *candidate_reduced
        int32_t *found
        floating *found_reduced
        floating *lower
        uint8_t *exact
        uint16_t *n_own
        int32_t *best
        floating *bound
        int32_t *root_of
        int32_t *roots
        int32_t *edge_ends
        floating *edge_reduced
        sem_edge *sorted_edges

    if tree.is_float32 != (sizeof(floating) == 4):
        raise TypeError("The tree and its core distances must share one floating type.")
    if core_distances.shape[0] != n or list_reduced.shape[0] != n or list_positions.shape[0] != n:
        raise ValueError("Core distances and lists need one entry for each point.")
    if k < 1 or list_positions.shape[1] != k:
        raise ValueError("The two lists do not have the same shape.")
    if edges.shape[0] != n - 1 or edges.shape[1] != 2 or weights.shape[0] != n - 1:
        raise ValueError("The output does not have n_points - 1 rows.")
    if n == 1:
        return 0

    memory = _Memory(n_padded * max(6 * real + 8 * 4 + 1 + 2, real + 8 + 2 * sizeof(sem_edge))
                     + n_nodes * (real + 4) + 32 * 64)
    edge_ends = <int32_t *> memory.take(2 * n, 4)
    edge_reduced = <floating *> memory.take(n, real)
    after_edges = memory.used
    core = <floating *> memory.take(n_padded, real)
    node_core = <floating *> memory.take(n_nodes, real)
    component = <int32_t *> memory.take(n_padded, 4)
    node_component = <int32_t *> memory.take(n_nodes, 4)
    candidate = <int32_t *> memory.take(n, 4)
    candidate_reduced = <floating *> memory.take(n, real)
    found = <int32_t *> memory.take(n, 4)
    found_reduced = <floating *> memory.take(n, real)
    lower = <floating *> memory.take(n, real)
    exact = <uint8_t *> memory.take(n, 1)
    n_own = <uint16_t *> memory.take(n, 2)
    best = <int32_t *> memory.take(n, 4)
    bound = <floating *> memory.take(n, real)
    root_of = <int32_t *> memory.take(n, 4)
    roots = <int32_t *> memory.take(n, 4)

    for i in prange(n_padded, schedule="static", num_threads=n_threads, nogil=True):
        if i >= n:
            component[i] = -1
            core[i] = INFINITY
        else:
            component[i] = root_of[i] = roots[i] = <int32_t> i
            candidate[i] = found[i] = best[i] = -1
            exact[i] = 0
            n_own[i] = 0
            if floating is float:
                core[i] = sem_reduced_core_f32(core_distances[tree.perm[i]], alpha, metric, p)
            else:
                core[i] = sem_reduced_core_f64(core_distances[tree.perm[i]], alpha, metric, p)
            # A neighbour that is not listed is no nearer than the last that is.
            lower[i] = max(core[i], list_reduced[i, k - 1])
    for i in range(n_nodes):
        node_component[i] = -1
    if floating is float:
        sem_boruvka_node_core_f32(&tree.f32, core, node_core)
        b32 = sem_boruvka_f32(
            &tree.f32, k, &list_reduced[0, 0], &list_positions[0, 0], core, node_core, component,
            node_component, candidate, candidate_reduced, found, found_reduced, lower, exact, n_own, best,
            bound)
    else:
        sem_boruvka_node_core_f64(&tree.f64, core, node_core)
        b64 = sem_boruvka_f64(
            &tree.f64, k, &list_reduced[0, 0], &list_positions[0, 0], core, node_core, component,
            node_component, candidate, candidate_reduced, found, found_reduced, lower, exact, n_own, best,
            bound)
    n_rounds = _rounds[floating](<floating> 0, &b32, &b64, n, root_of, roots, edge_ends,
                                 edge_reduced, n_threads)

    # The rounds are over: their arrays make room for the sort.
    memory.used = after_edges
    sorted_edges = <sem_edge *> memory.take(2 * n, sizeof(sem_edge))
    for i in prange(n - 1, schedule="static", num_threads=n_threads, nogil=True):
        a = tree.perm[edge_ends[2 * i]]
        z = tree.perm[edge_ends[2 * i + 1]]
        if floating is float:
            distance = sem_kd_unreduce_f32(edge_reduced[i], metric, p) / <float> alpha
        else:
            distance = sem_kd_unreduce_f64(edge_reduced[i], metric, p) / alpha
        weight = max(distance, max(core_distances[a], core_distances[z]))
        sorted_edges[i].weight = weight
        sorted_edges[i].reduced = edge_reduced[i]
        sorted_edges[i].row_min = min(a, z)
        sorted_edges[i].row_max = max(a, z)
    if sem_sort_edges(sorted_edges, sorted_edges + n, n - 1):
        raise MemoryError("No memory to sort a spanning tree.")
    for i in prange(n - 1, schedule="static", num_threads=n_threads, nogil=True):
        edges[i, 0] = sorted_edges[i].row_min
        edges[i, 1] = sorted_edges[i].row_max
        weights[i] = sorted_edges[i].weight
    return n_rounds
