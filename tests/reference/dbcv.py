"""Density-based clustering validation as the paper defines it, in plain Python.

Powers are sums of logarithms here (the package divides by the nearest distance instead).
"""

import math

import numpy as np


def core_distance(others, n_features):
    """(mean of distance^-n_features)^(-1 / n_features); 0 where a distance is 0."""
    if min(others) == 0:
        return 0.0
    logs = [-n_features * math.log(d) for d in others]
    largest = max(logs)
    mean = math.fsum(math.exp(v - largest) for v in logs) / len(others)
    return math.exp(-(largest + math.log(mean)) / n_features)


def spanning_tree(R, D):
    """Edges (weight, i, j) of the minimum spanning tree; of equal weights the shorter one."""
    inside, edges = {0}, []
    while len(inside) < len(R):
        weight, _, i, j = min(
            (R[i, j], D[i, j], i, j) for i in inside for j in range(len(R)) if j not in inside
        )
        inside.add(j)
        edges.append((weight, i, j))
    return edges


def dbcv(D, labels, n_features):
    """DBCV of a matrix of distances."""
    clusters = [np.flatnonzero(labels == c) for c in sorted(set(labels.tolist()) - {-1})]
    core, inner, sparseness = {}, [], []
    for rows in clusters:
        for i in rows:
            core[i] = core_distance([D[i, j] for j in rows if j != i], n_features)
        R = np.array([[max(core[i], core[j], D[i, j]) for j in rows] for i in rows])
        edges = spanning_tree(R, D[np.ix_(rows, rows)])
        degree = np.zeros(len(rows), dtype=int)
        for _, i, j in edges:
            degree[[i, j]] += 1
        inner_edges = [w for w, i, j in edges if degree[i] > 1 and degree[j] > 1]
        sparseness.append(max(inner_edges or [w for w, _, _ in edges]))
        inner.append(rows[degree > 1] if (degree > 1).any() else rows)
    total = 0.0
    for a, rows in enumerate(clusters):
        separation = min(
            max(core[i], core[j], D[i, j])
            for b in range(len(clusters))
            if b != a
            for i in inner[a]
            for j in inner[b]
        )
        value = (separation - sparseness[a]) / max(separation, sparseness[a])
        total += len(rows) / len(labels) * value
    return total
