/* Body of sem_boruvka.h for one floating type: state, edge order, and the passes over points. */

typedef struct {
    const SEM_T(sem_kd_tree) * tree;
    ptrdiff_t k;                   /* listed neighbours of each point, itself among them */
    const SEM_REAL *list_reduced;  /* (n_points, k), rising */
    const int32_t *list_positions; /* (n_points, k) */
    const SEM_REAL *core;          /* (n_tiles * SEM_TILE,): reduced core distances */
    const SEM_REAL *node_core;     /* (n_nodes,): smallest core distance below a node */
    int32_t *component;            /* (n_tiles * SEM_TILE,): a position of the component; -1: none */
    int32_t *node_component;       /* (n_nodes,): the one component below a node, or -1 */
    int32_t *candidate;            /* (n_points,): other end of the point's best known edge, -1 */
    SEM_REAL *candidate_reduced;   /* (n_points,): its reduced distance */
    int32_t *found;                /* (n_points,): exact candidate that this round's search found */
    SEM_REAL *found_reduced;       /* (n_points,) */
    SEM_REAL *lower;               /* (n_points,): no edge out of the component weighs less */
    uint8_t *exact;                /* (n_points,): the candidate is the point's least edge */
    uint16_t *n_own;               /* (n_points,): leading listed neighbours of its own component */
    int32_t *best;                 /* (n_points,): by component: point that holds its best edge */
    SEM_REAL *bound;               /* (n_points,): by component: weight of the best edge known */
} SEM_T(sem_boruvka);

/* An edge's place in the strict total order: weight, raw distance, rows. */
typedef struct {
    SEM_REAL weight;
    SEM_REAL reduced;
    int32_t row_min;
    int32_t row_max;
} SEM_T(sem_edge_key);

SEM_INLINE int SEM_T(sem_key_less)(SEM_T(sem_edge_key) a, SEM_T(sem_edge_key) b)
{
    if (a.weight != b.weight)
        return a.weight < b.weight;
    if (a.reduced != b.reduced)
        return a.reduced < b.reduced;
    if (a.row_min != b.row_min)
        return a.row_min < b.row_min;
    return a.row_max < b.row_max;
}

SEM_INLINE SEM_T(sem_edge_key) SEM_T(sem_key_of)(SEM_REAL core_a, SEM_REAL core_b,
                                                 SEM_REAL reduced, int32_t row_a, int32_t row_b)
{
    SEM_T(sem_edge_key) key;
    key.weight = core_a > core_b ? core_a : core_b;
    key.weight = key.weight > reduced ? key.weight : reduced;
    key.reduced = reduced;
    key.row_min = row_a < row_b ? row_a : row_b;
    key.row_max = row_a < row_b ? row_b : row_a;
    return key;
}

/* Key of the candidate edge of the point at position i. */
SEM_INLINE SEM_T(sem_edge_key) SEM_T(sem_key_at)(const SEM_T(sem_boruvka) * b, int32_t i)
{
    const int32_t j = b->candidate[i];
    return SEM_T(sem_key_of)(b->core[i], b->core[j], b->candidate_reduced[i], b->tree->perm[i],
                             b->tree->perm[j]);
}

/* Whether the candidate edge of point i comes before that of point j. Rows are read only for ties:
 * they lie all over memory. */
SEM_INLINE int SEM_T(sem_offers_less)(const SEM_T(sem_boruvka) * b, int32_t i, int32_t j)
{
    const int32_t i_end = b->candidate[i], j_end = b->candidate[j];
    const SEM_REAL i_reduced = b->candidate_reduced[i], j_reduced = b->candidate_reduced[j];
    const SEM_REAL i_weight =
        SEM_T(sem_key_of)(b->core[i], b->core[i_end], i_reduced, 0, 0).weight;
    const SEM_REAL j_weight =
        SEM_T(sem_key_of)(b->core[j], b->core[j_end], j_reduced, 0, 0).weight;
    if (i_weight != j_weight)
        return i_weight < j_weight;
    if (i_reduced != j_reduced)
        return i_reduced < j_reduced;
    return SEM_T(sem_key_less)(SEM_T(sem_key_at)(b, i), SEM_T(sem_key_at)(b, j));
}

/* Offer the candidate edge of point i to its component. Candidates must not change meanwhile; the
 * winner is then unique, whatever the order of the offers. */
SEM_INLINE void SEM_T(sem_offer)(SEM_T(sem_boruvka) * b, int32_t i)
{
    int32_t *best = b->best + b->component[i];
    int32_t holder = sem_load_i32(best);
    while (holder < 0 || SEM_T(sem_offers_less)(b, i, holder))
        if (sem_cas_i32(best, &holder, i))
            break;
}

/* Take what is known without a search for the points [first, last): an exact candidate that is
 * still in another component, or the best edge among the listed neighbours. */
static SEM_UNUSED void SEM_T(sem_boruvka_from_lists)(SEM_T(sem_boruvka) * b, ptrdiff_t first,
                                                     ptrdiff_t last)
{
    const ptrdiff_t k = b->k;
    const int32_t *perm = b->tree->perm;
    for (ptrdiff_t i = first; i < last; i++) {
        const int32_t own = b->component[i];
        if (b->exact[i]) {
            if (b->component[b->candidate[i]] != own) {
                SEM_T(sem_offer)(b, (int32_t)i);
                continue;
            }
            b->exact[i] = 0;
        }
        b->candidate[i] = -1;
        const SEM_REAL *reduced = b->list_reduced + i * k;
        const int32_t *positions = b->list_positions + i * k;
        ptrdiff_t l = b->n_own[i];
        while (l < k && b->component[positions[l]] == own)
            l++;
        b->n_own[i] = (uint16_t)(l < UINT16_MAX ? l : UINT16_MAX);
        if (l == k)
            continue;
        const SEM_REAL core = b->core[i];
        SEM_REAL weight = (SEM_REAL)INFINITY, distance = (SEM_REAL)INFINITY;
        int32_t found = -1;
        for (; l < k; l++) {
            /* Later neighbours are farther: none can weigh less than this distance. */
            if (reduced[l] > weight || (core >= weight && reduced[l] > distance))
                break;
            const int32_t j = positions[l];
            if (b->component[j] == own)
                continue;
            SEM_REAL here = core > b->core[j] ? core : b->core[j];
            here = here > reduced[l] ? here : reduced[l];
            if (here > weight || (here == weight && reduced[l] > distance))
                continue;
            if (found < 0 || here < weight || reduced[l] < distance ||
                SEM_T(sem_key_less)(SEM_T(sem_key_of)(0, 0, 0, perm[i], perm[j]),
                                    SEM_T(sem_key_of)(0, 0, 0, perm[i], perm[found]))) {
                weight = here;
                distance = reduced[l];
                found = j;
            }
        }
        b->candidate[i] = found;
        b->candidate_reduced[i] = distance;
        if (weight <= b->lower[i]) {
            b->exact[i] = 1;
            b->lower[i] = weight;
        }
        SEM_T(sem_offer)(b, (int32_t)i);
    }
}

/* Offer the exact edges that the search found for the points [first, last): first all are written
 * down (`offer` 0), then all are offered, since an offer reads the edges of others. */
static SEM_UNUSED void SEM_T(sem_boruvka_take_found)(SEM_T(sem_boruvka) * b, ptrdiff_t first,
                                                     ptrdiff_t last, int offer)
{
    for (ptrdiff_t i = first; i < last; i++) {
        if (b->found[i] < 0)
            continue;
        if (offer) {
            b->found[i] = -1;
            SEM_T(sem_offer)(b, (int32_t)i);
        } else {
            b->candidate[i] = b->found[i];
            b->candidate_reduced[i] = b->found_reduced[i];
            b->exact[i] = 1;
        }
    }
}

/* Start the bound of each component at the best edge known for it. */
static SEM_UNUSED void SEM_T(sem_boruvka_set_bounds)(SEM_T(sem_boruvka) * b, const int32_t *roots,
                                                     ptrdiff_t n_roots)
{
    for (ptrdiff_t r = 0; r < n_roots; r++) {
        const int32_t holder = b->best[roots[r]];
        b->bound[roots[r]] =
            holder < 0 ? (SEM_REAL)INFINITY : SEM_T(sem_key_at)(b, holder).weight;
    }
}

SEM_INLINE int32_t SEM_T(sem_root)(int32_t *root_of, int32_t i)
{
    while (root_of[i] != i) {
        root_of[i] = root_of[root_of[i]];
        i = root_of[i];
    }
    return i;
}

/* Join each component with the other end of its best edge and write the edges down. Components
 * whose best edge is not known to be exact wait for the next round. On return `root_of` maps old
 * components to new ones; `roots` and `n_roots` list the new ones. Returns the number of edges. */
static SEM_UNUSED ptrdiff_t SEM_T(sem_boruvka_merge)(SEM_T(sem_boruvka) * b, int32_t *root_of,
                                                     int32_t *roots, ptrdiff_t *n_roots,
                                                     int only_exact, int32_t *edge_ends,
                                                     SEM_REAL *edge_reduced)
{
    ptrdiff_t n_edges = 0, n_left = 0;
    for (ptrdiff_t r = 0; r < *n_roots; r++) {
        const int32_t holder = b->best[roots[r]];
        if (holder < 0 || (only_exact && !b->exact[holder]))
            continue;
        const int32_t other = b->candidate[holder];
        const int32_t own_root = SEM_T(sem_root)(root_of, roots[r]);
        const int32_t other_root = SEM_T(sem_root)(root_of, b->component[other]);
        if (own_root == other_root)
            continue; /* the same edge, chosen from its other end */
        if (own_root < other_root)
            root_of[other_root] = own_root;
        else
            root_of[own_root] = other_root;
        edge_ends[2 * n_edges] = holder;
        edge_ends[2 * n_edges + 1] = other;
        edge_reduced[n_edges++] = b->candidate_reduced[holder];
    }
    for (ptrdiff_t r = 0; r < *n_roots; r++) {
        const int32_t root = SEM_T(sem_root)(root_of, roots[r]);
        root_of[roots[r]] = root;
        b->best[roots[r]] = -1;
        if (root == roots[r])
            roots[n_left++] = root;
    }
    *n_roots = n_left;
    return n_edges;
}

/* Give the points [first, last) the component that theirs has become part of. */
static SEM_UNUSED void SEM_T(sem_boruvka_relabel)(SEM_T(sem_boruvka) * b, const int32_t *root_of,
                                                  ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t i = first; i < last; i++)
        b->component[i] = root_of[b->component[i]];
}

/* Bottom-up: a node has a component when all points below it share one. */
static SEM_UNUSED void SEM_T(sem_boruvka_label_nodes)(SEM_T(sem_boruvka) * b,
                                                      const int32_t *root_of)
{
    const sem_kd_node *nodes = b->tree->nodes;
    for (ptrdiff_t i = b->tree->n_nodes - 1; i >= 0; i--) {
        int32_t label = b->node_component[i];
        if (label >= 0) {
            b->node_component[i] = root_of[label];
        } else if (nodes[i].right) {
            const int32_t left = b->node_component[i + 1];
            b->node_component[i] = left == b->node_component[nodes[i].right] ? left : -1;
        } else {
            label = b->component[nodes[i].start];
            for (int32_t s = nodes[i].start + 1; s < nodes[i].end && label >= 0; s++)
                if (b->component[s] != label)
                    label = -1;
            b->node_component[i] = label;
        }
    }
}

/* Smallest core distance below each node. */
static SEM_UNUSED void SEM_T(sem_boruvka_node_core)(const SEM_T(sem_kd_tree) * tree,
                                                    const SEM_REAL *core, SEM_REAL *node_core)
{
    for (ptrdiff_t i = tree->n_nodes - 1; i >= 0; i--) {
        const sem_kd_node *node = tree->nodes + i;
        SEM_REAL least;
        if (node->right) {
            const SEM_REAL left = node_core[i + 1], right = node_core[node->right];
            least = left < right ? left : right;
        } else {
            least = core[node->start];
            for (int32_t s = node->start + 1; s < node->end; s++)
                least = core[s] < least ? core[s] : least;
        }
        node_core[i] = least;
    }
}

/* The next larger (step 1) or smaller (step -1) number; x is positive and finite. */
SEM_INLINE SEM_REAL SEM_T(sem_neighbor)(SEM_REAL x, int step)
{
#if SEM_IS_FLOAT
    int32_t bits;
#else
    int64_t bits;
#endif
    memcpy(&bits, &x, sizeof bits);
    bits += step;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* The largest reduced distance whose distance, divided by alpha, is not above `core`. In this form
 * core distances and reduced distances compare exactly as core distances and distances do. */
static SEM_UNUSED SEM_REAL SEM_T(sem_reduced_core)(SEM_REAL core, double alpha, const int metric,
                                                   const double p)
{
    const SEM_REAL divisor = (SEM_REAL)alpha;
    const SEM_REAL largest = SEM_IS_FLOAT ? (SEM_REAL)FLT_MAX : (SEM_REAL)DBL_MAX;
    SEM_REAL reduced = SEM_T(sem_kd_reduce)(core * divisor, metric, p);
    if (!(reduced > 0) || !(reduced < largest) || (metric >= SEM_MANHATTAN && divisor == 1 &&
                                                   metric != SEM_MINKOWSKI))
        return reduced;
    /* A few steps at the most: powers and roots are good to a few units in the last place. */
    for (int step = 0; step < 64; step++) {
        if (!(SEM_T(sem_kd_unreduce)(reduced, metric, p) / divisor > core))
            break;
        reduced = SEM_T(sem_neighbor)(reduced, -1);
        if (!(reduced > 0))
            return 0;
    }
    for (int step = 0; step < 64 && reduced < largest; step++) {
        const SEM_REAL next = SEM_T(sem_neighbor)(reduced, 1);
        if (SEM_T(sem_kd_unreduce)(next, metric, p) / divisor > core)
            break;
        reduced = next;
    }
    return reduced;
}
