"""GMMHMM and MultinomialHMM: what only they do, and hard data."""

import warnings

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning

from reference import hmm as reference
from sklearn_extra_ml._native import _hmm_emissions as kernels
from sklearn_extra_ml.hmm import (
    GMMHMM,
    CategoricalHMM,
    GaussianHMM,
    MultinomialHMM,
    PoissonHMM,
    _mixture_emission,
)

KINDS = ["diag", "full", "tied", "spherical"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def quietly(model, *arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*arguments, **keywords)


def interleaved(seed, n=4000):
    """Two states of two modes each, on a line in turns: a mode tells nothing of its state's place."""
    truth = GMMHMM.from_parameters(
        [0.5, 0.5],
        [[0.95, 0.05], [0.1, 0.9]],
        [[0.6, 0.4], [0.3, 0.7]],
        [[[0.0], [8.0]], [[4.0], [12.0]]],
        [[[1.0], [0.5]], [[0.5], [1.0]]],
    )
    return truth, *truth.sample(n, random_state=seed)


# ------------------------------------------------------------------------------------------ kernels


@pytest.mark.parametrize(("n", "K", "M"), [(1, 1, 1), (7, 3, 2), (5000, 2, 5), (3, 1, 3000)])
def test_mix_adds_up_densities_and_gives_shares(n, K, M, rng):
    parts = 300 * rng.normal(size=(n, K * M))
    parts[rng.uniform(size=parts.shape) < 0.2] = -np.inf
    parts[0, :M] = -np.inf  # a state that cannot emit the row
    weights = np.log(rng.dirichlet(np.ones(M), size=K)).ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = (parts + weights).reshape(n, K, M)
        expected = logsumexp(joint, axis=2)
        shares = np.nan_to_num(np.exp(joint - expected[:, :, None]))
    results = []
    for n_threads in (1, 3):
        found, out = parts.copy(), np.empty((n, K))
        kernels.mix(found, weights, out, n_threads)
        results.append((found, out))
    np.testing.assert_allclose(results[0][1], expected, rtol=1e-14)
    np.testing.assert_allclose(results[0][0], shares.reshape(n, -1), rtol=1e-12, atol=1e-300)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
    posteriors, both = rng.uniform(size=(n, K)), results[0][0].copy()
    kernels.share_out(both, posteriors, 2)
    expected = results[0][0].reshape(n, K, M) * posteriors[:, :, None]
    np.testing.assert_array_equal(both, expected.reshape(n, -1))


# ------------------------------------------------------------------------------ mixtures of Gaussians


@each_kind
def test_one_part_is_the_gaussian_model(kind, rng):
    X = np.concatenate([rng.normal(size=(300, 2)), 4 + rng.normal(size=(300, 2))])
    X = X[np.repeat(rng.permutation(60), 10) * 10 + np.tile(np.arange(10), 60)]
    options = {"covariance_type": kind, "max_iter": 8, "tol": 0, "random_state": 0}
    one, two = quietly(GaussianHMM(2, **options), X), quietly(GMMHMM(2, 1, **options), X)
    if kind == "tied":  # there one matrix for all states, here one for each
        assert two.covars_.shape == (2, 2, 2)
        one = quietly(GaussianHMM(2, **options | {"covariance_type": "full"}), X)
    np.testing.assert_allclose(two.history_, one.history_, rtol=1e-12)
    np.testing.assert_allclose(two.means_[:, 0], one.means_, rtol=1e-9)
    np.testing.assert_allclose(two.predict_proba(X), one.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("init_params", ["kmeans", "random"])
def test_states_whose_parts_lie_in_turns_are_found_by_what_follows_them(init_params, seed):
    truth, X, states = interleaved(seed)
    model = GMMHMM(2, 2, init_params=init_params, random_state=seed).fit(X)
    assert model.score(X) > truth.score(X)
    order = np.argsort(model.means_[:, :, 0].min(axis=1))
    np.testing.assert_allclose(np.sort(model.means_[order, :, 0]), [[0, 8], [4, 12]], atol=0.3)
    np.testing.assert_allclose(model.transmat_[np.ix_(order, order)], truth.transmat_, atol=0.05)
    assert np.mean(np.argsort(order)[model.predict(X)] == states) > 0.97
    # by place alone, as with one Gaussian each, the states come out wrong
    assert GaussianHMM(2, random_state=seed).fit(X).score(X) < truth.score(X) - 0.2


@each_kind
def test_history_ends_with_the_objective_of_the_parameters(kind, rng):
    X = rng.normal(size=(150, 2)) * [1.0, 3.0] + 3 * rng.integers(0, 3, size=(150, 1))
    model = quietly(GMMHMM(2, 3, kind, reg_covar=0.1, max_iter=5, tol=0, random_state=0), X)
    penalties = [reference.gaussian_penalty(covars, 3, 2, kind, 0.1) for covars in model.covars_]
    parts = zip(model.weights_, model.means_, model.covars_, penalties, strict=True)
    density = np.column_stack(
        [
            logsumexp(
                np.log(w) + penalty + reference.gaussian_log_density(X, means, covars, kind), axis=1
            )
            for w, means, covars, penalty in parts
        ]
    )
    total = reference.expectation(density, model.startprob_, model.transmat_)[0]
    assert model.history_[-1] == pytest.approx(total / len(X), rel=1e-10)


@each_kind
def test_parts_and_states_without_rows_give_no_nan(kind):
    X = np.repeat([[0.0, 1.0], [5.0, 5.0]], 20, axis=0)
    for K, M in ((1, 4), (2, 3), (5, 2)):
        model = quietly(GMMHMM(K, M, kind, random_state=0), X)
        for name in ("startprob_", "transmat_", "weights_", "means_", "covars_"):
            assert np.isfinite(getattr(model, name)).all(), name
        np.testing.assert_allclose(model.weights_.sum(axis=1), 1)
        assert np.isfinite(model.score(X))
        assert model.predict_proba(X).sum() == pytest.approx(len(X))


@each_kind
def test_fewer_rows_than_gaussians(kind, rng):
    X = rng.normal(size=(5, 2))
    model = quietly(GMMHMM(2, 4, kind, reg_covar=0.1, max_iter=5, random_state=0), X)
    assert np.isfinite(model.score(X)) and model.means_.shape == (2, 4, 2)


@each_kind
def test_part_of_weight_zero_stays_out(kind, rng):
    covars = {
        "diag": np.ones((2, 2, 1)),
        "full": np.ones((2, 2, 1, 1)),
        "tied": np.ones((2, 1, 1)),
        "spherical": np.ones((2, 2)),
    }[kind]
    arguments = [0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]]
    means = np.array([[[0.0], [50.0]], [[4.0], [5.0]]])
    model = GMMHMM.from_parameters(
        *arguments, [[1, 0], [1, 0]], means, covars, covariance_type=kind, warm_start=True
    )
    X, _ = model.sample(500, random_state=0)
    plain = GaussianHMM.from_parameters(*arguments, means[:, 0], np.ones((2, 1)))
    np.testing.assert_allclose(model.score_samples(X), plain.score_samples(X), rtol=1e-12)
    quietly(model, X)
    np.testing.assert_array_equal(model.weights_, [[1, 0], [1, 0]])
    assert model.means_[0, 1, 0] == 50
    assert np.isfinite(model.covars_).all()


@each_kind
def test_empty_state_is_put_elsewhere_whole(kind, rng):
    X = np.concatenate([rng.normal(size=(100, 1)), 50 + rng.normal(size=(20, 1))])
    covars = {
        "full": np.ones((2, 2, 1, 1)),
        "tied": np.ones((2, 1, 1)),
        "spherical": np.ones((2, 2)),
    }
    model = GMMHMM.from_parameters(
        [1, 0],
        [[1, 0], [0, 1]],
        [[0.5, 0.5], [0.5, 0.5]],
        [[[-0.5], [0.5]], [[1e4], [1e4 + 1]]],
        covars.get(kind, np.ones((2, 2, 1))),
        covariance_type=kind,
        warm_start=True,
    )
    with pytest.warns(ConvergenceWarning, match=r"states \[1\] explained no row"):
        quietly_filtered(model, X)
    means = (model.weights_[:, :, None] * model.means_).sum(axis=1)[:, 0]
    np.testing.assert_allclose(np.sort(means), [0, 50], atol=1)


def quietly_filtered(model, X):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="EM did not converge")
        return model.fit(X)


def test_rows_are_mixed_in_blocks_outside_em(rng, monkeypatch):
    _, X, _ = interleaved(0, 300)
    model = quietly(GMMHMM(2, 2, max_iter=3, random_state=0), X)
    whole = model.score_samples(X)
    monkeypatch.setattr(_mixture_emission, "BLOCK", 7)
    np.testing.assert_array_equal(model.score_samples(X), whole)


@each_kind
def test_number_of_threads_leaves_the_bits_as_they_are(kind):
    _, X, _ = interleaved(0, 30_000)
    one, many = (
        quietly(GMMHMM(2, 2, kind, max_iter=3, random_state=0, n_jobs=n_jobs), X)
        for n_jobs in (1, 3)
    )
    for name in ("weights_", "means_", "covars_", "transmat_", "history_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


def test_warm_start_with_another_number_of_parts_is_refused():
    _, X, _ = interleaved(0, 200)
    model = quietly(GMMHMM(2, 2, max_iter=2, random_state=0, warm_start=True), X)
    with pytest.raises(ValueError, match="`n_mix`=3 differs from the 2 Gaussians of each state"):
        model.set_params(n_mix=3).fit(X)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weights_", [[0.5, 0.6], [0.5, 0.5]], "are no shares"),
        ("weights_", [[1.5, -0.5], [0.5, 0.5]], "are no shares"),
        ("weights_", [0.5, 0.5], "are no shares"),
        ("means_", [[0.0], [1.0]], "are no means"),
        ("covars_", np.ones((2, 2)), "has the shape"),
        ("covars_", -np.ones((2, 2, 1)), "not positive"),
    ],
)
def test_parameters_that_are_set_wrong_are_refused_by_name(name, value, message):
    model, X, _ = interleaved(0, 5)
    setattr(model, name, value)
    with pytest.raises(ValueError, match=message) as error:
        model.predict(X)
    assert f"`{name}`" in str(error.value)


def test_some_known_states_name_the_states(seed):
    _, X, states = interleaved(seed, 1500)
    known = np.where(np.arange(1500) % 10 == 0, 1 - states, -1)
    model = GMMHMM(2, 2, random_state=seed).fit(X, states=known)
    np.testing.assert_allclose(np.sort(model.means_[1, :, 0]), [0, 8], atol=0.4)
    np.testing.assert_allclose(np.sort(model.means_[0, :, 0]), [4, 12], atol=0.4)


# --------------------------------------------------------------------------- counts of categories


def test_fit_recovers_the_multinomial_model_that_drew_the_rows(seed):
    truth = MultinomialHMM.from_parameters(
        [0.5, 0.5],
        [[0.95, 0.05], [0.2, 0.8]],
        [[0.5, 0.3, 0.2, 0.0], [0.1, 0.2, 0.3, 0.4]],
        n_trials=9,
    )
    X, states = truth.sample(10_000, random_state=seed)
    model = MultinomialHMM(2, random_state=seed).fit(X)
    order = np.argsort(-model.emissionprob_[:, 0])
    np.testing.assert_allclose(model.emissionprob_[order], truth.emissionprob_, atol=0.02)
    np.testing.assert_allclose(model.transmat_[np.ix_(order, order)], truth.transmat_, atol=0.03)
    assert model.log_likelihood(X) > truth.log_likelihood(X)
    assert np.mean(np.argsort(order)[model.predict(X)] == states) > 0.95
    assert model.n_trials_ == 9
    assert model.sample(5)[0].sum(axis=1).tolist() == [9] * 5
    assert model.set_params(n_trials=4).sample(5)[0].sum(axis=1).tolist() == [4] * 5


def test_one_trial_a_row_is_the_categorical_model(rng):
    codes = rng.integers(0, 4, size=(300, 1))
    start, transmat = rng.dirichlet(np.ones(2)), rng.dirichlet(np.ones(2), size=2)
    table = rng.dirichlet(np.ones(4), size=2)
    options = {"warm_start": True, "max_iter": 5, "tol": 0}
    one = quietly(CategoricalHMM.from_parameters(start, transmat, table, **options), codes)
    two = quietly(
        MultinomialHMM.from_parameters(start, transmat, table, **options), np.eye(4)[codes[:, 0]]
    )
    np.testing.assert_allclose(two.history_, one.history_, rtol=1e-12)
    np.testing.assert_allclose(two.emissionprob_, one.emissionprob_, rtol=1e-10)


def test_totals_tell_nothing_of_the_state(rng):
    """Shares are the same and totals differ: a Poisson model sees two states, this one sees none."""
    totals = np.repeat([4, 40, 4, 40], 200)
    X = np.array([rng.multinomial(n, [0.2, 0.3, 0.5]) for n in totals])
    model = MultinomialHMM.from_parameters(
        [0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]], [[0.2, 0.3, 0.5]] * 2, n_trials=4
    )
    np.testing.assert_allclose(model.predict_proba(X), 0.5)
    rates = PoissonHMM(2, random_state=0).fit(X).lambdas_.sum(axis=1)
    np.testing.assert_allclose(np.sort(rates), [4, 40], rtol=0.1)


def test_rows_and_columns_without_counts(rng):
    X = rng.multinomial(6, [0.5, 0.5, 0.0], size=100)
    X[::7] = 0
    model = quietly(MultinomialHMM(2, random_state=0), X)
    np.testing.assert_array_equal(model.emissionprob_[:, 2], 0)
    assert np.isfinite(model.score(X))
    assert model.score([[0, 0, 0]]) == 0
    assert model.score([[0, 0, 1]]) == -np.inf
    with pytest.raises(ValueError, match="no counts at all"):
        MultinomialHMM(2).fit(np.zeros((10, 3)))
    with pytest.raises(ValueError, match="Negative values"):
        MultinomialHMM(2).fit(X - 1)


def test_alpha_is_added_to_every_count_and_its_prior_to_the_objective(rng):
    X = rng.multinomial(6, [0.5, 0.5, 0.0], size=60)
    model = quietly(MultinomialHMM(2, alpha=0.5, max_iter=4, tol=0, random_state=0), X)
    assert (model.emissionprob_ > 0).all() and np.isfinite(model.score([[0, 0, 1]]))
    assert np.diff(model.history_).min() > -1e-12
    prior = 0.5 * np.log(model.emissionprob_).sum() / len(X)
    assert model.history_[-1] == pytest.approx(model.score(X) + prior, rel=1e-12)
    one = quietly(MultinomialHMM(1, alpha=0.5, random_state=0), X)
    counts = X.sum(axis=0) + 0.5
    np.testing.assert_allclose(one.emissionprob_[0], counts / counts.sum())


def test_drawing_needs_a_number_of_trials():
    model = MultinomialHMM.from_parameters([1], [[1]], [[0.5, 0.5]])
    with pytest.raises(ValueError, match=r"`n_trials`=None leaves open.*Set it"):
        model.sample(3)
    assert model.predict([[1, 2]]).tolist() == [0]


@pytest.mark.parametrize("table", [[[0.5, 0.4]], [[1.2, -0.2]], [0.5, 0.5]])
def test_probabilities_that_are_none_are_refused(table):
    with pytest.raises(ValueError, match=r"`emissionprob_`.*are no probabilities"):
        MultinomialHMM.from_parameters([1], [[1]], table)


def test_one_column_of_codes_is_warned_about():
    # hmmlearn#485, #509: MultinomialHMM took codes until hmmlearn 0.2.8.
    with pytest.warns(UserWarning, match="all states emit the same. For codes .* CategoricalHMM"):
        MultinomialHMM(2, random_state=0).fit([[0], [1], [2], [0], [1]])
