"""
A calibration curve when most readings are wrong
================================================

A photometer is calibrated against standards of known concentration. The response bends slightly,
and more than half of the readings are spoiled: bubbles in the cell lower some to anything below the
curve, stray light raises others, and one rack of standards was mislabelled, which gives a second,
tidy but wrong set of points. Only 40 % of the readings follow the curve.

`RANSACRegressor` is given a cubic polynomial and nothing else: no threshold, no share of outliers.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import HuberRegressor, LinearRegression
from sklearn.linear_model import RANSACRegressor as ScikitLearnRANSAC
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from sklearn_extra_ml.linear_model import RANSACRegressor
from sklearn_extra_ml.plotting import ConsensusDisplay


def response(concentration):
    """The photometer's true curve, in absorbance units."""
    return 0.05 + 0.32 * concentration - 0.016 * concentration**2 + 0.0003 * concentration**3


rng = np.random.default_rng(7)
n = 500
concentration = rng.uniform(0, 10, size=n)
reading = response(concentration) + 0.02 * rng.normal(size=n)

spoiled = rng.permutation(n)[: int(0.6 * n)]
bubbles, light, rack = np.split(spoiled, [130, 220])
reading[bubbles] *= rng.uniform(0, 0.9, size=len(bubbles))
reading[light] += rng.exponential(0.8, size=len(light))
concentration[rack] = rng.uniform(6, 9, size=len(rack))
reading[rack] = response(2.0) + 0.02 * rng.normal(size=len(rack))

# %%
# The polynomial columns are computed once, and the trials run in compiled code. The threshold comes
# from the residuals: it ends near three times the standard deviation of a good reading, 0.02. On the
# right the best score after each trial: it is level here, for one of the deterministic starts, which
# come before the trials, had found the curve already.


def cubic(last):
    return make_pipeline(PolynomialFeatures(3, include_bias=False), last)


X = concentration.reshape(-1, 1)
ransac = RANSACRegressor(cubic(LinearRegression()), random_state=0).fit(X, reading)
good = np.setdiff1d(np.arange(n), spoiled)
print(f"threshold {ransac.threshold_:.3f}, {ransac.n_trials_} trials")
print(f"good readings found: {ransac.inlier_mask_[good].mean():.1%}")
print(f"spoiled readings taken for good: {ransac.inlier_mask_[spoiled].mean():.1%}")

display = ConsensusDisplay.from_estimator(ransac, X, reading)
display.ax_[0].set(xlabel="concentration (mg/l)", ylabel="absorbance")
plt.show()

# %%
# The same polynomial by other means. Huber bounds what one reading can do, not what many can do;
# the RANSAC of scikit-learn takes its threshold from the spread of the readings, which contains the
# whole curve, and keeps many of the spoiled ones.

fits = {
    "least squares": cubic(LinearRegression()),
    "Huber": cubic(HuberRegressor(max_iter=10_000, alpha=0)),
    "scikit-learn's RANSAC": ScikitLearnRANSAC(
        cubic(LinearRegression()), min_samples=4, max_trials=1000, random_state=0
    ),
    "RANSACRegressor": ransac,
}
grid = np.linspace(0, 10, 200).reshape(-1, 1)
fig, ax = plt.subplots(layout="constrained")
ax.scatter(concentration, reading, s=6, c="0.7")
ax.plot(grid, response(grid), "k--", label="true curve")
for name, fit in fits.items():
    curve = fit.fit(X, reading).predict(grid)
    worst = np.abs(curve - response(grid[:, 0])).max()
    ax.plot(grid, curve, label=f"{name} (off by up to {worst:.2f})")
ax.set(xlabel="concentration (mg/l)", ylabel="absorbance", ylim=(-0.1, 3.5))
ax.legend()
plt.show()
