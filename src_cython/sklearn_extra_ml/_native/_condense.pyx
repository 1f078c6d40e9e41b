"""Condensing a dendrogram, choosing its clusters, and finding a cluster's lowest row.

The dendrogram is binary, but edges of equal length are one event: a node whose parent stands at the
same level is *absorbed* by it, and the highest node of such a run - an *event* - owns all children
below the run. An event therefore has two or more children, and which spanning tree was taken among
the equal ones no longer matters.

Nodes are numbered by level, children below parents, so every pass is one forward or one reverse
scan over flat arrays.
"""

from libc.math cimport INFINITY

import numpy as np

from sklearn_extra_ml._native._typedefs cimport floating, intp_t

cdef extern from "sem_simd.h" nogil:
    void sem_prefetch(const void *start, intp_t n_bytes)

ctypedef fused counted:
    intp_t
    double


def weighted_sizes(
    const intp_t[::1] left,  # IN (n - 1,)
    const intp_t[::1] right,  # IN (n - 1,)
    const double[::1] weight,  # IN (n,)
    double[::1] size,  # OUT (n - 1,)
):
    """Total weight of the rows in each node."""
    cdef intp_t m = left.shape[0], n = m + 1, e
    with nogil:
        for e in range(m):
            size[e] = weight[left[e]] if left[e] < n else size[left[e] - n]
            size[e] += weight[right[e]] if right[e] < n else size[right[e] - n]


cdef struct Record:
    double value  # rows in a node; once it has left its cluster, the level at which it did
    intp_t owner  # cluster it is in; ~cluster once it has left


cdef enum:
    AHEAD = 16  # merges between the request for a child's memory and its use
    ABSORBED = 4  # flag of `n_big`


cdef inline bint is_large(const Record *item, intp_t child, intp_t n, double level,
                          double min_cluster_size, const double *core) noexcept nogil:
    """Whether a child counts as a cluster at `level`: rows do so above their core distance only."""
    if item.value < min_cluster_size:
        return False
    return child >= n or core[child] < level


cdef inline bint hand_over(Record *one, Record *other, const Record *node, double level,
                           double min_cluster_size, const double *birth, double *stability,
                           double *death) noexcept nogil:
    """The usual event, without branches on the data: a merge alone at its level, in which no more
    than one child is large. False where both are."""
    cdef bint big_one = one.value >= min_cluster_size, big_other = other.value >= min_cluster_size
    cdef intp_t own = node.owner
    cdef double rows = node.value
    if own < 0:
        one.owner = own
        one.value = rows
        other.owner = own
        other.value = rows
        return True
    if big_one and big_other:
        return False
    rows -= (one.value if big_one else 0.0) + (other.value if big_other else 0.0)
    stability[own] += (1.0 / level - 1.0 / birth[own]) * rows
    death[own] = level
    one.owner = own if big_one else ~own
    one.value = one.value if big_one else level
    other.owner = own if big_other else ~own
    other.value = other.value if big_other else level
    return True


def condense(
    const intp_t[::1] left,  # IN (n - 1,)
    const intp_t[::1] right,  # IN (n - 1,)
    const counted[::1] size,  # IN (n - 1,)
    const double[::1] distance,  # IN (n - 1,), ascending
    double smallest_level,  # IN  shorter distances count as this
    const double[::1] weight,  # IN (n,), or (0,): every row weighs 1
    const double[::1] core,  # IN (n,), level down to which a heavy row holds together; or (0,)
    double min_cluster_size,
    intp_t[::1] row_cluster,  # OUT (n,), cluster that the row leaves
    double[::1] row_level,  # OUT (n,), level at which it leaves
    intp_t[::1] parent,  # OUT (capacity,), of each cluster
    double[::1] birth,  # OUT (capacity,), level at which it leaves its parent
    double[::1] death,  # OUT (capacity,), level at which it ends
    double[::1] cluster_size,  # OUT (capacity,)
    double[::1] stability,  # OUT (capacity,)
):
    """Condense for `min_cluster_size`; returns the number of clusters, the root among them.

    An event with one child of at least `min_cluster_size` rows lets the others leave and goes on
    in that child; with two or more it ends the cluster and starts one for each of them; with none
    it ends the cluster. The stability of a cluster is a sum over its events, from the top down, of
    (rows that leave) x (density gained since birth): no term and no order in it depends on the
    order of the rows.

    A row that weighs `min_cluster_size` stands for so many equal rows, which hold together down to
    their core distance: above it such a row is a large child, too.

    One scan from the top, by runs of nodes at one level: first the large children of each event of
    the run are counted, then its nodes hand over to their children. Children lie anywhere below,
    so the scan would wait for memory: what is known of a node or row is one record, asked for in
    advance.
    """
    cdef intp_t m = left.shape[0], n = m + 1, n_clusters = 1, e, c, child, side, own
    cdef intp_t first, end = m, at
    cdef int big
    cdef double level, rows
    cdef bint weighted = weight.shape[0] > 0
    cdef double[::1] record_space = np.empty((n + m) * sizeof(Record) // sizeof(double))
    # Of the events of one run; no more of these is touched than the longest run is long.
    cdef int[::1] n_big = np.empty(m, dtype=np.intc)  # large children: 0, 1, or 2 for more
    cdef double[::1] big_rows = np.empty(m)  # rows in them
    cdef Record *records = <Record *> &record_space[0]  # of rows, then of nodes
    cdef Record *item
    cdef const double *core_of = &core[0] if weighted else NULL
    with nogil:
        for e in range(n):
            records[e].value = weight[e] if weighted else 1.0
        for e in range(m):
            records[n + e].value = <double> size[e]
        parent[0] = -1
        birth[0] = INFINITY
        death[0] = max(distance[m - 1], smallest_level)
        cluster_size[0] = records[n + m - 1].value
        stability[0] = 0.0
        records[n + m - 1].owner = 0
        while end > 0:
            level = max(distance[end - 1], smallest_level)
            first = end - 1
            while first > 0 and max(distance[first - 1], smallest_level) == level:
                first -= 1
            if first == end - 1 and not weighted and hand_over(
                &records[left[first]], &records[right[first]], &records[n + first], level,
                min_cluster_size, &birth[0], &stability[0], &death[0]
            ):
                if first >= AHEAD:
                    sem_prefetch(&records[left[first - AHEAD]], 1)
                    sem_prefetch(&records[right[first - AHEAD]], 1)
                end = first
                continue
            for e in range(first, end):
                big = 0
                rows = 0.0
                for side in range(2):
                    child = left[e] if side == 0 else right[e]
                    if child >= n + first:
                        big += n_big[child - n - first]
                        rows += big_rows[child - n - first]
                    elif is_large(&records[child], child, n, level, min_cluster_size, core_of):
                        big += 1
                        rows += records[child].value
                n_big[e - first] = min(big, 2)
                big_rows[e - first] = rows
            for e in range(end - 1, first - 1, -1):
                if e >= AHEAD:
                    sem_prefetch(&records[left[e - AHEAD]], 1)
                    sem_prefetch(&records[right[e - AHEAD]], 1)
                own = records[n + e].owner
                if own < 0:
                    for side in range(2):
                        item = &records[left[e] if side == 0 else right[e]]
                        item.owner = own
                        item.value = records[n + e].value
                    continue
                at = e - first
                if not n_big[at] & ABSORBED:
                    rows = records[n + e].value
                    if n_big[at] == 1:
                        rows -= big_rows[at]
                    stability[own] += (1.0 / level - 1.0 / birth[own]) * rows
                    death[own] = level
                for side in range(2):
                    child = left[e] if side == 0 else right[e]
                    item = &records[child]
                    if child >= n + first:
                        item.owner = own
                        n_big[child - n - first] = n_big[at] | ABSORBED
                    elif not is_large(item, child, n, level, min_cluster_size, core_of):
                        item.owner = ~own
                        item.value = level
                    else:
                        c = own
                        if n_big[at] & ~ABSORBED == 2:
                            c = n_clusters
                            n_clusters += 1
                            parent[c] = own
                            birth[c] = level
                            cluster_size[c] = item.value
                            stability[c] = 0.0
                        item.owner = c
                        if child < n:
                            stability[c] += (1.0 / core[child] - 1.0 / birth[c]) * weight[child]
                            death[c] = core[child]
                            item.owner = ~c
                            item.value = core[child]
            end = first
        for e in range(n):
            row_cluster[e] = ~records[e].owner
            row_level[e] = records[e].value
    return n_clusters


def simplify(
    const intp_t[::1] parent,  # IN (n_clusters,)
    const double[::1] birth,  # IN (n_clusters,), levels
    const double[::1] death,  # IN (n_clusters,)
    double persistence,  # IN  in units of density
    intp_t[::1] merged,  # OUT (n_clusters,): the cluster that each one has become part of
    double[::1] floor,  # OUT (n_clusters,): its rows leave at this level or above
):
    """Undo splits of which fewer than two parts persist: ``peak density - density at the split``.

    Parts that do not persist are merged into the parent. If what it splits into has no parts
    itself, all its rows go on in it as they did; otherwise those of such a part leave at the split.
    """
    cdef intp_t n = parent.shape[0], c, child, main, n_lasting, n_children
    cdef double[::1] peak = np.empty(n)
    cdef intp_t[::1] first = np.full(n, -1, dtype=np.intp), following = np.full(n, -1, dtype=np.intp)
    cdef unsigned char[::1] has_parts = np.zeros(n, dtype=np.uint8)
    with nogil:
        for c in range(n - 1, 0, -1):
            following[c] = first[parent[c]]
            first[parent[c]] = c
        for c in range(n):
            merged[c] = c
            floor[c] = 0.0
        for c in range(n - 1, -1, -1):
            peak[c] = 1.0 / death[c]
            n_children = n_lasting = 0
            main = -1
            child = first[c]
            while child >= 0:
                n_children += 1
                peak[c] = max(peak[c], peak[child])
                n_lasting += peak[child] - 1.0 / birth[child] >= persistence
                if main < 0 or peak[child] > peak[main]:
                    main = child
                child = following[child]
            if not n_children:
                continue
            has_parts[c] = n_lasting >= 2 or has_parts[main]
            child = first[c]
            while child >= 0:
                if n_lasting < 2 or peak[child] - 1.0 / birth[child] < persistence:
                    merged[child] = c
                    if has_parts[c] and (n_lasting >= 2 or child != main):
                        floor[child] = birth[child]
                child = following[child]
        for c in range(1, n):
            if merged[c] != c:
                floor[c] = max(floor[c], floor[merged[c]])
                merged[c] = merged[merged[c]]


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
    # What decides nearly always, beside what it is compared with.
    cdef double[::1] first_value = np.zeros(lowest.shape[0])
    cdef double value = 0.0
    with nogil:
        for g in range(lowest.shape[0]):
            lowest[g] = -1
        for i in range(n):
            g = group[i]
            if g < 0:
                continue
            if d:
                value = data[i * d]
            if lowest[g] < 0 or value < first_value[g] or (
                value == first_value[g] and row_is_lower(data, d, i, lowest[g])
            ):
                lowest[g] = i
                first_value[g] = value


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


def order_clusters(
    const floating[:, ::1] X,  # IN (n, d)
    const double[::1] birth,  # IN (n_clusters,), descending
    const intp_t[::1] lowest,  # IN (n_clusters,)
    intp_t longest,  # IN  clusters of equal birth that may be ordered pair by pair
    intp_t[::1] order,  # IN and OUT (n_clusters,), as `condense` numbered them
):
    """Order clusters of equal birth but the root by their lowest row; False where there are more than `longest`."""
    cdef intp_t n = birth.shape[0], d = X.shape[1], first = 1, c, at, moved
    cdef bint few = True
    cdef const floating *data = &X[0, 0] if d else NULL
    with nogil:
        for c in range(2, n):
            if birth[c] != birth[first]:
                first = c
            if c - first >= longest:
                few = False
                break
            moved = order[c]
            at = c
            while at > first and row_is_lower(data, d, lowest[moved], lowest[order[at - 1]]):
                order[at] = order[at - 1]
                at -= 1
            order[at] = moved
    return few


def renumber(
    const intp_t[::1] number,  # IN (n_clusters,)
    intp_t[::1] row_cluster,  # IN and OUT (n,)
):
    """Replace each cluster by its number."""
    cdef intp_t i
    with nogil:
        for i in range(row_cluster.shape[0]):
            row_cluster[i] = number[row_cluster[i]]


# The passes below take clusters numbered so that a parent comes before its children.


def excess_of_mass(
    const intp_t[::1] parent,  # IN (n_clusters,)
    const double[::1] stability,  # IN (n_clusters,)
    const unsigned char[::1] allowed,  # IN (n_clusters,)
    unsigned char[::1] selected,  # OUT (n_clusters,)
):
    """`allowed` clusters of the largest total stability, none inside another.

    (Campello et al. 2013; of a cluster and those inside it the cluster, where both are as good.)
    """
    cdef intp_t n = parent.shape[0], c
    cdef double best
    cdef double[::1] below = np.zeros(n)  # best total of the children
    with nogil:
        for c in range(n - 1, -1, -1):
            selected[c] = allowed[c] and not below[c] > stability[c]
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


def most_stable(
    const intp_t[::1] parent,  # IN (n_clusters,)
    const double[::1] stability,  # IN (n_clusters,)
    const unsigned char[::1] allowed,  # IN (n_clusters,)
    intp_t n_wanted,
    unsigned char[::1] selected,  # OUT (n_clusters,)
):
    """`n_wanted` allowed clusters of the largest total stability, none inside another.

    Returns how many can be had where they are fewer (none is selected then). For every cluster the
    best totals for 0, 1, 2, ... clusters within it are kept; children are added one after the other.
    O(n_clusters n_wanted) time and memory. Of equal totals the one with fewer clusters in later
    children is taken, and a cluster rather than one inside it.
    """
    cdef intp_t n = parent.shape[0], c, p, i, j, most, wide, at
    cdef double value
    cdef intp_t[::1] n_below = np.zeros(n, dtype=np.intp)   # most clusters to be had below
    cdef intp_t[::1] before = np.zeros(n, dtype=np.intp)    # of the parent, before this child
    if n_wanted < 1:
        selected[:] = 0
        return 0
    with nogil:
        for c in range(n - 1, -1, -1):
            if n_below[c] == 0 and allowed[c]:
                n_below[c] = 1
            if c:
                before[c] = n_below[parent[c]]
                n_below[parent[c]] = min(n_wanted, n_below[parent[c]] + n_below[c])
    if n_below[0] < n_wanted:
        return n_below[0]
    # Totals of a cluster lie at start[c]; how many its child c contributed, at choice[c].
    cdef intp_t[::1] start = np.zeros(n + 1, dtype=np.intp), choice = np.zeros(n + 1, dtype=np.intp)
    for c in range(n):
        start[c + 1] = start[c] + n_below[c] + 1
        choice[c + 1] = choice[c] + (min(n_wanted, before[c] + n_below[c]) + 1 if c else 0)
    cdef double[::1] total = np.full(start[n], -INFINITY), row = np.empty(n_wanted + 1)
    cdef int[::1] taken = np.zeros(max(choice[n], 1), dtype=np.intc)
    cdef unsigned char[::1] itself = np.zeros(n, dtype=np.uint8)
    cdef intp_t[::1] wanted = np.zeros(n, dtype=np.intp)
    with nogil:
        for c in range(n):
            total[start[c]] = 0.0
        for c in range(n - 1, -1, -1):
            if n_below[c] and allowed[c] and stability[c] >= total[start[c] + 1]:
                itself[c] = 1
                total[start[c] + 1] = stability[c]
            if not c:
                break
            p = parent[c]
            most = before[c]
            wide = min(n_wanted, most + n_below[c])
            for j in range(wide + 1):
                row[j] = -INFINITY
                for i in range(max(0, j - most), min(n_below[c], j) + 1):
                    value = total[start[p] + j - i] + total[start[c] + i]
                    if value > row[j]:
                        row[j] = value
                        taken[choice[c] + j] = <int> i
            for j in range(wide + 1):
                total[start[p] + j] = row[j]
        wanted[0] = n_wanted
        # Children joined their parent from the last to the first: take them apart the other way.
        for c in range(n):
            if c:
                p = parent[c]
                at = taken[choice[c] + wanted[p]] if wanted[p] else 0
                wanted[c] += at
                wanted[p] -= at
            selected[c] = wanted[c] == 1 and itself[c]
            if selected[c]:
                wanted[c] = 0
    return n_wanted


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
