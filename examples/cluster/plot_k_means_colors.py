"""
Colours of a photograph by k-means
==================================

A photograph has a quarter of a million rows of three features: red, green, blue. K-means finds
the 16 colours that stand for all of them with least squared error, which is vector quantisation.
Weights make it cheaper still: equal colours are one row with their number as `sample_weight`, and
the result is the same, for a row of weight m counts exactly as m rows do.
"""

# %%
# The photograph
# --------------
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from sklearn_extra_ml.cluster import KMeans

photograph = load_sample_image("china.jpg")
pixels = photograph.reshape(-1, 3).astype(np.float32)
colors, counts = np.unique(pixels, axis=0, return_counts=True)
print(f"{len(pixels)} pixels, {len(colors)} different colours")

# %%
# All pixels, and different colours with weights
# ----------------------------------------------
# Both fits draw the same seeds, because rows are drawn in an order that their content fixes.


def timed(X, sample_weight=None):
    start = perf_counter()
    model = KMeans(16, random_state=0).fit(X, sample_weight=sample_weight)
    print(
        f"{len(X):7d} rows: {perf_counter() - start:.2f} s, "
        f"inertia {model.inertia_:.6g}, {model.n_iter_} iterations"
    )
    return model


every_pixel = timed(pixels)
by_color = timed(colors, counts)

# %%
# What 16 colours keep
# --------------------
quantised = by_color.cluster_centers_[by_color.predict(pixels)].reshape(photograph.shape)
order = np.argsort(by_color.cluster_centers_.sum(axis=1))
palette = by_color.cluster_centers_[order] / 255

figure, axes = plt.subplots(
    3, 1, figsize=(7, 10.2), height_ratios=[1, 1, 0.12], layout="constrained"
)
axes[0].imshow(photograph)
axes[0].set_title(f"{len(colors):,} colours")
axes[1].imshow(quantised.astype(np.uint8))
axes[1].set_title("16 colours")
axes[2].imshow(palette[None], aspect="auto")
axes[2].set_title("the centres")
for ax in axes:
    ax.axis("off")
plt.show()
