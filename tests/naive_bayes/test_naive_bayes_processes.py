"""Naive Bayes and signals: Ctrl-C is heard in two seconds."""

import signal
import subprocess
import sys
import time

import pytest

STAGES = {
    "dense": ("GaussianNB().fit(X[:5000], np.arange(5000))", "model.predict(X)"),
    "sparse": ("GaussianNB().fit(csr[:5000], np.arange(5000))", "model.predict(csr)"),
    "many fits": ("GaussianNB()", "[model.partial_fit(X, y, [0, 1]) for _ in range(1000)]"),
}

INTERRUPTED = """
import numpy as np
import scipy.sparse as sp
from sklearn_extra_ml.naive_bayes import GaussianNB
X = np.random.default_rng(0).normal(size=(600_000, 8))
y = np.arange(len(X)) % 2
csr = sp.csr_array(X[:200_000])
model = {model}
print("ready", flush=True)
try:
    {code}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("stage", STAGES)
def test_interrupt_returns_within_two_seconds(stage):
    model, code = STAGES[stage]
    code = INTERRUPTED.format(model=model, code=code)
    with subprocess.Popen(
        (sys.executable, "-c", code), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)  # into the kernels
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.perf_counter() - start < 2
