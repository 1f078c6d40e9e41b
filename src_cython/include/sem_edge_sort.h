/* Order of edges by (weight, raw distance, rows): a radix sort of the weights' bits, which order as
 * integers because weights are not negative, then a merge sort of each run of equal weights. */
#ifndef SEM_EDGE_SORT_H
#define SEM_EDGE_SORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    double weight;
    double reduced;
    int32_t row_min;
    int32_t row_max;
} sem_edge;

static inline int sem_edge_less(const sem_edge *a, const sem_edge *b)
{
    if (a->weight != b->weight)
        return a->weight < b->weight;
    if (a->reduced != b->reduced)
        return a->reduced < b->reduced;
    if (a->row_min != b->row_min)
        return a->row_min < b->row_min;
    return a->row_max < b->row_max;
}

static inline void sem_merge_sort_edges(sem_edge *edges, sem_edge *scratch, ptrdiff_t n)
{
    for (ptrdiff_t width = 1; width < n; width *= 2) {
        for (ptrdiff_t start = 0; start < n; start += 2 * width) {
            const ptrdiff_t middle = start + width < n ? start + width : n;
            const ptrdiff_t end = start + 2 * width < n ? start + 2 * width : n;
            ptrdiff_t a = start, b = middle;
            for (ptrdiff_t out = start; out < end; out++)
                scratch[out] = a < middle && (b >= end || !sem_edge_less(edges + b, edges + a))
                                   ? edges[a++]
                                   : edges[b++];
        }
        memcpy(edges, scratch, (size_t)n * sizeof *edges);
    }
}

/* Sort `edges`; `scratch` is as large. Returns -1 without memory. */
static inline int sem_sort_edges(sem_edge *edges, sem_edge *scratch, ptrdiff_t n)
{
    enum { DIGIT = 11, N_DIGITS = 6, N_BUCKETS = 1 << DIGIT };
    if (n > 64) {
        ptrdiff_t *counts = calloc((size_t)N_DIGITS * N_BUCKETS, sizeof *counts);
        if (!counts)
            return -1;
        for (ptrdiff_t i = 0; i < n; i++) {
            uint64_t bits;
            memcpy(&bits, &edges[i].weight, sizeof bits);
            for (int digit = 0; digit < N_DIGITS; digit++)
                counts[digit * N_BUCKETS + ((bits >> (digit * DIGIT)) & (N_BUCKETS - 1))]++;
        }
        sem_edge *from = edges, *to = scratch;
        for (int digit = 0; digit < N_DIGITS; digit++) {
            ptrdiff_t *count = counts + digit * N_BUCKETS, sum = 0;
            int n_used = 0;
            for (int bucket = 0; bucket < N_BUCKETS; bucket++) {
                const ptrdiff_t here = count[bucket];
                n_used += here > 0;
                count[bucket] = sum;
                sum += here;
            }
            if (n_used < 2)
                continue;
            for (ptrdiff_t i = 0; i < n; i++) {
                uint64_t bits;
                memcpy(&bits, &from[i].weight, sizeof bits);
                to[count[(bits >> (digit * DIGIT)) & (N_BUCKETS - 1)]++] = from[i];
            }
            sem_edge *const swap = from;
            from = to;
            to = swap;
        }
        free(counts);
        if (from != edges)
            memcpy(edges, from, (size_t)n * sizeof *edges);
        ptrdiff_t start = 0;
        for (ptrdiff_t i = 1; i <= n; i++)
            if (i == n || edges[i].weight != edges[start].weight) {
                if (i - start > 1)
                    sem_merge_sort_edges(edges + start, scratch, i - start);
                start = i;
            }
        return 0;
    }
    sem_merge_sort_edges(edges, scratch, n);
    return 0;
}

#endif
