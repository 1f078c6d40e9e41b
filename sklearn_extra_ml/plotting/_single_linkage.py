"""The dendrogram of HDBSCAN, from its topmost merges down."""

import numpy as np

from ._matplotlib import axes_and_figure, fitted_estimator, import_pyplot

MIXED = "0.6"


class SingleLinkageDisplay:
    """Draw the single linkage tree of HDBSCAN: at which distance which parts of the data meet.

    Each merge is a bracket over its two parts, at the height of their mutual reachability; parts are as
    wide as they have rows. A bracket has the colour of a cluster when all its rows are in that cluster,
    noise set aside. Only the `max_merges` highest merges are drawn: what lies below is narrower than
    can be seen, for a hundred rows as for a million.

    Parameters
    ----------
    single_linkage_tree : SingleLinkageTree
        ``single_linkage_tree_`` of a fitted :class:`~sklearn_extra_ml.cluster.HDBSCAN`.

    labels : array-like of shape (n_samples,), default=None
        Its ``labels_``. None: no colours.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the tree.

    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    CondensedTreeDisplay : The same without the parts that are too small to be clusters.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.cluster import HDBSCAN
    >>> from sklearn_extra_ml.plotting import SingleLinkageDisplay
    >>> model = HDBSCAN(min_cluster_size=10).fit(load_iris().data)
    >>> display = SingleLinkageDisplay(model.single_linkage_tree_, model.labels_)
    >>> display.to_pandas(max_merges=2)[["size", "label"]]
         size  label
    298   150     -2
    297   100      1
    """

    def __init__(self, single_linkage_tree, labels=None):
        self.single_linkage_tree = single_linkage_tree
        self.labels = labels

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, max_merges=1000):
        """Draw the tree of a fitted estimator.

        Parameters
        ----------
        estimator : HDBSCAN, or a Pipeline that ends in one
            Fitted.

        ax, max_merges
            As in `plot`.

        Returns
        -------
        display : SingleLinkageDisplay
        """
        estimator, _ = fitted_estimator(estimator)
        display = cls(estimator.single_linkage_tree_, estimator.labels_)
        return display.plot(ax, max_merges=max_merges)

    def plot(self, ax=None, *, max_merges=1000):
        """Draw the tree.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.

        max_merges : int, default=1000
            How many merges are drawn, from the top.

        Returns
        -------
        display : SingleLinkageDisplay
            With `ax_` and `figure_`.
        """
        plt = import_pyplot()
        from matplotlib.collections import LineCollection

        table = self._table(max_merges)
        self.ax_, self.figure_ = axes_and_figure(ax)
        height = _finite(table["distance"])
        brackets = np.empty((len(height), 4, 2))
        brackets[:, :2, 0] = table["left_center"][:, None]
        brackets[:, 2:, 0] = table["right_center"][:, None]
        brackets[:, 1:3, 1] = height[:, None]
        brackets[:, 0, 1] = _finite(table["left_distance"], height)
        brackets[:, 3, 1] = _finite(table["right_distance"], height)
        palette = plt.get_cmap("tab10")
        colors = [palette(v % 10) if v >= 0 else MIXED for v in table["label"]]
        self.ax_.add_collection(LineCollection(brackets, colors=colors, linewidths=0.8))
        n = len(self.single_linkage_tree.left) + 1
        top = height.max(initial=0.0) or 1.0
        self.ax_.set(
            xlabel="rows",
            ylabel="distance (mutual reachability)",
            xlim=(-0.02 * n, 1.02 * n),
            ylim=(0.0, 1.05 * top),
        )
        return self

    def to_pandas(self, *, max_merges=1000):
        """Return one line per merge that is drawn, from the top, as a DataFrame.

        Indexed by node. Columns: ``left``, ``right``, ``distance``, ``size`` of the tree, ``label``
        (-1 where the rows are noise, -2 where they are of several clusters), ``left_center``,
        ``right_center`` and ``left_distance``, ``right_distance``: where the two legs stand.
        """
        import pandas as pd

        table = self._table(max_merges)
        return pd.DataFrame(table, index=table.pop("node"))

    def _table(self, max_merges):
        if max_merges < 1:
            raise ValueError(
                f"`max_merges`={max_merges!r} draws nothing. Allowed: 1 or more. Raise it."
            )
        tree = self.single_linkage_tree
        m = len(tree.left)
        n = m + 1
        first = max(0, m - max_merges)
        label = _node_labels(tree, self.labels)
        size = np.concatenate([np.ones(n), tree.size])
        start, center = np.zeros(n + m), size / 2  # of each node that is drawn
        for e in range(m - 1, first - 1, -1):  # intervals, from the top
            left, right = tree.left[e], tree.right[e]
            start[left] = start[n + e]
            start[right] = start[n + e] + size[left]
            center[left], center[right] = (
                start[left] + size[left] / 2,
                start[right] + size[right] / 2,
            )
        for e in range(first, m):  # legs stand on the middle of the bracket below
            center[n + e] = (center[tree.left[e]] + center[tree.right[e]]) / 2
        height = np.concatenate([np.zeros(n), tree.distance])
        height[: n + first] = 0.0  # not drawn: legs go down to the axis
        drawn = np.arange(m - 1, first - 1, -1)
        left, right = tree.left[drawn], tree.right[drawn]
        return {
            "node": n + drawn,
            "left": left,
            "right": right,
            "distance": tree.distance[drawn],
            "size": tree.size[drawn],
            "label": label[n + drawn],
            "left_center": center[left],
            "right_center": center[right],
            "left_distance": height[left],
            "right_distance": height[right],
        }


def _node_labels(tree, labels):
    """Label that all rows of a node share, noise set aside: -1 where all are noise, -2: several."""
    m = len(tree.left)
    n = m + 1
    out = np.full(n + m, -1, dtype=np.intp)
    if labels is None:
        return out
    out[:n] = np.maximum(np.asarray(labels), -1)
    values, left, right = out.tolist(), tree.left.tolist(), tree.right.tolist()
    for e in range(m):
        a, b = values[left[e]], values[right[e]]
        values[n + e] = a if a == b or b == -1 else b if a == -1 else -2
    return np.array(values)


def _finite(distance, among=None):
    """Distances with infinity set a tenth above the largest finite one."""
    finite = distance[np.isfinite(distance)] if among is None else among
    return np.minimum(distance, 1.1 * finite.max(initial=0.0) if among is None else finite.max())
