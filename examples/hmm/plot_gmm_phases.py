"""
Phases of a machine whose load jumps
====================================

The power that a packaging line draws is logged every minute. While it is *set up* it idles or is jogged
by hand, as the fitters need it; in *production* light and heavy boxes come in any order.
So each phase has two levels of power, and the levels of the phases lie in turns: idling, light boxes,
jogging, heavy boxes. Which phase a minute belongs to cannot be told from its power alone, and no
threshold tells either.

`GMMHMM` models this as it is: a chain of phases, and a mixture of levels within each. The log is
simulated, so that what is found can be compared with what was.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm

from sklearn_extra_ml.hmm import GMMHMM, GaussianHMM
from sklearn_extra_ml.plotting import StateSequenceDisplay

PHASES = ["set-up", "production"]
line = GMMHMM.from_parameters(
    startprob=[1.0, 0.0],
    transmat=[[0.97, 0.03], [0.02, 0.98]],
    weights=[[0.6, 0.4], [0.5, 0.5]],
    means=[[[1.0], [6.0]], [[4.0], [9.0]]],  # kW
    covars=[[[0.3], [0.9]], [[0.6], [0.8]]],
)
power, phase = line.sample(7 * 24 * 60, random_state=3)
minutes = pd.date_range("2026-03-02", periods=len(power), freq="min")
X = pd.DataFrame({"power": power[:, 0]}, index=minutes)

# %%
# Three readings of the same log
# ------------------------------
# With one Gaussian for each of two states the log is cut into low and high power. With four states every
# level is found, but nothing says which of them belong together: the states change from minute to
# minute. Two states of two Gaussians each say just that, with fewer parameters, and BIC prefers them.


def agreement(model):
    """Share of minutes in the right phase, the states named in the better of the two ways."""
    path = model.predict(X)
    if model.n_components > 2:  # each state is named after the phase it lies in most
        names = [np.bincount(phase[path == k], minlength=2).argmax() for k in range(4)]
        path = np.array(names)[path]
    right = np.mean(path == phase)
    return max(right, 1 - right)


models = {
    "GaussianHMM, 2 states": GaussianHMM(2, random_state=0),
    "GaussianHMM, 4 states": GaussianHMM(4, random_state=0),
    "GMMHMM, 2 states of 2": GMMHMM(2, 2, random_state=0),
}
print(f"{'':24s}{'BIC':>9s}{'right phase':>13s}{'minutes in a state':>20s}")
for name, model in models.items():
    model.fit(X)
    stay = 1 / (1 - np.diag(model.transmat_))
    print(f"{name:24s}{model.bic(X):9.0f}{agreement(model):13.1%}{np.median(stay):20.1f}")

# %%
# How can the start of EM know which levels belong to one phase? From what comes before and after them:
# idling and jogging are followed by the same levels equally often. Clusters of rows are joined to states
# where their past and future agree, and EM goes on from there.

model = models["GMMHMM, 2 states of 2"]
order = np.argsort(model.means_.min(axis=(1, 2)))
model.startprob_, model.transmat_ = model.startprob_[order], model.transmat_[np.ix_(order, order)]
model.weights_, model.means_ = model.weights_[order], model.means_[order]
model.covars_ = model.covars_[order]

grid = np.linspace(-1, 13, 500)
figure, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
ax.hist(X["power"], bins=120, density=True, color="0.88", label="all minutes")
for k, name in enumerate(PHASES):
    scale = np.sqrt(model.covars_[k, :, 0])
    parts = model.weights_[k] * norm.pdf(grid[:, None], model.means_[k, :, 0], scale)
    ax.plot(grid, model.stationary_distribution_[k] * parts.sum(axis=1), color=f"C{k}", label=name)
ax.set(xlabel="power (kW)", ylabel="density", yticks=[])
ax.legend()
plt.show()

# %%
# Six hours
# ---------
# The phase of each minute behind its power, and how sure the model is of it.

hours = slice(600, 960)
StateSequenceDisplay.from_estimator(
    model, X.iloc[hours], values=X["power"].iloc[hours], time=minutes[hours], state_names=PHASES
)
plt.show()
