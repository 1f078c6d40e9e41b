"""
Outbreaks in weekly case counts
===============================

A health office counts the cases of an infection that each of twelve districts reports every week, and
wants to know when one has an outbreak. How many cases are many is not known beforehand, and differs
from outbreak to outbreak. `PoissonHMM` learns it from the counts of all districts together: the rates
of a few states, and how they follow each other. `filter` then tells each week how likely an outbreak
is, from that week and those before it alone.

The series are simulated: a seasonal background, and outbreaks that rise, peak and fade.
"""

# %%
# Twelve districts, six years
# ---------------------------
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score, roc_curve

from sklearn_extra_ml.hmm import PoissonHMM
from sklearn_extra_ml.plotting import StateSequenceDisplay

N_DISTRICTS, N_WEEKS = 12, 312


def simulate(seed):
    """Return a frame of counts, and whether there was an outbreak in each row."""
    rng = np.random.default_rng(seed)
    weeks = pd.date_range("2019-01-06", periods=N_WEEKS, freq="W")
    frames, truth = [], []
    for district in range(N_DISTRICTS):
        season = 3.0 + 1.0 * np.cos(2 * np.pi * np.arange(N_WEEKS) / 52.2)
        cases, outbreak = np.zeros(N_WEEKS), np.zeros(N_WEEKS, dtype=bool)
        start = rng.integers(20, 80)
        while start < N_WEEKS:
            length = rng.integers(6, 16)
            shape = np.sin(np.pi * (np.arange(length) + 0.7) / (length + 0.4))
            stop = min(start + length, N_WEEKS)
            cases[start:stop] = rng.uniform(8, 22) * shape[: stop - start]
            outbreak[start:stop] = True
            start = stop + rng.integers(35, 120)
        counts = rng.poisson(season + cases)
        frames.append(pd.DataFrame({"district": district, "week": weeks, "cases": counts}))
        truth.append(outbreak)
    return pd.concat(frames, ignore_index=True), np.concatenate(truth)


table, outbreak = simulate(seed=0)
X = table[["district", "cases"]]
print(table.head(3).to_string())
print(f"{outbreak.mean():.1%} of the weeks are in an outbreak")

# %%
# How many states?
# ----------------
# Fitted to six districts, judged on the six others, in nats a week: two states are too few, and from
# three on little is gained.
first = X["district"] < N_DISTRICTS // 2
for n_components in range(1, 6):
    trial = PoissonHMM(n_components, sequence_col="district", n_init=3, random_state=0)
    trial.fit(X[first])
    print(f"{n_components} states: {trial.score(X[~first]):.3f}")

# %%
# What the states are
# -------------------
# Four states can be named: they hold the background of summer and of winter, outbreaks and their peaks.
# Nobody said so.
names = ["summer", "winter", "outbreak", "peak"]
model = PoissonHMM(4, sequence_col="district", n_init=3, random_state=0).fit(X)
order = np.argsort(model.lambdas_[:, 0])
model.startprob_, model.lambdas_ = model.startprob_[order], model.lambdas_[order]
model.transmat_ = model.transmat_[np.ix_(order, order)]
stay = 1 / (1 - np.diag(model.transmat_))
for k, name in enumerate(names):
    print(
        f"{name:10s} {model.lambdas_[k, 0]:5.1f} cases a week, stays {stay[k]:4.1f} weeks on average"
    )

# %%
# One district. The marks at the top are the weeks that were simulated as outbreaks.
rows = table["district"] == 3
display = StateSequenceDisplay.from_estimator(
    model, X[rows], values="cases", time=table["week"][rows], state_names=names
)
true_weeks = table["week"][rows & outbreak]
top = display.ax_[0].get_ylim()[1]
display.ax_[0].plot(true_weeks, np.full(len(true_weeks), 0.97 * top), "kv", markersize=3)
plt.show()

# %%
# An alarm in time
# ----------------
# In twelve other districts, an alarm is raised when a number exceeds a threshold: the number of cases,
# its mean over three weeks, or the probability of the last two states. `filter` knows what
# was known in that week; `predict_proba` looks back when all is over, and is no alarm, but the best
# account of what happened.
new_table, new_outbreak = simulate(seed=1)
new = new_table[["district", "cases"]]
three_weeks = new.groupby("district")["cases"].rolling(3, min_periods=1).mean()
alarms = {
    "cases of the week": new["cases"],
    "mean of three weeks": three_weeks.droplevel(0).sort_index(),
    "PoissonHMM, filter": model.filter(new)[:, 2:].sum(axis=1),
    "PoissonHMM, predict_proba (afterwards)": model.predict_proba(new)[:, 2:].sum(axis=1),
}
fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for name, level in alarms.items():
    style = "--" if "afterwards" in name else "-"
    false, found, _ = roc_curve(new_outbreak, level)
    axes[0].plot(100 * false, 100 * found, style, label=name)
    print(f"{name:40s} area under the curve {roc_auc_score(new_outbreak, level):.3f}")
axes[0].set(xlim=(0, 15), ylim=(40, 101))
axes[0].set(xlabel="false alarms (% of quiet weeks)", ylabel="found (% of weeks in outbreaks)")
axes[0].legend(loc="lower right", fontsize="small")

begin = int(np.flatnonzero(np.diff(new_outbreak.astype(int)) == 1)[6]) + 1
window = slice(begin - 12, begin + 22)
weeks = np.arange(-12, 22)
axes[1].bar(weeks, new["cases"][window], width=0.9, color="0.8", label="cases")
axes[1].fill_between(
    weeks, 0, 0.6 * new_outbreak[window], step="mid", color="k", label="true outbreak"
)
axes[1].set(xlabel="week of one outbreak", ylabel="cases")
axes[1].yaxis.get_major_locator().set_params(integer=True)
other = axes[1].twinx()
other.plot(weeks, alarms["PoissonHMM, filter"][window], color="C2")
other.plot(weeks, alarms["PoissonHMM, predict_proba (afterwards)"][window], "--", color="C3")
other.set(ylabel="probability of an outbreak", ylim=(0, 1.05))
axes[1].legend(loc="upper right", fontsize="small")
plt.show()
