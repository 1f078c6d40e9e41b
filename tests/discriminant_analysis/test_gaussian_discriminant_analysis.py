"""Discriminant analysis: scikit-learn's where the model is the same, definitions where it is not."""

import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import LinAlgWarning
from sklearn.base import clone
from sklearn.covariance import OAS, LedoitWolf
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as LDA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis as QDA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reference import gaussian as reference
from sklearn_extra_ml._core import _gaussian_factors
from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis as GDA
from sklearn_extra_ml.discriminant_analysis import _regularization

KINDS = ("full", "tied", "diag", "tied_diag", "spherical")
EVERY_KIND = pytest.mark.parametrize("covariance", KINDS)
LOADERS = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer}
DATA = pytest.mark.parametrize("name", LOADERS)


def load(name):
    X, y = LOADERS[name](return_X_y=True)
    return StandardScaler().fit_transform(X), y


def classes(rng, n=240, d=4, K=3):
    """Rows of overlapping classes whose covariances differ."""
    y = rng.integers(0, K, n)
    y[: 2 * K] = np.arange(2 * K) % K
    mixing = np.eye(d) + 0.4 * rng.normal(size=(K, d, d))
    X = np.einsum("nd,nde->ne", rng.normal(size=(n, d)), mixing[y])
    return X + rng.normal(size=(K, d))[y] + 3, y


def assert_same_model(found, expected, rtol=1e-10):
    for name in ("means_", "covariances_", "priors_", "class_weight_sum_"):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


# ------------------------------------------------------------------------- scikit-learn's models


@DATA
@pytest.mark.parametrize("priors", [None, "uneven"])
def test_tied_equals_linear_discriminant_analysis(name, priors):
    X, y = load(name)
    if priors is not None:
        priors = np.arange(1.0, y.max() + 2) / np.arange(1.0, y.max() + 2).sum()
    theirs, ours = LDA(priors=priors).fit(X, y), GDA("tied", priors=priors).fit(X, y)
    for method in ("decision_function", "predict_proba"):
        np.testing.assert_allclose(
            getattr(ours, method)(X), getattr(theirs, method)(X), rtol=1e-8, atol=1e-8
        )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), atol=1e-8)
    np.testing.assert_allclose(
        ours.explained_variance_ratio_, theirs.explained_variance_ratio_, atol=1e-10
    )


@DATA
@pytest.mark.parametrize("priors", [None, "uneven"])
def test_full_equals_quadratic_discriminant_analysis(name, priors):
    X, y = load(name)
    X = X[:, :13]  # all 30 columns of breast cancer are too collinear for scikit-learn's class
    if priors is not None:
        priors = np.arange(1.0, y.max() + 2) / np.arange(1.0, y.max() + 2).sum()
    theirs, ours = QDA(priors=priors, tol=0).fit(X, y), GDA(priors=priors).fit(X, y)
    for method in ("decision_function", "predict_proba"):
        np.testing.assert_allclose(
            getattr(ours, method)(X), getattr(theirs, method)(X), rtol=1e-8, atol=1e-8
        )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@DATA
def test_diag_equals_gaussian_naive_bayes(name):
    X, y = load(name)
    theirs = GaussianNB(var_smoothing=0).fit(X, y)
    np.testing.assert_allclose(
        GDA("diag").fit(X, y).predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-8
    )


def test_tied_predicts_digits_as_scikit_learn_does():
    X, y = load_digits(return_X_y=True)
    with pytest.warns(LinAlgWarning, match="collinear or constant within 10 of 10 classes: 61 of"):
        ours = GDA("tied").fit(X, y)
    theirs = LDA().fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(
        ours.decision_function(X), theirs.decision_function(X), rtol=1e-8, atol=1e-7
    )


@DATA
@pytest.mark.parametrize("priors", [None, "uneven"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_linear_coefficients_equal_those_of_linear_discriminant_analysis(name, priors, n_classes):
    X, y = load(name)
    X, y = X[y < n_classes], y[y < n_classes]
    if priors is not None:
        priors = np.arange(1.0, y.max() + 2) / np.arange(1.0, y.max() + 2).sum()
    theirs, ours = LDA(priors=priors).fit(X, y), GDA("tied", priors=priors).fit(X, y)
    for attribute in ("coef_", "intercept_"):
        found, expected = getattr(ours, attribute), getattr(theirs, attribute)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n_classes", [1, 2, 3])
@pytest.mark.parametrize("parameters", [{}, {"shrinkage": 0.3}, {"reg_gamma": "auto"}])
@pytest.mark.parametrize("covariance", ["tied", "tied_diag"])
def test_linear_coefficients_give_the_decision_function(covariance, parameters, n_classes, rng):
    X, y = classes(rng, K=n_classes)
    model = GDA(covariance, **parameters).fit(X.astype(np.float32), 2 * y)
    values = X.astype(np.float32) @ model.coef_.T + model.intercept_
    expected = model.decision_function(X.astype(np.float32))
    np.testing.assert_allclose(values.reshape(expected.shape), expected, rtol=1e-9, atol=1e-9)


def test_coefficients_exist_only_where_the_boundary_is_linear(rng):
    X, y = classes(rng)
    for covariance in ("full", "diag", "spherical"):
        model = GDA(covariance).fit(X, y).set_params(covariance="tied")
        for attribute in ("coef_", "intercept_"):
            assert not hasattr(model, attribute)
            with pytest.raises(AttributeError, match=f"{attribute}.*covariance='{covariance}'"):
                getattr(model, attribute)
        with pytest.raises(ValueError, match="coef_"):
            SelectFromModel(model, prefit=True).transform(X)
    assert not hasattr(GDA("tied"), "coef_")
    selected = SelectFromModel(GDA("tied"), threshold="median").fit_transform(X, y)
    assert 1 <= selected.shape[1] < X.shape[1]


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0, "ledoit_wolf"])
@DATA
def test_shrinkage_equals_scikit_learn(name, shrinkage):
    X, y = load(name)
    X = X * np.linspace(0.5, 20, X.shape[1])
    theirs = {"solver": "eigen", "shrinkage": {"ledoit_wolf": "auto"}.get(shrinkage, shrinkage)}
    if shrinkage != 0.0:
        np.testing.assert_allclose(
            GDA("full", shrinkage=shrinkage).fit(X, y).predict_log_proba(X),
            QDA(**theirs, tol=0).fit(X, y).predict_log_proba(X),
            rtol=1e-6,
            atol=1e-7,
        )
    np.testing.assert_allclose(
        GDA("tied", shrinkage=shrinkage).fit(X, y).predict_proba(X),
        LDA(**theirs).fit(X, y).predict_proba(X),
        rtol=1e-6,
        atol=1e-10,
    )


def test_estimated_shares_equal_those_of_scikit_learn_on_standardised_columns(rng):
    X, y = classes(rng, n=60, d=8)
    for method, estimator in (("oas", OAS()), ("ledoit_wolf", LedoitWolf())):
        ours = GDA(shrinkage=method).fit(X, y)
        for k in range(3):
            scaler = StandardScaler().fit(X[y == k])
            theirs = estimator.fit(scaler.transform(X[y == k]))
            np.testing.assert_allclose(ours.shrinkage_[k], theirs.shrinkage_, rtol=1e-9)
            np.testing.assert_allclose(
                ours.covariances_[k],
                theirs.covariance_ * np.outer(scaler.scale_, scaler.scale_),
                rtol=1e-9,
                atol=1e-12,
            )


# ----------------------------------------------------------------------------------- definitions


@EVERY_KIND
def test_decision_values_follow_from_the_definition(covariance, dtype, rng):
    X, y = classes(rng)
    X = X.astype(dtype)
    gda = GDA(covariance).fit(X, y)
    weights, means, scatter = reference.statistics(X, np.eye(3)[y])
    dense = reference.covariances(covariance, weights, scatter)
    joint = reference.log_density(X, means, dense) + np.log(weights / weights.sum())
    joint -= joint.max(axis=1, keepdims=True)
    expected = joint - np.log(np.exp(joint).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(gda.predict_log_proba(X), expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(gda.predict(X), expected.argmax(axis=1))
    distances = [
        np.sqrt(np.einsum("nd,nd->n", (X - m) @ np.linalg.inv(C), X - m))
        for m, C in zip(means, dense, strict=True)
    ]
    np.testing.assert_allclose(gda.mahalanobis(X), np.transpose(distances), rtol=1e-8)


@pytest.mark.parametrize("covariance", ["full", "diag", "spherical"])
@pytest.mark.parametrize("reg_lambda", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("reg_gamma", [0.0, 0.7])
def test_regularized_covariances_equal_those_of_friedman(covariance, reg_lambda, reg_gamma, rng):
    if covariance == "spherical":
        reg_gamma = 0.0
    X, y = classes(rng)
    gda = GDA(covariance, reg_lambda=reg_lambda, reg_gamma=reg_gamma).fit(X, y)
    weights, _, scatter = reference.statistics(X, np.eye(3)[y])
    expected = reference.regularized(covariance, weights, scatter, reg_lambda, reg_gamma)
    found = gda.covariances_
    if covariance == "diag":
        found = found[:, :, None] * np.eye(4)
    if covariance == "spherical":
        found = found[:, None, None] * np.eye(4)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@EVERY_KIND
def test_leave_one_out_error_equals_refits(covariance, rng):
    X, y = classes(rng, n=36)
    automatic = {}
    if not covariance.startswith("tied"):
        automatic["reg_lambda"] = "auto"
    if covariance != "spherical":
        automatic["reg_gamma"] = "auto"
    gda = GDA(covariance, **automatic).fit(X, y)
    shape = gda.loo_error_.shape
    assert shape == (len(gda.loo_lambda_), len(gda.loo_gamma_))
    for i, j in {(0, 0), (4, 9), (13, 2), (19, 19), (7, 19)}:
        if i < shape[0] and j < shape[1]:
            expected = reference.leave_one_out_error(
                covariance, X, y, gda.loo_lambda_[i], gda.loo_gamma_[j]
            )
            assert gda.loo_error_[i, j] == pytest.approx(expected, abs=1e-12)
    best = gda.loo_error_.min()
    chosen = gda.loo_error_[
        np.flatnonzero(gda.loo_lambda_ == gda.reg_lambda_)[0],
        np.flatnonzero(gda.loo_gamma_ == gda.reg_gamma_)[0],
    ]
    assert chosen == best
    fixed = {name: getattr(gda, f"{name}_") for name in automatic}
    np.testing.assert_allclose(
        GDA(covariance, **fixed).fit(X, y).predict_proba(X), gda.predict_proba(X), atol=1e-12
    )


def test_leave_one_out_error_equals_refits_with_fewer_rows_than_columns(rng):
    X, y = classes(rng, n=18, d=30)
    gda = GDA(reg_lambda="auto", reg_gamma="auto").fit(X, y)
    assert np.isinf(gda.loo_error_[:, 0]).all()  # nothing to invert without shrinkage
    for i, j in {(0, 3), (9, 12), (19, 19)}:
        expected = reference.leave_one_out_error(
            "full", X, y, gda.loo_lambda_[i], gda.loo_gamma_[j]
        )
        assert gda.loo_error_[i, j] == pytest.approx(expected, abs=1e-12)


def test_leave_one_out_counts_copies_as_weights(rng):
    X, y = classes(rng, n=50)
    times = rng.integers(1, 4, 50)
    times[:4] = 0
    weighted = GDA(reg_lambda="auto", reg_gamma="auto").fit(X, y, sample_weight=times)
    repeated = GDA(reg_lambda="auto", reg_gamma="auto").fit(
        np.repeat(X, times, axis=0), np.repeat(y, times)
    )
    np.testing.assert_allclose(weighted.loo_error_, repeated.loo_error_, atol=1e-12)
    assert weighted.reg_lambda_ == repeated.reg_lambda_
    assert weighted.reg_gamma_ == repeated.reg_gamma_


def test_automatic_regularization_beats_none_where_rows_are_few(rng):
    X, y = classes(rng, n=60, d=25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        plain = cross_val_score(GDA(), X, y, cv=5).mean()
    automatic = cross_val_score(GDA(reg_lambda="auto", reg_gamma="auto"), X, y, cv=5).mean()
    assert automatic > plain + 0.02


# ------------------------------------------------------------------------------------ properties

CONFIGURATIONS = [
    *({"covariance": kind} for kind in KINDS),
    {"covariance": "full", "shrinkage": "ledoit_wolf"},
    {"covariance": "tied", "shrinkage": "ledoit_wolf"},
    {"covariance": "tied", "shrinkage": "oas"},
    {"covariance": "tied_diag", "shrinkage": 0.2},
    {"covariance": "full", "reg_lambda": 0.3, "reg_gamma": 0.2},
    {"covariance": "tied", "reg_gamma": 0.2},
]
EVERY_CONFIGURATION = pytest.mark.parametrize("parameters", CONFIGURATIONS, ids=str)


@EVERY_CONFIGURATION
@given(cuts=st.lists(st.integers(1, 199), max_size=3), seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_partial_fit_in_any_parts_equals_fit(parameters, cuts, seed):
    rng = np.random.default_rng(seed)
    X, y = classes(rng, n=200)
    weight = rng.uniform(0.5, 2.0, 200)
    whole = GDA(**parameters).fit(X, y, sample_weight=weight)
    parts, edges = GDA(**parameters), [0, *sorted(cuts), 200]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)  # a first part may be a single row
        for start, stop in pairwise(edges):
            if stop > start:
                rows = slice(start, stop)
                parts.partial_fit(X[rows], y[rows], classes=[0, 1, 2], sample_weight=weight[rows])
    assert_same_model(parts, whole, rtol=1e-9)
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), atol=1e-8)


def test_partial_fit_keeps_the_variance_of_small_batches_between_large_ones():
    # scikit-learn's GaussianNB leaves 0.31 here.
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(100, 1)) * s for s in (1e-3, 1.0, 1e-3)]
    y = np.repeat([0, 1, 0], 100)
    model = GDA("diag")
    for batch, label in zip(batches, (0, 1, 0), strict=True):
        model.partial_fit(batch, np.full(100, label), classes=[0, 1])
    expected = np.vstack([batches[0], batches[2]]).var(axis=0)
    np.testing.assert_allclose(model.covariances_[0], expected, rtol=1e-12)
    assert_same_model(model, GDA("diag").fit(np.vstack(batches), y), rtol=1e-12)


@EVERY_CONFIGURATION
def test_weights_equal_repeated_rows(parameters, rng):
    X, y = classes(rng)
    times = rng.integers(0, 4, len(X))
    weighted = GDA(**parameters).fit(X, y, sample_weight=times)
    repeated = GDA(**parameters).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_same_model(weighted, repeated)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-10)


@EVERY_CONFIGURATION
def test_order_of_rows_changes_nothing(parameters, rng):
    X, y = classes(rng)
    order = rng.permutation(len(X))
    assert_same_model(GDA(**parameters).fit(X[order], y[order]), GDA(**parameters).fit(X, y))


@pytest.mark.parametrize(
    "parameters",
    [p for p in CONFIGURATIONS if p["covariance"] != "spherical" and "reg_gamma" not in p
     and not isinstance(p.get("shrinkage"), float)],
    ids=str,
)  # fmt: skip
def test_units_of_columns_change_nothing(parameters, rng):
    X, y = classes(rng)
    scale = np.array([1e-6, 1.0, 1e3, 1e8])
    first = GDA(**parameters).fit(X, y).predict_log_proba(X)
    second = GDA(**parameters).fit(X * scale, y).predict_log_proba(X * scale)
    np.testing.assert_allclose(second, first, rtol=1e-8, atol=1e-8)


@EVERY_KIND
def test_data_far_from_zero_are_classified_as_near_it(covariance, rng):
    X, y = classes(rng)
    X = np.round(X, 3)
    near, far = GDA(covariance).fit(X, y), GDA(covariance).fit(X + 1e6, y)
    np.testing.assert_allclose(
        far.predict_proba(X + 1e6), near.predict_proba(X), rtol=1e-5, atol=1e-6
    )


@EVERY_KIND
def test_rows_are_predicted_alike_alone_and_together(covariance, rng):
    X, y = classes(rng, n=700)
    gda = GDA(covariance).fit(X, y)
    for method in ("predict_proba", "transform", "mahalanobis", "decision_function"):
        together = getattr(gda, method)(X)
        alone = np.concatenate([getattr(gda, method)(X[i : i + 1]) for i in range(0, 700, 50)])
        np.testing.assert_allclose(alone, together[::50], rtol=1e-10, atol=1e-12)


@EVERY_KIND
def test_sample_is_drawn_from_the_classes(covariance, rng):
    X, y = classes(rng)
    labels = np.array(["a", "b", "c"])
    gda = GDA(covariance).fit(X, labels[y])
    drawn, drawn_y = gda.sample(60_000, random_state=1)
    shares = (drawn_y[:, None] == labels).mean(axis=0)
    np.testing.assert_allclose(shares, gda.priors_, atol=0.02)
    again = clone(gda).fit(drawn, drawn_y)
    np.testing.assert_allclose(again.covariances_, gda.covariances_, rtol=0.2, atol=0.15)
    given_y = np.array(["c", "a"])
    rows, same = gda.sample(y=given_y, random_state=0)
    assert rows.shape == (2, 4)
    np.testing.assert_array_equal(same, given_y)
    np.testing.assert_array_equal(rows, gda.sample(y=given_y, random_state=0)[0])


def test_transform_whitens_within_classes_and_sorts_by_separation(rng):
    X, y = classes(rng, n=600)
    for covariance in ("full", "tied"):
        gda = GDA(covariance).fit(X, y)
        Z = gda.transform(X)
        within = sum((y == k).mean() * np.cov(Z[y == k].T, bias=True) for k in range(3))
        np.testing.assert_allclose(within, np.eye(2), atol=1e-10)
        assert (np.diff(gda.explained_variance_ratio_) <= 0).all()
        assert gda.explained_variance_ratio_.sum() == pytest.approx(1)
        np.testing.assert_allclose((X - gda.xbar_) @ gda.scalings_, Z, atol=1e-10)
    assert GDA(n_components=1).fit(X, y).transform(X).shape == (600, 1)
    names = GDA().fit(X, y).get_feature_names_out()
    assert names.tolist() == [f"gaussiandiscriminantanalysis{i}" for i in range(2)]


# ------------------------------------------------------------------------------------- bad input


@EVERY_KIND
def test_constant_column_and_class_of_one_row_give_a_valid_model(covariance, rng):
    X, y = classes(rng, n=80)
    X = np.column_stack([X, np.full(80, 0.1)])  # whose mean is rounded
    X, y = np.vstack([X, X[:1] + 9]), np.append(y, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        gda = GDA(covariance).fit(X, y)
    proba = gda.predict_proba(np.vstack([X, 1e8 * X, -1e150 * X]))
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    for method in ("transform", "mahalanobis"):
        assert np.isfinite(getattr(gda, method)(X)).all()


def test_collinear_columns_are_left_out_with_one_warning(rng):
    X, y = classes(rng, n=300)
    doubled = np.column_stack([X, X[:, 0] - 2 * X[:, 1]])
    for covariance in ("full", "tied"):
        with pytest.warns(LinAlgWarning, match="4 of 5 directions") as caught:
            gda = GDA(covariance).fit(doubled, y)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert (gda.ranks_ == 4).all()
        np.testing.assert_allclose(
            gda.predict_proba(doubled), GDA(covariance).fit(X, y).predict_proba(X), atol=1e-7
        )


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "tied_diag"])
def test_constant_column_changes_nothing(covariance, rng):
    X, y = classes(rng)
    constant = np.column_stack([X, np.full(len(X), 0.1)])
    with pytest.warns(LinAlgWarning, match="4 of 5"):
        gda = GDA(covariance).fit(constant, y)
    expected = GDA(covariance).fit(X, y).predict_log_proba(X)
    np.testing.assert_allclose(gda.predict_log_proba(constant), expected, atol=1e-9)


@EVERY_KIND
def test_fewer_rows_than_columns_give_a_valid_model(covariance, rng):
    X, y = classes(rng, n=20, d=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        gda = GDA(covariance).fit(X, y)
    assert np.isfinite(gda.predict_proba(X)).all()
    if covariance == "tied":
        np.testing.assert_array_equal(gda.predict(X), LDA().fit(X, y).predict(X))
    else:
        assert (gda.predict(X) == y).mean() > 0.8


def wide_reference(X, y, tol=1e-8):
    """Log-densities of classes filled from the pooled covariance, by dense eigendecompositions."""

    def decompose(C):
        std = np.sqrt(np.diag(C))
        values, vectors = np.linalg.eigh(C / std / std[:, None])
        kept = values > tol
        return std, values[kept], vectors[:, kept]

    K, n = y.max() + 1, len(y)
    means = np.array([X[y == k].mean(axis=0) for k in range(K)])
    covariances = [np.cov(X[y == k].T, bias=True) for k in range(K)]
    pooled = sum(np.mean(y == k) * C for k, C in enumerate(covariances))
    std, values, vectors = decompose(pooled)
    whiten = vectors / np.sqrt(values) / std[:, None]
    scores = np.empty((n, K))
    for k, C in enumerate(covariances):
        own, turn = np.linalg.eigh(whiten.T @ C @ whiten)
        back = pooled @ whiten @ turn
        std, values, vectors = decompose(back * np.where(own > tol, own, 1.0) @ back.T)
        white = (X - means[k]) / std @ vectors / np.sqrt(values)
        volume = np.linalg.slogdet((vectors * std[:, None]).T @ (vectors * std[:, None]))[1]
        log_det = np.log(values).sum() + volume
        scores[:, k] = np.log(np.mean(y == k)) - 0.5 * (log_det + (white**2).sum(axis=1))
    return scores


@pytest.mark.parametrize(("n", "d"), [(24, 150), (60, 150), (140, 150)])
def test_wide_data_have_the_densities_of_dense_eigendecompositions(n, d, rng):
    """Low rank is found by a pivoted Cholesky factor; few, many and nearly all directions."""
    X, y = classes(rng, n=n, d=d)
    with pytest.warns(LinAlgWarning):
        model = GDA().fit(X, y)
    expected = wide_reference(X, y)
    found = model.decision_function(X)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max())
    with pytest.warns(LinAlgWarning):
        halves = GDA().partial_fit(X[: n // 2], y[: n // 2], classes=range(3))
        halves.partial_fit(X[n // 2 :], y[n // 2 :])
    np.testing.assert_allclose(halves.decision_function(X), found, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_wide_data_take_no_eigendecomposition_larger_than_the_rows(covariance, rng, monkeypatch):
    sizes = []

    def recorded(matrix, **options):
        sizes.append(len(matrix))
        return scipy.linalg.eigh(matrix, **options)

    monkeypatch.setattr(_gaussian_factors, "eigh", recorded)
    monkeypatch.setattr(_regularization, "eigh", recorded)
    X, y = classes(rng, n=40, d=300)
    with pytest.warns(LinAlgWarning):
        GDA(covariance).fit(X, y)
    assert 0 < max(sizes) < 40


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_class_takes_the_pooled_variance_where_it_has_none(covariance, rng):
    X, y = classes(rng, n=300)
    X[y == 0, 1] = 0.1  # whose mean is rounded
    with pytest.warns(LinAlgWarning, match="within 1 of 3 classes: 3 of 4"):
        gda = GDA(covariance).fit(X, y)
    assert gda.ranks_.tolist() == [3, 4, 4]
    variances = gda.covariances_[:, 1, 1] if covariance == "full" else gda.covariances_[:, 1]
    assert 0.1 < variances[0] / variances[1:].mean() < 1
    free = [0, 2, 3]
    expected = np.cov(X[y == 0][:, free].T, bias=True)
    found = gda.covariances_[0][np.ix_(free, free)] if covariance == "full" else None
    if found is not None:
        assert np.linalg.eigvalsh(found - expected).min() > -1e-10  # variance is only added
    far = gda.mahalanobis(X[:1] + 100 * np.eye(4)[1])
    assert (far > gda.mahalanobis(X[:1]) + 10).all()


@EVERY_KIND
def test_one_class_predicts_itself(covariance, rng):
    X, _ = classes(rng)
    gda = GDA(covariance).fit(X, np.full(len(X), "only"))
    assert set(gda.predict(X)) == {"only"}
    np.testing.assert_array_equal(gda.predict_proba(X), 1.0)
    assert gda.transform(X).shape == (len(X), 0)


@EVERY_KIND
def test_class_not_seen_yet_is_never_predicted(covariance, rng):
    X, y = classes(rng)
    gda = GDA(covariance).partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    proba = gda.predict_proba(X)
    assert np.isfinite(proba).all()
    np.testing.assert_array_equal(proba[:, 2], 0)
    gda.partial_fit(X[y == 2], y[y == 2])
    assert_same_model(gda, GDA(covariance).fit(X, y))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"covariance": "tied", "reg_lambda": 0.5}, "nothing to mix"),
        ({"covariance": "spherical", "reg_gamma": 0.5}, "changes nothing"),
        ({"covariance": "spherical", "shrinkage": 0.5}, "changes nothing"),
        ({"covariance": "diag", "shrinkage": "oas"}, "has none"),
        ({"shrinkage": 0.5, "reg_gamma": 0.5}, "both shrink"),
        ({"shrinkage": 0.5, "reg_lambda": "auto"}, "both shrink"),
        ({"priors": [0.5, 0.5]}, "one number for each of 3"),
        ({"priors": [0.5, 0.6, 0.1]}, "sums to 1.2"),
        ({"priors": [1.5, -0.5, 0.0]}, "least -0.5"),
        ({"n_components": 3}, "larger than min"),
    ],
)
def test_contradicting_parameters_are_refused(parameters, message, rng):
    X, y = classes(rng)
    with pytest.raises(ValueError, match=message):
        GDA(**parameters).fit(X, y)


def test_partial_fit_refuses_what_it_cannot_do(rng):
    X, y = classes(rng)
    with pytest.raises(ValueError, match="must be given in the first call"):
        GDA().partial_fit(X, y)
    gda = GDA().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="differs from that of the first call"):
        gda.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"holds \[5\]"):
        gda.partial_fit(X[:1], [5])
    with pytest.raises(ValueError, match="other statistics"):
        gda.set_params(covariance="diag").partial_fit(X, y)
    square = GDA("diag").fit(X[:, :3], y)  # 3 x 3 as well for "tied"
    with pytest.raises(ValueError, match="other statistics"):
        square.set_params(covariance="tied").partial_fit(X[:, :3], y)
    assert not hasattr(GDA(reg_gamma="auto"), "partial_fit")


def test_overflowing_squares_are_refused_and_far_rows_get_the_priors(rng):
    X, y = classes(rng)
    with pytest.raises(ValueError, match="squares of X overflow"):
        GDA().fit(X * 1e200, y)
    gda = GDA().fit(X, y)
    np.testing.assert_allclose(gda.predict_proba(np.full((1, 4), 1e200))[0], gda.priors_)


@pytest.mark.parametrize("method", ["predict", "transform", "mahalanobis", "sample"])
def test_unfitted_estimator_says_so(method):
    with pytest.raises(NotFittedError):
        getattr(GDA(), method)(*([] if method == "sample" else [np.ones((1, 2))]))


def test_sample_refuses_bad_numbers_and_unknown_labels(rng):
    gda = GDA().fit(*classes(rng))
    with pytest.raises(ValueError, match="no number of rows"):
        gda.sample(0)
    with pytest.raises(ValueError, match=r"holds \[9\]"):
        gda.sample(y=[9])


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2**62, -(2**62)]),
        np.array([-3, 100]),
        np.array([False, True]),
        np.array(["b", "a"]),
        np.array([0, 255], np.uint8),
        np.array([2**63, 2**63 + 5], np.uint64),
        np.array([0.0, 1.0]),
    ],
    ids=lambda labels: f"{labels.dtype} {labels[0]}",
)
def test_labels_of_any_kind_come_back(labels, rng):
    X = np.vstack([rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 50])
    y = np.repeat(labels, 20)
    gda = GDA().fit(X, y)
    np.testing.assert_array_equal(gda.classes_, np.unique(labels))
    assert gda.classes_.dtype == labels.dtype
    np.testing.assert_array_equal(gda.predict(X), y)


def test_pipeline_with_automatic_regularization_is_accurate_on_wine():
    model = make_pipeline(StandardScaler(), GDA(reg_lambda="auto", reg_gamma="auto"))
    assert cross_val_score(model, *load_wine(return_X_y=True), cv=5).mean() > 0.97


@pytest.mark.parametrize("covariance", ["diag", "spherical", "tied_diag"])
def test_many_columns_without_correlations_take_no_square_matrix(rng, covariance):
    X, y = rng.normal(size=(30, 5000)), np.arange(30) % 3
    model = GDA(covariance)
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * X.nbytes  # 5000 x 5000 numbers are 167 times X
    assert model.transform(X).shape == (30, 2)


def test_far_rows_raise_no_floating_point_error():
    X, y = load_wine(return_X_y=True)
    model = GDA().fit(X, y)
    with np.errstate(all="raise"):
        np.testing.assert_allclose(model.predict_proba(100 * X).sum(axis=1), 1.0)


@pytest.mark.parametrize("priors", [{0: 0.2, 1: 0.3, 2: 0.5}, ["a", "b", "c"], [0.5, 0.5]])
def test_priors_that_are_no_numbers_of_the_classes_are_refused(priors, rng):
    X, y = classes(rng)
    with pytest.raises(ValueError, match="is no array of 3 numbers"):
        GDA(priors=priors).fit(X, y)


def test_weights_that_overflow_are_named(rng):
    X, y = classes(rng)
    with pytest.raises(ValueError, match="sum of `sample_weight` is infinite"):
        GDA().fit(X, y, sample_weight=np.full(len(y), 1e308))
    with pytest.raises(ValueError, match="squares of X times `sample_weight` overflow"):
        GDA().fit(1e10 * X, y, sample_weight=np.full(len(y), 1e300))
