"""Displays of diffusion models and synthetic tables."""

import numpy as np
import pandas as pd
import pytest

from sklearn_extra_ml.neural_network import DiffusionModel
from sklearn_extra_ml.plotting import DenoisingTrajectoryDisplay, SyntheticComparisonDisplay


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    table = pd.DataFrame(x, columns=["a", "b", "c"])
    table["kind"] = pd.Categorical(np.where(x[:, 0] > 0, "plus", "minus"))
    table.loc[::5, "b"] = np.nan
    return table


@pytest.fixture(scope="module")
def model(frame):
    return DiffusionModel(hidden_layer_sizes=(8,), max_iter=20, random_state=0).fit(frame)


def test_trajectory_shows_states_from_noise_to_sample(model, frame):
    display = DenoisingTrajectoryDisplay.from_estimator(
        model, X=frame, features=("a", "c"), n_samples=40, n_panels=4, n_arrows=10
    )
    assert len(display.axes_) == len(display.points_) == 4 == len(display.arrows_) + 1
    assert display.sigmas[0] == model.sigma_max and display.sigmas[-1] == 0
    assert (np.diff(display.sigmas) < 0).all()
    last = model.sample(40)[["a", "c"]].to_numpy()
    np.testing.assert_allclose(display.points_[-1].get_offsets(), last, rtol=1e-6)
    assert display.arrows_[0].U.shape == (10,)
    np.testing.assert_allclose(
        display.arrows_[0].U, (display.denoised[0] - display.states[0])[:10, 0]
    )
    assert display.axes_[0].get_xlabel() == "a" and display.axes_[-1].get_title() == "sample"


def test_trajectory_draws_to_given_axes(plt, model):
    fig, axes = plt.subplots(1, 3)
    display = DenoisingTrajectoryDisplay.from_estimator(
        model, n_panels=3, n_samples=5, features=(0, 2), axes=axes, scatter_kwargs={"color": "k"}
    )
    assert display.figure_ is fig and display.X is None


@pytest.mark.parametrize("n_panels", [1, 50])
def test_trajectory_refuses_panels_that_do_not_fit(model, n_panels):
    with pytest.raises(ValueError, match="`n_panels`"):
        DenoisingTrajectoryDisplay.from_estimator(model, n_panels=n_panels)


def test_comparison_shows_columns_and_correlations(model, frame):
    display = SyntheticComparisonDisplay.from_estimator(model, frame)
    assert len(display.axes_) == 4 + 3
    titles = [ax.get_title() for ax in display.axes_]
    assert [title.split()[0] for title in titles] == [
        *("a", "b", "c", "kind"),
        *("real", "synthetic", "difference"),
    ]
    numbers = frame[["a", "b", "c"]].dropna()
    np.testing.assert_allclose(
        display.axes_[4].images[0].get_array(), np.corrcoef(numbers.T), atol=1e-9
    )
    assert set(display.shapes_.parts) == set(frame)


def test_comparison_of_equal_tables_scores_one_and_takes_chosen_columns(frame):
    display = SyntheticComparisonDisplay.from_tables(frame, frame, columns=["kind", "a"])
    assert display.shapes_.score == display.trends_.score == 1
    assert len(display.axes_) == 5
    assert not np.abs(display.axes_[-1].images[0].get_array()).max()
    with pytest.raises(ValueError, match="`columns`='z'"):
        SyntheticComparisonDisplay.from_tables(frame, frame, columns=["z"])


def test_comparison_takes_the_columns_that_are_least_alike(frame):
    spoiled = frame.assign(c=frame["c"] + 10)
    display = SyntheticComparisonDisplay.from_tables(frame, spoiled, max_columns=1)
    assert display.axes_[0].get_title().startswith("c ")
    kinds = frame[["kind"]]
    assert len(SyntheticComparisonDisplay.from_tables(kinds, kinds).axes_) == 4
