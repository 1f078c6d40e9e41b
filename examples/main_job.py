"""The main job: find the digits among handwritten images, without labels and end to end.

Three pipelines (scaling, PCA, a clusterer) are tuned by `GridSearchCV` without any label: HDBSCAN
and DBSCAN by the density-based validity of their clusters (DBCV), k-means by its silhouette. The
true digits are used once, afterwards, to print the adjusted mutual information of what was found.
Plots go to ``demo_output/``.

Run: ``python examples/main_job.py``
"""

from pathlib import Path
from time import perf_counter

import matplotlib

matplotlib.use("Agg")  # writes files, needs no display

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_extra_ml.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn_extra_ml.manifold import TSNE
from sklearn_extra_ml.metrics import dbcv_score
from sklearn_extra_ml.model_selection import NoSplit
from sklearn_extra_ml.plotting import CondensedTreeDisplay

OUTPUT = Path("demo_output")
# Twenty-one saturated colours: grey is kept for noise.
COLORS = np.array(plt.colormaps["turbo"](np.linspace(0.03, 0.97, 21)))[np.arange(21) * 8 % 21]


def validity(pipeline, X, y=None):
    """Score a fitted pipeline by DBCV: -1 (no structure) to 1, no labels needed."""
    return dbcv_score(pipeline[:-1].transform(X), pipeline.predict(X))


def silhouette(pipeline, X, y=None):
    """Score a fitted pipeline by the mean silhouette of its clusters."""
    return silhouette_score(pipeline[:-1].transform(X), pipeline.predict(X))


def tuned(clusterer, grid, scoring, X):
    """Return the pipeline that `GridSearchCV` chose, and the seconds that the search took.

    `NoSplit` makes train and test the same rows: a clustering is judged on the data it clusters.
    """
    pipeline = make_pipeline(MinMaxScaler(), PCA(30, random_state=0), clusterer)
    name = type(clusterer).__name__.lower()
    grid = {f"{name}__{parameter}": values for parameter, values in grid.items()}
    search = GridSearchCV(pipeline, grid, scoring=scoring, cv=NoSplit())
    start = perf_counter()
    search.fit(X)
    return search, perf_counter() - start


def report(name, search, seconds, y):
    """Print one line of the table and return the labels."""
    labels = search.best_estimator_[-1].labels_
    chosen = ", ".join(f"{k.split('__')[1]}={v:g}" for k, v in search.best_params_.items())
    print(
        f"{name:8s} {chosen:22s} {len(set(labels) - {-1}):8d} {np.mean(labels < 0):7.1%} "
        f"{search.best_score_:7.3f} {adjusted_mutual_info_score(y, labels):7.3f} {seconds:8.2f}"
    )
    return labels


def draw_clusters(X, found, y):
    """Draw one t-SNE map, coloured by each clustering and by the true digits."""
    embedded = TSNE(random_state=0).fit_transform(X)
    figure, axes = plt.subplots(1, len(found) + 1, figsize=(4.2 * (len(found) + 1), 4.4))
    for ax, (name, labels) in zip(axes, [*found.items(), ("true digits", y)], strict=True):
        noise = labels < 0
        ax.scatter(*embedded[noise].T, s=4, color="0.8", label="noise")
        ax.scatter(*embedded[~noise].T, s=5, c=COLORS[labels[~noise] % len(COLORS)])
        n_groups = len(set(labels) - {-1})
        ax.set(title=f"{name} ({n_groups} groups)", xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(OUTPUT / "clusters.png", dpi=110)


def main():
    OUTPUT.mkdir(exist_ok=True)
    X, y = load_digits(return_X_y=True)
    print(f"{X.shape[0]} images of {X.shape[1]} pixels, {len(set(y))} digits, no labels used\n")
    print("         chosen                 clusters   noise   score     AMI  seconds")
    jobs = {
        "HDBSCAN": (HDBSCAN(min_samples=3), {"min_cluster_size": range(10, 101, 10)}, None),
        "DBSCAN": (DBSCAN(min_samples=5), {"eps": np.linspace(0.6, 1.4, 17)}, validity),
        "KMeans": (KMeans(n_init=5, random_state=0), {"n_clusters": range(2, 17)}, silhouette),
    }
    searches, found = {}, {}
    for name, (clusterer, grid, scoring) in jobs.items():
        searches[name], seconds = tuned(clusterer, grid, scoring, X)
        found[name] = report(name, searches[name], seconds, y)

    draw_clusters(X, found, y)
    display = CondensedTreeDisplay.from_estimator(searches["HDBSCAN"].best_estimator_[-1])
    display.figure_.savefig(OUTPUT / "condensed_tree.png", dpi=110)
    print(f"\nplots: {', '.join(str(p) for p in sorted(OUTPUT.glob('*.png')))}")


if __name__ == "__main__":
    main()
