"""
==================================================
HDBSCAN: choosing parameters without labels
==================================================

A grid search needs a score, and a clustering has no labels to score against. The density-based
validity index (DBCV) needs none: it asks whether clusters are dense inside and sparse between,
whatever their shape. :class:`~sklearn_extra_ml.cluster.HDBSCAN` has it as its `score`, and
:class:`~sklearn_extra_ml.model_selection.NoSplit` lets
:class:`~sklearn.model_selection.GridSearchCV` judge a clustering on the rows that were clustered.
"""

# %%
# Handwritten digits, without their names
# ---------------------------------------
# 1797 images of 64 pixels. The clusterer is the last step of a pipeline, and the whole pipeline is
# searched.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_extra_ml.cluster import HDBSCAN
from sklearn_extra_ml.model_selection import NoSplit

X, digit = load_digits(return_X_y=True)
sizes, samples = [5, 10, 20, 30, 40, 60, 80], [2, 3, 5]
search = GridSearchCV(
    make_pipeline(PCA(20, random_state=0), HDBSCAN()),
    {"hdbscan__min_cluster_size": sizes, "hdbscan__min_samples": samples},
    cv=NoSplit(),
).fit(X)
print("chosen:", search.best_params_, f"with DBCV {search.best_score_:.3f}")

# %%
# What was found
# --------------
# The score is finite for every setting, also where there is one cluster (0) or none (-1), so no
# search fails. The digits' names are used once, to see how well the clusters match them. The mean
# image of each cluster shows what it holds; one digit may fall into two, by ways of writing it.

labels = search.predict(X)
clusters = range(labels.max() + 1)
print(f"{len(clusters)} clusters, {np.mean(labels < 0):.0%} of the images are noise")
print(
    f"adjusted mutual information with the digits: {adjusted_mutual_info_score(digit, labels):.2f}"
)

scores = search.cv_results_["mean_test_score"].reshape(len(sizes), len(samples))
figure = plt.figure(figsize=(11, 4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])
ax = left.subplots()
for column, n in enumerate(samples):
    ax.plot(sizes, scores[:, column], "o-", label=f"min_samples={n}")
ax.set(xlabel="min_cluster_size", ylabel="DBCV", title="Score, no labels used")
ax.legend()
panels = right.subplots(-(-len(clusters) // 5), 5)
for panel in panels.flat:
    panel.axis("off")
for cluster, panel in zip(clusters, panels.flat, strict=False):
    panel.imshow(X[labels == cluster].mean(axis=0).reshape(8, 8), cmap="gray_r")
    panel.set_title(f"{np.sum(labels == cluster)} images", fontsize=9)
right.suptitle("Mean image of each cluster")
plt.show()

# %%
# What the score cannot know
# --------------------------
# It tells good sizes from bad ones. Between values of `min_samples` it leans to the larger: the more
# rows are noise, the denser are the clusters that remain. Here that is not what the digits' names
# say. How many rows may be noise is your choice; make it first, and let the search do the rest.

for n, size in zip(samples, np.take(sizes, scores.argmax(axis=0)), strict=True):
    chosen = {"hdbscan__min_samples": n, "hdbscan__min_cluster_size": size}
    labels = search.estimator.set_params(**chosen).fit_predict(X)
    agreement = adjusted_mutual_info_score(digit, labels)
    print(f"min_samples={n}: {np.mean(labels < 0):.0%} noise, mutual information {agreement:.2f}")
