"""Where sequences begin and end: ids in a column, groups, lengths, lists; and cross-validation."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml.hmm import CategoricalHMM, GaussianHMM, PoissonHMM
from sklearn_extra_ml.hmm._sequences import boundaries

LENGTHS = np.array([40, 1, 25, 60, 34])
IDS = np.repeat([7, 3, 11, 5, 3], LENGTHS)  # 3 comes back after a gap: a new sequence


@pytest.fixture
def truth():
    return GaussianHMM.from_parameters(
        [0.7, 0.3], [[0.9, 0.1], [0.2, 0.8]], [[0.0, 0.0], [3.0, 1.0]], [[1.0, 1.0], [0.5, 2.0]]
    )


@pytest.fixture
def X(truth, seed):
    return truth.sample(LENGTHS.sum(), random_state=seed)[0]


def fitted(X, sequence_col=None, **boundaries):
    return GaussianHMM(2, sequence_col=sequence_col, random_state=0).fit(X, **boundaries)


def test_all_ways_to_say_where_sequences_end_give_the_same_bits(X):
    parts = np.split(X, np.cumsum(LENGTHS)[:-1])
    with_ids = np.column_stack([X[:, 0], IDS, X[:, 1]])
    frame = pd.DataFrame({"a": X[:, 0], "patient": [f"no. {i}" for i in IDS], "b": X[:, 1]})
    expected = fitted(X, lengths=LENGTHS)
    posteriors = expected.predict_proba(X, lengths=LENGTHS)
    ways = [
        (fitted(X, groups=IDS), X, {"groups": IDS}),
        (fitted(X, groups=IDS.astype(str)), X, {"groups": list(IDS)}),
        (fitted(parts), parts, {}),
        (fitted([p.tolist() for p in parts]), parts, {}),
        (fitted(with_ids, sequence_col=1), with_ids, {}),
        (fitted(with_ids, sequence_col=-2), with_ids.tolist(), {}),
        (fitted(with_ids.astype(object), sequence_col=1), with_ids, {}),
        (fitted(frame, sequence_col="patient"), frame, {}),
        (fitted(frame, sequence_col=1), frame, {}),
        (fitted(pl.from_pandas(frame), sequence_col="patient"), pl.from_pandas(frame), {}),
    ]
    for model, rows, options in ways:
        np.testing.assert_array_equal(model.transmat_, expected.transmat_)
        np.testing.assert_array_equal(model.predict_proba(rows, **options), posteriors)
        assert model.score(rows, **options) == expected.score(X, lengths=LENGTHS)
    together = fitted(X)
    assert not np.array_equal(together.transmat_, expected.transmat_)


def test_three_dimensional_array_is_one_sequence_for_each_entry(X):
    cube = X[:160].reshape(8, 20, 2)
    model = fitted(cube)
    expected = fitted(X[:160], lengths=[20] * 8)
    np.testing.assert_array_equal(model.transmat_, expected.transmat_)
    assert model.predict(cube).shape == (160,)


def test_every_method_takes_boundaries(truth, X):
    for name in ("predict", "predict_proba", "transform", "score_samples", "filter"):
        method = getattr(truth, name)
        parts = [method(p) for p in np.split(X, np.cumsum(LENGTHS)[:-1])]
        np.testing.assert_array_equal(method(X, groups=IDS), np.concatenate(parts), err_msg=name)
    by_part = sum(truth.log_likelihood(p) for p in np.split(X, np.cumsum(LENGTHS)[:-1]))
    assert truth.log_likelihood(X, groups=IDS) == pytest.approx(by_part)
    assert truth.aic(X, groups=IDS) != truth.aic(X)
    assert truth.bic(X, groups=IDS) != truth.bic(X)
    transformed = GaussianHMM(2, random_state=0).fit_transform(X, groups=IDS)
    np.testing.assert_array_equal(transformed, fitted(X, groups=IDS).transform(X, groups=IDS))


def test_weighted_score_counts_sequences(truth, X):
    weights = np.repeat([2.0, 0.0, 1.0, 0.0, 1.0], LENGTHS)
    parts = [truth.score_samples(p) for p in np.split(X, np.cumsum(LENGTHS)[:-1])]
    expected = np.concatenate([parts[0], parts[0], parts[2], parts[4]]).mean()
    assert truth.score(X, groups=IDS, sample_weight=weights) == pytest.approx(expected)


def test_an_id_that_comes_back_after_a_gap_is_a_new_sequence(X):
    np.testing.assert_array_equal(boundaries(X, IDS, None), LENGTHS)
    np.testing.assert_array_equal(boundaries(X[:4], ["a", "b", "b", "a"], None), [1, 2, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lengths": [3, 4]}, r"add up to 7.*160 rows.*`groups`.*`sequence_col`"),
        ({"lengths": [160.0]}, "no list of lengths"),
        ({"lengths": [170, -10]}, "no list of lengths"),
        ({"groups": np.zeros(159)}, "inconsistent numbers of samples"),
        ({"groups": np.full(160, np.nan)}, "missing ids"),
        ({"groups": np.zeros(160), "lengths": [160]}, "given more than once"),
    ],
)
def test_wrong_boundaries_are_refused(X, options, message):
    with pytest.raises(ValueError, match=message):
        fitted(X, **options)


def test_wrong_columns_of_ids_are_refused(X):
    frame = pd.DataFrame(X, columns=["a", "b"])
    for rows, column in ((X, 2), (X, -3), (frame, "c"), (X, "a")):
        with pytest.raises(ValueError, match="`sequence_col`"):
            fitted(rows, sequence_col=column)
    with pytest.raises(ValueError, match="given more than once"):
        fitted(np.column_stack([X, IDS]), sequence_col=2, groups=IDS)
    with pytest.raises(ValueError, match="divided into sequences already"):
        fitted([X[:80], X[80:]], groups=IDS)
    with pytest.raises(ValueError, match="same number of columns"):
        fitted([X[:80], X[80:, :1]])


def test_shuffled_ids_are_warned_about(X):
    shuffled = np.random.default_rng(0).permutation(np.column_stack([X, np.arange(160) % 40]))
    with pytest.warns(UserWarning, match="mixed the column"):
        fitted(shuffled, sequence_col=2)


def test_column_names_are_remembered_with_the_column_of_ids(X):
    frame = pd.DataFrame({"id": IDS, "a": X[:, 0], "b": X[:, 1]})
    model = fitted(frame, sequence_col="id")
    assert model.n_features_in_ == 3
    assert list(model.feature_names_in_) == ["id", "a", "b"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "c"}))


def test_sequences_of_one_row_are_sequences(truth):
    # pomegranate#1049: a sequence of one row crashes.
    X, _ = truth.sample(1, n_sequences=300, random_state=0)
    model = fitted(X, lengths=np.ones(300, int))
    assert np.isfinite(model.score(X, lengths=np.ones(300, int)))
    np.testing.assert_allclose(model.transmat_.sum(axis=1), 1)


def test_more_states_than_rows_are_refused(X):
    with pytest.raises(ValueError, match="n_components`=5 is larger than n_samples=3"):
        GaussianHMM(5).fit(X[:3])


GRID = {
    "gaussianhmm__n_components": [1, 2],
    "gaussianhmm__covariance_type": ["diag", "full", "tied", "spherical"],
}


@pytest.fixture
def panel(truth, seed):
    """Twelve sequences: rows, ids."""
    X, _ = truth.sample(60, n_sequences=12, random_state=seed)
    return X, np.repeat(np.arange(12), 60)


def test_grid_search_with_a_column_of_ids_needs_no_routing(panel):
    X, ids = panel
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "id": ids})
    scaler = make_column_transformer(
        (StandardScaler(), ["a", "b"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    pipeline = make_pipeline(scaler, GaussianHMM(sequence_col="id", random_state=0))
    search = GridSearchCV(pipeline, GRID, cv=GroupKFold(4)).fit(frame, groups=ids)
    assert search.best_params_["gaussianhmm__n_components"] == 2
    train, test = next(GroupKFold(4).split(frame, groups=ids))
    model = pipeline.set_params(**search.best_params_).fit(frame.iloc[train])
    best = search.cv_results_["split0_test_score"][search.best_index_]
    assert best == pytest.approx(model.score(frame.iloc[test]))


def test_grid_search_with_a_plain_scaler_keeps_the_column_of_ids_apart(panel):
    X, ids = panel
    rows = np.column_stack([X, ids])
    pipeline = make_pipeline(StandardScaler(), GaussianHMM(sequence_col=2, random_state=0))
    search = GridSearchCV(pipeline, GRID, cv=GroupKFold(4)).fit(rows, groups=ids)
    assert search.best_params_["gaussianhmm__n_components"] == 2
    mixed = make_pipeline(PCA(3), GaussianHMM(2, sequence_col=2, random_state=0))
    with pytest.warns(UserWarning, match="mixed the column"):
        mixed.fit(rows)


def test_grid_search_with_routed_groups(panel):
    X, ids = panel
    with sklearn.config_context(enable_metadata_routing=True):
        model = GaussianHMM(random_state=0)
        model.set_fit_request(groups=True).set_score_request(groups=True)
        pipeline = make_pipeline(StandardScaler(), model)
        search = GridSearchCV(pipeline, GRID, cv=GroupKFold(4)).fit(X, groups=ids)
        assert search.best_params_["gaussianhmm__n_components"] == 2
        train, test = next(GroupKFold(4).split(X, groups=ids))
        best = pipeline.set_params(**search.best_params_).fit(X[train], groups=ids[train])
        score = search.cv_results_["split0_test_score"][search.best_index_]
        assert score == pytest.approx(best.score(X[test], groups=ids[test]))
    assert not np.isclose(score, best.score(X[test]))  # as one sequence it is another score


def test_groups_reach_predict_and_transform_by_routing(panel):
    X, ids = panel
    with sklearn.config_context(enable_metadata_routing=True):
        model = GaussianHMM(2, random_state=0)
        for request in ("fit", "predict", "predict_proba", "transform", "score"):
            getattr(model, f"set_{request}_request")(groups=True)
        pipeline = make_pipeline(StandardScaler(), model).fit(X, groups=ids)
        scaled = StandardScaler().fit_transform(X)
        last = pipeline[-1]
        np.testing.assert_array_equal(
            pipeline.predict(X, groups=ids), last.predict(scaled, groups=ids)
        )
        np.testing.assert_array_equal(
            pipeline.predict_proba(X, groups=ids), last.predict_proba(scaled, groups=ids)
        )
        np.testing.assert_array_equal(
            pipeline.transform(X, groups=ids), last.transform(scaled, groups=ids)
        )


def test_lengths_in_cross_validation_are_refused_with_a_way_out(panel):
    X, _ = panel
    with sklearn.config_context(enable_metadata_routing=True):
        model = GaussianHMM(2).set_fit_request(lengths=True).set_score_request(lengths=True)
        with pytest.raises(ValueError, match=r"`groups`.*`sequence_col`"):
            cross_val_score(model, X, params={"lengths": [60] * 12}, cv=3, error_score="raise")


@pytest.mark.parametrize("estimator", [CategoricalHMM, PoissonHMM])
def test_discrete_models_take_a_column_of_ids(estimator, rng):
    X, ids = rng.integers(0, 4, size=(90, 2)), np.repeat([2, 0, 1], 30)
    model = estimator(2, sequence_col=0, random_state=0, tol=0.01)
    model.fit(np.column_stack([ids, X]))
    expected = estimator(2, random_state=0, tol=0.01).fit(X, groups=ids)
    np.testing.assert_array_equal(model.transmat_, expected.transmat_)


@pytest.mark.parametrize("method", ["fit", "fit_transform", "score"])
def test_lengths_as_second_argument_are_refused_not_ignored(rng, method):
    # hmmlearn's call: without an error the boundaries would be lost in silence
    X = rng.normal(size=(60, 1))
    model = GaussianHMM(1).fit(X, np.zeros(60))
    with pytest.raises(ValueError, match="`lengths=`"):
        getattr(model, method)(X, [20, 40])


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_list_of_frames_is_taken_by_the_names_of_its_columns(X, frame):
    parts = [frame({"a": p[:, 0], "b": p[:, 1]}) for p in np.split(X, np.cumsum(LENGTHS)[:-1])]
    model, expected = fitted(parts), fitted(X, lengths=LENGTHS)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(model.transmat_, expected.transmat_)
    np.testing.assert_array_equal(model.predict(parts), expected.predict(X, lengths=LENGTHS))
    parts[2] = parts[2][["b", "a"]]
    for call in (fitted, model.predict):
        with pytest.raises(ValueError, match=r"columns \['a', 'b'\] and \['b', 'a'\]"):
            call(parts)


@pytest.mark.parametrize(
    "X",
    [
        [[0, 0, 1, 1], [1, 1, 0], [0, 1]],
        [np.array([0, 0, 1, 1]), np.array([1, 1, 0]), np.array([0, 1])],
        np.array([[0, 0, 1, 1], [1, 1, 0], [0, 1]], dtype=object),
    ],
)
def test_one_dimensional_sequences_of_several_lengths_are_refused_with_a_way_out(X):
    # hmmlearn#381, #249, #265: "setting an array element with a sequence".
    with pytest.raises(ValueError, match=r"lengths \[4, 3, 2\]. Allowed: one 2-D array .*reshape"):
        CategoricalHMM(2).fit(X)
