"""Fréchet distance against closed forms, a square root of matrices, and what FID is known for."""

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from reference.digits import digit_features, feature_network, split_digits
from sklearn_extra_ml.metrics import frechet_distance


def rows_with(rng, mean, cov, n=200):
    """Return rows whose mean and covariance are exactly these."""
    white = rng.normal(size=(n, len(mean)))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(white.T))).T)
    return white @ np.linalg.cholesky(cov).T + mean


def random_covariance(rng, d):
    A = rng.normal(size=(d, d))
    return A @ A.T + 0.1 * np.eye(d)


def test_distance_of_gaussians_in_one_dimension_is_the_closed_form(rng):
    X, Y = rows_with(rng, [1.0], np.array([[4.0]])), rows_with(rng, [-2.0], np.array([[0.25]]))
    assert frechet_distance(X, Y) == pytest.approx((1 + 2) ** 2 + (2 - 0.5) ** 2)


def test_distance_of_covariances_with_common_axes_is_the_closed_form(rng):
    axes, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    a, b = rng.uniform(0.1, 3, size=(2, 4))
    shift = rng.normal(size=4)
    X = rows_with(rng, shift, axes @ np.diag(a**2) @ axes.T)
    Y = rows_with(rng, np.zeros(4), axes @ np.diag(b**2) @ axes.T)
    expected = shift @ shift + np.sum((a - b) ** 2)
    assert frechet_distance(X, Y) == pytest.approx(expected)


@pytest.mark.parametrize("d", [2, 7, 30])
def test_distance_equals_the_formula_with_a_square_root_of_matrices(rng, d):
    X = rng.normal(size=(120, d)) @ random_covariance(rng, d)
    Y = rng.normal(size=(90, d)) @ random_covariance(rng, d) + 1
    cov_x, cov_y = np.cov(X.T), np.cov(Y.T)
    shift = X.mean(axis=0) - Y.mean(axis=0)
    root = scipy.linalg.sqrtm(cov_x @ cov_y)
    expected = shift @ shift + np.trace(cov_x + cov_y - 2 * root.real)
    assert frechet_distance(X, Y) == pytest.approx(expected, rel=1e-7)


def test_distance_is_symmetric_and_does_not_see_the_order_of_rows_or_an_offset(rng):
    X, Y = rng.normal(size=(60, 5)), rng.gamma(2.0, size=(80, 5))
    distance = frechet_distance(X, Y)
    assert frechet_distance(Y, X) == pytest.approx(distance)
    assert frechet_distance(rng.permutation(X), np.asfortranarray(Y)) == pytest.approx(distance)
    assert frechet_distance(X + 1e6, Y + 1e6) == pytest.approx(distance, rel=1e-6)
    assert frechet_distance(3 * X, 3 * Y) == pytest.approx(9 * distance)


def test_fewer_rows_than_features_give_a_real_distance(rng):
    # the product of singular covariances is where the usual square root turns complex or negative
    X, Y = rng.normal(size=(5, 40)), rng.normal(size=(7, 40))
    cov_x, cov_y = np.cov(X.T), np.cov(Y.T)
    values, vectors = np.linalg.eigh(cov_x)
    half = vectors * np.sqrt(values.clip(0)) @ vectors.T
    root = np.sqrt(np.linalg.eigvalsh(half @ cov_y @ half).clip(0)).sum()
    shift = X.mean(axis=0) - Y.mean(axis=0)
    expected = shift @ shift + np.trace(cov_x) + np.trace(cov_y) - 2 * root
    assert frechet_distance(X, Y) == pytest.approx(expected, rel=1e-5)
    constant = np.ones((3, 4))
    assert frechet_distance(constant, constant + 2) == 16


def test_equal_samples_are_at_zero_but_for_rounding(rng):
    X = rng.normal(size=(50, 6)) * np.logspace(-8, 3, 6)
    assert 0 <= frechet_distance(X, X[::-1]) < 1e-12 * np.var(X, axis=0).sum()


def test_samples_are_not_written_to_and_may_be_float32(rng):
    X, Y = rng.normal(size=(2, 40, 3)).astype(np.float32)
    expected = frechet_distance(X.astype(np.float64), Y.astype(np.float64))
    before = X.copy()
    X.flags.writeable = False
    assert frechet_distance(X, Y) == expected
    np.testing.assert_array_equal(X, before)


def test_features_come_from_a_callable_or_a_transformer(rng):
    X, Y = rng.normal(size=(60, 4)), rng.normal(0.5, 2, size=(50, 4))
    pca = PCA(2).fit(X)
    expected = frechet_distance(pca.transform(X), pca.transform(Y))
    assert frechet_distance(X, Y, feature_extractor=pca) == expected
    assert frechet_distance(X, Y, feature_extractor=pca.transform) == expected
    images = [sample.reshape(-1, 1, 2, 2) for sample in (X, Y)]
    found = frechet_distance(*images, feature_extractor=lambda image: image[:, 0].reshape(-1, 4))
    assert found == frechet_distance(X, Y)
    frames = [pd.DataFrame(sample, columns=list("abcd")) for sample in (X, Y)]
    scaler = StandardScaler().fit(frames[0]).set_output(transform="pandas")
    expected = frechet_distance(*(scaler.transform(frame).to_numpy() for frame in frames))
    assert frechet_distance(*frames, feature_extractor=scaler) == pytest.approx(expected)


def test_bad_samples_are_refused(rng):
    X = rng.normal(size=(10, 3))
    with pytest.raises(ValueError, match="Y has one row, hence no covariance"):
        frechet_distance(X, X[:1])
    with pytest.raises(ValueError, match="X has 3 features, but Y has 2"):
        frechet_distance(X, X[:, :2])
    with pytest.raises(ValueError, match="Input Y contains NaN"):
        frechet_distance(X, np.where(X > 1e9, X, np.nan))
    with pytest.raises(ValueError, match="the features of X contains infinity"):
        frechet_distance(X, X, feature_extractor=lambda rows: 0 * rows + np.inf)
    with pytest.raises(NotFittedError):
        frechet_distance(X, X, feature_extractor=PCA(2))
    with pytest.raises(ValueError, match="'feature_extractor' parameter"):
        frechet_distance(X, X, feature_extractor="inception")


def test_features_of_the_frozen_network_are_its_hidden_layer():
    X = split_digits()[1]
    network = feature_network()
    logits = digit_features(X) @ network.coefs_[1] + network.intercepts_[1]
    np.testing.assert_array_equal(logits.argmax(axis=1), network.predict(X / 16))


def test_distance_of_digits_ranks_generators_as_it_should():
    train, test, y, _ = split_digits()

    def distance(X):
        return frechet_distance(X, test, feature_extractor=digit_features)

    def kernel_density(bandwidth):
        drawn = [
            KernelDensity(bandwidth=bandwidth).fit(train[y == k]).sample(200, random_state=k)
            for k in range(10)
        ]
        return np.concatenate(drawn).clip(0, 16)

    assert distance(train) == pytest.approx(0.150, abs=0.005)
    assert distance(kernel_density(1.0)) == pytest.approx(0.295, abs=0.01)
    assert distance(kernel_density(2.5)) == pytest.approx(0.934, abs=0.03)
    # mistakes that pixels alone hardly show: one class is missing, all digits are blurred
    assert distance(train[y != 3]) > 0.3
    assert distance((train + np.roll(train, 1, axis=1)) / 2) > 3 * distance(kernel_density(2.5))
