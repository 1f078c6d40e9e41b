"""Which clusters HDBSCAN chooses: the parameters that scikit-learn does not have."""

from itertools import product

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from reference.hdbscan import (
    condense,
    dendrogram,
    distances,
    hdbscan,
    most_stable,
    mutual_reachability,
    stability,
)
from reference.hdbscan_data import DATA_SETS, blobs, make
from sklearn_extra_ml.cluster import HDBSCAN
from sklearn_extra_ml.model_selection import NoSplit

NAMED = pytest.mark.parametrize(
    "data", DATA_SETS[::2], ids=lambda data: f"{data[0].__name__}-{data[1]}x{data[2]}"
)


def levels_of(R):
    """Distances at which something happens."""
    return np.quantile(R[np.triu_indices(len(R), 1)], [0.02, 0.1, 0.3])


@NAMED
def test_epsilon_max_equals_the_reference(data):
    X = make(*data)
    R = mutual_reachability(distances(X), 3)
    for limit, single in product(levels_of(R)[levels_of(R) > 0], (False, True)):
        labels, strength = hdbscan(R, X, 4, epsilon_max=limit, allow_single_cluster=single)
        model = HDBSCAN(4, 3, cluster_selection_epsilon_max=limit, allow_single_cluster=single).fit(
            X
        )
        np.testing.assert_array_equal(model.labels_, labels)
        np.testing.assert_allclose(model.probabilities_, strength, rtol=1e-9, atol=1e-12)


@NAMED
@pytest.mark.parametrize("method", ["eom", "leaf"])
def test_persistence_equals_the_reference(data, method):
    X = make(*data)
    R = mutual_reachability(distances(X), 2)
    for level in levels_of(R):
        persistence = 0.3 / level if level > 0 else 1.0
        labels, strength = hdbscan(R, X, 3, method, persistence=persistence)
        model = HDBSCAN(
            3, 2, cluster_selection_method=method, cluster_selection_persistence=persistence
        ).fit(X)
        np.testing.assert_array_equal(model.labels_, labels)
        np.testing.assert_allclose(model.probabilities_, strength, rtol=1e-9, atol=1e-12)


def test_persistence_leaves_fewer_and_fewer_leaves(rng):
    X = blobs(rng, 400, 2)
    fitted = HDBSCAN(3, min_samples=2, cluster_selection_method="leaf").fit(X)
    counts = [
        len(fitted.recluster(cluster_selection_persistence=p).selected_clusters_)
        for p in (0.0, 0.5, 2.0, 8.0, 1e9)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2] > counts[-1] == 0


def test_simplified_tree_does_not_depend_on_the_order_of_the_rows(rng):
    X = np.round(blobs(rng, 300, 2), 1)
    parameters = {"min_cluster_size": 3, "cluster_selection_persistence": 1.0}
    model = HDBSCAN(**parameters).fit(X)
    for _ in range(20):
        order = rng.permutation(len(X))
        other = HDBSCAN(**parameters).fit(X[order])
        np.testing.assert_array_equal(other.labels_, model.labels_[order])
        for name in ("parent", "birth", "death", "size", "stability"):
            np.testing.assert_array_equal(
                getattr(other.condensed_tree_, name), getattr(model.condensed_tree_, name)
            )


def largest_stability(R, min_cluster_size, method, n_clusters):
    clusters, _ = condense(dendrogram(R), min_cluster_size)
    chosen = most_stable(
        clusters, n_clusters, lambda c: c.parent and (method == "eom" or not c.children)
    )
    return sum(stability(c) for c in chosen)


def ancestors(tree, clusters):
    for cluster in tree.parent[clusters]:
        while cluster >= 0:
            yield cluster
            cluster = tree.parent[cluster]


@NAMED
@pytest.mark.parametrize("method", ["eom", "leaf"])
def test_number_of_clusters_equals_trying_all_sets(data, method):
    X = make(*data)[:45]
    R = mutual_reachability(distances(X), 2)
    fitted = HDBSCAN(3, 2, cluster_selection_method=method).fit(X)
    most = len(fitted.recluster(cluster_selection_method="leaf").selected_clusters_)
    for n_clusters in range(1, min(most, 4) + 1):
        model = fitted.recluster(n_clusters=n_clusters)
        assert len(model.selected_clusters_) == n_clusters
        best = largest_stability(R, 3, method, n_clusters)
        tree, chosen = model.condensed_tree_, model.selected_clusters_
        assert tree.stability[chosen].sum() == pytest.approx(best, rel=1e-12)
        assert not set(ancestors(tree, chosen)) & set(chosen)
        if data[0].__name__ in ("blobs", "moons", "noise"):  # no two sets are equally stable
            labels, _ = hdbscan(R, X, 3, method, n_clusters=n_clusters)
            np.testing.assert_array_equal(model.labels_, labels)


def test_number_of_clusters_is_met_up_to_the_leaves_and_warned_of_beyond(rng):
    X = blobs(rng, 500, 2)
    leaves = HDBSCAN(3, min_samples=2, cluster_selection_method="leaf").fit(X)
    most = len(leaves.selected_clusters_)
    assert most > 10
    for n_clusters in (1, 2, most // 2, most):
        model = HDBSCAN(3, min_samples=2, n_clusters=n_clusters).fit(X)
        assert len(model.selected_clusters_) == model.labels_.max() + 1 == n_clusters
    with pytest.warns(ConvergenceWarning, match=f"holds {most} clusters side by side"):
        model = HDBSCAN(3, min_samples=2, n_clusters=most + 1).fit(X)
    assert len(model.selected_clusters_) == most


def test_number_of_clusters_obeys_the_largest_size_and_distances(rng):
    X = blobs(rng, 300, 2)
    fitted = HDBSCAN(5, min_samples=3).fit(X)
    for parameters in (
        {"max_cluster_size": 40},
        {"cluster_selection_epsilon": 0.5},
        {"cluster_selection_epsilon_max": 1.0},
    ):
        model = fitted.recluster(n_clusters=2, **parameters)
        tree, chosen = model.condensed_tree_, model.selected_clusters_
        assert np.all(tree.size[chosen] <= parameters.get("max_cluster_size", np.inf))
        assert np.all(tree.birth[chosen] >= parameters.get("cluster_selection_epsilon", 0))
        limit = parameters.get("cluster_selection_epsilon_max", np.inf)
        assert np.all(tree.birth[chosen] <= limit)


def test_deep_tree_is_cut_into_a_number_of_clusters_without_recursion():
    x = np.cumsum(np.repeat(1.0 / np.arange(1, 3001), 2) * np.tile([1.0, 1e-3], 3000))
    fitted = HDBSCAN(min_cluster_size=2, min_samples=1).fit(x[:, None])
    assert len(fitted.recluster(n_clusters=700).selected_clusters_) == 700
    assert len(fitted.recluster(cluster_selection_persistence=1e-9).selected_clusters_) > 0


def test_epsilon_max_below_epsilon_is_refused(rng):
    X = blobs(rng, 60, 2)
    parameters = {"cluster_selection_epsilon": 2.0, "cluster_selection_epsilon_max": 1.0}
    with pytest.raises(ValueError, match=r"`cluster_selection_epsilon_max`=1\.0 is below"):
        HDBSCAN(**parameters).fit(X)
    with pytest.raises(ValueError, match=r"`cluster_selection_epsilon_max`=1\.0 is below"):
        HDBSCAN().fit(X).recluster(**parameters)


# ------------------------------------------------------------------------------- the cached tree

GRID = {"min_cluster_size": [5, 10, 20], "cluster_selection_method": ["eom", "leaf"]}


def relative_validity(estimator, X, y=None):
    return estimator.relative_validity_


def test_grid_search_with_memory_builds_the_tree_once_per_min_samples(tmp_path, monkeypatch, rng):
    from sklearn_extra_ml.cluster import _spanning_tree

    grown = []
    tree_of_lists = _spanning_tree.tree_of_lists
    monkeypatch.setattr(
        _spanning_tree, "tree_of_lists", lambda *args: grown.append(1) or tree_of_lists(*args)
    )
    X = blobs(rng, 300, 2)
    grid = {**GRID, "min_samples": [3, 5]}
    searches = {}
    for memory in (None, str(tmp_path)):
        grown.clear()
        searches[memory] = GridSearchCV(
            HDBSCAN(memory=memory), grid, cv=NoSplit(), scoring=relative_validity
        ).fit(X)
        assert len(grown) == (13 if memory is None else 2)
    kept, fresh = searches[str(tmp_path)], searches[None]
    assert kept.best_params_ == fresh.best_params_
    np.testing.assert_array_equal(
        kept.cv_results_["mean_test_score"], fresh.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(
        kept.best_estimator_.predict(X + 0.1), fresh.best_estimator_.predict(X + 0.1)
    )


@pytest.mark.parametrize(
    "kind", ["float32", "sparse", "precomputed", "callable", "missing", "weighted"]
)
def test_memory_changes_no_result(kind, tmp_path, rng):
    from scipy import sparse

    X, parameters, weights = np.abs(blobs(rng, 120, 3)), {}, None
    if kind == "float32":
        X = X.astype(np.float32)
    elif kind == "sparse":
        X, parameters = sparse.csr_array(np.round(X)), {"metric": "manhattan"}
    elif kind == "precomputed":
        X, parameters = distances(X), {"metric": "precomputed"}
    elif kind == "callable":
        parameters = {"metric": distances_of_two}
    elif kind == "missing":
        X[3, 1], X[5, 0] = np.nan, np.inf
    elif kind == "weighted":
        weights = rng.integers(0, 4, size=120)
    fresh = HDBSCAN(**parameters).fit(X, sample_weight=weights)
    for _ in range(2):
        kept = HDBSCAN(memory=str(tmp_path), **parameters).fit(X, sample_weight=weights)
        np.testing.assert_array_equal(kept.labels_, fresh.labels_)
        np.testing.assert_array_equal(kept.core_distances_, fresh.core_distances_)
        np.testing.assert_array_equal(
            kept.minimum_spanning_tree_.weights, fresh.minimum_spanning_tree_.weights
        )
        if kind != "precomputed":
            np.testing.assert_array_equal(kept.transform(X), fresh.transform(X))


def distances_of_two(a, b):
    return np.abs(a - b).max()


def test_memory_tells_other_rows_and_parameters_apart(tmp_path, rng):
    X = blobs(rng, 100, 2)
    first = HDBSCAN(memory=str(tmp_path)).fit(X)
    for other, data in (
        ({"min_samples": 3}, X),
        ({"alpha": 2.0}, X),
        ({"metric": "manhattan"}, X),
        ({}, X + 0.01),
    ):
        model = HDBSCAN(memory=str(tmp_path), **other).fit(data)
        fresh = HDBSCAN(**other).fit(data)
        np.testing.assert_array_equal(
            model.minimum_spanning_tree_.weights, fresh.minimum_spanning_tree_.weights
        )
        assert not np.array_equal(
            model.minimum_spanning_tree_.weights, first.minimum_spanning_tree_.weights
        )
