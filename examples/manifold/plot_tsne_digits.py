"""
Handwritten digits on a map, and new ones among them
====================================================

1,797 images of 64 pixels become points of the plane in less than a second. Rows that were not in the fit
are placed afterwards, each on its own, without moving a point; how well they fall among their kind is
measured with the nearest points of the map.
"""

# %%
# The map
# -------
from time import perf_counter

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from sklearn_extra_ml.manifold import TSNE
from sklearn_extra_ml.plotting import EmbeddingDisplay

X, y = load_digits(return_X_y=True)
start = perf_counter()
model = TSNE(random_state=0).fit(X)
print(f"{len(X)} rows in {perf_counter() - start:.2f} s, KL divergence {model.kl_divergence_:.3f}")
print(f"trustworthiness {trustworthiness(X, model.embedding_):.3f}")
EmbeddingDisplay.from_estimator(model, labels=y)
plt.show()

# %%
# The divergence jumps down where early exaggeration ends, after 250 iterations, and then falls slowly:
# most of the picture is there long before the last iteration.
#
# New rows
# --------
# Fit on two thirds, place the last third.
model = TSNE(random_state=0).fit(X[:1200])
start = perf_counter()
placed = model.transform(X[1200:])
seconds = perf_counter() - start
judge = KNeighborsClassifier(10).fit(model.embedding_, y[:1200])
print(f"{len(placed)} rows placed in {seconds:.3f} s")
print(f"their digit read off the map: {judge.score(placed, y[1200:]):.1%} right")

display = EmbeddingDisplay.from_embedding(
    model.embedding_, labels=y[:1200], label_name="digit", scatter_kwargs={"alpha": 0.25}
)
display.ax_.scatter(
    *placed.T, c=y[1200:], cmap="tab10", s=14, edgecolors="black", linewidths=0.4, vmin=0, vmax=9
)
display.ax_.set_title("black rims: new rows")
plt.show()

# %%
# From t-SNE towards UMAP
# -----------------------
# More attraction makes groups denser and keeps what connects them; heavier tails (`dof` below 1) do
# the opposite.
figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
for ax, options in zip(axes, [{"dof": 0.5}, {}, {"exaggeration": 4}], strict=True):
    other = TSNE(random_state=0, **options).fit(X)
    EmbeddingDisplay.from_embedding(other.embedding_, labels=y, ax=ax)
    ax.get_legend().remove()
    ax.set_title(", ".join(f"{k}={v}" for k, v in options.items()) or "default")
plt.show()
