"""
DBSCAN: the colours of a photograph
===================================

A photograph is 273,280 points in the space of colours. Each thing in it (petals, foliage) is a
crowd of similar colours of no particular shape, and the pixels on edges lie thinly in between: what
DBSCAN calls clusters and noise. Most neighbourhoods here hold thousands of pixels, so an
implementation that stores them needs gigabytes; this one never does.

How far is near? Sort the distances to the `min_samples`-th neighbour: in a cluster they are small
and alike, and the curve bends where it leaves the clusters. `eps` belongs at the bend.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.neighbors import NearestNeighbors

from sklearn_extra_ml.cluster import DBSCAN

photo = load_sample_image("flower.jpg")
height, width, _ = photo.shape
colours = photo.reshape(-1, 3).astype(float)
min_samples, eps = 300, 8.0

sample = np.random.default_rng(0).choice(len(colours), 4000, replace=False)
neighbors = NearestNeighbors(n_neighbors=min_samples).fit(colours)
reach = np.sort(neighbors.kneighbors(colours[sample])[0][:, -1])

model = DBSCAN(eps=eps, min_samples=min_samples).fit(colours)
labels = model.labels_.reshape(height, width)
for k in range(labels.max() + 1):
    print(
        f"cluster {k}: {np.mean(labels == k):5.1%}, "
        f"mean colour {photo[labels == k].mean(axis=0).round()}"
    )
print(f"noise:     {np.mean(labels == -1):5.1%}")

# %%
# The clusters, each in its mean colour, and the noise in white.

painted = np.full_like(photo, 255)
for k in range(labels.max() + 1):
    painted[labels == k] = photo[labels == k].mean(axis=0)

figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
axes[0].imshow(photo)
axes[0].set(title="photograph", xticks=[], yticks=[])
axes[1].plot(np.linspace(0, 100, len(reach)), reach, color="C0")
axes[1].axhline(eps, color="C3", lw=1, label=f"eps = {eps:g}")
axes[1].set(
    title=f"distance to the {min_samples}th neighbour",
    xlabel="pixels (percent)",
    ylabel="distance (grey levels)",
)
axes[1].legend(loc="upper left")
axes[2].imshow(painted)
axes[2].set(title=f"{labels.max() + 1} clusters; noise is white", xticks=[], yticks=[])
plt.show()

# %%
# New rows are placed among the clusters that were found, which never change. A model of the left
# half of the photograph places the right half:

left = np.arange(width) < width // 2
half = DBSCAN(eps=eps, min_samples=min_samples // 2).fit(photo[:, left].reshape(-1, 3))
placed = half.predict(photo[:, ~left].reshape(-1, 3))
print(f"placed in a cluster of the left half: {np.mean(placed >= 0):.1%}")
