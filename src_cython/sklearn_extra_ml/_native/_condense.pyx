"""Condensing a dendrogram, choosing its clusters, and finding a cluster's lowest row.

The dendrogram is binary, but edges of equal length are one event: a node whose parent stands at the
same level is *absorbed* by it, and the highest node of such a run - an *event* - owns all children
below the run. An event therefore has two or more children, and which spanning tree was taken among
the equal ones no longer matters.

Nodes are numbered by level, children below parents, so every pass is one forward or one reverse
scan over flat arrays.
"""

import numpy as np

from sklearn_extra_ml._native._typedefs cimport floating, intp_t


def condense(
    const intp_t[::1] left,  # IN (n - 1,)
    const intp_t[::1] right,  # IN (n - 1,)
    const intp_t[::1] size,  # IN (n - 1,)
    const double[::1] level,  # IN (n - 1,), ascending
    intp_t min_cluster_size,
    intp_t[::1] row_cluster,  # OUT (n,), cluster that the row leaves
    intp_t[::1] row_event,  # OUT (n,), node at which it leaves
    intp_t[::1] parent,  # OUT (capacity,), of each cluster
    intp_t[::1] birth,  # OUT (capacity,), event at which it leaves its parent, -1 for the root
    intp_t[::1] death,  # OUT (capacity,), event at which it ends
    intp_t[::1] cluster_size,  # OUT (capacity,)
    double[::1] stability,  # OUT (capacity,)
):
    """Condense for `min_cluster_size`; returns the number of clusters, the root among them.

    An event with one child of at least `min_cluster_size` rows lets the others leave and goes on
    in that child; with two or more it ends the cluster and starts one for each of them; with none
    it ends the cluster. The stability of a cluster is a sum over its events, from the top down, of
    (rows that leave) x (density gained since birth): no term and no order in it depends on the
    order of the rows.
    """
    cdef intp_t m = left.shape[0], n = m + 1, n_clusters = 1, e, c, child, side, own, top, rows
    cdef double density
    cdef intp_t[::1] n_big = np.zeros(m, dtype=np.intp)   # children of the event that are large
    cdef intp_t[::1] big_rows = np.zeros(m, dtype=np.intp)  # rows in them
    cdef intp_t[::1] owner = np.empty(m, dtype=np.intp)   # cluster of each node
    cdef intp_t[::1] event = np.empty(m, dtype=np.intp)   # its event; ~event where it has left
    with nogil:
        for e in range(m):
            for side in range(2):
                child = (left[e] if side == 0 else right[e]) - n
                if child < 0:
                    continue
                if level[child] == level[e]:
                    n_big[e] += n_big[child]
                    big_rows[e] += big_rows[child]
                elif size[child] >= min_cluster_size:
                    n_big[e] += 1
                    big_rows[e] += size[child]
        parent[0] = -1
        birth[0] = -1
        death[0] = m - 1
        cluster_size[0] = n
        stability[0] = 0.0
        owner[m - 1] = 0
        event[m - 1] = m - 1
        for e in range(m - 1, -1, -1):
            own = owner[e]
            top = event[e]
            if top == e:
                rows = size[e] - big_rows[e] if n_big[e] == 1 else size[e]
                density = 1.0 / level[birth[own]] if birth[own] >= 0 else 0.0
                stability[own] += (1.0 / level[e] - density) * rows
                death[own] = e
            for side in range(2):
                child = left[e] if side == 0 else right[e]
                if child < n:
                    row_cluster[child] = own
                    row_event[child] = top if top >= 0 else ~top
                    continue
                child -= n
                owner[child] = own
                if top < 0 or level[child] == level[e]:
                    event[child] = top
                elif size[child] < min_cluster_size:
                    event[child] = ~top
                else:
                    event[child] = child
                    if n_big[top] >= 2:
                        c = n_clusters
                        n_clusters += 1
                        owner[child] = c
                        parent[c] = own
                        birth[c] = top
                        cluster_size[c] = size[child]
                        stability[c] = 0.0
    return n_clusters


cdef inline bint row_is_lower(const floating *X, intp_t d, intp_t a, intp_t b) noexcept nogil:
    """Whether row `a` comes before row `b`: first by content, then by index."""
    cdef const floating *x = X + a * d
    cdef const floating *y = X + b * d
    cdef intp_t f
    for f in range(d):
        if x[f] != y[f]:
            return x[f] < y[f]
    return a < b


def lowest_rows(
    const floating[:, ::1] X,  # IN (n, d); d = 0: compare by index
    const intp_t[::1] group,  # IN (n,), negative: none
    intp_t[::1] lowest,  # OUT (n_groups,), -1 for an empty group
):
    """The lexicographically lowest row of each group; among equal rows the lowest index."""
    cdef intp_t n = group.shape[0], d = X.shape[1], i, g
    cdef const floating *data = &X[0, 0] if d else NULL
    with nogil:
        for g in range(lowest.shape[0]):
            lowest[g] = -1
        for i in range(n):
            g = group[i]
            if g >= 0 and (lowest[g] < 0 or row_is_lower(data, d, i, lowest[g])):
                lowest[g] = i


def lift_lowest_rows(
    const floating[:, ::1] X,  # IN (n, d)
    const intp_t[::1] parent,  # IN (n_clusters,), parents before children
    intp_t[::1] lowest,  # IN and OUT (n_clusters,)
):
    """Let each cluster's lowest row count for its ancestors too."""
    cdef intp_t d = X.shape[1], c, p
    cdef const floating *data = &X[0, 0] if d else NULL
    with nogil:
        for c in range(parent.shape[0] - 1, 0, -1):
            p = parent[c]
            if lowest[p] < 0 or row_is_lower(data, d, lowest[c], lowest[p]):
                lowest[p] = lowest[c]


# The passes below take clusters numbered so that a parent comes before its children.


def excess_of_mass(
    const intp_t[::1] parent,  # IN (n_clusters,)
    const double[::1] stability,  # IN (n_clusters,)
    const intp_t[::1] size,  # IN (n_clusters,)
    intp_t max_cluster_size,
    bint allow_root,
    unsigned char[::1] selected,  # OUT (n_clusters,)
):
    """Clusters of the largest total stability, none inside another (Campello et al. 2013)."""
    cdef intp_t n = parent.shape[0], c, root_size = 0
    cdef double best
    cdef double[::1] below = np.zeros(n)  # best total of the children
    with nogil:
        for c in range(1, n):
            if parent[c] == 0:
                root_size += size[c]
        for c in range(n - 1, -1, -1):
            # scikit-learn's rule: the root counts the rows of its sub-clusters only, because its
            # other rows are labelled as noise
            if c == 0 and not allow_root:
                selected[0] = 0
                break
            selected[c] = not (
                below[c] > stability[c] or (size[c] if c else root_size) > max_cluster_size)
            best = stability[c] if selected[c] else below[c]
            if c:
                below[parent[c]] += best
        keep_highest(&parent[0], n, &selected[0], &below[0])


cdef void keep_highest(const intp_t *parent, intp_t n, unsigned char *selected,
                       double *covered) noexcept nogil:
    """Unselect what lies below a selected cluster."""
    cdef intp_t c
    covered[0] = selected[0]
    for c in range(1, n):
        covered[c] = covered[parent[c]] > 0 or selected[c]
        if covered[parent[c]] > 0:
            selected[c] = 0


def merge_below(
    const intp_t[::1] parent,  # IN (n_clusters,)
    const double[::1] birth_level,  # IN (n_clusters,)
    double epsilon,
    bint allow_root,
    unsigned char[::1] selected,  # IN and OUT (n_clusters,)
):
    """Replace selected clusters born below `epsilon` by the ancestor born above it.

    Without `allow_root` the climb stops below the root (Malzer and Baum 2020).
    """
    cdef intp_t n = parent.shape[0], c, p
    cdef intp_t[::1] target = np.zeros(n, dtype=np.intp)
    cdef unsigned char[::1] chosen = np.zeros(n, dtype=np.uint8)
    with nogil:
        for c in range(1, n):
            p = parent[c]
            if p == 0:
                target[c] = 0 if allow_root else c
            elif birth_level[p] > epsilon:
                target[c] = p
            else:
                target[c] = target[p]
        for c in range(n):
            if selected[c]:
                chosen[target[c] if birth_level[c] < epsilon else c] = 1
        for c in range(n):
            selected[c] = chosen[c] and not (c and chosen[0])


def leaves(
    const intp_t[::1] parent,  # IN (n_clusters,)
    unsigned char[::1] selected,  # OUT (n_clusters,)
):
    """Clusters without children."""
    cdef intp_t n = parent.shape[0], c
    with nogil:
        for c in range(n):
            selected[c] = 1
        for c in range(1, n):
            selected[parent[c]] = 0


def nearest_selected(
    const intp_t[::1] parent,  # IN (n_clusters,)
    const unsigned char[::1] selected,  # IN (n_clusters,)
    intp_t[::1] nearest,  # OUT (n_clusters,)
):
    """The selected cluster that each cluster is or lies in, -1 for none."""
    cdef intp_t c
    with nogil:
        nearest[0] = 0 if selected[0] else -1
        for c in range(1, parent.shape[0]):
            nearest[c] = c if selected[c] else nearest[parent[c]]


def attach(
    const intp_t[::1] start,  # IN (n_rows,), cluster of the fitted row that each row attaches to
    const double[::1] level,  # IN (n_rows,), mutual reachability of the two
    const intp_t[::1] parent,  # IN (n_clusters,)
    const double[::1] birth_level,  # IN (n_clusters,), infinity for the root
    intp_t[::1] cluster,  # OUT (n_rows,)
):
    """The deepest cluster that holds the fitted row and is still one at `level`."""
    cdef intp_t i, c
    with nogil:
        for i in range(start.shape[0]):
            c = start[i]
            while c > 0 and level[i] >= birth_level[c]:
                c = parent[c]
            cluster[i] = c


def densest_levels(
    const intp_t[::1] parent,  # IN (n_clusters,)
    const double[::1] death_level,  # IN (n_clusters,)
    double[::1] densest,  # OUT (n_clusters,)
):
    """The level at which the last row of each cluster, or of a cluster below it, leaves."""
    cdef intp_t n = parent.shape[0], c
    with nogil:
        for c in range(n):
            densest[c] = death_level[c]
        for c in range(n - 1, 0, -1):
            densest[parent[c]] = min(densest[parent[c]], densest[c])
