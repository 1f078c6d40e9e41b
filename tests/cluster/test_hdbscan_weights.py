"""HDBSCAN with sample weights: a weight of w is w equal rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import pairwise_distances

from reference.hdbscan import distances
from reference.hdbscan_data import KINDS, SETTINGS, blobs, make
from sklearn_extra_ml.cluster import HDBSCAN
from sklearn_extra_ml.cluster._row_weights import summable

WAYS = [
    {},
    {"algorithm": "brute"},
    {"metric": "manhattan"},
    {"metric": "cosine"},
    {"metric": "canberra"},
    {"alpha": 1.7},
]


def assert_same(weighted, repeated, first, weights):
    """`first` is the index of the first copy of each row of positive weight."""
    there = weights > 0
    for name in ("labels_", "probabilities_", "outlier_scores_", "core_distances_"):
        ours, theirs = getattr(weighted, name)[there], getattr(repeated, name)[first]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(
        weighted.cluster_persistence_, repeated.cluster_persistence_, rtol=1e-9
    )
    a, b = weighted.condensed_tree_, repeated.condensed_tree_
    np.testing.assert_array_equal(a.parent, b.parent)
    np.testing.assert_array_equal(a.size, b.size)
    for name in ("birth", "death", "stability"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, err_msg=name)


def repeat(X, weights):
    ends = np.cumsum(weights)
    return np.repeat(X, weights, axis=0), (ends - weights)[weights > 0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("largest", [3, 9])
def test_integer_weights_equal_repeated_rows(kind, setting, largest, rng):
    X = make(kind, 90, 2, rng.integers(2**31))
    weights = rng.integers(0, largest + 1, size=90)
    many, first = repeat(X, weights)
    weighted = HDBSCAN(**setting).fit(X, sample_weight=weights)
    repeated = HDBSCAN(**setting).fit(many)
    assert_same(weighted, repeated, first, weights)
    np.testing.assert_array_equal(weighted.predict(X), weighted.labels_)
    np.testing.assert_array_equal(weighted.predict(X + 0.1), repeated.predict(X + 0.1))
    np.testing.assert_allclose(weighted.transform(X + 0.1), repeated.transform(X + 0.1), rtol=1e-9)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_integer_weights_equal_repeated_rows_on_every_way(way, rng, dtype):
    X = (np.abs(blobs(rng, 150, 3)) + 0.1).astype(dtype)
    weights = rng.integers(0, 6, size=150)
    many, first = repeat(X, weights)
    weighted = HDBSCAN(**way).fit(X, sample_weight=weights)
    repeated = HDBSCAN(**way).fit(many)
    np.testing.assert_array_equal(weighted.labels_[weights > 0], repeated.labels_[first])
    np.testing.assert_allclose(
        weighted.core_distances_[weights > 0],
        repeated.core_distances_[first],
        rtol=1e-12 if dtype == np.float64 else 1e-5,
        atol=1e-12 if dtype == np.float64 else 1e-6,
    )


@pytest.mark.parametrize("kind", ["dense", "graph"])
def test_integer_weights_of_precomputed_distances_equal_repeated_rows(kind, rng):
    X = blobs(rng, 100, 2)
    weights = rng.integers(1, 6, size=100)
    many, first = repeat(X, weights)
    make_distances = distances if kind == "dense" else lambda X: stored_distances(distances(X))
    weighted = HDBSCAN(metric="precomputed").fit(make_distances(X), sample_weight=weights)
    repeated = HDBSCAN(metric="precomputed").fit(make_distances(many))
    np.testing.assert_allclose(weighted.core_distances_, repeated.core_distances_[first])
    # Clusters of a matrix are numbered by the lowest index: copies do not change that order.
    np.testing.assert_array_equal(weighted.labels_, repeated.labels_[first])


def stored_distances(D):
    """All distances as a sparse graph in which zeros between copies are stored."""
    n = len(D)
    rows, columns = np.nonzero(~np.eye(n, dtype=bool))
    return sparse.coo_array((D[rows, columns], (rows, columns)), shape=(n, n))


def test_infinite_and_missing_rows_with_weights_keep_their_labels(rng):
    X = blobs(rng, 100, 2)
    X[4, 0], X[7, 1], X[9, 0] = np.inf, np.nan, np.nan
    weights = rng.integers(0, 3, size=100)
    weights[[4, 7, 9]] = 2, 0, 1
    model = HDBSCAN().fit(X, sample_weight=weights)
    assert model.labels_[[4, 7, 9]].tolist() == [-2, -3, -3]
    many, first = repeat(X, weights)
    repeated = HDBSCAN().fit(many)
    np.testing.assert_array_equal(model.labels_[weights > 0], repeated.labels_[first])


def test_rows_without_weight_get_what_predict_says(rng):
    X = blobs(rng, 200, 2)
    weights = (rng.uniform(size=200) < 0.6).astype(float)
    model = HDBSCAN().fit(X, sample_weight=weights)
    fresh = HDBSCAN().fit(X[weights > 0])
    np.testing.assert_array_equal(model.labels_, fresh.predict(X))
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    np.testing.assert_array_equal(model.outlier_scores_, fresh.outlier_scores(X))
    other = model.recluster(min_cluster_size=15)
    np.testing.assert_array_equal(
        other.labels_, HDBSCAN(15, min_samples=5).fit(X[weights > 0]).predict(X)
    )
    assert np.all(model.dbscan_clustering(1.0)[weights == 0] == -1)


def test_one_heavy_row_is_a_cluster_of_its_own():
    X = np.array([[0.0], [0.1], [0.2], [9.0], [20.0], [20.1], [20.2]])
    model = HDBSCAN(min_cluster_size=3, min_samples=2).fit(X, sample_weight=[1, 1, 1, 4, 1, 1, 1])
    assert model.labels_.tolist() == [0, 0, 0, 1, 2, 2, 2]
    assert model.condensed_tree_.size[0] == 10
    assert model.dbscan_clustering(1.0, 3).tolist() == [0, 0, 0, 1, 2, 2, 2]


def test_fractions_of_weights_scale_with_the_thresholds(rng):
    X = blobs(rng, 150, 2)
    weights = rng.integers(1, 5, size=150)
    whole = HDBSCAN(min_cluster_size=20, min_samples=10).fit(X, sample_weight=weights)
    tenth = HDBSCAN(min_cluster_size=2, min_samples=1).fit(X, sample_weight=weights / 10)
    np.testing.assert_array_equal(tenth.labels_, whole.labels_)
    np.testing.assert_array_equal(tenth.core_distances_, whole.core_distances_)


@given(st.lists(st.floats(0, 1e12) | st.sampled_from([0.1, 1 / 3, 1e-9]), min_size=1, max_size=50))
@settings(max_examples=200, deadline=None)
def test_sums_of_summable_weights_do_not_depend_on_their_order(weights):
    weights = np.array(weights)
    if not weights.any():
        return
    ours = summable(weights)
    assert np.array_equal(ours > 0, weights > 0)
    rng = np.random.default_rng(0)
    sums = {float(np.cumsum(rng.permutation(ours))[-1]) for _ in range(20)}
    assert len(sums) == 1
    assert sums.pop() == pytest.approx(weights.sum(), rel=1e-12)


def test_row_order_does_not_matter_with_weights(rng):
    X = np.round(blobs(rng, 200, 2), 1)
    weights = rng.choice([0.0, 0.1, 0.5, 1 / 3, 2.0], size=200)
    model = HDBSCAN(min_cluster_size=3).fit(X, sample_weight=weights)
    for n_jobs in (1, 2, 8):
        order = rng.permutation(200)
        other = HDBSCAN(min_cluster_size=3, n_jobs=n_jobs).fit(
            X[order], sample_weight=weights[order]
        )
        np.testing.assert_array_equal(other.labels_, model.labels_[order])
        np.testing.assert_array_equal(other.probabilities_, model.probabilities_[order])
        np.testing.assert_array_equal(other.condensed_tree_.size, model.condensed_tree_.size)


def test_centers_are_weighted_by_sample_weight_too(rng):
    X = blobs(rng, 120, 2)
    weights = rng.integers(1, 5, size=120)
    many, _ = repeat(X, weights)
    weighted = HDBSCAN(store_centers="both").fit(X, sample_weight=weights)
    repeated = HDBSCAN(store_centers="both").fit(many)
    np.testing.assert_allclose(weighted.centroids_, repeated.centroids_)
    np.testing.assert_allclose(weighted.medoids_, repeated.medoids_)


def test_equal_weights_of_one_change_nothing(rng):
    X = blobs(rng, 120, 2)
    np.testing.assert_array_equal(
        HDBSCAN().fit_predict(X, sample_weight=np.ones(120)), HDBSCAN().fit_predict(X)
    )


@pytest.mark.parametrize(
    "weights, message",
    [
        (np.zeros(60), "zero"),
        (-np.ones(60), "[Nn]egative"),
        (np.full(60, np.nan), "NaN"),
        (np.ones(59), "sample_weight"),
        (np.full(60, 0.05), "larger than the sum of `sample_weight`, 3"),
    ],
    ids=["zero", "negative", "missing", "short", "light"],
)
def test_bad_weights_are_refused(weights, message, rng):
    with pytest.raises(ValueError, match=message):
        HDBSCAN().fit(blobs(rng, 60, 2), sample_weight=weights)


def test_zero_weights_of_precomputed_distances_are_refused(rng):
    D = pairwise_distances(blobs(rng, 60, 2))
    with pytest.raises(ValueError, match="cannot be placed after the fit"):
        HDBSCAN(metric="precomputed").fit(D, sample_weight=np.arange(60))
