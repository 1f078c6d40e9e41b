"""DBSCAN as the paper defines it, in plain Python: all pairs, one after the other."""

import math


def distance(a, b, metric, p):
    """Distance of two rows, features in order."""
    gaps = [abs(float(x) - float(y)) for x, y in zip(a, b, strict=True)]
    if metric == "euclidean":
        return math.sqrt(sum(gap * gap for gap in gaps))
    if metric == "manhattan":
        return sum(gaps)
    if metric == "chebyshev":
        return max(gaps)
    return sum(gap**p for gap in gaps) ** (1 / p)


def neighborhoods(X, eps, metric="euclidean", p=2.0):
    """The rows within eps of each row, itself included."""
    n = len(X)
    return [[j for j in range(n) if distance(X[i], X[j], metric, p) <= eps] for i in range(n)]


def dbscan(found, min_samples, weights=None):
    """Core rows and labels from the rows within eps of each row.

    A cluster is what can be reached from a core row over core rows; clusters are taken up by their
    lowest core row, and a border row stays with the first cluster that reaches it.
    """
    n = len(found)
    weights = [1.0] * n if weights is None else list(weights)
    core = [math.fsum(weights[j] for j in rows) >= min_samples for rows in found]
    labels = [-1] * n
    n_clusters = 0
    for i in range(n):
        if not core[i] or labels[i] != -1:
            continue
        reached, seen = [i], {i}
        for j in reached:
            if labels[j] == -1:
                labels[j] = n_clusters
            if core[j]:
                reached += [k for k in found[j] if k not in seen]
                seen.update(found[j])
        n_clusters += 1
    return [i for i in range(n) if core[i]], labels
