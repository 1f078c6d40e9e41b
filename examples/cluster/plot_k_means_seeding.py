"""
What the seeding of k-means does
================================

K-means moves its centres to the nearest minimum, and the start decides which one that is. A service
wants forty stations near to the addresses of a region: a few towns, many villages. From rows drawn at
random, towns get several stations and villages none, and no iteration mends that, for a centre does not
jump over empty country. :func:`~sklearn_extra_ml.cluster.kmeans_plusplus` spreads the seeds. How much is
that worth, what do its candidates add, and where does it hardly matter?
"""

# %%
# A start at random, and a start spread out
# -----------------------------------------
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances_argmin_min

from sklearn_extra_ml.cluster import KMeans, kmeans_plusplus

N_PLACES = 40
rng = np.random.default_rng(0)
sizes = np.round(2000 / np.arange(1, N_PLACES + 1) ** 0.8).astype(int)
places = rng.uniform(0, 100, size=(N_PLACES, 2))
place = np.repeat(np.arange(N_PLACES), sizes)
spread = 0.5 * (sizes / 100) ** 0.35  # km
addresses = places[place] + spread[place, None] * rng.standard_normal((len(place), 2))
print(f"{len(addresses)} addresses in {N_PLACES} places of {sizes.min()} to {sizes.max()}")


def at_random(X, n_clusters, seed):
    """Return rows drawn without a plan."""
    chosen = np.random.default_rng(seed).choice(len(X), size=n_clusters, replace=False)
    return X[chosen]


def spread_out(n_candidates):
    """Return k-means++ with so many candidates for each seed."""

    def seeds(X, n_clusters, seed):
        return kmeans_plusplus(X, n_clusters, n_local_trials=n_candidates, random_state=seed)[0]

    return seeds


ways = {
    "random rows": at_random,
    "k-means++, 1 candidate": spread_out(1),
    "k-means++, 2 + log(k) candidates (default)": spread_out(None),
    "k-means++, 20 candidates": spread_out(20),
}
figure, axes = plt.subplots(1, 2, figsize=(10, 5.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, seeds) in zip(axes, list(ways.items())[::2], strict=True):
    start = seeds(addresses, N_PLACES, 0)
    end = KMeans(N_PLACES, init=start, n_init=1).fit(addresses)
    own = pairwise_distances_argmin_min(places, end.cluster_centers_)[1] > 3 * spread
    ax.plot(*addresses.T, ".", markersize=1, color="0.7", zorder=0)
    ax.plot(*start.T, "x", color="C0", label="seeds")
    ax.plot(*end.cluster_centers_.T, ".", color="C1", markersize=9, label="centres after k-means")
    ax.plot(*places[own].T, "o", color="red", fillstyle="none", markersize=14, label="no station")
    ax.set_title(
        f"{name}\n{own.sum()} of {N_PLACES} places without a station, inertia {end.inertia_:,.0f} km²"
    )
    ax.set(xticks=[], yticks=[], aspect="equal")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# Fifty starts each
# -----------------
# The same for the pixels of handwritten digits, in ten clusters. These run into each other: wherever
# centres start, they find their way, and seeds change the inertia by some per cent only.
N_STARTS = 50
data = {"addresses": (addresses, N_PLACES), "digits": (load_digits().data, 10)}
inertia = {}
for name, (X, n_clusters) in data.items():
    runs = {}
    for way, seeds in ways.items():
        results = []
        for seed in range(N_STARTS):
            began = perf_counter()
            start = seeds(X, n_clusters, seed)
            seeded = perf_counter()
            model = KMeans(n_clusters, init=start, n_init=1).fit(X)
            times = seeded - began, perf_counter() - seeded
            results.append((model.inertia_, model.n_iter_, *times))
        runs[way] = np.array(results)
    best = min(results[:, 0].min() for results in runs.values())
    print(f"\n{name:43s} inertia / best   iterations   ms of seeding, of the rest")
    print(f"{'':43s} median, worst")
    for way, results in runs.items():
        relative = inertia[name, way] = np.sort(results[:, 0]) / best
        _, n_iter, seeding, rest = results.mean(axis=0)
        print(
            f"{way:43s} {np.median(relative):6.3f} {relative[-1]:7.3f} {n_iter:12.1f} "
            f"{1000 * seeding:15.1f} {1000 * rest:10.1f}"
        )

# %%
# Restarts
# --------
# `n_init` starts several times and keeps the best. From the fifty runs follows what the best of n is
# expected to be. For the addresses, restarts from random rows do not make up for what one spread-out
# start gives; from there, a handful of restarts takes off the rest. For the digits a few restarts do the
# same for every start.
n_runs = np.arange(1, 21)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, name in zip(axes, data, strict=True):
    for way in ways:
        # the best of n drawn with replacement is the i-th of 50 with probability a**n - b**n
        above = 1 - np.arange(N_STARTS + 1) / N_STARTS
        chance = above[:-1, None] ** n_runs - above[1:, None] ** n_runs
        ax.plot(n_runs, inertia[name, way] @ chance, "o-", markersize=3, label=way)
    ax.set_xticks([1, 5, 10, 15, 20])
    ax.set(xlabel="runs (n_init)", ylabel="expected inertia / best known", title=name)
axes[0].set_yscale("log")
axes[0].set_yticks([1, 1.5, 2, 3, 5, 8], ["1", "1.5", "2", "3", "5", "8"])
axes[0].minorticks_off()
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()
for name in data:
    alone = inertia[name, list(ways)[2]].mean()
    ten = inertia[name, "random rows"] @ (above[:-1] ** 10 - above[1:] ** 10)
    print(
        f"{name}: one default start {alone:.3f}, best of ten random ones {ten:.3f} times the best"
    )
