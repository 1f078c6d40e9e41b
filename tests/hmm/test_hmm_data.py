"""Bad and hard data, and the famous bugs of other packages."""

import warnings

import numpy as np
import pandas as pd
import pytest
from interrupts import seconds_to_interrupt
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_extra_ml.hmm import CategoricalHMM, GaussianHMM, PoissonHMM


def quietly(model, *arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*arguments, **keywords)


def assert_no_nan(model):
    for name in ("startprob_", "transmat_", *model._emission_names):
        value = getattr(model, name)
        for part in value if isinstance(value, list) else [value]:
            assert np.isfinite(part).all(), name


@pytest.mark.parametrize("kind", ["diag", "full", "tied", "spherical"])
def test_duplicates_and_more_states_than_distinct_rows_give_no_nan(kind):
    # hmmlearn#137, #169: a state that explains nothing becomes NaN.
    X = np.repeat([[0.0, 1.0], [5.0, 5.0]], 20, axis=0)
    model = quietly(GaussianHMM(5, kind, random_state=0), X)
    assert_no_nan(model)
    np.testing.assert_allclose(model.transmat_.sum(axis=1), 1)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert np.isfinite(model.score(X))


@pytest.mark.parametrize("kind", ["diag", "full", "tied", "spherical"])
def test_an_empty_state_is_put_elsewhere_with_a_warning(kind, rng):
    X = np.concatenate([rng.normal(size=(100, 1)), 50 + rng.normal(size=(20, 1))])
    covars = {"full": np.ones((2, 1, 1)), "tied": np.ones((1, 1)), "spherical": np.ones(2)}
    model = GaussianHMM.from_parameters(
        [1, 0],
        [[1, 0], [0, 1]],
        [[0.0], [1e4]],
        covars.get(kind, np.ones((2, 1))),
        covariance_type=kind,
        warm_start=True,
    )
    with pytest.warns(ConvergenceWarning, match=r"states \[1\] explained no row"):
        model.fit(X)
    assert model.converged_
    np.testing.assert_allclose(np.sort(model.means_[:, 0]), [0, 50], atol=1)


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (
            CategoricalHMM.from_parameters([1, 0], np.eye(2), [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]),
            [[0]] * 9 + [[2]] * 9,
        ),
        (PoissonHMM.from_parameters([1, 0], np.eye(2), [[0.0], [0.0]]), [[0]] * 9 + [[3]] * 9),
    ],
    ids=["categorical", "poisson"],
)
def test_fit_comes_back_from_a_start_that_cannot_emit_the_rows(model, X):
    model.set_params(warm_start=True)
    quietly(model, X)
    assert model.history_[0] == -np.inf
    assert_no_nan(model)
    assert np.isfinite(model.history_[-1])


def test_unseen_codes_have_probability_zero_and_posteriors_all_the_same():
    X = np.array([[0], [1], [0], [0], [1], [1]])
    model = quietly(CategoricalHMM(2, random_state=0), X)
    unseen = np.array([[0], [7], [1]])
    assert model.score(unseen) == -np.inf
    assert np.isneginf(model.score_samples(unseen)).tolist() == [False, True, False]
    assert model.decode(unseen)[0] == -np.inf
    for method in ("predict_proba", "filter"):
        np.testing.assert_allclose(getattr(model, method)(unseen).sum(axis=1), 1)
    known = quietly(CategoricalHMM(2, n_categories=8, random_state=0), X)
    assert known.emissionprob_.shape == (2, 8)
    with pytest.raises(ValueError, match="n_categories"):
        CategoricalHMM(2, n_categories=1).fit(X)
    several = quietly(CategoricalHMM(2, n_categories=[2, 5], random_state=0), np.hstack([X, X]))
    assert [p.shape for p in several.emissionprob_] == [(2, 2), (2, 5)]


@pytest.mark.parametrize("estimator", [CategoricalHMM, PoissonHMM])
def test_negative_counts_and_codes_are_refused(estimator):
    with pytest.raises(ValueError, match="Negative values"):
        estimator().fit([[1], [-1]])


def test_fractional_codes_are_warned_about_and_huge_ones_refused():
    with pytest.warns(UserWarning, match="integer parts"):
        CategoricalHMM().fit([[0.5], [1.0]])
    with pytest.raises(ValueError, match="large gaps"):
        CategoricalHMM().fit([[0], [2**31]])


@pytest.mark.parametrize("estimator", [CategoricalHMM, GaussianHMM, PoissonHMM])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_and_infinite_rows_are_refused(estimator, bad):
    # hmmlearn#327, in this version: clearly.
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        estimator().fit([[0.0], [bad], [1.0]])


@pytest.mark.parametrize("estimator", [CategoricalHMM, GaussianHMM, PoissonHMM])
def test_rows_of_another_width_are_refused(estimator, rng):
    model = quietly(estimator(2, random_state=0), rng.integers(0, 3, size=(30, 2)))
    with pytest.raises(ValueError, match="1 features, but"):
        model.predict([[0]])
    del model.n_features_in_  # as for a model made from parameters
    with pytest.raises(ValueError, match="1 columns to model"):
        model.predict([[0]])


def test_fits_repeat_bit_by_bit_for_any_number_of_jobs(rng):
    # hmmlearn#410, #557: different on another machine, or from run to run.
    X = rng.normal(size=(5000, 3))
    for options in ({}, {"lengths": [50] * 100}):
        one = quietly(GaussianHMM(3, "full", random_state=0, n_jobs=1, max_iter=5), X, **options)
        many = quietly(GaussianHMM(3, "full", random_state=0, n_jobs=4, max_iter=5), X, **options)
        for name in ("startprob_", "transmat_", "means_", "covars_", "history_"):
            np.testing.assert_array_equal(getattr(one, name), getattr(many, name))
        np.testing.assert_array_equal(
            one.predict_proba(X, **options), many.predict_proba(X, **options)
        )


def test_many_states_and_columns(rng):
    X = rng.normal(size=(600, 20))
    model = quietly(GaussianHMM(40, "diag", random_state=0, max_iter=3), X)
    assert_no_nan(model)
    assert model.predict_proba(X).shape == (600, 40)


def test_fit_can_be_interrupted():
    setup = """if True:
        import numpy as np
        from sklearn_extra_ml.hmm import GaussianHMM
        X = np.random.default_rng(0).normal(size=(400_000, 2))
    """
    call = "GaussianHMM(30, max_iter=10_000, tol=0, random_state=0).fit(X)"
    assert seconds_to_interrupt(setup, call, after=3) < 10  # 2 s where nothing else runs


def test_rare_regimes_survive(seed):
    truth = GaussianHMM.from_parameters(
        [1, 0], [[0.999, 0.001], [0.05, 0.95]], [[0.0], [0.0]], [[1.0], [25.0]]
    )
    X, states = truth.sample(20_000, random_state=seed)
    model = GaussianHMM(2, random_state=seed).fit(X)
    wide = int(np.argmax(model.covars_[:, 0]))
    np.testing.assert_allclose(model.covars_[[1 - wide, wide], 0], [1, 25], rtol=0.3)
    assert np.mean((model.predict(X) == wide) == (states == 1)) > 0.99


@pytest.mark.parametrize("words", [np.array([["a"], ["b"]]), pd.DataFrame({"w": ["a", "b"]})])
def test_words_are_refused_with_a_way_out(words):
    # hmmlearn#74, #534: what to do with symbols that are no numbers.
    with pytest.raises(ValueError, match=r"holds words .* Encode with OrdinalEncoder"):
        CategoricalHMM().fit(words)


def test_rows_that_the_chain_forbids_end_the_fit_and_are_told():
    # hmmlearn#172, pomegranate#675: EM at probability 0 went on to the end, and "improved" by NaN.
    model = CategoricalHMM.from_parameters([1, 0], np.eye(2), np.eye(2), warm_start=True)
    with pytest.warns(ConvergenceWarning, match=r"did not find a model that explains X in 10"):
        model.fit([[0], [1], [0]])
    assert not model.converged_
    assert_no_nan(model)


@pytest.mark.parametrize("states", [["a", "a", "b"], [0, np.nan, 1], [0, None, 1]])
def test_states_that_are_no_numbers_are_refused_by_name(states):
    with pytest.raises(ValueError, match=r"`states`=.* -1 for unknown. Number the states"):
        GaussianHMM(2).fit([[0.0], [1.0], [2.0]], states=states)


def test_smoothed_categories_keep_a_probability_in_every_fold():
    # A symbol in one fold alone made every score -inf, and GridSearchCV chose the first.
    X = np.random.RandomState(0).randint(0, 3, size=(120, 1))
    X[5] = 7
    grid = {"n_components": [1, 2], "alpha": [0.0, 0.5]}
    search = GridSearchCV(
        CategoricalHMM(n_categories=8, random_state=0, max_iter=30), grid, cv=KFold(3)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scores that are not finite, and of convergence
        search.fit(X)
    scores = search.cv_results_["mean_test_score"]
    smoothed = np.array([p["alpha"] > 0 for p in search.cv_results_["params"]])
    assert np.isfinite(scores[smoothed]).all()
    assert np.isneginf(scores[~smoothed]).all()
    assert search.best_params_["alpha"] == 0.5
