"""The Gaussian core: statistics, merging, densities, against two plain passes and scipy."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import gaussian as reference
from sklearn_extra_ml._core._gaussian import COVARIANCES, affine_map
from sklearn_extra_ml._core._gaussian_statistics import Statistics

KINDS = pytest.mark.parametrize("kind", COVARIANCES)
SHAPES = pytest.mark.parametrize("n, d, K", [(1000, 3, 4), (9001, 7, 5), (300, 70, 3), (257, 1, 2)])


def rows(rng, n, d, offset=0.0):
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d) + offset


def soft(rng, n, K):
    shares = rng.dirichlet(np.ones(K), n)
    shares[shares < 0.05] = 0.0
    return shares


def dense_covariances(gaussian):
    """Covariance matrices of the components, (K, d, d)."""
    K, d = gaussian.means.shape
    C = gaussian.covariances
    if gaussian.kind in ("full", "tied"):
        return np.broadcast_to(C, (K, d, d))
    variances = np.broadcast_to(C[:, None] if gaussian.kind == "spherical" else C, (K, d))
    return variances[:, :, None] * np.eye(d)


def assert_same(found, expected, rtol=1e-12):
    np.testing.assert_allclose(found.weights, expected.weights, rtol=rtol)
    np.testing.assert_allclose(found.means, expected.means, rtol=rtol, atol=rtol)
    scale = np.abs(expected.scatter).max()
    np.testing.assert_allclose(found.scatter, expected.scatter, rtol=rtol, atol=rtol * scale)


@KINDS
@SHAPES
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("assignment", ["hard", "soft"])
def test_statistics_equal_two_passes(kind, n, d, K, weighted, assignment, dtype, rng):
    X = rows(rng, n, d).astype(dtype)
    weight = np.where(rng.uniform(size=n) < 0.1, 0.0, rng.uniform(size=n)) if weighted else None
    if assignment == "hard":
        given_as = rng.integers(-1, K, n)  # -1: of no component
        shares = np.eye(K + 1)[given_as][:, :K]
    else:
        given_as = shares = soft(rng, n, K)
    found = COVARIANCES[kind].accumulate(X, given_as, n_components=K, sample_weight=weight)
    weights, means, scatter = reference.statistics(
        X, shares if weight is None else shares * weight[:, None]
    )
    expected = Statistics(weights, means, reference.REDUCED[kind](scatter))
    assert_same(found, expected, rtol=1e-11)
    assert all(part.dtype == np.float64 for part in found)


@KINDS
@pytest.mark.parametrize("assignment", ["hard", "soft"])
def test_statistics_have_the_same_bits_for_any_number_of_threads(kind, assignment, dtype, rng):
    X = rows(rng, 30_000, 6).astype(dtype)
    given_as = rng.integers(0, 3, 30_000) if assignment == "hard" else soft(rng, 30_000, 3)
    family = COVARIANCES[kind]
    one, many = (family.accumulate(X, given_as, n_threads=t) for t in (1, 5))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)
    gaussian = family.maximise(one)
    np.testing.assert_array_equal(
        gaussian.log_density(X, n_threads=1), gaussian.log_density(X, n_threads=5)
    )


@KINDS
@given(cuts=st.lists(st.integers(0, 600), max_size=4), seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_merged_parts_equal_the_whole(kind, cuts, seed):
    rng = np.random.default_rng(seed)
    X, codes = rows(rng, 600, 4), rng.integers(0, 3, 600)
    family, edges = COVARIANCES[kind], [0, *sorted(cuts), 600]
    merged = family.zeros(3, 4)
    for start, stop in pairwise(edges):
        part = family.accumulate(X[start:stop], codes[start:stop], n_components=3)
        merged = family.merge(merged, part)
    assert_same(merged, family.accumulate(X, codes, n_components=3))


@KINDS
def test_merge_changes_neither_of_its_arguments(kind, rng):
    family = COVARIANCES[kind]
    first, second = (
        family.accumulate(rows(rng, 50, 3), rng.integers(0, 2, 50), n_components=2) for _ in "ab"
    )
    before = [part.copy() for part in (*first, *second)]
    family.merge(first, second)
    for part, copy in zip((*first, *second), before, strict=True):
        np.testing.assert_array_equal(part, copy)


@KINDS
def test_weights_equal_repeated_rows(kind, rng):
    X, codes = rows(rng, 700, 5), rng.integers(0, 3, 700)
    times = rng.integers(0, 4, 700)
    family = COVARIANCES[kind]
    weighted = family.accumulate(X, codes, sample_weight=times)
    repeated = family.accumulate(np.repeat(X, times, axis=0), np.repeat(codes, times))
    assert_same(weighted, repeated)


@KINDS
@pytest.mark.parametrize("assignment", ["hard", "soft"])
def test_scatter_loses_nothing_far_from_zero(kind, assignment, rng):
    # E[x^2] - E[x]^2 would keep no digit: the offset is 1e8 standard deviations.
    exact = rng.integers(-3, 4, size=(5000, 3)).astype(np.float64)
    codes = rng.integers(0, 2, 5000)
    given_as = codes if assignment == "hard" else np.eye(2)[codes]
    family = COVARIANCES[kind]
    near, far = (family.accumulate(exact + offset, given_as) for offset in (0.0, 1e8))
    np.testing.assert_allclose(far.scatter, near.scatter, rtol=1e-7, atol=1e-4)


def test_one_far_row_does_not_blur_the_others(rng):
    X = 1e-6 * rng.normal(size=(4000, 2))
    codes = np.zeros(4000, int)
    X[0], codes[0] = 1e8, 1
    found = COVARIANCES["full"].accumulate(X, codes)
    expected = (X[1:] - X[1:].mean(axis=0)).T @ (X[1:] - X[1:].mean(axis=0))
    np.testing.assert_allclose(found.scatter[0], expected, rtol=1e-10, atol=1e-20)


@KINDS
@SHAPES
def test_log_density_equals_scipy(kind, n, d, K, dtype, rng):
    X, codes = rows(rng, n, d).astype(dtype), rng.integers(0, K, n)
    family = COVARIANCES[kind]
    gaussian = family.maximise(family.accumulate(X, codes, n_components=K), reg_covar=1e-3)
    expected = reference.log_density(X[:300], gaussian.means, dense_covariances(gaussian))
    np.testing.assert_allclose(gaussian.log_density(X[:300]), expected, rtol=1e-9, atol=1e-7)


@KINDS
def test_maximum_likelihood_equals_the_definition(kind, rng):
    X, codes = rows(rng, 500, 4), rng.integers(0, 3, 500)
    family = COVARIANCES[kind]
    gaussian = family.maximise(family.accumulate(X, codes))
    weights, _, scatter = reference.statistics(X, np.eye(3)[codes])
    np.testing.assert_allclose(
        dense_covariances(gaussian),
        reference.covariances(kind, weights, scatter),
        rtol=1e-10,
        atol=1e-10,
    )


@KINDS
def test_density_integrates_to_one(kind):
    gaussian = COVARIANCES[kind](
        [[0.2, -0.1]],
        {
            "full": [[[1.0, 0.3], [0.3, 0.5]]],
            "tied": [[1.0, 0.3], [0.3, 0.5]],
            "diag": [[1.0, 0.5]],
            "tied_diag": [1.0, 0.5],
            "spherical": [0.8],
        }[kind],
    )
    axis = np.linspace(-8, 8, 161)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    total = np.exp(gaussian.log_density(grid)).sum() * (axis[1] - axis[0]) ** 2
    np.testing.assert_allclose(total, 1.0, rtol=1e-6)


@KINDS
def test_sample_has_the_moments_of_its_component(kind, rng):
    X, codes = rows(rng, 400, 3), rng.integers(0, 2, 400)
    family = COVARIANCES[kind]
    gaussian = family.maximise(family.accumulate(X, codes))
    drawn = gaussian.sample(np.repeat([0, 1], 40_000), rng)
    for k, part in enumerate((drawn[:40_000], drawn[40_000:])):
        C = dense_covariances(gaussian)[k]
        spread = np.sqrt(np.diag(C))
        error = (part.mean(axis=0) - gaussian.means[k]) / spread * np.sqrt(40_000)
        assert np.abs(error).max() < 5
        np.testing.assert_allclose(
            np.cov(part.T) / np.outer(spread, spread), C / np.outer(spread, spread), atol=0.03
        )


@pytest.mark.parametrize(
    "kind, n_covariance",
    [("full", 18), ("tied", 6), ("diag", 9), ("tied_diag", 3), ("spherical", 3)],
)
def test_number_of_parameters_is_that_of_the_model(kind, n_covariance, rng):
    family = COVARIANCES[kind]
    gaussian = family.maximise(family.accumulate(rows(rng, 90, 3), np.arange(90) % 3))
    assert gaussian.n_parameters == 9 + n_covariance
    assert (gaussian.n_components, gaussian.n_features) == (3, 3)


@KINDS
def test_component_without_weight_takes_the_fallback(kind, rng):
    family = COVARIANCES[kind]
    X = rows(rng, 60, 2)
    old = family.maximise(family.accumulate(X, np.arange(60) % 3))
    statistics = family.accumulate(X, np.arange(60) % 2, n_components=3)
    new = family.maximise(statistics, fallback=old)
    np.testing.assert_array_equal(new.means[2], old.means[2])
    if not kind.startswith("tied"):
        np.testing.assert_array_equal(new.covariances[2], old.covariances[2])
    alone = family.maximise(statistics)
    np.testing.assert_allclose(alone.means[2], X.mean(axis=0))
    assert np.isfinite(alone.log_density(X)).all()


@KINDS
def test_no_weight_at_all_is_refused(kind):
    family = COVARIANCES[kind]
    with pytest.raises(ValueError, match="nothing to estimate"):
        family.maximise(family.zeros(2, 3))


@KINDS
def test_singular_covariance_with_a_floor_gives_finite_densities(kind, rng):
    X = rows(rng, 40, 3)
    X = np.column_stack([X, X[:, 0] + X[:, 1], np.full(40, 0.7)])  # collinear, constant
    family = COVARIANCES[kind]
    gaussian = family.maximise(family.accumulate(X, np.arange(40) % 2))
    assert np.isfinite(gaussian.log_density(X)).all()
    assert (gaussian.ranks == 5).all()
    # Off the subspace the density falls off.
    assert (gaussian.log_density(X[:1] + np.eye(5)[4]) < gaussian.log_density(X[:1])).all()


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_singular_covariance_dropped_is_the_density_on_its_subspace(kind, rng):
    Z = rows(rng, 200, 2)
    basis, _ = np.linalg.qr(rng.normal(size=(4, 2)))
    codes = np.zeros(200, int)
    family = COVARIANCES[kind]
    plane = family.maximise(family.accumulate(Z, codes))
    within = family.maximise(family.accumulate(Z @ basis.T, codes))
    within = family(within.means, within.covariances, singular="drop", tol=1e-8)
    assert within.ranks.tolist() == [2]
    np.testing.assert_allclose(
        within.log_density(Z @ basis.T), plane.log_density(Z), rtol=1e-7, atol=1e-7
    )


@KINDS
def test_all_rows_equal_give_finite_densities(kind):
    family = COVARIANCES[kind]
    X = np.full((10, 2), 0.3)
    gaussian = family.maximise(family.accumulate(X, np.zeros(10, int)))
    assert np.isfinite(gaussian.log_density(np.vstack([X, X + 1]))).all()


@KINDS
def test_densities_do_not_depend_on_the_units_of_columns(kind, rng):
    if kind == "spherical":
        scale = np.full(3, 1e7)
    else:
        scale = np.array([1e-7, 1.0, 1e9])
    X, codes = rows(rng, 300, 3), rng.integers(0, 2, 300)
    family = COVARIANCES[kind]
    first = family.maximise(family.accumulate(X, codes)).log_density(X)
    second = family.maximise(family.accumulate(X * scale, codes)).log_density(X * scale)
    np.testing.assert_allclose(second + np.log(scale).sum(), first, rtol=1e-9, atol=1e-8)


@KINDS
@pytest.mark.parametrize("n", [0, 1])
def test_few_rows_are_taken(kind, n, rng):
    family = COVARIANCES[kind]
    found = family.accumulate(np.ones((n, 2)), np.zeros(n, int), n_components=2)
    np.testing.assert_array_equal(found.weights, [n, 0])
    np.testing.assert_array_equal(found.scatter, 0)
    gaussian = family.maximise(family.accumulate(rows(rng, 20, 2), np.arange(20) % 2))
    assert gaussian.log_density(np.ones((n, 2))).shape == (n, 2)


def test_codes_out_of_range_and_wrong_lengths_are_refused():
    family = COVARIANCES["full"]
    with pytest.raises(ValueError, match="code 5 of 3"):
        family.accumulate(np.ones((2, 2)), [0, 5], n_components=3)
    with pytest.raises(ValueError, match="3 assignments for 2 rows"):
        family.accumulate(np.ones((2, 2)), [0, 1, 1])


def test_affine_map_equals_numpy(dtype, rng):
    X = rows(rng, 3000, 5).astype(dtype)
    center, matrix, shift = rng.normal(size=5), rng.normal(size=(5, 3)), rng.normal(size=3)
    np.testing.assert_allclose(
        affine_map(X, center, matrix, shift, n_threads=3),
        (X.astype(np.float64) - center) @ matrix + shift,
        rtol=1e-12,
        atol=1e-12,
    )


def test_linear_form_equals_the_density_up_to_a_term_of_the_row(rng):
    X, codes = rows(rng, 300, 4), rng.integers(0, 3, 300)
    for kind in ("tied", "tied_diag"):
        gaussian = COVARIANCES[kind].maximise(COVARIANCES[kind].accumulate(X, codes))
        center = X.mean(axis=0)
        matrix, shift = gaussian.linear_form(center)
        difference = (X - center) @ matrix + shift - gaussian.log_density(X)
        np.testing.assert_allclose(difference - difference[:, :1], 0, atol=1e-9)
