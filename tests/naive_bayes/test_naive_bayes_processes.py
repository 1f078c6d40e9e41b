"""Naive Bayes and signals: Ctrl-C is heard in two seconds."""

import pytest
from interrupts import seconds_to_interrupt

STAGES = {
    "dense": ("GaussianNB().fit(X[:5000], np.arange(5000))", "model.predict(X)"),
    "sparse": ("GaussianNB().fit(csr[:5000], np.arange(5000))", "model.predict(csr)"),
    "many fits": ("GaussianNB()", "[model.partial_fit(X, y, [0, 1]) for _ in range(1000)]"),
}

SETUP = """
import numpy as np
import scipy.sparse as sp
from sklearn_extra_ml.naive_bayes import GaussianNB
X = np.random.default_rng(0).normal(size=(600_000, 8))
y = np.arange(len(X)) % 2
csr = sp.csr_array(X[:200_000])
model = {model}
"""


@pytest.mark.parametrize("stage", STAGES)
def test_interrupt_returns_within_two_seconds(stage):
    model, call = STAGES[stage]
    assert seconds_to_interrupt(SETUP.format(model=model), call, after=0.5) < 2
