"""EmbeddingDisplay: what is drawn is what was given."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml.manifold import TSNE
from sklearn_extra_ml.plotting import EmbeddingDisplay


@pytest.fixture(scope="module")
def model():
    return TSNE(max_iter=300, random_state=0).fit(load_iris().data)


def test_points_are_drawn_by_class_and_the_divergence_beside_them(model):
    y = load_iris().target
    display = EmbeddingDisplay.from_estimator(model, labels=y, density=True)
    assert len(display.points_) == 3
    for k, points in enumerate(display.points_):
        np.testing.assert_array_equal(points.get_offsets(), model.embedding_[y == k])
    np.testing.assert_array_equal(display.curve_.get_xdata(), model.kl_history_[:, 0])
    np.testing.assert_array_equal(display.curve_.get_ydata(), model.kl_history_[:, 1])
    assert display.density_ is not None
    display.figure_.canvas.draw()


def test_density_leaves_a_margin_around_every_point(model):
    display = EmbeddingDisplay.from_estimator(model, density=True)
    ax = display.ax_[0]
    low, high = model.embedding_.min(axis=0), model.embedding_.max(axis=0)
    margin = 0.02 * (high - low)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left < low[0] - margin[0] and right > high[0] + margin[0]
    assert bottom < low[1] - margin[1] and top > high[1] + margin[1]


def test_legend_stands_outside_of_our_own_figure_only(plt, model):
    y = load_iris().target
    ours = EmbeddingDisplay.from_embedding(model.embedding_, labels=y)
    _, ax = plt.subplots()
    EmbeddingDisplay.from_embedding(model.embedding_, labels=y, ax=ax)
    for axes, outside in ((ours.ax_, True), (ax, False)):
        axes.figure.canvas.draw()
        begin = axes.get_legend().get_window_extent().x0
        assert bool(begin >= axes.get_window_extent().x1) is outside


def test_one_axes_gets_the_points_only(plt, model):
    _, ax = plt.subplots()
    display = EmbeddingDisplay.from_estimator(model, ax=ax)
    assert display.ax_ is ax and display.curve_ is None
    assert len(display.points_[0].get_offsets()) == 150


def test_numbers_get_a_colour_bar(model):
    display = EmbeddingDisplay.from_embedding(model.embedding_, labels=load_iris().data[:, 0])
    assert len(display.points_) == 1
    assert len(display.figure_.axes) == 2


@pytest.mark.parametrize(
    "embedding, labels, message",
    [(np.ones((5, 3)), None, "n_components"), (np.ones((5, 2)), np.ones(4), "labels")],
)
def test_what_cannot_be_drawn_is_refused(embedding, labels, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embedding(embedding, labels=labels)


@pytest.mark.parametrize("missing", [None, np.nan, "number"])
def test_points_without_a_label_are_grey(model, missing):
    if missing == "number":
        labels = np.where(np.arange(150) < 10, np.nan, load_iris().target.astype(float))
    else:
        labels = load_iris().target_names[load_iris().target].astype(object)
        labels[:10] = missing
    display = EmbeddingDisplay.from_estimator(model, labels=labels)
    assert [len(points.get_offsets()) for points in display.points_] == [10, 40, 50, 50]
    np.testing.assert_array_equal(display.points_[0].get_offsets(), model.embedding_[:10])
    assert display.points_[0].get_label() == "missing"


def test_numbers_with_gaps_keep_their_colour_bar(model):
    labels = np.where(np.arange(150) < 10, np.nan, np.arange(150.0))
    display = EmbeddingDisplay.from_estimator(model, labels=labels)
    assert [len(points.get_offsets()) for points in display.points_] == [10, 140]


def test_pipeline_is_drawn_by_its_last_step():
    pipeline = make_pipeline(StandardScaler(), TSNE(max_iter=50)).fit(load_iris().data)
    display = EmbeddingDisplay.from_estimator(pipeline)
    np.testing.assert_array_equal(display.embedding, pipeline[-1].embedding_)
