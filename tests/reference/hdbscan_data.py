"""Data sets of the HDBSCAN tests: what is easy, what is noisy, and what ties."""

import numpy as np
from sklearn.datasets import make_blobs, make_moons


def blobs(rng, n, d):
    X, _ = make_blobs(n, d, centers=4, cluster_std=1.5, random_state=rng.integers(2**31))
    return X


def moons(rng, n, d):
    X, _ = make_moons(n, noise=0.08, random_state=rng.integers(2**31))
    return np.column_stack([X, rng.normal(scale=0.05, size=(n, d - 2))])


def noise(rng, n, d):
    return rng.uniform(size=(n, d))


def duplicates(rng, n, d):
    return blobs(rng, n // 4, d)[rng.integers(n // 4, size=n)]


def grid(rng, n, d):
    return rng.integers(4 if d > 2 else 9, size=(n, d)).astype(float)


KINDS = (blobs, moons, noise, duplicates, grid)
SHAPES = ((90, 2), (70, 3), (80, 5), (60, 8), (80, 13), (60, 20))
DATA_SETS = [
    (kind, n, d, 100 * i + j) for i, kind in enumerate(KINDS) for j, (n, d) in enumerate(SHAPES)
]
SETTINGS = (
    {},
    {"cluster_selection_method": "leaf"},
    {"min_cluster_size": 8, "min_samples": 3},
    {"min_cluster_size": 4, "min_samples": 1},
    {"cluster_selection_epsilon": 0.6},
    {"cluster_selection_method": "leaf", "cluster_selection_epsilon": 1.0},
    {"max_cluster_size": 20},
    {"allow_single_cluster": True},
    {"allow_single_cluster": True, "cluster_selection_epsilon": 1.0, "min_samples": 3},
    {"allow_single_cluster": True, "max_cluster_size": 25},
    {"allow_single_cluster": True, "cluster_selection_method": "leaf"},
    {"alpha": 1.5},
)


def make(kind, n, d, seed):
    return kind(np.random.default_rng(seed), n, d)
