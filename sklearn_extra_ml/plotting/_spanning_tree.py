"""The minimum spanning tree of HDBSCAN over its rows."""

import numpy as np
from sklearn.utils.validation import check_array

from ._matplotlib import axes_and_figure, fitted_estimator, import_pyplot


class MinimumSpanningTreeDisplay:
    """Draw the minimum spanning tree of HDBSCAN: what holds the data together, and where it is thin.

    Every edge is a line in the colour of its mutual reachability, light edges dark; every row a dot in
    the colour of its cluster, noise grey. Good for some thousands of rows.

    Parameters
    ----------
    minimum_spanning_tree : MinimumSpanningTree
        ``minimum_spanning_tree_`` of a fitted :class:`~sklearn_extra_ml.cluster.HDBSCAN`.

    positions : array-like of shape (n_samples, 2)
        Where each row is drawn. Rows that are not finite are left out.

    labels : array-like of shape (n_samples,), default=None
        Its ``labels_``. None: all rows alike.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the tree.

    figure_ : matplotlib Figure
        Figure of the axes.

    colorbar_ : matplotlib Colorbar
        Legend of the edges.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.cluster import HDBSCAN
    >>> from sklearn_extra_ml.plotting import MinimumSpanningTreeDisplay
    >>> X = load_iris().data
    >>> model = HDBSCAN(min_cluster_size=10).fit(X)
    >>> display = MinimumSpanningTreeDisplay(model.minimum_spanning_tree_, X[:, :2], model.labels_)
    >>> display.to_pandas().columns.tolist()
    ['from', 'to', 'distance', 'x_from', 'y_from', 'x_to', 'y_to']
    """

    def __init__(self, minimum_spanning_tree, positions, labels=None):
        self.minimum_spanning_tree = minimum_spanning_tree
        self.positions = positions
        self.labels = labels

    @classmethod
    def from_estimator(cls, estimator, X, *, ax=None):
        """Draw the tree of a fitted estimator.

        Parameters
        ----------
        estimator : HDBSCAN, or a Pipeline that ends in one
            Fitted.

        X : array-like of shape (n_samples, n_features)
            The rows it was fitted to. More than two features are projected onto their first two
            principal components.

        ax : matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        display : MinimumSpanningTreeDisplay
        """
        estimator, X = fitted_estimator(estimator, X)
        X = check_array(X, ensure_all_finite=False, dtype=np.float64)
        if len(X) != len(estimator.labels_):
            raise ValueError(
                f"X has {len(X)} rows, the estimator was fitted to {len(estimator.labels_)}. "
                "Allowed: the fitted rows. Pass them in the same order."
            )
        return cls(estimator.minimum_spanning_tree_, _in_a_plane(X), estimator.labels_).plot(ax)

    def plot(self, ax=None):
        """Draw the tree.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.

        Returns
        -------
        display : MinimumSpanningTreeDisplay
            With `ax_`, `figure_` and `colorbar_`.
        """
        plt = import_pyplot()
        from matplotlib.collections import LineCollection
        from matplotlib.colors import LogNorm, Normalize

        self.ax_, self.figure_ = axes_and_figure(ax)
        tree, positions = self.minimum_spanning_tree, np.asarray(self.positions, dtype=np.float64)
        order = np.argsort(-tree.weights, kind="stable")  # the light ones on top
        weights = tree.weights[order]
        positive = weights[weights > 0]
        spread = len(positive) and positive.max() > positive.min()
        norm = LogNorm(positive.min(), positive.max(), clip=True) if spread else Normalize(0, 1)
        lines = LineCollection(
            positions[tree.edges[order]], array=weights, cmap="viridis", norm=norm, linewidths=1.0
        )
        self.ax_.add_collection(lines)
        labels = np.full(len(positions), -1) if self.labels is None else np.asarray(self.labels)
        palette = plt.get_cmap("tab10")
        colors = [palette(label % 10) if label >= 0 else "0.6" for label in labels]
        self.ax_.scatter(*positions.T, c=colors, s=9, linewidths=0, zorder=3)
        self.ax_.autoscale_view()
        self.colorbar_ = self.figure_.colorbar(lines, ax=self.ax_, label="mutual reachability")
        return self

    def to_pandas(self):
        """Return one line per edge as a DataFrame: its rows, its distance, and where it is drawn."""
        tree, positions = self.minimum_spanning_tree, np.asarray(self.positions)
        ends = positions[tree.edges]
        return tree.to_pandas().assign(
            x_from=ends[:, 0, 0], y_from=ends[:, 0, 1], x_to=ends[:, 1, 0], y_to=ends[:, 1, 1]
        )


def _in_a_plane(X):
    """The rows themselves, or their first two principal components; NaN for rows not finite."""
    if X.shape[1] == 1:
        return np.column_stack([X, np.zeros(len(X))])
    if X.shape[1] == 2:
        return X
    finite = np.isfinite(X).all(axis=1)
    centred = X[finite] - X[finite].mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, :-3:-1]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    out = np.full((len(X), 2), np.nan)
    out[finite] = centred @ axes
    return out
