"""The condensed tree of HDBSCAN as an icicle plot."""

import numpy as np

from ._matplotlib import axes_and_figure, fitted_estimator, import_pyplot

MAX_STEPS = 200  # outline points of one cluster: more cannot be seen
ABOVE, EDGE_ABOVE = "0.8", "0.55"


class CondensedTreeDisplay:
    """Draw the cluster tree of HDBSCAN: how clusters split and shrink as density rises.

    Every cluster is an icicle that hangs from its parent. It begins at the density at which the
    cluster splits off, is as wide as it has rows at each density, and ends where it splits again or
    its last rows leave; its area is its stability. Clusters that were selected have a colour and
    their label, clusters inside them the same colour but lighter, what lies above them is grey.

    Parameters
    ----------
    condensed_tree : CondensedTree
        ``condensed_tree_`` of a fitted :class:`~sklearn_extra_ml.cluster.HDBSCAN`.

    selected_clusters : array-like of shape (n_clusters,)
        Its ``selected_clusters_``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the tree.

    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    sklearn_extra_ml.cluster.HDBSCAN : The estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.cluster import HDBSCAN
    >>> from sklearn_extra_ml.plotting import CondensedTreeDisplay
    >>> model = HDBSCAN(min_cluster_size=10).fit(load_iris().data)
    >>> display = CondensedTreeDisplay.from_estimator(model)
    >>> display.to_pandas()[["parent", "label", "size"]].head(3)
       parent  label  size
    0      -1     -1   150
    1       0      0    50
    2       0      1   100
    """

    def __init__(self, condensed_tree, selected_clusters):
        self.condensed_tree = condensed_tree
        self.selected_clusters = selected_clusters

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, scale="density", show_labels=True):
        """Draw the tree of a fitted estimator.

        Parameters
        ----------
        estimator : HDBSCAN, or a Pipeline that ends in one
            Fitted.

        ax, scale, show_labels
            As in `plot`.

        Returns
        -------
        display : CondensedTreeDisplay
        """
        estimator, _ = fitted_estimator(estimator)
        display = cls(estimator.condensed_tree_, estimator.selected_clusters_)
        return display.plot(ax, scale=scale, show_labels=show_labels)

    def plot(self, ax=None, *, scale="density", show_labels=True):
        """Draw the tree.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.

        scale : {"density", "distance"}, default="density"
            Vertical axis: 1 / distance, downwards, on which areas are stabilities; or the distance
            itself, upwards, on a logarithmic axis, for densities of very different sizes.

        show_labels : bool, default=True
            Whether to write the label on each selected cluster.

        Returns
        -------
        display : CondensedTreeDisplay
            With `ax_` and `figure_`.
        """
        if scale not in ("density", "distance"):
            raise ValueError(
                f"`scale`={scale!r} is not known. Allowed: 'density', 'distance'. Choose one."
            )
        plt = import_pyplot()
        from matplotlib.collections import PolyCollection

        self.ax_, self.figure_ = axes_and_figure(ax)
        tree = self.condensed_tree
        heights = _Heights(tree, scale)
        center, label = _centers(tree), self._labels()
        outlines = _outlines(tree, center, heights)
        palette = plt.get_cmap("tab10")
        selected = np.isin(np.arange(len(tree.parent)), self.selected_clusters)
        colors = [
            palette(value % 10, 1.0 if chosen else 0.45) if value >= 0 else ABOVE
            for value, chosen in zip(label, selected, strict=True)
        ]
        # A thin edge keeps clusters visible that are narrower than a pixel.
        edges = [
            color if value >= 0 else EDGE_ABOVE for color, value in zip(colors, label, strict=True)
        ]
        icicles = PolyCollection(outlines, facecolors=colors, edgecolors=edges, linewidths=0.4)
        self.ax_.add_collection(icicles)
        if show_labels:
            for value, cluster in enumerate(self.selected_clusters):
                self.ax_.annotate(
                    str(value),
                    (center[cluster], heights.of(tree.birth[cluster : cluster + 1])[0]),
                    xytext=(0, 2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize=8,
                )
        heights.set_axis(self.ax_)
        self.ax_.set(xlabel="rows", xlim=(-0.02 * tree.size[0], 1.02 * tree.size[0]))
        return self

    def to_pandas(self):
        """Return one line per cluster: what is drawn, as a DataFrame indexed by cluster.

        Columns: ``parent``, ``label`` (-1: not selected), ``size``, ``birth`` and ``death``
        (distances), ``stability``, and ``center``, its place on the horizontal axis, in rows.
        """
        import pandas as pd

        tree = self.condensed_tree
        label = np.full(len(tree.parent), -1)
        label[self.selected_clusters] = np.arange(len(self.selected_clusters))
        return pd.DataFrame(
            {
                "parent": tree.parent,
                "label": label,
                "size": tree.size,
                "birth": tree.birth,
                "death": tree.death,
                "stability": tree.stability,
                "center": _centers(tree),
            }
        )

    def _labels(self):
        """Label of the selected cluster that each cluster is or lies in, -1 for none."""
        label = np.full(len(self.condensed_tree.parent), -1)
        label[self.selected_clusters] = np.arange(len(self.selected_clusters))
        for cluster, parent in enumerate(self.condensed_tree.parent):
            if parent >= 0 and label[cluster] < 0:
                label[cluster] = label[parent]
        return label


class _Heights:
    """Levels (distances) as heights of the plot; equal rows and infinity get a finite place."""

    def __init__(self, tree, scale):
        self.scale = scale
        levels = np.concatenate([tree.row_level, tree.birth])
        usual = levels[(levels > 1e-250) & np.isfinite(levels)]
        self.lowest, self.highest = (usual.min(), usual.max()) if len(usual) else (1.0, 1.0)

    def of(self, levels):
        if self.scale == "distance":
            return np.clip(levels, self.lowest / 1.5, self.highest * 1.2)
        return np.minimum(1.0 / levels, 1.2 / self.lowest)

    def set_axis(self, ax):
        if self.scale == "distance":
            ax.set(
                yscale="log",
                ylabel="distance (mutual reachability)",
                ylim=(self.lowest / 1.6, self.highest * 1.3),
            )
        else:
            ax.set(ylabel="density (1 / distance)", ylim=(1.25 / self.lowest, 0.0))


def _centers(tree):
    """Horizontal middle of each cluster: children stand side by side under the parent's middle."""
    center = np.zeros(len(tree.parent))
    center[0] = tree.size[0] / 2
    below, used = np.zeros(len(center)), np.zeros(len(center))
    np.add.at(below, tree.parent[1:], tree.size[1:])
    for cluster in range(1, len(center)):
        parent = tree.parent[cluster]
        left = center[parent] - below[parent] / 2 + used[parent]
        center[cluster] = left + tree.size[cluster] / 2
        used[parent] += tree.size[cluster]
    return center


def _outlines(tree, center, heights):
    """One closed polygon for each cluster, as wide as the rows that are left at each height."""
    order = np.lexsort((-tree.row_level, tree.row_cluster))
    ends = np.searchsorted(tree.row_cluster[order], np.arange(len(center) + 1))
    outlines = []
    for cluster, size in enumerate(tree.size):
        levels = tree.row_level[order[ends[cluster] : ends[cluster + 1]]]
        steps = (
            np.unique(np.linspace(0, len(levels) - 1, MAX_STEPS).astype(int)) if len(levels) else []
        )
        levels, left = levels[steps], size - np.asarray(steps, dtype=float) - 1
        levels = np.concatenate([tree.birth[[cluster]], levels, tree.death[[cluster]]])
        width = np.concatenate([[size], left]) / 2
        y = np.repeat(heights.of(levels), 2)[1:-1]
        x = np.repeat(width, 2)
        outlines.append(
            np.column_stack(
                [np.append(center[cluster] + x, (center[cluster] - x)[::-1]), np.append(y, y[::-1])]
            )
        )
    return outlines
