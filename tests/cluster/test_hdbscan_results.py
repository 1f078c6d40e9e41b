"""What HDBSCAN tells after the fit: exemplars, persistence, validity, membership, graphs, haversine."""

import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import pairwise_distances

from reference.hdbscan_data import KINDS, blobs, make
from sklearn_extra_ml.cluster import HDBSCAN


@pytest.fixture
def X(rng):
    return blobs(rng, 200, 2)


def test_exemplars_are_the_last_rows_of_the_leaves_below_each_cluster(X):
    model = HDBSCAN(4, min_samples=3).fit(X)
    table = model.condensed_tree_.to_pandas()
    n = len(X)
    for label, cluster in enumerate(model.selected_clusters_):
        expected, todo = [], [n + cluster]
        while todo:
            node = todo.pop()
            children = table[table["parent"] == node]
            inner = children.loc[children["child"] >= n, "child"].tolist()
            todo += inner
            if not inner:
                last = children["lambda_val"].max()
                expected += children.loc[children["lambda_val"] == last, "child"].tolist()
        assert sorted(expected) == model.exemplar_indices_[label].tolist()
        np.testing.assert_array_equal(model.exemplars_[label], X[sorted(expected)])
        assert np.all(model.labels_[expected] == label)


def test_exemplars_of_sparse_rows_and_of_distances(X):
    X = np.round(X)
    dense = HDBSCAN(metric="manhattan").fit(X)
    model = HDBSCAN(metric="manhattan").fit(sparse.csr_array(X))
    for ours, theirs in zip(model.exemplars_, dense.exemplars_, strict=True):
        np.testing.assert_array_equal(ours.toarray(), theirs)
    model = HDBSCAN(metric="precomputed").fit(pairwise_distances(X))
    assert sum(map(len, model.exemplar_indices_)) > 0
    assert not hasattr(model, "exemplars_")


def test_persistence_is_stability_over_its_largest_value(X):
    model = HDBSCAN().fit(X)
    tree = model.condensed_tree_
    highest = 1 / tree.row_level.min()
    for label, cluster in enumerate(model.selected_clusters_):
        rows = np.sum(model.labels_ == label)
        expected = tree.stability[cluster] / (rows * highest)
        assert model.cluster_persistence_[label] == pytest.approx(expected, rel=1e-12)
    assert HDBSCAN().fit(np.repeat(X, 10, axis=0)).cluster_persistence_.min() == 1


def slow_relative_validity(model):
    """The loop over edges that the definition describes."""
    labels, tree = model.labels_, model.minimum_spanning_tree_
    n_clusters = labels.max() + 1
    sparse_, apart, noise, largest = [0.0] * n_clusters, [np.inf] * n_clusters, np.inf, 0.0
    for (i, j), weight in zip(tree.edges, tree.weights, strict=True):
        a, b = labels[i], labels[j]
        largest = max(largest, weight)
        if a == -1 and b == -1:
            continue
        if a == -1 or b == -1:
            noise = min(noise, weight)
        elif a == b:
            sparse_[a] = max(sparse_[a], weight)
        else:
            apart[a], apart[b] = min(apart[a], weight), min(apart[b], weight)
    far = 2 * (largest if n_clusters > 1 else min(noise, largest))
    total = 0.0
    for c in range(n_clusters):
        gap = far if np.isinf(apart[c]) else apart[c]
        total += np.sum(labels == c) * (gap - sparse_[c]) / max(gap, sparse_[c])
    return total / len(labels)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_relative_validity_equals_the_loop_over_edges(kind, rng):
    X = make(kind, 150, 2, rng.integers(2**31))
    for parameters in (
        {},
        {"min_cluster_size": 3, "min_samples": 2},
        {"allow_single_cluster": True},
    ):
        model = HDBSCAN(**parameters).fit(X)
        if model.labels_.max() < 0:
            assert model.relative_validity_ == -1
            continue
        assert model.relative_validity_ == pytest.approx(slow_relative_validity(model), rel=1e-12)
        assert -1 <= model.relative_validity_ <= 1


def test_relative_validity_is_higher_for_clusters_farther_apart(rng):
    X = rng.normal(size=(120, 2)) + np.repeat([[0, 0], [8, 0]], 60, axis=0)
    near, far = (HDBSCAN(20).fit(X + shift) for shift in (0, np.repeat([[0], [20]], 60, axis=0)))
    assert far.relative_validity_ > near.relative_validity_ > 0


# ----------------------------------------------------------------------------------- membership


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"algorithm": "brute"},
        {"metric": "manhattan"},
        {"metric": "chebyshev"},
        {"alpha": 1.5},
        {"metric": "minkowski", "metric_params": {"p": 3}},
        {"metric": "canberra"},
    ],
    ids=str,
)
def test_membership_of_all_clusters_is_transform(kind, parameters, rng, dtype):
    X = (make(kind, 200, 2, rng.integers(2**31)) + 20).astype(dtype)
    model = HDBSCAN(4, min_samples=3, **parameters).fit(X)
    for rows in (X, X + dtype(0.1)):
        ours = model.membership(rows, top_k=1000)
        assert isinstance(ours, sparse.csr_array) and ours.has_sorted_indices
        np.testing.assert_allclose(ours.toarray(), model.transform(rows), rtol=1e-6, atol=1e-12)


def least_reachability(model, X, rows):
    """Mutual reachability of rows to the nearest row of each cluster, by all pairs."""
    D = pairwise_distances(rows, X)
    core = np.sort(D, axis=1)[:, model._min_samples - 2]
    R = np.maximum(np.maximum(D, model.core_distances_), core[:, None])
    return np.column_stack(
        [R[:, model.labels_ == c].min(axis=1) for c in range(model.labels_.max() + 1)]
    )


@pytest.mark.parametrize("size", [200, 3000])
@pytest.mark.parametrize("top_k", [1, 3])
def test_membership_names_the_nearest_clusters_and_shares_among_them(size, top_k, rng):
    X = blobs(rng, size, 3)
    model = HDBSCAN(4, min_samples=3, cluster_selection_method="leaf").fit(X)
    rows = X[:100] + rng.normal(scale=0.3, size=(100, 3))
    level = least_reachability(model, X, rows)
    ours = model.membership(rows, top_k=top_k)
    assert np.all(np.diff(ours.indptr) == top_k)
    nearest = np.sort(np.argsort(level, axis=1, kind="stable")[:, :top_k], axis=1)
    np.testing.assert_array_equal(ours.indices.reshape(-1, top_k), nearest)
    labels = model.predict(rows)
    share = 1 / np.take_along_axis(level, nearest, axis=1) ** 2
    share /= share.sum(axis=1, keepdims=True)
    strength = ours.data.reshape(-1, top_k) / share
    inside = labels >= 0
    np.testing.assert_allclose(strength[inside], strength[inside, :1].repeat(top_k, axis=1))
    met = model.condensed_tree_.death[model.selected_clusters_[nearest]]
    met = np.minimum(met / np.take_along_axis(level, nearest, axis=1), 1)
    np.testing.assert_allclose(strength[~inside], met[~inside])


def test_membership_in_small_blocks_is_the_same(X, monkeypatch):
    from sklearn_extra_ml.cluster import _membership

    model = HDBSCAN(3).fit(X)
    whole = model.membership(X, top_k=2).toarray()
    monkeypatch.setattr(_membership, "QUERIES_X_CLUSTERS", 50)
    np.testing.assert_array_equal(model.membership(X, top_k=2).toarray(), whole)


def test_membership_of_rows_that_are_not_finite_is_empty(X):
    model = HDBSCAN().fit(X)
    rows = np.array([[np.nan, 0.0], X[0], [np.inf, 0.0]])
    counts = np.diff(model.membership(rows, top_k=2).indptr)
    assert counts.tolist() == [0, 2, 0]


def test_membership_without_clusters_has_no_columns(rng):
    model = HDBSCAN(min_cluster_size=30).fit(rng.uniform(size=(40, 2)))
    assert model.membership(rng.uniform(size=(5, 2))).shape == (5, len(model.selected_clusters_))


def test_membership_refuses_no_cluster(X):
    with pytest.raises(ValueError, match="`top_k`=0 is no number of clusters"):
        HDBSCAN().fit(X).membership(X, top_k=0)


def test_outlier_scores_of_fitted_and_new_rows(X):
    model = HDBSCAN().fit(X)
    np.testing.assert_array_equal(model.outlier_scores(X), model.outlier_scores_)
    heart = model.exemplars_[0][0]
    scores = model.outlier_scores([[1e6, 1e6], [np.nan, 0], [np.inf, 0], heart + 1e-9])
    assert scores[0] > 0.99
    assert np.isnan(scores[1]) and scores[2] == 1
    assert scores[3] < 0.1


def test_core_distances_are_distances_to_the_min_samples_th_row(X):
    X[3, 0], X[5, 1] = np.nan, np.inf
    model = HDBSCAN(min_samples=4).fit(X)
    finite = np.isfinite(X).all(axis=1)
    expected = np.sort(pairwise_distances(X[finite]), axis=1)[:, 3]
    np.testing.assert_allclose(model.core_distances_[finite], expected, rtol=1e-12)
    assert np.isnan(model.core_distances_[3]) and np.isinf(model.core_distances_[5])


# --------------------------------------------------------------------------------------- graphs


def test_trees_are_what_networkx_takes(X):
    import networkx

    model = HDBSCAN().fit(X)
    tree = model.minimum_spanning_tree_.to_networkx()
    assert networkx.is_tree(tree) and len(tree) == 200
    assert tree.size("distance") == pytest.approx(model.minimum_spanning_tree_.weights.sum())
    linkage = model.single_linkage_tree_.to_networkx()
    assert networkx.is_arborescence(linkage) and len(linkage) == 399
    assert linkage.nodes[398]["size"] == 200
    condensed = model.condensed_tree_.to_networkx()
    assert networkx.is_arborescence(condensed)
    n_clusters = len(model.condensed_tree_.parent)
    assert len(condensed) == 200 + n_clusters
    for cluster in range(1, n_clusters):
        parent = 200 + model.condensed_tree_.parent[cluster]
        density = condensed.edges[parent, 200 + cluster]["lambda_val"]
        assert density == 1 / model.condensed_tree_.birth[cluster]
        assert condensed.nodes[200 + cluster]["size"] == model.condensed_tree_.size[cluster]


def test_missing_networkx_is_named(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install networkx"):
        HDBSCAN().fit(X).minimum_spanning_tree_.to_networkx()


# ------------------------------------------------------------------------------------ haversine


def test_haversine_goes_through_the_index_and_equals_all_pairs(rng):
    X = np.radians(
        np.concatenate([rng.normal([48, 11], 0.5, (150, 2)), rng.normal([-33, 151], 2, (150, 2))])
    )
    fast, slow = (
        HDBSCAN(metric="haversine").fit(X),
        HDBSCAN(metric="haversine", algorithm="brute").fit(X),
    )
    assert fast._search.use_index and not slow._search.use_index
    np.testing.assert_allclose(
        fast.minimum_spanning_tree_.weights.sum(),
        slow.minimum_spanning_tree_.weights.sum(),
        rtol=1e-9,
    )
    expected = np.sort(pairwise_distances(X, metric="haversine"), axis=1)[:, 4]
    np.testing.assert_allclose(fast.core_distances_, expected, rtol=1e-7)
    np.testing.assert_array_equal(fast.labels_, slow.labels_)
    np.testing.assert_array_equal(fast.predict(X), fast.labels_)
    stretched = HDBSCAN(metric="haversine", alpha=1.5).fit(X)
    assert not stretched._search.use_index


def test_haversine_across_the_date_line_is_one_cluster(rng):
    longitude = np.concatenate([np.linspace(179, 180, 50), np.linspace(-180, -179, 50)])
    X = np.radians(np.column_stack([rng.normal(0, 0.1, 100), longitude]))
    far = np.radians(rng.normal([40, 0], 0.3, (50, 2)))
    labels = HDBSCAN(10, metric="haversine").fit_predict(np.concatenate([X, far]))
    assert len(set(labels[:100][labels[:100] >= 0])) == 1
    assert labels[0] != labels[-1]


def test_haversine_of_other_than_two_columns_is_refused(rng):
    with pytest.raises(ValueError, match="2"):
        HDBSCAN(metric="haversine").fit(rng.normal(size=(30, 3)))


# ------------------------------------------------------------------------- nothing found, asked wrongly


def test_no_cluster_has_no_exemplars(rng):
    model = HDBSCAN(15).fit(rng.random((20, 2)))
    assert model.labels_.max() == -1
    assert model.exemplars_ == [] and model.exemplar_indices_ == []


def test_centers_of_an_earlier_fit_do_not_stay(X):
    model = HDBSCAN(store_centers="both").fit(X)
    assert model.centroids_.shape == model.medoids_.shape
    model.set_params(store_centers="medoid").fit(X)
    assert hasattr(model, "medoids_") and not hasattr(model, "centroids_")
    model.set_params(store_centers=None).fit(X[:, :1])
    assert not hasattr(model, "medoids_")


@pytest.mark.parametrize("cut_distance", [-1.0, np.nan])
def test_dbscan_clustering_at_no_distance_is_refused(X, cut_distance):
    with pytest.raises(ValueError, match=r"`cut_distance`=.* is no distance"):
        HDBSCAN().fit(X).dbscan_clustering(cut_distance)


@pytest.mark.parametrize("top_k", [0, 1.5, None])
def test_membership_in_no_number_of_clusters_is_refused(X, top_k):
    with pytest.raises(ValueError, match=r"`top_k`=.* is no number of clusters"):
        HDBSCAN().fit(X).membership(X, top_k)


def test_recluster_tells_unknown_names_from_those_of_the_tree(X):
    model = HDBSCAN().fit(X)
    with pytest.raises(ValueError, match="holds unknown names"):
        model.recluster(minimum_cluster_size=3)
    with pytest.raises(ValueError, match="another spanning tree"):
        model.recluster(min_samples=3)


def test_exemplars_of_distances_name_their_indices(X):
    """hdbscan#251: exemplars of precomputed distances."""
    model = HDBSCAN(metric="precomputed").fit(pairwise_distances(X))
    with pytest.raises(AttributeError, match="`exemplar_indices_` does not"):
        _ = model.exemplars_
    of_rows = HDBSCAN().fit(X).exemplar_indices_  # clusters are numbered by content there
    assert sorted(map(tuple, model.exemplar_indices_)) == sorted(map(tuple, of_rows))
