"""The dendrogram, the spanning tree and the k-distance curve, drawn."""

import sys

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reference.hdbscan_data import KINDS, blobs, make
from sklearn_extra_ml.cluster import DBSCAN, HDBSCAN
from sklearn_extra_ml.plotting import (
    CondensedTreeDisplay,
    MinimumSpanningTreeDisplay,
    ReachabilityDisplay,
    SingleLinkageDisplay,
)


def segments(display):
    return np.array(display.ax_.collections[0].get_segments())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_brackets_stand_on_the_middle_of_those_below(plt, kind, rng):
    model = HDBSCAN(min_samples=2).fit(make(kind, 150, 2, rng.integers(2**31)))
    display = SingleLinkageDisplay.from_estimator(model)
    tree, drawn = model.single_linkage_tree_, segments(display)[::-1]  # lowest merge first
    assert drawn.shape == (149, 4, 2)
    np.testing.assert_array_equal(drawn[:, 1, 1], tree.distance)
    for bracket, left, right in zip(drawn, tree.left, tree.right, strict=True):
        for child, foot in ((left, bracket[0]), (right, bracket[3])):
            if child >= 150:
                below = drawn[child - 150]
                assert foot[0] == pytest.approx((below[0, 0] + below[3, 0]) / 2)
                assert foot[1] == below[1, 1]
            else:
                assert foot[1] == 0
    # Rows are side by side: every one has its own place.
    feet = [b[0, 0] for b, c in zip(drawn, tree.left, strict=True) if c < 150]
    feet += [b[3, 0] for b, c in zip(drawn, tree.right, strict=True) if c < 150]
    np.testing.assert_allclose(np.sort(feet), np.arange(150) + 0.5)
    display.figure_.canvas.draw()


def test_brackets_of_one_cluster_have_its_label(rng):
    model = HDBSCAN().fit(blobs(rng, 150, 2))
    table = SingleLinkageDisplay(model.single_linkage_tree_, model.labels_).to_pandas()
    members = [{label} - {-1} for label in model.labels_.tolist()]
    for left, right in zip(
        model.single_linkage_tree_.left, model.single_linkage_tree_.right, strict=True
    ):
        members.append(members[left] | members[right])
    for node, label in table["label"].items():
        found = members[node]
        assert label == (-2 if len(found) > 1 else found.pop() if found else -1)
    assert set(SingleLinkageDisplay(model.single_linkage_tree_).to_pandas()["label"]) == {-1}


def test_only_the_highest_merges_are_drawn(plt, rng):
    model = HDBSCAN().fit(blobs(rng, 300, 2))
    display = SingleLinkageDisplay.from_estimator(model, max_merges=20)
    table = display.to_pandas(max_merges=20)
    assert len(segments(display)) == len(table) == 20
    np.testing.assert_array_equal(table["distance"], model.single_linkage_tree_.distance[:-21:-1])
    with pytest.raises(ValueError, match="`max_merges`=0 draws nothing"):
        display.plot(max_merges=0)


def test_dendrogram_of_a_chain_is_drawn_without_recursion(plt):
    x = np.cumsum(np.linspace(1.0, 2.0, 20_000))
    model = HDBSCAN(min_samples=1, allow_single_cluster=True).fit(x[:, None])
    display = SingleLinkageDisplay.from_estimator(model, max_merges=20_000)
    assert len(segments(display)) == 19_999
    assert np.isfinite(segments(display)).all()


def test_infinite_merges_are_drawn_above_the_finite_ones(plt, rng):
    X = blobs(rng, 60, 2)
    X[7, 0] = np.nan
    drawn = segments(SingleLinkageDisplay.from_estimator(HDBSCAN().fit(X)))
    assert np.isfinite(drawn).all()
    assert drawn[0, 1, 1] > drawn[1, 1, 1]


@pytest.mark.parametrize("d", [1, 2, 5])
def test_every_edge_is_a_line_between_its_rows(plt, d, rng):
    X = rng.normal(size=(80, d))
    X[4] = np.nan
    model = HDBSCAN(min_samples=2).fit(X)
    display = MinimumSpanningTreeDisplay.from_estimator(model, X)
    table = display.to_pandas()
    lines = {tuple(np.round(np.sort(line.ravel()), 9)) for line in segments(display)}
    ends = table[["x_from", "y_from", "x_to", "y_to"]].to_numpy()
    assert lines == {tuple(np.round(np.sort(end), 9)) for end in ends}
    assert len(table) == 78 and np.isfinite(ends).all()
    if d == 2:
        np.testing.assert_array_equal(ends[:, :2], X[table["from"]])
    display.figure_.canvas.draw()


def test_more_features_are_projected_on_principal_components(plt, rng):
    from sklearn.decomposition import PCA

    X = rng.normal(size=(60, 4)) * [1, 5, 2, 9]
    display = MinimumSpanningTreeDisplay.from_estimator(HDBSCAN().fit(X), X)
    theirs = PCA(2).fit_transform(X)
    for ours, expected in zip(np.transpose(display.positions), theirs.T, strict=True):
        assert abs(np.corrcoef(ours, expected)[0, 1]) == pytest.approx(1)


def test_equal_rows_have_a_colour_too(plt):
    X = np.repeat(np.arange(3.0), 20)[:, None]
    display = MinimumSpanningTreeDisplay.from_estimator(HDBSCAN(min_samples=2).fit(X), X)
    display.figure_.canvas.draw()


def test_spanning_tree_of_other_rows_is_refused(rng):
    X = blobs(rng, 60, 2)
    with pytest.raises(ValueError, match="X has 59 rows, the estimator was fitted to 60"):
        MinimumSpanningTreeDisplay.from_estimator(HDBSCAN().fit(X), X[1:])


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"metric": "manhattan"},
        {"metric": "cosine"},
        {"metric": "canberra"},
        {"metric": "minkowski", "p": 3},
        {"metric": "precomputed"},
    ],
    ids=str,
)
def test_curve_of_dbscan_is_the_kth_distance(plt, parameters, rng):
    X = np.abs(blobs(rng, 150, 3))
    name = parameters.get("metric", "euclidean")
    p = {"p": 3} if "p" in parameters else {}
    D = pairwise_distances(X, metric="euclidean" if name == "precomputed" else name, **p)
    rows = D if name == "precomputed" else X
    model = DBSCAN(eps=np.quantile(D, 0.05), min_samples=6, **parameters).fit(rows)
    display = ReachabilityDisplay.from_estimator(model, rows)
    expected = np.sort(np.sort(D, axis=1)[:, 5])
    np.testing.assert_allclose(display.to_pandas()["core_distance"], expected, rtol=1e-7)
    share = len(model.core_sample_indices_) / 150
    assert f"{share:.0%} core samples" in display.ax_.get_legend().get_texts()[1].get_text()


def test_curve_of_hdbscan_leaves_out_rows_that_are_not_finite(plt, rng):
    X = blobs(rng, 100, 2)
    X[3, 0], X[8, 1] = np.nan, np.inf
    model = HDBSCAN().fit(X)
    table = ReachabilityDisplay.from_estimator(model).to_pandas()
    assert len(table) == 98 and not {3, 8} & set(table["row"])
    np.testing.assert_array_equal(model.core_distances_[table["row"]], table["core_distance"])


def test_knee_is_where_the_clusters_end(rng):
    X = np.concatenate([rng.normal(size=(900, 2)), rng.uniform(-40, 40, size=(100, 2))])
    knee = ReachabilityDisplay.from_rows(X, min_samples=5).knee
    labels = DBSCAN(eps=knee, min_samples=5).fit_predict(X)
    assert labels.max() == 0
    assert np.mean(labels[:900] == 0) > 0.95
    assert np.mean(labels[900:] == -1) > 0.85


def test_curve_refuses_what_it_cannot_measure(rng):
    X = blobs(rng, 60, 2)
    with pytest.raises(ValueError, match="DBSCAN keeps no core distances"):
        ReachabilityDisplay.from_estimator(DBSCAN().fit(X))
    with pytest.raises(ValueError, match="`min_samples`=61 does not fit n_samples=60"):
        ReachabilityDisplay.from_rows(X, min_samples=61)


@pytest.mark.parametrize(
    "draw",
    [
        lambda model, X: SingleLinkageDisplay.from_estimator(model),
        lambda model, X: MinimumSpanningTreeDisplay.from_estimator(model, X),
        lambda model, X: ReachabilityDisplay.from_estimator(model),
    ],
)
def test_missing_matplotlib_is_named_with_its_extra(draw, monkeypatch, rng):
    X = blobs(rng, 60, 2)
    model = HDBSCAN().fit(X)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-extra-ml\[plot\]"'):
        draw(model, X)


@pytest.mark.parametrize(
    "draw",
    [
        lambda model, X, ax: SingleLinkageDisplay.from_estimator(model, ax=ax),
        lambda model, X, ax: MinimumSpanningTreeDisplay.from_estimator(model, X, ax=ax),
        lambda model, X, ax: ReachabilityDisplay.from_estimator(model, ax=ax),
    ],
)
def test_plot_draws_on_given_axes(draw, plt, rng):
    X = blobs(rng, 60, 2)
    figure, ax = plt.subplots()
    display = draw(HDBSCAN().fit(X), X, ax)
    assert display.ax_ is ax and display.figure_ is figure


def test_pipelines_are_drawn_by_their_last_step(rng):
    X = blobs(rng, 100, 3) * [1, 10, 100]
    pipeline = make_pipeline(StandardScaler(), HDBSCAN()).fit(X)
    model = pipeline[-1]
    assert SingleLinkageDisplay.from_estimator(pipeline).single_linkage_tree is (
        model.single_linkage_tree_
    )
    assert CondensedTreeDisplay.from_estimator(pipeline).condensed_tree is model.condensed_tree_
    drawn = MinimumSpanningTreeDisplay.from_estimator(pipeline, X)
    expected = MinimumSpanningTreeDisplay.from_estimator(model, pipeline[:-1].transform(X))
    np.testing.assert_array_equal(drawn.positions, expected.positions)
    np.testing.assert_array_equal(
        ReachabilityDisplay.from_estimator(pipeline).core_distances, model.core_distances_
    )
    scaled = make_pipeline(StandardScaler(), DBSCAN()).fit(X)
    np.testing.assert_array_equal(
        ReachabilityDisplay.from_estimator(scaled, X).core_distances,
        ReachabilityDisplay.from_estimator(scaled[-1], scaled[:-1].transform(X)).core_distances,
    )
