"""Gaussian components, drawn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis
from sklearn_extra_ml.plotting import GaussianEllipseDisplay


@pytest.fixture
def iris():
    return load_iris(return_X_y=True)


def sq_distances(line, mean, covariance):
    step = np.column_stack(line.get_data()) - mean
    return np.einsum("na,ab,nb->n", step, np.linalg.inv(covariance), step)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "tied_diag", "spherical"])
def test_ellipses_hold_the_given_share_of_each_component(plt, covariance, iris):
    X, y = iris[0][:, :2], iris[1]
    gda = GaussianDiscriminantAnalysis(covariance).fit(X, y)
    display = GaussianEllipseDisplay.from_estimator(gda, X, y, levels=(0.3, 0.9))
    assert [len(points.get_offsets()) for points in display.points_] == [50, 50, 50]
    sample, labels = gda.sample(40_000, random_state=0)
    for k, lines in enumerate(display.ellipses_):
        for line, level in zip(lines, (0.3, 0.9), strict=True):
            radius = sq_distances(line, display.means[k], display.covariances[k])
            np.testing.assert_allclose(radius, radius[0], rtol=1e-9)
            mine = sample[labels == k] - display.means[k]
            inside = (
                np.einsum("na,ab,nb->n", mine, np.linalg.inv(display.covariances[k]), mine)
                < radius[0]
            )
            assert inside.mean() == pytest.approx(level, abs=0.02)
    assert display.ax_.figure is display.figure_
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["0", "1", "2"]


def test_more_than_two_features_are_drawn_on_the_discriminant_axes(plt, iris):
    gda = GaussianDiscriminantAnalysis("tied").fit(*iris)
    _, ax = plt.subplots()
    display = GaussianEllipseDisplay.from_estimator(gda, *iris, ax=ax, point_kwargs={"s": 3})
    assert display.ax_ is ax
    np.testing.assert_allclose(display.means, gda.transform(gda.means_))
    np.testing.assert_allclose(display.covariances[0], np.eye(2), atol=1e-10)  # whitened
    assert display.ax_.get_xlabel() == "first discriminant axis"


def test_features_are_chosen_by_name_or_index(plt, iris):
    frame = pd.DataFrame(iris[0], columns=list("abcd"))
    gda = GaussianDiscriminantAnalysis().fit(frame, iris[1])
    by_name = GaussianEllipseDisplay.from_estimator(gda, features=("d", "b"))
    by_index = GaussianEllipseDisplay.from_estimator(gda, features=(3, 1))
    np.testing.assert_array_equal(by_name.means, gda.means_[:, [3, 1]])
    np.testing.assert_array_equal(by_index.covariances, by_name.covariances)
    assert by_name.points_ == [] and by_name.ax_.get_ylabel() == "b"


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_mixtures_of_scikit_learn_are_drawn_with_predicted_rows(plt, kind, iris):
    X = iris[0]
    mixture = GaussianMixture(3, covariance_type=kind, random_state=0).fit(X)
    display = GaussianEllipseDisplay.from_estimator(mixture, X, ellipse_kwargs={"lw": 3})
    assert sum(len(points.get_offsets()) for points in display.points_) == 150
    assert display.ellipses_[0][0].get_linewidth() == 3
    np.testing.assert_array_equal(display.means, mixture.means_[:, :2])


def test_bad_choices_are_refused(plt, iris):
    X, y = iris
    gda = GaussianDiscriminantAnalysis().fit(X[y < 2], y[y < 2])
    for features in ("discriminant", "other", (0,), (0, 4)):
        with pytest.raises(ValueError, match="features"):
            GaussianEllipseDisplay.from_estimator(gda, features=features)
    with pytest.raises(ValueError, match="shares"):
        GaussianEllipseDisplay.from_estimator(gda, levels=(95,))
    narrow = GaussianDiscriminantAnalysis().fit(X[:, :1], y)
    with pytest.raises(ValueError, match="needs 2 features"):
        GaussianEllipseDisplay.from_estimator(narrow)
