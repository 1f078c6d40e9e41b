/* Body of sem_kd_knn.h for one floating type and instruction set (see there). */

#include "sem_lanes.h"

typedef struct {
    SEM_REAL distance;
    int32_t position;
} SEM_K(sem_kd_pair);

/* A list of up to SEM_KD_SORTED neighbours is kept sorted. A longer one is a buffer of twice its
 * length, cut to the k nearest whenever it is full: hardly more candidates pass the older bound, and
 * each costs a few instructions in place of a shift of half the list. */
enum { SEM_K(sem_kd_sorted) = 32 };

typedef struct {
    ptrdiff_t k;
    const int32_t *perm;  /* of the searched tree */
    SEM_REAL *points;     /* (SEM_TILE, d): the queries */
    SEM_REAL *box;        /* (2, d): their bounding box */
    SEM_REAL *distances;  /* (SEM_TILE, k), rising */
    int32_t *positions;   /* (SEM_TILE, k) */
    SEM_REAL kth[SEM_TILE];
    int32_t kth_position[SEM_TILE];
    SEM_K(sem_kd_pair) * buffers; /* (SEM_TILE, 2 k), or NULL where the lists are sorted */
    SEM_K(sem_kd_pair) * spare;   /* (2 k,) */
    ptrdiff_t n_buffered[SEM_TILE];
    SEM_REAL worst;       /* largest of kth */
    int count;            /* queries in this tile */
    const SEM_REAL *norms;       /* slackened |x|^2 of the points, by position; NULL: not used */
    SEM_REAL norm[SEM_TILE];     /* slackened |q|^2 of the queries */
    ptrdiff_t started;    /* the tile that the lists were started with, or -1 */
    int64_t n_scanned;
} SEM_K(sem_kd_search);

/* Whether the neighbour at `position` (-1: none yet) comes after row `row` at equal distance. */
SEM_INLINE int SEM_K(sem_kd_after)(const int32_t *perm, int32_t position, int32_t row)
{
    return position < 0 || perm[position] > row;
}

SEM_INLINE void SEM_K(sem_kd_insert)(SEM_K(sem_kd_search) * s, int query, SEM_REAL value,
                                     int32_t position)
{
    SEM_REAL *distances = s->distances + query * s->k;
    int32_t *positions = s->positions + query * s->k;
    ptrdiff_t j = s->k - 1;
    if (value == distances[j] && !SEM_K(sem_kd_after)(s->perm, positions[j], s->perm[position]))
        return;
    for (; j > 0; j--) {
        if (distances[j - 1] < value)
            break;
        if (distances[j - 1] == value &&
            !SEM_K(sem_kd_after)(s->perm, positions[j - 1], s->perm[position]))
            break;
        distances[j] = distances[j - 1];
        positions[j] = positions[j - 1];
    }
    distances[j] = value;
    positions[j] = position;
    s->kth[query] = distances[s->k - 1];
    s->kth_position[query] = positions[s->k - 1];
}

/* Move the pairs with distance <= bound (`strict`: < bound) to the front, return how many; the others
 * go to `spare`. No branch on data, and nothing is read that was just written. */
SEM_INLINE ptrdiff_t SEM_K(sem_kd_front)(SEM_K(sem_kd_pair) * pairs, SEM_K(sem_kd_pair) * spare,
                                         ptrdiff_t n, SEM_REAL bound, const int strict)
{
    ptrdiff_t n_front = 0, n_back = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const SEM_K(sem_kd_pair) pair = pairs[i];
        const int front = strict ? pair.distance < bound : pair.distance <= bound;
        pairs[n_front] = pair;
        spare[n_back] = pair;
        n_front += front;
        n_back += !front;
    }
    return n_front;
}

/* Sort a short or tied run by (distance, row). */
SEM_INLINE void SEM_K(sem_kd_sort_run)(const int32_t *perm, SEM_K(sem_kd_pair) * pairs, ptrdiff_t n)
{
    for (ptrdiff_t i = 1; i < n; i++) {
        const SEM_K(sem_kd_pair) pair = pairs[i];
        ptrdiff_t j = i;
        for (; j > 0 && (pairs[j - 1].distance > pair.distance ||
                         (pairs[j - 1].distance == pair.distance &&
                          perm[pairs[j - 1].position] > perm[pair.position]));
             j--)
            pairs[j] = pairs[j - 1];
        pairs[j] = pair;
    }
}

/* Arrange n pairs so that the k nearest by (distance, row) stand first; returns the k-th. Distances
 * are told apart first; only where the k-th distance is shared with a pair beyond are rows read. */
SEM_INLINE SEM_K(sem_kd_pair) SEM_K(sem_kd_select_pairs)(const int32_t *perm,
                                                         SEM_K(sem_kd_pair) * pairs,
                                                         SEM_K(sem_kd_pair) * spare, ptrdiff_t n,
                                                         ptrdiff_t k)
{
    ptrdiff_t first = 0, last = n;
    while (last - first > 8) {
        SEM_REAL a = pairs[first].distance, b = pairs[(first + last) / 2].distance;
        const SEM_REAL c = pairs[last - 1].distance, least = a < b ? a : b;
        b = a < b ? b : a;
        a = b < c ? b : c;
        const SEM_REAL pivot = least > a ? least : a; /* the middle one of three */
        const ptrdiff_t here = last - first;
        int strict = 0;
        ptrdiff_t n_front = SEM_K(sem_kd_front)(pairs + first, spare, here, pivot, 0);
        if (n_front == here) {
            strict = 1;
            n_front = SEM_K(sem_kd_front)(pairs + first, spare, here, pivot, 1);
        }
        if (k <= first + n_front) {
            last = first + n_front; /* what is farther is dropped */
        } else {
            memcpy(pairs + first + n_front, spare, (size_t)(here - n_front) * sizeof *pairs);
            first += n_front;
            if (strict)
                break; /* all from here on are equal */
        }
    }
    if (last - first <= 8)
        SEM_K(sem_kd_sort_run)(perm, pairs + first, last - first);
    SEM_K(sem_kd_pair) kth = pairs[k - 1];
    int shared = 0;
    for (ptrdiff_t i = k; i < last; i++)
        shared |= pairs[i].distance == kth.distance;
    if (shared) {
        const ptrdiff_t n_less = SEM_K(sem_kd_front)(pairs, spare, last, kth.distance, 1);
        const ptrdiff_t n_equal =
            SEM_K(sem_kd_front)(spare, pairs + n_less, last - n_less, kth.distance, 0);
        SEM_K(sem_kd_sort_run)(perm, spare, n_equal);
        memcpy(pairs + n_less, spare, (size_t)(k - n_less) * sizeof *pairs);
        return pairs[k - 1];
    }
    for (ptrdiff_t i = 0; i < k; i++)
        if (pairs[i].distance == kth.distance && perm[pairs[i].position] > perm[kth.position])
            kth = pairs[i];
    return kth;
}

/* Keep the k nearest of a query's buffer; they bound what is still wanted. */
SEM_INLINE void SEM_K(sem_kd_shrink)(SEM_K(sem_kd_search) * s, int query)
{
    SEM_K(sem_kd_pair) *pairs = s->buffers + 2 * s->k * query;
    const SEM_K(sem_kd_pair) kth =
        SEM_K(sem_kd_select_pairs)(s->perm, pairs, s->spare, s->n_buffered[query], s->k);
    s->n_buffered[query] = s->k;
    s->kth[query] = kth.distance;
    s->kth_position[query] = kth.position;
}

SEM_INLINE void SEM_K(sem_kd_buffer)(SEM_K(sem_kd_search) * s, int query, SEM_REAL value,
                                     int32_t position)
{
    if (value == s->kth[query] &&
        !SEM_K(sem_kd_after)(s->perm, s->kth_position[query], s->perm[position]))
        return;
    SEM_K(sem_kd_pair) *next = s->buffers + 2 * s->k * query + s->n_buffered[query]++;
    next->distance = value;
    next->position = position;
    if (s->n_buffered[query] == 2 * s->k)
        SEM_K(sem_kd_shrink)(s, query);
}

/* Sort what a buffer holds into the query's list. */
static SEM_UNUSED void SEM_K(sem_kd_sort_buffer)(SEM_K(sem_kd_search) * s, int query)
{
    const ptrdiff_t k = s->k;
    if (s->n_buffered[query] > k)
        SEM_K(sem_kd_shrink)(s, query);
    SEM_K(sem_kd_pair) *from = s->buffers + 2 * k * query, *to = from + k;
    for (ptrdiff_t width = 1; width < k; width *= 2) {
        for (ptrdiff_t start = 0; start < k; start += 2 * width) {
            const ptrdiff_t middle = start + width < k ? start + width : k;
            const ptrdiff_t end = start + 2 * width < k ? start + 2 * width : k;
            ptrdiff_t a = start, b = middle, out = start;
            while (a < middle && b < end) {
                const int second = from[b].distance < from[a].distance;
                to[out++] = from[second ? b : a];
                a += !second;
                b += second;
            }
            while (a < middle)
                to[out++] = from[a++];
            while (b < end)
                to[out++] = from[b++];
        }
        SEM_K(sem_kd_pair) *const swap = from;
        from = to;
        to = swap;
    }
    ptrdiff_t run = 0;
    for (ptrdiff_t i = 1; i <= k; i++)
        if (i == k || from[i].distance != from[run].distance) {
            if (i - run > 1)
                SEM_K(sem_kd_sort_run)(s->perm, from + run, i - run);
            run = i;
        }
    for (ptrdiff_t i = 0; i < k; i++) {
        s->distances[query * k + i] = from[i].distance;
        s->positions[query * k + i] = from[i].position;
    }
}

/* Start the list of a query with a tile: each lane's rank is counted, sixteen comparisons at once.
 * `row_below[lane]` are the lanes with a smaller row. */
SEM_INLINE void SEM_K(sem_kd_start_list)(SEM_K(sem_kd_search) * s, int query,
                                         const SEM_REAL *values, uint32_t valid, int32_t start,
                                         const uint32_t *row_below)
{
    SEM_REAL *distances = s->distances + query * s->k;
    int32_t *positions = s->positions + query * s->k;
    for (uint32_t lanes = valid; lanes; lanes &= lanes - 1) {
        const int lane = SEM_CTZ(lanes);
        const uint32_t not_after = SEM_K(sem_lanes_le)(values, values[lane]);
        const uint32_t not_before = SEM_K(sem_lanes_ge)(values, values[lane]);
        const uint32_t before = not_after & ~(not_before & ~row_below[lane]) & valid;
        const ptrdiff_t rank = SEM_POPCOUNT(before);
        if (rank < s->k) {
            distances[rank] = values[lane];
            positions[rank] = start + lane;
        }
    }
    s->kth[query] = distances[s->k - 1];
    s->kth_position[query] = positions[s->k - 1];
}

/* Start all lists of a tile of queries with one tile of points. */
SEM_INLINE void SEM_K(sem_kd_start_lists)(const SEM_T(sem_kd_tree) * tree, int32_t start,
                                          SEM_K(sem_kd_search) * s, const ptrdiff_t d,
                                          const int metric)
{
    SEM_REAL reduced[SEM_TILE];
    uint32_t row_below[SEM_TILE] = {0};
    const ptrdiff_t left = tree->n_points - start;
    const int count = left < SEM_TILE ? (int)left : SEM_TILE;
    const uint32_t valid = (UINT32_C(1) << count) - 1;
    const int32_t *rows = tree->perm + start;
    for (int a = 0; a < count; a++)
        for (int b = 0; b < count; b++)
            row_below[a] |= (uint32_t)(rows[b] < rows[a]) << b;
    SEM_REAL worst = 0;
    for (int q = 0; q < s->count; q++) {
        SEM_K(sem_lanes_within)(tree->tiles + start * d, s->points + q * d, d, metric, tree->p,
                                (SEM_REAL)INFINITY, reduced);
        SEM_K(sem_kd_start_list)(s, q, reduced, valid, start, row_below);
        worst = s->kth[q] > worst ? s->kth[q] : worst;
    }
    s->worst = worst;
    s->n_scanned += s->count;
}

/* Whether a node at exactly the worst k-th distance can still win a tie by row number. */
SEM_INLINE int SEM_K(sem_kd_wins_tie)(const SEM_K(sem_kd_search) * s, int32_t min_row)
{
    for (int q = 0; q < s->count; q++)
        if (s->kth[q] == s->worst &&
            SEM_K(sem_kd_after)(s->perm, s->kth_position[q], min_row))
            return 1;
    return 0;
}

/* Of the `wanted` queries, those that a tile may hold a neighbour for, by inner products. Groups of
 * which few are wanted are passed on as they are. */
SEM_INLINE uint32_t SEM_K(sem_kd_filter)(const SEM_REAL *tile, const SEM_REAL *norms,
                                         const SEM_K(sem_kd_search) * s, uint32_t wanted,
                                         const ptrdiff_t d)
{
    const uint32_t whole = (UINT32_C(1) << SEM_GROUP) - 1;
    uint32_t likely = 0, masks[SEM_GROUP];
    SEM_REAL reach[SEM_GROUP];
    for (int first = 0; first < SEM_TILE; first += SEM_GROUP) {
        const uint32_t group = wanted >> first & whole;
        if (SEM_POPCOUNT(group) <= SEM_GROUP / 3) {
            likely |= group << first;
            continue;
        }
        for (int g = 0; g < SEM_GROUP; g++)
            reach[g] = s->kth[first + g] - s->norm[first + g];
        SEM_K(sem_lanes_maybe_within)(tile, norms, s->points + first * d, reach, d, masks);
        for (int g = 0; g < SEM_GROUP; g++)
            likely |= (uint32_t)(masks[g] != 0) << (first + g);
    }
    return likely & wanted;
}

SEM_INLINE void SEM_K(sem_kd_scan_leaf)(const SEM_T(sem_kd_tree) * tree, const sem_kd_node *leaf,
                                        const SEM_REAL *query_tile, const SEM_REAL *box,
                                        SEM_K(sem_kd_search) * s, const ptrdiff_t d,
                                        const int metric)
{
    SEM_REAL reduced[SEM_TILE];
    const uint32_t wanted =
        SEM_K(sem_lanes_near_box)(query_tile, box, d, metric, tree->p, s->kth) &
        ((UINT32_C(1) << s->count) - 1);
    if (!wanted)
        return;
    for (ptrdiff_t start = leaf->start; start < leaf->end; start += SEM_TILE) {
        if (start == s->started)
            continue;
        const SEM_REAL *tile = tree->tiles + start * d;
        const ptrdiff_t left = leaf->end - start;
        const uint32_t valid = left < SEM_TILE ? (UINT32_C(1) << left) - 1 : 0xffff;
        uint32_t likely = wanted;
        if (s->norms)
            likely = SEM_K(sem_kd_filter)(tile, s->norms + start, s, wanted, d);
        for (uint32_t queries = likely; queries; queries &= queries - 1) {
            const int q = SEM_CTZ(queries);
            uint32_t hits = valid & SEM_K(sem_lanes_within)(tile, s->points + q * d, d, metric,
                                                            tree->p, s->kth[q], reduced);
            for (; hits; hits &= hits - 1) {
                const int lane = SEM_CTZ(hits);
                if (!(reduced[lane] <= s->kth[q]))
                    continue;
                if (s->buffers)
                    SEM_K(sem_kd_buffer)(s, q, reduced[lane], (int32_t)(start + lane));
                else
                    SEM_K(sem_kd_insert)(s, q, reduced[lane], (int32_t)(start + lane));
            }
        }
        s->n_scanned += SEM_POPCOUNT(wanted);
    }
    SEM_REAL worst = s->kth[0];
    for (int q = 1; q < s->count; q++)
        worst = s->kth[q] > worst ? s->kth[q] : worst;
    s->worst = worst;
}

SEM_INLINE void SEM_K(sem_kd_knn_tile)(const SEM_T(sem_kd_tree) * queries,
                                       const SEM_T(sem_kd_tree) * tree, ptrdiff_t tile_idx,
                                       SEM_K(sem_kd_search) * s, const ptrdiff_t d,
                                       const int metric)
{
    const SEM_REAL *query_tile = queries->tiles + tile_idx * d * SEM_TILE;
    const ptrdiff_t first = tile_idx * SEM_TILE, left = queries->n_points - first;
    s->count = left < SEM_TILE ? (int)left : SEM_TILE;
    SEM_T(sem_kd_tile_box)(query_tile, d, s->count, s->box);
    for (int q = 0; q < s->count; q++)
        SEM_T(sem_kd_gather)(query_tile, d, q, s->points + q * d);
    for (int q = 0; q < SEM_TILE; q++)
        s->kth[q] = (SEM_REAL)INFINITY;
    if (s->norms)
        for (int q = 0; q < SEM_TILE; q++) {
            SEM_REAL sum = 0;
            for (ptrdiff_t f = 0; q < s->count && f < d; f++)
                sum += s->points[q * d + f] * s->points[q * d + f];
            s->norm[q] = SEM_T(sem_kd_slack_norm)(sum, d);
        }
    s->worst = (SEM_REAL)INFINITY;
    for (int q = 0; q < SEM_TILE; q++) {
        s->kth_position[q] = -1;
        s->n_buffered[q] = 0;
    }
    for (ptrdiff_t i = 0; !s->buffers && i < s->count * s->k; i++) {
        s->distances[i] = (SEM_REAL)INFINITY;
        s->positions[i] = -1;
    }

    int32_t stack[SEM_KD_STACK];
    SEM_REAL bounds[SEM_KD_STACK];
    int depth = 0;
    int32_t node = 0;
    s->started = -1;
    if (queries == tree) {
        if (!s->buffers) {
            s->started = first;
            SEM_K(sem_kd_start_lists)(tree, (int32_t)first, s, d, metric);
        }
        while (tree->nodes[node].right) { /* down to the own leaf, leaving the siblings */
            const int32_t right = tree->nodes[node].right;
            const int goes_right = first >= tree->nodes[right].start;
            const int32_t sibling = goes_right ? node + 1 : right;
            stack[depth] = sibling;
            bounds[depth++] = SEM_T(sem_kd_box_box_min)(
                s->box, tree->boxes + (ptrdiff_t)sibling * 2 * d, d, metric, tree->p);
            node = goes_right ? right : node + 1;
        }
    }
    stack[depth] = node;
    bounds[depth++] = 0;
    while (depth) {
        const SEM_REAL bound = bounds[--depth];
        node = stack[depth];
        if (bound > s->worst)
            continue;
        const sem_kd_node *at = tree->nodes + node;
        if (bound == s->worst && !SEM_K(sem_kd_wins_tie)(s, at->min_row))
            continue;
        if (!at->right) {
            SEM_K(sem_kd_scan_leaf)(tree, at, query_tile, tree->boxes + (ptrdiff_t)node * 2 * d, s,
                                    d, metric);
            continue;
        }
        const int32_t a = node + 1, b = at->right;
        const SEM_REAL bound_a = SEM_T(sem_kd_box_box_min)(
            s->box, tree->boxes + (ptrdiff_t)a * 2 * d, d, metric, tree->p);
        const SEM_REAL bound_b = SEM_T(sem_kd_box_box_min)(
            s->box, tree->boxes + (ptrdiff_t)b * 2 * d, d, metric, tree->p);
        /* Equal bounds: the side with the smaller rows first, for the sake of ties. */
        const int a_first = bound_a < bound_b ||
                            (bound_a == bound_b && tree->nodes[a].min_row < tree->nodes[b].min_row);
        stack[depth] = a_first ? b : a;
        bounds[depth] = a_first ? bound_b : bound_a;
        stack[depth + 1] = a_first ? a : b;
        bounds[depth + 1] = a_first ? bound_a : bound_b;
        depth += 2;
    }
    for (int q = 0; s->buffers && q < s->count; q++)
        SEM_K(sem_kd_sort_buffer)(s, q);
}

static SEM_UNUSED int SEM_K(sem_kd_knn_tiles)(const SEM_T(sem_kd_tree) * queries,
                                              const SEM_T(sem_kd_tree) * tree,
                                              const SEM_REAL *norms, ptrdiff_t k, ptrdiff_t first,
                                              ptrdiff_t last, SEM_REAL *out_distances, int32_t *out_positions,
                                              int64_t *n_scanned)
{
    const ptrdiff_t d = tree->n_features;
    SEM_K(sem_kd_search) search;
    search.k = k;
    search.perm = tree->perm;
    search.n_scanned = 0;
    search.norms = norms;
    SEM_REAL *scratch = malloc((size_t)(SEM_TILE + 2) * (size_t)d * sizeof *scratch);
    const int buffered = k > SEM_K(sem_kd_sorted);
    search.buffers =
        buffered ? malloc((size_t)(2 * (SEM_TILE + 1) * k) * sizeof *search.buffers) : NULL;
    if (!scratch || (buffered && !search.buffers)) {
        free(scratch);
        free(search.buffers);
        return -1;
    }
    search.spare = buffered ? search.buffers + 2 * SEM_TILE * k : NULL;
    search.points = scratch;
    search.box = scratch + SEM_TILE * d;
    memset(scratch, 0, (size_t)(SEM_TILE + 2) * (size_t)d * sizeof *scratch);
    for (ptrdiff_t t = first; t < last; t++) {
        /* The lists are kept where they are wanted: tree order is a tile's order. */
        search.distances = out_distances + t * SEM_TILE * k;
        search.positions = out_positions + t * SEM_TILE * k;
        if (tree->metric == SEM_EUCLIDEAN) {
            if (d == 2)
                SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, 2, SEM_EUCLIDEAN);
            else if (d == 3)
                SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, 3, SEM_EUCLIDEAN);
            else
                SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, d, SEM_EUCLIDEAN);
        } else if (tree->metric == SEM_MANHATTAN) {
            SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, d, SEM_MANHATTAN);
        } else if (tree->metric == SEM_CHEBYSHEV) {
            SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, d, SEM_CHEBYSHEV);
        } else {
            SEM_K(sem_kd_knn_tile)(queries, tree, t, &search, d, SEM_MINKOWSKI);
        }
    }
    free(scratch);
    free(search.buffers);
    if (n_scanned)
        *n_scanned = search.n_scanned;
    return 0;
}
