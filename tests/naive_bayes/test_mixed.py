"""MixedNB: kinds, frames, categories, and each kind against its textbook density."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from reference import naive_bayes as reference
from sklearn_extra_ml.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    GaussianNB,
    MixedNB,
    MultinomialNB,
)
from sklearn_extra_ml.naive_bayes import _chunks as chunks_module

KINDS = ["gaussian", "lognormal", "bernoulli", "poisson", "exponential", "multinomial"]
FRAMES = pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])


def table(seed, n=80, missing=0.0, strings=True):
    """Columns of every kind as a dict, labels, weights, and the kinds by name."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    columns = {
        "height": rng.normal(y, 1.0),
        "income": np.exp(rng.normal(0.5 * y, 0.7)),
        "member": (rng.random(n) < 0.2 + 0.3 * y).astype(float),
        "calls": rng.poisson(1.0 + 2 * y).astype(float),
        "wait": rng.exponential(1.0 + y),
        "word_a": rng.poisson(1.0 + y).astype(float),
        "word_b": rng.poisson(4.0 - y).astype(float),
    }
    for name in columns:
        columns[name][rng.random(n) < missing] = np.nan
    if strings:
        town = np.array(["Ulm", "Bonn", "Jena", "Kiel"], dtype=object)[
            (rng.integers(2, size=n) + y)
        ]
        town[rng.random(n) < missing] = None
        columns["town"] = town
    kinds = {
        "income": "lognormal",
        "member": "bernoulli",
        "calls": "poisson",
        "wait": "exponential",
        "word_a": "multinomial",
        "word_b": "multinomial",
    }
    return columns, y, rng.uniform(0.3, 2, n), kinds


def numbers_of(columns, names):
    return np.column_stack([np.asarray(columns[name], dtype=np.float64) for name in names])


def expected_joint(columns, y, weight):
    """The sum over the kinds of what the reference says of each."""
    classes = np.unique(y)
    prior = reference.log_prior(y, weight, classes)
    towns = {None: np.nan, "Bonn": 0, "Jena": 1, "Kiel": 2, "Ulm": 3}
    columns = dict(columns, town=np.array([towns[t] for t in columns["town"]], dtype=float))
    parts = [
        (reference.gaussian, ["height"], {"per_feature": True}),
        (reference.lognormal, ["income"], {}),
        (reference.bernoulli, ["member"], {}),
        (reference.poisson, ["calls"], {}),
        (reference.exponential, ["wait"], {}),
        (reference.multinomial, ["word_a", "word_b"], {}),
        (reference.categorical, ["town"], {}),
    ]
    joint = np.tile(prior, (len(y), 1))
    for function, names, options in parts:
        X = numbers_of(columns, names)
        joint += function(X, y, weight, X, classes, **options) - prior
    return joint


@FRAMES
@pytest.mark.parametrize("missing", [0.0, 0.2], ids=["complete", "missing cells"])
def test_joint_log_density_is_the_sum_of_the_kinds(frame, missing, seed):
    columns, y, weight, kinds = table(seed, missing=missing)
    X = frame(columns)
    model = MixedNB(kinds, missing="ignore" if missing else "error")
    model.fit(X, y, sample_weight=weight)
    expected = expected_joint(columns, y, weight)
    np.testing.assert_allclose(model.predict_joint_log_proba(X), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(model.predict_proba(X), reference.posterior(expected), atol=1e-10)
    np.testing.assert_array_equal(model.predict(X), expected.argmax(axis=1))


@pytest.mark.parametrize(
    ("kind", "single", "options"),
    [
        ("gaussian", GaussianNB(smoothing_scale="feature"), {}),
        ("bernoulli", BernoulliNB(binarize=2.0), {"binarize": 2.0}),
        ("multinomial", MultinomialNB(), {}),
        ("categorical", CategoricalNB(), {}),
    ],
)
def test_columns_of_one_kind_equal_the_classifier_of_that_kind(kind, single, options):
    X, y = load_iris(return_X_y=True)
    if kind == "categorical":  # every code occurs, so that both count the same categories
        X = np.column_stack([np.unique(column, return_inverse=True)[1] for column in X.T])
    mixed = MixedNB(kind, **options).fit(X, y)
    np.testing.assert_allclose(mixed.transform(X), single.fit(X, y).transform(X), rtol=1e-9)


# -------------------------------------------------------------------------------- kinds


def test_auto_kinds_follow_pandas_dtypes():
    X = pd.DataFrame(
        {
            "float": [0.5, 1.5],
            "int": [1, 2],
            "Int64": pd.array([1, 2], dtype="Int64"),
            "bool": [True, False],
            "boolean": pd.array([True, False], dtype="boolean"),
            "str": ["a", "b"],
            "string": pd.array(["a", "b"], dtype="string"),
            "object": pd.Series(["a", "b"], dtype=object),
            "category": pd.Categorical([3, 4]),
        }
    )
    model = MixedNB().fit(X, [0, 1])
    kinds = ["gaussian"] * 3 + ["bernoulli"] * 2 + ["categorical"] * 4
    assert model.kinds_.tolist() == kinds
    assert model.categories_ == [None] * 5 + [["a", "b"]] * 3 + [[3, 4]]
    assert model.predict(X).tolist() == [0, 1]


def test_auto_kinds_follow_polars_dtypes():
    X = pl.DataFrame(
        {
            "float": [0.5, 1.5],
            "int": [1, 2],
            "bool": [True, False],
            "str": ["a", "b"],
            "categorical": pl.Series(["a", "b"], dtype=pl.Categorical),
            "enum": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a", "c"])),
        }
    )
    model = MixedNB().fit(X, [0, 1])
    assert model.kinds_.tolist() == ["gaussian"] * 2 + ["bernoulli"] + ["categorical"] * 3
    assert model.predict(X).tolist() == [0, 1]


@FRAMES
def test_auto_refuses_a_dtype_that_it_does_not_know_and_names_the_column(frame):
    X = frame({"a": [1.0, 2.0], "when": [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)]})
    if frame is pd.DataFrame:
        X["when"] = pd.to_datetime(X["when"])
    with pytest.raises(ValueError, match=r"no kind for column 'when' of dtype .*date"):
        MixedNB().fit(X, [0, 1])
    assert MixedNB({"when": "categorical"}).fit(X, [0, 1]).kinds_.tolist()[1] == "categorical"


def test_kinds_by_list_name_and_position_are_the_same():
    columns, y, _, kinds = table(0, strings=False)
    X = pd.DataFrame(columns)
    by_name = MixedNB(kinds).fit(X, y)
    assert by_name.kinds_.tolist() == [*KINDS, "multinomial"]
    by_list = MixedNB([*KINDS, "multinomial"]).fit(X, y)
    by_place = MixedNB({i + 1: k for i, k in enumerate(kinds.values())}).fit(X.to_numpy(), y)
    np.testing.assert_array_equal(by_name.transform(X), by_list.transform(X))
    np.testing.assert_array_equal(by_name.transform(X), by_place.transform(X.to_numpy()))
    np.testing.assert_array_equal(
        MixedNB({-1: "multinomial", 5: "multinomial"}).fit(X, y).kinds_[-2:], ["multinomial"] * 2
    )


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"nothing": "gaussian"}, "names the column 'nothing', which X does not have"),
        ({9: "gaussian"}, "names the column 9"),
        (["gaussian"], "has 1 entries for 8 features"),
        ({"town": "normal"}, "'normal' is no kind .column 'town'"),
        ({0: 3}, "is no kind"),
    ],
)
def test_unknown_kinds_and_columns_raise(kinds, message):
    columns, y, _, _ = table(0)
    with pytest.raises(ValueError, match=message):
        MixedNB(kinds).fit(pd.DataFrame(columns), y)


@pytest.mark.parametrize("kind", ["lognormal", "poisson", "exponential", "multinomial"])
def test_values_that_a_kind_does_not_allow_are_refused_in_fit_and_predict(kind):
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 3.0]})
    bad = X.assign(b=[1.0, 0.0 if kind == "lognormal" else -1.0])
    model = MixedNB({"b": kind}).fit(X, [0, 1])
    for call in (lambda: model.predict(bad), lambda: MixedNB({"b": kind}).fit(bad, [0, 1])):
        with pytest.raises(ValueError, match=f"column 'b' holds .* kind is '{kind}'"):
            call()


def test_strings_in_a_numeric_column_are_refused():
    X = pd.DataFrame({"a": ["x", "y"]})
    with pytest.raises(ValueError, match="could not convert string to float"):
        MixedNB("gaussian").fit(X, [0, 1])


def test_array_of_objects_holds_numbers_and_strings():
    X = np.array([[1.0, "a"], [2.0, "b"], [8.0, "a"], [9.0, "c"]], dtype=object)
    model = MixedNB({1: "categorical"}).fit(X, [0, 0, 1, 1])
    assert model.categories_ == [None, ["a", "b", "c"]]
    assert model.predict(X).tolist() == [0, 0, 1, 1]


# --------------------------------------------------------------------------- categories


@FRAMES
def test_unseen_category_is_smoothed_ignored_or_refused(frame):
    X = frame({"town": ["a", "a", "b", "b", "b"], "x": [0.0, 1.0, 0.5, 1.5, 1.0]})
    y, query = [0, 0, 1, 1, 1], frame({"town": ["z"], "x": [0.75]})
    smooth = MixedNB().fit(X, y)
    count = np.array([2, 3])
    by_x = GaussianNB(smoothing_scale="feature").fit(np.asarray(X["x"])[:, None], y)
    joint = by_x.transform([[0.75]])
    np.testing.assert_allclose(smooth.transform(query), joint + np.log(1 / (count + 2)), rtol=1e-12)
    ignore = MixedNB(unseen="ignore").fit(X, y)
    np.testing.assert_allclose(ignore.transform(query), joint, rtol=1e-12)
    with pytest.raises(ValueError, match=r"value 'z' in column 'town', which `fit` did not see"):
        MixedNB(unseen="error").fit(X, y).predict(query)


@FRAMES
def test_missing_categories_and_numbers_are_refused_or_left_out(frame):
    X = frame({"town": ["a", None, "b", "b"], "x": [0.0, 1.0, None, 1.5]})
    for columns in (["town"], ["x"], ["town", "x"]):
        with pytest.raises(ValueError, match=r"contains NaN"):
            MixedNB().fit(X[columns], [0, 0, 1, 1])
    model = MixedNB(missing="ignore").fit(X, [0, 0, 1, 1])
    assert model.categories_[0] == ["a", "b"]
    assert model.feature_params_[1]["mean"].tolist() == [0.5, 1.5]
    nothing = frame({"town": ["c", None], "x": [1.0, None]})[1:]
    np.testing.assert_allclose(model.predict_proba(nothing), [[0.5, 0.5]])


def test_missing_markers_of_every_kind_are_missing():
    cells = ["a", None, np.nan, pd.NA, pd.NaT, "b"]
    X = np.array([[c] for c in cells], dtype=object)
    model = MixedNB("categorical", missing="ignore").fit(X, [0, 0, 0, 1, 1, 1])
    assert model.categories_ == [["a", "b"]]


def test_categories_of_different_types_stand_side_by_side():
    X = pd.DataFrame({"a": pd.Series([1, "1", 2.5, (1, 2)], dtype=object)})
    model = MixedNB().fit(X, [0, 1, 0, 1])
    assert len(model.categories_[0]) == 4
    assert model.predict(X).tolist() == [0, 1, 0, 1]


@FRAMES
@pytest.mark.parametrize("weighted", [False, True])
def test_partial_fit_over_any_split_equals_one_fit(frame, weighted, seed):
    columns, y, weight, kinds = table(seed, missing=0.1)
    weight = weight if weighted else None
    whole = MixedNB(kinds, missing="ignore").fit(frame(columns), y, sample_weight=weight)
    model = MixedNB(kinds, missing="ignore")
    for part in np.split(np.arange(80), [3, 20, 21, 60]):
        batch = frame({name: column[part] for name, column in columns.items()})
        of_part = None if weight is None else weight[part]
        model.partial_fit(batch, y[part], classes=[0, 1, 2], sample_weight=of_part)
    assert model.categories_ == whole.categories_
    for mine, other in zip(model.feature_params_, whole.feature_params_, strict=True):
        for name, value in other.items():
            np.testing.assert_allclose(mine[name], value, rtol=1e-12)
    X = frame(columns)
    np.testing.assert_allclose(model.transform(X), whole.transform(X), rtol=1e-11)


def test_failed_batch_leaves_the_model_as_it_was():
    columns, y, _, kinds = table(0)
    X = pd.DataFrame(columns)
    model = MixedNB(kinds).fit(X, y)
    before = model.transform(X)
    with pytest.raises(ValueError, match="kind is 'poisson'"):
        model.partial_fit(X.assign(calls=-1.0, town="new"), y)
    np.testing.assert_array_equal(model.transform(X), before)


def test_integer_weights_equal_repeated_rows(seed):
    columns, y, _, kinds = table(seed)
    X = pd.DataFrame(columns)
    X.loc[0, "town"] = "only here"
    repeats = np.random.default_rng(seed).integers(0, 4, len(y))
    repeats[0] = 0
    rows = np.repeat(np.arange(len(y)), repeats)
    weighted = MixedNB(kinds).fit(X, y, sample_weight=repeats)
    repeated = MixedNB(kinds).fit(X.iloc[rows], y[rows])
    assert weighted.categories_ == repeated.categories_
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-9)


def test_units_and_row_order_do_not_matter(seed):
    columns, y, _, kinds = table(seed)
    X = pd.DataFrame(columns)
    order = np.random.default_rng(seed).permutation(len(y))
    other = X.assign(height=X.height * 1e-6, income=X.income * 1e9, wait=X.wait * 3600)
    model = MixedNB(kinds).fit(X, y)
    scaled = MixedNB(kinds).fit(other.iloc[order], y[order])
    np.testing.assert_allclose(scaled.predict_proba(other), model.predict_proba(X), rtol=1e-9)


# ------------------------------------------------------------------------- in company


@FRAMES
def test_chunks_of_rows_change_nothing(frame, monkeypatch):
    columns, y, weight, kinds = table(5, n=3000, missing=0.1)
    X = frame(columns)
    model = MixedNB(kinds, missing="ignore").fit(X, y, sample_weight=weight)
    joint = model.transform(X)
    monkeypatch.setattr(chunks_module, "CELLS", 100)
    np.testing.assert_array_equal(model.transform(X), joint)
    other = MixedNB(kinds, missing="ignore").fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(other.transform(X), joint, rtol=1e-11)


def test_pandas_and_polars_give_the_same_bits():
    columns, y, _, kinds = table(1, missing=0.1)
    results = [
        MixedNB(kinds, missing="ignore").fit(frame(columns), y).transform(frame(columns))
        for frame in (pd.DataFrame, pl.DataFrame)
    ]
    np.testing.assert_array_equal(*results)


def test_pipeline_behind_a_column_transformer_scores():
    columns, y, _, kinds = table(2, n=300)
    X = pd.DataFrame(columns)
    drop = make_column_transformer(
        ("drop", ["wait"]), remainder="passthrough", verbose_feature_names_out=False
    )
    del kinds["wait"]
    pipeline = make_pipeline(drop.set_output(transform="pandas"), MixedNB(kinds))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.7


def test_columns_in_another_order_are_refused():
    columns, y, _, kinds = table(0)
    X = pd.DataFrame(columns)
    model = MixedNB(kinds).fit(X, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[X.columns[::-1]])


@pytest.mark.parametrize("kind", ["poisson", "exponential", "bernoulli", "multinomial"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_columns_of_zeros_give_numbers(kind, alpha):
    X = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    model = MixedNB(kind, alpha=alpha).fit(X, [0, 0, 1])
    for query in (X, X + 5.0):
        assert np.isfinite(model.predict_proba(query)).all()
    assert not np.isnan(model.transform(X)).any()
