"""t-SNE against scikit-learn, openTSNE and scikit-learn-intelex, everybody's own defaults.

The divergence of every map is computed by one function, from the same similarities (90 neighbours,
perplexity 30) and from all pairs of points; `recall` is the share of the 10 nearest rows that are among
the 10 nearest points, on 2,000 rows. openTSNE makes 750 iterations by default, the others 1000. Peers
that take minutes run once, cold.
"""

import numpy as np
from runner import Case
from sklearn.datasets import load_digits

N_JUDGED = 2000


def manifolds(n_samples, n_features=64, seed=0):
    """Twenty curved 6-dimensional sheets with a little noise."""
    rng = np.random.default_rng(seed)
    label = rng.integers(20, size=n_samples)
    X = np.empty((n_samples, n_features))
    for c in range(20):
        own = label == c
        inner = rng.normal(size=(own.sum(), 6))
        bend, out = rng.normal(size=(6, 32)), rng.normal(size=(32, n_features)) / 6
        X[own] = np.tanh(inner @ bend / 2) @ out + rng.normal(size=n_features) * 1.2
        X[own] += 0.1 * rng.normal(size=(own.sum(), n_features))
    return X


def one_cloud(n_samples, n_features=64, seed=0):
    """One 10-dimensional cloud of uneven density: no gaps between groups."""
    rng = np.random.default_rng(seed)
    inner = rng.standard_t(4, size=(n_samples, 10))
    X = np.tanh(inner @ rng.normal(size=(10, n_features)) / 4)
    return X + 0.05 * rng.normal(size=X.shape)


def ours(data):
    from sklearn_extra_ml.manifold import TSNE

    return TSNE(random_state=0).fit_transform(data["X"])


def ours_uniform(data):
    from sklearn_extra_ml.manifold import TSNE

    return TSNE(affinity="uniform", random_state=0).fit_transform(data["X"])


def scikit_learn(data):
    from sklearn.manifold import TSNE

    return TSNE(random_state=0, n_jobs=-1).fit_transform(data["X"])


def intelex(data):
    from sklearnex.manifold import TSNE

    return TSNE(random_state=0).fit_transform(data["X"])


def open_tsne(data):
    from openTSNE import TSNE

    return np.asarray(TSNE(random_state=0, n_jobs=-1).fit(data["X"]))


def open_tsne_fft(data):
    from openTSNE import TSNE

    model = TSNE(random_state=0, n_jobs=-1, negative_gradient_method="fft")
    return np.asarray(model.fit(data["X"]))


def quality(data, result):
    from sklearn.neighbors import NearestNeighbors

    from sklearn_extra_ml.manifold import _affinities, _neighbors, _optimizer, _repulsion

    X, Y = data["X"], np.ascontiguousarray(result, dtype=np.float32)
    found = _neighbors.find_neighbors(X, 91, "euclidean", None, None, 2)
    weights = _affinities.perplexity_weights(found.sq_distances, 30.0, 2)
    graph = _affinities.symmetric_graph(found, weights, 2)
    y = _affinities.soa(Y[graph.order], _repulsion.FAR)
    exact = _repulsion.ExactRepulsion(1.0, 2)
    kl = _optimizer.kl_divergence(graph, y, exact, 1.0, 2, graph.entropy())
    judged = np.linspace(0, len(X) - 1, min(N_JUDGED, len(X))).astype(int)
    near = [
        NearestNeighbors(n_neighbors=11).fit(rows).kneighbors(rows[judged], return_distance=False)
        for rows in (X, Y)
    ]
    shared = [len(set(a[1:]) & set(b[1:])) for a, b in zip(*near, strict=True)]
    return {"KL": kl, "recall": np.mean(shared) / 10}


def place_ours(data):
    if "ours" not in data:
        from sklearn_extra_ml.manifold import TSNE

        data["ours"] = TSNE(random_state=0, max_iter=500).fit(data["X"])
    return data["ours"].transform(data["new"])


def place_open_tsne(data):
    if "open" not in data:
        from openTSNE import TSNE

        data["open"] = TSNE(random_state=0, n_jobs=-1, n_iter=250).fit(data["X"])
    return np.asarray(data["open"].transform(data["new"]))


def place_quality(data, result):
    """Share of the 10 nearest fitted rows among the 10 nearest fitted points, on 2,000 new rows."""
    from sklearn.neighbors import NearestNeighbors

    fitted = data["ours"].embedding_ if "ours" in data else np.asarray(data["open"])
    X, new, Y = data["X"], data["new"][:N_JUDGED], np.asarray(result)[:N_JUDGED]
    near = [
        NearestNeighbors(n_neighbors=10).fit(rows).kneighbors(asked, return_distance=False)
        for rows, asked in ((X, new), (fitted, Y))
    ]
    shared = [len(set(a) & set(b)) for a, b in zip(*near, strict=True)]
    return {"recall": np.mean(shared) / 10}


def new_and_old(n_samples, n_new):
    X = manifolds(n_samples + n_new)
    return {"X": X[:n_samples], "new": X[n_samples:]}


EVERYBODY = {
    "sklearn-extra-ml": ours,
    "sklearn-extra-ml, uniform": ours_uniform,
    "scikit-learn": scikit_learn,
    "scikit-learn-intelex": intelex,
    "openTSNE": open_tsne,
}
LARGE = EVERYBODY | {"openTSNE": open_tsne_fft}

CASES = [
    Case("digits, 1,797 x 64", lambda: {"X": load_digits().data}, EVERYBODY, quality, repeats=3),
    Case(
        "10k x 64, 20 sheets",
        lambda: {"X": manifolds(10_000)},
        EVERYBODY,
        quality,
        repeats=3,
        peer_repeats=0,
    ),
    Case(
        "10k x 64, one cloud",
        lambda: {"X": one_cloud(10_000)},
        EVERYBODY,
        quality,
        repeats=3,
        peer_repeats=0,
    ),
    Case(
        "50k x 64, 20 sheets",
        lambda: {"X": manifolds(50_000)},
        LARGE,
        quality,
        repeats=1,
        peer_repeats=0,
        timeout=1200.0,
    ),
    Case(
        "transform 10k rows against 50k",
        lambda: new_and_old(50_000, 10_000),
        {"sklearn-extra-ml": place_ours, "openTSNE": place_open_tsne},
        place_quality,
        repeats=3,
        peer_repeats=1,
    ),
    *(
        Case(
            f"growth: {n // 1000}k x 64",
            lambda n=n: {"X": manifolds(n)},
            {"sklearn-extra-ml": ours},
            quality,
            repeats=0,
        )
        for n in (20_000, 100_000, 200_000)
    ),
]
