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


def test_places_on_the_globe_do_not_need_all_pairs(rng):
    """hdbscan#345, #27, #248, #498, #212: millions of places with haversine take hours."""
    X = np.radians(rng.normal([48, 11], [3, 4], size=(30_000, 2)))
    model = HDBSCAN(20, metric="haversine").fit(X)
    # 30,000 rows as all pairs: 7 GB of distances. Here the sums of a tree on the sphere.
    assert model._search.use_index
    assert len(model.minimum_spanning_tree_.weights) == 29_999


def test_many_features_and_large_min_samples_end(rng):
    """hdbscan#100, #587, #167, #131, #645: stalls for 50 to 300 features and large min_samples."""
    centers = rng.normal(size=(6, 200)) * 3
    y = rng.integers(6, size=3000)
    X = centers[y] + rng.normal(size=(3000, 200))
    for min_samples in (5, 200):
        model = HDBSCAN(50, min_samples=min_samples).fit(X)
        assert adjusted_rand_score(y, model.labels_) > 0.95


def test_predict_is_a_method_that_assigns_and_never_clusters_again(X, rng):
    """hdbscan#57, and there is none in scikit-learn: new rows join the clusters that were found."""
    model = HDBSCAN().fit(X)
    dense = np.full((500, 2), 30.0) + rng.normal(scale=1e-3, size=(500, 2))
    assert set(model.predict(dense)) == {-1}


def test_min_samples_is_the_same_for_every_way_to_the_tree(X):
    """scikit-learn#28465, hdbscan#432, cuml#8545: core distances off by one for some algorithm."""
    from sklearn.metrics import pairwise_distances

    D = pairwise_distances(X)
    expected = np.sort(D, axis=1)[:, 6]
    for parameters, data in (
        ({}, X),
        ({"algorithm": "brute"}, X),
        ({"metric": "precomputed"}, D),
        ({"metric": "precomputed"}, sparse.csr_array(D)),
    ):
        model = HDBSCAN(min_samples=7, **parameters).fit(data)
        np.testing.assert_allclose(model.core_distances_, expected, rtol=1e-7)


def test_single_cluster_has_a_validity_and_memberships(rng):
    """hdbscan#370, #383, #417, #484: one allowed cluster gave KeyError or NaN afterwards."""
    X = rng.normal(size=(150, 2))
    model = HDBSCAN(30, allow_single_cluster=True).fit(X)
    assert model.labels_.max() == 0
    assert np.isfinite(model.transform(X)).all()
    assert np.isfinite(model.relative_validity_) and model.score(X) == 0
    assert len(model.exemplars_) == 1


def test_precomputed_matrix_with_infinite_distances_and_float32(X):
    """hdbscan#19, #439, scikit-learn#27893: infinite entries, other dtypes."""
    D = np.abs(X[:, :1] - X[:, 0])
    far = D.copy()
    near = HDBSCAN(metric="precomputed").fit(D.astype(np.float32))
    np.testing.assert_array_equal(near.labels_ >= -1, True)
    far[:30, 30:] = far[30:, :30] = np.inf  # two parts that nothing connects
    with pytest.warns(UserWarning, match="components only"):
        model = HDBSCAN(metric="precomputed").fit(far)
    assert np.isfinite(model.probabilities_).all()


def test_weights_of_rows_count(X, rng):
    """hdbscan#148, #213, PR#165 (since 2018): weights, as many equal rows."""
    weights = rng.integers(1, 4, size=len(X))
    weighted = HDBSCAN().fit(X, sample_weight=weights)
    repeated = HDBSCAN().fit(np.repeat(X, weights, axis=0))
    np.testing.assert_array_equal(np.repeat(weighted.labels_, weights), repeated.labels_)


def test_other_selections_reuse_the_spanning_tree(X, tmp_path):
    """hdbscan#682: fit again for another min_cluster_size without a new spanning tree."""
    model = HDBSCAN(5, min_samples=5).fit(X)
    other = model.recluster(min_cluster_size=12)
    assert other.minimum_spanning_tree_ is model.minimum_spanning_tree_
    kept = [HDBSCAN(size, min_samples=5, memory=str(tmp_path)).fit(X) for size in (5, 12)]
    np.testing.assert_array_equal(kept[0].labels_, model.labels_)
    np.testing.assert_array_equal(kept[1].labels_, other.labels_)


def test_float32_rows_stay_float32_in_the_index(rng):
    """hdbscan#108, scikit-learn PR#26888: float32 data are copied to float64."""
    X = blobs(rng, 500, 3).astype(np.float32)
    model = HDBSCAN().fit(X)
    assert model._search.rows.dtype == np.float32
    theirs = HDBSCAN().fit(X.astype(np.float64))
    assert adjusted_rand_score(model.labels_, theirs.labels_) > 0.99


def test_outlier_scores_look_below_the_own_cluster(rng):
    """hdbscan#628 (wrong until PR#697): the densest place below a cluster counts, not only its own."""
    X = np.concatenate([rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) * 0.05 + [4, 0]])
    model = HDBSCAN(20).fit(X)
    tree = model.condensed_tree_
    lowest = tree.row_level.min()
    in_root = tree.row_cluster == 0
    np.testing.assert_allclose(
        model.outlier_scores_[in_root], 1 - lowest / tree.row_level[in_root], rtol=1e-12
    )


def test_memberships_of_many_clusters_stay_sparse(rng):
    """cuml#6551, #4879: rows x clusters needs 90 GB where the nearest few are wanted."""
    centers = rng.uniform(-1000, 1000, size=(400, 2))
    X = np.repeat(centers, 10, axis=0) + rng.normal(size=(4000, 2))
    model = HDBSCAN(5).fit(X)
    assert len(model.selected_clusters_) > 300
    ours = model.membership(X, top_k=3)
    assert ours.nnz == 3 * len(X)
    inside = model.labels_ >= 0
    strongest = ours[np.flatnonzero(inside)].toarray().argmax(axis=1)
    np.testing.assert_array_equal(strongest, model.labels_[inside])


def test_grid_search_without_labels_or_splits(X):
    """scikit-learn#6154 (since 2016), #20773, #17631, #7859: clusterers cannot be tuned."""
    from sklearn.model_selection import GridSearchCV

    from sklearn_extra_ml.model_selection import NoSplit

    search = GridSearchCV(HDBSCAN(), {"min_cluster_size": [5, 15]}, cv=NoSplit()).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    np.testing.assert_array_equal(search.predict(X), search.best_estimator_.labels_)
