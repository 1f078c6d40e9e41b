"""
What callers call about
=======================

A call centre counts its calls by topic every quarter of an hour. How many there are follows the clock:
few at night, many at ten in the morning. What they are about follows what happens: when invoices go out
wrong, or a network is down, the *shares* of the topics change, at three in the night as at noon.

`MultinomialHMM` looks at shares and takes the totals as given. `PoissonHMM` looks at the counts
themselves, and finds day and night. The counts are simulated: two weeks, with a few incidents.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_extra_ml.hmm import MultinomialHMM, PoissonHMM
from sklearn_extra_ml.plotting import StateSequenceDisplay

rng = np.random.default_rng(5)
TOPICS, NAMES = ["invoice", "network", "order", "other"], ["usual", "wrong invoices", "outage"]
SHARES = np.array([[0.25, 0.2, 0.35, 0.2], [0.45, 0.15, 0.25, 0.15], [0.15, 0.5, 0.2, 0.15]])
times = pd.date_range("2026-05-04", periods=14 * 96, freq="15min")
incident = np.zeros(len(times), int)
for begin, length, kind in ((150, 30, 1), (420, 12, 2), (700, 44, 1), (905, 20, 2), (1180, 14, 2)):
    incident[begin : begin + length] = kind
hour = times.hour + times.minute / 60
total = rng.poisson(3 + 22 * np.exp(-0.5 * ((hour - 12) / 4) ** 2))
calls = pd.DataFrame(
    [rng.multinomial(n, SHARES[k]) for n, k in zip(total, incident, strict=True)],
    columns=TOPICS,
    index=times,
)
print(calls.iloc[36:39])

# %%
# Shares against counts
# ---------------------
# Three states for each model. A state is named after what it mostly coincides with; what counts is how
# many quarters of an hour then have the right name.


def named(model):
    """Return the name of each row, as a number, and the order of the states by what they are."""
    path = model.predict(calls)
    name = [np.bincount(incident[path == k], minlength=3).argmax() for k in range(3)]
    return np.array(name)[path], np.argsort(name)


shares = MultinomialHMM(3, n_init=5, random_state=0).fit(calls)
counts = PoissonHMM(3, n_init=5, random_state=0).fit(calls)
for model in (shares, counts):
    found, _ = named(model)
    quiet, during = incident == 0, incident > 0
    print(
        f"{type(model).__name__:15s} in an incident {np.mean(found[during] == incident[during]):6.1%}"
        f" right, otherwise {np.mean(found[quiet] == 0):6.1%}"
    )
print(
    "calls a quarter of an hour in the states of PoissonHMM:", counts.lambdas_.sum(axis=1).round(1)
)

# %%
# What the states are about, with the true shares beside them.

_, order = named(shares)
shares.startprob_ = shares.startprob_[order]
shares.transmat_ = shares.transmat_[np.ix_(order, order)]
shares.emissionprob_ = shares.emissionprob_[order]
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), sharey=True, layout="constrained")
for k, ax in enumerate(axes):
    place = np.arange(4)
    ax.bar(place - 0.2, shares.emissionprob_[k], width=0.4, label="found")
    ax.bar(place + 0.2, SHARES[k], width=0.4, color="0.8", label="true")
    ax.set_xticks(place, TOPICS, rotation=20)
    ax.set_title(NAMES[k])
axes[0].set_ylabel("share of calls")
axes[0].legend()
plt.show()

# %%
# Two weeks: the share of invoice calls, and the state behind it. At night a few calls let the share jump
# from nothing to everything; the chain knows how little they tell, and stays where it is.

share = calls["invoice"] / calls.sum(axis=1).clip(lower=1)
StateSequenceDisplay.from_estimator(
    shares, calls, values=share.rename("share of invoices"), time=times, state_names=NAMES
)
plt.show()
