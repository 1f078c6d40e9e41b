"""The states of hidden Markov models and their transitions, drawn."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml.hmm import GaussianHMM
from sklearn_extra_ml.plotting import StateSequenceDisplay, TransitionGraphDisplay


@pytest.fixture
def model():
    return GaussianHMM.from_parameters(
        [1, 0, 0],
        [[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.5, 0.0, 0.5]],
        [[0.0], [5.0], [10.0]],
        [[1.0], [1.0], [1.0]],
    )


ROWS = np.array([[0.1], [0.2], [5.1], [4.9], [10.0], [0.0], [-0.1]])
STATES = [0, 0, 1, 1, 2, 0, 0]


def test_series_spans_and_probabilities_are_drawn(plt, model):
    display = StateSequenceDisplay.from_estimator(model, ROWS)
    np.testing.assert_array_equal(display.states, STATES)
    np.testing.assert_array_equal(display.line_.get_ydata(), ROWS[:, 0])
    assert [len(s.get_paths()) for s in display.spans_] == [2, 1, 1]
    left = display.spans_[0].get_paths()[1].get_extents()
    assert (left.x0, left.x1) == (5, 7)
    assert len(display.areas_) == 3
    assert display.ax_[0].figure is display.figure_
    assert display.ax_[0].get_ylabel() == "feature 0"
    display.figure_.canvas.draw()


def test_dates_names_and_one_axes(plt, model):
    frame = pd.DataFrame({"price": ROWS[:, 0]})
    dates = pd.date_range("2020-01-01", periods=7)
    model = GaussianHMM(3, random_state=0, tol=0.1).fit(frame)
    _, ax = plt.subplots()
    display = StateSequenceDisplay.from_estimator(
        model,
        frame,
        time=dates,
        state_names=["low", "middle", "high"],
        ax=ax,
        line_kwargs={"color": "r"},
        span_kwargs={"alpha": 0.1},
    )
    assert display.ax_ is ax and display.areas_ == []
    assert ax.get_ylabel() == "price" and display.line_.get_color() == "r"
    assert display.spans_[0].get_alpha() == 0.1
    runs = display.to_pandas()
    assert runs["n_rows"].sum() == 7
    assert runs["start"].iloc[0] == dates[0]
    assert set(runs["state"]) <= {"low", "middle", "high"}
    display.figure_.canvas.draw()


def test_stays_are_listed_with_their_probability(plt, model):
    runs = StateSequenceDisplay.from_estimator(model, ROWS).to_pandas()
    np.testing.assert_array_equal(runs["start"], [0, 2, 4, 5])
    np.testing.assert_array_equal(runs["stop"], [2, 4, 5, 7])
    np.testing.assert_array_equal(runs["state"], [0, 1, 2, 0])
    expected = model.predict_proba(ROWS)[2:4, 1].mean()
    assert runs["probability"][1] == pytest.approx(expected)


def test_values_of_another_kind_and_pipelines_are_taken(plt, model):
    own = StateSequenceDisplay.from_estimator(model, ROWS, values=np.arange(7.0), lengths=[3, 4])
    np.testing.assert_array_equal(own.line_.get_ydata(), np.arange(7.0))
    two = np.hstack([ROWS, ROWS + 1])
    pipeline = make_pipeline(StandardScaler(), GaussianHMM(2, random_state=0)).fit(two)
    display = StateSequenceDisplay.from_estimator(pipeline, two, values=1)
    np.testing.assert_array_equal(display.line_.get_ydata(), ROWS[:, 0] + 1)
    frame = pd.DataFrame(two, columns=["a", "b"])
    pipeline.fit(frame)
    display = StateSequenceDisplay.from_estimator(pipeline, frame, values="b")
    assert display.ax_[0].get_ylabel() == "b"


def test_transitions_are_drawn_and_exported(plt, model):
    display = TransitionGraphDisplay.from_estimator(model)
    assert set(display.arrows_) == {(0, 0), (0, 1), (1, 1), (1, 2), (2, 0), (2, 2)}
    assert len(display.nodes_) == 3
    widths = {pair: a.get_linewidth() for pair, a in display.arrows_.items()}
    assert widths[0, 0] > widths[1, 1] > widths[2, 2] > widths[1, 2] > widths[0, 1]
    areas = np.array([node.radius**2 for node in display.nodes_])
    np.testing.assert_allclose(areas / areas.sum(), model.stationary_distribution_)
    graph = display.to_networkx()
    assert set(graph.edges) == set(display.arrows_)
    assert graph.edges[1, 2]["weight"] == pytest.approx(0.2)
    pd.testing.assert_frame_equal(
        display.to_pandas(), pd.DataFrame(model.transmat_, list("012"), list("012"))
    )
    display.figure_.canvas.draw()


@pytest.mark.parametrize("K", [1, 2, 7])
def test_graphs_of_any_size_are_drawn(plt, K, rng):
    chain = rng.dirichlet(np.ones(K), size=K)
    model = GaussianHMM.from_parameters(
        np.full(K, 1 / K), chain, rng.normal(size=(K, 1)), np.ones((K, 1))
    )
    _, ax = plt.subplots()
    display = TransitionGraphDisplay.from_estimator(
        model, ax=ax, min_probability=0.2, state_names=[f"s{k}" for k in range(K)]
    )
    assert display.ax_ is ax
    assert set(display.arrows_) == set(zip(*np.nonzero(chain >= 0.2), strict=True))
    display.figure_.canvas.draw()


def test_missing_matplotlib_names_the_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"sklearn-extra-ml\[plot\]"):
        TransitionGraphDisplay.from_estimator(model)
    with pytest.raises(ImportError, match=r"sklearn-extra-ml\[plot\]"):
        StateSequenceDisplay.from_estimator(model, ROWS)
