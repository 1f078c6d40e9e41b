"""Fixtures and settings for every test."""

import os

# One of scikit-learn's checks is silently skipped for each estimator without it; scipy reads it
# at import, so it is set before anything imports scipy.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest


def _seeds():
    """The seeds that `seed` runs over: 42, or SEM_TEST_SEEDS ("all", "7", "0-19")."""
    text = os.environ.get("SEM_TEST_SEEDS", "42")
    if text == "all":
        return list(range(100))
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


@pytest.fixture(params=_seeds())
def seed(request):
    """An integer seed; a test that uses it must hold for any."""
    return request.param


@pytest.fixture
def rng(seed):
    """A generator of the current seed."""
    return np.random.default_rng(seed)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    """Both floating dtypes that the kernels are compiled for."""
    return request.param


def pytest_sessionfinish(session, exitstatus):
    """Fail the run when a test was skipped: a missing package must not look like a pass."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("Skipped tests count as failures here.", red=True)
