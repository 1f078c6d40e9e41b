"""The spanning tree of the mutual reachability graph against a dense float64 reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse.csgraph import minimum_spanning_tree as scipy_spanning_tree
from sklearn.datasets import make_blobs, make_moons

from reference.spatial import core_distances, mutual_reachability, pairwise, prim
from sklearn_extra_ml._core._spatial import (
    SpatialIndex,
    minimum_spanning_tree,
    mutual_reachability_tree,
)

METRICS = ["euclidean", "manhattan", "chebyshev", "minkowski"]
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


def make_points(kind, n, d, rng):
    if kind == "normal":
        return rng.normal(size=(n, d))
    if kind == "uniform":
        return rng.uniform(size=(n, d))
    if kind == "blobs":
        seed = int(rng.integers(2**31))
        return make_blobs(n, d, centers=5, cluster_std=0.5, random_state=seed)[0]
    if kind == "grid":
        return rng.integers(0, 6, size=(n, d)).astype(float)
    if kind == "duplicates":
        return rng.permutation(np.repeat(rng.normal(size=(-(-n // 20), d)), 20, axis=0)[:n])
    if kind == "two places":
        return rng.permutation(np.repeat(rng.normal(size=(2, d)), -(-n // 2), axis=0)[:n])
    if kind == "one place":
        return np.ones((n, d))
    if kind == "line":
        return rng.permutation(n)[:, None] * np.ones(d)
    return np.exp2(rng.permutation(n) % 60)[:, None] * np.ones(d)  # "exponential"


def dense_tree(X, metric, min_samples, alpha):
    """Core distances and weights of the reference, and the dense graph."""
    distances = pairwise(X, X, metric, p=3)
    core = core_distances(distances, min_samples)
    graph = mutual_reachability(distances, core, alpha)
    return core, prim(graph)[1], graph


def assert_spanning(edges, n):
    label = np.arange(n)
    for a, b in edges:
        assert label[a] != label[b]
        label[label == label[b]] = label[a]
    assert np.all(label == label[0])


@pytest.mark.parametrize("d", [1, 2, 3, 5, 10, 20, 50])
@pytest.mark.parametrize(
    "kind",
    [
        *("normal", "uniform", "blobs", "grid", "duplicates", "two places", "one place"),
        *("line", "exponential"),
    ],
)
def test_tree_any_data_equals_dense_reference(kind, d, rng, dtype):
    X = make_points(kind, 400, d, rng)
    for min_samples, alpha in [(1, 1.0), (5, 1.0), (12, 1.3)]:
        core, weights, graph = dense_tree(X, "euclidean", min_samples, alpha)
        index = SpatialIndex(X.astype(dtype), n_threads=2)
        tree, our_core = mutual_reachability_tree(index, min_samples, alpha=alpha)
        rtol, atol = TOLERANCE[dtype], TOLERANCE[dtype] * core.max()
        np.testing.assert_allclose(our_core, core, rtol=rtol, atol=atol)
        np.testing.assert_allclose(tree.weights.sum(), weights.sum(), rtol=rtol)
        np.testing.assert_allclose(tree.weights, weights, rtol=10 * rtol, atol=rtol * weights.max())
        np.testing.assert_allclose(
            tree.weights, graph[tuple(tree.edges.T)], rtol=10 * rtol, atol=rtol * weights.max()
        )
        assert_spanning(tree.edges, len(X))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 2, 3, 6, 20])
@pytest.mark.parametrize("kind", ["normal", "grid"])
def test_tree_any_metric_equals_dense_reference(metric, d, kind, rng, dtype):
    X = make_points(kind, 300, d, rng)
    for min_samples in (1, 6):
        weights = dense_tree(X, metric, min_samples, 1.0)[1]
        index = SpatialIndex(X.astype(dtype), metric=metric, p=3, n_threads=2)
        tree, _ = mutual_reachability_tree(index, min_samples)
        np.testing.assert_allclose(tree.weights.sum(), weights.sum(), rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("n", [1, 2, 3, 16, 17, 33])
def test_tree_few_points_equals_dense_reference(n, rng, dtype):
    X = rng.normal(size=(n, 2))
    for min_samples in (1, n):
        weights = dense_tree(X, "euclidean", min_samples, 1.0)[1]
        tree, _ = mutual_reachability_tree(SpatialIndex(X.astype(dtype)), min_samples)
        assert tree.edges.shape == (n - 1, 2)
        np.testing.assert_allclose(tree.weights, weights, rtol=TOLERANCE[dtype])


def test_tree_moons_equals_scipy(rng):
    X = make_moons(800, noise=0.05, random_state=int(rng.integers(1000)))[0]
    _, _, graph = dense_tree(X, "euclidean", 5, 1.0)
    tree, _ = mutual_reachability_tree(SpatialIndex(X), 5)
    np.testing.assert_allclose(tree.weights, np.sort(scipy_spanning_tree(graph).data), rtol=1e-12)


def test_tree_weights_bit_equal_to_formula(rng):
    # HDBSCAN merges equal weights at once: equality must survive squaring and rooting.
    X = rng.normal(size=(500, 3))
    index = SpatialIndex(X, center=False)
    tree, core = mutual_reachability_tree(index, 6)
    squared = np.zeros(len(tree.edges))
    for f in range(3):
        squared += (X[tree.edges[:, 0], f] - X[tree.edges[:, 1], f]) ** 2
    expected = np.maximum(np.sqrt(squared), core[tree.edges].max(axis=1))
    np.testing.assert_array_equal(tree.weights, expected)


@pytest.mark.parametrize("kind", ["normal", "grid", "duplicates"])
@pytest.mark.parametrize("d", [2, 5])
def test_tree_any_thread_count_and_leaf_size_same_bits(kind, d, rng, dtype):
    X = make_points(kind, 6_000, d, rng).astype(dtype)
    trees = [
        mutual_reachability_tree(SpatialIndex(X, n_threads=t, leaf_size=leaf_size), 5)[0]
        for t, leaf_size in [(1, 16), (2, 16), (8, 16), (2, 64)]
    ]
    for tree in trees[1:]:
        np.testing.assert_array_equal(tree.edges, trees[0].edges)
        np.testing.assert_array_equal(tree.weights, trees[0].weights)


def test_tree_edges_in_strict_order(rng):
    X = make_points("grid", 1_000, 2, rng)
    tree, _ = mutual_reachability_tree(SpatialIndex(X), 4)
    squared = ((X[tree.edges[:, 0]] - X[tree.edges[:, 1]]) ** 2).sum(axis=1)
    order = np.lexsort((tree.edges[:, 1], tree.edges[:, 0], squared, tree.weights))
    np.testing.assert_array_equal(order, np.arange(len(tree.weights)))
    assert np.all(tree.edges[:, 0] < tree.edges[:, 1])


def test_tree_rows_permuted_same_tree(rng):
    X = rng.normal(size=(3_000, 2))
    order = rng.permutation(len(X))
    tree, _ = mutual_reachability_tree(SpatialIndex(X), 1)
    permuted, _ = mutual_reachability_tree(SpatialIndex(X[order]), 1)
    np.testing.assert_array_equal(np.sort(order[permuted.edges], axis=1), tree.edges)
    np.testing.assert_array_equal(permuted.weights, tree.weights)


def test_tree_float32_far_from_origin_keeps_weights(rng):
    X = (5e6 + rng.integers(0, 400, size=(800, 2)) / 2).astype(np.float32)
    weights = dense_tree(X, "euclidean", 5, 1.0)[1]
    tree, _ = mutual_reachability_tree(SpatialIndex(X), 5)
    np.testing.assert_allclose(tree.weights, weights, rtol=1e-6)


def test_tree_given_core_distances_equals_dense_reference(rng, dtype):
    X = rng.normal(size=(500, 3))
    core = rng.exponential(size=500).astype(dtype)
    _, weights = prim(mutual_reachability(pairwise(X, X), core.astype(float)))
    tree = minimum_spanning_tree(SpatialIndex(X.astype(dtype)), core)
    np.testing.assert_allclose(tree.weights.sum(), weights.sum(), rtol=TOLERANCE[dtype])


def test_tree_million_points_on_a_line_no_deep_stack():
    X = np.arange(1_000_000, dtype=np.float32)[:, None]
    tree, core = mutual_reachability_tree(SpatialIndex(X, n_threads=2), 3)
    assert np.all(core[1:-1] == 1) and core[0] == core[-1] == 2
    assert tree.weights.sum() == 1_000_001


def test_tree_two_places_with_many_points_each_ends():
    # All n^2 / 4 edges between the places are equal but for their rows.
    X = np.repeat([[0.0, 0.0], [3.0, 4.0]], 60_000, axis=0)
    tree, _ = mutual_reachability_tree(SpatialIndex(X, n_threads=2), 5)
    assert tree.weights[-1] == 5 and np.all(tree.weights[:-1] == 0)
    np.testing.assert_array_equal(tree.edges[-1], [0, 60_000])


@given(
    X=hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 50), st.integers(1, 3)),
        elements=st.integers(-3, 3).map(float) | st.floats(-1e3, 1e3),
    ),
    min_samples=st.integers(1, 8),
    metric=st.sampled_from(METRICS[:3]),
)
@settings(max_examples=150, deadline=None)
def test_tree_any_array_equals_dense_reference(X, min_samples, metric):
    min_samples = min(min_samples, len(X))
    weights = dense_tree(X, metric, min_samples, 1.0)[1]
    tree, _ = mutual_reachability_tree(SpatialIndex(X, metric=metric), min_samples)
    np.testing.assert_allclose(tree.weights, weights, rtol=1e-10, atol=1e-10)
    assert_spanning(tree.edges, len(X))
