"""Dense references for the spatial core: every pair, float64, no tree."""

import numpy as np
from scipy.spatial.distance import cdist

_CDIST_NAMES = {"manhattan": "cityblock"}


def pairwise(A, B, metric="euclidean", p=2):
    """Distances (n_a, n_b) in float64."""
    kwargs = {"p": p} if metric == "minkowski" else {}
    A, B = np.asarray(A, dtype=np.float64), np.asarray(B, dtype=np.float64)
    return cdist(A, B, _CDIST_NAMES.get(metric, metric), **kwargs)


def nearest(distances, k):
    """The k smallest of each row, equal distances by column number: values, columns."""
    columns = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, columns, axis=1), columns


def core_distances(distances, min_samples):
    """Distance of each row to its min_samples-th nearest row, itself counted."""
    return np.sort(distances, axis=1)[:, min_samples - 1]


def mutual_reachability(distances, core, alpha=1.0):
    """max(core_i, core_j, d_ij / alpha) for every pair."""
    return np.maximum(distances / alpha, np.maximum(core[:, None], core[None, :]))


def prim(weights):
    """Edges (n - 1, 2) and weights of a minimum spanning tree of a dense graph, by rising weight.

    Zero is a weight here, not a missing edge, as it is for scipy.sparse.csgraph.
    """
    n = len(weights)
    least = weights[0].copy()
    parent = np.zeros(n, dtype=np.intp)
    outside = np.ones(n, dtype=bool)
    outside[0] = False
    edges, chosen = [], []
    for _ in range(n - 1):
        node = int(np.argmin(np.where(outside, least, np.inf)))
        outside[node] = False
        edges.append((min(node, parent[node]), max(node, parent[node])))
        chosen.append(least[node])
        nearer = outside & (weights[node] < least)
        least[nearer] = weights[node, nearer]
        parent[nearer] = node
    order = np.argsort(chosen, kind="stable")
    return np.array(edges, dtype=np.intp).reshape(-1, 2)[order], np.array(chosen)[order]
