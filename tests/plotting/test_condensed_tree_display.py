"""The condensed tree, drawn."""

import sys

import numpy as np
import pytest

from reference.hdbscan_data import KINDS, blobs, make
from sklearn_extra_ml.cluster import HDBSCAN
from sklearn_extra_ml.plotting import CondensedTreeDisplay


def polygon_area(outline):
    x, y = outline.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def outlines(display):
    return [path.vertices[:-1] for path in display.ax_.collections[0].get_paths()]


def test_areas_are_stabilities(plt, rng):
    model = HDBSCAN(min_samples=3).fit(blobs(rng, 150, 2))
    display = CondensedTreeDisplay.from_estimator(model)
    for outline, stability in zip(outlines(display), model.condensed_tree_.stability, strict=True):
        assert polygon_area(outline) == pytest.approx(stability, rel=1e-9)


@pytest.mark.parametrize("scale", ["density", "distance"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_icicles_hang_from_their_parents_side_by_side(plt, kind, scale, rng):
    model = HDBSCAN(min_samples=2).fit(make(kind, 150, 2, rng.integers(2**31)))
    display = CondensedTreeDisplay.from_estimator(model, scale=scale)
    tree, drawn = model.condensed_tree_, outlines(display)
    assert np.isfinite(np.concatenate(drawn)).all()
    for cluster, parent in enumerate(tree.parent[1:], start=1):
        inside, outside = drawn[cluster], drawn[parent]
        assert outside[:, 0].min() <= inside[:, 0].min() + 1e-9
        assert inside[:, 0].max() <= outside[:, 0].max() + 1e-9
        for other in np.flatnonzero(tree.parent == parent):
            if other > cluster:
                assert inside[:, 0].max() <= drawn[other][:, 0].min() + 1e-9
    display.figure_.canvas.draw()


def test_plot_draws_on_given_axes_and_names_selected_clusters(plt, rng):
    model = HDBSCAN().fit(blobs(rng, 150, 2))
    figure, ax = plt.subplots()
    display = CondensedTreeDisplay(model.condensed_tree_, model.selected_clusters_)
    assert display.plot(ax) is display
    assert display.ax_ is ax and display.figure_ is figure
    texts = [text.get_text() for text in ax.texts]
    assert texts == [str(i) for i in range(len(model.selected_clusters_))]
    assert not CondensedTreeDisplay.from_estimator(model, show_labels=False).ax_.texts


def test_table_tells_what_is_drawn(rng):
    model = HDBSCAN().fit(blobs(rng, 150, 2))
    table = CondensedTreeDisplay(model.condensed_tree_, model.selected_clusters_).to_pandas()
    np.testing.assert_array_equal(table["size"], model.condensed_tree_.size)
    for label, cluster in enumerate(model.selected_clusters_):
        assert table["label"][cluster] == label
    assert (table["label"] >= 0).sum() == len(model.selected_clusters_)


def test_deep_tree_is_drawn_without_recursion(plt):
    x = np.cumsum(np.repeat(1.0 / np.arange(1, 3001), 2) * np.tile([1.0, 1e-3], 3000))
    model = HDBSCAN(min_cluster_size=2, min_samples=1).fit(x[:, None])
    display = CondensedTreeDisplay.from_estimator(model, scale="distance")
    assert len(outlines(display)) == len(model.condensed_tree_.parent) > 3000


def test_unknown_scale_is_refused(rng):
    model = HDBSCAN().fit(blobs(rng, 60, 2))
    with pytest.raises(ValueError, match="`scale`='area' is not known"):
        CondensedTreeDisplay.from_estimator(model, scale="area")


def test_missing_matplotlib_is_named_with_its_extra(monkeypatch, rng):
    model = HDBSCAN().fit(blobs(rng, 60, 2))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-extra-ml\[plot\]"'):
        CondensedTreeDisplay.from_estimator(model)
