"""With the same samples, scikit-learn's consensus; the plain reference for every other score."""

import numpy as np
import pytest
import sklearn.linear_model._ransac as upstream
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.linear_model import RANSACRegressor as ScikitLearnRANSAC
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils import check_random_state

from reference.ransac import ransac
from sklearn_extra_ml._core._distinct_rows import distinct_rows
from sklearn_extra_ml._native._ransac import draw_samples
from sklearn_extra_ml.linear_model import RANSACRegressor

AS_SCIKIT_LEARN = {"scoring": "inliers", "local_optimization": False}


def make(rng, n=300, p=3, share=0.4, noise=0.1, targets=None):
    X = rng.normal(size=(n, p))
    W = rng.normal(size=(p, targets or 1))
    y = X @ W + 1 + noise * rng.normal(size=(n, targets or 1))
    out = rng.permutation(n)[: int(share * n)]
    y[out] = rng.uniform(-10, 10, size=(len(out), targets or 1))
    return X, (y if targets else y[:, 0])


def our_samples(X, y, random_state, size, count):
    """The rows that RANSACRegressor draws, as rows of X."""
    seed = int(check_random_state(random_state).randint(2**63 - 1, dtype=np.int64))
    y = np.asarray(y, dtype=np.float64)
    rows = distinct_rows(np.asarray(X, dtype=np.float64), y, seed=seed)
    samples = np.empty((count, size), dtype=np.intp)
    draw_samples(seed, 0, np.ones(0), len(rows.index), samples)
    return rows.index[samples]


def fit_both(monkeypatch, X, y, size, count=200, seed=0, **parameters):
    """Fit ours as scikit-learn does it, and scikit-learn's with our samples."""
    parameters = {
        "residual_threshold": None,
        "random_state": seed,
        "max_trials": count,
    } | parameters
    ours = RANSACRegressor(**AS_SCIKIT_LEARN, **parameters).fit(X, y)
    samples = iter(our_samples(X, y, seed, size, count))
    monkeypatch.setattr(upstream, "sample_without_replacement", lambda *a, **k: next(samples))
    return ours, ScikitLearnRANSAC(**parameters).fit(X, y)


def assert_same(ours, theirs):
    np.testing.assert_array_equal(ours.inlier_mask_, theirs.inlier_mask_)
    for name in ("n_trials_", "n_skips_no_inliers_", "n_skips_invalid_data_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.n_skips_invalid_model_ == theirs.n_skips_invalid_model_


def mean_is_positive(X, y):
    return y.mean() > 0


def slope_is_positive(model, X, y):
    return model.coef_[0] > 0


PARAMETERS = {
    "defaults": {},
    "threshold": {"residual_threshold": 0.3},
    "squared": {"residual_threshold": 0.09, "loss": "squared_error"},
    "large samples": {"min_samples": 12, "residual_threshold": 0.3},
    "share of the rows": {"min_samples": 0.6, "residual_threshold": 0.5},
    "too few rows": {"min_samples": 2, "residual_threshold": 0.5},
    "all trials": {"stop_probability": 1, "residual_threshold": 0.2},
    "one trial": {"stop_probability": 0},
    "stop by inliers": {"stop_n_inliers": 120, "residual_threshold": 0.3},
    "stop by score": {"stop_score": 0.98, "residual_threshold": 0.3},
    "few skips": {"max_skips": 3, "residual_threshold": 1.0},
    "validity of data": {"is_data_valid": mean_is_positive, "residual_threshold": 0.3},
    "validity of model": {"is_model_valid": slope_is_positive, "residual_threshold": 1.0},
    "own loss": {"loss": lambda a, b: np.abs(a - b) ** 1.5, "residual_threshold": 0.2},
    "no intercept": {"estimator": LinearRegression(fit_intercept=False), "residual_threshold": 1.0},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:RANSAC found a valid consensus:UserWarning")
@pytest.mark.parametrize("name", PARAMETERS)
def test_consensus_with_the_same_samples_equals_scikit_learn(name, monkeypatch, rng):
    X, y = make(rng)
    parameters = PARAMETERS[name]
    size = parameters.get("min_samples", 4)
    size = int(np.ceil(size * len(X))) if size < 1 else size
    ours, theirs = fit_both(monkeypatch, X, y, size, **parameters)
    assert_same(ours, theirs)
    np.testing.assert_allclose(ours.estimator_.coef_, theirs.estimator_.coef_, rtol=1e-9)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)


@pytest.mark.parametrize(
    ("estimator", "size"),
    [
        (Ridge(alpha=0.5), 6),
        (Ridge(alpha=0.5), 2),
        (make_pipeline(PolynomialFeatures(2), LinearRegression()), 10),
        (make_pipeline(PolynomialFeatures(2, include_bias=False), Ridge(0.1)), 12),
        (KNeighborsRegressor(3), 40),
    ],
    ids=str,
)
def test_consensus_of_other_estimators_equals_scikit_learn(estimator, size, monkeypatch, rng):
    X, y = make(rng, p=3)
    y = y + X[:, 0] * X[:, 1]
    ours, theirs = fit_both(
        monkeypatch, X, y, size, estimator=estimator, min_samples=size, residual_threshold=0.7
    )
    assert_same(ours, theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)


def test_consensus_of_two_targets_equals_scikit_learn(monkeypatch, rng):
    X, y = make(rng, targets=2)
    for loss, threshold in (("absolute_error", 0.5), ("squared_error", 0.1)):
        ours, theirs = fit_both(monkeypatch, X, y, 4, loss=loss, residual_threshold=threshold)
        assert_same(ours, theirs)
        assert ours.estimator_.coef_.shape == (2, 3)
        monkeypatch.undo()


def test_consensus_on_many_rows_equals_scikit_learn(monkeypatch, rng):
    X, y = make(rng, n=20_000, p=2)
    ours, theirs = fit_both(monkeypatch, X, y, 3, residual_threshold=0.2, stop_probability=1)
    assert_same(ours, theirs)


def test_consensus_with_singular_samples_equals_scikit_learn(monkeypatch, rng):
    X, y = make(rng, p=2)
    X = np.column_stack([np.round(X[:, 0]), X[:, 1], 2 * X[:, 1], np.full(len(X), 3.0)])
    ours, theirs = fit_both(monkeypatch, X, y, 5, residual_threshold=1.0)
    assert_same(ours, theirs)
    np.testing.assert_allclose(ours.estimator_.coef_, theirs.estimator_.coef_, atol=1e-10)


def test_ties_of_exact_data_are_broken_by_the_estimator_score(monkeypatch, rng):
    X = np.arange(100.0).reshape(-1, 1)
    y = np.where(np.arange(100) % 3 == 0, rng.uniform(-50, 50, 100).round(), 2 * X[:, 0] + 1)
    ours, theirs = fit_both(monkeypatch, X, y, 2, residual_threshold=1e-6)
    np.testing.assert_array_equal(ours.inlier_mask_, theirs.inlier_mask_)
    assert ours.n_trials_ == theirs.n_trials_


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("scoring", ["inliers", "msac", "gaussian_uniform", "lmeds"])
def test_search_without_local_optimization_equals_plain_reference(scoring, squared, rng):
    X, y = make(rng, n=700, share=0.3)
    threshold = 0.09 if squared else 0.3
    ours = RANSACRegressor(
        scoring=scoring,
        local_optimization=False,
        residual_threshold=threshold,
        loss="squared_error" if squared else "absolute_error",
        max_trials=150,
        stop_probability=0.999,
        random_state=3,
    ).fit(X, y)
    mask, n_trials, history = ransac(
        X, y, our_samples(X, y, 3, 4, 150), threshold, scoring, 150, 0.999, squared
    )
    np.testing.assert_array_equal(ours.inlier_mask_, mask)
    assert ours.n_trials_ == n_trials
    np.testing.assert_allclose(ours.scores_history_, history, rtol=1e-5)


def test_generic_path_equals_compiled_path(rng):
    X, y = make(rng, n=3000)
    always = lambda model, X, y: True  # noqa: E731 (a validity callable takes the generic path)
    for scoring in ("inliers", "msac", "gaussian_uniform", "lmeds"):
        a, b = (
            RANSACRegressor(
                scoring=scoring,
                residual_threshold=0.3,
                local_optimization=False,
                is_model_valid=callback,
                random_state=0,
            ).fit(X, y)
            for callback in (None, always)
        )
        np.testing.assert_array_equal(a.inlier_mask_, b.inlier_mask_)
        assert a.n_trials_ == b.n_trials_
        np.testing.assert_allclose(a.scores_history_, b.scores_history_, rtol=1e-5)
