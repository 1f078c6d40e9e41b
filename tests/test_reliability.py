"""What every estimator promises whatever its algorithm: bits, input, processes, pipelines."""

import io
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from digests import digest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import get_tags
from test_common import INSTANCES, each

TESTS = Path(__file__).parent
NATIVE = [e for e in INSTANCES if "neural_network" not in type(e).__module__]

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:CategoricalHMM takes codes of categories:UserWarning"),
]


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def run(*arguments, timeout, **environment):
    done = subprocess.run(
        (sys.executable, *arguments),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bits_are_equal_for_1_2_and_8_threads():
    digests = [run(TESTS / "digests.py", timeout=300, OMP_NUM_THREADS=n) for n in "128"]
    assert len(digests[0].splitlines()) >= 4 * len(NATIVE)
    assert digests[0] == digests[1] == digests[2]


def test_fit_in_a_forked_child_after_a_fit_in_the_parent_ends():
    code = f"""if True:
        import os, signal, sys, warnings
        sys.path.insert(0, {str(TESTS)!r})
        from sklearn.datasets import load_digits
        from test_common import INSTANCES
        warnings.simplefilter("ignore")
        X, y = load_digits(return_X_y=True)
        for estimator in INSTANCES:
            if "neural_network" in type(estimator).__module__:
                continue
            estimator.fit(X, y)
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # a child that hangs ends with a signal
                estimator.fit(X, y)
                os._exit(0)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert status == 0, (estimator, status)
    """
    run("-c", code, timeout=400, OMP_NUM_THREADS="2")


def read_only_memmap(X, path):
    mapped = np.memmap(path / "X", dtype=X.dtype, mode="w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()
    return np.memmap(path / "X", dtype=X.dtype, mode="r", shape=X.shape)


def negative_strides(X):
    return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]


def unaligned(X):
    raw = np.zeros(X.nbytes + 1, dtype=np.uint8)[1:]
    view = raw.view(X.dtype).reshape(X.shape)
    view[:] = X
    return view


FORMS = {
    "list": lambda X, _: X.tolist(),
    "Fortran order": lambda X, _: np.asfortranarray(X),
    "read-only memmap": read_only_memmap,
    "negative strides": lambda X, _: negative_strides(X),
    "unaligned": lambda X, _: unaligned(X),
    "big-endian": lambda X, _: X.astype(">f8"),
    "pandas": lambda X, _: pd.DataFrame(X, columns=list("abcd")),
    "polars": lambda X, _: pl.DataFrame(X, schema=list("abcd")),
}


@each(NATIVE)
@pytest.mark.parametrize("form", FORMS)
def test_any_form_of_the_same_data_gives_the_same_bits(estimator, form, iris, tmp_path):
    X, y = iris
    assert digest(estimator, FORMS[form](X, tmp_path), y) == digest(estimator, X, y)


@each(INSTANCES)
def test_caller_data_and_parameters_are_not_written_to(estimator, iris):
    X, y = (a.copy() for a in iris)
    before = X.tobytes(), y.tobytes(), repr(estimator.get_params())
    digest(estimator, X, y)
    assert (X.tobytes(), y.tobytes(), repr(estimator.get_params())) == before


@each(NATIVE)
def test_pickle_keeps_predictions_and_holds_no_compiled_object(estimator, iris):
    X, y = iris
    estimator = clone(estimator).fit(X, y)
    stored = pickle.dumps(estimator)
    assert b"_native" not in stored
    copy = pickle.load(io.BytesIO(stored))
    for method in ("predict", "transform"):
        if hasattr(estimator, method):
            np.testing.assert_array_equal(getattr(copy, method)(X), getattr(estimator, method)(X))


@each(INSTANCES)
def test_pipeline_in_grid_search_fits(estimator, iris):
    X, y = iris
    pipeline = make_pipeline(MinMaxScaler(), clone(estimator))
    scoring = None if hasattr(estimator, "score") else (lambda fitted, X, y=None: 0.0)
    # Counts of a test fold must not fall below 0, where some densities end.
    density = "hmm" in type(estimator).__module__
    clip = [True] if density and get_tags(estimator).input_tags.positive_only else [False, True]
    search = GridSearchCV(pipeline, {"minmaxscaler__clip": clip}, cv=2, scoring=scoring)
    search.fit(X, y)
    assert np.isfinite(search.best_score_)
    assert search.best_estimator_[-1].n_features_in_ == 4


@each(NATIVE)
def test_random_state_and_warning_filters_of_the_process_are_left_alone(estimator, iris):
    state, filters = np.random.get_state()[1].copy(), list(warnings.filters)  # noqa: NPY002
    digest(estimator, *iris)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert list(warnings.filters) == filters
