"""Loss, reconstructions and codes of deep estimators, drawn."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_extra_ml.neural_network import VAE, AutoEncoder
from sklearn_extra_ml.plotting import LatentSpaceDisplay, LossCurveDisplay, ReconstructionDisplay


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def model(digits):
    return AutoEncoder(3, max_iter=4, early_stopping=True, random_state=0).fit(digits[0])


def test_loss_curve_draws_the_history_and_marks_the_best(plt, model):
    display = LossCurveDisplay.from_estimator(model)
    training, validation = display.lines_
    np.testing.assert_array_equal(training.get_ydata(), model.loss_curve_)
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(validation.get_ydata(), model.history_["validation_loss"])
    mark = display.ax_.lines[-1]
    assert mark.get_ydata()[0] == model.best_loss_
    assert display.ax_.get_yscale() == "log"


def test_loss_curve_below_zero_is_linear_and_takes_axes(plt, digits):
    vae = VAE(2, max_iter=3, random_state=0).fit(digits[0][:200])
    _, ax = plt.subplots()
    display = LossCurveDisplay({"loss": [-1.0, -2.0]}).plot(ax, color="k")
    assert display.ax_ is ax
    assert ax.get_yscale() == "linear"
    assert display.lines_[0].get_color() == "k"
    assert len(LossCurveDisplay.from_estimator(vae).lines_) == 1


def test_reconstructions_are_drawn_as_images(plt, model, digits):
    X = digits[0][:5]
    display = ReconstructionDisplay.from_estimator(model, X, X_original=X, image_shape=(1, 8, 8))
    assert display.axes_.shape == (3, 5)
    np.testing.assert_array_equal(display.axes_[1, 2].images[0].get_array(), X[2].reshape(8, 8))
    restored = model.predict(X)[4].reshape(8, 8)
    np.testing.assert_allclose(display.axes_[2, 4].images[0].get_array(), restored)
    assert display.axes_[0, 0].get_ylabel() == "original"
    # the range of colours is that of the rows without noise
    noisy = ReconstructionDisplay(X + 100, X, (1, 8, 8))
    noisy.X_original = X
    assert noisy.plot().axes_[1, 0].images[0].get_clim() == (X.min(), X.max())


def test_reconstructions_without_a_shape_are_lines_and_colours_are_kept(plt, model, digits):
    X = digits[0][:3]
    display = ReconstructionDisplay.from_estimator(model, X)
    assert display.axes_.shape == (3,)
    np.testing.assert_array_equal(display.axes_[1].lines[0].get_ydata(), X[1])
    color = ReconstructionDisplay(np.zeros((1, 12)), np.ones((1, 12)), (3, 2, 2)).plot()
    assert color.axes_[0, 0].images[0].get_array().shape == (2, 2, 3)


def test_latent_space_shows_every_row_by_its_label(plt, model, digits):
    X, y = digits
    display = LatentSpaceDisplay.from_estimator(model, X, y, s=5)
    drawn = np.vstack([scatter.get_offsets() for scatter in display.scatter_])
    Z = model.transform(X)
    order = np.argsort(y, kind="stable")
    np.testing.assert_allclose(drawn, Z[order][:, :2], rtol=1e-6)
    assert display.ax_.get_xlabel() == "autoencoder0"
    other = LatentSpaceDisplay(Z, None).plot(components=(2, 0))
    np.testing.assert_allclose(other.scatter_[0].get_offsets(), Z[:, [2, 0]])
    numbers = LatentSpaceDisplay(Z, X[:, 20] + 0.01 * np.arange(len(X))).plot()
    assert len(numbers.scatter_) == 1
    with pytest.raises(ValueError, match=r"`components`=\(0, 3\) of a code of 3"):
        LatentSpaceDisplay(Z).plot(components=(0, 3))
