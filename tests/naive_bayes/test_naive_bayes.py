"""What naive Bayes promises beyond scikit-learn: batches, weights, missing cells, odd data."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.naive_bayes import GaussianNB as SklearnGaussianNB

from reference import naive_bayes as reference
from sklearn_extra_ml.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)
from sklearn_extra_ml.naive_bayes import _chunks as chunks_module

CLASSES = (GaussianNB, MultinomialNB, BernoulliNB, ComplementNB, CategoricalNB)
EACH = pytest.mark.parametrize("NB", CLASSES, ids=lambda c: c.__name__)
COUNTS = pytest.mark.parametrize(
    "NB", [MultinomialNB, BernoulliNB, ComplementNB], ids=lambda c: c.__name__
)


def problem(seed, n=60, d=5, k=3, missing=0.0):
    """Small counts (good for every model), classes named by letters, weights."""
    rng = np.random.default_rng(seed)
    y = np.array(list("abcdefgh"))[rng.integers(k, size=n)]
    X = rng.poisson(1 + 3 * rng.random((k, d))[np.unique(y, return_inverse=True)[1]]).astype(float)
    X[rng.random(X.shape) < missing] = np.nan
    return X, y, rng.uniform(0.2, 2.0, n), rng


def fitted_arrays(model):
    """All fitted arrays of a model, by name."""
    found = {}
    for name, value in vars(model).items():
        if name.endswith("_") and not name.startswith("_"):
            for i, part in enumerate(value if isinstance(value, list) else [value]):
                if np.asarray(part).dtype.kind == "f":
                    found[name, i] = np.asarray(part)
    return found


def assert_close(a, b, rtol=1e-12, atol=0.0):
    a, b = fitted_arrays(a), fitted_arrays(b)
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_allclose(value, b[name], rtol=rtol, atol=atol, err_msg=str(name))


# ------------------------------------------------------------------ the slow reference


def with_reference(NB, X, y, weight, query, **options):
    classes = np.unique(y)
    if NB is GaussianNB:
        return reference.gaussian(X, y, weight, query, classes, **options)
    function = getattr(reference, NB.__name__.removesuffix("NB").lower())
    return function(X, y, weight, query, classes, **options)


@EACH
@pytest.mark.parametrize("missing", [0.0, 0.3], ids=["complete", "missing cells"])
def test_joint_log_density_equals_the_reference(NB, missing, seed):
    X, y, weight, _ = problem(seed, missing=missing)
    how = "ignore" if missing else "error"
    model = NB(missing=how).fit(X, y, sample_weight=weight)
    expected = with_reference(NB, X, y, weight, X)
    np.testing.assert_allclose(model.predict_joint_log_proba(X), expected, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X), reference.posterior(expected), atol=1e-9)
    np.testing.assert_array_equal(model.predict(X), model.classes_[expected.argmax(axis=1)])


@pytest.mark.parametrize("per_feature", [False, True])
def test_gaussian_smoothing_equals_the_reference(per_feature, seed):
    X, y, weight, rng = problem(seed, missing=0.2)
    X *= 10.0 ** rng.integers(-3, 4, X.shape[1])
    scale = "feature" if per_feature else "largest"
    model = GaussianNB(var_smoothing=0.01, smoothing_scale=scale, missing="ignore")
    model.fit(X, y, sample_weight=weight)
    mean, var = reference.gaussian_parameters(X, y, weight, model.classes_, 0.01, per_feature)
    np.testing.assert_allclose(model.theta_, mean, rtol=1e-12)
    np.testing.assert_allclose(model.var_, var, rtol=1e-11)


@pytest.mark.parametrize("unseen", ["smooth", "ignore"])
def test_unseen_categories_equal_the_reference(unseen, seed):
    X, y, weight, rng = problem(seed, missing=0.1)
    query = np.where(rng.random(X.shape) < 0.2, 1000.0, X)
    model = CategoricalNB(unseen=unseen, missing="ignore").fit(X, y, sample_weight=weight)
    expected = with_reference(CategoricalNB, X, y, weight, query, unseen=unseen)
    np.testing.assert_allclose(model.predict_joint_log_proba(query), expected, rtol=1e-10)


def test_unseen_category_raises_an_error_that_names_it():
    model = CategoricalNB(unseen="error").fit([[0, 1], [1, 2]], ["a", "b"])
    with pytest.raises(ValueError, match=r"category 7 in column 1 .row 1., which has 3 categories"):
        model.predict([[0, 0], [1, 7]])


# ------------------------------------------------------------------------------ batches


@EACH
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_partial_fit_over_any_split_equals_one_fit(NB, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    X, y, weight, rng = problem(seed, missing=0.1)
    if NB is GaussianNB:
        X = X * rng.uniform(0.5, 2) + 10.0 ** rng.integers(-3, 7)
    weight = data.draw(st.sampled_from([None, "random"])) and weight
    cuts = data.draw(st.lists(st.integers(1, len(X) - 1), max_size=6, unique=True))
    whole = NB(missing="ignore").fit(X, y, sample_weight=weight)
    model = NB(missing="ignore")
    for part in np.split(np.arange(len(X)), sorted(cuts)):
        of_part = None if weight is None else weight[part]
        model.partial_fit(X[part], y[part], classes=np.unique(y), sample_weight=of_part)
    assert_close(model, whole)
    if weight is None and NB is not GaussianNB:  # counts are exact
        for name, value in fitted_arrays(whole).items():
            np.testing.assert_array_equal(fitted_arrays(model)[name], value)


def test_variance_after_batches_of_scale_1_1000_1_is_right():
    # scikit-learn subtracts the smoothing of the new batch from variances that hold the old one
    # (scikit-learn#14054).
    rng = np.random.default_rng(0)
    batches = []
    for scale in (1.0, 1000.0, 1.0):
        X = rng.normal(size=(200, 2)) * [1e-3, 30.0 * scale]
        batches.append((X, np.arange(200) % 2))
    X, y = map(np.concatenate, zip(*batches, strict=True))
    ours, theirs = GaussianNB(), SklearnGaussianNB()
    for model in (ours, theirs):
        for batch in batches:
            model.partial_fit(*batch, classes=[0, 1])
    true = X[y == 0, 0].var()
    assert true == pytest.approx(1e-6, rel=0.2)
    np.testing.assert_allclose(ours.var_[0, 0] - ours.epsilon_, true, rtol=1e-9)
    assert theirs.var_[0, 0] - theirs.epsilon_ > 1e5 * true  # the bug is still there
    assert_close(ours, GaussianNB().fit(X, y))


def test_moments_keep_twelve_digits_of_batches_with_a_huge_offset(rng):
    X = rng.normal(size=(4000, 3))
    y = rng.integers(3, size=4000)
    offset = np.array([0.0, 2.0**30, -(2.0**30)])[y][:, None]  # exact in binary
    X = np.round(X * 2**20) / 2**20
    plain, model = GaussianNB(var_smoothing=0.0).fit(X, y), GaussianNB(var_smoothing=0.0)
    for part in np.array_split(np.arange(4000), 7):
        model.partial_fit(X[part] + offset[part], y[part], classes=[0, 1, 2])
    np.testing.assert_allclose(model.var_, plain.var_, rtol=1e-12)


def test_constant_column_has_variance_zero_at_any_offset():
    X = np.full((1001, 2), 0.1)
    X[:, 1] = 1e17 / 3
    y = np.arange(1001) % 3
    model = GaussianNB(var_smoothing=0.0).fit(X, y)
    np.testing.assert_array_equal(model.theta_, X[:3])
    assert (model.var_ <= 1e-200).all()
    np.testing.assert_allclose(model.predict_proba(X), np.tile(model.class_prior_, (1001, 1)))


@EACH
def test_batch_with_an_unknown_label_is_refused_and_the_model_left_as_it_was(NB):
    X, y, _, _ = problem(0)
    model = NB().partial_fit(X, y, classes=list("abc"))
    before = fitted_arrays(model)
    with pytest.raises(ValueError, match=r"target label.s. .*'z'.* do not exist"):
        model.partial_fit(X, np.where(y == "a", "z", y))
    with pytest.raises(ValueError, match=r"NaN"):
        model.partial_fit(np.where(X == 1, np.nan, X), y)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        model.partial_fit(X, y, classes=list("abz"))
    for name, value in fitted_arrays(model).items():
        np.testing.assert_array_equal(value, before[name])
    assert_close(model.partial_fit(X, y), NB().fit(np.tile(X, (2, 1)), np.tile(y, 2)))


@EACH
def test_first_partial_fit_without_classes_raises(NB):
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        NB().partial_fit([[1, 2], [3, 4]], [0, 1])


@EACH
def test_class_that_no_batch_held_yet_is_never_predicted(NB):
    X, y, _, _ = problem(1)
    model = NB().partial_fit(X, y, classes=list("abcz"))
    known = NB().fit(X, y)
    probability = model.predict_proba(X)
    if NB is ComplementNB:  # it has no priors
        assert np.isfinite(probability).all()
        return
    assert (probability[:, 3] == 0).all()
    np.testing.assert_allclose(probability[:, :3], known.predict_proba(X), atol=1e-12)


def test_categories_of_a_later_batch_are_added_and_none_is_lost():
    model = CategoricalNB().partial_fit([[0], [4]], [0, 1], classes=[0, 1])
    model.partial_fit([[1], [2]], [0, 1])  # scikit-learn's n_categories_ would shrink to 3
    assert model.n_categories_.tolist() == [5]
    model.partial_fit([[6], [0]], [0, 1])
    assert model.n_categories_.tolist() == [7]
    np.testing.assert_array_equal(
        model.category_count_[0], [[1, 1, 0, 0, 0, 0, 1], [1, 0, 1, 0, 1, 0, 0]]
    )


# --------------------------------------------------------------------- weights and classes


@EACH
def test_integer_weights_equal_repeated_rows(NB, seed):
    X, y, _, rng = problem(seed, missing=0.1)
    repeats = rng.integers(0, 4, len(y))
    weighted = NB(missing="ignore").fit(X, y, sample_weight=repeats)
    repeated = NB(missing="ignore").fit(X.repeat(repeats, axis=0), y.repeat(repeats))
    assert weighted.predict(X).tolist() == repeated.predict(X).tolist()
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-9, atol=1e-9)


@EACH
def test_class_weight_equals_sample_weight_of_the_rows(NB, seed):
    X, y, weight, _ = problem(seed)
    name = NB._class_weight_name
    factor = {"a": 3.0, "c": 0.25}
    by_row = weight * np.array([factor.get(label, 1.0) for label in y])
    by_class = NB(**{name: factor}).fit(X, y, sample_weight=weight)
    assert_close(by_class, NB().fit(X, y, sample_weight=by_row), rtol=1e-9, atol=1e-15)


@EACH
def test_balanced_class_weight_gives_every_class_the_same_mass_in_batches_too(NB):
    X, y, _, _ = problem(3)
    name = NB._class_weight_name
    whole = NB(**{name: "balanced"}).fit(X, y)
    np.testing.assert_allclose(whole.class_count_, len(y) / 3)
    model = NB(**{name: "balanced"})
    for part in (slice(0, 11), slice(11, None)):
        model.partial_fit(X[part], y[part], classes=list("abc"))
    assert_close(model, whole)


@EACH
@pytest.mark.parametrize(
    ("weights", "message"),
    [({"z": 1.0}, "not among the classes"), ({"a": -1.0}, "not negative"), ({"a": np.nan}, "nan")],
)
def test_bad_class_weight_raises(NB, weights, message):
    X, y, _, _ = problem(0)
    with pytest.raises(ValueError, match=message):
        NB(**{NB._class_weight_name: weights}).fit(X, y)


@EACH
def test_row_order_does_not_matter(NB, seed):
    X, y, weight, rng = problem(seed, n=5000, missing=0.05)
    order = rng.permutation(len(y))
    model = NB(missing="ignore").fit(X, y, sample_weight=weight)
    other = NB(missing="ignore").fit(X[order], y[order], sample_weight=weight[order])
    assert_close(model, other, rtol=1e-11, atol=1e-14)


def test_scaling_columns_leaves_posteriors_with_smoothing_by_feature(seed):
    X, y, _, rng = problem(seed, missing=0.1)
    scale = 10.0 ** rng.integers(-9, 9, X.shape[1])
    options = dict(var_smoothing=0.1, missing="ignore")
    model = GaussianNB(smoothing_scale="feature", **options).fit(X, y)
    scaled = GaussianNB(smoothing_scale="feature", **options).fit(X * scale, y)
    np.testing.assert_allclose(
        model.predict_proba(X), scaled.predict_proba(X * scale), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(scaled.theta_, model.theta_ * scale, rtol=1e-12)
    np.testing.assert_allclose(scaled.var_, model.var_ * scale**2, rtol=1e-10)
    largest = GaussianNB(**options).fit(X * scale, y).predict_proba(X * scale)
    assert abs(largest - model.predict_proba(X)).max() > 0.01  # scikit-learn's rule (#24732)


def test_scaling_all_columns_leaves_posteriors_with_smoothing_by_the_largest(seed):
    X, y, _, _ = problem(seed)
    model, scaled = GaussianNB().fit(X, y), GaussianNB().fit(X * 1024.0, y)
    np.testing.assert_allclose(model.predict_proba(X), scaled.predict_proba(X * 1024.0), rtol=1e-11)


# ------------------------------------------------------------------------- missing cells


@EACH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_cells_that_are_not_finite_are_refused_in_fit_and_predict(NB, value):
    X, y, _, _ = problem(0)
    bad = X.copy()
    bad[7, 2] = value
    model = NB()
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.fit(bad, y)
    model.fit(X, y)
    for method in (model.predict, model.predict_proba, model.transform):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            method(bad)
    if np.isinf(value):
        with pytest.raises(ValueError, match="infinity"):
            NB(missing="ignore").fit(bad, y)
        with pytest.raises(ValueError, match="infinity"):
            NB(missing="ignore").fit(X, y).predict(bad)


@EACH
def test_ignoring_missing_cells_changes_nothing_where_none_is_missing(NB, seed):
    X, y, weight, _ = problem(seed)
    model = NB().fit(X, y, sample_weight=weight)
    other = NB(missing="ignore").fit(X, y, sample_weight=weight)
    assert_close(model, other, rtol=1e-13)
    np.testing.assert_allclose(model.transform(X), other.transform(X), rtol=1e-12)


@EACH
def test_row_of_missing_cells_gets_the_prior(NB):
    X, y, _, _ = problem(0, missing=0.2)
    model = NB(missing="ignore").fit(X, y)
    probability = model.predict_proba(np.full((2, X.shape[1]), np.nan))
    prior = np.full(3, 1 / 3) if NB is ComplementNB else model.class_count_ / 60
    np.testing.assert_allclose(probability, np.tile(prior, (2, 1)))


@EACH
def test_column_without_any_value_says_nothing(NB):
    X, y, _, _ = problem(0)
    empty = np.column_stack([X, np.full(len(X), np.nan)])
    model, other = NB(missing="ignore").fit(empty, y), NB().fit(X, y)
    query = np.column_stack([X, np.full(len(X), np.nan)])
    if NB in (MultinomialNB, ComplementNB):  # one more feature takes its share of the smoothing
        assert np.isfinite(model.predict_proba(query)).all()
        return
    np.testing.assert_allclose(model.predict_proba(query), other.predict_proba(X), atol=1e-12)


def test_column_that_a_class_never_saw_does_not_speak_for_or_against_it():
    X = np.array([[1.0, np.nan], [2.0, np.nan], [5.0, 1.0], [6.0, 3.0]])
    model = GaussianNB(missing="ignore").fit(X, [0, 0, 1, 1])
    assert model.theta_[0, 1] == 2.0
    np.testing.assert_allclose(model.var_[0, 1] - model.epsilon_, 1.0)
    assert model.predict([[1.5, 2.5]]).tolist() == [0]


# ---------------------------------------------------------------------------- sparse rows


@pytest.mark.parametrize("missing", [0.0, 0.2], ids=["complete", "missing cells"])
@pytest.mark.parametrize("NB", CLASSES[:4], ids=lambda c: c.__name__)
def test_sparse_rows_equal_dense_rows(NB, missing, dtype, seed):
    X, y, weight, _ = problem(seed, n=400, d=30, missing=missing)
    X = X.astype(dtype)
    how = "ignore" if missing else "error"
    dense = NB(missing=how).fit(X, y, sample_weight=weight)
    rows = sp.csr_array(X)
    sparse = NB(missing=how).fit(rows, y, sample_weight=weight)
    assert_close(sparse, dense, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sparse.transform(rows), dense.transform(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(sparse.predict(rows), dense.predict(X))


@pytest.mark.parametrize("NB", CLASSES[:4], ids=lambda c: c.__name__)
def test_sparse_batches_equal_one_fit_and_mix_with_dense_ones(NB, seed):
    X, y, weight, _ = problem(seed, n=300, d=12)
    whole = NB().fit(X, y, sample_weight=weight)
    model = NB()
    for i, part in enumerate(np.array_split(np.arange(300), 5)):
        rows = X[part] if i % 2 else sp.csr_array(X[part])
        model.partial_fit(rows, y[part], classes=list("abc"), sample_weight=weight[part])
    assert_close(model, whole, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("NB", CLASSES[:4], ids=lambda c: c.__name__)
def test_sparse_rows_with_repeated_entries_and_stored_zeros_are_summed(NB):
    entries = [1.0, 1.0, 2.0, 0.0, 3.0, 1.0]
    X = sp.csr_array((entries, [0, 0, 1, 2, 1, 2], [0, 3, 4, 6]), shape=(3, 3))
    model, other = NB().fit(X, [0, 1, 1]), NB().fit(X.toarray(), [0, 1, 1])
    assert_close(model, other)
    assert X.nnz == 6  # the caller's matrix is as it was


@pytest.mark.parametrize("NB", [MultinomialNB, ComplementNB], ids=lambda c: c.__name__)
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_negative_counts_are_refused(NB, container):
    X = container(np.array([[1.0, 2.0], [-1.0, 3.0]]))
    with pytest.raises(ValueError, match=f"Negative values in data passed to {NB.__name__}"):
        NB().fit(X, [0, 1])


# ------------------------------------------------------------- layouts, chunks, precision


@EACH
@pytest.mark.parametrize("missing", ["error", "ignore"])
def test_chunks_of_rows_change_nothing(NB, missing, monkeypatch):
    X, y = load_digits(return_X_y=True)
    model = NB(missing=missing).fit(X, y)
    joint, labels = model.transform(X), model.predict(X)
    # Sums of whole numbers are exact, so even the fits are equal but for Gaussian moments.
    monkeypatch.setattr(chunks_module, "CELLS", 64)
    other = NB(missing=missing).fit(X, y)
    assert_close(model, other, rtol=1e-12)
    np.testing.assert_array_equal(model.transform(X), joint)
    np.testing.assert_array_equal(model.predict(X), labels)


@pytest.mark.parametrize("NB", CLASSES[:4], ids=lambda c: c.__name__)
def test_chunks_of_sparse_rows_change_nothing(NB, monkeypatch):
    X, y = load_digits(return_X_y=True)
    X = sp.csr_array(X)
    model = NB().fit(X, y)
    joint = model.transform(X)
    monkeypatch.setattr(chunks_module, "STORED", 200)
    assert_close(model, NB().fit(X, y), rtol=1e-12)
    np.testing.assert_array_equal(model.transform(X), joint)


@EACH
def test_each_row_is_predicted_by_itself(NB):
    X, y = load_wine(return_X_y=True)
    model = NB().fit(X, y)
    joint = model.transform(X)
    for part in ([0], [5, 3], slice(7, 40), slice(177, None)):
        np.testing.assert_array_equal(model.transform(X[part]), joint[part])


@EACH
def test_float32_rows_give_the_model_of_their_values(NB):
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    model = NB().fit(X, y)
    other = NB().fit(X.astype(np.float64), y)
    assert_close(model, other, rtol=1e-14)
    assert model.transform(X).dtype == np.float64
    np.testing.assert_array_equal(model.transform(X), other.transform(X.astype(np.float64)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, bool])
def test_categories_of_any_whole_type_are_counted(dtype):
    X = np.array([[0, 1], [1, 1], [1, 0], [0, 0]]).astype(dtype)
    model = CategoricalNB().fit(X, [0, 1, 1, 0])
    np.testing.assert_array_equal(model.category_count_[0], [[2, 0], [0, 2]])


@pytest.mark.parametrize("n_classes", [1, 2, 40, 300])
def test_many_classes_equal_sklearn(n_classes, rng):
    X = rng.normal(size=(3000, 7))
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=3000 - n_classes))
    ours, theirs = GaussianNB().fit(X, y), SklearnGaussianNB().fit(X, y)
    np.testing.assert_allclose(ours.var_, theirs.var_, rtol=1e-9)
    np.testing.assert_allclose(ours.transform(X), theirs.predict_joint_log_proba(X), rtol=1e-9)


# ------------------------------------------------------------- nothing is ever no number


@COUNTS
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_no_smoothing_rules_classes_out_without_nan(NB, container):
    X = np.array([[2.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 1.0, 2.0]])
    model = NB(alpha=0.0).fit(container(X), [0, 0, 1, 1])
    probability = model.predict_proba(container(X))
    np.testing.assert_array_equal(probability, [[1, 0], [1, 0], [0, 1], [0, 1]])
    impossible = model.predict_proba(container(np.array([[1.0, 1.0, 0.0]])))
    assert np.isfinite(impossible).all()
    assert not np.isnan(model.transform(container(X))).any()


def test_row_that_no_class_allows_gets_the_prior_and_its_largest_class():
    model = MultinomialNB(alpha=0.0).fit([[1, 0], [0, 1], [0, 2]], [0, 1, 1])
    assert (model.predict_joint_log_proba([[1, 1]]) == -np.inf).all()
    np.testing.assert_allclose(model.predict_proba([[1, 1]]), [[1 / 3, 2 / 3]])
    assert model.predict([[1, 1]]).tolist() == [1]


def test_complement_with_norm_and_no_smoothing_is_the_limit_of_small_smoothing():
    X, y = [[2, 0, 1], [1, 0, 1], [0, 3, 1], [0, 1, 2]], [0, 0, 1, 1]
    limit = ComplementNB(alpha=1e-300, norm=True).fit(X, y).feature_log_prob_
    np.testing.assert_allclose(
        ComplementNB(alpha=0.0, norm=True).fit(X, y).feature_log_prob_, limit, atol=1e-2
    )


@pytest.mark.parametrize("scale", [1e-170, 1.0, 1e150, 1e300])
def test_gaussian_probabilities_of_any_magnitude_are_numbers(scale, rng):
    X = rng.normal(size=(40, 3)) * scale
    y = rng.integers(2, size=40)
    model = GaussianNB().fit(X, y)
    for query in (X, X * 1e5, np.zeros((1, 3)), np.full((1, 3), 1e308)):
        probability = model.predict_proba(np.clip(query, -1e308, 1e308))
        assert np.isfinite(probability).all()
        np.testing.assert_allclose(probability.sum(axis=1), 1.0)


@EACH
def test_class_of_one_row_and_constant_columns_give_a_valid_model(NB):
    X = np.array([[1.0, 5.0], [1.0, 5.0], [1.0, 4.0]])
    model = NB().fit(X, ["x", "x", "y"])
    assert np.isfinite(model.predict_proba(X)).all()
    if NB in (GaussianNB, CategoricalNB):
        assert model.predict(X).tolist() == ["x", "x", "y"]


@EACH
def test_single_row_gives_a_valid_model(NB):
    model = NB().fit([[1.0, 2.0]], ["a"])
    assert model.predict([[3.0, 1.0]] if NB is not CategoricalNB else [[1, 2]]).tolist() == ["a"]


def test_gaussian_zero_variance_and_zero_smoothing_decide_by_the_value():
    model = GaussianNB(var_smoothing=0.0).fit([[0.0], [0.0], [1.0], [1.0]], [0, 0, 1, 1])
    np.testing.assert_array_equal(model.predict_proba([[0.0], [1.0]]), [[1, 0], [0, 1]])


def test_category_code_beyond_any_table_is_refused():
    with pytest.raises(ValueError, match=r"Number the categories with OrdinalEncoder"):
        CategoricalNB().fit([[0], [2**40]], [0, 1])
    with pytest.raises(ValueError, match=r"Number the categories with OrdinalEncoder"):
        CategoricalNB().fit([[0.0], [1e30]], [0, 1])


@pytest.mark.parametrize("container", [np.int64, np.float64])
def test_negative_category_is_refused_in_fit_and_predict(container):
    model = CategoricalNB().fit([[0], [1]], [0, 1])
    bad = np.array([[-1]], dtype=container)
    with pytest.raises(ValueError, match="Negative values"):
        model.predict(bad)
    with pytest.raises(ValueError, match="Negative values"):
        CategoricalNB().fit(bad, [0])


def test_weights_that_leave_no_class_are_refused():
    with pytest.raises(ValueError, match="total weight of zero"):
        GaussianNB(class_weight={0: 0.0}).fit([[1.0], [2.0]], [0, 0])
    with pytest.raises(ValueError, match="Negative values in data passed to"):
        GaussianNB().fit([[1.0], [2.0]], [0, 1], sample_weight=[1, -1])


def test_feature_names_out_number_the_classes():
    model = GaussianNB().fit(*load_iris(return_X_y=True))
    assert model.get_feature_names_out().tolist() == [f"gaussiannb{c}" for c in range(3)]


@EACH
def test_missing_cells_are_refused_with_the_way_to_leave_them_out(NB):
    X, y, _, _ = problem(0)
    bad = X.astype(float)
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"contains NaN.*missing='ignore'"):
        NB().fit(bad, y)
    with pytest.raises(ValueError, match=r"contains NaN.*missing='ignore'"):
        NB().fit(X, y).predict(bad)


@pytest.mark.parametrize(
    "words", [np.array([["a"], ["b"]]), np.array([["a"], ["b"]], dtype=object)]
)
def test_words_as_categories_are_refused_with_a_way_out(words):
    with pytest.raises(ValueError, match=r"holds words .* OrdinalEncoder, or use MixedNB"):
        CategoricalNB().fit(words, [0, 1])


@EACH
@pytest.mark.parametrize("priors", [{0: 0.5, 1: 0.5}, ["a", "b"], [1.0]])
def test_priors_that_are_no_numbers_of_the_classes_are_refused(NB, priors):
    X, y, _, _ = problem(0)
    name = "priors" if NB is GaussianNB else "class_prior"
    with pytest.raises(
        ValueError, match=r"Number of priors must match .* in the order of `classes_`"
    ):
        NB(**{name: priors}).fit(X, y)


@EACH
def test_weights_whose_sum_is_infinite_are_refused(NB):
    X, y, _, _ = problem(0)
    with pytest.raises(ValueError, match=r"sum of `sample_weight` is infinite.*Divide them"):
        NB().fit(X, y, sample_weight=np.full(len(y), 1e308))
