"""KMeans among processes and signals: a forked child ends, Ctrl-C is heard in two seconds."""

import subprocess
import sys

import pytest
from interrupts import seconds_to_interrupt

FORK = """
import os, signal, warnings
import numpy as np
from sklearn_extra_ml.cluster import KMeans
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(50_000, 20))  # enough for all threads
def use(algorithm):
    KMeans(20, random_state=0, max_iter=5, algorithm=algorithm).fit(X).predict(X)
for algorithm in ("lloyd", "elkan"):
    use(algorithm)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs ends with a signal
        use(algorithm)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, algorithm
"""

STAGES = {
    "seeding": "kmeans_plusplus(X, 3000, random_state=0)",
    "lloyd": "KMeans(1000, init=X[:1000], max_iter=10_000, tol=0).fit(X)",
    "elkan": "KMeans(60, init=X[:60], max_iter=10_000, tol=0, algorithm='elkan').fit(X)",
    "predict": "fitted.predict(X)",
}

SETUP = """
import numpy as np
from sklearn_extra_ml.cluster import KMeans, kmeans_plusplus
X = np.random.default_rng(0).normal(size=(1_000_000, 8))
if {stage!r} == "predict":
    fitted = KMeans(20_000, init=X[:20_000], max_iter=1).fit(X[:20_000])
"""


def test_fit_in_a_forked_child_after_a_threaded_fit_in_the_parent_ends():
    done = subprocess.run((sys.executable, "-c", FORK), timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_interrupt_at_a_million_rows_returns_within_two_seconds(stage):
    assert seconds_to_interrupt(SETUP.format(stage=stage), STAGES[stage], after=0.7) < 2
