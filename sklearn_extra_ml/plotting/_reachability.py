"""The sorted k-distance curve: which distance tells dense rows from sparse ones."""

import numpy as np
from sklearn.utils.validation import check_array

from .._core._all_pairs import all_pairs_core_distances, matrix_core_distances
from .._core._distances import Metric
from .._core._spatial import SpatialIndex
from ._matplotlib import axes_and_figure, fitted_estimator, import_pyplot


class ReachabilityDisplay:
    """Draw the distance of every row to its `min_samples`-th nearest row, sorted.

    Rows left of a value of `eps` on the curve are core samples of DBSCAN at that `eps`; the flat part
    is the density of the clusters, the steep end is noise. A good `eps` lies where the curve bends, the
    *knee* (Ester et al. 1996, section 4.2). For HDBSCAN it shows how many densities there are.

    Parameters
    ----------
    core_distances : array-like of shape (n_samples,)
        ``core_distances_`` of a fitted :class:`~sklearn_extra_ml.cluster.HDBSCAN`, or any k-distances.
        Values that are not finite are left out.

    eps : float, default=None
        A distance to mark.

    Attributes
    ----------
    knee : float
        The distance at which the curve lies farthest below the straight line between its ends.

    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure of the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.plotting import ReachabilityDisplay
    >>> display = ReachabilityDisplay.from_rows(load_iris().data, min_samples=5)
    >>> round(display.knee, 2)
    0.52
    """

    def __init__(self, core_distances, eps=None):
        self.core_distances = core_distances
        self.eps = eps
        self.knee = _knee(self._sorted()[1])

    @classmethod
    def from_rows(cls, X, *, min_samples=5, metric="euclidean", metric_params=None, n_jobs=None):
        """Measure rows, without fitting anything and without drawing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or (n_samples, n_samples)
            Rows, or their distances if ``metric="precomputed"``.

        min_samples : int, default=5
            Which neighbour, the row itself counted.

        metric, metric_params, n_jobs
            As in :class:`~sklearn_extra_ml.cluster.HDBSCAN`.

        Returns
        -------
        display : ReachabilityDisplay
            Call `plot` to draw it; `knee` is a suggestion for `eps`.
        """
        X = check_array(X, dtype=[np.float64, np.float32])
        if not 1 <= min_samples <= len(X):
            raise ValueError(
                f"`min_samples`={min_samples!r} does not fit n_samples={len(X)}. Allowed: 1 to "
                f"{len(X)}. Lower it or pass more rows."
            )
        return cls(_core_distances(X, min_samples, metric, metric_params, n_jobs))

    @classmethod
    def from_estimator(cls, estimator, X=None, *, ax=None):
        """Draw the curve of a fitted estimator.

        Parameters
        ----------
        estimator : HDBSCAN or DBSCAN, or a Pipeline that ends in one
            Fitted. HDBSCAN knows its core distances; for DBSCAN `X` is measured, and its `eps` marked.

        X : array-like of shape (n_samples, n_features), default=None
            The rows of DBSCAN.

        ax : matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        display : ReachabilityDisplay
        """
        estimator, X = fitted_estimator(estimator, X)
        if hasattr(estimator, "core_distances_"):
            return cls(estimator.core_distances_).plot(ax)
        if X is None:
            raise ValueError(
                f"{type(estimator).__name__} keeps no core distances. Allowed: `X`, the rows it was "
                "fitted to. Pass them."
            )
        params = dict(estimator.metric_params or {})
        if estimator.metric == "minkowski":
            params.setdefault("p", 2 if estimator.p is None else estimator.p)
        display = cls.from_rows(
            X,
            min_samples=estimator.min_samples,
            metric=estimator.metric,
            metric_params=params,
            n_jobs=estimator.n_jobs,
        )
        return cls(display.core_distances, estimator.eps).plot(ax)

    def plot(self, ax=None):
        """Draw the curve, its knee and `eps`.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.

        Returns
        -------
        display : ReachabilityDisplay
            With `ax_` and `figure_`.
        """
        import_pyplot()
        self.ax_, self.figure_ = axes_and_figure(ax)
        _, distances = self._sorted()
        share = np.arange(1, len(distances) + 1) / max(len(distances), 1)
        self.ax_.plot(share, distances, color="C0")
        self.ax_.axhline(self.knee, color="0.5", ls=":", label=f"knee: {self.knee:.3g}")
        if self.eps is not None:
            inside = np.mean(distances <= self.eps)
            name = f"eps = {self.eps:.3g}: {inside:.0%} core samples"
            self.ax_.axhline(self.eps, color="C3", ls="--", label=name)
        self.ax_.set(xlabel="share of rows", ylabel="core distance", xlim=(0, 1))
        self.ax_.legend(loc="upper left")
        return self

    def to_pandas(self):
        """Return the curve as a DataFrame: ``row``, ``core_distance``, ascending."""
        import pandas as pd

        rows, distances = self._sorted()
        return pd.DataFrame({"row": rows, "core_distance": distances})

    def _sorted(self):
        distances = np.asarray(self.core_distances, dtype=np.float64)
        rows = np.flatnonzero(np.isfinite(distances))
        rows = rows[np.argsort(distances[rows], kind="stable")]
        return rows, distances[rows]


def _knee(distances):
    if len(distances) == 0:
        return np.nan
    line = np.linspace(distances[0], distances[-1], len(distances))
    return float(distances[np.argmax(line - distances)])


def _core_distances(X, min_samples, metric, metric_params, n_jobs):
    if metric == "precomputed":
        return matrix_core_distances(X, min_samples)
    metric = Metric(metric, metric_params, X, n_jobs)
    rows = metric.embed(X, keep_float32=metric.tree_name is not None)
    if metric.tree_name is None:
        return all_pairs_core_distances(metric, rows, min_samples)
    index = SpatialIndex(rows, metric=metric.tree_name, p=metric.p, n_threads=metric.n_threads)
    return metric.from_tree(index.knn(min_samples).distances[:, -1].astype(np.float64))
