"""The estimators: EM against the numpy reference, inference against enumeration, and promises."""

import warnings

import numpy as np
import pandas as pd
import pytest
from callbacks import Recorder, Watcher
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from reference import hmm as reference
from sklearn_extra_ml.hmm import (
    GMMHMM,
    CategoricalHMM,
    GaussianHMM,
    MultinomialHMM,
    PoissonHMM,
)

KINDS = ["diag", "full", "tied", "spherical"]
LENGTHS = np.array([50, 1, 90, 33, 7])


def spread(kind, K, d):
    one = {"diag": np.ones((K, d)), "spherical": np.ones(K), "tied": np.eye(d)}
    return 2.0 * one.get(kind, np.array([np.eye(d)] * K))


def gaussian_case(rng, kind, K=3, d=2, lengths=LENGTHS):
    """Rows, a model to start from, and the reference's functions."""
    n = lengths.sum()
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3 * rng.integers(0, 3, size=(n, 1))
    model = GaussianHMM.from_parameters(
        rng.dirichlet(np.ones(K)),
        rng.dirichlet(np.ones(K), size=K),
        X[rng.choice(n, K, replace=False)],
        spread(kind, K, d),
        covariance_type=kind,
        reg_covar=0,
    )
    return (
        X,
        model,
        (
            (model.means_, model.covars_),
            lambda X, e: reference.gaussian_log_density(X, *e, kind),
            lambda X, p, _: reference.gaussian_update(X, p, kind),
            ("means_", "covars_"),
        ),
    )


def categorical_case(rng, K=3, lengths=LENGTHS):
    X = rng.integers(0, 5, size=(lengths.sum(), 1))
    model = CategoricalHMM.from_parameters(
        rng.dirichlet(np.ones(K)),
        rng.dirichlet(np.ones(K), size=K),
        rng.dirichlet(np.ones(5), size=K),
    )
    return (
        X,
        model,
        (
            (model.emissionprob_,),
            lambda X, e: reference.categorical_log_density(X, *e),
            lambda X, p, _: (reference.categorical_update(X, p, 5),),
            ("emissionprob_",),
        ),
    )


def poisson_case(rng, K=3, lengths=LENGTHS):
    X = rng.poisson(rng.choice([1.0, 4.0], size=(lengths.sum(), 1)), size=(lengths.sum(), 2))
    model = PoissonHMM.from_parameters(
        rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K), size=K), rng.uniform(1, 5, (K, 2))
    )
    return (
        X,
        model,
        (
            (model.lambdas_,),
            lambda X, e: reference.poisson_log_density(X, *e),
            lambda X, p, _: (reference.poisson_update(X, p),),
            ("lambdas_",),
        ),
    )


def multinomial_case(rng, K=3, lengths=LENGTHS):
    shares = rng.dirichlet(np.ones(4), size=2)[rng.integers(0, 2, size=lengths.sum())]
    X = np.array(
        [
            rng.multinomial(n, p)
            for n, p in zip(rng.integers(0, 9, len(shares)), shares, strict=True)
        ]
    )
    model = MultinomialHMM.from_parameters(
        rng.dirichlet(np.ones(K)),
        rng.dirichlet(np.ones(K), size=K),
        rng.dirichlet(np.ones(4), size=K),
        n_trials=7,
    )
    return (
        X,
        model,
        (
            (model.emissionprob_,),
            lambda X, e: reference.multinomial_log_density(X, *e),
            lambda X, p, _: (reference.multinomial_update(X, p),),
            ("emissionprob_",),
        ),
    )


def mixture_case(rng, kind, K=3, lengths=LENGTHS, M=2, d=2):
    X, like, _ = gaussian_case(rng, kind, K, d, lengths)
    parts = spread("diag" if kind == "spherical" else kind, K * M, d)
    covars = {
        "full": lambda: parts.reshape(K, M, d, d),
        "tied": lambda: np.array([parts] * K),
        "diag": lambda: parts.reshape(K, M, d),
        "spherical": lambda: parts[:, 0].reshape(K, M),
    }[kind]()
    means = like.means_[:, None] + rng.normal(size=(K, M, d))
    model = GMMHMM.from_parameters(
        like.startprob_,
        like.transmat_,
        rng.dirichlet(np.ones(M), size=K),
        means,
        covars,
        covariance_type=kind,
        reg_covar=0,
    )
    return (
        X,
        model,
        (
            (model.weights_, model.means_, model.covars_),
            lambda X, e: reference.mixture_log_density(X, *e, kind),
            lambda X, p, e: reference.mixture_update(X, p, e, kind),
            ("weights_", "means_", "covars_"),
        ),
    )


CASES = {
    **{kind: (lambda rng, kind=kind, **k: gaussian_case(rng, kind, **k)) for kind in KINDS},
    "categorical": categorical_case,
    "poisson": poisson_case,
    "multinomial": multinomial_case,
    **{
        f"mixture-{kind}": (lambda rng, kind=kind, **k: mixture_case(rng, kind, **k))
        for kind in KINDS
    },
}
each_emission = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def fit_quietly(model, *arguments, **keywords):
    """Fit, whether or not EM converges in the few iterations that a test gives it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*arguments, **keywords)


# ---------------------------------------------------------------------- against what is not ours


@each_emission
@pytest.mark.parametrize("weighted", [False, True])
def test_em_equals_the_numpy_reference(case, weighted, rng):
    X, model, (emission, log_density, update, names) = case(rng)
    weights = rng.uniform(0.5, 2, size=len(LENGTHS)) if weighted else None
    start, transmat, emission, history = reference.run_em(
        X, LENGTHS, model.startprob_, model.transmat_, emission, log_density, update, 4, weights
    )
    model.set_params(warm_start=True, max_iter=4, tol=0)
    per_row = None if weights is None else np.repeat(weights, LENGTHS)
    fit_quietly(model, X, lengths=LENGTHS, sample_weight=per_row)
    np.testing.assert_allclose(model.history_, history, rtol=1e-10)
    np.testing.assert_allclose(model.startprob_, start, atol=1e-10)
    np.testing.assert_allclose(model.transmat_, transmat, atol=1e-9)
    for name, expected in zip(names, emission, strict=True):
        np.testing.assert_allclose(getattr(model, name), expected, rtol=1e-8, atol=1e-9)


@each_emission
def test_inference_equals_enumeration_of_all_paths(case, rng):
    for _ in range(5):
        lengths = rng.integers(1, 7, size=4)
        X, model, (emission, log_density, _, _) = case(rng, lengths=lengths)
        options = {"lengths": lengths}
        posteriors, path = model.predict_proba(X, **options), model.predict(X, **options)
        rows = model.score_samples(X, **options)
        ends, total, joints = np.cumsum(lengths), 0.0, 0.0
        for first, last in zip(ends - lengths, ends, strict=True):
            part = slice(first, last)
            expected = reference.enumerate_paths(
                log_density(X[part], emission), model.startprob_, model.transmat_
            )
            np.testing.assert_allclose(posteriors[part], expected[1], atol=1e-10)
            np.testing.assert_array_equal(path[part], expected[3])
            np.testing.assert_allclose(rows[part], expected[5], atol=1e-10)
            total, joints = total + expected[0], joints + expected[4]
        assert model.log_likelihood(X, **options) == pytest.approx(total, abs=1e-9)
        assert model.score(X, **options) == pytest.approx(total / len(X), abs=1e-10)
        assert model.decode(X, **options)[0] == pytest.approx(joints, abs=1e-9)
        np.testing.assert_array_equal(model.transform(X, **options), posteriors)


@each_emission
def test_filter_knows_the_past_alone(case, rng):
    X, model, (emission, log_density, _, _) = case(rng)
    found = model.filter(X[:20])
    expected = reference.expectation(
        log_density(X[:20], emission), model.startprob_, model.transmat_
    )[3]
    np.testing.assert_allclose(found, expected, atol=1e-10)
    np.testing.assert_array_equal(model.filter(X[:12]), found[:12])
    np.testing.assert_allclose(found[-1], model.predict_proba(X[:20])[-1], rtol=1e-14)


def by_mean(model):
    """The states in the order of their first mean: starts number them as the draw falls."""
    return np.argsort(model.means_[:, 0])


def recovered(model, truth, X, name):
    """States of `model` in the order of `truth`, by the attribute `name`."""
    ours, theirs = getattr(model, name)[:, 0], getattr(truth, name)[:, 0]
    return np.argsort(ours)[np.argsort(np.argsort(theirs))]


@pytest.mark.parametrize("kind", KINDS)
def test_fit_recovers_the_gaussian_model_that_drew_the_rows(kind, seed):
    truth = GaussianHMM.from_parameters(
        [0.6, 0.3, 0.1],
        [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]],
        [[0.0, 0.0], [4.0, 0.0], [8.0, 3.0]],
        0.4 * spread(kind, 3, 2),
        covariance_type=kind,
    )
    X, states = truth.sample(300, n_sequences=40, random_state=seed)
    lengths = np.full(40, 300)
    model = GaussianHMM(3, kind, random_state=seed).fit(X, lengths=lengths)
    assert model.converged_
    order = recovered(model, truth, X, "means_")
    np.testing.assert_allclose(model.means_[order], truth.means_, atol=0.1)
    np.testing.assert_allclose(model.transmat_[np.ix_(order, order)], truth.transmat_, atol=0.03)
    covars = model.covars_ if kind == "tied" else model.covars_[order]
    np.testing.assert_allclose(covars, truth.covars_, atol=0.1)
    assert np.mean(np.argsort(order)[model.predict(X, lengths=lengths)] == states) > 0.98
    assert model.log_likelihood(X, lengths=lengths) > truth.log_likelihood(X, lengths=lengths)


def test_fit_recovers_the_poisson_model_that_drew_the_rows(seed):
    truth = PoissonHMM.from_parameters(
        [0.5, 0.5], [[0.95, 0.05], [0.2, 0.8]], [[2.0, 5.0], [9.0, 1.0]]
    )
    X, _ = truth.sample(20_000, random_state=seed)
    model = PoissonHMM(2, random_state=seed).fit(X)
    order = recovered(model, truth, X, "lambdas_")
    np.testing.assert_allclose(model.lambdas_[order], truth.lambdas_, rtol=0.04)
    np.testing.assert_allclose(model.transmat_[np.ix_(order, order)], truth.transmat_, atol=0.03)
    assert model.log_likelihood(X) > truth.log_likelihood(X)


def test_fit_recovers_the_categorical_model_that_drew_the_rows(seed):
    truth = CategoricalHMM.from_parameters(
        [0.5, 0.5],
        [[0.95, 0.05], [0.1, 0.9]],
        [[[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]], [[0.5, 0.5], [0.9, 0.1]]],
    )
    X, _ = truth.sample(20_000, random_state=seed)
    model = CategoricalHMM(2, random_state=seed).fit(X)
    order = np.argsort(-model.emissionprob_[0][:, 0])
    for found, expected in zip(model.emissionprob_, truth.emissionprob_, strict=True):
        np.testing.assert_allclose(found[order], expected, atol=0.04)
    np.testing.assert_allclose(model.transmat_[np.ix_(order, order)], truth.transmat_, atol=0.03)
    assert model.log_likelihood(X) > truth.log_likelihood(X)


# ------------------------------------------------------------------------------------- promises


@each_emission
def test_objective_rises_in_every_iteration(case, rng):
    X, model, _ = case(rng)
    model.set_params(max_iter=100, tol=0, random_state=0, n_components=4)
    if "reg_covar" in model.get_params():
        model.set_params(reg_covar=0.3)
    fit_quietly(model, X, lengths=LENGTHS)
    assert len(model.history_) == model.n_iter_ + 1
    assert np.diff(model.history_).min() > -1e-12


@pytest.mark.parametrize("case", [categorical_case, multinomial_case])
@pytest.mark.parametrize("weighted", [False, True])
def test_em_with_smoothed_categories_equals_the_numpy_reference(case, weighted, rng):
    X, model, (emission, log_density, _, _) = case(rng)
    counts = np.eye(5)[X[:, 0]] if case is categorical_case else X
    weights = rng.uniform(0.5, 2, size=len(LENGTHS)) if weighted else None
    seen = [emission[0]]  # of every iteration, for the prior's part of the objective

    def update(X, posteriors, _):
        smoothed = posteriors.T @ counts + 0.7
        seen.append(smoothed / smoothed.sum(axis=1, keepdims=True))
        return (seen[-1],)

    _, transmat, emission, history = reference.run_em(
        X, LENGTHS, model.startprob_, model.transmat_, emission, log_density, update, 4, weights
    )
    total = LENGTHS.sum() if weights is None else (weights * LENGTHS).sum()
    prior = [0.7 * np.log(p).sum() / total for p in seen]
    model.set_params(warm_start=True, max_iter=4, tol=0, alpha=0.7)
    per_row = None if weights is None else np.repeat(weights, LENGTHS)
    fit_quietly(model, X, lengths=LENGTHS, sample_weight=per_row)
    np.testing.assert_allclose(model.history_, np.add(history, prior), rtol=1e-10)
    np.testing.assert_allclose(model.transmat_, transmat, atol=1e-9)
    np.testing.assert_allclose(model.emissionprob_, emission[0], rtol=1e-8)
    assert np.diff(model.history_).min() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_history_ends_with_the_objective_of_the_parameters(kind, rng):
    X, model, _ = gaussian_case(rng, kind)
    model.set_params(reg_covar=0.1, max_iter=5, tol=0)
    fit_quietly(model, X, lengths=LENGTHS)
    penalty = reference.gaussian_penalty(model.covars_, 3, 2, kind, 0.1)
    density = reference.gaussian_log_density(X, model.means_, model.covars_, kind) + penalty
    ends = np.cumsum(LENGTHS)
    total = sum(
        reference.expectation(density[last - n : last], model.startprob_, model.transmat_)[0]
        for n, last in zip(LENGTHS, ends, strict=True)
    )
    assert model.history_[-1] == pytest.approx(total / len(X), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_reg_covar_is_added_in_every_m_step(kind, rng):
    # hmmlearn#285, #263: covariances of a constant column are not positive definite.
    X = rng.normal(size=(200, 3))
    X[:, 1] = 7.0
    model = fit_quietly(GaussianHMM(3, kind, reg_covar=1e-3, random_state=0), X)
    variances = model.covars_
    if kind in ("full", "tied"):
        variances = np.diagonal(model.covars_, axis1=-2, axis2=-1)
    assert variances.min() >= 1e-3 * (1 - 1e-9)
    if kind != "spherical":
        np.testing.assert_allclose(variances[..., 1], 1e-3)
    assert np.isfinite(model.score(X))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_rows_far_from_the_origin_give_the_same_model(kind, offset, rng):
    X, _, _ = gaussian_case(rng, kind)
    near = fit_quietly(GaussianHMM(3, kind, max_iter=5, random_state=0), X)
    far = fit_quietly(GaussianHMM(3, kind, max_iter=5, random_state=0), X + offset)
    one, two = by_mean(near), by_mean(far)
    np.testing.assert_allclose(far.means_[two] - offset, near.means_[one], atol=1e-6)
    if kind == "tied":
        one = two = slice(None)
    np.testing.assert_allclose(far.covars_[two], near.covars_[one], rtol=1e-5, atol=1e-6)


def test_single_precision_rows_give_nearly_the_same_model(rng):
    X, _, _ = gaussian_case(rng, "full")
    double = fit_quietly(GaussianHMM(3, "full", max_iter=5, random_state=0), X)
    single = fit_quietly(GaussianHMM(3, "full", max_iter=5, random_state=0), X.astype("float32"))
    one, two = by_mean(double), by_mean(single)
    np.testing.assert_allclose(single.means_[two], double.means_[one], rtol=1e-3, atol=1e-4)
    assert single.predict_proba(X.astype("float32")).dtype == np.float64


def test_units_of_the_columns_do_not_matter(rng):
    X, _, _ = gaussian_case(rng, "full")
    scale = np.array([1e-4, 1e5])
    one = fit_quietly(GaussianHMM(3, "full", reg_covar=0, max_iter=5, random_state=0), X)
    two = fit_quietly(GaussianHMM(3, "full", reg_covar=0, max_iter=5, random_state=0), X * scale)
    order = by_mean(one)[np.argsort(by_mean(two))]  # state of `one` for each state of `two`
    np.testing.assert_allclose(two.means_, one.means_[order] * scale, rtol=1e-6)
    np.testing.assert_array_equal(order[two.predict(X * scale)], one.predict(X))


@each_emission
def test_weight_two_equals_the_sequence_given_twice(case, rng):
    X, model, _ = case(rng)
    twice = clone(model).set_params(warm_start=True, max_iter=3, tol=0)
    for name in ("startprob_", "transmat_", *model._emission_names):
        setattr(twice, name, getattr(model, name))
    model.set_params(warm_start=True, max_iter=3, tol=0)
    weights = np.array([2.0, 0.0, 1.0, 1.0, 2.0])
    fit_quietly(model, X, lengths=LENGTHS, sample_weight=np.repeat(weights, LENGTHS))
    parts = np.split(X, np.cumsum(LENGTHS)[:-1])
    repeated = [parts[i] for i in (0, 0, 2, 3, 4, 4)]
    fit_quietly(twice, repeated)
    np.testing.assert_allclose(model.transmat_, twice.transmat_, atol=1e-10)
    np.testing.assert_allclose(model.history_, twice.history_, rtol=1e-10)


def test_weights_that_change_within_a_sequence_are_refused_with_several_states(rng):
    X, weights = rng.normal(size=(20, 2)), np.arange(1.0, 21)
    with pytest.raises(ValueError, match="changes within a sequence"):
        GaussianHMM(2).fit(X, sample_weight=weights)
    one = GaussianHMM(1, reg_covar=0).fit(X, sample_weight=weights)
    np.testing.assert_allclose(one.means_[0], np.average(X, axis=0, weights=weights))


@each_emission
def test_warm_start_goes_on_where_the_fit_before_ended(case, rng):
    X, model, _ = case(rng)
    whole = clone(model).set_params(max_iter=6, tol=0, random_state=0, n_components=3)
    steps = clone(whole).set_params(max_iter=3, warm_start=True)
    fit_quietly(whole, X)
    fit_quietly(fit_quietly(steps, X), X)
    np.testing.assert_allclose(steps.transmat_, whole.transmat_, rtol=1e-12)
    assert steps.history_[0] == pytest.approx(whole.history_[3], rel=1e-14)


def test_more_runs_are_never_worse(rng):
    X = CategoricalHMM.from_parameters(
        [1, 0, 0], np.roll(0.8 * np.eye(3), 1, axis=1) + 0.2 / 3, rng.dirichlet(np.ones(6), size=3)
    ).sample(400, random_state=1)[0]
    one = fit_quietly(CategoricalHMM(3, random_state=0, max_iter=30), X)
    many = fit_quietly(CategoricalHMM(3, random_state=0, max_iter=30, n_init=5), X)
    assert many.history_[-1] >= one.history_[-1]


def test_convergence_warning_names_the_parameters(rng):
    X, _, _ = gaussian_case(rng, "diag")
    with pytest.warns(ConvergenceWarning, match=r"did not converge in 2 iterations.*max_iter"):
        model = GaussianHMM(3, max_iter=2, random_state=0).fit(X)
    assert not model.converged_
    assert model.n_iter_ == 2


@pytest.mark.parametrize("init_params", ["kmeans", "random"])
def test_starts_from_kmeans_and_from_random_rows_reach_the_same_peak(init_params, seed):
    truth = GaussianHMM.from_parameters(
        [0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]], [[0.0], [5.0]], [[1.0], [1.0]]
    )
    X, _ = truth.sample(1000, random_state=seed)
    model = GaussianHMM(2, init_params=init_params, random_state=seed).fit(X)
    np.testing.assert_allclose(np.sort(model.means_[:, 0]), [0, 5], atol=0.2)


# ------------------------------------------------------------------------------ states that are known


@each_emission
def test_known_states_give_the_counts_at_once(case, rng):
    X, model, (_, _, update, names) = case(rng)
    states = rng.integers(0, 3, size=len(X))
    states[:3] = [0, 1, 2]
    model = clone(model).set_params(n_components=3)
    fit_quietly(model, X, lengths=LENGTHS, states=states)
    first = np.cumsum(LENGTHS) - LENGTHS
    inside = np.setdiff1d(np.arange(1, len(X)), first)
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (states[inside - 1], states[inside]), 1)
    np.testing.assert_allclose(model.transmat_, pairs / pairs.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(model.startprob_, np.bincount(states[first], minlength=3) / 5)
    if "weights_" in names:  # the parts of a state together have the mean of its rows
        means = [X[states == k].mean(axis=0) for k in range(3)]
        found = (model.weights_[:, :, None] * model.means_).sum(axis=1)
        np.testing.assert_allclose(found, means, atol=1e-9)
        return
    for name, expected in zip(names, update(X, np.eye(3)[states], None), strict=True):
        np.testing.assert_allclose(getattr(model, name), expected, atol=1e-9)


def test_some_known_states_name_the_states_and_guide_the_rest(seed):
    truth = GaussianHMM.from_parameters(
        [1 / 3] * 3,
        0.8 * np.eye(3) + 0.2 / 3,
        [[0.0], [3.0], [6.0]],
        [[0.3], [0.3], [0.3]],
    )
    X, states = truth.sample(1500, random_state=seed)
    known = np.where(np.arange(1500) % 10 == 0, (states + 1) % 3, -1)
    model = GaussianHMM(3, random_state=seed).fit(X, states=known)
    np.testing.assert_allclose(model.means_[[1, 2, 0], 0], [0, 3, 6], atol=0.2)
    one = np.where(np.arange(1500) == np.flatnonzero(states == 1)[0], 2, -1)
    model = GaussianHMM(3, random_state=seed).fit(X, states=one)
    assert model.means_[2, 0] == pytest.approx(3, abs=0.2)


def test_known_states_are_checked(rng):
    X = rng.normal(size=(10, 1))
    for states, message in (
        (np.full(10, 2), "do not exist"),
        (np.full(10, -2), "do not exist"),
        (np.full(10, 0.5), "do not exist"),
        (np.zeros(9, int), "9 entries"),
    ):
        with pytest.raises(ValueError, match=message):
            GaussianHMM(2).fit(X, states=states)


# ----------------------------------------------------------------------------- parameters, sampling


def test_models_from_parameters_need_no_fit(rng):
    model = GaussianHMM.from_parameters(
        [1, 0], [[0.5, 0.5], [0, 1]], [[0.0], [9.0]], [[1.0], [1.0]]
    )
    np.testing.assert_array_equal(model.predict([[0.1], [8.0], [9.0]]), [0, 1, 1])
    assert model.n_components == 2
    assert list(model.get_feature_names_out()) == ["gaussianhmm0", "gaussianhmm1"]
    with pytest.raises(TypeError, match="Unknown parameters"):
        GaussianHMM.from_parameters([1], [[1]], [[0.0]], [[1.0]], covariance="full")


def test_learnt_attributes_may_be_set_as_in_textbooks():
    model = CategoricalHMM(n_components=2)
    with pytest.raises(NotFittedError):
        model.predict([[0]])
    model.startprob_ = [0.6, 0.4]
    model.transmat_ = [[0.7, 0.3], [0.4, 0.6]]
    model.emissionprob_ = [[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]]
    # The weather and activities of Wikipedia's article on the Viterbi algorithm.
    joint, path = model.decode([[0], [1], [2]])
    np.testing.assert_array_equal(path, [1, 0, 0])
    assert np.exp(joint) == pytest.approx(0.01344)
    assert np.exp(model.log_likelihood([[0], [1], [2]])) == pytest.approx(0.033612)
    model.transmat_ = [[0.0, 1.0], [1.0, 0.0]]
    np.testing.assert_array_equal(model.predict([[0], [1], [2]]), [1, 0, 1])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("startprob_", [0.5, 0.6], "adds up to"),
        ("startprob_", [1.5, -0.5], "no array of probabilities"),
        ("transmat_", [[0.5, 0.5], [0.5, 0.4]], "rows that add up to"),
        ("transmat_", [[1.0]], "another number of states"),
        ("means_", [[0.0]], "are no means"),
        ("covars_", [[1.0], [-1.0]], "not positive"),
        ("covars_", [1.0, 1.0], "has the shape"),
    ],
)
def test_parameters_that_are_set_wrong_are_refused_by_name(name, value, message):
    model = GaussianHMM.from_parameters(
        [1, 0], [[0.5, 0.5], [0, 1]], [[0.0], [9.0]], [[1.0], [1.0]]
    )
    setattr(model, name, value)
    with pytest.raises(ValueError, match=message) as error:
        model.predict([[0.0]])
    assert f"`{name}`" in str(error.value)


def test_covariance_matrices_are_checked():
    two = np.array([np.eye(2), [[1.0, 2.0], [2.0, 1.0]]])
    with pytest.raises(ValueError, match="eigenvalue of -1"):
        GaussianHMM.from_parameters(
            [1, 0], np.eye(2), np.zeros((2, 2)), two, covariance_type="full"
        )
    two[1] = [[1.0, 0.5], [0.0, 1.0]]
    with pytest.raises(ValueError, match="not symmetric"):
        GaussianHMM.from_parameters(
            [1, 0], np.eye(2), np.zeros((2, 2)), two, covariance_type="full"
        )


@each_emission
def test_samples_have_the_frequencies_of_the_model(case, rng):
    _, model, _ = case(rng)
    X, states = model.sample(50, n_sequences=2000, random_state=0)
    assert X.shape[0] == len(states) == 100_000
    states = states.reshape(2000, 50)
    first = np.bincount(states[:, 0], minlength=3) / 2000
    np.testing.assert_allclose(first, model.startprob_, atol=0.05)
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (states[:, :-1].ravel(), states[:, 1:].ravel()), 1)
    visited = pairs.sum(axis=1) > 2000
    rates = pairs[visited] / pairs[visited].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rates, model.transmat_[visited], atol=0.03)
    np.testing.assert_array_equal(X, model.sample(50, n_sequences=2000, random_state=0)[0])
    if hasattr(model, "lambdas_"):
        for k in np.flatnonzero(visited):
            mean = X[states.ravel() == k].mean(axis=0)
            np.testing.assert_allclose(mean, model.lambdas_[k], rtol=0.1)
    if isinstance(model, MultinomialHMM):
        assert (X.sum(axis=1) == 7).all()
        for k in np.flatnonzero(visited):
            shares = X[states.ravel() == k].mean(axis=0) / 7
            np.testing.assert_allclose(shares, model.emissionprob_[k], atol=0.03)
    elif hasattr(model, "emissionprob_"):
        for k in np.flatnonzero(visited):
            shares = np.bincount(X[states.ravel() == k, 0], minlength=5)
            np.testing.assert_allclose(shares / shares.sum(), model.emissionprob_[k], atol=0.03)
    with pytest.raises(ValueError, match="n_sequences"):
        model.sample(5, n_sequences=0)


@pytest.mark.parametrize("kind", KINDS)
def test_gaussian_samples_have_the_model_moments(kind, rng):
    root = np.array([[1.0, 0.5], [0.0, 0.3]])
    covars = {
        "full": np.array([root @ root.T, np.eye(2)]),
        "tied": root @ root.T,
        "diag": np.array([[1.0, 0.2], [0.5, 3.0]]),
        "spherical": np.array([0.3, 2.0]),
    }[kind]
    model = GaussianHMM.from_parameters(
        [1, 0], [[0.5, 0.5], [0.5, 0.5]], [[1.0, -2.0], [5.0, 5.0]], covars, covariance_type=kind
    )
    X, states = model.sample(100_000, random_state=0)
    found = np.cov(X[states == 0].T)
    expected = {
        "full": lambda: covars[0],
        "tied": lambda: covars,
        "diag": lambda: np.diag(covars[0]),
        "spherical": lambda: covars[0] * np.eye(2),
    }[kind]()
    np.testing.assert_allclose(found, expected, atol=0.03)
    np.testing.assert_allclose(X[states == 1].mean(axis=0), [5, 5], atol=0.05)


def test_information_criteria_count_the_free_parameters(rng):
    X, model, _ = gaussian_case(rng, "full")
    n_parameters = 2 + 3 * 2 + 3 * 2 + 3 * 3
    log_likelihood = model.log_likelihood(X)
    assert model.aic(X) == pytest.approx(2 * n_parameters - 2 * log_likelihood)
    assert model.bic(X) == pytest.approx(np.log(len(X)) * n_parameters - 2 * log_likelihood)
    counts = {"diag": 6, "spherical": 3, "tied": 3}
    for kind, n_covars in counts.items():
        X, model, _ = gaussian_case(rng, kind)
        expected = 2 * (2 + 6 + 6 + n_covars) - 2 * model.log_likelihood(X)
        assert model.aic(X) == pytest.approx(expected)
    X, model, _ = categorical_case(rng)
    assert model.aic(X) == pytest.approx(2 * (2 + 6 + 3 * 4) - 2 * model.log_likelihood(X))
    X, model, _ = poisson_case(rng)
    assert model.aic(X) == pytest.approx(2 * (2 + 6 + 3 * 2) - 2 * model.log_likelihood(X))
    X, model, _ = multinomial_case(rng)
    assert model.aic(X) == pytest.approx(2 * (2 + 6 + 3 * 3) - 2 * model.log_likelihood(X))
    for kind, n_covars in {"diag": 12, "spherical": 6, "tied": 9, "full": 18}.items():
        X, model, _ = mixture_case(rng, kind)
        expected = 2 * (2 + 6 + 3 + 12 + n_covars) - 2 * model.log_likelihood(X)
        assert model.aic(X) == pytest.approx(expected)


def chain(startprob, transmat):
    K = len(startprob)
    return GaussianHMM.from_parameters(startprob, transmat, np.zeros((K, 1)), np.ones((K, 1)))


def test_stationary_distribution_is_left_unchanged_by_a_step(rng):
    transmat = rng.dirichlet(np.ones(5), size=5)
    shares = chain([1, 0, 0, 0, 0], transmat).stationary_distribution_
    np.testing.assert_allclose(shares @ transmat, shares, rtol=1e-12)
    rare = chain([1, 0], [[1 - 1e-14, 1e-14], [2e-14, 1 - 2e-14]])
    np.testing.assert_allclose(rare.stationary_distribution_, [2 / 3, 1 / 3])
    np.testing.assert_allclose(chain([1, 0], [[0, 1], [1, 0]]).stationary_distribution_, 0.5)


def test_stationary_distribution_of_a_chain_that_gets_caught():
    # From 0 a third of the way into each of: staying, the closed class {1}, the closed class {2, 3}.
    transmat = np.array(
        [[1 / 3, 1 / 3, 1 / 3, 0], [0, 1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0.25, 0.75]]
    )
    shares = chain([1, 0, 0, 0], transmat).stationary_distribution_
    np.testing.assert_allclose(shares, [0, 0.5, 1 / 6, 1 / 3])


# ----------------------------------------------------------------------------------------- callbacks


def test_callbacks_see_every_iteration_and_may_end_the_fit(rng):
    X, _, _ = gaussian_case(rng, "diag")
    watcher = Watcher("iteration", lambda fitted: fitted.score(X))
    model = GaussianHMM(2, reg_covar=0, max_iter=4, tol=0, random_state=0)
    fit_quietly(model.set_callbacks(watcher), X)
    np.testing.assert_allclose(watcher.seen, model.history_[1:], rtol=1e-10)
    assert watcher.events[:4] == ["setup", "begin fit", "begin run", "begin iteration"]
    assert watcher.events[-3:] == ["end run", "end fit", "teardown"]
    stopping = GaussianHMM(2, max_iter=50, tol=0, random_state=0)
    fit_quietly(stopping.set_callbacks(Recorder("iteration", 2)), X)
    assert stopping.n_iter_ == 2


def test_scoring_monitor_of_scikit_learn_works(rng):
    X, _, _ = gaussian_case(rng, "diag")
    monitor = ScoringMonitor(scoring=None)
    model = GaussianHMM(2, max_iter=3, tol=0, random_state=0).set_callbacks(monitor)
    fit_quietly(model, X)
    assert len(monitor.get_logs().data) > 0


def test_samples_go_on_from_the_state_that_the_filter_leads_to(rng):
    # hmmlearn#171, #232, #379: what comes next.
    model = GaussianHMM.from_parameters(
        [1, 0, 0], [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]], [[0.0], [50], [100]], np.ones((3, 1))
    )
    seen = np.array([[0.0], [50.0]])
    after = model.filter(seen)[-1] @ model.transmat_
    X, states = model.sample(1, n_sequences=4000, startprob=after, random_state=0)
    np.testing.assert_allclose(np.bincount(states, minlength=3) / 4000, [0, 0.5, 0.5], atol=0.03)
    assert abs(X.mean() - 75) < 2
    with pytest.raises(ValueError, match=r"`startprob`.* Allowed: 3 probabilities"):
        model.sample(1, startprob=[0.5, 0.5])


# -------------------------------------------------------------------------------- rows that are missing


def with_gaps(X, rng, share=0.3):
    """The rows in double precision, some of them missing, among them the first and a long stretch."""
    X = X.astype(float)
    X[rng.uniform(size=len(X)) < share] = np.nan
    X[0] = np.nan
    X[len(X) // 2 : len(X) // 2 + 3] = np.nan
    X[-1] = 1.0  # and one that is there, whatever was drawn
    return X


def blind(log_density, update):
    """The reference's functions for rows of which some are missing."""

    def log_density_of_some(X, emission):
        here, found = ~np.isnan(X[:, 0]), None
        found = np.zeros((len(X), len(emission[0])))
        if here.any():
            found[here] = log_density(X[here], emission)
        return found

    def update_by_some(X, posteriors, emission):
        here = ~np.isnan(X[:, 0])
        return update(X[here], posteriors[here], emission)

    return log_density_of_some, update_by_some


@each_emission
def test_em_over_gaps_equals_the_numpy_reference(case, rng):
    X, model, (emission, log_density, update, names) = case(rng)
    X = with_gaps(X, rng)
    log_density, update = blind(log_density, update)
    start, transmat, emission, history = reference.run_em(
        X, LENGTHS, model.startprob_, model.transmat_, emission, log_density, update, 3
    )
    model.set_params(warm_start=True, max_iter=3, tol=0, missing="ignore")
    fit_quietly(model, X, lengths=LENGTHS)
    present = np.mean(~np.isnan(X[:, 0]))
    np.testing.assert_allclose(model.history_ * present, history, rtol=1e-10)
    np.testing.assert_allclose(model.startprob_, start, atol=1e-10)
    np.testing.assert_allclose(model.transmat_, transmat, atol=1e-9)
    for name, expected in zip(names, emission, strict=True):
        np.testing.assert_allclose(getattr(model, name), expected, rtol=1e-8, atol=1e-9)


@each_emission
def test_inference_over_gaps_equals_enumeration_of_all_paths(case, rng):
    X, model, (emission, log_density, update, _) = case(rng, lengths=np.array([6]))
    X = with_gaps(X, rng)
    density = blind(log_density, update)[0](X, emission)
    expected = reference.enumerate_paths(density, model.startprob_, model.transmat_)
    model.set_params(missing="ignore")
    np.testing.assert_allclose(model.predict_proba(X), expected[1], atol=1e-10)
    assert model.decode(X)[0] == pytest.approx(expected[4], abs=1e-9)
    np.testing.assert_allclose(model.score_samples(X), expected[5], atol=1e-10)
    gaps = np.isnan(X[:, 0])
    np.testing.assert_allclose(model.score_samples(X)[gaps], 0, atol=1e-12)
    assert model.score(X) == pytest.approx(expected[0] / np.count_nonzero(~gaps))
    n_parameters = (model.aic(X) + 2 * expected[0]) / 2
    price = np.log(np.count_nonzero(~gaps)) * n_parameters
    assert model.bic(X) == pytest.approx(price - 2 * expected[0])


def test_missing_rows_behind_the_last_show_what_is_to_come(rng):
    X, model, _ = gaussian_case(rng, "full")
    model.set_params(missing="ignore")
    ahead = model.predict_proba(np.concatenate([X, np.full((5, 2), np.nan)]))[-5:]
    p = model.filter(X)[-1]
    for row in ahead:
        p = p @ model.transmat_
        np.testing.assert_allclose(row, p, atol=1e-12)


@pytest.mark.parametrize("init_params", ["kmeans", "random"])
def test_gaps_leave_the_model_that_is_found_as_it_is(init_params, seed):
    truth = GaussianHMM.from_parameters(
        [0.5, 0.5], [[0.95, 0.05], [0.1, 0.9]], [[0.0], [5.0]], [[1.0], [1.0]]
    )
    X, states = truth.sample(4000, random_state=seed)
    gappy = X.copy()
    gappy[np.random.default_rng(seed).uniform(size=4000) < 0.4] = np.nan
    gappy[:300] = np.nan
    options = {"init_params": init_params, "missing": "ignore", "random_state": seed}
    model = GaussianHMM(2, **options).fit(gappy)
    order = by_mean(model)
    np.testing.assert_allclose(model.means_[order, 0], [0, 5], atol=0.15)
    np.testing.assert_allclose(model.transmat_[np.ix_(order, order)], truth.transmat_, atol=0.03)
    gaps = np.isnan(gappy[:, 0])
    right = np.argsort(order)[model.predict(gappy)] == states
    by_truth = truth.set_params(missing="ignore").predict(gappy) == states
    for rows in (gaps, ~gaps):
        assert right[rows].mean() > by_truth[rows].mean() - 0.01


def test_gaps_of_frames_with_ids(rng):
    frame = pd.DataFrame({"id": np.repeat([1, 2], 50), "x": rng.normal(size=100)})
    frame.loc[[3, 4, 60], "x"] = np.nan
    model = fit_quietly(GaussianHMM(2, sequence_col="id", missing="ignore", random_state=0), frame)
    assert model.predict(frame).shape == (100,)


def test_gaps_are_refused_unless_asked_for_and_where_they_are_partial(rng):
    X = rng.normal(size=(20, 2))
    X[3] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        GaussianHMM(2).fit(X)
    model = GaussianHMM(2, missing="ignore", random_state=0)
    with pytest.raises(ValueError, match=r"is larger than n_samples=0 that are not missing"):
        model.fit(np.full((9, 2), np.nan))
    fit_quietly(model, X)
    with pytest.raises(ValueError, match="missing or has weight 0"):
        model.score(X[3:4])
    np.testing.assert_allclose(model.predict_proba(X[3:4])[0], model.startprob_)
    X[5, 1] = np.nan
    with pytest.raises(
        ValueError, match=r"Row 5 of X is NaN in some columns and not in others \(1 "
    ):
        model.fit(X)
    X[5] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.fit(X)
