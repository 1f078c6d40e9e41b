"""Columns that come in steps: found whatever their scale, and rounded to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml._torch._steps import find_steps
from sklearn_extra_ml._torch._table import TableEncoder
from sklearn_extra_ml.neural_network import DiffusionModel


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("step", [1.0, 3.0])
def test_scaled_whole_numbers_come_back_as_such(step, dtype, rng):
    whole = step * rng.integers(0, 60, size=300).astype(float)
    scaled = StandardScaler().fit_transform(whole[:, None])[:, 0].astype(dtype).astype(float)
    steps = find_steps(scaled)
    assert steps.step == pytest.approx(step / whole.std(), rel=1e-5)
    noisy = scaled + 0.4 * steps.step * rng.uniform(-1, 1, size=300)
    np.testing.assert_array_equal(steps.round(noisy), scaled)
    # a number between, which no row had
    gap = np.setdiff1d(np.arange(0, 60) * step, whole)
    if len(gap):
        missing = (gap - whole.mean()) / whole.std()
        np.testing.assert_allclose(steps.round(missing), missing, atol=1e-4)


def test_step_smaller_than_every_distance_is_found():
    values = np.repeat([0.0, 6.0, 10.0, 21.0, 36.0, 43.0, 57.0], 2) * 0.37 + 0.1
    assert find_steps(values).step == pytest.approx(0.37)


def test_few_values_are_all_there_are(rng):
    values = rng.choice([-0.0446, 0.0507, 0.31, 1.7 / 3], size=200)
    steps = find_steps(values)
    assert steps.step is None
    np.testing.assert_array_equal(np.unique(steps.round(rng.normal(size=500))), np.unique(values))


@pytest.mark.parametrize("n", [1, 2, 3, 10, 100, 5000])
def test_a_continuum_has_no_steps(n, rng):
    for draw in (rng.normal(size=n), rng.exponential(size=n), 1e9 + rng.uniform(size=n)):
        assert find_steps(draw) is None


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 9, [1e308, -1e308, 0.0], [5e-324, 0.0, 1.0]])
def test_nothing_to_find(values):
    with np.errstate(all="raise"):
        assert find_steps(np.array(values)) is None


@given(
    whole=st.lists(st.integers(-500, 500), min_size=8, max_size=60),
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-10, 10),
)
@settings(max_examples=200, deadline=None)
def test_what_was_seen_is_rounded_to_itself(whole, scale, offset):
    numbers = np.array(whole) * scale + offset
    steps = find_steps(numbers)
    if steps is not None:
        np.testing.assert_array_equal(steps.round(numbers), numbers)


def test_encoder_rounds_standardised_columns_if_asked(rng):
    X = StandardScaler().fit_transform(
        np.c_[rng.integers(2, size=200), rng.integers(50, size=200), rng.normal(size=200)]
    )
    encoder = TableEncoder("auto").fit(X)
    assert [steps is not None for steps in encoder.steps] == [True, True, False]
    Z = encoder.transform(X) + 0.01 * rng.uniform(-1, 1, size=X.shape)
    back = encoder.inverse_transform(Z, rounded=True)
    np.testing.assert_array_equal(back[:, :2], X[:, :2])
    assert (encoder.inverse_transform(Z)[:, :2] != X[:, :2]).mean() > 0.9


def test_samples_hold_what_the_columns_hold():
    X = load_diabetes().data
    model = DiffusionModel(max_iter=3, random_state=0).fit(X)
    drawn = model.sample(200, random_state=0)
    sexes = np.unique(X[:, 1]).astype(np.float32)
    assert np.isin(drawn[:, 1], sexes).all()
    ages = np.unique(X[:, 0])
    step = np.diff(ages).min()
    on_grid = (drawn[:, 0] - ages[0]) / step
    np.testing.assert_allclose(on_grid, np.round(on_grid), atol=1e-3)
    model.set_params(round_samples=False)
    assert not np.isin(model.sample(200, random_state=0)[:, 1], sexes).all()
