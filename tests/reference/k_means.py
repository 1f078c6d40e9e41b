"""K-means as the textbook has it: all distances, all sums, no bounds, double precision."""

import numpy as np


def sq_distances(X, centers):
    """Squared distances by direct differences, (n_rows, n_centers)."""
    return ((X[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2)


def lloyd(X, centers, *, sample_weight=None, max_iter=300, tol=0.0):
    """Lloyd's algorithm with scikit-learn's rules for empty clusters and for the end.

    `tol` is absolute. Returns labels, centers, inertia, n_iter.
    """
    X = np.asarray(X, dtype=np.float64)
    centers = np.array(centers, dtype=np.float64)
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    labels = np.full(len(X), -1)
    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        before, old_centers = labels, centers
        distances = sq_distances(X, centers)
        labels = distances.argmin(axis=1)
        centers = average(X, weight, labels, old_centers)
        if np.array_equal(labels, before):
            break
        if ((centers - old_centers) ** 2).sum() <= tol:
            break
    labels = sq_distances(X, centers).argmin(axis=1)
    inertia = weight @ ((X - centers[labels]) ** 2).sum(axis=1)
    return labels, centers, inertia, n_iter


def average(X, weight, labels, centers):
    """Weighted means; an empty cluster takes the row farthest from its own centre."""
    k = len(centers)
    sums = np.zeros_like(centers)
    np.add.at(sums, labels, weight[:, None] * X)
    mass = np.bincount(labels, weights=weight, minlength=k)
    empty = np.flatnonzero(mass == 0)
    own = ((X - centers[labels]) ** 2).sum(axis=1)
    if empty.size and own.max() > 0:
        far = np.argpartition(own, -empty.size)[: -empty.size - 1 : -1]
        for cluster, row in zip(empty, far, strict=True):
            sums[labels[row]] -= weight[row] * X[row]
            mass[labels[row]] -= weight[row]
            sums[cluster] = weight[row] * X[row]
            mass[cluster] = weight[row]
    filled = mass > 0
    means = np.empty_like(centers)
    means[filled] = sums[filled] / mass[filled, None]
    means[~filled] = means[mass.argmax()]
    return means


def greedy_seeds(X, n_seeds, uniform, position, sample_weight=None):
    """Greedy k-means++ over rows in the order of `position`, by one cumulative sum for each draw.

    uniform : (n_seeds, n_trials) numbers in [0, 1)
    """
    X = np.asarray(X, dtype=np.float64)
    order = np.argsort(position, kind="stable")
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)

    def drawn(mass, u):
        running = np.cumsum(mass[order])
        return order[np.searchsorted(running, u * running[-1], side="right")]

    seeds = [drawn(weight, uniform[0, 0])]
    closest = sq_distances(X, X[seeds])[:, 0]
    for c in range(1, n_seeds):
        candidates = [drawn(weight * closest, u) for u in uniform[c]]
        reached = np.minimum(closest[:, None], sq_distances(X, X[candidates]))
        best = int((weight @ reached).argmin())
        seeds.append(candidates[best])
        closest = reached[:, best]
    return np.array(seeds)
