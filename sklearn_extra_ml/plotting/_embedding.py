"""A map of points, with labels and density, and beside it how the divergence fell."""

import numpy as np

from ._matplotlib import fitted_estimator, import_pyplot

_MANY = 20  # so many classes get a legend; more, or numbers, a colour bar


class EmbeddingDisplay:
    """Draw the map of :class:`~sklearn_extra_ml.manifold.TSNE`, or any points of the plane.

    Left, the points, coloured by label where there are labels; with `density` the shape of the
    crowd shows where points cover each other. Right, the Kullback-Leibler divergence over the
    iterations.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, 2)
        The points.

    labels : array-like of shape (n_samples,), default=None
        Class or number of each point; points whose label is missing (None, NaN) are grey.

    kl_history : ndarray of shape (n_checks, 2), default=None
        Iteration and divergence.

    label_name : str, default="label"
        Title of legend or colour bar.

    Attributes
    ----------
    ax_ : matplotlib Axes or ndarray of two Axes
        The axes drawn to.

    figure_ : matplotlib Figure
        Figure of the axes.

    points_ : list of matplotlib PathCollection
        The points, one collection for each class.

    density_ : matplotlib AxesImage or None
        The density behind the points.

    curve_ : matplotlib Line2D or None
        The divergence, when it was drawn.

    See Also
    --------
    sklearn_extra_ml.manifold.TSNE : The estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.manifold import TSNE
    >>> from sklearn_extra_ml.plotting import EmbeddingDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = EmbeddingDisplay.from_estimator(TSNE(random_state=0).fit(X), labels=y)
    >>> len(display.points_)
    3
    """

    def __init__(self, embedding, labels=None, kl_history=None, label_name="label"):
        self.embedding, self.labels = embedding, labels
        self.kl_history, self.label_name = kl_history, label_name

    @classmethod
    def from_estimator(cls, estimator, *, labels=None, ax=None, **kwargs):
        """Draw the map of a fitted estimator.

        Parameters
        ----------
        estimator : TSNE, or a Pipeline that ends in one
            Fitted, with two components.

        labels : array-like of shape (n_samples,), default=None
            Class or number of each row of the fit.

        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ValueError
            When the map is not two-dimensional, or `labels` has another length.
        """
        estimator, _ = fitted_estimator(estimator)
        name = str(getattr(labels, "name", None) or "label")
        return cls.from_embedding(
            estimator.embedding_,
            labels=labels,
            kl_history=getattr(estimator, "kl_history_", None),
            label_name=name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_embedding(
        cls, embedding, *, labels=None, kl_history=None, label_name="label", ax=None, **kwargs
    ):
        """Draw points of the plane.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, 2)
            The points.

        labels, kl_history, label_name
            As in the class.

        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : EmbeddingDisplay
        """
        embedding = np.asarray(embedding)
        if embedding.ndim != 2 or embedding.shape[1] != 2:
            raise ValueError(
                f"embedding has shape {embedding.shape}. Allowed: (n_samples, 2). "
                "Fit with n_components=2, or pass two of the columns."
            )
        if labels is not None:
            labels = np.asarray(labels)
            if labels.shape != (len(embedding),):
                raise ValueError(
                    f"labels has shape {labels.shape}, but there are {len(embedding)} points. "
                    "Pass one label for each point."
                )
        return cls(embedding, labels, kl_history, label_name).plot(ax, **kwargs)

    def plot(self, ax=None, *, density=False, scatter_kwargs=None, curve_kwargs=None):
        """Draw the points, and beside them the divergence.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two, default=None
            Two: points and divergence; one: points only; None: a new figure, with both where a
            history is known.

        density : bool, default=False
            Shade the plane by the number of points (logarithm, smoothed).

        scatter_kwargs, curve_kwargs : dict, default=None
            For ``Axes.scatter`` and ``Axes.plot``.

        Returns
        -------
        display : EmbeddingDisplay
            With `ax_` and `figure_`.
        """
        known = self.kl_history is not None and len(self.kl_history)
        ours = ax is None
        if ax is None and known:
            _, ax = import_pyplot().subplots(
                1, 2, figsize=(10, 6), width_ratios=(3, 1.6), layout="constrained"
            )
        elif ax is None:
            _, ax = import_pyplot().subplots(figsize=(6.5, 6), layout="constrained")
        axes = np.ravel(np.asarray(ax, dtype=object))
        self.ax_, self.figure_ = ax, axes[0].figure
        self.density_ = self._plot_density(axes[0]) if density else None
        self._plot_points(axes[0], scatter_kwargs or {}, legend_outside=ours)
        self.curve_ = None
        if len(axes) > 1 and known:
            iterations, kl = np.asarray(self.kl_history).T
            style = {"marker": ".", "color": "C0"} | (curve_kwargs or {})
            (self.curve_,) = axes[1].plot(iterations, kl, **style)
            axes[1].set_xlabel("iteration")
            axes[1].set_ylabel("Kullback-Leibler divergence [nats]")
            axes[1].grid(alpha=0.3)
        return self

    def _plot_points(self, ax, scatter_kwargs, legend_outside):
        x, y = self.embedding.T
        size = float(np.clip(20_000 / max(len(x), 1), 0.3, 18))
        base = {"s": size, "linewidths": 0}
        self.points_ = []
        if self.labels is None:
            self.points_ = [ax.scatter(x, y, **base | {"c": "C0"} | scatter_kwargs)]
        else:
            missing = _is_missing(self.labels)
            if missing.any():
                style = base | {"color": "0.8", "label": "missing"} | scatter_kwargs
                self.points_ = [ax.scatter(x[missing], y[missing], **style)]
            known = np.flatnonzero(~missing)
            self._plot_labelled(ax, known, base, size, scatter_kwargs, legend_outside)
        ax.set_aspect("equal")
        ax.set_xticks([])
        ax.set_yticks([])

    def _plot_labelled(self, ax, known, base, size, scatter_kwargs, legend_outside):
        """Draw the points whose label is known, with a colour bar or a legend."""
        (x, y), labels = self.embedding[known].T, self.labels[known]
        classes = np.unique(labels)
        if len(classes) > _MANY and np.issubdtype(labels.dtype, np.number):
            points = ax.scatter(x, y, **base | {"c": labels} | scatter_kwargs)
            self.figure_.colorbar(points, ax=ax, label=self.label_name, shrink=0.7)
            self.points_.append(points)
        else:
            palette = import_pyplot().get_cmap("tab10" if len(classes) <= 10 else "tab20")
            for k, name in enumerate(classes):
                own = labels == name
                style = base | {"color": palette(k % palette.N), "label": str(name)}
                self.points_.append(ax.scatter(x[own], y[own], **style | scatter_kwargs))
            if len(classes) <= _MANY:
                # Our figures keep room for what stands outside; the caller's axes may not.
                where = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if legend_outside else {}
                scale = max(1.0, 5 / size**0.5)
                legend = ax.legend(title=self.label_name, markerscale=scale, **where)
                for handle in legend.legend_handles:
                    handle.set_alpha(1)

    def _plot_density(self, ax, n_cells=200):
        from scipy.ndimage import gaussian_filter

        low, high = self.embedding.min(axis=0), self.embedding.max(axis=0)
        margin = 0.03 * (high - low)
        limits = np.stack((low - margin, high + margin), axis=1)  # so that no point is cut
        counts, x, y = np.histogram2d(*self.embedding.T, bins=n_cells, range=limits)
        smooth = np.log1p(gaussian_filter(counts, 1.5))
        return ax.imshow(
            smooth.T, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), cmap="Greys", alpha=0.6
        )


def _is_missing(labels):
    """Mask of labels that are None or not a number (or pandas' marks of the same)."""
    if labels.dtype.kind == "O":
        return np.array([v is None or str(v) in ("nan", "NaT", "<NA>") for v in labels], dtype=bool)
    return labels != labels
