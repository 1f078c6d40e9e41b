"""
Regimes of a market: calm, nervous, crisis
==========================================

Daily returns of a price series swing between long calm years and short storms. A hidden Markov model
of the returns finds both without being told where they lie: which days belong to which regime, how
long a regime lasts, and how likely it is to be in one today.

The series is simulated, so that what is found can be compared with what was: twelve years of
business days, three regimes, and daily moves with heavier tails than the model's Gaussians.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import MonthLocator

from sklearn_extra_ml.hmm import GaussianHMM
from sklearn_extra_ml.plotting import StateSequenceDisplay, TransitionGraphDisplay

rng = np.random.default_rng(11)
days = pd.bdate_range("2012-01-02", periods=3000)
names = ["calm", "nervous", "crisis"]
stay_or_go = np.array([[0.993, 0.007, 0.0], [0.012, 0.975, 0.013], [0.0, 0.045, 0.955]])
drift, volatility = np.array([0.07, 0.0, -0.35]), np.array([0.55, 1.1, 2.8])  # % a day

regime = np.zeros(len(days), int)
for t in range(1, len(days)):
    regime[t] = rng.choice(3, p=stay_or_go[regime[t - 1]])
shock = rng.standard_t(6, size=len(days)) / np.sqrt(6 / 4)  # unit variance
returns = drift[regime] + volatility[regime] * shock
price = 100 * np.exp(np.cumsum(returns) / 100)
X = pd.DataFrame({"return": returns}, index=days)

# %%
# Three states are fitted to the returns alone. EM ends in the nearest peak of the likelihood, so a
# few starts are made and the best is kept. States come in no order; here they are named by their
# variance.

model = GaussianHMM(n_components=3, n_init=5, random_state=0).fit(X)
order = np.argsort(model.covars_[:, 0])
model.startprob_, model.transmat_ = model.startprob_[order], model.transmat_[np.ix_(order, order)]
model.means_, model.covars_ = model.means_[order], model.covars_[order]
print(f"{model.n_iter_} iterations, log-likelihood {model.score(X):.3f} nats a day")
for k, name in enumerate(names):
    found = f"mean {model.means_[k, 0]:+.2f} %, volatility {np.sqrt(model.covars_[k, 0]):.2f} %"
    print(f"{name:8s} {found}   (true: {drift[k]:+.2f} %, {volatility[k]:.2f} %)")
print(f"days in the right regime: {np.mean(model.predict(X) == regime):.1%}")

# %%
# Above the price with the most likely regime of each day behind it, below how sure the model is.

display = StateSequenceDisplay.from_estimator(
    model, X, values=pd.Series(price, name="price"), time=days, state_names=names
)
display.ax_[0].set_yscale("log")
display.ax_[0].set_yticks([50, 100, 200], [50, 100, 200])
display.ax_[0].minorticks_off()
plt.show()

# %%
# How regimes follow each other. The area of a node is the long-run share of days.

TransitionGraphDisplay.from_estimator(model, state_names=names)
plt.show()

# %%
# `predict_proba` looks at the whole series, tomorrow included. What could have been known on the day
# itself is `filter`: it sees a crisis a few days late, and is less sure. Each row given the rows
# before it, `score_samples`, tells which days surprised the model.

crisis = 2
begin = int(np.flatnonzero(np.diff((regime == crisis).astype(int)) == 1)[3]) - 15
window = slice(begin, begin + 90)
fig, (top, bottom) = plt.subplots(2, 1, figsize=(9, 4.5), sharex=True, layout="constrained")
top.fill_between(days[window], 0, regime[window] == crisis, step="post", color="0.9", label="true")
top.plot(days[window], model.predict_proba(X)[window, crisis], label="knowing all days (smoothed)")
top.plot(days[window], model.filter(X)[window, crisis], label="knowing the past (filtered)")
top.set(ylabel="probability of crisis")
top.legend(loc="upper right", fontsize="small")
bottom.bar(days[window], -model.score_samples(X)[window], width=1, color="C3")
bottom.set(ylabel="surprise (nats)", xlabel="day")
bottom.xaxis.set_major_locator(MonthLocator())
plt.show()
