"""The passes of DBSCAN over a k-d tree, and the expansion of clusters over stored neighbourhoods.

``include/sem_dbscan.h`` holds the idea and the walks; this module owns the arrays, spreads blocks of
tiles over threads, and answers Ctrl-C between blocks. Components, labels and core points are facts
about the data, so they are the same for any number of threads.

Arrays of bits: ``uint16`` per tile of the tree, bit i for position ``TILE * tile + i``.
"""

import time

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport fabs
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport free, malloc

from sklearn_extra_ml._native._kd_tree cimport (
    KDTree,
    SEM_TILE,
    sem_kd_box_box_max_f64,
    sem_kd_node,
    sem_kd_tree_f64,
)
from sklearn_extra_ml._native._typedefs cimport intp_t


cdef extern from "sem_simd.h" nogil:
    int sem_thread_num()

cdef extern from "sem_dbscan.h" nogil:
    ctypedef struct sem_dbscan_rule:
        double eps
        double reduced
        double sure
        double possible
        int always

    ctypedef struct sem_dbscan:
        const sem_kd_tree_f64 *tree
        sem_dbscan_rule rule
        const float *narrow
        const float *narrow_queries
        float narrow_sure
        float narrow_possible
        const double *weights
        const double *node_weights
        double min_samples
        double tolerance
        int is_signed
        const uint8_t *tight
        uint16_t *core
        uint16_t *undecided
        const int32_t *units
        const int32_t *any_core
        uint8_t *uniform
        int32_t *parent
        const int32_t *labels
        const int32_t *min_label

    int32_t sem_find(int32_t *parent, int32_t x)
    void sem_unite(int32_t *parent, int32_t a, int32_t b)
    void sem_dbscan_narrow(const sem_kd_tree_f64 *tree, const double *center, double eps,
                           intp_t first, intp_t last, float *out)
    intp_t sem_dbscan_scratch(intp_t n_features)
    int sem_dbscan_count(sem_dbscan *work, intp_t first, intp_t last, double *scratch)
    int SEM_DBSCAN_MAX_LEAF
    int sem_dbscan_inside(sem_dbscan *work, intp_t first, intp_t last, double *scratch)
    int sem_dbscan_link(sem_dbscan *work, intp_t first, intp_t last, double *scratch)
    int sem_dbscan_label(sem_dbscan *work, const sem_kd_tree_f64 *queries, const uint16_t *wanted,
                         intp_t first, intp_t last, int32_t *best, double *scratch)


cdef enum:
    COUNT
    INSIDE
    LINK
    LABEL


cdef class _Memory:
    """A block that is freed however the function ends."""

    cdef void *at

    def __cinit__(self, size_t n_bytes):
        self.at = malloc(n_bytes if n_bytes else 1)
        if not self.at:
            raise MemoryError(f"No memory for {n_bytes} bytes of DBSCAN's working arrays.")

    def __dealloc__(self):
        free(self.at)


cdef int _begin(sem_dbscan *work, KDTree tree, object rule, object narrow,
                const uint8_t[::1] tight, uint16_t[::1] core) except -1:
    """Fill in what all passes share."""
    if tree.is_float32:
        raise TypeError("The tree must hold float64 points.")
    if tree.leaf_size > SEM_DBSCAN_MAX_LEAF:
        raise ValueError(f"The leaves hold {tree.leaf_size} points. Allowed: {SEM_DBSCAN_MAX_LEAF}.")
    if tight.shape[0] != tree.n_nodes or core.shape[0] != tree.f64.n_tiles:
        raise ValueError("The arrays of nodes or tiles do not fit the tree.")
    work.tree = &tree.f64
    work.rule = sem_dbscan_rule(rule.eps, rule.reduced, rule.sure, rule.possible, rule.always)
    work.tight = &tight[0]
    work.core = &core[0]
    work.narrow = work.narrow_queries = NULL
    if narrow is not None:
        work.narrow = work.narrow_queries = _narrow_tiles(tree, narrow.tiles)
        work.narrow_sure = narrow.sure
        work.narrow_possible = narrow.possible
    return 0


cdef const float *_narrow_tiles(KDTree tree, const float[::1] tiles) except NULL:
    """Return the address of a tree's tiles in float32."""
    if tiles.shape[0] != tree.f64.n_tiles * SEM_TILE * tree.n_features:
        raise ValueError("The float32 tiles do not fit the tree.")
    return &tiles[0]


cdef int _run(int which, sem_dbscan *work, intp_t n_tasks, int n_threads,
              const sem_kd_tree_f64 *queries, const uint16_t *wanted, int32_t *best) except -1:
    """Run a pass over its tiles or units in blocks of 0.05 to 0.25 s: rare enough to cost nothing,
    short enough for Ctrl-C. Returns whether a doubtful pair was met."""
    cdef:
        intp_t per_task = 8, step = 16 * n_threads, first = 0, last, i, a, b
        intp_t n_scratch = sem_dbscan_scratch(work.tree.n_features)
        _Memory memory = _Memory(n_threads * n_scratch * sizeof(double))
        double *scratch = <double *> memory.at
        double *own
        int doubt = 0, met

    while first < n_tasks:
        last = min(first + step * per_task, n_tasks)
        begun = time.perf_counter()
        for i in prange((last - first + per_task - 1) // per_task, schedule="dynamic",
                        num_threads=n_threads, nogil=True):
            own = scratch + sem_thread_num() * n_scratch
            a = first + i * per_task
            b = min(a + per_task, last)
            if which == COUNT:
                met = sem_dbscan_count(work, a, b, own)
            elif which == INSIDE:
                met = sem_dbscan_inside(work, a, b, own)
            elif which == LINK:
                met = sem_dbscan_link(work, a, b, own)
            else:
                met = sem_dbscan_label(work, queries, wanted, a, b, best, own)
            doubt += met
        PyErr_CheckSignals()
        begun = time.perf_counter() - begun
        first = last
        if begun < 0.05:
            step *= 2
        elif begun > 0.25:
            step = max(step // 2, n_threads)
    return doubt > 0


cdef inline intp_t _behind(KDTree tree, intp_t node) noexcept nogil:
    """Return the first node behind a subtree in preorder."""
    cdef intp_t n_points = tree.nodes[node].end - tree.nodes[node].start
    return node + 2 * ((n_points + tree.leaf_size - 1) // tree.leaf_size) - 1


cdef inline uint16_t _lanes(intp_t start, intp_t end) noexcept nogil:
    """Return the bits of the positions [start, end) in the tile that begins at `start`."""
    return <uint16_t> 0xffff if end - start >= SEM_TILE else <uint16_t> ((1 << (end - start)) - 1)


def mark_tight_nodes(
    KDTree tree,                      # IN
    double sure,                      # IN  reduced distance that is surely within eps
    uint8_t[::1] tight,               # OUT (n_nodes,)
):
    """Mark the nodes whose points all lie within eps of each other."""
    cdef intp_t i, d = tree.n_features
    cdef const double *box
    if tree.is_float32 or tight.shape[0] != tree.n_nodes:
        raise ValueError("`tight` needs one entry for each node of a float64 tree.")
    for i in range(tree.n_nodes):
        box = tree.f64.boxes + i * 2 * d
        tight[i] = sem_kd_box_box_max_f64(box, box, d, tree.metric, tree.p) <= sure


def root_box(
    KDTree tree,                      # IN
    double[:, ::1] box,               # OUT (2, n_features): lower sides, upper sides
):
    """Write the bounding box of all points."""
    cdef intp_t f, d = tree.n_features
    if tree.is_float32 or box.shape[0] != 2 or box.shape[1] != d:
        raise ValueError("`box` needs two rows of the features of a float64 tree.")
    for f in range(2 * d):
        box[f // d, f % d] = tree.f64.boxes[f]


def narrow_tiles(
    KDTree tree,                      # IN
    const double[::1] center,         # IN  (n_features,)
    double eps,                       # IN
    float[::1] out,                   # OUT (n_tiles * TILE * n_features,)
    int n_threads,
):
    """Write the points, less `center` and in units of `eps`, in float32 and in the tree's layout."""
    cdef intp_t i, n_tiles = tree.f64.n_tiles, n_blocks = (n_tiles + 255) // 256
    if tree.is_float32 or center.shape[0] != tree.n_features:
        raise ValueError("`center` needs one entry for each feature of a float64 tree.")
    if out.shape[0] != n_tiles * SEM_TILE * tree.n_features:
        raise ValueError("`out` does not fit the tree.")
    for i in prange(n_blocks, schedule="static", num_threads=n_threads, nogil=True):
        sem_dbscan_narrow(&tree.f64, &center[0], eps, i * 256, min((i + 1) * 256, n_tiles),
                          &out[0])


def count_core_points(
    KDTree tree,                      # IN
    object rule,                      # IN  `Rule`: when two points are within eps
    object narrow,                    # IN  `Narrow`: the float32 filter; None: without
    const uint8_t[::1] tight,         # IN  (n_nodes,)
    const double[::1] weights,        # IN  (n_points,) by position; None: all one
    double min_samples,               # IN
    double tolerance,                 # IN  relative uncertainty of sums of weights
    bint is_signed,                   # IN  some weight is negative
    uint16_t[::1] core,               # OUT (n_tiles,): bits of the core points
    uint16_t[::1] undecided,          # OUT (n_tiles,): bits of the points too close to call
    int n_threads,
):
    """Find the core points. Returns whether a doubtful pair was met."""
    cdef:
        sem_dbscan work
        _Memory memory = None
        intp_t i, j, n_nodes = tree.n_nodes
        double weight
        double *node_weights = NULL
        const sem_kd_node *node

    _begin(&work, tree, rule, narrow, tight, core)
    if undecided.shape[0] != core.shape[0]:
        raise ValueError("`core` and `undecided` do not have the same length.")
    if weights is not None:
        if weights.shape[0] != tree.n_points:
            raise ValueError("`weights` needs one entry for each point.")
        memory = _Memory(n_nodes * sizeof(double))
        node_weights = <double *> memory.at
        for i in range(n_nodes - 1, -1, -1):
            node = tree.nodes + i
            if node.right:
                node_weights[i] = node_weights[i + 1] + node_weights[node.right]
            else:
                node_weights[i] = 0
                for j in range(node.start, node.end):
                    node_weights[i] += weights[j]
    work.weights = &weights[0] if weights is not None else NULL
    work.node_weights = node_weights
    work.min_samples = min_samples
    work.tolerance = tolerance
    work.is_signed = is_signed
    work.undecided = &undecided[0]
    core[:] = 0
    undecided[:] = 0
    i = 0
    while i < n_nodes and not is_signed:
        node = tree.nodes + i
        weight = node_weights[i] if weights is not None else node.end - node.start
        if tight[i] and weight >= min_samples * (1 + tolerance):
            for j in range(node.start // SEM_TILE, (node.end + SEM_TILE - 1) // SEM_TILE):
                core[j] = _lanes(j * SEM_TILE, node.end)
            i = _behind(tree, i)
        else:
            i += 1
    return _run(COUNT, &work, tree.f64.n_tiles, n_threads, NULL, NULL, NULL) != 0


cdef int _lowest_core(KDTree tree, const uint16_t *core, intp_t node) noexcept nogil:
    """Return the first core position of a leaf, -1 for none."""
    cdef intp_t i
    for i in range(tree.nodes[node].start, tree.nodes[node].end):
        if core[i // SEM_TILE] >> (i % SEM_TILE) & 1:
            return <int> i
    return -1


cdef intp_t _prepare_units(KDTree tree, sem_dbscan *work, int32_t *units,
                           int32_t *any_core) noexcept nogil:
    """List the units (largest tight nodes, other leaves) that hold core points, and join each tight
    one's. Returns their number."""
    cdef intp_t i, j, n_units = 0
    for i in range(tree.n_nodes - 1, -1, -1):
        if not tree.nodes[i].right:
            any_core[i] = _lowest_core(tree, work.core, i)
        else:
            any_core[i] = any_core[i + 1]
            if any_core[i] < 0:
                any_core[i] = any_core[tree.nodes[i].right]
        work.uniform[i] = work.tight[i]
    for i in range(tree.n_points):
        work.parent[i] = <int32_t> i
    i = 0
    while i < tree.n_nodes:
        if any_core[i] < 0:
            i = _behind(tree, i)
        elif work.tight[i]:
            for j in range(any_core[i], tree.nodes[i].end):
                if work.core[j // SEM_TILE] >> (j % SEM_TILE) & 1:
                    work.parent[j] = any_core[i]
            units[n_units] = <int32_t> i
            n_units += 1
            i = _behind(tree, i)
        else:
            if not tree.nodes[i].right:
                units[n_units] = <int32_t> i
                n_units += 1
            i += 1
    return n_units


def link_core_points(
    KDTree tree,                      # IN
    object rule,                      # IN
    object narrow,                    # IN
    const uint8_t[::1] tight,         # IN  (n_nodes,)
    uint16_t[::1] core,               # IN  (n_tiles,)
    int32_t[::1] parent,              # OUT (n_points,) by position: root of its component
    int n_threads,
):
    """Find the components of core points within eps. Returns whether a doubtful pair was met."""
    cdef:
        sem_dbscan work
        intp_t i, n_units, n_nodes = tree.n_nodes
        _Memory units = _Memory(n_nodes * sizeof(int32_t))
        _Memory any_core = _Memory(n_nodes * sizeof(int32_t))
        _Memory uniform = _Memory(n_nodes)
        int doubt

    _begin(&work, tree, rule, narrow, tight, core)
    if parent.shape[0] != tree.n_points:
        raise ValueError("`parent` needs one entry for each point.")
    work.units = <int32_t *> units.at
    work.any_core = <int32_t *> any_core.at
    work.uniform = <uint8_t *> uniform.at
    work.parent = &parent[0]
    n_units = _prepare_units(tree, &work, <int32_t *> units.at, <int32_t *> any_core.at)
    doubt = _run(INSIDE, &work, n_units, n_threads, NULL, NULL, NULL)
    doubt += _run(LINK, &work, n_units, n_threads, NULL, NULL, NULL)
    for i in range(tree.n_points):
        parent[i] = sem_find(&parent[0], <int32_t> i)
    return doubt != 0


def number_components(
    KDTree tree,                      # IN
    const uint16_t[::1] core,         # IN  (n_tiles,)
    const int32_t[::1] parent,        # IN  (n_points,) by position, of `link_core_points`
    intp_t[::1] labels,               # OUT (n_points,) by row: -1 for all but core points
    int32_t[::1] position_labels,     # OUT (n_points,) by position
):
    """Number the components by their lowest row. Returns how many there are."""
    cdef:
        intp_t i, n = tree.n_points, n_clusters = 0
        _Memory memory = _Memory(n * sizeof(int32_t))
        int32_t *number = <int32_t *> memory.at  # of each root
    if not n == parent.shape[0] == labels.shape[0] == position_labels.shape[0]:
        raise ValueError("All arrays need one entry for each point.")
    if core.shape[0] != tree.f64.n_tiles:
        raise ValueError("`core` needs one entry for each tile.")
    for i in range(n):
        number[i] = -1
        labels[tree.perm[i]] = parent[i] if core[i // SEM_TILE] >> (i % SEM_TILE) & 1 else -1
    for i in range(n):
        if labels[i] >= 0:
            if number[labels[i]] < 0:
                number[labels[i]] = <int32_t> n_clusters
                n_clusters += 1
            labels[i] = number[labels[i]]
    for i in range(n):
        position_labels[i] = <int32_t> labels[tree.perm[i]]
    return n_clusters


def label_queries(
    KDTree tree,                      # IN
    object rule,                      # IN
    object narrow,                    # IN
    const uint8_t[::1] tight,         # IN  (n_nodes,)
    uint16_t[::1] core,               # IN  (n_tiles,)
    const int32_t[::1] position_labels,  # IN  (n_points,): label of each core position
    KDTree queries,                   # IN  may be `tree` itself
    object narrow_queries,            # IN  float32 tiles of the queries; None: without the filter
    const uint16_t[::1] wanted,       # IN  (n_tiles of queries,): bits of the queries to label
    intp_t[::1] labels,               # OUT (n_queries,) by row; only the wanted are written
    int n_threads,
):
    """Give each query the lowest label within eps, else -1. Returns whether a doubtful pair was
    met."""
    cdef:
        sem_dbscan work
        intp_t i, j, n_queries = queries.n_points
        _Memory lowest = _Memory(tree.n_nodes * sizeof(int32_t))
        _Memory memory = _Memory(n_queries * sizeof(int32_t))
        int32_t *best = <int32_t *> memory.at
        int32_t *min_label = <int32_t *> lowest.at
        int doubt

    _begin(&work, tree, rule, narrow, tight, core)
    if position_labels.shape[0] != tree.n_points or labels.shape[0] != n_queries:
        raise ValueError("The labels do not fit the trees.")
    if queries.is_float32 or queries.n_features != tree.n_features:
        raise ValueError("The queries do not fit the tree.")
    if wanted.shape[0] != queries.f64.n_tiles:
        raise ValueError("`wanted` needs one entry for each tile of the queries.")
    for i in range(tree.n_nodes - 1, -1, -1):
        if tree.nodes[i].right:
            min_label[i] = min(min_label[i + 1], min_label[tree.nodes[i].right])
            continue
        min_label[i] = INT32_MAX
        for j in range(tree.nodes[i].start, tree.nodes[i].end):
            if core[j // SEM_TILE] >> (j % SEM_TILE) & 1:
                min_label[i] = min(min_label[i], position_labels[j])
    if narrow is not None:
        work.narrow_queries = _narrow_tiles(queries, narrow_queries)
    work.labels = &position_labels[0]
    work.min_label = min_label
    doubt = _run(LABEL, &work, queries.f64.n_tiles, n_threads, &queries.f64,
                 &wanted[0], best)
    for i in range(n_queries):
        if wanted[i // SEM_TILE] >> (i % SEM_TILE) & 1:
            labels[queries.perm[i]] = -1 if best[i] == INT32_MAX else best[i]
    return doubt != 0


def rows_to_positions(
    KDTree tree,                      # IN
    const double[::1] values,         # IN  (n_points,) by row
    double[::1] out,                  # OUT (n_points,) by position
):
    """Reorder one value per row into tree order."""
    cdef intp_t i
    if not tree.n_points == values.shape[0] == out.shape[0]:
        raise ValueError("All arrays need one entry for each point.")
    for i in range(tree.n_points):
        out[i] = values[tree.perm[i]]


def rows_of_positions(
    KDTree tree,                      # IN
    intp_t[::1] rows,                 # OUT (n_points,)
):
    """Write the row of each position."""
    cdef intp_t i
    if tree.n_points != rows.shape[0]:
        raise ValueError("`rows` needs one entry for each point.")
    for i in range(tree.n_points):
        rows[i] = tree.perm[i]


def expand_clusters(
    const int64_t[::1] indptr,        # IN  (n + 1,)
    const int64_t[::1] indices,       # IN  neighbours of row i: indices[indptr[i]:indptr[i + 1]]
    const uint8_t[::1] is_core,       # IN  (n,)
    intp_t[::1] labels,               # OUT (n,)
):
    """Label rows by walking stored neighbourhoods from each core row, lowest first.

    Follows neighbours in the stored direction, as scikit-learn does: neighbourhoods need not be
    symmetric. Returns the number of clusters.
    """
    cdef:
        intp_t n = is_core.shape[0], i, n_clusters = 0, n_queue, v, u
        int64_t j
        _Memory memory = _Memory(n * sizeof(intp_t))
        intp_t *queue = <intp_t *> memory.at
    if indptr.shape[0] != n + 1 or labels.shape[0] != n or (n and indptr[n] > indices.shape[0]):
        raise ValueError("The arrays of the neighbourhoods do not fit together.")
    with nogil:
        for i in range(n):
            labels[i] = -1
        for i in range(n):
            if labels[i] != -1 or not is_core[i]:
                continue
            labels[i] = n_clusters
            queue[0] = i
            n_queue = 1
            while n_queue:
                n_queue -= 1
                u = queue[n_queue]
                for j in range(indptr[u], indptr[u + 1]):
                    v = indices[j]
                    if labels[v] == -1:
                        labels[v] = n_clusters
                        if is_core[v]:
                            queue[n_queue] = v
                            n_queue += 1
            n_clusters += 1
    return n_clusters


def link_neighborhoods(
    const intp_t[::1] rows,           # IN  the core rows whose neighbourhoods are given
    const int64_t[::1] indptr,        # IN  (len(rows) + 1,)
    const int64_t[::1] indices,       # IN
    const uint8_t[::1] is_core,       # IN  (n,)
    int32_t[::1] parent,              # IN/OUT (n,)
    uint8_t[::1] has_border,          # OUT (n,): rows with a neighbour that is not a core row
):
    """Join core rows with their core neighbours; for data whose neighbourhoods are never all held.

    Returns a fingerprint of the direction of the edges: over all core rows it sums to 0 (modulo
    2**64) when each edge between core rows is there in both directions.
    """
    cdef:
        intp_t i, u, v
        int64_t j
        unsigned long long fingerprint = 0
    if indptr.shape[0] != rows.shape[0] + 1 or parent.shape[0] != is_core.shape[0]:
        raise ValueError("The arrays of the neighbourhoods do not fit together.")
    with nogil:
        for i in range(rows.shape[0]):
            u = rows[i]
            for j in range(indptr[i], indptr[i + 1]):
                v = indices[j]
                if is_core[v]:
                    sem_unite(&parent[0], <int32_t> u, <int32_t> v)
                    fingerprint += _mix(u, v) - _mix(v, u)
                else:
                    has_border[u] = 1
    return fingerprint


cdef inline unsigned long long _mix(unsigned long long a, unsigned long long b) noexcept nogil:
    """Hash an ordered pair (the finaliser of SplitMix64, Steele, Lea and Flood 2014)."""
    cdef unsigned long long x = a * <unsigned long long> 0x9E3779B97F4A7C15 + b
    x = (x ^ (x >> 30)) * <unsigned long long> 0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <unsigned long long> 0x94D049BB133111EB
    return x ^ (x >> 31)


def roots_of(int32_t[::1] parent):    # IN/OUT
    """Replace every entry of a union-find forest by its root."""
    cdef intp_t i
    for i in range(parent.shape[0]):
        parent[i] = sem_find(&parent[0], <int32_t> i)


def mirror_gap(
    const double[::1] data,           # IN  of a csr matrix, columns rising in each row
    const int64_t[::1] indices,       # IN
    const int64_t[::1] indptr,        # IN
):
    """Return the largest difference of two entries (i, j) and (j, i) that are both stored."""
    cdef:
        intp_t n = indptr.shape[0] - 1, i
        int64_t k, j, low, high, middle
        double gap = 0
    with nogil:
        for i in range(n):
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                if j >= i:
                    break
                low = indptr[j]
                high = indptr[j + 1]
                while low < high:
                    middle = low + (high - low) // 2
                    if indices[middle] < i:
                        low = middle + 1
                    else:
                        high = middle
                if low < indptr[j + 1] and indices[low] == i:
                    gap = max(gap, fabs(data[k] - data[low]))
    return gap
