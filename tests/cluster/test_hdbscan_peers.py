"""Known bugs of scikit-learn, hdbscan and fast_hdbscan, each shown not to be here."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from reference.hdbscan_data import blobs
from sklearn_extra_ml.cluster import HDBSCAN


@pytest.fixture
def X(rng):
    return blobs(rng, 200, 2)


@pytest.mark.parametrize("method", ["eom", "leaf"])
def test_selection_epsilon_works_on_numpy_2_4(X, method):
    """scikit-learn#33219: TypeError, only 0-dimensional arrays can be converted."""
    few = HDBSCAN(cluster_selection_epsilon=5.0, cluster_selection_method=method).fit(X)
    many = HDBSCAN(cluster_selection_method=method).fit(X)
    assert 1 <= len(few.selected_clusters_) < len(many.selected_clusters_)


def test_centers_with_missing_rows(X):
    """scikit-learn HDBSCAN(store_centers=...) with a NaN row: IndexError, mask of wrong length."""
    X[17, 0] = np.nan
    model = HDBSCAN(store_centers="both").fit(X)
    assert np.isfinite(model.centroids_).all() and np.isfinite(model.medoids_).all()


def test_row_order_does_not_change_a_grid(rng):
    """hdbscan#265, hdbscan#241, scikit-learn#27829: a permuted grid clusters otherwise."""
    X = np.stack(np.meshgrid(range(20), range(20)), axis=-1).reshape(-1, 2).astype(float)
    X = X[rng.uniform(size=400) < 0.8]
    model = HDBSCAN(min_cluster_size=5, min_samples=3).fit(X)
    for _ in range(20):
        order = rng.permutation(len(X))
        np.testing.assert_array_equal(
            HDBSCAN(min_cluster_size=5, min_samples=3).fit(X[order]).labels_, model.labels_[order]
        )


def test_min_samples_counts_the_row_itself(X):
    """scikit-learn#27829, hdbscan#437: off by one between packages."""
    from sklearn.neighbors import NearestNeighbors

    model = HDBSCAN(min_samples=4).fit(X)
    nearest, _ = NearestNeighbors(n_neighbors=4).fit(X).kneighbors(X)
    np.testing.assert_allclose(model._search.core_distances, nearest[:, -1], rtol=1e-12)


def test_predict_agrees_with_labels_and_epsilon(X):
    """hdbscan#381, hdbscan#375, hdbscan#445: approximate_predict disagrees with labels_."""
    for epsilon in (0.0, 1.0, 3.0):
        model = HDBSCAN(cluster_selection_epsilon=epsilon).fit(X)
        np.testing.assert_array_equal(model.predict(X), model.labels_)
        assert set(model.predict(X + 0.05).tolist()) <= set(
            range(-1, len(model.selected_clusters_))
        )


def test_duplicates_give_finite_memberships_and_scores():
    """hdbscan#94, #295, #568, #53: 20 points, 10 copies each, made every membership NaN."""
    X = np.repeat(np.random.default_rng(0).normal(size=(20, 2)), 10, axis=0)
    model = HDBSCAN(min_cluster_size=10).fit(X)
    assert np.isfinite(model.transform(X)).all()
    assert np.isfinite(model.probabilities_).all()
    assert np.isfinite(model.outlier_scores_).all()
    assert np.isfinite(model.condensed_tree_.stability).all()
    assert np.isfinite(model.score(X))


def test_single_cluster_is_allowed_by_both_methods(rng):
    """hdbscan#476: "leaf" ignores allow_single_cluster; hdbscan#388, #484: KeyError, NaN after."""
    X = rng.normal(size=(100, 2))
    for method in ("eom", "leaf"):
        model = HDBSCAN(
            min_cluster_size=60, min_samples=5, allow_single_cluster=True,
            cluster_selection_method=method,
        ).fit(X)  # fmt: skip
        assert set(model.labels_.tolist()) <= {-1, 0} and (model.labels_ == 0).any()
        assert np.isfinite(model.transform(X)).all()
        assert model.score(X) == 0


def test_precomputed_matrix_is_left_alone(X):
    """scikit-learn#31907: the caller's matrix is overwritten."""
    D = np.sqrt(((X[:, None] - X) ** 2).sum(axis=-1))
    before = D.copy()
    HDBSCAN(metric="precomputed", copy=False).fit(D)
    np.testing.assert_array_equal(D, before)


def test_sparse_graph_that_is_not_connected(X):
    """hdbscan#82, #440: refused; here its parts join at infinity."""
    graph = sparse.block_diag([np.ones((10, 10)) - np.eye(10)] * 2, format="csr")
    with pytest.warns(UserWarning, match="2 components"):
        labels = HDBSCAN(metric="precomputed").fit(graph).labels_
    np.testing.assert_array_equal(labels, np.repeat([0, 1], 10))


def test_cosine_is_taken_by_every_algorithm(rng):
    """hdbscan#69, hdbscan#733, scikit-learn#28631."""
    directions = rng.normal(size=(3, 6))
    X = directions[np.arange(90) % 3] + rng.normal(scale=0.05, size=(90, 6))
    X *= rng.uniform(0.1, 10, size=(90, 1))
    for algorithm in ("auto", "brute"):
        model = HDBSCAN(metric="cosine", algorithm=algorithm).fit(X)
        assert adjusted_rand_score(model.labels_, np.arange(90) % 3) > 0.95
        np.testing.assert_array_equal(model.predict(X), model.labels_)


def test_zero_rows_have_no_direction(rng):
    X = np.vstack([rng.uniform(0.5, 1, size=(40, 3)), np.zeros((2, 3))])
    model = HDBSCAN(metric="cosine", allow_single_cluster=True).fit(X)
    assert model.labels_[-1] == -1
    with_direction = HDBSCAN(metric="cosine").fit(X[:-2])
    assert with_direction.predict(np.zeros((1, 3)))[0] == -1


def test_large_coordinates_in_float32():
    """fast_hdbscan#45: blobs shifted by 5e6 fell into 30 clusters."""
    from sklearn.datasets import make_blobs

    X, y = make_blobs(1000, 2, centers=3, cluster_std=3.0, center_box=(-200, 200), random_state=3)
    model = HDBSCAN(min_cluster_size=20).fit((X + 5e6).astype(np.float32))
    assert adjusted_rand_score(model.labels_, y) > 0.9


def test_whole_cluster_does_not_become_noise_beside_a_denser_one(rng):
    """fast_hdbscan#63."""
    X = np.vstack([rng.normal(size=(200, 2)) * 0.01, rng.normal(size=(200, 2)) + 20])
    labels = HDBSCAN(min_cluster_size=50).fit(X).labels_
    assert set(labels[:200].tolist()) - {-1} and set(labels[200:].tolist()) - {-1}
    assert np.mean(labels[200:] >= 0) > 0.5


def test_deep_trees_need_no_recursion():
    """hdbscan#414, hdbscan#149, fast_hdbscan#18: stack overflow in the tree walks."""
    # Gaps that shrink row by row, pairs at every level: the tree is as deep as it is long.
    x = np.cumsum(np.repeat(1.0 / np.arange(1, 20_001), 2) * np.tile([1.0, 1e-3], 20_000))
    model = HDBSCAN(min_cluster_size=2, min_samples=1, cluster_selection_method="leaf")
    model.fit(x[:, None])
    depth = np.zeros(len(model.condensed_tree_.parent), dtype=int)
    for c, parent in enumerate(model.condensed_tree_.parent[1:], start=1):
        depth[c] = depth[parent] + 1
    assert depth.max() > 10_000
    np.testing.assert_array_equal(model.predict(x[:, None]), model.labels_)
