"""HDBSCAN on rows that are not finite, on precomputed distances and on bad input."""

import numpy as np
import pytest
import sklearn.cluster
from scipy import sparse

from reference.hdbscan import distances, hdbscan, mutual_reachability
from reference.hdbscan_data import DATA_SETS, blobs, make
from sklearn_extra_ml.cluster import HDBSCAN


@pytest.fixture
def X(rng):
    return blobs(rng, 120, 3)


def knn_graph(D, k):
    """Symmetric sparse graph of each row's `k` nearest rows."""
    keep = np.zeros(D.shape, dtype=bool)
    keep[np.arange(len(D))[:, None], np.argsort(D, axis=1)[:, : k + 1]] = True
    np.fill_diagonal(keep, False)
    keep |= keep.T
    rows, columns = np.nonzero(keep)
    return sparse.csr_array((D[keep], (rows, columns)), shape=D.shape)


# ------------------------------------------------------------------------- rows that are not finite


@pytest.mark.parametrize("store_centers", [None, "both"])
def test_rows_that_are_not_finite_get_their_own_labels(X, store_centers):
    clean = HDBSCAN(store_centers=store_centers).fit(X)
    dirty = np.insert(
        X, [0, 50, 70], [[np.nan, 0, 0], [np.inf, 0, 0], [-np.inf, np.nan, 0]], axis=0
    )
    model = HDBSCAN(store_centers=store_centers).fit(dirty)
    keep = np.isfinite(dirty).all(axis=1)
    np.testing.assert_array_equal(model.labels_[keep], clean.labels_)
    np.testing.assert_array_equal(model.labels_[~keep], [-3, -2, -3])
    np.testing.assert_array_equal(model.probabilities_[~keep], [np.nan, 0, np.nan])
    np.testing.assert_array_equal(model.outlier_scores_[~keep], [np.nan, 1, np.nan])
    np.testing.assert_array_equal(model.predict(dirty), model.labels_)
    membership = model.transform(dirty)
    assert np.isnan(membership[model.labels_ == -3]).all()
    assert not membership[model.labels_ == -2].any()
    labels = model.dbscan_clustering(0.5)
    np.testing.assert_array_equal(labels[~keep], [-3, -2, -3])
    np.testing.assert_array_equal(labels[keep], clean.dbscan_clustering(0.5))
    assert model.score(dirty) < clean.score(X)
    assert len(model.single_linkage_tree_.left) == len(dirty) - 1
    assert len(model.minimum_spanning_tree_.weights) == len(X) - 1
    if store_centers:
        np.testing.assert_array_equal(model.centroids_, clean.centroids_)
        np.testing.assert_array_equal(model.medoids_, clean.medoids_)


def test_sparse_rows_that_are_not_finite_get_their_own_labels(X):
    dirty = X.copy()
    dirty[3, 1], dirty[9, 0] = np.nan, np.inf
    dense, model = HDBSCAN().fit(dirty), HDBSCAN().fit(sparse.csr_array(dirty))
    np.testing.assert_array_equal(model.labels_[[3, 9]], [-3, -2])
    np.testing.assert_array_equal(model.labels_, dense.labels_)
    np.testing.assert_array_equal(model.predict(sparse.csr_array(dirty)), model.labels_)


def test_huge_finite_values_are_not_taken_for_infinite_ones(X):
    X[0] = 1e308
    labels = HDBSCAN(metric="chebyshev").fit(X).labels_
    assert labels[0] == -1


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_nan_in_precomputed_distances_is_refused(X, kind):
    D = distances(X)
    D[2, 5] = D[5, 2] = np.nan
    with pytest.raises(ValueError, match=r"np.nan|NaN"):
        HDBSCAN(metric="precomputed").fit(D if kind == "dense" else sparse.csr_array(D))


# --------------------------------------------------------------------------- precomputed distances


@pytest.mark.parametrize("data", DATA_SETS[::4], ids=lambda d: f"{d[0].__name__}-{d[1]}x{d[2]}")
def test_precomputed_labels_equal_the_reference(data):
    D = distances(make(*data))
    labels, strength = hdbscan(mutual_reachability(D, 5))
    for matrix in (D, np.asfortranarray(D), D.astype(np.float32).astype(float), D.tolist()):
        model = HDBSCAN(metric="precomputed").fit(matrix)
        if matrix is D:
            np.testing.assert_allclose(model.probabilities_, strength, rtol=1e-9)
        if not isinstance(matrix, np.ndarray) or np.array_equal(matrix, D):
            np.testing.assert_array_equal(model.labels_, labels)


def test_precomputed_labels_follow_a_permutation(X, rng):
    D = distances(X)
    D += np.triu(1e-12 * rng.uniform(size=D.shape), 1)  # symmetric up to rounding only
    model = HDBSCAN(metric="precomputed").fit(D)
    for _ in range(5):
        order = rng.permutation(len(D))
        other = HDBSCAN(metric="precomputed").fit(D[np.ix_(order, order)])
        pairs = set(zip(other.labels_.tolist(), model.labels_[order].tolist(), strict=True))
        assert len(pairs) == len(set(model.labels_.tolist()))


@pytest.mark.parametrize("make_sparse", [sparse.csr_array, sparse.csc_array, sparse.coo_matrix])
def test_complete_sparse_graph_clusters_as_the_dense_matrix(X, make_sparse):
    D = distances(X)
    dense = HDBSCAN(metric="precomputed").fit(D)
    graph = HDBSCAN(metric="precomputed").fit(make_sparse(D))
    np.testing.assert_array_equal(graph.labels_, dense.labels_)
    np.testing.assert_allclose(graph.probabilities_, dense.probabilities_, rtol=1e-12)


def test_sparse_graph_with_the_neighbours_that_matter_clusters_as_the_dense_matrix(X):
    D = distances(X)
    dense = HDBSCAN(metric="precomputed").fit(D)
    graph = HDBSCAN(metric="precomputed").fit(knn_graph(D, 60))
    np.testing.assert_array_equal(graph.labels_, dense.labels_)


def test_diagonal_of_a_sparse_graph_does_not_matter(X):
    graph = knn_graph(distances(X), 30)
    with_zeros = sparse.coo_array(graph)
    own = np.arange(len(X))
    with_zeros = sparse.csr_array(
        (
            np.append(with_zeros.data, np.zeros(len(X))),
            (np.append(with_zeros.coords[0], own), np.append(with_zeros.coords[1], own)),
        ),
        shape=graph.shape,
    )
    assert with_zeros.nnz == graph.nnz + len(X)
    one, two = (HDBSCAN(metric="precomputed").fit(g) for g in (graph, with_zeros))
    np.testing.assert_array_equal(one.labels_, two.labels_)


def test_stored_zero_of_a_sparse_graph_is_an_edge():
    D = np.full((12, 12), 5.0)
    D[:6, :6] = D[6:, 6:] = 0.0
    graph = sparse.csr_array(D)
    rows, columns = np.nonzero(np.ones_like(D))
    graph = sparse.csr_array((D.ravel(), (rows, columns)), shape=D.shape)
    labels = HDBSCAN(metric="precomputed").fit(graph).labels_
    np.testing.assert_array_equal(labels, np.repeat([0, 1], 6))


def test_components_of_a_graph_join_at_infinity(X):
    D = distances(X)
    D[:60, 60:] = D[60:, :60] = np.inf
    graph = knn_graph(np.where(np.isinf(D), 1e9, D), 12)
    graph.data[graph.data == 1e9] = np.inf
    for matrix in (D, graph):
        with pytest.warns(UserWarning, match="components only"):
            model = HDBSCAN(metric="precomputed", min_cluster_size=10).fit(matrix)
        assert np.isinf(model.single_linkage_tree_.distance[-1])
        assert np.isfinite(model.probabilities_).all()
        assert not set(model.labels_[:60]) & set(model.labels_[60:]) - {-1}
        assert np.isfinite(model.minimum_spanning_tree_.weights).all()
    assert (
        len(HDBSCAN(metric="precomputed").fit(distances(X)).minimum_spanning_tree_.weights) == 119
    )


def test_max_distance_joins_what_a_graph_leaves_apart(X):
    D = distances(X)
    graph = knn_graph(D, 6)
    model = HDBSCAN(metric="precomputed", metric_params={"max_distance": 100.0}).fit(graph)
    assert np.isfinite(model.single_linkage_tree_.distance).all()
    assert model.single_linkage_tree_.distance[-1] in (100.0, graph.data.max())


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("kind", [np.array, sparse.csr_array, sparse.coo_array])
def test_precomputed_distances_are_never_changed(X, copy, kind):
    D = kind(distances(X))
    before = D.copy()
    HDBSCAN(metric="precomputed", copy=copy, alpha=2.0).fit(D)
    assert abs(D - before).max() == 0
    if kind is np.array:
        D.flags.writeable = False
        HDBSCAN(metric="precomputed", copy=copy).fit(D)


@pytest.mark.parametrize("kind", [np.array, sparse.csr_array])
def test_bad_distances_are_refused(X, kind):
    model, D = HDBSCAN(metric="precomputed"), distances(X)
    with pytest.raises(ValueError, match="not square"):
        model.fit(kind(D[:, :50]))
    lopsided = D.copy()
    lopsided[3, 7] += 1e-3
    with pytest.raises(ValueError, match="symmetric"):
        model.fit(kind(lopsided))
    negative = D.copy()
    negative[3, 7] = negative[7, 3] = -1
    with pytest.raises(ValueError, match="negative"):
        model.fit(kind(negative))
    assert not hasattr(model, "labels_")


def test_one_sided_edge_of_a_sparse_graph_is_refused(X):
    graph = sparse.lil_array(knn_graph(distances(X), 5))
    i, j = (index[0] for index in graph.nonzero())
    graph[i, j] = 0
    with pytest.raises(ValueError, match="symmetric"):
        HDBSCAN(metric="precomputed").fit(sparse.csr_array(graph))


@pytest.mark.parametrize("format_", ["csr", "csc", "coo"])
@pytest.mark.parametrize("bad_index", [10_000_000, -3])
@pytest.mark.parametrize("metric", ["precomputed", "euclidean"])
def test_indices_out_of_range_are_refused_before_a_kernel_reads_them(X, format_, bad_index, metric):
    graph = knn_graph(distances(X), 5).asformat(format_)
    (graph.coords[0] if format_ == "coo" else graph.indices)[0] = bad_index
    with pytest.raises(ValueError, match="damaged"):
        HDBSCAN(metric=metric).fit(graph)


@pytest.mark.parametrize("method", ["predict", "transform", "fit_transform", "score"])
def test_methods_that_need_rows_do_not_exist_for_precomputed_distances(method):
    assert hasattr(HDBSCAN(), method)
    model = HDBSCAN(metric="precomputed")
    assert not hasattr(model, method)
    with pytest.raises(AttributeError, match=method):
        getattr(model, method)


# -------------------------------------------------------------------------------------- bad values


@pytest.mark.parametrize(
    "X, parameters, message",
    [
        (np.empty((0, 2)), {}, "0 sample"),
        (np.ones((1, 2)), {}, "n_samples=1"),
        (np.ones((4, 2)), {}, "`min_cluster_size`=5 is larger than n_samples=4. Allowed: 2 to 4"),
        (np.ones((9, 2)), {"min_samples": 10}, "`min_samples`=10 is larger than n_samples=9"),
        (np.full((9, 2), np.nan), {}, "No row of X .n_samples=0 left"),
        (np.ones((9, 2)), {"metric": "cosine", "algorithm": "kd_tree"}, "not a valid metric"),
        (np.ones((9, 2)), {"metric": "yule", "algorithm": "ball_tree"}, "not a valid metric"),
        (sparse.csr_array(np.ones((9, 2))), {"algorithm": "kd_tree"}, "Sparse data matrices"),
        (np.ones((9, 9)), {"metric": "precomputed", "store_centers": "medoid"}, "needs rows"),
        (np.ones((9, 2)), {"metric": "minkowski", "metric_params": {"p": -1}}, "not positive"),
        (np.ones((9, 2)), {"metric_params": {"squared": True}}, "does not know"),
        (np.ones((9, 2)), {"min_cluster_size": 1}, "min_cluster_size"),
        (np.ones((9, 2)), {"metric": "no such"}, "metric"),
    ],
)
def test_bad_values_are_refused_in_words(X, parameters, message):
    model = HDBSCAN(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X)
    assert not hasattr(model, "labels_")


def test_min_cluster_size_beyond_the_rows_makes_all_noise(X):
    model = HDBSCAN(min_cluster_size=1000, min_samples=5).fit(X)
    theirs = sklearn.cluster.HDBSCAN(min_cluster_size=1000, min_samples=5, copy=True).fit(X)
    np.testing.assert_array_equal(model.labels_, theirs.labels_)
    assert model.transform(X).shape == (120, 0)
    assert model.score(X) == -1


@pytest.mark.parametrize("n", [2, 3])
def test_very_few_rows_are_taken(n):
    model = HDBSCAN(min_cluster_size=2, min_samples=1).fit(np.arange(n)[:, None])
    np.testing.assert_array_equal(model.labels_, [-1] * n)
    one = HDBSCAN(min_cluster_size=2, min_samples=1, allow_single_cluster=True)
    np.testing.assert_array_equal(one.fit_predict(np.arange(n)[:, None]), [0] * n)


def test_equal_rows_make_one_event():
    X = np.zeros((20, 3))
    np.testing.assert_array_equal(HDBSCAN().fit(X).labels_, [-1] * 20)
    model = HDBSCAN(allow_single_cluster=True).fit(X)
    np.testing.assert_array_equal(model.labels_, [0] * 20)
    np.testing.assert_array_equal(model.probabilities_, np.ones(20))
    np.testing.assert_array_equal(model.transform(X), np.ones((20, 1)))


def test_parameters_of_scikit_learn_are_taken_as_they_are(X):
    theirs = sklearn.cluster.HDBSCAN(min_cluster_size=8)
    model = HDBSCAN(**theirs.get_params()).fit(X)
    assert set(model.get_params()) > set(theirs.get_params())


def test_input_containers_give_the_same_labels(X, tmp_path):
    import pandas as pd
    import polars as pl

    labels = HDBSCAN().fit(X).labels_
    np.save(tmp_path / "x.npy", X)
    for other in (
        X.tolist(),
        np.asfortranarray(X),
        X[::-1][::-1],
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        pd.DataFrame(X, columns=list("abc")),
        pl.DataFrame(X, schema=list("abc")),
    ):
        model = HDBSCAN().fit(other)
        np.testing.assert_array_equal(model.labels_, labels)
        np.testing.assert_array_equal(model.predict(other), labels)
