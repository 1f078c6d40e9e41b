"""The k-d tree for other kernels: the layout, the inlined helpers and the class that owns the arrays.

``include/sem_kd_tree.h`` describes the layout in full. A kernel that walks the tree takes a `KDTree`
in its ``def`` function, picks ``&tree.f32`` or ``&tree.f64`` by ``tree.is_float32``, and runs on
that pointer without the GIL (the caller's reference keeps the arrays alive). Leaf loops belong in a
C header under `SEM_CLONES` (or in a body of ``sem_per_isa.h``): the helpers below are always
inlined, so they are compiled for the instruction set of the function that calls them.

A depth-first walk needs no recursion and no heap::

    cdef int32_t stack[SEM_KD_STACK]
    stack[0] = 0; depth = 1
    while depth:
        depth -= 1; node = stack[depth]
        if lower_bound(tree.boxes + node * 2 * d) > radius: continue
        if tree.nodes[node].right == 0:       # leaf: tiles start // SEM_TILE ...
            for start in range(nodes[node].start, nodes[node].end, SEM_TILE):
                sem_kd_tile_distances_f64(tree.tiles + start * d, point, d, metric, p, reduced)
        else:
            stack[depth] = nodes[node].right; stack[depth + 1] = node + 1; depth += 2
"""

from libc.stdint cimport int32_t, int64_t

from sklearn_extra_ml._native._typedefs cimport intp_t


cdef extern from "sem_kd_tree.h" nogil:
    enum:
        SEM_TILE          # points in a tile
        SEM_KD_MAX_DEPTH
        SEM_KD_STACK      # entries that a depth-first walk can need
        SEM_EUCLIDEAN
        SEM_MANHATTAN
        SEM_CHEBYSHEV
        SEM_MINKOWSKI

    ctypedef struct sem_kd_node:
        int32_t right    # right child; the left one is this node + 1; 0: a leaf
        int32_t start    # positions [start, end); start is a multiple of leaf_size
        int32_t end
        int32_t min_row

    ctypedef struct sem_kd_tree_f32:
        intp_t n_points
        intp_t n_features
        intp_t n_tiles
        intp_t n_nodes
        intp_t leaf_size
        int metric
        double p
        const float *tiles         # (n_tiles, n_features, SEM_TILE)
        const float *boxes         # (n_nodes, 2, n_features)
        const sem_kd_node *nodes   # (n_nodes,)
        const int32_t *perm        # (n_points,): position -> row

    ctypedef struct sem_kd_tree_f64:
        intp_t n_points
        intp_t n_features
        intp_t n_tiles
        intp_t n_nodes
        intp_t leaf_size
        int metric
        double p
        const double *tiles
        const double *boxes
        const sem_kd_node *nodes
        const int32_t *perm

    # d and metric are arguments: constants give unrolled code.
    float sem_kd_unreduce_f32(float reduced, int metric, double p)
    double sem_kd_unreduce_f64(double reduced, int metric, double p)
    float sem_kd_reduce_f32(float distance, int metric, double p)
    double sem_kd_reduce_f64(double distance, int metric, double p)
    void sem_kd_tile_distances_f32(const float *tile, const float *point, intp_t d, int metric,
                                   double p, float *out)
    void sem_kd_tile_distances_f64(const double *tile, const double *point, intp_t d, int metric,
                                   double p, double *out)
    void sem_kd_tile_box_min_f32(const float *tile, const float *box, intp_t d, int metric,
                                 double p, float *out)
    void sem_kd_tile_box_min_f64(const double *tile, const double *box, intp_t d, int metric,
                                 double p, double *out)
    float sem_kd_point_box_min_f32(const float *point, const float *box, intp_t d, int metric,
                                   double p)
    double sem_kd_point_box_min_f64(const double *point, const double *box, intp_t d, int metric,
                                    double p)
    float sem_kd_point_box_max_f32(const float *point, const float *box, intp_t d, int metric,
                                   double p)
    double sem_kd_point_box_max_f64(const double *point, const double *box, intp_t d, int metric,
                                    double p)
    float sem_kd_box_box_min_f32(const float *a, const float *b, intp_t d, int metric, double p)
    double sem_kd_box_box_min_f64(const double *a, const double *b, intp_t d, int metric, double p)
    float sem_kd_box_box_max_f32(const float *a, const float *b, intp_t d, int metric, double p)
    double sem_kd_box_box_max_f64(const double *a, const double *b, intp_t d, int metric, double p)
    void sem_kd_tile_box_f32(const float *tile, intp_t d, int count, float *box)
    void sem_kd_tile_box_f64(const double *tile, intp_t d, int count, double *box)
    void sem_kd_gather_f32(const float *tile, intp_t d, int lane, float *point)
    void sem_kd_gather_f64(const double *tile, intp_t d, int lane, double *point)


cdef class KDTree:
    cdef sem_kd_tree_f32 f32  # filled in for float32 points, and
    cdef sem_kd_tree_f64 f64  # this one for float64 points
    cdef readonly bint is_float32
    cdef readonly intp_t n_points
    cdef readonly intp_t n_features
    cdef readonly intp_t leaf_size
    cdef readonly intp_t n_nodes
    cdef readonly int metric
    cdef readonly double p
    cdef void *memory_tiles   # as allocated; the tiles start at the next multiple of 64 bytes
    cdef void *tiles
    cdef void *boxes
    cdef sem_kd_node *nodes
    cdef int32_t *perm

    cdef int allocate(self) except -1
    cdef void point_structs(self) noexcept nogil
