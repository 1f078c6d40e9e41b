"""Grids of generated images."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis
from sklearn_extra_ml.neural_network import VAE, DiffusionModel
from sklearn_extra_ml.plotting import SampleGridDisplay


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


@pytest.fixture(scope="module")
def vae(digits):
    return VAE(3, max_iter=3, random_state=0).fit(*digits)


def cell(display, i, j, height=8, width=8, gap=1):
    """The shades of one image of the grid, 0 (white) to 1 (black)."""
    top, left = i * (height + gap), j * (width + gap)
    return 1 - display.image_.get_array()[top : top + height, left : left + width, :3]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_classes_of_a_model_are_lines_of_its_samples(vae):
    display = SampleGridDisplay.from_estimator(
        vae, image_shape=(1, 8, 8), n_samples=4, random_state=7
    )
    assert labels(display.ax_.yaxis) == [str(k) for k in range(10)]
    assert display.image_.get_array().shape == (10 * 9 - 1, 4 * 9 - 1, 4)
    drawn = vae.sample(40, y=np.repeat(np.arange(10), 4), random_state=7)
    low, high = drawn.min(), drawn.max()
    expected = (drawn[3 * 4 + 2].reshape(8, 8) - low) / (high - low)
    np.testing.assert_allclose(cell(display, 3, 2)[..., 0], expected, atol=1 / 128)
    # ticks are in the middle of their line, gaps are transparent
    np.testing.assert_array_equal(display.ax_.get_yticks(), 9 * np.arange(10) + 3.5)
    assert not display.image_.get_array()[8, :, 3].any()


def test_chosen_contexts_wrap_after_the_columns_asked_for(vae):
    display = SampleGridDisplay.from_estimator(
        vae, y=[7, 2], image_shape=(8, 8), n_samples=5, n_columns=3
    )
    assert labels(display.ax_.yaxis) == ["7", "", "2", ""]
    assert [len(line) for line in display.samples] == [3, 2, 3, 2]
    assert not display.image_.get_array()[9:17, 18:, 3].any()  # no sixth sample


def test_contexts_may_be_numbers(digits):
    X, _ = digits
    model = DiffusionModel(hidden_layer_sizes=(8,), max_iter=2, random_state=0)
    model.fit(X, np.stack((X.mean(axis=1), X.std(axis=1)), axis=1))
    display = SampleGridDisplay.from_estimator(
        model, y=[[0.25, 0.4], [0.5, 0.4]], image_shape=(8, 8), n_samples=2
    )
    assert labels(display.ax_.yaxis) == ["0.25, 0.4", "0.5, 0.4"]
    drawn = model.sample(4, y=[[0.25, 0.4]] * 2 + [[0.5, 0.4]] * 2)
    np.testing.assert_allclose(np.concatenate(display.samples), drawn)


def test_models_without_classes_fill_lines_of_ten(digits):
    X, y = digits
    density = KernelDensity(bandwidth=0.1).fit(X)
    display = SampleGridDisplay.from_estimator(
        density, image_shape=(8, 8), n_samples=23, random_state=0
    )
    assert [len(line) for line in display.samples] == [10, 10, 3]
    np.testing.assert_allclose(np.concatenate(display.samples), density.sample(23, random_state=0))
    assert not labels(display.ax_.yaxis)
    few = SampleGridDisplay.from_estimator(density, image_shape=(8, 8), n_samples=4)
    assert few.image_.get_array().shape == (8, 4 * 9 - 1, 4)
    # models that return their labels too, with a way of their own to be random
    mixture = GaussianMixture(2, covariance_type="diag", random_state=0).fit(X)
    assert len(SampleGridDisplay.from_estimator(mixture, image_shape=(8, 8)).samples) == 1
    gaussians = GaussianDiscriminantAnalysis(shrinkage=0.5).fit(X, y)
    by_class = SampleGridDisplay.from_estimator(gaussians, image_shape=(8, 8), random_state=0)
    expected, _ = gaussians.sample(y=np.repeat(gaussians.classes_, 10), random_state=0)
    np.testing.assert_allclose(by_class.samples[6], expected[60:70])


def test_given_rows_are_grouped_by_their_labels(digits):
    X, y = digits
    display = SampleGridDisplay.from_samples(X[:12], y[:12] % 3, image_shape=(8, 8), n_columns=20)
    assert labels(display.ax_.yaxis) == ["0", "1", "2"]
    for k, line in enumerate(display.samples):
        np.testing.assert_array_equal(line, X[:12][y[:12] % 3 == k])
    frame = pd.DataFrame(X[:12])
    plain = SampleGridDisplay.from_samples(frame, image_shape=(8, 8))
    assert [len(line) for line in plain.samples] == [10, 2]
    np.testing.assert_allclose(cell(plain, 1, 1)[..., 0], X[11].reshape(8, 8), atol=1 / 128)


def test_images_may_have_colours_missing_pixels_and_a_range(plt, rng):
    X = rng.uniform(-1, 1, size=(2, 3 * 5 * 6))
    X[1, 7] = np.nan  # the pixel in line 1, column 1 of the first channel
    _, ax = plt.subplots()
    display = SampleGridDisplay.from_samples(X, image_shape=(3, 5, 6), vmin=-1, vmax=1, ax=ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    first = 1 - cell(display, 0, 0, 5, 6)
    np.testing.assert_allclose(first, np.moveaxis(X[0].reshape(3, 5, 6), 0, -1) / 2 + 0.5)
    second = display.image_.get_array()[:5, 7:]
    np.testing.assert_allclose(second[1, 1], (0.62, 0.79, 0.88, 1.0))
    assert (second[..., 3] == 1).all()
    constant = SampleGridDisplay.from_samples(np.full((1, 4), 3.0), image_shape=(2, 2))
    assert not cell(constant, 0, 0, 2, 2).any()
    unknown = SampleGridDisplay.from_samples(np.full((1, 4), np.nan), image_shape=(2, 2))
    np.testing.assert_allclose(1 - cell(unknown, 0, 0, 2, 2)[0, 0], (0.62, 0.79, 0.88))


def test_trajectory_runs_from_noise_to_the_sample(digits):
    model = DiffusionModel(
        hidden_layer_sizes=(8,), max_iter=2, standardize="global", random_state=0
    ).fit(*digits)
    X, trajectory = model.sample(3, y=[4, 5, 6], return_trajectory=True)
    display = SampleGridDisplay.from_trajectory(
        trajectory, image_shape=(1, 8, 8), n_columns=5, row_labels=[4, 5, 6], vmin=0, vmax=1
    )
    titles = labels(display.ax_.xaxis)
    assert titles[0] == "$\\sigma$ = 80" and titles[-1] == "sample" and len(titles) == 5
    assert labels(display.ax_.yaxis) == ["4", "5", "6"]
    np.testing.assert_allclose(cell(display, 1, 4)[..., 0], X[1].reshape(8, 8), atol=1 / 128)
    np.testing.assert_allclose(display.samples[2][0], trajectory.states[0][2])
    with pytest.raises(ValueError, match="`n_columns`=40 does not fit 21 states"):
        SampleGridDisplay.from_trajectory(trajectory, image_shape=(8, 8), n_columns=40)


@pytest.mark.parametrize("shape", [None, (8, 7), (2, 4, 8), (64,), (1, 1, 8, 8)])
def test_shapes_that_make_no_image_are_refused(vae, digits, shape):
    with pytest.raises(ValueError, match="does not make images of 64 features"):
        SampleGridDisplay.from_estimator(vae, image_shape=shape)
    with pytest.raises(ValueError, match="does not make images of 64 features"):
        SampleGridDisplay.from_samples(digits[0], image_shape=shape)


def test_counts_below_one_are_refused(vae):
    with pytest.raises(ValueError, match="`n_samples`=0"):
        SampleGridDisplay.from_estimator(vae, image_shape=(8, 8), n_samples=0)
    with pytest.raises(ValueError, match="`n_columns`=0"):
        SampleGridDisplay.from_estimator(vae, image_shape=(8, 8), n_columns=0)
