"""Data whose squared distances leave the range of floating-point numbers: right, or refused in words."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, pairwise_distances

from sklearn_extra_ml._core._magnitudes import check_spread
from sklearn_extra_ml.cluster import DBSCAN, HDBSCAN, KMeans, kmeans_plusplus
from sklearn_extra_ml.manifold import TSNE
from sklearn_extra_ml.metrics import dbcv_score, energy_distance, rbf_mmd

REFUSED = "the squares of their differences (overflow|vanish) .* Change the unit of X"
CONTAINERS = pytest.mark.parametrize(
    "container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"]
)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(120, 3, centers=4, cluster_std=0.3, random_state=0)


@pytest.mark.parametrize("unit", [1e154, 1e160, 1e300, 1e-160, 1e-310])
@pytest.mark.parametrize(
    "use",
    [
        lambda X, y: KMeans(3, random_state=0).fit(X),
        lambda X, y: KMeans(3, random_state=0, algorithm="elkan").fit(sparse.csr_array(X)),
        lambda X, y: KMeans(3, random_state=0).partial_fit(X),
        lambda X, y: kmeans_plusplus(X, 3),
        lambda X, y: kmeans_plusplus(sparse.csr_array(X), 3),
        lambda X, y: DBSCAN(eps=float(np.ptp(X)) / 10).fit(X),
        lambda X, y: DBSCAN(eps=float(np.ptp(X)) / 10, algorithm="brute").fit(X),
        lambda X, y: HDBSCAN().fit(X),
        lambda X, y: HDBSCAN(algorithm="brute").fit(X),
        lambda X, y: HDBSCAN(metric="seuclidean").fit(X),
        lambda X, y: HDBSCAN().fit(sparse.csr_array(X)),
        lambda X, y: TSNE(perplexity=5).fit(X),
        lambda X, y: TSNE(perplexity=5, method="exact", init="random").fit(X),
        lambda X, y: dbcv_score(X, y),
        lambda X, y: energy_distance(X[::2], X[1::2]),
        lambda X, y: rbf_mmd(X[::2], X[1::2]),
    ],
)
def test_rows_whose_squared_distances_are_no_doubles_are_refused(blobs, unit, use):
    X, y = blobs
    with pytest.raises(ValueError, match=REFUSED):
        use(X * unit, y)


@pytest.mark.parametrize("unit", [1e-270, 1e160, 1e300])
def test_metrics_without_squares_take_rows_of_any_size(blobs, unit):
    X = blobs[0]
    for metric in ("manhattan", "chebyshev"):
        labels = HDBSCAN(metric=metric).fit_predict(X * unit)
        np.testing.assert_array_equal(labels, HDBSCAN(metric=metric).fit_predict(X))
        labels = DBSCAN(eps=unit, metric=metric).fit_predict(X * unit)
        np.testing.assert_array_equal(labels, DBSCAN(eps=1.0, metric=metric).fit_predict(X))
    labels = HDBSCAN(metric="cosine").fit_predict(X * unit)
    assert adjusted_rand_score(labels, HDBSCAN(metric="cosine").fit_predict(X)) > 0.95


def test_distances_of_hdbscan_below_the_smallest_are_refused(blobs):
    X = blobs[0] * 1e-310
    for model, data in (
        (HDBSCAN(metric="manhattan"), X),
        (HDBSCAN(metric="precomputed"), pairwise_distances(blobs[0]) * 1e-310),
    ):
        with pytest.raises(ValueError, match=r"longest distance .* more than 1e-280"):
            model.fit(data)
    assert HDBSCAN().fit(np.ones((20, 2))).labels_.tolist() == [-1] * 20


def test_powers_of_minkowski_are_what_must_fit():
    X = np.arange(40.0).reshape(20, 2) * 1e70
    for model in (
        HDBSCAN(metric="minkowski", metric_params={"p": 5}),
        DBSCAN(eps=1e71, metric="minkowski", p=5),
    ):
        with pytest.raises(ValueError, match=r"powers \(p=5\) of their differences overflow"):
            model.fit(X)
    assert HDBSCAN(metric="minkowski", metric_params={"p": 3}).fit(X).labels_.max() == -1


@pytest.mark.parametrize("eps", [1e-300, 1e300])
def test_any_eps_is_taken_where_the_rows_are_of_usual_size(blobs, eps):
    """Such an eps means equal rows, or all of them."""
    X = np.concatenate([blobs[0], blobs[0]])
    labels = DBSCAN(eps=eps, min_samples=2).fit_predict(X)
    assert labels.max() + 1 == (len(X) // 2 if eps < 1 else 1)


@pytest.mark.parametrize("exponent", [-140, -126, -80, 61, 70, 120])
@CONTAINERS
def test_k_means_of_float32_beyond_its_squares_is_computed_in_double(blobs, exponent, container):
    """Picometres in metres: 1e-24 squared is 0 in float32."""
    X = np.ldexp(blobs[0].astype(np.float32), exponent)
    weight = np.arange(len(X), dtype=np.float32) % 5 + 1
    narrow, wide = container(X), container(X.astype(np.float64))
    expected = KMeans(4, random_state=0).fit(wide, sample_weight=weight)
    fitted = KMeans(4, random_state=0).fit(narrow, sample_weight=weight)
    np.testing.assert_array_equal(fitted.labels_, expected.labels_)
    np.testing.assert_array_equal(fitted.predict(narrow), fitted.labels_)
    assert fitted.inertia_ == pytest.approx(expected.inertia_)
    assert fitted.transform(narrow).dtype == np.float32
    np.testing.assert_allclose(fitted.transform(narrow), expected.transform(wide), 1e-5, 2e-45)
    seeds = [kmeans_plusplus(rows, 4, random_state=0)[1] for rows in (narrow, wide)]
    np.testing.assert_array_equal(*seeds)


def test_k_means_of_float32_with_a_far_outlier_isolates_it(blobs):
    X = np.concatenate([blobs[0], [[3e19, 0, 0]]]).astype(np.float32)
    fitted = KMeans(2, random_state=0).fit(X)
    assert sorted(np.bincount(fitted.labels_)) == [1, len(X) - 1]
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)


def test_k_means_of_constant_float32_rows_stays_float32():
    X = np.full((20, 2), [0.1, 5.0], dtype=np.float32)
    for rows in (X, sparse.csr_array(X)):
        assert KMeans(1).fit(rows).cluster_centers_.dtype == np.float32
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        KMeans(2).fit(X)


def test_batch_of_k_means_too_far_from_the_centers_is_refused(blobs):
    model = KMeans(3, random_state=0).partial_fit(blobs[0].astype(np.float32))
    before = model.cluster_centers_.copy()
    with pytest.raises(ValueError, match=r"overflow in float32\. .*pass float64"):
        model.partial_fit(np.full((4, 3), 1e30, dtype=np.float32))
    np.testing.assert_array_equal(model.cluster_centers_, before)


@pytest.mark.parametrize("exponent", [-140, -90, 70, 120])
@pytest.mark.parametrize("algorithm", ["auto", "brute"])
def test_dbscan_of_float32_beyond_its_squares_equals_float64(blobs, exponent, algorithm):
    """scikit-learn's search by brute force compares infinities and zeros there."""
    X = np.ldexp(blobs[0].astype(np.float32), exponent)
    model = DBSCAN(eps=2.0**exponent, algorithm=algorithm)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = model.fit_predict(X)
    assert labels.max() >= 3
    np.testing.assert_array_equal(labels, model.fit_predict(X.astype(np.float64)))


@pytest.mark.parametrize("exponent", [-120, -90, 61, 64, 120])
@CONTAINERS
def test_tsne_of_float32_starts_at_its_components_in_any_unit(blobs, exponent, container):
    X, model = blobs[0].astype(np.float32), TSNE(perplexity=10, max_iter=1, random_state=0)
    expected = model.fit_transform(container(X))
    start = model.fit_transform(container(np.ldexp(X, exponent)))
    np.testing.assert_allclose(start, expected, rtol=1e-3, atol=1e-8)


def test_constant_column_of_any_size_does_not_matter(blobs):
    X = np.column_stack([blobs[0], np.full(len(blobs[0]), 1e200)])
    for model in (HDBSCAN(), KMeans(4, random_state=0), DBSCAN()):
        labels = model.fit_predict(X)
        assert adjusted_rand_score(labels, model.fit_predict(blobs[0])) == 1
    with pytest.raises(ValueError, match=r"from 1e\+200 to 1.1e\+200"):
        X[0, 3] = 1.1e200
        HDBSCAN().fit(X)


def test_spread_is_told_in_numbers():
    check_spread(-1e300, -1e300)
    check_spread(0.0, 1e153)
    with pytest.raises(ValueError, match=r"from -1e\+300 to 1e\+300: .*overflow.* 1e-154 to 1e154"):
        check_spread(-1e300, 1e300)
    with pytest.raises(ValueError, match=r"from 0 to 1e-200: .*vanish"):
        check_spread(0.0, 1e-200)


def test_new_rows_of_tsne_out_of_reach_are_refused(blobs):
    model = TSNE(perplexity=10, max_iter=50, random_state=0).fit(blobs[0])
    assert np.isfinite(model.transform(blobs[0][:2] + 1e100)).all()
    with pytest.raises(ValueError, match=REFUSED):
        model.transform(blobs[0][:2] + 1e200)


@pytest.mark.parametrize("algorithm", ["auto", "brute"])
@pytest.mark.parametrize("far", [1e100, 1e160, 1e300])
def test_new_rows_of_hdbscan_out_of_reach_are_noise(blobs, algorithm, far):
    model = HDBSCAN(algorithm=algorithm).fit(blobs[0])
    new = blobs[0][:2] + far
    assert model.predict(new).tolist() == [-1, -1]
    assert model.outlier_scores(new) == pytest.approx(1.0)
    assert model.transform(new).max() < 1e-50
    assert model.membership(new).max() < 1e-50


def test_new_rows_at_infinite_distance_of_a_callable_are_noise():
    def same_side(a, b):
        return np.abs(a - b).sum() if (a[0] < 50) == (b[0] < 50) else np.inf

    X, _ = make_blobs(60, 2, centers=[[0, 0], [9, 9]], cluster_std=0.5, random_state=0)
    model = HDBSCAN(metric=same_side).fit(X)
    assert model.labels_.max() == 1
    assert model.predict([[0.0, 0.0], [100.0, 0.0]])[1] == -1
