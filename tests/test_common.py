"""The contract: every check that scikit-learn knows, on every public estimator, with no exception.

The estimators are found by walking the package, so a new one is tested without an edit here but for
its line in `MINIMUM_CHECKS`: a tag that switches checks off must not pass unseen. Nothing may be
expected to fail, and nothing may be skipped (`conftest.py` turns a skip into a failure).
"""

import importlib
import inspect
import pkgutil
from contextlib import contextmanager
from warnings import catch_warnings, filterwarnings, simplefilter

import pytest
from scipy.linalg import LinAlgWarning
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import estimator_checks as checks

import sklearn_extra_ml

# Number of checks that scikit-learn 1.9 must yield for each class, at least.
MINIMUM_CHECKS = {
    "AutoEncoder": 47,
    "AutoEncoderDetector": 47,
    "BernoulliNB": 70,
    "CategoricalHMM": 55,
    "CategoricalNB": 69,
    "ComplementNB": 70,
    "DBSCAN": 59,
    "DiffusionClassifier": 54,
    "DiffusionModel": 46,
    "GaussianDiscriminantAnalysis": 68,
    "GMMHMM": 54,
    "GaussianHMM": 54,
    "GaussianNB": 70,
    "HDBSCAN": 58,
    "KMeans": 59,
    "MixedNB": 69,
    "MultinomialHMM": 55,
    "MultinomialNB": 70,
    "PoissonHMM": 55,
    "RANSACRegressor": 61,
    "TSNE": 47,
    "VAE": 47,
}

# Instances checked besides the default one: each takes another path through the code.
VARIANTS = {
    "BernoulliNB": [{"missing": "ignore", "alpha": 0.0}],
    "CategoricalNB": [{"missing": "ignore", "unseen": "ignore"}],
    "ComplementNB": [{"norm": True}],
    "DBSCAN": [{"metric": "canberra"}],
    "GaussianDiscriminantAnalysis": [
        {"covariance": "tied", "shrinkage": "ledoit_wolf"},
        {"covariance": "diag", "reg_lambda": "auto", "reg_gamma": "auto"},
        {"reg_lambda": "auto", "reg_gamma": "auto"},
    ],
    "GMMHMM": [{"covariance_type": "tied"}, {"n_mix": 2, "covariance_type": "full"}],
    "GaussianHMM": [
        {"covariance_type": "full", "missing": "ignore"},
        {"covariance_type": "tied", "n_init": 2},
    ],
    "GaussianNB": [{"missing": "ignore", "smoothing_scale": "feature"}],
    "DiffusionModel": [
        {"parameterization": "eps", "sampler": "ddpm", "hidden_layer_sizes": (16,), "max_iter": 5},
        {"encoder": PCA(1), "hidden_layer_sizes": (16,), "max_iter": 5},
    ],
    "HDBSCAN": [{"algorithm": "brute", "cluster_selection_method": "leaf"}],
    "KMeans": [{"algorithm": "elkan"}],
    "RANSACRegressor": (
        {"scoring": "inliers", "local_optimization": False, "residual_threshold": None},
        {"estimator": DecisionTreeRegressor(max_depth=3), "min_samples": 0.5, "max_trials": 20},
    ),
    "TSNE": ({"affinity": "uniform", "method": "fft", "dof": 0.8, "max_iter": 300},),
    "VAE": [{"likelihood": "mixed", "standardize": "column", "max_iter": 20}],
}


def find_estimators():
    """Return the public estimator classes of every subpackage, by name."""
    found = {}
    for module in pkgutil.iter_modules(sklearn_extra_ml.__path__):
        if module.name.startswith("_") or not module.ispkg:
            continue
        package = importlib.import_module(f"sklearn_extra_ml.{module.name}")
        for name in package.__all__:
            value = getattr(package, name)
            if inspect.isclass(value) and issubclass(value, BaseEstimator):
                found[name] = value
    return found


ESTIMATORS = find_estimators()
INSTANCES = [
    cls(**parameters)
    for name, cls in ESTIMATORS.items()
    for parameters in ({}, *VARIANTS.get(name, ()))
]


def with_method(method):
    return [estimator for estimator in INSTANCES if hasattr(type(estimator), method)]


def each(instances):
    return pytest.mark.parametrize("estimator", instances, ids=repr)


@contextmanager
def tiny_data():
    """Silence what scikit-learn's check data may honestly cause: it is too small to converge."""
    with catch_warnings():
        for category in (ConvergenceWarning, LinAlgWarning, UserWarning, FutureWarning):
            simplefilter("ignore", category)
        # Some checks set n_clusters=1, where scikit-learn's KMeans warns just so.
        filterwarnings("ignore", "algorithm='elkan' doesn't make sense for a single cluster")
        yield


def run(check, estimator):
    with tiny_data():
        check(type(estimator).__name__, estimator)


def test_estimators_are_found_and_counted():
    assert set(ESTIMATORS) == set(MINIMUM_CHECKS)
    assert set(VARIANTS) <= set(ESTIMATORS)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_number_of_checks_is_not_reduced_by_a_tag(name):
    generated = list(checks.estimator_checks_generator(ESTIMATORS[name]()))
    assert len(generated) >= MINIMUM_CHECKS[name]


@checks.parametrize_with_checks(INSTANCES)
def test_scikit_learn_check_passes(estimator, check):
    with tiny_data():
        check(estimator)


# The checks below are those that scikit-learn runs on its own estimators only.


@each(INSTANCES)
def test_parameters_are_validated(estimator):
    run(checks.check_param_validation, estimator)


@each(INSTANCES)
def test_feature_names_are_consistent(estimator):
    run(checks.check_dataframe_column_names_consistency, estimator)


@each(with_method("get_feature_names_out"))
@pytest.mark.parametrize(
    "check",
    [
        checks.check_get_feature_names_out_error,
        checks.check_transformer_get_feature_names_out,
        checks.check_transformer_get_feature_names_out_pandas,
    ],
    ids=lambda check: check.__name__,
)
def test_feature_names_out(estimator, check):
    run(check, estimator)


@each(with_method("set_output"))
@pytest.mark.parametrize(
    "check",
    [
        checks.check_set_output_transform,
        checks.check_set_output_transform_pandas,
        checks.check_set_output_transform_polars,
        checks.check_global_output_transform_pandas,
        checks.check_global_set_output_transform_polars,
    ],
    ids=lambda check: check.__name__,
)
def test_set_output(estimator, check):
    run(check, estimator)


@each([e for e in INSTANCES if "sample_weight" in inspect.signature(e.fit).parameters])
def test_all_zero_sample_weights_are_refused(estimator):
    run(checks.check_all_zero_sample_weights_error, estimator)


@each(INSTANCES)
def test_read_only_input_is_left_alone_when_no_copy_is_asked_for(estimator):
    in_place = {"copy", "copy_x", "copy_X"} & set(estimator.get_params())
    estimator = clone(estimator).set_params(**dict.fromkeys(in_place, False))
    run(checks.check_inplace_ensure_writeable, estimator)


@each(INSTANCES)
def test_html_repr_names_the_estimator(estimator):
    assert type(estimator).__name__ in estimator._repr_html_()
