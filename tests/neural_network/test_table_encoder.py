"""Tables to matrices and back."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal as assert_polars_equal

from sklearn_extra_ml._torch._storage import load_model, save_model
from sklearn_extra_ml._torch._table import TableEncoder, _decimals

SCALINGS = ("auto", "column", "global", "quantile", False)


@pytest.fixture
def frame(rng):
    """A pandas frame with every kind of column, some with missing values."""
    n = 60

    def choice(*levels):
        return rng.choice(np.array(levels, dtype=object), size=n)

    return pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "float32": rng.normal(size=n).astype(np.float32),
            "gaps": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "int": rng.integers(-5, 9, size=n),
            "uint8": rng.integers(0, 200, size=n).astype(np.uint8),
            "Int64": pd.array(
                np.where(rng.random(n) < 0.2, None, rng.integers(5, size=n)), "Int64"
            ),
            "constant": np.ones(n),
            "category": pd.Categorical(choice("x", "y", "z"), ["w", "z", "y", "x"], ordered=True),
            "bool": rng.random(n) < 0.3,
            "boolean": pd.array(choice(True, False, None), dtype="boolean"),
            "string": pd.array(choice("u", "v", None), dtype="string"),
            "object": pd.Series(choice(1, "one", None), np.arange(n) + 5, dtype=object),
        },
        index=np.arange(n) + 5,
    )


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("encoding", ["onehot", "embedding"])
def test_pandas_frame_comes_back_with_dtypes_and_gaps(frame, scaling, encoding):
    encoder = TableEncoder(scaling, categorical_encoding=encoding).fit(frame)
    Z = encoder.transform(frame)
    assert Z.shape == (60, encoder.n_encoded)
    assert np.isnan(Z).any(axis=0).sum() == 2  # the two numeric columns with gaps
    back = encoder.inverse_transform(Z, index=frame.index)
    pd.testing.assert_frame_equal(back, frame)


def test_polars_and_arrow_tables_come_back(frame):
    table = pl.from_pandas(frame.drop(columns="object")).with_columns(
        pl.col("string").cast(pl.Enum(["u", "v", "w"])), pl.col("category").cast(pl.String)
    )
    encoder = TableEncoder().fit(table)
    back = encoder.inverse_transform(encoder.transform(table))
    assert_polars_equal(back, table)
    arrow = frame[["number", "int", "bool"]].pipe(pa.Table.from_pandas, preserve_index=False)
    encoder = TableEncoder().fit(arrow)
    back = encoder.inverse_transform(encoder.transform(arrow))
    assert back.schema.types == arrow.schema.types
    pd.testing.assert_frame_equal(back.to_pandas(), arrow.to_pandas())


def test_encoder_is_stored_without_pickle(frame, tmp_path):
    encoder = TableEncoder("quantile").fit(frame)
    save_model(tmp_path / "encoder", {"encoder": encoder})
    loaded = load_model(tmp_path / "encoder")["encoder"]
    np.testing.assert_array_equal(loaded.transform(frame), encoder.transform(frame))
    Z = encoder.transform(frame)
    pd.testing.assert_frame_equal(loaded.inverse_transform(Z), encoder.inverse_transform(Z))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_log_jacobian_equals_finite_differences(rng, scaling):
    X = rng.normal(size=(80, 3)) ** 3 * [1, 10, 100]
    encoder = TableEncoder(scaling).fit(X)
    Z, h = encoder.transform(X), 1e-7
    slopes = [(encoder.transform(X + h * np.eye(3)[j]) - Z)[:, j] / h for j in range(3)]
    np.testing.assert_allclose(
        encoder.log_jacobian(X), np.log(slopes).sum(axis=0), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(encoder.inverse_transform(Z), X, rtol=1e-9, atol=1e-12)


def test_columns_have_unit_variance_and_quantiles_are_normal(rng):
    X = np.c_[rng.exponential(size=4000), rng.normal(5, 100, size=4000)]
    for scaling in ("column", "quantile"):
        Z = TableEncoder(scaling).fit(X).transform(X)
        np.testing.assert_allclose(Z.mean(axis=0), 0, atol=0.02)
        np.testing.assert_allclose(Z.std(axis=0), 1, atol=0.05)
    assert abs((Z[:, 0] ** 3).mean()) < 0.2  # the exponential column is no longer skewed
    Z = TableEncoder("global").fit(X).transform(X)
    assert Z.std(axis=0)[0] == pytest.approx(X.std(axis=0)[0] / X.std(axis=0)[1] * Z.std(axis=0)[1])


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_constant_columns_are_left_out_and_come_back(rng, offset):
    X = np.c_[np.full(20, offset + 3.0), rng.normal(size=20)]
    encoder = TableEncoder().fit(X)
    assert encoder.n_encoded == 1
    back = encoder.inverse_transform(encoder.transform(X))
    np.testing.assert_array_equal(back[:, 0], X[:, 0])
    only = TableEncoder().fit(X[:, :1])
    Z = only.transform(X[:, :1])
    assert Z.shape == (20, 1) and not Z.any()
    np.testing.assert_array_equal(only.inverse_transform(Z), X[:, :1])


def test_missing_throughout_comes_back_missing(rng):
    frame = pd.DataFrame({"a": rng.normal(size=9), "none": np.full(9, np.nan)})
    encoder = TableEncoder().fit(frame)
    Z = encoder.transform(frame)
    assert np.isfinite(Z).all()


def test_entries_to_impute_are_nan_and_indicators_say_present(frame):
    encoder = TableEncoder().fit(frame)
    blank = frame.astype(object).where(np.random.default_rng(0).random(frame.shape) < 0.5, None)
    blank = pd.DataFrame({c: pd.Series(blank[c].array, dtype=object) for c in blank})
    blank["number"] = pd.to_numeric(blank["number"])
    for name in ("float32", "gaps", "int", "uint8", "Int64", "constant"):
        blank[name] = pd.to_numeric(blank[name])
    Z = encoder.transform(blank, to_impute=True)
    n, m = len(encoder.kept), len(encoder.gappy)
    np.testing.assert_array_equal(np.isnan(Z[:, 0]), blank["number"].isna())
    present = -encoder.gap_mean / encoder.gap_scale
    np.testing.assert_allclose(Z[:, n : n + m], np.tile(present, (60, 1)))
    for column in encoder.categorical:
        start, stop = column["columns"]
        gaps = blank.iloc[:, column["position"]].isna()
        np.testing.assert_array_equal(np.isnan(Z[:, start:stop]).all(axis=1), gaps)


def test_whole_columns_come_back_whole_where_asked(rng):
    X = np.c_[rng.poisson(3.0, size=50).astype(float), rng.normal(size=50)]
    X[3, 0] = np.nan
    encoder = TableEncoder().fit(X)
    Z = encoder.transform(rng.normal(size=(20, 2)))
    back, plain = encoder.inverse_transform(Z, rounded=True), encoder.inverse_transform(Z)
    np.testing.assert_array_equal(back[:, 0], np.round(plain[:, 0]))
    np.testing.assert_array_equal(back[:, 1], plain[:, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_rounded_to_the_decimals_of_the_fit(rng, dtype):
    X = np.c_[
        np.round(rng.normal(size=60), 1),
        1000 + np.round(rng.normal(size=60), 3),
        rng.normal(size=60),
        100 * rng.integers(9, size=60),
    ].astype(dtype)
    X[5, 0] = np.nan
    encoder = TableEncoder().fit(X)
    np.testing.assert_array_equal(encoder.decimals, [1, 3 if dtype == np.float64 else -1, -1, 0])
    Z = encoder.transform(X)
    back = encoder.inverse_transform(Z + 1e-9 * rng.normal(size=Z.shape), rounded=True)
    for j, decimals in enumerate(encoder.decimals):
        expected = X[:, j] if decimals < 0 else np.round(X[:, j].astype(np.float64), decimals)
        np.testing.assert_allclose(back[:, j], expected, rtol=0 if decimals >= 0 else 1e-6)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_decimals_of_few_rows_are_those_that_write_them(rng, size):
    X = np.c_[np.linspace(0.25, 0.75, size), rng.normal(size=size)]
    encoder = TableEncoder().fit(X)
    assert encoder.decimals[0] == 2 and encoder.decimals[1] == -1


def test_decimals_of_numbers_beyond_single_precision():
    X = np.array([[1e40, 0.5, 0.25], [2.5e60, 1e308, 1e15], [3e40, 2.0, 3.0]])
    with np.errstate(all="raise"):
        encoder = TableEncoder().fit(X[:, :1])
        np.testing.assert_array_equal(encoder.decimals, [0])
        assert TableEncoder().fit(X[:, 2:]).decimals[0] == -1
    assert _decimals(X[:, 1]) == -1


def test_auto_takes_scores_for_columns_that_pile_up_only(rng):
    amount = np.where(rng.random(300) < 0.7, 0.0, rng.lognormal(size=300))
    imputed = np.where(rng.random(300) < 0.3, 1.25, rng.normal(size=300))
    X = np.c_[rng.normal(size=300), amount, imputed, rng.integers(2, size=300)]
    encoder = TableEncoder("auto").fit(X)
    assert [score is not None for score in encoder.scores] == [False, True, True, False]
    Z = encoder.transform(X)
    back = encoder.inverse_transform(Z + 0.05 * rng.uniform(-1, 1, size=Z.shape))
    for j, value in ((1, 0.0), (2, 1.25)):
        held = X[:, j] == value
        np.testing.assert_array_equal(back[held, j], value)
        assert (back[~held, j] != value).mean() > 0.9


def test_clip_keeps_the_range_of_the_fit(rng):
    X = rng.normal(size=(30, 2))
    encoder = TableEncoder().fit(X)
    back = encoder.inverse_transform(10 * encoder.transform(X), clip=True)
    assert (back >= X.min(axis=0)).all() and (back <= X.max(axis=0)).all()


def test_array_columns_named_categorical_keep_their_levels(rng):
    X = np.c_[rng.normal(size=50), rng.choice([1.0, 2.0, 7.0], size=50)]
    encoder = TableEncoder(categorical_features=[1]).fit(X)
    assert encoder.n_encoded == 4
    np.testing.assert_allclose(encoder.inverse_transform(encoder.transform(X)), X)
    noisy = encoder.transform(X) + 0.1 * rng.normal(size=(50, 4))
    np.testing.assert_array_equal(encoder.inverse_transform(noisy)[:, 1], X[:, 1])


def test_many_levels_take_few_columns(rng):
    frame = pd.DataFrame({"c": [f"level {i % 100}" for i in range(1000)]})
    encoder = TableEncoder(categorical_encoding="embedding").fit(frame)
    assert encoder.n_encoded == 15
    Z = encoder.transform(frame) + 0.2 * rng.normal(size=(1000, 15))
    back = encoder.inverse_transform(Z)
    assert (back["c"] == frame["c"]).mean() > 0.99


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda f: f.assign(number=np.inf), ValueError, "infinity in column 'number'"),
        (lambda f: f.assign(category="new"), ValueError, "'category' holds 'new'"),
        (lambda f: f.assign(number=np.nan), ValueError, "NaN in column 'number'"),
        (lambda f: f.assign(bool=None), ValueError, "'bool' holds None"),
        (lambda f: f[["number"]], ValueError, "1 features, but 12"),
    ],
)
def test_what_the_fit_did_not_see_is_refused(frame, change, error, words):
    encoder = TableEncoder().fit(frame)
    with pytest.raises(error, match=words):
        encoder.transform(change(frame.copy()))


def test_dates_are_refused_with_advice():
    with pytest.raises(TypeError, match="'when' has dtype datetime64"):
        TableEncoder().fit(pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}))


@pytest.mark.parametrize("which", [[5], ["no"], [True]])
def test_unknown_categorical_features_are_refused(rng, which):
    with pytest.raises(ValueError, match="categorical_features"):
        TableEncoder(categorical_features=which).fit(rng.normal(size=(5, 2)))
