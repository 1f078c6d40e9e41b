"""RANSACRegressor: what it finds, what it promises, what it refuses."""

import warnings

import numpy as np
import pytest
from callbacks import Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.callback import CallbackSupportMixin
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeRegressor

from sklearn_extra_ml.linear_model import RANSACRegressor
from sklearn_extra_ml.linear_model._generic_engine import GenericEngine
from sklearn_extra_ml.linear_model._linear_engine import LinearEngine

SCORINGS = ("inliers", "msac", "gaussian_uniform", "lmeds")


def make(rng, n=400, p=3, share=0.4, noise=0.05, clustered=False):
    """Return X, y, the true inliers and the coefficients; outliers scattered or in one place."""
    X, w = rng.normal(size=(n, p)), rng.normal(size=p)
    y = X @ w + 1 + noise * rng.normal(size=n)
    out = rng.permutation(n)[: int(share * n)]
    if clustered:
        centre = rng.normal(size=p)
        X[out] = 3 * centre / np.linalg.norm(centre) + 0.5 * rng.normal(size=(len(out), p))
        y[out] = X[out] @ w + 11 + rng.normal(size=len(out))
    else:
        y[out] = rng.uniform(-10, 10, size=len(out))
    inlier = np.ones(n, dtype=bool)
    inlier[out] = False
    return X, y, inlier, w


# ------------------------------------------------------------------------------- what it finds


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("p", [1, 5, 20])
def test_defaults_are_close_to_least_squares_on_the_true_inliers(p, share, clustered, rng):
    X, y, inlier, _ = make(rng, n=1000, p=p, share=share, clustered=clustered)
    found = RANSACRegressor(random_state=0).fit(X, y)
    oracle = LinearRegression().fit(X[inlier], y[inlier])
    # as far from the oracle as the oracle from the truth, in units of the expected error
    expected = 0.05 * np.sqrt(p / inlier.sum())
    assert np.linalg.norm(found.estimator_.coef_ - oracle.coef_) < 1.5 * expected
    assert np.mean(found.inlier_mask_[inlier]) > 0.95
    assert np.mean(found.inlier_mask_[~inlier]) < 0.1 if share else True


@pytest.mark.parametrize("scoring", SCORINGS)
def test_every_scoring_finds_the_line(scoring, rng):
    X, y, _, w = make(rng)
    for threshold in ("auto", "mad", None, 0.2):
        found = RANSACRegressor(scoring=scoring, residual_threshold=threshold, random_state=0)
        np.testing.assert_allclose(found.fit(X, y).estimator_.coef_, w, atol=0.6)


def test_estimated_threshold_follows_the_noise(rng):
    for noise in (1e-4, 0.01, 0.3):
        X, y, _, _ = make(rng, n=2000, noise=noise)
        threshold = RANSACRegressor(random_state=0).fit(X, y).threshold_
        assert 1.8 * noise < threshold < 6.5 * noise
        squared = RANSACRegressor(random_state=0, loss="squared_error").fit(X, y).threshold_
        np.testing.assert_allclose(squared, threshold**2, rtol=0.05)


def test_local_optimization_ends_in_a_fixed_point(rng):
    X, y, _, _ = make(rng)
    for threshold in ("auto", 0.1, None):
        found = RANSACRegressor(residual_threshold=threshold, random_state=0).fit(X, y)
        loss = np.abs(y - found.predict(X))
        np.testing.assert_array_equal(found.inlier_mask_, loss <= found.threshold_)


def test_polynomial_pipeline_builds_the_design_once_and_finds_the_curve(rng, monkeypatch):
    x = rng.uniform(-2, 2, size=500)
    y = 1 - 2 * x + 0.5 * x**3 + 0.02 * rng.normal(size=500)
    y[:250] = rng.uniform(-8, 8, size=250)
    calls = []
    original = PolynomialFeatures.transform
    monkeypatch.setattr(
        PolynomialFeatures, "transform", lambda s, X: calls.append(1) or original(s, X)
    )
    estimator = make_pipeline(PolynomialFeatures(3), LinearRegression())
    found = RANSACRegressor(estimator, random_state=0).fit(x[:, None], y)
    assert len(calls) == 2  # the search and the final fit
    np.testing.assert_allclose(found.estimator_[-1].coef_[1:], [-2, 0, 0.5], atol=0.02)


def test_several_targets_share_their_outliers(rng):
    X, y, inlier, _ = make(rng, n=600)
    Y = np.column_stack([y, 3 * y + 0.1 * rng.normal(size=600)])
    found = RANSACRegressor(random_state=0).fit(X, Y)
    assert found.predict(X).shape == (600, 2)
    assert (found.inlier_mask_ == inlier).mean() > 0.97


@pytest.mark.parametrize(
    "estimator", [DecisionTreeRegressor(min_samples_leaf=15), KNeighborsRegressor(7)]
)
def test_any_regressor_leaves_gross_outliers_out(estimator, rng):
    X = rng.uniform(size=(500, 1))
    y = np.sin(6 * X[:, 0]) + 0.05 * rng.normal(size=500)
    out = rng.permutation(500)[:100]
    y[out] += rng.choice([-5, 5], size=100) + rng.normal(size=100)
    found = RANSACRegressor(estimator, min_samples=60, random_state=0).fit(X, y)
    assert not found.inlier_mask_[out].any()
    kept = np.setdiff1d(np.arange(500), out)
    assert np.abs(found.predict(X) - np.sin(6 * X[:, 0]))[kept].mean() < 0.25


# ---------------------------------------------------------------------------- what it promises


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31))
def test_permuted_rows_give_the_same_model(seed):
    rng = np.random.default_rng(seed)
    X, y, _, _ = make(rng, n=60)
    order = rng.permutation(60)
    for scoring in SCORINGS:
        a = RANSACRegressor(scoring=scoring, random_state=0).fit(X, y)
        b = RANSACRegressor(scoring=scoring, random_state=0).fit(X[order], y[order])
        np.testing.assert_array_equal(a.inlier_mask_[order], b.inlier_mask_)
        np.testing.assert_allclose(a.estimator_.coef_, b.estimator_.coef_, rtol=1e-8, atol=1e-12)
        assert a.threshold_ == b.threshold_


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31))
def test_weights_equal_repetitions(seed):
    rng = np.random.default_rng(seed)
    X, y, _, _ = make(rng, n=60)
    w = rng.integers(0, 4, size=60)
    for parameters in (
        {},
        {"residual_threshold": None, "scoring": "lmeds"},
        {"scoring": "inliers", "local_optimization": False, "residual_threshold": "mad"},
        {"estimator": DecisionTreeRegressor(max_depth=2), "min_samples": 20, "max_trials": 10},
        {"estimator": Ridge(), "sampling": "uniform"},
    ):
        a = RANSACRegressor(random_state=1, **parameters).fit(X, y, sample_weight=w)
        b = RANSACRegressor(random_state=1, **parameters).fit(X.repeat(w, axis=0), y.repeat(w))
        np.testing.assert_array_equal(a.inlier_mask_.repeat(w), b.inlier_mask_)
        if not isinstance(parameters.get("estimator"), DecisionTreeRegressor):
            # A tree tells equally good splits apart by the rounding of its weighted sums.
            np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-8)
        assert a.n_trials_ == b.n_trials_


def test_heavy_rows_decide_the_consensus(rng):
    # scikit-learn#15836, #28667: weights changed the fits but never the consensus.
    x = np.linspace(0, 1, 40)
    y = np.where(np.arange(40) < 15, x, 5 - x)
    w = np.where(np.arange(40) < 15, 10.0, 1.0)
    for scoring in SCORINGS:
        found = RANSACRegressor(scoring=scoring, residual_threshold=0.01, random_state=0)
        found.fit(x[:, None], y, sample_weight=w)
        np.testing.assert_array_equal(found.inlier_mask_, np.arange(40) < 15)
        assert not found.fit(x[:, None], y).inlier_mask_[:15].all()


@pytest.mark.parametrize("scoring", SCORINGS)
def test_results_do_not_depend_on_the_number_of_jobs(scoring, dtype, rng):
    X, y, _, _ = make(rng, n=24_000)
    X, y = X.astype(dtype), y.astype(dtype)
    fits = [RANSACRegressor(scoring=scoring, n_jobs=j, random_state=0).fit(X, y) for j in (1, 2, 5)]
    for one in fits[1:]:
        np.testing.assert_array_equal(one.inlier_mask_, fits[0].inlier_mask_)
        np.testing.assert_array_equal(one.scores_history_, fits[0].scores_history_)
        np.testing.assert_array_equal(one.estimator_.coef_, fits[0].estimator_.coef_)


def test_results_of_any_estimator_do_not_depend_on_the_number_of_jobs(rng):
    X, y, _, _ = make(rng, n=3000)
    tree = DecisionTreeRegressor(max_depth=4, max_features=1)
    fits = [
        RANSACRegressor(tree, min_samples=300, max_trials=25, n_jobs=j, random_state=0).fit(X, y)
        for j in (1, 2, 3)
    ]
    for one in fits[1:]:
        np.testing.assert_array_equal(one.inlier_mask_, fits[0].inlier_mask_)
        np.testing.assert_array_equal(one.scores_history_, fits[0].scores_history_)
        np.testing.assert_array_equal(one.predict(X), fits[0].predict(X))


def test_float32_finds_what_float64_finds(rng):
    X, y, _, _ = make(rng, n=2000)
    a = RANSACRegressor(random_state=0).fit(X.astype(np.float32), y.astype(np.float32))
    b = RANSACRegressor(random_state=0).fit(X, y)
    np.testing.assert_allclose(a.estimator_.coef_, b.estimator_.coef_, rtol=1e-3)
    assert (a.inlier_mask_ == b.inlier_mask_).mean() > 0.995


def test_sparse_and_dense_input_agree(rng):
    X, y, _, _ = make(rng)
    X[np.abs(X) < 0.8] = 0
    parameters = {"residual_threshold": 0.5, "local_optimization": False, "random_state": 0}
    a = RANSACRegressor(**parameters).fit(X, y)
    b = RANSACRegressor(**parameters).fit(sparse.csr_array(X), y)
    np.testing.assert_array_equal(a.inlier_mask_, b.inlier_mask_)


def test_history_rises_and_ends_with_the_best(rng):
    X, y, _, _ = make(rng)
    found = RANSACRegressor(random_state=0, residual_threshold=0.2, scoring="inliers").fit(X, y)
    assert found.scores_history_.shape == (found.n_trials_,)
    assert (np.diff(found.scores_history_) >= 0).all()
    assert found.inlier_mask_.sum() >= found.scores_history_[-1] - 2


def test_nested_seeds_make_random_estimators_repeat(rng):
    X, y, _, _ = make(rng)
    estimator = make_pipeline(DecisionTreeRegressor(max_features=1, max_depth=3))
    a, b = (
        RANSACRegressor(estimator, min_samples=50, max_trials=5, random_state=4).fit(X, y)
        for _ in range(2)
    )
    np.testing.assert_array_equal(a.predict(X), b.predict(X))
    np.testing.assert_array_equal(a.inlier_mask_, b.inlier_mask_)


def test_only_needed_prefixes_are_predicted(rng):
    X, y, _, _ = make(rng, n=20_000)
    seen = []

    class Counting(LinearRegression):
        def predict(self, X):
            seen.append(len(X))
            return super().predict(X)

    RANSACRegressor(
        Counting(), min_samples=4, residual_threshold=0.2, local_optimization=False,
        stop_probability=1, max_trials=60, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert sum(seen) < 0.85 * 60 * 20_000


def test_callbacks_see_every_trial_and_may_stop(rng):
    X, y, _, _ = make(rng)
    assert issubclass(RANSACRegressor, CallbackSupportMixin)
    recorder = Recorder()
    found = RANSACRegressor(random_state=0).set_callbacks(recorder).fit(X, y)
    assert recorder.ended("trial") == found.n_trials_
    assert recorder.events[0] == "setup" and recorder.events[-1] == "teardown"
    assert recorder.events.count("begin fit") == recorder.ended("fit") == 1
    stopped = RANSACRegressor(random_state=0, stop_probability=1)
    stopped.set_callbacks(Recorder("trial", 7)).fit(X, y)
    assert stopped.n_trials_ == 7


def test_routed_metadata_reaches_fit_and_score(rng):
    X, y, _, _ = make(rng, n=200)
    with config_context(enable_metadata_routing=True):
        estimator = (
            Ridge().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        w = rng.uniform(0.5, 1.5, size=200)
        found = RANSACRegressor(estimator, random_state=0).fit(X, y, sample_weight=w)
        assert np.isfinite(found.score(X, y, sample_weight=w))
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        RANSACRegressor().fit(X, y, groups=w)


# ----------------------------------------------------------------------------- what it refuses


def test_missing_consensus_raises_and_says_which_rule_refused(rng):
    X, y, _, _ = make(rng, n=50)
    never = lambda *arguments: False  # noqa: E731
    for name, attribute in (
        ("is_data_valid", "n_skips_invalid_data_"),
        ("is_model_valid", "n_skips_invalid_model_"),
    ):
        ransac = RANSACRegressor(max_trials=5, random_state=0, **{name: never})
        with pytest.raises(ValueError, match=f"could not find a valid consensus.*5 .*`{name}`"):
            ransac.fit(X, y)
        assert getattr(ransac, attribute) == 5
        assert ransac.n_trials_ == 5
    exact = {"min_samples": 10, "residual_threshold": 0.0, "max_trials": 10}
    with pytest.raises(ValueError, match=r"Of 10 trials.* 10 had no row.* threshold 0\."):
        RANSACRegressor(local_optimization=False, **exact).fit(X, y)
    with pytest.raises(ValueError, match="could not find a valid consensus"):
        RANSACRegressor(max_trials=0).fit(X, y)
    with pytest.raises(ValueError, match="skipped more iterations than `max_skips`"):
        RANSACRegressor(is_data_valid=never, max_skips=3).fit(X, y)


def test_failure_can_fit_all_rows_instead(rng):
    X, y, _, _ = make(rng, n=50)
    never = lambda X, y: False  # noqa: E731
    with pytest.warns(ConvergenceWarning, match="All rows were fitted"):
        found = RANSACRegressor(is_data_valid=never, on_failure="warn").fit(X, y)
    quiet = RANSACRegressor(is_data_valid=never, on_failure="fit_all").fit(X, y)
    expected = LinearRegression().fit(X, y).coef_
    for one in (found, quiet):
        assert one.inlier_mask_.all()
        np.testing.assert_allclose(one.estimator_.coef_, expected)


def test_early_exit_by_skips_warns(rng):
    X, y, _, _ = make(rng)
    with pytest.warns(ConvergenceWarning, match="exited early"):
        RANSACRegressor(max_skips=1, stop_probability=1, random_state=0).fit(X, y)


def test_more_samples_than_rows_are_refused_and_the_default_is_capped(rng):
    X, y = rng.normal(size=(6, 9)), rng.normal(size=6)
    with pytest.raises(ValueError, match=r"`min_samples`=7 .* n_samples = 6.*Allowed: 1 to 6"):
        RANSACRegressor(min_samples=7).fit(X, y)
    RANSACRegressor(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="6, of which 1 are distinct"):
        RANSACRegressor(min_samples=2).fit(np.ones((6, 1)), np.ones(6))
    with pytest.raises(ValueError, match=r"min_samples.*needs to be explicitly set"):
        RANSACRegressor(KNeighborsRegressor()).fit(X, y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad, rng):
    X, y, _, _ = make(rng, n=50)
    broken_X, broken_y = X.copy(), y.copy()
    broken_X[3, 1] = broken_y[3] = bad
    for estimator in (None, Ridge(), KNeighborsRegressor()):
        for data in ((broken_X, y), (X, broken_y)):
            with pytest.raises(ValueError, match=r"NaN|infinity"):
                RANSACRegressor(estimator, min_samples=10).fit(*data)


def test_estimator_without_weights_refuses_them(rng):
    X, y, _, _ = make(rng, n=50)
    with pytest.raises(ValueError, match="KNeighborsRegressor does not support sample_weight"):
        RANSACRegressor(KNeighborsRegressor(), min_samples=5).fit(X, y, sample_weight=np.ones(50))


# ------------------------------------------------------------------- inputs at the edge, old bugs


@pytest.mark.parametrize("n", range(1, 13))
@pytest.mark.parametrize("scoring", SCORINGS)
def test_few_rows_give_a_finite_model(n, scoring, rng):
    X, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    found = RANSACRegressor(scoring=scoring, random_state=0).fit(X, y)
    assert np.isfinite(found.predict(X)).all()
    assert found.inlier_mask_.any()


@pytest.mark.parametrize("threshold", ["auto", "mad", None])
def test_constant_targets_are_fitted_by_their_value(threshold, rng):
    X = rng.normal(size=(30, 2))
    for value in (0.0, 7.0, -1e12):
        found = RANSACRegressor(residual_threshold=threshold, random_state=0)
        found.fit(X, np.full(30, value))
        assert found.inlier_mask_.all()
        np.testing.assert_allclose(found.predict(X), value)


def test_more_than_half_equal_targets_have_a_consensus(rng):
    # scikit-learn#16147: the median absolute deviation is 0, so nothing was an inlier.
    X = rng.normal(size=(100, 2))
    y = np.where(np.arange(100) < 60, 5.0, rng.uniform(-50, 50, size=100))
    for threshold in ("auto", "mad"):
        found = RANSACRegressor(residual_threshold=threshold, random_state=0).fit(X, y)
        np.testing.assert_array_equal(found.inlier_mask_, np.arange(100) < 60)
        assert found.threshold_ > 0


def test_perfect_horizontal_line_is_found():
    # scikit-learn#19497.
    x = np.arange(-200.0, 200).reshape(-1, 1)
    y = np.zeros(400)
    y[[10, 300]] = 1000, -500
    for threshold in ("auto", "mad"):
        found = RANSACRegressor(residual_threshold=threshold, random_state=0).fit(x, y)
        assert found.inlier_mask_.sum() == 398
        np.testing.assert_allclose(found.predict(x), 0, atol=1e-9)


def test_exact_line_is_found_with_threshold_zero():
    # scikit-learn#4907: rows exactly at the threshold count, also when it is 0.
    x = np.arange(20.0).reshape(-1, 1)
    y = 2 * x[:, 0]
    y[[3, 9, 15]] = 100
    for local in (False, True):
        found = RANSACRegressor(residual_threshold=0.0, local_optimization=local, random_state=0)
        assert found.fit(x, y).inlier_mask_.sum() == 17


@pytest.mark.parametrize("local", [False, True])
def test_collinear_and_constant_columns_are_harmless(local, rng):
    X, y, inlier, _ = make(rng, p=2)
    X = np.column_stack([X, X[:, 0] + X[:, 1], np.ones(len(X)), np.zeros(len(X))])
    found = RANSACRegressor(local_optimization=local, residual_threshold=0.3, random_state=0)
    found.fit(X, y)
    assert (found.inlier_mask_[inlier]).mean() > 0.9
    assert np.abs(found.estimator_.coef_).max() < 100


def test_columns_of_very_different_sizes_are_harmless(rng):
    X, y, _, w = make(rng)
    scale = np.array([1e-2, 1, 1e2])
    found = RANSACRegressor(random_state=0).fit(X * scale + 1e3 * scale, y)
    np.testing.assert_allclose(found.estimator_.coef_ * scale, w, atol=0.05)


def test_gross_outliers_do_not_widen_the_threshold(rng):
    X, y, _, w = make(rng)
    y[:20] = 1e12
    found = RANSACRegressor(random_state=0).fit(X, y)
    assert found.threshold_ < 0.25
    np.testing.assert_allclose(found.estimator_.coef_, w, atol=0.05)


def test_outliers_beyond_all_digits_cost_none(rng):
    # The mean of such targets is so large that the others would be rounded off beside it.
    X, y, _, w = make(rng)
    y[:20], X[20:30] = 1e25, 1e15
    found = RANSACRegressor(random_state=0).fit(X, y)
    np.testing.assert_allclose(found.estimator_.coef_, w, atol=0.05)
    assert not found.inlier_mask_[:30].any()


def test_duplicated_rows_never_make_a_sample(rng):
    x = np.repeat(np.arange(5.0), 40)
    y = np.where(np.arange(200) % 40 < 30, 2 * x + 1, rng.uniform(-9, 9, size=200))
    found = RANSACRegressor(random_state=0).fit(x[:, None], y)
    np.testing.assert_allclose(found.estimator_.coef_, [2], atol=1e-6)


def test_integer_and_list_input_are_taken(rng):
    X = rng.integers(0, 50, size=(80, 2))
    y = X @ [2, -1] + 3
    y[::7] = 900
    found = RANSACRegressor(random_state=0).fit(X.tolist(), y.tolist())
    np.testing.assert_allclose(found.estimator_.coef_, [2, -1], atol=1e-9)


def test_no_warning_is_raised_on_ordinary_data(rng):
    X, y, _, _ = make(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for parameters in (
            {},
            {"estimator": DecisionTreeRegressor(max_depth=2), "min_samples": 30},
        ):
            RANSACRegressor(random_state=0, **parameters).fit(X, y).predict(X)


def test_linear_models_take_the_compiled_path_and_others_do_not(rng, monkeypatch):
    X, y, _, _ = make(rng, n=60)
    used = []
    for engine in (LinearEngine, GenericEngine):
        original = engine.prepare
        monkeypatch.setattr(
            engine, "prepare", lambda s, *a, _o=original: used.append(type(s)) or _o(s, *a)
        )
    for estimator, expected in (
        (None, LinearEngine),
        (Ridge(), LinearEngine),
        (make_pipeline(PolynomialFeatures(2), Ridge()), LinearEngine),
        (KNeighborsRegressor(3), GenericEngine),
    ):
        used.clear()
        RANSACRegressor(estimator, min_samples=12, max_trials=3, random_state=0).fit(X, y)
        assert set(used) == {expected}


def test_few_rows_with_outliers_close_to_the_line_are_fitted_as_well_as_many(rng):
    errors, best = [], []
    for _ in range(60):
        X = rng.normal(size=(50, 3))
        y = X @ [1.0, -2, 3] + 0.1 * rng.normal(size=50)
        y[:20] += rng.choice([-1, 1], size=20) * rng.uniform(0.4, 1.0, size=20)
        for kept, model in ((errors, RANSACRegressor(random_state=0)), (best, LinearRegression())):
            rows = slice(20, None) if kept is best else slice(None)
            fitted = model.fit(X[rows], y[rows])
            coef = getattr(fitted, "estimator_", fitted).coef_
            kept.append(np.linalg.norm(coef - [1, -2, 3]))
    assert np.median(errors) < 1.6 * np.median(best)


@pytest.mark.parametrize("kind", [np.int8, np.int64, bool])
def test_sparse_rows_of_whole_numbers_are_taken(rng, kind):
    X = rng.integers(0, 2 if kind is bool else 9, size=(80, 3)).astype(kind)
    y = X @ np.array([1.0, 2.0, 3.0])
    y[:10] += 100
    dense = RANSACRegressor(random_state=0).fit(X, y)
    found = RANSACRegressor(random_state=0).fit(sparse.csr_array(X), y)
    np.testing.assert_array_equal(found.inlier_mask_, dense.inlier_mask_)
    np.testing.assert_allclose(found.estimator_.coef_, [1, 2, 3])


def test_slopes_that_overflow_are_refused_not_returned(rng):
    """Columns of 1e-310 need slopes of 1e310: scikit-learn's LinearRegression predicts NaN."""
    X = rng.normal(size=(100, 2))
    y = X @ [1, 2] + 0.1 * rng.normal(size=100)
    with pytest.raises(ValueError, match=r"Slopes overflow: the largest entry of X is .*e-310"):
        RANSACRegressor(random_state=0).fit(X * 1e-310, y)


@pytest.mark.parametrize(
    ("scale", "loss", "dtype"),
    [
        (1e-310, "absolute_error", np.float64),
        (1e-250, "absolute_error", np.float64),
        (1e-200, "squared_error", np.float64),
        (1e200, "squared_error", np.float64),
        (1e300, "absolute_error", np.float64),
        (1e-20, "squared_error", np.float32),
    ],
)
def test_targets_whose_squares_are_no_numbers_are_refused(scale, loss, dtype, rng):
    """All rows would fit alike, outliers too, or none."""
    X = rng.normal(size=(100, 2)).astype(dtype)
    y = ((X @ [1, 2] + 0.1 * rng.normal(size=100)) * scale).astype(dtype)
    ransac = RANSACRegressor(loss=loss, random_state=0)
    with pytest.raises(ValueError, match=r"`y` has a spread of .* Multiply `y` by a constant, for"):
        ransac.fit(X, y)
    assert not hasattr(ransac, "estimator_")


def test_tiny_targets_are_fitted_with_a_threshold_in_their_units(rng):
    X = rng.normal(size=(100, 2))
    y = X @ [1, 2] + 0.1 * rng.normal(size=100)
    y[:20] += 50
    small = RANSACRegressor(residual_threshold=0.5e-305, random_state=0).fit(X * 1e-305, y * 1e-305)
    assert not small.inlier_mask_[:20].any()
    assert (
        small.inlier_mask_[20:].sum() > 70
    )  # squares underflow, so nothing tightens a drawn model
    np.testing.assert_allclose(small.estimator_.coef_, [1, 2], atol=0.1)


@pytest.mark.parametrize(
    "loss", [lambda y, y_pred: np.abs(y - y_pred).mean(), lambda y, y_pred: np.abs(y - y_pred)]
)
def test_losses_that_are_not_one_a_row_are_refused(loss, rng):
    X, y, _, _ = make(rng)
    with pytest.raises(
        ValueError, match=r"`loss` returned an array of shape .* Allowed: one number"
    ):
        RANSACRegressor(loss=loss, residual_threshold=1.0).fit(X, np.column_stack([y, y]))


def test_weights_whose_sum_is_infinite_are_refused(rng):
    X, y, _, _ = make(rng)
    with pytest.raises(ValueError, match=r"sum of `sample_weight` is infinite.*Divide them"):
        RANSACRegressor().fit(X, y, sample_weight=np.full(len(y), 1e308))


@pytest.mark.parametrize("n", [50, 2000])
def test_no_jobs_are_refused(n, rng):
    X, y, _, _ = make(rng, n=n)
    with pytest.raises(ValueError, match=r"`n_jobs`=0 is no number of threads"):
        RANSACRegressor(n_jobs=0).fit(X, y)


def bootstrap(rng, n):
    return np.bincount(rng.integers(0, n, n), minlength=n).astype(float)


class OtherLinearRegression(LinearRegression):
    """Not known to be linear, so trials fit it."""


WEIGHTS = {
    "twos": lambda rng, n: np.full(n, 2.0),
    "adding up to one": lambda rng, n: np.full(n, 1 / n),
    "bootstrap": bootstrap,
    "counts": lambda rng, n: rng.integers(1, 6, n).astype(float),
    "uneven": lambda rng, n: np.exp(rng.normal(size=n)),
    "one heavy": lambda rng, n: np.append(np.ones(n - 1), 20.0),
}


@pytest.mark.parametrize("draw", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("estimator", [None, Ridge(1e-6), OtherLinearRegression()])
def test_rows_that_a_model_fits_exactly_are_no_evidence_whatever_their_weight(draw, estimator, rng):
    """A model through three rows of weight 4 had 12 residuals of 0, and the noise was taken for 0."""
    X = rng.normal(size=(300, 2))
    y = X @ [1, 2] + 0.1 * rng.normal(size=300)
    y[:60] += 20
    ransac = RANSACRegressor(estimator, min_samples=3, random_state=0)
    ransac.fit(X, y, sample_weight=draw(rng, 300))
    assert 0.2 < ransac.threshold_ < 1
    assert not ransac.inlier_mask_[:60].any()
    assert ransac.inlier_mask_[60:].mean() > 0.9


@pytest.mark.parametrize("estimator", [None, Ridge(1.0), OtherLinearRegression()])
def test_units_of_weights_change_nothing(estimator, rng):
    X, y, _, _ = make(rng, n=120)
    weights = rng.integers(1, 4, size=120).astype(float)
    options = {"min_samples": 10, "max_trials": 10, "random_state": 0}
    if isinstance(estimator, Ridge):  # whose penalty has the units of weights
        estimator = Ridge(1e-9)
    models = [
        RANSACRegressor(estimator, **options).fit(X, y, sample_weight=scale * weights)
        for scale in (1.0, 2.0**-10, 2.0**10)
    ]
    for model in models[1:]:
        assert model.threshold_ == pytest.approx(models[0].threshold_, rel=1e-5)
        np.testing.assert_array_equal(model.inlier_mask_, models[0].inlier_mask_)


def test_bagging_of_ransac_finds_the_line(rng):
    """Bags are drawn by weights of 0, 1, 2, ...: two of three bags ended on three rows."""
    X, y, inlier, _ = make(rng, n=200)
    one = RANSACRegressor(random_state=0)
    bag = BaggingRegressor(one, n_estimators=5, random_state=0).fit(X, y)
    assert bag.score(X[inlier], y[inlier]) > one.fit(X, y).score(X[inlier], y[inlier]) - 0.01
