"""
======================================================
HDBSCAN: a grid search that builds one spanning tree
======================================================

Most of a fit goes into the spanning tree, and most parameters one wants to try do not change it: how
small a cluster may be, which clusters of the hierarchy are chosen, below which distance they are merged.
With `memory` a grid search over them builds the tree once.
"""

# %%
# Events along two faults
# -----------------------
# Something like earthquakes: two long, curved zones, three swarms of different size and density, and
# events everywhere; twenty measurements of each, most of them noise.

import tempfile
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from sklearn_extra_ml.cluster import HDBSCAN
from sklearn_extra_ml.model_selection import NoSplit
from sklearn_extra_ml.plotting import (
    MinimumSpanningTreeDisplay,
    ReachabilityDisplay,
    SingleLinkageDisplay,
)

rng = np.random.default_rng(3)


def events(scale):
    """Events in the plane, `scale` times as many as in the pictures."""
    parts = []
    for n, height, bend in ((260, -1.0, 1.2), (200, 3.0, -0.8)):
        x = rng.uniform(0, 10, size=n * scale)
        parts.append(np.column_stack([x, height + bend * np.sin(x / 3)]))
        parts[-1] += rng.normal(scale=0.12, size=parts[-1].shape)
    for center, spread, n in (((2, 5), 0.2, 120), ((8, 5.2), 0.45, 140), ((5.5, 1.2), 0.1, 90)):
        parts.append(rng.normal(center, spread, size=(n * scale, 2)))
    parts.append(rng.uniform((-1, -3), (11, 7), size=(90 * scale, 2)))
    return np.vstack(parts)


places = events(scale=15)
X = np.column_stack([places, rng.normal(scale=0.05, size=(len(places), 18))])

# %%
# Twelve settings
# ---------------
# `relative_validity_` reads the density-based validity off the spanning tree. It takes no time, so
# that the clusterings themselves are what is measured here.

settings = {
    "min_cluster_size": [100, 200, 400],
    "cluster_selection_method": ["eom", "leaf"],
    "cluster_selection_epsilon": [0.0, 0.6],
}


def relative_validity(model, X, y=None):
    return model.relative_validity_


def search(memory):
    estimator = HDBSCAN(min_samples=15, memory=memory)
    return GridSearchCV(estimator, settings, cv=NoSplit(), scoring=relative_validity).fit(X)


def seconds(run):
    start = perf_counter()
    run()
    return perf_counter() - start


HDBSCAN(min_samples=15).fit(X)  # wakes the threads
one_fit = min(seconds(lambda: HDBSCAN(100, min_samples=15).fit(X)) for _ in range(3))
times = {"a search, no memory": seconds(lambda: search(None))}
with tempfile.TemporaryDirectory() as folder:
    start = perf_counter()
    found = search(folder)
    times["a search with memory"] = perf_counter() - start
for name, time in times.items():
    print(f"{name}: {time:.2f} s, as long as {time / one_fit:.1f} fits of {one_fit:.2f} s")
print("chosen:", found.best_params_)

best = found.best_estimator_
figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
colors = np.where(
    (best.labels_ >= 0)[:, None], plt.get_cmap("tab10")(best.labels_ % 10), [0.8, 0.8, 0.8, 1]
)
ax.scatter(*places.T, s=1, c=colors)
ax.set(title=f"{len(best.selected_clusters_)} clusters of {len(X):,} events", xticks=[], yticks=[])

# %%
# What lies behind it
# -------------------
# The spanning tree, the dendrogram that follows from it, and the sorted core distances, for a fifteenth
# of the events in the plane. Dark edges are short; the dendrogram has the colours of the clusters; the
# curve is flat where rows are in clusters and rises where they are not.

few = events(scale=1)
model = HDBSCAN(min_cluster_size=40, min_samples=8, cluster_selection_epsilon=0.6).fit(few)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
MinimumSpanningTreeDisplay.from_estimator(model, few, ax=left)
SingleLinkageDisplay.from_estimator(model, ax=middle)
ReachabilityDisplay.from_estimator(model, ax=right)
left.set_title("spanning tree")
middle.set_title("dendrogram")
right.set_title("sorted core distances")
plt.show()
