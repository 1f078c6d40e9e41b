"""
From noise to two moons
=======================

A diffusion model learns one thing: to guess the clean row behind a noisy one. Here it learns it for
two moons, and everything else follows: the arrows that lead noise to data, new rows, a density, and
one coordinate given the other.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from sklearn_extra_ml.neural_network import DiffusionModel
from sklearn_extra_ml.plotting import DenoisingTrajectoryDisplay

X, _ = make_moons(1000, noise=0.1, random_state=0)
held_out, _ = make_moons(300, noise=0.1, random_state=1)
model = DiffusionModel(max_iter=400, random_state=0).fit(X)

# %%
# Samples start as noise of 80 times the size of the data. The panels follow 500 of them. The arrows lead
# to the clean row that the network takes a noisy one for: at first the middle of everything, later
# one moon or the other.

DenoisingTrajectoryDisplay.from_estimator(model, X=X)
plt.show()

# %%
# `predict` takes noise out of any point: this is the vector field that samples follow. Where noise is
# weak, points are drawn to the moon beside them; where it is strong, most of it must be noise, and the
# guess is near the middle. (Arrows are drawn shorter than the way: two thirds of it on the left, a
# quarter on the right.)

grid = np.stack(np.meshgrid(np.linspace(-2, 3, 21), np.linspace(-1.5, 2, 15)), axis=-1)
points = grid.reshape(-1, 2)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for ax, sigma, scale in zip(axes, (0.15, 1.0), (1.5, 4.0), strict=True):
    way = model.set_params(denoise_sigma=sigma).predict(points) - points
    ax.scatter(*X.T, s=4, color="0.8")
    ax.quiver(
        *points.T, *way.T, np.hypot(*way.T), angles="xy", scale_units="xy", scale=scale, width=0.004
    )
    ax.set_title(f"noise of {sigma} standard deviations")
plt.show()

# %%
# The density is exact up to the error of the network: it is computed along the flow. In nats a held-out
# row, lower is better; the true density, a normal distribution around each point of the arcs, is what
# no model can beat on many rows:

mixture = GaussianMixture(10, random_state=0).fit(X)
truth = KernelDensity(bandwidth=0.1).fit(make_moons(4000)[0])
print(f"true density          {-truth.score(held_out) / len(held_out):.3f}")
print(f"diffusion model       {-model.score(held_out):.3f}")
print(f"10 Gaussians          {-mixture.score(held_out):.3f}")

fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
wide = np.stack(np.meshgrid(np.linspace(-1.6, 2.6, 42), np.linspace(-1.1, 1.6, 28)), axis=-1)
density = np.exp(model.score_samples(wide.reshape(-1, 2))).reshape(wide.shape[:2])
ax.pcolormesh(wide[..., 0], wide[..., 1], density, cmap="Blues", shading="gouraud")
ax.set_title("density by the probability flow")
plt.show()

# %%
# Given the first coordinate, the second has two likely values or one. No row is drawn in vain.

fig, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained", sharey=True)
for ax, first in zip(axes, (-0.5, 0.5, 1.5), strict=True):
    drawn = model.sample(300, conditions={0: first})
    near = X[np.abs(X[:, 0] - first) < 0.1, 1]
    edges = np.linspace(-1, 1.5, 30)
    ax.hist(near, edges, density=True, color="0.75", label="data nearby")
    ax.hist(drawn[:, 1], edges, density=True, histtype="step", color="C1", label="drawn")
    ax.set_title(f"first coordinate {first}")
axes[0].legend()
plt.show()
