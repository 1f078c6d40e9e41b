"""Gaussian components as ellipses, in two features or on the discriminant axes."""

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_array, check_is_fitted

from ._matplotlib import import_pyplot

_ANGLE = np.linspace(0.0, 2.0 * np.pi, 181)


class GaussianEllipseDisplay:
    """Draw Gaussian components as the ellipses that hold given shares of their probability.

    For :class:`~sklearn_extra_ml.discriminant_analysis.GaussianDiscriminantAnalysis`, and for other
    estimators with `means_` and `covariances_`, such as
    :class:`sklearn.mixture.GaussianMixture`.

    Parameters
    ----------
    means : ndarray of shape (n_components, 2)
        Centres of the ellipses.

    covariances : ndarray of shape (n_components, 2, 2)
        Their covariances.

    labels : sequence of length n_components
        Names of the components.

    axis_names : tuple of two str, default=("feature 0", "feature 1")
        Names of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn to.

    figure_ : matplotlib Figure
        Figure of the axes.

    ellipses_ : list of lists of matplotlib Line2D
        For each component one line for each level.

    points_ : list of matplotlib PathCollection
        The rows of each component; empty when none were given.

    See Also
    --------
    sklearn_extra_ml.discriminant_analysis.GaussianDiscriminantAnalysis : The estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis
    >>> from sklearn_extra_ml.plotting import GaussianEllipseDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> gda = GaussianDiscriminantAnalysis().fit(X, y)
    >>> display = GaussianEllipseDisplay.from_estimator(gda, X, y)
    >>> len(display.ellipses_)
    3
    """

    def __init__(self, means, covariances, labels, axis_names=("feature 0", "feature 1")):
        self.means, self.covariances, self.labels = means, covariances, labels
        self.axis_names = axis_names

    @classmethod
    def from_estimator(cls, estimator, X=None, y=None, *, features=None, ax=None, **kwargs):
        """Draw the components of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted, with `means_` and `covariances_`.

        X : array-like of shape (n_samples, n_features), default=None
            Rows to draw among the ellipses.

        y : array-like of shape (n_samples,), default=None
            Class of each row; None: as the estimator predicts.

        features : pair of int or str, or "discriminant", default=None
            Which two features span the picture: ellipses are the marginal distributions.
            "discriminant": the first two discriminant axes, for estimators with `scalings_`. None:
            the two features if there are two; else the discriminant axes where there are two of
            them; else the first two features.

        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : GaussianEllipseDisplay

        Raises
        ------
        ValueError
            If `features` names no two features or axes.
        """
        check_is_fitted(estimator)
        means = np.asarray(estimator.means_)
        if means.shape[1] < 2:
            raise ValueError("An ellipse needs 2 features, but the estimator was fitted on 1.")
        center, basis, names = _plane(estimator, features)
        covariances = np.einsum("ia,kij,jb->kab", basis, _dense_covariances(estimator), basis)
        labels = getattr(estimator, "classes_", np.arange(len(means)))
        display = cls((means - center) @ basis, covariances, labels, names)
        rows = components = None
        if X is not None:
            if y is None:
                y = estimator.predict(X)
            rows = (check_array(X, dtype=np.float64) - center) @ basis
            check_consistent_length(rows, y)
            components = np.asarray(y)
        return display.plot(ax, rows=rows, components=components, **kwargs)

    def plot(
        self,
        ax=None,
        *,
        rows=None,
        components=None,
        levels=(0.5, 0.95),
        ellipse_kwargs=None,
        point_kwargs=None,
    ):
        """Draw the ellipses, and rows among them.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None: new ones.

        rows : array-like of shape (n_samples, 2), default=None
            Rows in the coordinates of the picture.

        components : array-like of shape (n_samples,), default=None
            Label of the component of each row.

        levels : sequence of float in (0, 1), default=(0.5, 0.95)
            Shares of a component's probability that its ellipses hold.

        ellipse_kwargs : dict, default=None
            For ``Axes.plot``.

        point_kwargs : dict, default=None
            For ``Axes.scatter``.

        Returns
        -------
        display : GaussianEllipseDisplay
            With `ax_` and `figure_`.
        """
        if not all(0 < level < 1 for level in levels):
            raise ValueError(f"`levels`={levels!r} are shares. Allowed: between 0 and 1.")
        if ax is None:
            _, ax = import_pyplot().subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.ellipses_, self.points_ = [], []
        circle = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)])
        for k, label in enumerate(self.labels):
            color = f"C{k % 10}"
            if rows is not None:
                mine = np.asarray(rows)[np.asarray(components) == label]
                style = {"s": 12, "alpha": 0.6, "linewidths": 0} | (point_kwargs or {})
                self.points_.append(ax.scatter(*mine.T, color=color, **style))
            values, vectors = np.linalg.eigh(self.covariances[k])
            outline = vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * circle)
            lines = []
            for at, level in enumerate(levels):
                # A share p of a Gaussian in the plane lies within sqrt(-2 log(1 - p)).
                x, y = self.means[k][:, None] + np.sqrt(-2.0 * np.log1p(-level)) * outline
                style = {"color": color, "label": str(label) if at == 0 else None}
                lines += ax.plot(x, y, **style | (ellipse_kwargs or {}))
            self.ellipses_.append(lines)
        ax.set_xlabel(self.axis_names[0])
        ax.set_ylabel(self.axis_names[1])
        ax.legend()
        return self


def _dense_covariances(estimator):
    """Covariance matrices (n_components, n_features, n_features) from public attributes."""
    found = np.asarray(estimator.covariances_)
    kind = getattr(estimator, "covariance", None) or estimator.covariance_type
    n_components, n_features = estimator.means_.shape
    if kind in ("full", "tied"):
        return np.broadcast_to(found, (n_components, n_features, n_features))
    if kind == "spherical":
        found = found[:, None]
    return np.broadcast_to(found, (n_components, n_features))[:, :, None] * np.eye(n_features)


def _plane(estimator, features):
    """Return origin (n_features,), basis (n_features, 2) and names of the axes."""
    n_features = estimator.means_.shape[1]
    n_axes = getattr(estimator, "scalings_", np.empty((0, 0))).shape[1]
    if features is None:
        features = "discriminant" if n_features > 2 and n_axes > 1 else (0, 1)
    if isinstance(features, str):
        if features != "discriminant" or n_axes < 2:
            raise ValueError(
                f"`features`={features!r} with {n_axes} discriminant axes. Allowed: a pair of "
                "features, or 'discriminant' where the estimator has two axes (three classes)."
            )
        names = ("first discriminant axis", "second discriminant axis")
        return estimator.xbar_, estimator.scalings_[:, :2], names
    known = list(getattr(estimator, "feature_names_in_", ()))
    index = [known.index(f) if f in known else f for f in features]
    if len(index) != 2 or not all(f in range(n_features) for f in index):
        raise ValueError(
            f"`features`={features!r}. Allowed: two of the {n_features} features, by index or by "
            "the name that the estimator saw."
        )
    names = tuple(known[f] if known else f"feature {f}" for f in index)
    return np.zeros(n_features), np.eye(n_features)[:, index], names
