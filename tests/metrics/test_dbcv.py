"""dbcv_score against its definition, in high dimension, and where the definition is silent."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_moons

from reference.dbcv import dbcv
from reference.hdbscan import distances
from reference.hdbscan_data import blobs
from sklearn_extra_ml.metrics import dbcv_score


def labelled(rng, n, d):
    """Rows of four clusters, some of them noise."""
    X, labels = make_blobs(n, d, centers=4, random_state=rng.integers(2**31))
    labels[rng.uniform(size=n) < 0.15] = -1
    return X, labels


@pytest.mark.parametrize("d", [1, 2, 3, 10])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_score_equals_the_definition(d, metric, rng):
    X, labels = labelled(rng, 70, d)
    D = distances(X, metric)
    expected = dbcv(D, labels, d)
    assert dbcv_score(X, labels, metric=metric) == pytest.approx(expected, abs=1e-10)
    precomputed = dbcv_score(D, labels, metric="precomputed", n_features=d)
    assert precomputed == pytest.approx(expected, abs=1e-10)


def test_score_with_a_metric_of_scikit_learn_equals_the_definition(rng):
    X, labels = labelled(rng, 50, 3)
    expected = dbcv(distances(X), labels, 3)
    value = dbcv_score(X, labels, metric=lambda a, b: np.sqrt(np.sum((a - b) ** 2)))
    assert value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("d", [50, 400, 3000])
def test_score_in_high_dimension_is_finite_and_right(d, rng):
    """The formula overflows there: hdbscan#127, hdbscan#605."""
    X = rng.normal(size=(40, d))
    X[:20] += 3.0
    labels = np.repeat([0, 1], 20)
    for scale in (1e-150, 1.0, 1e150):
        assert dbcv_score(X * scale, labels) == pytest.approx(
            dbcv(distances(X), labels, d), abs=1e-9
        )


def test_float32_rows_score_as_float64_ones(rng):
    """hdbscan#592."""
    X = np.round(blobs(rng, 100, 3) * 64) / 64
    labels = np.arange(100) % 3
    assert dbcv_score(X.astype(np.float32), labels) == dbcv_score(X, labels)


def test_score_does_not_depend_on_row_order_label_names_or_threads(rng):
    X, labels = labelled(rng, 1500, 2)
    X = np.round(X, 1)  # ties
    score = dbcv_score(X, labels, n_jobs=1)
    names = np.array([7, 3, 100, 0, -4])
    for n_jobs in (2, 8):
        order = rng.permutation(len(X))
        assert dbcv_score(X[order], names[labels[order]], n_jobs=n_jobs) == score


def test_equal_rows_are_dense_not_undefined(rng):
    X = np.repeat([[0.0, 0], [5, 5], [5, 6]], [10, 10, 10], axis=0)
    labels = np.repeat([0, 1, 1], 10)
    assert dbcv_score(X, labels) == pytest.approx((1 + 2 * (1 - 1 / np.sqrt(50))) / 3)
    assert dbcv_score(np.zeros((10, 2)), np.arange(10) % 2) == 0


def test_score_is_a_number_where_the_paper_is_silent(rng):
    """hdbscan#484: not a number for a single cluster."""
    X = blobs(rng, 40, 2)
    assert dbcv_score(X, np.zeros(40, dtype=int)) == 0
    assert dbcv_score(X, np.full(40, -1)) == -1
    assert dbcv_score(X, np.arange(40)) == 0
    pair = np.where(np.arange(40) < 2, 0, np.where(np.arange(40) < 20, 1, -1))
    assert -1 <= dbcv_score(X, pair) <= 1
    one = np.where(np.arange(40) < 1, 0, 1)
    assert -1 <= dbcv_score(X, one) <= 1


def test_noise_lowers_the_score_by_its_share(rng):
    X, labels = labelled(rng, 80, 3)
    more = np.vstack([X, rng.normal(size=(20, 3))])
    expected = dbcv_score(X, labels) * 80 / 100
    score = dbcv_score(more, np.append(labels, np.full(20, -1)))
    assert score == pytest.approx(expected, rel=1e-12)


def test_moons_score_above_a_straight_cut():
    X, y = make_moons(300, noise=0.03, random_state=0)
    assert dbcv_score(X, y) > 0.2 > 0 > dbcv_score(X, (X[:, 0] > 0.5).astype(int))


def test_rows_that_are_not_finite_count_as_noise(rng):
    X, labels = labelled(rng, 60, 2)
    noise = np.flatnonzero(labels == -1)
    score = dbcv_score(X, labels)
    X[noise[0]], labels[noise[0]] = np.nan, -3
    X[noise[1]], labels[noise[1]] = np.inf, -2
    assert dbcv_score(X, labels) == score


def test_unreachable_distances_separate_completely(rng):
    D = np.full((20, 20), np.inf)
    for part in (slice(0, 10), slice(10, 20)):
        D[part, part] = distances(rng.normal(size=(10, 2)))
    labels = np.repeat([0, 1], 10)
    assert dbcv_score(D, labels, metric="precomputed", n_features=2) == 1.0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([[0.0], [np.nan]], [0, 0]), "Row 1 of X contains NaN or infinity"),
        (([[0.0], [1.0]], [0]), "inconsistent numbers of samples"),
        (([[0.0], [1.0]], [0.5, 1]), "not whole numbers"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        dbcv_score(*arguments)


def test_precomputed_distances_need_the_dimension(rng):
    with pytest.raises(ValueError, match="dimension of the space"):
        dbcv_score(np.zeros((3, 3)), [0, 0, 1], metric="precomputed")
    with pytest.raises(ValueError, match="shape"):
        dbcv_score(np.zeros((3, 2)), [0, 0, 1], metric="precomputed", n_features=2)
