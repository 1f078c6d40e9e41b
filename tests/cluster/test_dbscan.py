"""DBSCAN: against the definition, against scikit-learn bit for bit, its invariances, bad input."""

import numpy as np
import pytest
import sklearn.cluster
from callbacks import Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
from interrupts import seconds_to_interrupt
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import kneighbors_graph, radius_neighbors_graph

from reference.dbscan import dbscan, neighborhoods
from sklearn_extra_ml.cluster import DBSCAN, HDBSCAN, _density, _neighborhoods
from sklearn_extra_ml.manifold import TSNE
from sklearn_extra_ml.metrics import dbcv_score
from sklearn_extra_ml.model_selection import NoSplit

TREE_METRICS = [
    {"metric": "euclidean"},
    {"metric": "l2"},
    {"metric": "manhattan"},
    {"metric": "chebyshev"},
    {"metric": "minkowski", "p": 3},
    {"metric": "minkowski", "p": 1.5},
]


def both(X, sample_weight=None, **parameters):
    """Fit ours and scikit-learn's."""
    ours = DBSCAN(**parameters).fit(X, sample_weight=sample_weight)
    theirs = sklearn.cluster.DBSCAN(**parameters).fit(X, sample_weight=sample_weight)
    return ours, theirs


def assert_same(ours, theirs):
    assert_array_equal(ours.core_sample_indices_, theirs.core_sample_indices_)
    assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.labels_.dtype == theirs.labels_.dtype
    assert ours.core_sample_indices_.dtype == theirs.core_sample_indices_.dtype
    own, other = ours.components_, theirs.components_
    if sparse.issparse(other):
        own, other = own.toarray(), other.toarray()
    assert_array_equal(own, other)
    assert own.dtype == other.dtype


def draw_rows(rng, kind, n, d):
    if kind == "blobs":
        centers = rng.uniform(-3, 3, (3, d))
        return centers[rng.integers(3, size=n)] + rng.normal(scale=0.3, size=(n, d))
    if kind == "uniform":
        return 3 * rng.random((n, d))
    if kind == "moons":
        return np.hstack([make_moons(n, noise=0.05, random_state=int(rng.integers(99)))[0]] * d)[
            :, :d
        ]
    if kind == "integer grid":
        return 0.5 * rng.integers(0, 5, (n, d))
    if kind == "decimal grid":
        return 0.1 * rng.integers(0, 5, (n, d))
    if kind == "offset":
        return rng.normal(size=(n, d)) + 4e3
    return np.repeat(rng.random((n // 10 + 1, d)), 10, axis=0)[:n]  # duplicates


def draw_weights(rng, kind, n):
    if kind == "none":
        return None
    return {
        "integer": lambda: rng.integers(1, 4, n).astype(float),
        "with zeros": lambda: rng.permutation(np.arange(n) % 3).astype(float),
        "negative": lambda: rng.integers(-2, 4, n) + 0.5,
        "inexact": lambda: rng.choice([0.1, 0.2, 0.3], n),
        "inexact float32": lambda: rng.choice([0.1, 0.2, 0.3, -0.1], n).astype(np.float32),
    }[kind]()


# ---- against the definition and against scikit-learn --------------------------------------------


@pytest.mark.parametrize("parameters", TREE_METRICS, ids=str)
@pytest.mark.parametrize("n_features", [1, 2, 3, 6])
def test_labels_of_small_data_equal_the_definition(rng, parameters, n_features):
    X = draw_rows(rng, "blobs", 90, n_features)
    eps, min_samples = 0.2 * n_features, 5
    metric = {"l2": "euclidean"}.get(parameters["metric"], parameters["metric"])
    found = neighborhoods(X.tolist(), eps, metric, parameters.get("p"))
    for weights in (None, draw_weights(rng, "negative", 90)):
        core, labels = dbscan(found, min_samples, weights)
        model = DBSCAN(eps=eps, min_samples=min_samples, **parameters).fit(X, sample_weight=weights)
        assert_array_equal(model.core_sample_indices_, core)
        assert_array_equal(model.labels_, labels)


@pytest.mark.parametrize("setting", range(100))
def test_fit_on_a_random_setting_equals_scikit_learn(seed, setting):
    rng = np.random.default_rng([seed, setting])
    kinds = ["blobs", "uniform", "moons", "integer grid", "decimal grid", "offset", "duplicates"]
    kind = kinds[setting % 7]
    n, d = int(rng.integers(1, 700)), int(rng.integers(1, 21))
    X = draw_rows(rng, kind, n, d).astype(rng.choice([np.float32, np.float64]))
    eps = float(rng.choice([0.1, 0.3, 0.5, 1.0, 2.0]))
    if "grid" not in kind:
        eps *= np.sqrt(d) / 2
    parameters = {
        "eps": eps,
        "min_samples": int(rng.choice([1, 2, 5, 10, 40])),
        "algorithm": str(rng.choice(["auto", "auto", "kd_tree", "ball_tree"])),
        "leaf_size": int(rng.choice([1, 7, 30])),
        **TREE_METRICS[int(rng.integers(len(TREE_METRICS)))],
    }
    weight_kinds = ["none", "integer", "with zeros", "negative", "inexact", "inexact float32"]
    weights = draw_weights(rng, weight_kinds[int(rng.integers(6))] if n > 2 else "none", n)
    ours, theirs = both(X, weights, **parameters)
    assert_same(ours, theirs)


@pytest.mark.parametrize("n_features", [2, 16])
@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": "cosine", "eps": 0.05},
        {"metric": "canberra", "eps": 0.8},
        {"metric": "braycurtis", "eps": 0.3},
        {"metric": "sqeuclidean", "eps": 0.7},
        {"metric": "mahalanobis", "eps": 0.8, "algorithm": "brute"},
        {"metric": "minkowski", "eps": 0.9, "p": 2, "metric_params": {"w": [2.0, 1.0] * 8}},
        {"metric": "minkowski", "eps": 0.9, "metric_params": {"p": 3}},
        {"metric": lambda a, b: np.abs(a - b).max(), "eps": 0.5},
    ],
    ids=lambda p: str(p["metric"])[:11],
)
@pytest.mark.parametrize("kept", [None, 50], ids=["cached", "in blocks"])
def test_fit_with_another_metric_equals_scikit_learn(
    rng, monkeypatch, n_features, parameters, kept
):
    if kept:
        monkeypatch.setattr(_neighborhoods, "CACHED_NEIGHBORS", kept)
    X = draw_rows(rng, "blobs", 120, n_features)
    parameters = dict(parameters, min_samples=4)
    if "w" in parameters.get("metric_params", {}):
        parameters["metric_params"] = {"w": parameters["metric_params"]["w"][:n_features]}
    ours, theirs = both(X, draw_weights(rng, "inexact", 120) * 3, **parameters)
    assert_same(ours, theirs)
    assert_array_equal(ours.predict(X), ours.labels_)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("form", ["csr_array", "csc_matrix", "coo_array", "lil_matrix"])
def test_fit_on_sparse_rows_equals_scikit_learn(rng, metric, form):
    X = rng.random((150, 8)) * (rng.random((150, 8)) < 0.4)
    X[:, 0] += 0.1
    stored = getattr(sparse, form)(X)
    ours, theirs = both(stored, eps=0.25, min_samples=3, metric=metric)
    assert_same(ours, theirs)
    assert ours.labels_.max() >= 0
    assert_array_equal(ours.predict(stored), ours.labels_)
    assert ours.transform(stored).shape == (150, ours.labels_.max() + 1)


@pytest.mark.parametrize("weight_kind", ["none", "negative", "inexact"])
@pytest.mark.parametrize("form", ["dense", "int", "radius graph", "nearest graph", "no diagonal"])
def test_fit_on_precomputed_distances_equals_scikit_learn(rng, dtype, form, weight_kind):
    X = draw_rows(rng, "blobs", 150, 2)
    distances = pairwise_distances(X).astype(dtype)
    if form == "int":
        distances = (10 * distances).astype(np.int64)
    elif form == "radius graph":
        distances = radius_neighbors_graph(X, 0.5, mode="distance").astype(dtype)
    elif form == "nearest graph":
        distances = kneighbors_graph(X, 6, mode="distance").astype(dtype)
    elif form == "no diagonal":
        distances = sparse.csr_array(distances)
    before = distances.copy()
    weights = draw_weights(rng, weight_kind, 150)
    min_samples = 1 if weight_kind == "inexact" else 4
    ours, theirs = both(
        distances,
        weights,
        eps=2 if form == "int" else 0.25,
        min_samples=min_samples,
        metric="precomputed",
    )
    assert_same(ours, theirs)
    assert ours.labels_.max() >= 0
    if sparse.issparse(distances):
        for name in ("data", "indices", "indptr"):
            assert_array_equal(getattr(distances, name), getattr(before, name))
    else:
        assert_array_equal(distances, before)


def test_pairs_that_scikit_learn_takes_by_its_nodes_equal_scikit_learn():
    # On decimal grids it takes pairs that lie one rounding beyond eps, if a whole node of its tree
    # is within eps; so what it finds depends on leaf_size.
    X = 0.3 * np.random.default_rng(0).integers(0, 12, (900, 2))
    sizes = []
    for leaf_size in (2, 30):
        ours, theirs = both(X, eps=float(0.3 * np.sqrt(5)), min_samples=120, leaf_size=leaf_size)
        assert_same(ours, theirs)
        sizes.append(len(theirs.core_sample_indices_))
    assert sizes[0] != sizes[1]


def test_asymmetric_neighborhoods_in_blocks_equal_those_held_at_once(rng, monkeypatch):
    found = [np.unique(rng.integers(0, 200, 3)) for _ in range(200)]
    whole = _neighborhoods.cluster_by_search(lambda rows: [found[i] for i in rows], 200, 3)
    monkeypatch.setattr(_neighborhoods, "CACHED_NEIGHBORS", 10)
    parts = _neighborhoods.cluster_by_search(lambda rows: [found[i] for i in rows], 200, 3)
    assert_array_equal(parts.labels, whole.labels)
    assert_array_equal(parts.is_core, whole.is_core)


# ---- properties ---------------------------------------------------------------------------------


@given(
    points=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=12, max_size=80),
    eps=st.sampled_from([0.5, 1.0, 1.5, 2.0, 4.0]),
    min_samples=st.integers(1, 8),
    metric=st.sampled_from(["euclidean", "manhattan", "chebyshev"]),
)
@settings(max_examples=60, deadline=None)
def test_any_grid_equals_scikit_learn(points, eps, min_samples, metric):
    X = np.array(points, dtype=float)
    assert_same(*both(X, eps=eps, min_samples=min_samples, metric=metric, algorithm="kd_tree"))


@pytest.mark.parametrize("n_features", [2, 3, 12])
def test_labels_are_equal_for_any_number_of_threads(rng, dtype, n_features):
    X = draw_rows(rng, "blobs", 6000, n_features).astype(dtype)
    models = [DBSCAN(eps=0.05 * n_features, n_jobs=n).fit(X) for n in (1, 2, 8)]
    assert 0 < len(models[0].core_sample_indices_) < 6000
    for model in models[1:]:
        assert_array_equal(model.labels_, models[0].labels_)
        assert_array_equal(model.core_sample_indices_, models[0].core_sample_indices_)
        assert_array_equal(model.transform(X[:50]), models[0].transform(X[:50]))


def test_permuted_rows_give_the_same_core_points_and_partition(rng):
    X = draw_rows(rng, "blobs", 500, 2)
    order = rng.permutation(500)
    model, moved = DBSCAN(eps=0.15).fit(X), DBSCAN(eps=0.15).fit(X[order])
    assert_array_equal(np.sort(order[moved.core_sample_indices_]), model.core_sample_indices_)
    core = model.core_sample_indices_
    label_of = np.empty(500, dtype=int)
    label_of[order] = moved.labels_
    pairs = set(zip(model.labels_[core].tolist(), label_of[core].tolist(), strict=True))
    assert len(pairs) == model.labels_.max() + 1 == moved.labels_.max() + 1
    assert_array_equal(model.labels_ == -1, label_of == -1)


def test_integer_weights_equal_repeated_rows(rng):
    X = draw_rows(rng, "blobs", 300, 2)
    weights = rng.integers(1, 4, 300)
    model = DBSCAN(eps=0.12, min_samples=8).fit(X, sample_weight=weights)
    repeated = DBSCAN(eps=0.12, min_samples=8).fit(np.repeat(X, weights, axis=0))
    assert_array_equal(np.repeat(model.labels_, weights), repeated.labels_)


def test_scaled_rows_give_the_same_labels(rng):
    X = draw_rows(rng, "blobs", 300, 3)
    assert_array_equal(
        DBSCAN(eps=0.3).fit(X).labels_, DBSCAN(eps=0.3 * 2**40).fit(X * 2**40).labels_
    )


def test_large_coordinates_in_float32_keep_their_clusters():
    # Clusters survive at coordinates of size 5e6 (metres in UTM), where float32 steps are 0.5.
    X, y = make_blobs(3000, centers=[[0, 0], [400, 0], [0, 400]], cluster_std=20, random_state=0)
    X = (X + 5e6).astype(np.float32)
    model = DBSCAN(eps=15).fit(X)
    clustered = model.labels_ >= 0
    assert model.labels_.max() == 2
    assert clustered.mean() > 0.95
    assert len(set(zip(model.labels_[clustered].tolist(), y[clustered].tolist(), strict=True))) == 3


@pytest.mark.parametrize("n_samples", range(1, 14))
@pytest.mark.parametrize("eps", [1e-300, 1e-9, 0.3, 1e300])
def test_few_rows_equal_scikit_learn(rng, n_samples, eps):
    for X in (np.zeros((n_samples, 2)), rng.random((n_samples, 3)).astype(np.float32)):
        ours, theirs = both(X, eps=eps, min_samples=2)
        assert_same(ours, theirs)
        assert_array_equal(ours.predict(X), ours.labels_)


def test_million_points_in_a_chain_are_one_cluster():
    X = np.random.default_rng(0).permutation(1_000_000).astype(float)[:, None]
    model = DBSCAN(eps=1, min_samples=3).fit(X)
    assert_array_equal(np.bincount(model.labels_ + 1), [0, 1_000_000])
    assert len(model.core_sample_indices_) == 999_998


def test_equal_rows_are_one_cluster():
    model = DBSCAN(eps=1e-9, min_samples=50_000).fit(np.full((50_000, 2), 0.1))
    assert_array_equal(model.labels_, 0)


def test_memory_does_not_grow_with_eps():
    import tracemalloc

    X = np.random.default_rng(0).random((20_000, 2))
    peaks = []
    for eps in (0.01, 2.0):  # 6 neighbours a row; 20,000
        tracemalloc.start()
        DBSCAN(eps=eps).fit(X)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_neighborhoods_of_another_metric_are_not_all_held(monkeypatch, rng):
    held = []
    monkeypatch.setattr(_neighborhoods, "CACHED_NEIGHBORS", 1000)
    monkeypatch.setattr(_neighborhoods, "BLOCK_NEIGHBORS", 20_000)
    search_in = _neighborhoods.search_in

    def counted(neighbors, X):
        search = search_in(neighbors, X)

        def search_and_count(rows):
            found = search(rows)
            held.append(sum(map(len, found)))
            return found

        return search_and_count

    monkeypatch.setattr(_neighborhoods, "search_in", counted)
    X = rng.random((600, 3)) + 1
    model = DBSCAN(metric="canberra", eps=3.0, algorithm="brute").fit(X)
    assert_array_equal(model.labels_, 0)
    assert max(held) <= 128 * 600 < 600 * 600


# ---- the tree's own cases -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["kd_tree", "ball_tree", "brute"])
def test_rule_spans_the_bound_of_each_metric(rng, method):
    X = rng.random((20, 3))
    for metric in (
        ("euclidean", 2.0),
        ("manhattan", 1.0),
        ("chebyshev", np.inf),
        ("minkowski", 3.0),
    ):
        rule = _density.make_rule(0.7, _density.TreeMetric(*metric), method, X, is_gemm=True)
        assert rule.sure <= rule.reduced <= rule.possible
        assert rule.possible - rule.sure < 1e-12


def test_eps_whose_square_underflows_equals_scikit_learn(rng):
    X = np.concatenate([rng.random((40, 2)) * 1e-160, rng.random((40, 2))])
    assert_same(*both(X, eps=1e-161, min_samples=2))


# ---- metrics that map rows to the unit sphere ---------------------------------------------------


def draw_directions(rng, setting, dtype):
    d, n = int(rng.integers(2, 20)), int(rng.integers(12, 600))
    X = draw_rows(rng, ["blobs", "uniform", "duplicates", "decimal grid"][setting % 4], n, d)
    X[~np.any(X, axis=1)] = 1.0
    return X.astype(dtype)


@pytest.mark.parametrize("setting", range(24))
def test_cosine_by_the_tree_equals_scikit_learn(seed, setting, dtype):
    rng = np.random.default_rng([seed, setting])
    X = draw_directions(rng, setting, dtype)
    weights = draw_weights(rng, ["none", "negative", "with zeros"][setting % 3], len(X))
    for eps in (1e-3, 0.02, 0.2, 1.0):
        parameters = {"eps": eps, "min_samples": int(rng.integers(2, 8)), "metric": "cosine"}
        ours, theirs = both(X, weights, **parameters)
        assert_same(ours, theirs)
        assert_array_equal(ours.predict(X), ours.labels_)


@pytest.mark.parametrize("setting", range(24))
def test_haversine_by_the_tree_equals_scikit_learn(seed, setting):
    rng = np.random.default_rng([seed, setting])
    n = int(rng.integers(12, 600))
    X = rng.uniform([-np.pi / 2, -np.pi], [np.pi / 2, np.pi], (n, 2))
    if setting % 3 == 1:
        X = rng.integers(0, 3, (n, 2)) / 2 + rng.normal(scale=0.01, size=(n, 2))
    elif setting % 3 == 2:
        X = np.round(X, 1)
    for eps in (1e-4, 0.05, 0.3, 1.5, 2.95, 3.1):
        ours, theirs = both(X, eps=eps, min_samples=4, metric="haversine")
        assert_same(ours, theirs)
        assert_array_equal(ours.predict(X), ours.labels_)
        if len(ours.core_sample_indices_):
            distances = pairwise_distances(X, ours.components_, metric="haversine")
            core_labels = ours.labels_[ours.core_sample_indices_]
            for label in range(core_labels.max() + 1):
                expected = distances[:, core_labels == label].min(axis=1)
                # Angles near pi lose half their digits, in scikit-learn too.
                np.testing.assert_allclose(ours.transform(X)[:, label], expected, atol=5e-8)


@pytest.mark.parametrize("metric", ["cosine", "haversine"])
def test_mapped_metrics_do_not_ask_scikit_learn_for_neighborhoods(rng, metric, monkeypatch):
    X = draw_rows(rng, "blobs", 500, 2)
    X /= np.abs(X).max()  # latitudes
    monkeypatch.setattr(_neighborhoods, "search_in", lambda *_: pytest.fail("asked"))
    model = DBSCAN(eps=0.01, metric=metric).fit(X)
    model.predict(X)
    model.transform(X)


def test_rows_of_zeros_have_no_direction_and_equal_scikit_learn(rng):
    X = draw_rows(rng, "blobs", 200, 3)
    X[::20] = 0
    ours, theirs = both(X, eps=0.05, metric="cosine")
    assert_same(ours, theirs)
    full = DBSCAN(eps=0.05, metric="cosine").fit(X[1:20])
    assert full.predict(np.zeros((1, 3))).tolist() == [-1]
    np.testing.assert_allclose(full.transform(np.zeros((1, 3))), 1.0)


def test_integer_rows_with_cosine_equal_scikit_learn(rng):
    X = rng.integers(1, 9, (200, 4))
    assert_same(*both(X, eps=0.01, metric="cosine"))


def test_haversine_of_three_columns_is_refused_as_by_scikit_learn(rng):
    X = rng.random((30, 3))
    for cls in (DBSCAN, sklearn.cluster.DBSCAN):
        with pytest.raises(ValueError, match="2"):
            cls(metric="haversine").fit(X)


# ---- new rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", TREE_METRICS, ids=str)
@pytest.mark.parametrize("kind", ["blobs", "integer grid", "duplicates"])
def test_predict_of_fitted_rows_equals_labels(rng, dtype, parameters, kind):
    X = draw_rows(rng, kind, 700, 3).astype(dtype)
    for eps in (0.3, 1.0):
        model = DBSCAN(eps=eps, min_samples=6, **parameters).fit(X)
        assert_array_equal(model.predict(X), model.labels_)


def test_predict_of_new_rows_takes_the_lowest_cluster_within_eps(rng):
    X = draw_rows(rng, "blobs", 400, 2)
    new = rng.uniform(-4, 4, (500, 2))
    model = DBSCAN(eps=0.25).fit(X)
    core_labels = model.labels_[model.core_sample_indices_]
    within = pairwise_distances(new, model.components_) <= 0.25
    expected = [core_labels[row].min() if row.any() else -1 for row in within]
    assert_array_equal(model.predict(new), expected)
    assert_array_equal([model.predict(row[None])[0] for row in new[:20]], expected[:20])


@pytest.mark.parametrize("parameters", [*TREE_METRICS, {"metric": "cosine"}], ids=str)
def test_transform_is_the_distance_to_the_nearest_core_sample(rng, dtype, parameters):
    X = (draw_rows(rng, "blobs", 300, 3) + 5).astype(dtype)
    new = (draw_rows(rng, "uniform", 50, 3) + 3).astype(dtype)
    eps = 0.02 if parameters["metric"] == "cosine" else 0.4
    model = DBSCAN(eps=eps, min_samples=4, **parameters).fit(X)
    core_labels = model.labels_[model.core_sample_indices_]
    p = {"p": parameters["p"]} if "p" in parameters else {}
    distances = pairwise_distances(
        new.astype(float), model.components_.astype(float), metric=parameters["metric"], **p
    )
    expected = [distances[:, core_labels == k].min(axis=1) for k in range(core_labels.max() + 1)]
    found = model.transform(new)
    assert found.dtype == dtype
    assert len(expected) > 1
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-5, atol=1e-6)


def test_transform_without_clusters_has_no_columns(rng):
    model = DBSCAN(eps=1e-6).fit(rng.random((50, 2)))
    assert model.transform(rng.random((7, 2))).shape == (7, 0)
    assert_array_equal(model.predict(rng.random((7, 2))), -1)
    assert len(model.get_feature_names_out()) == 0


def test_feature_names_out_number_the_clusters(rng):
    model = DBSCAN(eps=0.4).fit(draw_rows(rng, "blobs", 300, 2)).set_output(transform="pandas")
    frame = model.transform(rng.random((4, 2)))
    assert list(frame.columns) == [f"dbscan{i}" for i in range(model.labels_.max() + 1)]


@pytest.mark.parametrize("as_graph", [False, True], ids=["dense", "graph"])
def test_predict_from_precomputed_distances_equals_predict_from_rows(rng, as_graph):
    X, new = draw_rows(rng, "blobs", 200, 2), rng.uniform(-4, 4, (80, 2))
    by_rows = DBSCAN(eps=0.3).fit(X)
    fitted, asked = pairwise_distances(X), pairwise_distances(new, X)
    if as_graph:
        fitted, asked = sparse.csr_array(fitted), sparse.csr_array(asked)
    by_distances = DBSCAN(eps=0.3, metric="precomputed").fit(fitted)
    assert_array_equal(by_distances.labels_, by_rows.labels_)
    assert_array_equal(by_distances.predict(asked), by_rows.predict(new))
    np.testing.assert_allclose(by_distances.transform(asked), by_rows.transform(new))


def test_transform_of_a_graph_without_entries_is_infinite(rng):
    X = draw_rows(rng, "blobs", 100, 2)
    model = DBSCAN(eps=0.4, metric="precomputed").fit(sparse.csr_array(pairwise_distances(X)))
    assert_array_equal(model.transform(sparse.csr_array((3, 100))), np.inf)
    assert_array_equal(model.predict(sparse.csr_array((3, 100))), -1)


def test_predict_with_mahalanobis_uses_the_covariance_of_the_fit(rng):
    X = draw_rows(rng, "blobs", 200, 3)
    model = DBSCAN(eps=0.4, metric="mahalanobis", algorithm="brute").fit(X)
    assert_array_equal(model.predict(X[:20]), model.labels_[:20])


# ---- input --------------------------------------------------------------------------------------


def test_minkowski_without_p_is_euclidean(rng):
    # scikit-learn 1.9 documents this and raises TypeError.
    X = draw_rows(rng, "blobs", 100, 2)
    assert_array_equal(
        DBSCAN(eps=0.3, metric="minkowski").fit(X).labels_, DBSCAN(eps=0.3).fit(X).labels_
    )


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"eps": 0.0}, ValueError),
        ({"eps": -1.0}, ValueError),
        ({"min_samples": 0}, ValueError),
        ({"metric": "nonsense"}, ValueError),
        ({"metric": "haversine"}, ValueError),
        ({"metric": "cosine", "algorithm": "kd_tree"}, ValueError),
        ({"metric": "minkowski", "p": 0.5, "algorithm": "kd_tree"}, ValueError),
        ({"metric": "euclidean", "metric_params": {"unknown": 1}}, TypeError),
        ({"metric": lambda a, b: 0.0, "algorithm": "kd_tree"}, ValueError),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_as_by_scikit_learn(rng, parameters, error):
    X = rng.random((30, 3))
    for estimator in (DBSCAN, sklearn.cluster.DBSCAN):
        with pytest.raises(error):
            estimator(**parameters).fit(X)


def test_p_given_twice_warns_as_scikit_learn_does(rng):
    model = DBSCAN(metric="minkowski", p=2, metric_params={"p": 3})
    with pytest.warns(SyntaxWarning, match="Parameter p is found in metric_params"):
        model.fit(rng.random((30, 3)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_or_infinite_entries_are_refused(rng, value):
    X = rng.random((30, 2))
    X[3, 1] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        DBSCAN().fit(X)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        DBSCAN().fit(rng.random((30, 2))).predict(X)


@pytest.mark.parametrize("weights", [[1.0] * 29, [np.nan] * 30, [0.0] * 30])
def test_bad_weights_are_refused(rng, weights):
    with pytest.raises(ValueError, match=r"weight|NaN"):
        DBSCAN().fit(rng.random((30, 2)), sample_weight=weights)


def graph(rng):
    return radius_neighbors_graph(rng.random((40, 2)), 0.4, mode="distance")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda D: D.__setitem__((3, 5), -1.0), "Negative values in data passed to X"),
        (lambda D: D.__setitem__((3, 5), 7.0), "not symmetric"),
    ],
)
def test_dense_matrices_that_are_no_distances_are_refused(rng, spoil, message):
    D = pairwise_distances(rng.random((40, 2)))
    spoil(D)
    with pytest.raises(ValueError, match=message):
        DBSCAN(metric="precomputed").fit(D)


def test_dense_matrix_that_is_not_square_is_refused(rng):
    with pytest.raises(ValueError, match="square"):
        DBSCAN(metric="precomputed").fit(rng.random((5, 6)))


def test_rounding_of_a_distance_matrix_is_tolerated(rng):
    D = pairwise_distances(rng.random((40, 2))).astype(np.float32)
    D[3, 5] *= 1 + 1e-6
    assert DBSCAN(metric="precomputed").fit(D).labels_.max() == 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda G: G.indices.__setitem__(0, 10**6), "column indices"),
        (lambda G: G.indices.__setitem__(0, -1), "column indices"),
        (lambda G: G.indptr.__setitem__(3, 10**6), "index pointer"),
        (lambda G: G.data.__setitem__(-1, -1.0), "Negative values in data passed to X"),
        (lambda G: G.data.__setitem__(G.indptr[1] - 1, 99.0), "not symmetric"),
    ],
)
def test_broken_graphs_are_refused_before_any_kernel(rng, spoil, message):
    G = graph(rng)
    G.sort_indices()
    spoil(G)
    with pytest.raises(ValueError, match=message):
        DBSCAN(metric="precomputed").fit(G)


@pytest.mark.parametrize("form", ["csc", "coo", "bsr"])
def test_indices_out_of_range_are_refused_in_every_sparse_form(rng, form):
    X = sparse.csr_array(rng.random((20, 4))).asformat(form)
    stored = X.coords[1] if form == "coo" else X.indices
    stored[0] = 10**6
    with pytest.raises(ValueError, match="indices from"):
        DBSCAN().fit(X)


@pytest.mark.parametrize("as_graph", [False, True])
def test_negative_query_distances_are_refused(rng, as_graph):
    D = pairwise_distances(rng.random((40, 2)))
    query = -D[:3]
    model = DBSCAN(metric="precomputed").fit(D)
    for method in (model.predict, model.transform):
        with pytest.raises(ValueError, match="Negative values"):
            method(sparse.csr_array(query) if as_graph else query)


def test_empty_input_is_refused():
    with pytest.raises(ValueError, match="0 sample"):
        DBSCAN().fit(np.empty((0, 2)))


def test_kernels_refuse_arrays_that_do_not_fit(rng):
    from sklearn_extra_ml._native import _dbscan

    metric = _density.TreeMetric("euclidean", 2.0)
    tree = _density.grow_tree(rng.random((100, 2)), metric, 1)
    with pytest.raises(ValueError, match="one entry for each node"):
        _dbscan.mark_tight_nodes(tree, 1.0, np.zeros(3, dtype=np.uint8))
    with pytest.raises(ValueError, match="one entry for each point"):
        _dbscan.rows_of_positions(tree, np.zeros(3, dtype=np.intp))
    with pytest.raises(ValueError, match="do not fit"):
        _dbscan.expand_clusters(
            np.zeros(3, dtype=np.int64),
            np.zeros(1, dtype=np.int64),
            np.zeros(5, dtype=np.uint8),
            np.zeros(5, dtype=np.intp),
        )


# ---- callbacks and interrupts -------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["euclidean", "canberra", "precomputed"])
def test_callbacks_see_every_stage_begin_and_end(rng, metric):
    X = pairwise_distances(rng.random((50, 2)))
    recorder = Recorder()
    DBSCAN(metric=metric).set_callbacks(recorder).fit(X)
    stages = ["tree", "core points", "components", "border points"]
    stages = stages if metric == "euclidean" else ["clusters"]
    inner = [f"{when} {stage}" for stage in stages for when in ("begin", "end")]
    assert recorder.events == ["setup", "begin fit", *inner, "end fit", "teardown"]


def test_interrupt_ends_a_long_fit_soon():
    setup = """if True:
        import numpy as np
        from sklearn_extra_ml.cluster import DBSCAN
        X = np.random.default_rng(0).random((1_000_000, 12))
        model = DBSCAN(eps=0.9, min_samples=10**6).fit(X[:100])
    """
    # 2 s on a machine of its own; room for one that is shared
    assert seconds_to_interrupt(setup, "model.fit(X)", after=2) < 10


def test_huge_weights_warn_of_nothing():
    X = np.arange(40.0).reshape(20, 2)
    huge = DBSCAN(eps=3).fit(X, sample_weight=np.full(20, 1e303))
    assert huge.core_sample_indices_.tolist() == list(range(20))


# ---- wishes of scikit-learn's users --------------------------------------------------------------


def test_score_is_the_dbcv_of_predict_and_tunes_eps_without_labels(rng):
    """scikit-learn#6154: a grid search over a clusterer needs a score."""
    X, _ = make_blobs(200, 3, centers=4, cluster_std=0.4, random_state=1)
    model = DBSCAN(eps=0.8).fit(X)
    assert model.score(X) == dbcv_score(X, model.labels_)
    new = X[::3] + rng.normal(scale=0.05, size=(67, 3))
    assert model.score(new) == dbcv_score(new, model.predict(new))
    search = GridSearchCV(DBSCAN(), {"eps": [1e-3, 0.8, 100.0]}, cv=NoSplit()).fit(X)
    assert search.best_params_ == {"eps": 0.8}
    assert search.cv_results_["mean_test_score"][[0, 2]].tolist() == [-1.0, 0.0]


@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": "minkowski", "p": 3, "eps": 0.8},
        {"metric": "minkowski", "metric_params": {"p": 3}, "eps": 0.8},
        {"metric": "cosine", "eps": 0.01},
        {"metric": "mahalanobis", "algorithm": "brute", "eps": 0.5},
    ],
    ids=str,
)
def test_score_measures_with_the_metric_of_the_fit(parameters):
    X, _ = make_blobs(150, 3, centers=4, cluster_std=0.4, random_state=1)
    model = DBSCAN(**parameters).fit(X)
    params = {"mahalanobis": {"VI": np.linalg.inv(np.cov(X.T))}}.get(model.metric, {})
    params = {"p": 3} if model.metric == "minkowski" else params
    expected = dbcv_score(X, model.labels_, metric=model.metric, metric_params=params)
    assert model.score(X) == pytest.approx(expected)
    assert not hasattr(DBSCAN(metric="precomputed"), "score")


def test_rows_with_missing_entries_are_taken_by_nan_euclidean(rng):
    X, _ = make_blobs(120, 4, centers=3, cluster_std=0.3, random_state=0)
    X[rng.uniform(size=X.shape) < 0.05] = np.nan
    distances = pairwise_distances(X, metric="nan_euclidean")
    model = DBSCAN(eps=1.5, metric="nan_euclidean").fit(X)
    expected = sklearn.cluster.DBSCAN(eps=1.5, metric="precomputed").fit(distances)
    assert_array_equal(model.labels_, expected.labels_)
    assert_array_equal(model.core_sample_indices_, expected.core_sample_indices_)
    assert model.labels_.max() >= 2
    assert_array_equal(model.predict(X), model.labels_)
    assert np.isfinite(model.score(X))
    with pytest.raises(ValueError, match="NaN"):
        DBSCAN().fit(X)


@pytest.mark.parametrize("cls", [DBSCAN, HDBSCAN])
def test_degrees_given_to_haversine_are_told_apart_from_radians(cls, rng):
    """scikit-learn and hdbscan cluster degrees as if they were radians, in silence."""
    degrees = rng.normal([48, 11], 0.01, (50, 2))
    with pytest.warns(UserWarning, match=r"radians, in this order, .*np\.radians"):
        cls(metric="haversine").fit(degrees)
    with pytest.warns(UserWarning, match="put the latitude first"):
        cls(metric="haversine").fit(np.radians(rng.normal([150, -30], 0.01, (50, 2))))
    cls(metric="haversine").fit(np.radians(degrees))


@pytest.mark.parametrize("cls", [DBSCAN, HDBSCAN, TSNE])
def test_zero_threads_are_refused(cls):
    with pytest.raises(ValueError, match="`n_jobs`=0 is no number of threads"):
        cls(n_jobs=0).fit(np.arange(60.0).reshape(30, 2))
