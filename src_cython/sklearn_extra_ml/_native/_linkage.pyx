"""From a spanning tree to the dendrogram of single linkage, by union-find over sorted edges.

One pass, O(n) memory, no recursion: a chain of any length is as good as a balanced tree.
"""

import numpy as np

from sklearn_extra_ml._native._typedefs cimport intp_t


cdef inline intp_t find(intp_t *parent, intp_t x) noexcept nogil:
    """Root of `x`; halves the path on the way."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


def single_linkage(
    const intp_t[:, ::1] edges,  # IN (n - 1, 2), a spanning tree
    const intp_t[::1] order,  # IN (n - 1,), edges from light to heavy
    intp_t[::1] left,  # OUT (n - 1,)
    intp_t[::1] right,  # OUT (n - 1,)
    intp_t[::1] size,  # OUT (n - 1,)
):
    """Binary dendrogram: node n + e joins nodes ``left[e] < right[e]`` and holds `size[e]` rows.

    Returns the number of edges used; fewer than n - 1 means that the edges are no tree.
    """
    cdef intp_t m = order.shape[0], n = m + 1, e, a, b, node_a, node_b, size_a, size_b
    cdef intp_t[::1] parent = np.arange(n), node = np.arange(n)
    with nogil:
        for e in range(m):
            a = find(&parent[0], edges[order[e], 0])
            b = find(&parent[0], edges[order[e], 1])
            if a == b:
                break
            node_a = node[a]
            node_b = node[b]
            size_a = size[node_a - n] if node_a >= n else 1
            size_b = size[node_b - n] if node_b >= n else 1
            left[e] = min(node_a, node_b)
            right[e] = max(node_a, node_b)
            size[e] = size_a + size_b
            if size_a < size_b:
                a, b = b, a
            parent[b] = a
            node[a] = n + e
        else:
            e = m
    return e


def cut(
    const intp_t[::1] left,  # IN (n - 1,)
    const intp_t[::1] right,  # IN (n - 1,)
    const double[::1] distance,  # IN (n - 1,), ascending
    double cut_distance,
    intp_t[::1] component,  # OUT (n,)
):
    """Components of the dendrogram below `cut_distance`: the id of each row's highest node."""
    cdef intp_t m = left.shape[0], n = m + 1, e, child, side
    cdef intp_t[::1] top = np.empty(m, dtype=np.intp)
    with nogil:
        for e in range(m):
            top[e] = n + e
        for e in range(m - 1, -1, -1):
            for side in range(2):
                child = left[e] if side == 0 else right[e]
                if child < n:
                    component[child] = top[e] if distance[e] < cut_distance else child
                elif distance[e] < cut_distance:
                    top[child - n] = top[e]


def spanning_forest(
    const intp_t[::1] rows,  # IN (n_edges,)
    const intp_t[::1] columns,  # IN (n_edges,)
    const intp_t[::1] order,  # IN (n_edges,), edges from light to heavy
    intp_t n,
    intp_t[::1] picked,  # OUT (n - 1,)
):
    """Kruskal's algorithm: the edges of a minimum spanning forest; returns how many there are."""
    cdef intp_t e, a, b, n_picked = 0
    cdef intp_t[::1] parent = np.arange(n)
    with nogil:
        for e in range(order.shape[0]):
            a = find(&parent[0], rows[order[e]])
            b = find(&parent[0], columns[order[e]])
            if a != b:
                parent[max(a, b)] = min(a, b)
                picked[n_picked] = order[e]
                n_picked += 1
                if n_picked == n - 1:
                    break
    return n_picked
