"""predict, transform, score and callbacks of HDBSCAN."""

import pickle

import numpy as np
import pytest
from callbacks import Recorder
from sklearn.callback import ProgressBar
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from reference.hdbscan import distances
from reference.hdbscan_data import KINDS, SETTINGS, blobs, make
from sklearn_extra_ml.cluster import HDBSCAN
from sklearn_extra_ml.model_selection import NoSplit


def attach_slowly(model, X, new):
    """Labels of new rows from the definition: all pairs, one row at a time."""
    tree, n_core = model.condensed_tree_, model._min_samples
    core = np.sort(distances(X), axis=1)[:, n_core - 1]
    labels = []
    for row in new:
        d = np.array([np.sqrt(np.sum((row - x) ** 2)) for x in X])
        own = np.sort(d)[n_core - 2] if n_core > 1 else 0.0
        reach = np.maximum(np.maximum(core, own), d / model.alpha)
        j = min(range(len(X)), key=lambda j: (reach[j], d[j], tuple(X[j])))
        cluster = tree.row_cluster[j]
        while cluster > 0 and reach[j] >= tree.birth[cluster]:
            cluster = tree.parent[cluster]
        while cluster >= 0 and cluster not in model.selected_clusters_:
            cluster = tree.parent[cluster]
        at_root_too_thin = cluster == 0 and reach[j] > model._selection.root_level
        chosen = np.flatnonzero(model.selected_clusters_ == cluster)
        labels.append(-1 if not len(chosen) or at_root_too_thin else chosen[0])
    return np.array(labels)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("algorithm", ["auto", "brute"])
def test_predict_returns_labels_for_fitted_rows_and_attaches_new_ones(setting, algorithm, rng):
    for kind in KINDS:
        X = make(kind, 80, 2, rng.integers(2**31))
        model = HDBSCAN(algorithm=algorithm, **setting).fit(X)
        np.testing.assert_array_equal(model.predict(X), model.labels_)
        new = X[rng.integers(80, size=40)] + rng.normal(scale=0.3, size=(40, 2))
        np.testing.assert_array_equal(model.predict(new), attach_slowly(model, X, new))


@pytest.mark.parametrize("n, d", [(1500, 2), (900, 12)])
def test_search_by_index_finds_what_all_pairs_find(n, d, rng):
    X, new = blobs(rng, n, d), blobs(rng, 300, d)
    index, brute = HDBSCAN(min_samples=7).fit(X), HDBSCAN(min_samples=7, algorithm="brute").fit(X)
    np.testing.assert_array_equal(index.predict(new), brute.predict(new))
    np.testing.assert_allclose(index.transform(new), brute.transform(new), rtol=1e-10)


def test_float32_rows_are_searched_as_float64_ones(rng):
    X, new = (np.round(blobs(rng, n, 3) * 64) / 64 for n in (600, 200))
    double, single = HDBSCAN().fit(X), HDBSCAN().fit(X.astype(np.float32))
    np.testing.assert_array_equal(single.labels_, double.labels_)
    np.testing.assert_array_equal(single.predict(X.astype(np.float32)), single.labels_)
    single_new = new.astype(np.float32)
    np.testing.assert_array_equal(single.predict(single_new), double.predict(new))
    np.testing.assert_allclose(single.transform(single_new), double.transform(new), rtol=1e-5)


def test_predict_does_not_depend_on_other_rows_nor_on_the_order_of_fitted_ones(rng):
    X = make(KINDS[4], 200, 2, 0)  # a grid: every distance ties
    new = rng.integers(9, size=(50, 2)) + 0.5
    model = HDBSCAN(min_samples=2).fit(X)
    labels = model.predict(new)
    np.testing.assert_array_equal([model.predict(row[None])[0] for row in new], labels)
    for algorithm in ("auto", "brute"):
        other = HDBSCAN(min_samples=2, algorithm=algorithm).fit(X[rng.permutation(200)])
        np.testing.assert_array_equal(other.predict(new), labels)
        np.testing.assert_allclose(other.transform(new), model.transform(new), rtol=1e-12)


def test_predict_never_finds_a_new_cluster(rng):
    X = blobs(rng, 200, 2)
    model = HDBSCAN().fit(X)
    far = rng.normal(loc=1e3, scale=0.01, size=(500, 2))
    np.testing.assert_array_equal(model.predict(far), -np.ones(500))


def test_pickled_model_predicts_the_same(rng):
    X, new = blobs(rng, 1500, 2), blobs(rng, 100, 2)
    model = HDBSCAN().fit(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(new), model.predict(new))
    np.testing.assert_array_equal(again.transform(new), model.transform(new))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("setting", SETTINGS[:8], ids=str)
def test_membership_is_finite_sums_to_the_strength_and_points_to_the_label(kind, setting, rng):
    X = make(kind, 120, 2, rng.integers(2**31))
    model = HDBSCAN(**setting).fit(X)
    membership = model.transform(X)
    assert membership.shape == (120, len(model.selected_clusters_))
    assert np.all((membership >= 0) & (membership <= 1 + 1e-12))
    member = model.labels_ >= 0
    if membership.shape[1]:
        np.testing.assert_allclose(
            membership.sum(axis=1)[member], model.probabilities_[member], rtol=1e-12
        )
        best = membership[member].max(axis=1)
        own = membership[member, model.labels_[member]]
        np.testing.assert_array_equal(own, best)
    one_by_one = np.vstack([model.transform(row[None]) for row in X])
    np.testing.assert_allclose(one_by_one, membership, rtol=1e-12, atol=0)


def test_transform_names_its_columns_and_obeys_set_output(rng):
    X = blobs(rng, 100, 2)
    model = HDBSCAN().set_output(transform="pandas").fit(X)
    frame = model.transform(X)
    assert list(frame.columns) == [f"hdbscan{i}" for i in range(len(model.selected_clusters_))]
    assert model.fit_transform(X).equals(frame)


def test_score_is_dbcv_and_always_finite(rng):
    from sklearn_extra_ml.metrics import dbcv_score

    X = blobs(rng, 150, 2)
    for setting in SETTINGS:
        model = HDBSCAN(**setting).fit(X)
        assert model.score(X) == pytest.approx(dbcv_score(X, model.labels_), abs=1e-12)
    assert HDBSCAN(min_cluster_size=100).fit(X).score(X) == -1
    assert np.isfinite(model.score(np.vstack([X, X])))
    assert np.isfinite(model.score(X[:1]))


def test_grid_search_tunes_without_labels(rng):
    X = blobs(rng, 200, 4)
    search = GridSearchCV(
        make_pipeline(PCA(2), HDBSCAN()),
        {"hdbscan__min_cluster_size": [3, 10, 150]},
        cv=NoSplit(),
    ).fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[2] == -1
    assert search.best_estimator_.predict(X).max() >= 1


def test_stages_are_reported_to_callbacks(rng):
    recorder = Recorder()
    X = blobs(rng, 100, 2)
    model = HDBSCAN().set_callbacks(recorder, ProgressBar()).fit(X)
    stages = ["core distances", "spanning tree", "linkage", "condensed tree"]
    inner = [f"{when} {stage}" for stage in stages for when in ("begin", "end")]
    assert recorder.events == ["setup", "begin fit", *inner, "end fit", "teardown"]
    np.testing.assert_array_equal(model.labels_, HDBSCAN().fit(X).labels_)


def test_centers_are_weighted_by_strength(rng):
    X = blobs(rng, 150, 3)
    model = HDBSCAN(store_centers="both").fit(X)
    D = distances(X)
    for label in range(len(model.selected_clusters_)):
        rows = np.flatnonzero(model.labels_ == label)
        weights = model.probabilities_[rows]
        np.testing.assert_allclose(
            model.centroids_[label], np.average(X[rows], weights=weights, axis=0), rtol=1e-12
        )
        cost = D[np.ix_(rows, rows)] @ weights
        np.testing.assert_array_equal(model.medoids_[label], X[rows[np.argmin(cost)]])
    for which, other in (("centroid", "medoids_"), ("medoid", "centroids_")):
        assert not hasattr(HDBSCAN(store_centers=which).fit(X), other)
