"""The five classifiers of scikit-learn's names: its results, attributes and errors."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.naive_bayes as theirs
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

import sklearn_extra_ml.naive_bayes as ours

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}
NAMES = ("GaussianNB", "MultinomialNB", "BernoulliNB", "ComplementNB", "CategoricalNB")
OPTIONS = [
    ("GaussianNB", {"var_smoothing": 1e-3}),
    ("GaussianNB", {"priors": [0.2, 0.3, 0.5]}),
    ("MultinomialNB", {"alpha": 0.01}),
    ("MultinomialNB", {"alpha": np.linspace(0.1, 2, 4)}),
    ("MultinomialNB", {"fit_prior": False}),
    ("MultinomialNB", {"class_prior": [0.2, 0.3, 0.5]}),
    ("BernoulliNB", {"binarize": 3.0}),
    ("BernoulliNB", {"binarize": 1.5, "alpha": 0.3}),
    ("ComplementNB", {"norm": True}),
    ("ComplementNB", {"alpha": 0.2}),
    ("CategoricalNB", {"min_categories": 12}),
    ("CategoricalNB", {"min_categories": [9, 8, 8, 20], "alpha": 0.5}),
]
ATTRIBUTES = {
    *("class_count_", "class_prior_", "class_log_prior_", "theta_", "var_", "epsilon_"),
    *("feature_count_", "feature_log_prob_", "feature_all_", "category_count_", "n_categories_"),
}


def assert_same_model(mine, other, X):
    np.testing.assert_array_equal(mine.classes_, other.classes_)
    np.testing.assert_array_equal(mine.predict(X), other.predict(X))
    np.testing.assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-7, atol=1e-12)
    joint = other.predict_joint_log_proba(X)
    np.testing.assert_allclose(mine.predict_joint_log_proba(X), joint, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(mine.transform(X), mine.predict_joint_log_proba(X))
    for name in ATTRIBUTES & set(vars(other)):
        mine_value, value = getattr(mine, name), getattr(other, name)
        if isinstance(value, list):
            for a, b in zip(mine_value, value, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12)
        else:
            assert np.shape(mine_value) == np.shape(value)
            np.testing.assert_allclose(mine_value, value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", NAMES)
def test_fit_on_real_data_equals_sklearn(name, data):
    X, y = DATA[data](return_X_y=True)
    mine, other = (getattr(module, name)().fit(X, y) for module in (ours, theirs))
    assert_same_model(mine, other, X)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_parameters_mean_what_they_mean_in_sklearn(name, options):
    X, y = load_iris(return_X_y=True)
    mine, other = (getattr(module, name)(**options).fit(X, y) for module in (ours, theirs))
    assert_same_model(mine, other, X)


@pytest.mark.parametrize("name", NAMES)
def test_sample_weight_means_what_it_means_in_sklearn(name, rng):
    X, y = load_iris(return_X_y=True)
    # scikit-learn's GaussianNB smooths by the unweighted variance; without smoothing it is equal.
    options = {"var_smoothing": 0.0} if name == "GaussianNB" else {}
    weight = rng.uniform(0.1, 3, len(y))
    mine, other = (
        getattr(module, name)(**options).fit(X, y, sample_weight=weight)
        for module in (ours, theirs)
    )
    for attribute in ("epsilon_",):
        vars(other).pop(attribute, None)
    assert_same_model(mine, other, X)


@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csr_array, sp.csc_array, sp.coo_array])
@pytest.mark.parametrize("name", ["MultinomialNB", "BernoulliNB", "ComplementNB"])
def test_sparse_rows_give_what_they_give_in_sklearn(name, container):
    X, y = load_digits(return_X_y=True)
    X = container(X)
    mine, other = (getattr(module, name)().fit(X, y) for module in (ours, theirs))
    assert_same_model(mine, other, X)


@pytest.mark.parametrize("name", NAMES)
def test_class_labels_of_any_kind_are_those_of_sklearn(name):
    X, y = load_iris(return_X_y=True)
    labels = [
        np.array(["c", "a", "b"]),
        np.array([7, -3, 10**12]),
        np.array([2.0, 0.0, -1.0]),
        np.array(["x", "y", "z"], dtype=object),
        np.array([3, 200, 9], dtype=np.uint8),
        np.array([-128, 127, 0], dtype=np.int8),
        np.array([2**63 + 5, 2**63, 2**63 + 900], dtype=np.uint64),
        np.array([-(2**63), 2**63 - 1, 0], dtype=np.int64),
    ]
    for names in labels:
        mine, other = (getattr(module, name)().fit(X, names[y]) for module in (ours, theirs))
        assert mine.classes_.dtype == other.classes_.dtype
        assert_same_model(mine, other, X)


@pytest.mark.parametrize("name", NAMES)
def test_two_boolean_classes_are_those_of_sklearn(name):
    X, y = load_iris(return_X_y=True)
    mine, other = (getattr(module, name)().fit(X, y == 1) for module in (ours, theirs))
    assert_same_model(mine, other, X)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_sklearn_is_there_with_its_default(name):
    parameters = getattr(theirs, name)().get_params()
    assert parameters.items() <= getattr(ours, name)().get_params().items()


@pytest.mark.parametrize("name", NAMES)
def test_one_class_is_always_predicted(name):
    X, _ = load_iris(return_X_y=True)
    y = np.full(len(X), "only")
    mine, other = (getattr(module, name)().fit(X, y) for module in (ours, theirs))
    assert_same_model(mine, other, X)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("GaussianNB", {"priors": [0.5, 0.5]}, "Number of priors must match number of classes."),
        ("GaussianNB", {"priors": [0.5, 0.2, 0.2]}, "The sum of the priors should be 1."),
        ("GaussianNB", {"priors": [-0.5, 1.0, 0.5]}, "Priors must be non-negative"),
        ("MultinomialNB", {"class_prior": [0.5, 0.5]}, "Number of priors must match"),
        ("MultinomialNB", {"class_prior": [0, 0, 0]}, "not all zero"),
        ("MultinomialNB", {"alpha": [1.0, 2.0]}, "it should contains `n_features`"),
        ("BernoulliNB", {"alpha": [1.0, 2.0, -1.0, 1.0]}, "greater than 0"),
        ("CategoricalNB", {"min_categories": [1.0] * 4}, "should have integral type"),
        ("CategoricalNB", {"min_categories": [1, 2]}, "should have shape"),
        ("CategoricalNB", {"min_categories": [1, 2, 3, -1]}, "has negative entries"),
    ],
)
def test_bad_parameters_raise_value_errors(name, options, message):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=message):
        getattr(ours, name)(**options).fit(X, y)


@pytest.mark.parametrize("name", ["MultinomialNB", "BernoulliNB", "ComplementNB", "CategoricalNB"])
def test_tiny_alpha_without_force_is_raised_with_a_warning(name):
    X, y = load_iris(return_X_y=True)
    model = getattr(ours, name)(alpha=1e-12, force_alpha=False)
    with pytest.warns(UserWarning, match="alpha too small"):
        model.fit(X, y)
    forced = getattr(ours, name)(alpha=1e-10).fit(X, y)
    np.testing.assert_array_equal(model.predict_joint_log_proba(X), forced.transform(X))
