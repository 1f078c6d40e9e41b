"""Similarity of tables: by hand on small ones, and where it is known."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from sklearn_extra_ml.metrics import column_shapes, column_trends, train_on_synthetic_score


def test_shape_of_numbers_is_one_minus_kolmogorov_smirnov(rng):
    x, y = rng.normal(size=(50, 1)), rng.normal(0.5, 1, size=(70, 1))
    expected = 1 - scipy.stats.ks_2samp(x[:, 0], y[:, 0]).statistic
    assert column_shapes(x, y).score == pytest.approx(expected)


def test_shape_of_categories_is_one_minus_total_variation():
    real = pd.DataFrame({"c": ["a", "a", "b", None]})
    synthetic = pd.DataFrame({"c": ["a", "b", "b", "z"]})
    # a: 1/2 - 1/4, b: 1/4 - 1/2, missing: 1/4, z: 1/4
    assert column_shapes(real, synthetic).parts["c"] == pytest.approx(0.5)


def test_trend_of_numbers_is_the_difference_of_correlations(rng):
    real, synthetic = rng.normal(size=(100, 2)), rng.normal(size=(80, 2))
    synthetic[:, 1] += synthetic[:, 0]
    difference = np.corrcoef(real.T)[0, 1] - np.corrcoef(synthetic.T)[0, 1]
    assert column_trends(real, synthetic).score == pytest.approx(1 - abs(difference) / 2)


def test_trend_of_mixed_pairs_bins_the_numbers():
    real = pd.DataFrame({"x": np.arange(10.0), "c": list("aaaaabbbbb")})
    same = column_trends(real, real)
    assert same.score == 1
    swapped = real.assign(c=list("bbbbbaaaaa"))
    assert column_trends(real, swapped).parts["x", "c"] == 0
    beyond = real.assign(x=real.x * 1000)  # all but the first in the last bin
    assert column_trends(real, beyond).score < 0.5


@pytest.mark.parametrize("function", [column_shapes, column_trends])
def test_equal_tables_score_one_in_any_backend(rng, function):
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=40),
            "gap": np.where(rng.random(40) < 0.3, np.nan, rng.normal(size=40)),
            "c": rng.choice(["u", "v"], size=40),
            "b": rng.random(40) < 0.5,
        }
    )
    for table in (frame, pl.from_pandas(frame), frame[["x", "gap"]].to_numpy()):
        assert function(table, table).score == 1
    as_category = function(frame[["x", "b"]], frame[["x", "b"]], categorical_features=["x"])
    assert as_category.score == 1


def test_missing_numbers_and_constants_have_no_correlation(rng):
    x = np.c_[rng.normal(size=20), np.ones(20)]
    assert np.isnan(column_trends(x, x).score)
    empty = np.c_[x[:, 0], np.full(20, np.nan)]
    assert column_shapes(empty, empty).parts[1] == 1
    assert column_shapes(empty, x).parts[1] == 0


def test_tables_with_other_columns_are_refused():
    with pytest.raises(ValueError, match="have columns"):
        column_shapes(pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}))
    with pytest.raises(ValueError, match="numbers in one table only"):
        column_shapes(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": ["x"]}))


def test_synthetic_training_score_falls_with_spoiled_labels(rng):
    X, y = load_iris(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    learner = [KNeighborsClassifier()]
    same = train_on_synthetic_score(X, y, X, y, X_test, y_test, estimators=learner)
    assert same.ratio == 1 and same.real.shape == (1,)
    spoiled = train_on_synthetic_score(
        X, rng.permutation(y), X, y, X_test, y_test, estimators=learner, scoring="accuracy"
    )
    assert spoiled.ratio < 0.7
    assert spoiled.real[0] == learner[0].fit(X, y).score(X_test, y_test)
