"""What a choice of clusters means for the rows, and how well a spanning tree says they are apart.

Every loop reads its rows or edges once. Labels may have been changed by whoever has the model, so
those that no cluster has count for nothing. Threads take stretches of equal length; what they gather are
counts, exact sums, largest and smallest numbers, which come out the same in any order.
"""

from cython.parallel cimport prange
from libc.math cimport INFINITY, isinf

import numpy as np

from sklearn_extra_ml._native._typedefs cimport intp_t

cdef extern from "sem_simd.h" nogil:
    void sem_prefetch(const void *start, intp_t n_bytes)

cdef enum:
    AHEAD = 24  # edges between the request for a label and its use


def label_rows(
    const intp_t[::1] cluster,  # IN (n,), of the condensed tree
    const double[::1] level,  # IN (n,), at which the row leaves it
    const intp_t[::1] label_below,  # IN (n_clusters,), label of the rows in each cluster, or -1
    double root_level,  # IN  rows have labels up to this level
    int n_threads,
    intp_t[::1] labels,  # OUT (n,)
):
    """Label of each row, -1 for noise."""
    cdef intp_t n = cluster.shape[0], i
    cdef bint every_level = isinf(root_level)
    for i in prange(n, schedule="static", num_threads=n_threads, nogil=True):
        labels[i] = label_below[cluster[i]] if every_level or level[i] <= root_level else -1


def describe_rows(
    const intp_t[::1] cluster,  # IN (n,), of the condensed tree
    const double[::1] level,  # IN (n,), at which the row leaves it
    const intp_t[::1] label_below,  # IN (n_clusters,), label of the rows in each cluster, or -1
    double root_level,  # IN  rows have labels up to this level
    const double[::1] death,  # IN (n_labels,), lowest level of the labelled clusters
    const double[::1] densest,  # IN (n_clusters,), lowest level in or below each cluster
    int n_threads,
    double[::1] probabilities,  # OUT (n,)
    double[::1] scores,  # OUT (n,), GLOSH
):
    """Strength of membership and outlier score of each row.

    Strength: density at which the row leaves over the highest one of its cluster, at most 1; 0 for
    noise. Score: 1 - the same over the highest density in or below the cluster that it leaves.
    """
    cdef intp_t n = cluster.shape[0], i, label
    cdef double peak
    for i in prange(n, schedule="static", num_threads=n_threads, nogil=True):
        label = label_below[cluster[i]]
        probabilities[i] = 0.0
        if label >= 0 and level[i] <= root_level:
            peak = 1.0 / death[label]
            probabilities[i] = min(1.0 / level[i], peak) / peak if peak > 0 else 1.0
        scores[i] = 0.0
        if not isinf(densest[cluster[i]]):
            scores[i] = max(1.0 - densest[cluster[i]] / level[i], 0.0)


def label_sizes(
    const intp_t[::1] labels,  # IN (n,), negative: none
    const double[::1] weight,  # IN (n,), exactly summable; or (0,): every row weighs 1
    double[::1] size,  # OUT (n_labels,)
):
    """Total weight of the rows with each label."""
    cdef intp_t i
    cdef bint weighted = weight.shape[0] > 0
    with nogil:
        for i in range(size.shape[0]):
            size[i] = 0.0
        for i in range(labels.shape[0]):
            if 0 <= labels[i] < size.shape[0]:
                size[labels[i]] += weight[i] if weighted else 1.0


cdef void judge(const intp_t *edges, const double *weights, intp_t first, intp_t last,
                intp_t n_edges, const intp_t *labels, intp_t n_labels, double *sparseness,
                double *separation, double *to_noise) noexcept nogil:
    cdef intp_t e, a, b
    for e in range(first, last):
        if e + AHEAD < n_edges:
            sem_prefetch(labels + edges[2 * (e + AHEAD)], 1)
            sem_prefetch(labels + edges[2 * (e + AHEAD) + 1], 1)
        a = labels[edges[2 * e]]
        b = labels[edges[2 * e + 1]]
        if a >= n_labels or b >= n_labels:
            continue
        # Most edges change nothing: comparing first spares them a wait for the last write.
        if a == b:
            if a >= 0 and weights[e] > sparseness[a]:
                sparseness[a] = weights[e]
        elif a >= 0 and b >= 0:
            if weights[e] < separation[a]:
                separation[a] = weights[e]
            if weights[e] < separation[b]:
                separation[b] = weights[e]
        elif (a >= 0 or b >= 0) and weights[e] < to_noise[0]:
            to_noise[0] = weights[e]


def judge_edges(
    const intp_t[:, ::1] edges,  # IN (n_edges, 2), of a spanning tree
    const double[::1] weights,  # IN (n_edges,)
    const intp_t[::1] labels,  # IN (n,), negative: noise
    int n_threads,
    double[::1] sparseness,  # OUT (n_labels,), heaviest edge inside; 0 for none
    double[::1] separation,  # OUT (n_labels,), lightest edge to another label; infinity for none
):
    """Extreme edges of each label; returns the lightest edge between any label and noise."""
    cdef intp_t n_edges = weights.shape[0], n_labels = sparseness.shape[0], thread, c
    cdef double[:, ::1] heaviest = np.zeros((n_threads, n_labels))
    cdef double[:, ::1] lightest = np.full((n_threads, n_labels), INFINITY)
    cdef double[::1] to_noise = np.full(n_threads, INFINITY)
    if not n_edges or not n_labels:
        return INFINITY
    for thread in prange(n_threads, schedule="static", num_threads=n_threads, nogil=True):
        judge(&edges[0, 0], &weights[0], n_edges * thread // n_threads,
              n_edges * (thread + 1) // n_threads, n_edges, &labels[0], n_labels,
              &heaviest[thread, 0], &lightest[thread, 0], &to_noise[thread])
    for c in range(n_labels):
        sparseness[c] = 0.0
        separation[c] = INFINITY
    for thread in range(n_threads):
        for c in range(n_labels):
            sparseness[c] = max(sparseness[c], heaviest[thread, c])
            separation[c] = min(separation[c], lightest[thread, c])
    return np.min(to_noise)
