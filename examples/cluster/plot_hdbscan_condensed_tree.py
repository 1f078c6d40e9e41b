"""
=======================================
HDBSCAN: reading the condensed tree
=======================================

Stars, villages, delivery stops: clusters in the plane differ in density, and between them lie rows
that belong to none. :class:`~sklearn_extra_ml.cluster.HDBSCAN` finds such clusters without being
told how many there are or how dense. The tree it cuts them from can be drawn, and shows what other
choices the data offer.
"""

# %%
# Places along two rivers
# -----------------------
# Two curved, unevenly dense bands (settlements along rivers), two dense towns and a loose one, and
# single farms everywhere.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_extra_ml.cluster import HDBSCAN
from sklearn_extra_ml.plotting import CondensedTreeDisplay

rng = np.random.default_rng(7)


def along_river(n, height, spread):
    """Places along a curve, closer to each other at one end."""
    t = rng.beta(1.2, 2.0, size=n) * 10
    return np.column_stack([t, height + np.sin(t / 1.5)]) + rng.normal(scale=spread, size=(n, 2))


towns = [((2.0, 6.2), 0.18, 150), ((3.0, 6.6), 0.12, 120), ((8.2, 6.0), 0.55, 150)]
X = np.vstack(
    [
        along_river(350, 1.5, 0.12),
        along_river(250, 3.6, 0.16),
        *(rng.normal(center, scale, size=(n, 2)) for center, scale, n in towns),
        rng.uniform((-0.5, 0), (10.5, 8), size=(120, 2)),
    ]
)
model = HDBSCAN(min_cluster_size=30, min_samples=8).fit(X)
print(f"{len(model.selected_clusters_)} clusters, {np.mean(model.labels_ < 0):.0%} noise")

# %%
# Clusters and their tree
# -----------------------
# Every icicle is a cluster that persists while density rises; its width is the number of rows left.
# Coloured icicles were selected: they last longer than what they would split into. The two towns at
# the top left hang from one grey icicle: seen from farther away they are one.

colors = plt.get_cmap("tab10")
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
noise = model.labels_ < 0
left.scatter(*X[noise].T, s=5, color="0.75")
left.scatter(*X[~noise].T, s=6 + 14 * model.probabilities_[~noise], c=colors(model.labels_[~noise]))
for label in range(len(model.selected_clusters_)):
    middle = np.median(X[model.labels_ == label], axis=0)
    left.annotate(str(label), middle, fontsize=14, weight="bold")
left.set(title="Labels; larger dots are deeper inside", xticks=[], yticks=[])
CondensedTreeDisplay.from_estimator(model, ax=right, scale="distance")
right.set_title("Condensed tree")
plt.show()

# %%
# Another choice from the same tree
# ---------------------------------
# `recluster` cuts the tree again in a moment: here clusters that split only below a distance of
# 0.45 stay together. `predict` gives new rows the cluster they fall into and `transform` how
# strongly they belong to each; neither changes what was found.

coarse = model.recluster(cluster_selection_epsilon=0.45)
grid = np.stack(np.meshgrid(np.linspace(-0.5, 10.5, 160), np.linspace(0, 8, 120)), axis=-1)
membership = coarse.transform(grid.reshape(-1, 2))
strength = membership.max(axis=1).reshape(grid.shape[:2])

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
noise = coarse.labels_ < 0
left.scatter(*X[noise].T, s=5, color="0.75")
left.scatter(*X[~noise].T, s=8, c=colors(coarse.labels_[~noise]))
left.set(title="Coarser clusters of the same tree", xticks=[], yticks=[])
extent = (-0.5, 10.5, 0, 8)
image = right.imshow(strength, origin="lower", extent=extent, cmap="Blues", vmin=0, vmax=1)
figure.colorbar(image, ax=right, label="strongest membership")
right.set(title="Membership of new rows", xticks=[], yticks=[], aspect="auto")
plt.show()
