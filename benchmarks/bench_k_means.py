"""KMeans against scikit-learn, scikit-learn-intelex and faiss.

Two questions for each size: what an iteration costs (the same initial centres for everybody, at
most 20 iterations) and what a whole fit costs (k-means++, one run). faiss works in float32, has no
tolerance and takes 20 iterations in both; its inertia is computed from its centres in float64, as
is everybody's, so the quality column compares like with like.
"""

import numpy as np
from runner import Case

MAX_ITER = 20


def blobs(n_samples, n_features, n_clusters):
    """Overlapping Gaussian clusters of unequal spread, and initial centres among the rows."""

    def make():
        rng = np.random.default_rng(0)
        centers = rng.normal(size=(n_clusters, n_features)) * 3.0
        spread = rng.uniform(0.5, 1.5, n_clusters)
        label = rng.integers(n_clusters, size=n_samples)
        X = rng.normal(size=(n_samples, n_features)) * spread[label, None] + centers[label]
        start = X[rng.choice(n_samples, n_clusters, replace=False)]
        return {"X": X, "k": n_clusters, "start": start}

    return make


def _fitted(KMeans, data, init, max_iter):
    model = KMeans(data["k"], init=init, n_init=1, max_iter=max_iter, random_state=0)
    return model.fit(data["X"])


def _ours():
    from sklearn_extra_ml.cluster import KMeans

    return KMeans


def _sklearn():
    from sklearn.cluster import KMeans

    return KMeans


def _intelex():
    from sklearnex.cluster import KMeans

    return KMeans


def _faiss(data, **options):
    import faiss

    X = data["X"].astype(np.float32)
    model = faiss.Kmeans(
        X.shape[1],
        data["k"],
        niter=MAX_ITER,
        seed=0,
        min_points_per_centroid=1,
        max_points_per_centroid=X.shape[0],
    )
    model.train(X, **options)
    model.index.search(X, 1)
    return model.centroids


def same_start(find):
    return lambda data: _fitted(find(), data, data["start"], MAX_ITER)


def whole_fit(find):
    return lambda data: _fitted(find(), data, "k-means++", 300)


def quality(data, result):
    """Inertia in float64 of the centres found, and the iterations they took."""
    centers = np.asarray(getattr(result, "cluster_centers_", result), dtype=np.float64)
    inertia = 0.0
    for start in range(0, len(data["X"]), 20_000):
        block = data["X"][start : start + 20_000]
        cross = (centers**2).sum(axis=1) - 2.0 * block @ centers.T
        inertia += float((cross.min(axis=1) + (block**2).sum(axis=1)).sum())
    return {"inertia": inertia, "n_iter": getattr(result, "n_iter_", MAX_ITER)}


FINDERS = {
    "sklearn-extra-ml": _ours,
    "scikit-learn": _sklearn,
    "scikit-learn-intelex": _intelex,
}
SAME_START = {name: same_start(find) for name, find in FINDERS.items()} | {
    "faiss": lambda data: _faiss(data, init_centroids=data["start"].astype(np.float32))
}
WHOLE_FIT = {name: whole_fit(find) for name, find in FINDERS.items()} | {"faiss": _faiss}
SIZES = {
    "1M x 2, k=50": (1_000_000, 2, 50),
    "200k x 16, k=100": (200_000, 16, 100),
    "100k x 128, k=64": (100_000, 128, 64),
}

CASES = [
    *(
        Case(f"{name}: same start, 20 iterations", blobs(*size), SAME_START, quality, repeats=3)
        for name, size in SIZES.items()
    ),
    *(
        Case(f"{name}: whole fit", blobs(*size), WHOLE_FIT, quality, repeats=3)
        for name, size in SIZES.items()
    ),
    Case("500 x 4, k=3: whole fit", blobs(500, 4, 3), WHOLE_FIT, quality, repeats=51),
]
