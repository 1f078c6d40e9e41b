"""HDBSCAN: the whole fit against scikit-learn, hdbscan and fast_hdbscan; and against the spanning tree
alone of quitefastmst, with the same core distances, which stops where a clusterer only begins.

`min_samples` counts the row itself here and in scikit-learn, and does not in hdbscan, fast_hdbscan
and quitefastmst: these get one less. hdbscan runs its default: Boruvka on a k-d tree, four processes
for the core distances (`core_dist_n_jobs=4`) and one for the tree, which may be approximate; the
weight of each tree stands beside its time. fast_hdbscan compiles with numba before it is timed.

A grid search over 12 settings of the selection keeps its spanning tree in a new folder each time
(`memory`). Beside it: one fit of ours, and the same search over an estimator that does nothing, which
is what scikit-learn itself takes (it copies the rows twice for every setting).
"""

import tempfile

import numpy as np
from runner import Case
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV

MIN_CLUSTER_SIZE, MIN_SAMPLES = 25, 10


def blobs(n, d, centers, noise=0.05):
    """Gaussian clusters of different widths in uniform noise, and which row is whose."""

    def make():
        rng = np.random.default_rng(0)
        n_noise = int(noise * n)
        std = rng.uniform(0.3, 1.5, size=centers)
        X, y = make_blobs(
            n - n_noise, d, centers=centers, cluster_std=std, center_box=(-60, 60), random_state=1
        )
        X = np.vstack([X, rng.uniform(X.min(axis=0), X.max(axis=0), size=(n_noise, d))])
        order = rng.permutation(n)
        return {"X": np.ascontiguousarray(X[order]), "y": np.append(y, np.full(n_noise, -1))[order]}

    return make


def ours(data):
    from sklearn_extra_ml.cluster import HDBSCAN

    return HDBSCAN(min_cluster_size=MIN_CLUSTER_SIZE, min_samples=MIN_SAMPLES).fit(data["X"])


def scikit_learn(data):
    from sklearn.cluster import HDBSCAN

    model = HDBSCAN(
        min_cluster_size=MIN_CLUSTER_SIZE, min_samples=MIN_SAMPLES, n_jobs=-1, copy=True
    )
    return model.fit(data["X"])


def hdbscan(data):
    from hdbscan import HDBSCAN

    model = HDBSCAN(
        min_cluster_size=MIN_CLUSTER_SIZE, min_samples=MIN_SAMPLES - 1, gen_min_span_tree=True
    )
    return model.fit(data["X"])


def fast_hdbscan(data):
    from fast_hdbscan import HDBSCAN

    model = HDBSCAN(min_cluster_size=MIN_CLUSTER_SIZE, min_samples=MIN_SAMPLES - 1)
    return model.fit(data["X"])


def quitefastmst(data):
    import quitefastmst

    return quitefastmst.mst_euclid(data["X"], M=MIN_SAMPLES - 1)


def spanning_tree_weight(model):
    """Total weight of the minimum spanning tree: where it differs, a tree is not minimal."""
    if hasattr(model, "selected_clusters_"):
        return model.minimum_spanning_tree_.weights.sum()
    if hasattr(model, "_single_linkage_tree_"):
        return model._single_linkage_tree_["value"].sum()
    if hasattr(model, "_min_spanning_tree"):
        return model._min_spanning_tree[:, 2].sum()
    return np.nan


def quality(data, model):
    if isinstance(model, tuple):
        return {"MST weight": model[0].sum()}
    labels = model.labels_
    return {
        "clusters": labels.max() + 1,
        "ARI": adjusted_rand_score(data["y"], labels),
        "MST weight": spanning_tree_weight(model),
    }


def digits(n):
    """Handwritten digits (64 features), drawn with replacement, each pixel moved a little."""

    def make():
        rng = np.random.default_rng(0)
        X, y = load_digits(return_X_y=True)
        rows = rng.integers(len(X), size=n)
        return {"X": X[rows] + rng.normal(size=(n, X.shape[1])), "y": y[rows]}

    return make


GRID = {
    "min_cluster_size": [10, 20, 40],
    "cluster_selection_method": ["eom", "leaf"],
    "cluster_selection_epsilon": [0.0, 1.0],
}


def relative_validity(model, X, y=None):
    return model.relative_validity_


def search(estimator, data):
    from sklearn_extra_ml.model_selection import NoSplit

    cv = NoSplit()
    return GridSearchCV(estimator, GRID, cv=cv, scoring=relative_validity, refit=False).fit(
        data["X"]
    )


def our_search(data):
    from sklearn_extra_ml.cluster import HDBSCAN

    with tempfile.TemporaryDirectory() as folder:
        return search(HDBSCAN(min_samples=MIN_SAMPLES, memory=folder), data)


def hdbscan_search(data):
    from hdbscan import HDBSCAN

    with tempfile.TemporaryDirectory() as folder:
        return search(
            HDBSCAN(min_samples=MIN_SAMPLES - 1, memory=folder, gen_min_span_tree=True), data
        )


def one_fit(data):
    from sklearn_extra_ml.cluster import HDBSCAN

    return HDBSCAN(min_cluster_size=10, min_samples=MIN_SAMPLES).fit(data["X"])


class Nothing(ClusterMixin, BaseEstimator):
    """An estimator with the parameters of the grid, whose fit does nothing."""

    relative_validity_ = 0.0

    def __init__(
        self,
        min_cluster_size=5,
        cluster_selection_method="eom",
        cluster_selection_epsilon=0.0,
    ):
        self.min_cluster_size = min_cluster_size
        self.cluster_selection_method = cluster_selection_method
        self.cluster_selection_epsilon = cluster_selection_epsilon

    def fit(self, X, y=None):
        return self


def idle_search(data):
    return search(Nothing(), data)


def search_quality(data, found):
    if isinstance(found, GridSearchCV):
        return {"settings": len(found.cv_results_["params"]), "best validity": found.best_score_}
    return {"settings": 1, "best validity": found.relative_validity_}


SEARCHES = {
    "sklearn-extra-ml": our_search,
    "one fit of sklearn-extra-ml": one_fit,
    "a search that does nothing": idle_search,
    "hdbscan": hdbscan_search,
}


def search_case(name, make, *, peer=True):
    """The search of 12 settings; hdbscan runs it once after the warm-up, or not at all."""
    return Case(
        f"{name}, search of 12 settings",
        make,
        {name: run for name, run in SEARCHES.items() if peer or name != "hdbscan"},
        search_quality,
        repeats=9,
        peer_repeats={"hdbscan": 1},
        note="" if peer else "hdbscan is left out: minutes",
    )


ALL = {
    "sklearn-extra-ml": ours,
    "scikit-learn": scikit_learn,
    "hdbscan": hdbscan,
    "fast_hdbscan": fast_hdbscan,
    "quitefastmst, tree alone": quitefastmst,
}
FAST = {name: run for name, run in ALL.items() if name != "scikit-learn"}
FASTEST = {name: run for name, run in FAST.items() if name != "hdbscan"}
SQUARE = "scikit-learn is left out: O(n^2), minutes"
CASES = [
    Case("10k x 2, 20 blobs", blobs(10_000, 2, 20), ALL, quality),
    Case("100k x 2, 50 blobs", blobs(100_000, 2, 50), FAST, quality, note=SQUARE, peer_repeats=3),
    Case("200k x 3, 50 blobs", blobs(200_000, 3, 50), FAST, quality, note=SQUARE, peer_repeats=1),
    Case("50k x 5, 50 blobs", blobs(50_000, 5, 50), FAST, quality, note=SQUARE, peer_repeats=3),
    Case("30k x 10, 50 blobs", blobs(30_000, 10, 50), FAST, quality, note=SQUARE, peer_repeats=3),
    Case("100k x 10, 50 blobs", blobs(100_000, 10, 50), FAST, quality, peer_repeats=1),
    Case(
        "1M x 2, 100 blobs",
        blobs(1_000_000, 2, 100),
        FASTEST,
        quality,
        note="hdbscan is left out, too: minutes. Growth from 10k over 100k to 1M rows: see above.",
        peer_repeats=1,
    ),
    Case("10k x 50, 20 blobs", blobs(10_000, 50, 20), ALL, quality, peer_repeats=1),
    Case("20k x 64, digits", digits(20_000), ALL, quality, peer_repeats=1),
    search_case("100k x 2, 50 blobs", blobs(100_000, 2, 50)),
    search_case("30k x 10, 50 blobs", blobs(30_000, 10, 50)),
    search_case("100k x 10, 50 blobs", blobs(100_000, 10, 50)),
    search_case("10k x 50, 20 blobs", blobs(10_000, 50, 20)),
    search_case("20k x 64, digits", digits(20_000)),
    search_case("1M x 2, 100 blobs", blobs(1_000_000, 2, 100), peer=False),
]
