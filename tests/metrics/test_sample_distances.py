"""Distances of samples against closed forms, scipy, and the plain formula."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import cdist

from sklearn_extra_ml.metrics import _sample_distances as module
from sklearn_extra_ml.metrics import (
    coverage_score,
    distance_to_closest_record,
    energy_distance,
    rbf_mmd,
    sliced_wasserstein_distance,
)


@pytest.fixture
def samples(rng):
    return rng.normal(size=(70, 3)), rng.normal(0.5, 2.0, size=(90, 3))


def test_energy_distance_equals_scipy_in_one_dimension(rng):
    x, y = rng.normal(size=80), rng.exponential(size=50)
    expected = scipy.stats.energy_distance(x, y)
    assert energy_distance(x[:, None], y[:, None]) == pytest.approx(expected)


def test_energy_distance_equals_the_formula_in_any_block_size(samples, monkeypatch):
    X, Y = samples
    expected = np.sqrt(2 * cdist(X, Y).mean() - cdist(X, X).mean() - cdist(Y, Y).mean())
    assert energy_distance(X, Y) == pytest.approx(expected)
    monkeypatch.setattr(module, "_BLOCK", 200)
    assert energy_distance(X, Y) == pytest.approx(expected)
    assert energy_distance(X, X) == 0


@pytest.mark.parametrize("unbiased", [True, False])
def test_mmd_equals_the_formula(samples, unbiased):
    X, Y = samples

    def kernel(A, B):
        return np.exp(-0.3 * cdist(A, B, "sqeuclidean"))

    def within(A):
        k = kernel(A, A)
        return k[~np.eye(len(A), dtype=bool)].mean() if unbiased else k.mean()

    expected = within(X) + within(Y) - 2 * kernel(X, Y).mean()
    assert rbf_mmd(X, Y, gamma=0.3, unbiased=unbiased) == pytest.approx(expected)


def test_mmd_is_unbiased_for_equal_distributions(rng):
    values = [rbf_mmd(rng.normal(size=(60, 2)), rng.normal(size=(50, 2))) for _ in range(60)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60)


def test_mmd_takes_the_median_distance_for_its_scale(samples):
    X, Y = samples
    both = np.concatenate((X, Y))
    median = np.median(cdist(both, both)[np.triu_indices(len(both), 1)])
    assert rbf_mmd(X, Y) == pytest.approx(rbf_mmd(X, Y, gamma=0.5 / median**2))
    assert np.isfinite(rbf_mmd(np.zeros((5, 2)), np.zeros((6, 2))))


@pytest.mark.parametrize("p", [1, 2, 3])
def test_sliced_wasserstein_in_one_dimension_is_the_transport_of_quantiles(rng, p):
    x, y = rng.normal(size=12), rng.normal(size=18)
    # both samples repeated to a common number of rows
    expected = np.mean(np.abs(np.sort(np.repeat(x, 3)) - np.sort(np.repeat(y, 2))) ** p) ** (1 / p)
    found = sliced_wasserstein_distance(x[:, None], y[:, None], n_projections=3, p=p)
    assert found == pytest.approx(expected)
    if p == 1:
        assert found == pytest.approx(scipy.stats.wasserstein_distance(x, y))


def test_sliced_wasserstein_of_a_shift_is_its_mean_projection(rng, monkeypatch):
    X = rng.normal(size=(40, 3))
    shift = np.array([3.0, 0.0, 4.0])
    found = sliced_wasserstein_distance(X, X + shift, n_projections=20_000)
    assert found == pytest.approx(5 / np.sqrt(3), rel=0.02)
    monkeypatch.setattr(module, "_BLOCK", 400)
    again = sliced_wasserstein_distance(X, X + shift, n_projections=20_000)
    assert again == pytest.approx(found)


def test_coverage_equals_the_definition(rng):
    real, fake = rng.normal(size=(50, 2)), rng.normal(size=(40, 2))
    radius = np.sort(cdist(real, real), axis=1)[:, 4]
    expected = (cdist(real, fake).min(axis=1) < radius).mean()
    assert coverage_score(real, fake, n_neighbors=4) == expected


def test_default_neighbors_cover_95_percent_of_the_same_distribution(rng):
    scores = [
        coverage_score(rng.normal(size=(200, 2)), rng.normal(size=(100, 2))) for _ in range(20)
    ]
    assert 0.94 < np.mean(scores) < 0.985
    one_mode = np.abs(rng.normal(size=(200, 2)))
    assert coverage_score(rng.normal(size=(200, 2)), one_mode) < 0.6


def test_coverage_of_rows_that_many_equal_counts_equal_rows(rng):
    # a radius of 0: no generated row is nearer than that, an equal one is as near
    real, fake = (rng.integers(3, size=(400, 2)).astype(float) for _ in range(2))
    assert coverage_score(real, fake) == 1.0
    without = fake[fake[:, 0] > 0]
    assert coverage_score(real, without) == np.mean(real[:, 0] > 0)


def test_closest_records_tell_copies_from_new_rows(rng):
    train, holdout, new = (rng.normal(size=(200, 3)) for _ in range(3))
    records = distance_to_closest_record(train, new, X_holdout=holdout)
    np.testing.assert_allclose(records.to_train, cdist(new, train).min(axis=1))
    np.testing.assert_allclose(records.to_holdout, cdist(new, holdout).min(axis=1))
    assert abs(records.share_nearer_train - 0.5) < 0.15
    assert distance_to_closest_record(train, train, X_holdout=holdout).share_nearer_train == 1
    assert np.isnan(distance_to_closest_record(train, new).share_nearer_train)


def test_closest_records_compare_equally_many_rows(rng):
    train, holdout, new = (rng.normal(size=(n, 2)) for n in (2000, 100, 400))
    share = distance_to_closest_record(train, new, X_holdout=holdout).share_nearer_train
    assert 0.35 < share < 0.65  # 0.95 if all 2,000 took part
    same = np.ones((10, 2))
    assert distance_to_closest_record(same, same, X_holdout=same).share_nearer_train == 0.5


@pytest.mark.parametrize("function", [energy_distance, rbf_mmd, sliced_wasserstein_distance])
def test_bad_samples_are_refused(function):
    with pytest.raises(ValueError, match="X has 2 features, but Y has 3"):
        function(np.ones((3, 2)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="contains NaN"):
        function(np.full((3, 2), np.nan), np.ones((3, 2)))


def test_too_few_rows_are_refused():
    one, two = np.ones((1, 2)), np.ones((2, 2))
    with pytest.raises(ValueError, match="at least 2"):
        rbf_mmd(one, two)
    with pytest.raises(ValueError, match="at least 2"):
        coverage_score(one, two)
    with pytest.raises(ValueError, match="`n_neighbors`=2 is not below"):
        coverage_score(two, two, n_neighbors=2)


def test_metrics_do_not_import_torch():
    code = "import sys, sklearn_extra_ml.metrics; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
