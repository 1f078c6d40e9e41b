"""The map of a column to normal scores, against scipy and by its own promises."""

import numpy as np
import pytest
from scipy import integrate, stats

from sklearn_extra_ml._torch._normal_scores import NormalScores, piles_up


def amounts(rng, n=400, share=0.6):
    """Draw amounts that are mostly 0."""
    return np.where(rng.random(n) < share, 0.0, rng.lognormal(size=n))


def fitted(values, rounded=False):
    return NormalScores(1 / values.std(), rounded).fit(values)


def test_value_held_by_many_rows_is_encoded_as_the_mean_of_their_scores(rng):
    values = amounts(rng)
    share = (values == 0).mean()
    top = stats.norm.ppf(share)
    mean = integrate.quad(lambda t: t * stats.norm.pdf(t), -20, top)[0] / share
    scores = fitted(values)
    np.testing.assert_allclose(scores.encode(np.zeros(2)), mean, rtol=1e-9)
    Z = scores.encode(values)
    assert abs(Z.mean()) < 0.02
    ranks = stats.rankdata(values[values > 0]) - 0.5 + (values == 0).sum()
    expected = stats.norm.ppf(ranks / len(values))
    inside = np.abs(expected) < 2.2  # beyond, 8 rows a corner are too few to compare
    np.testing.assert_allclose(Z[values > 0][inside], expected[inside], atol=0.15)


@pytest.mark.parametrize("noise", [1e-6, 0.05])
def test_frequent_values_come_back_exactly_from_inexact_codes(rng, noise):
    values = np.concatenate((amounts(rng), np.full(80, 3.5), rng.uniform(3, 6, size=100)))
    scores = fitted(values)
    Z = scores.encode(values)
    back = scores.decode(Z + noise * rng.uniform(-1, 1, size=len(Z)))
    for value in (0.0, 3.5):
        np.testing.assert_array_equal(back[values == value], value)
    others = (values != 0) & (values != 3.5)
    assert (back[others] != 0).mean() > 0.9


def test_map_is_monotone_and_inverts_itself_on_seen_and_unseen_values(rng):
    for rounded in (True, False):
        values = np.round(amounts(rng) * 4) if rounded else amounts(rng)
        scores = fitted(values, rounded)
        grid = np.sort(np.concatenate((values, np.linspace(-2, values.max() + 3, 500))))
        Z = scores.encode(grid)
        assert (np.diff(Z)[np.diff(grid) > 0] > 0).all()
        np.testing.assert_allclose(scores.decode(Z), grid, rtol=1e-9, atol=1e-9)


def test_slopes_are_those_of_the_polygon(rng):
    values = amounts(rng)
    scores = fitted(values)
    at = np.setdiff1d(np.append(values, [-1.0, 60.0]), scores.x)
    h = 1e-9 * np.maximum(np.abs(at), 1e-3)
    slopes = (scores.encode(at + h) - scores.encode(at - h)) / (2 * h)
    close = np.isclose(scores.slopes(at), slopes, rtol=1e-3)
    assert close.mean() > 0.99  # but where a corner lies within h
    np.testing.assert_allclose(scores.slopes(np.zeros(1)), 1 / values.std())


def test_rounded_column_needs_no_interval_and_rounds_to_the_nearer_code(rng):
    values = rng.choice([0.0, 1.0, 2.0, 7.0], p=[0.5, 0.3, 0.15, 0.05], size=500)
    scores = fitted(values, rounded=True)
    assert len(scores.frequent) == 0
    codes = scores.encode(np.array([0.0, 1.0, 2.0]))
    middle = (codes[:-1] + codes[1:]) / 2
    np.testing.assert_array_equal(np.round(scores.decode(middle - 0.01)), [0, 1])
    np.testing.assert_array_equal(np.round(scores.decode(middle + 0.01)), [1, 2])


def test_single_precision_finds_its_frequent_value(rng):
    values = np.where(rng.random(200) < 0.5, 0.1, rng.normal(size=200))
    scores = fitted(values)
    low = np.array([np.float32(0.1)], dtype=np.float64)
    np.testing.assert_array_equal(scores.encode(low), scores.encode(np.array([0.1])))


@pytest.mark.parametrize("offset", [0.0, 1e8])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e6])
def test_heavy_tails_and_offsets_stay_finite(rng, offset, spread):
    values = offset + spread * rng.standard_cauchy(size=1000) ** 3
    scores = fitted(values)
    Z = scores.encode(values)
    assert np.isfinite(Z).all() and np.abs(Z).max() < 5
    assert np.isfinite(np.log(scores.slopes(values))).all()
    np.testing.assert_allclose(scores.decode(Z), values, rtol=1e-7)


def test_two_values_and_ties_throughout():
    values = np.array([1.5, 1.5, 2.25, 2.25, 2.25])
    scores = fitted(values)
    Z = scores.encode(values)
    np.testing.assert_array_equal(
        scores.decode(Z + np.array([0.01, -0.2, 0.02, 0.2, -0.02])), values
    )
    assert np.isnan(scores.encode(np.array([np.nan]))).all()


def test_piles_up_from_a_quarter_of_the_rows_and_three_values():
    assert piles_up(np.array([0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    assert not piles_up(np.array([0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))
    assert not piles_up(np.array([0.0, 0.0, 0.0, 1.0]))
