"""The consensus of RANSAC, drawn."""

import sys

import numpy as np
import pandas as pd
import pytest

from sklearn_extra_ml.linear_model import RANSACRegressor
from sklearn_extra_ml.plotting import ConsensusDisplay


@pytest.fixture
def data(rng):
    X = rng.uniform(size=(80, 2))
    y = X @ [2.0, 1.0] + 0.01 * rng.normal(size=80)
    y[:20] = 9
    return X, y


def test_rows_line_band_and_trials_are_drawn(plt, data):
    X, y = data[0][:, :1], data[0][:, 0] * 2 + np.where(np.arange(80) < 20, 9, 0)
    ransac = RANSACRegressor(random_state=0).fit(X, y)
    display = ConsensusDisplay.from_estimator(ransac, X, y)
    assert len(display.outliers_.get_offsets()) == 20
    assert len(display.inliers_.get_offsets()) == 60
    x, line = display.line_.get_data()
    np.testing.assert_allclose(line, 2 * x, atol=1e-6)
    assert display.band_ is not None
    np.testing.assert_array_equal(display.trials_.get_ydata(), ransac.scores_history_)
    assert len(display.ax_) == 2 and display.ax_[0].figure is display.figure_


def test_several_features_are_shown_by_their_prediction(plt, data):
    ransac = RANSACRegressor(random_state=0, loss="squared_error").fit(*data)
    _, ax = plt.subplots()
    display = ConsensusDisplay.from_estimator(
        ransac, *data, ax=ax, line_kwargs={"color": "k"}, inlier_kwargs={"s": 3}
    )
    assert display.ax_ is ax and display.trials_ is None
    assert ax.get_xlabel() == "predicted target"
    assert display.line_.get_color() == "k"
    np.testing.assert_allclose(display.threshold, np.sqrt(ransac.threshold_))


def test_frames_give_the_names_of_the_axes(plt, data):
    frame = pd.DataFrame({"dose": data[0][:, 0]})
    target = pd.Series(data[1], name="response")
    ransac = RANSACRegressor(random_state=0).fit(frame, target)
    display = ConsensusDisplay.from_estimator(ransac, frame, target)
    assert display.ax_[0].get_xlabel() == "dose"
    assert display.ax_[0].get_ylabel() == "response"


def test_other_data_and_several_targets_are_refused(plt, data):
    X, y = data
    ransac = RANSACRegressor(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="fitted on 80"):
        ConsensusDisplay.from_estimator(ransac, X[:-1], y[:-1])
    with pytest.raises(ValueError, match="2 targets"):
        ConsensusDisplay.from_estimator(ransac, X, np.column_stack([y, y]))


def test_missing_matplotlib_names_the_extra(data, monkeypatch):
    ransac = RANSACRegressor(random_state=0).fit(*data)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"sklearn-extra-ml\[plot\]"):
        ConsensusDisplay.from_estimator(ransac, *data)
