"""DBSCAN against scikit-learn, its oneDAL patch, and the grid of wangyiqiu/dbscan-python.

`labels` is a checksum: contenders with the same number returned the same labels, bit for bit.
`dbscan` (PyPI) numbers clusters, and places border rows, in its own way.
"""

import zlib

import numpy as np
from runner import Case
from sklearn.datasets import make_blobs


def blobs(n_samples, n_features):
    X, _ = make_blobs(n_samples, n_features, centers=20, cluster_std=0.5, random_state=0)
    return X


def uniform(n_samples, n_features):
    return np.random.default_rng(0).random((n_samples, n_features))


def places(n_samples, n_features):
    """Latitude and longitude, in radians, around a town."""
    return np.radians(np.random.default_rng(0).normal([48, 10], [2, 3], (n_samples, n_features)))


def parameters(data):
    return {name: data[name] for name in ("eps", "min_samples", "metric")}


def ours(data):
    from sklearn_extra_ml.cluster import DBSCAN

    return DBSCAN(**parameters(data)).fit(data["X"])


def scikit_learn(data):
    from sklearn.cluster import DBSCAN

    return DBSCAN(**parameters(data)).fit(data["X"])


def scikit_learn_all_cores(data):
    from sklearn.cluster import DBSCAN

    return DBSCAN(**parameters(data), n_jobs=-1).fit(data["X"])


def intelex(data):
    from sklearnex.cluster import DBSCAN

    return DBSCAN(eps=data["eps"], min_samples=data["min_samples"]).fit(data["X"])


def grid(data):
    from dbscan import DBSCAN

    return DBSCAN(data["X"], eps=data["eps"], min_samples=data["min_samples"])


def ours_predict(data):
    return data.setdefault("ours", ours(data)).predict(data["X"])


def quality(data, result):
    labels = result[0] if isinstance(result, tuple) else getattr(result, "labels_", result)
    labels = np.ascontiguousarray(labels, dtype=np.int64)
    return {
        "n_clusters": labels.max(initial=-1) + 1,
        "n_noise": np.sum(labels == -1),
        "labels": zlib.crc32(labels.tobytes()),
    }


EVERYBODY = {
    "sklearn-extra-ml": ours,
    "scikit-learn": scikit_learn,
    "scikit-learn, n_jobs=-1": scikit_learn_all_cores,
    "scikit-learn-intelex": intelex,
    "dbscan (PyPI)": grid,
}


def case(
    name,
    make,
    n_samples,
    n_features,
    eps,
    min_samples,
    without=(),
    metric="euclidean",
    **options,
):
    def data():
        return {
            "X": make(n_samples, n_features),
            "eps": eps,
            "min_samples": min_samples,
            "metric": metric,
        }

    contenders = {k: run for k, run in EVERYBODY.items() if k not in without}
    return Case(name, data, contenders, quality, **options)


NO_GRID = ("dbscan (PyPI)",)
NO_PAIRS = ("scikit-learn-intelex",)
PAIRS = "scikit-learn-intelex is left out: it compares all pairs"

CASES = [
    case("200k x 2, blobs", blobs, 200_000, 2, 0.03, 10, NO_PAIRS, note=PAIRS, peer_repeats=3),
    case("200k x 2, uniform", uniform, 200_000, 2, 0.003, 5, NO_PAIRS, note=PAIRS, peer_repeats=3),
    case("200k x 3, blobs", blobs, 200_000, 3, 0.3, 10, NO_PAIRS, note=PAIRS, peer_repeats=1),
    case("200k x 3, uniform", uniform, 200_000, 3, 0.02, 5, NO_PAIRS, note=PAIRS, peer_repeats=3),
    case("50k x 8, blobs", blobs, 50_000, 8, 1.0, 10, peer_repeats=1),
    case("20k x 30, blobs", blobs, 20_000, 30, 4.0, 10, NO_GRID, peer_repeats=3),
    case("20k x 30, uniform: all noise", uniform, 20_000, 30, 0.8, 10, NO_GRID, peer_repeats=3),
    case("1M x 2, blobs", blobs, 1_000_000, 2, 0.03, 10, NO_PAIRS, note=PAIRS, peer_repeats=1),
    case(
        "50k x 2, 1,600 neighbours a row",
        blobs,
        50_000,
        2,
        0.5,
        10,
        peer_repeats=1,
        note="memory: scikit-learn stores every neighbourhood",
    ),
    case(
        "200k x 2, every row a neighbour of every other",
        uniform,
        200_000,
        2,
        2.0,
        10,
        without=("scikit-learn", "scikit-learn, n_jobs=-1", "scikit-learn-intelex"),
        note="scikit-learn would need 320 GB, scikit-learn-intelex compares 4e10 pairs",
    ),
    case(
        "20k x 50, cosine",
        blobs,
        20_000,
        50,
        0.02,
        10,
        metric="cosine",
        without=("scikit-learn-intelex", "dbscan (PyPI)"),
        peer_repeats=1,
        note="the two others know no cosine",
    ),
    case(
        "100k x 2, haversine",
        places,
        100_000,
        2,
        2 / 6371,
        10,
        metric="haversine",
        without=("scikit-learn-intelex", "dbscan (PyPI)"),
        peer_repeats=1,
        note="2 km on the globe; the two others know no haversine",
    ),
    Case(
        "predict 200k x 2",
        lambda: {"X": blobs(200_000, 2), "eps": 0.1, "min_samples": 10, "metric": "euclidean"},
        {"sklearn-extra-ml": ours_predict},
        quality,
        note="no peer places new rows",
    ),
]
