"""The k-d tree: its layout, and nearest neighbours and counts against dense references."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reference.spatial import nearest, pairwise
from sklearn_extra_ml._core._spatial import SpatialIndex, canonical_metric
from sklearn_extra_ml._native._kd_tree import TILE

METRICS = ["euclidean", "manhattan", "chebyshev", "minkowski"]
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


def make_points(kind, n, d, rng):
    if kind == "normal":
        return rng.normal(size=(n, d))
    if kind == "grid":
        return rng.integers(0, 4, size=(n, d)).astype(float)
    if kind == "duplicates":
        return np.repeat(rng.normal(size=(-(-n // 10), d)), 10, axis=0)[:n]
    if kind == "one place":
        return np.ones((n, d))
    if kind == "line":
        return rng.permutation(n)[:, None] * np.ones(d)
    return np.exp2(rng.permutation(n) % 60)[:, None] * np.ones(d)  # "exponential"


def tree_arrays(index):
    """The tree's arrays as numpy views: tiles, boxes, nodes (right, start, end, min_row), perm."""
    tree, raw = index.tree, index.tree.arrays()
    n, d = index.shape
    return (
        np.frombuffer(raw["tiles"], dtype=index.dtype).reshape(-(-n // TILE), d, TILE),
        np.frombuffer(raw["boxes"], dtype=index.dtype).reshape(tree.n_nodes, 2, d),
        np.frombuffer(raw["nodes"], dtype=np.int32).reshape(tree.n_nodes, 4),
        np.frombuffer(raw["perm"], dtype=np.int32),
    )


@pytest.mark.parametrize("kind", ["normal", "grid", "one place", "line", "exponential"])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 1000, 5003])
@pytest.mark.parametrize("leaf_size", [16, 48])
def test_layout_any_data_matches_its_description(kind, n, leaf_size, rng, dtype):
    X = make_points(kind, n, 3, rng).astype(dtype)
    index = SpatialIndex(X, center=False, leaf_size=leaf_size, n_threads=2)
    tiles, boxes, nodes, perm = tree_arrays(index)
    np.testing.assert_array_equal(np.sort(perm), np.arange(n))
    points = tiles.transpose(0, 2, 1).reshape(-1, 3)
    np.testing.assert_array_equal(points[:n], X[perm])
    assert np.all(np.isinf(points[n:]))
    assert nodes[0, 1] == 0 and nodes[0, 2] == n
    for i, (right, start, end, min_row) in enumerate(nodes):
        np.testing.assert_array_equal(
            boxes[i], [X[perm[start:end]].min(0), X[perm[start:end]].max(0)]
        )
        assert min_row == perm[start:end].min()
        assert start % leaf_size == 0
        if right:
            assert nodes[i + 1, 1] == start and nodes[right, 2] == end
            assert nodes[i + 1, 2] == nodes[right, 1]
        else:
            assert end - start == leaf_size or end == n


def test_tree_any_thread_count_same_bits(rng, dtype):
    X = rng.normal(size=(30_000, 3)).astype(dtype)
    trees = [SpatialIndex(X, n_threads=n_threads).tree.arrays() for n_threads in (1, 2, 8)]
    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 7, 10, 21, 50])
@pytest.mark.parametrize("kind", ["normal", "grid", "duplicates"])
def test_knn_any_data_equals_dense_reference(metric, d, kind, rng, dtype):
    X = make_points(kind, 333, d, rng).astype(dtype)
    queries = np.concatenate([X[:5], make_points(kind, 30, d, rng).astype(dtype) / 2])
    index = SpatialIndex(X, metric=metric, p=3, center=kind == "normal", n_threads=2)
    for asked in (None, queries):
        dense = pairwise(X if asked is None else asked, X, metric, p=3)
        distances, rows = nearest(dense, 7)
        ours = index.knn(7, asked)
        atol = TOLERANCE[dtype] * dense.max()
        np.testing.assert_allclose(ours.distances, distances, rtol=TOLERANCE[dtype], atol=atol)
        if dtype == np.float64 and (kind != "grid" or metric != "minkowski"):
            np.testing.assert_array_equal(ours.rows, rows)


@pytest.mark.parametrize("leaf_size", [16, 32, 128])
def test_knn_any_leaf_size_same_bits(leaf_size, rng, dtype):
    X = np.round(rng.normal(size=(4_000, 3)), 1).astype(dtype)
    distances, rows = SpatialIndex(X, n_threads=2).knn(12)
    ours = SpatialIndex(X, leaf_size=leaf_size).knn(12)
    np.testing.assert_array_equal(ours.distances, distances)
    np.testing.assert_array_equal(ours.rows, rows)


def test_knn_queries_in_parts_same_bits(rng, dtype):
    X, queries = rng.normal(size=(500, 4)).astype(dtype), rng.normal(size=(50, 4)).astype(dtype)
    index = SpatialIndex(X)
    whole = index.knn(5, queries)
    for i in range(0, 50, 7):
        part = index.knn(5, queries[i : i + 7])
        np.testing.assert_array_equal(part.distances, whole.distances[i : i + 7])
        np.testing.assert_array_equal(part.rows, whole.rows[i : i + 7])


def test_knn_all_points_equal_lists_lowest_rows():
    # Without pruning by row numbers this would compare all 4e10 pairs.
    ours = SpatialIndex(np.ones((200_000, 2)), n_threads=2).knn(10)
    assert np.all(ours.distances == 0)
    assert np.all(ours.rows == np.arange(10))


def test_knn_million_points_on_a_line_no_deep_stack(dtype):
    X = np.arange(1_000_000, dtype=dtype)[:, None]
    ours = SpatialIndex(X, n_threads=2).knn(2)
    assert np.all(ours.distances == [0, 1])


def test_knn_float32_far_from_origin_keeps_distances(rng):
    X = (5e6 + rng.integers(0, 64, size=(2_000, 2)) / 2).astype(np.float32)
    distances = nearest(pairwise(X, X), 9)[0]
    ours = SpatialIndex(X).knn(9)
    assert ours.distances.dtype == np.float32
    np.testing.assert_allclose(ours.distances, distances, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-25, 1e-15, 1e18, 1e30])
def test_knn_float32_squares_out_of_range_keeps_distances(size, rng):
    X = (rng.normal(size=(200, 3)) * size).astype(np.float32)
    distances, rows = nearest(pairwise(X, X), 4)
    ours = SpatialIndex(X).knn(4)
    np.testing.assert_allclose(ours.distances, distances, rtol=1e-6)
    np.testing.assert_array_equal(ours.rows, rows)


def test_distances_uncentred_float64_have_scikit_learn_rounding(rng):
    X = rng.normal(size=(300, 11)) + 100
    squared = np.zeros((300, 300))
    for f in range(11):
        squared += (X[:, f, None] - X[None, :, f]) ** 2
    reduced, positions, tree = SpatialIndex(X, center=False).knn_in_tree_order(300)
    perm = np.frombuffer(tree.arrays()["perm"], dtype=np.int32)
    np.testing.assert_array_equal(reduced, squared[perm[:, None], perm[positions]])


def test_knn_squares_of_one_root_listed_by_rows():
    # 1e6 + 58^2 and the square beside it differ, their roots do not.
    X = np.array([[0.0, 1e-12], [0.0, 0.0], [1e3, 58.0]])
    for rows in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
        ours = SpatialIndex(X[rows], center=False).knn(3)
        query = rows.index(2)
        assert ours.distances[query, 1] == ours.distances[query, 2]
        assert ours.rows[query, 1] < ours.rows[query, 2]


@given(
    X=hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 60), st.integers(1, 4)),
        elements=st.integers(-3, 3).map(float) | st.floats(-1e3, 1e3),
    ),
    k=st.integers(1, 60),
    metric=st.sampled_from(METRICS[:3]),
)
@settings(max_examples=150, deadline=None)
def test_knn_any_array_equals_dense_reference(X, k, metric):
    k = min(k, len(X))
    index = SpatialIndex(X, metric=metric, center=False)
    distances, rows = index.knn(k)
    np.testing.assert_allclose(distances, nearest(pairwise(X, X, metric), k)[0], rtol=1e-12)
    order = np.lexsort((rows, distances))
    np.testing.assert_array_equal(order, np.tile(np.arange(k), (len(X), 1)))


def test_index_input_unchanged_and_not_kept(rng, dtype):
    X = rng.normal(size=(200, 3)).astype(dtype)
    before = X.copy()
    X.flags.writeable = False
    index = SpatialIndex(X)
    expected = index.knn(3).rows
    np.testing.assert_array_equal(X, before)
    X.flags.writeable = True
    X[:] = 0
    np.testing.assert_array_equal(index.knn(3).rows, expected)


def test_index_pickled_same_answers(rng, dtype):
    X = rng.normal(size=(1_000, 3)).astype(dtype)
    index = SpatialIndex(X)
    again = pickle.loads(pickle.dumps(index))
    np.testing.assert_array_equal(again.knn(5).rows, index.knn(5).rows)


@pytest.mark.parametrize("k", [0, 11])
def test_knn_k_out_of_range_raises(k, rng):
    index = SpatialIndex(rng.normal(size=(10, 2)))
    with pytest.raises(ValueError, match=rf"`k`={k} does not fit n_points=10\. Allowed: 1 to 10\."):
        index.knn(k)


def test_knn_queries_of_other_width_raises(rng):
    index = SpatialIndex(rng.normal(size=(10, 2)))
    with pytest.raises(ValueError, match=r"queries has shape \(3, 4\)\. Allowed: \(n_queries, 2\)"):
        index.knn(1, rng.normal(size=(3, 4)))


def test_canonical_metric_special_exponents_named():
    assert canonical_metric("minkowski", 1)[0] == "manhattan"
    assert canonical_metric("minkowski", 2)[0] == "euclidean"
    assert canonical_metric("minkowski", np.inf)[0] == "chebyshev"
    assert canonical_metric("l1") == ("manhattan", 2.0)


def test_canonical_metric_unknown_raises():
    with pytest.raises(ValueError, match="`metric`='cosine' is no metric of the k-d tree"):
        canonical_metric("cosine")
    with pytest.raises(ValueError, match=r"`p`=0\.5 makes no metric"):
        canonical_metric("minkowski", 0.5)
