"""What a deep estimator has learnt: its loss, what it restores, and where rows lie in its code."""

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from ._matplotlib import axes_and_figure, import_pyplot

_MISSING = "#9ecae1"  # pixels that are NaN


class LossCurveDisplay:
    """Draw the loss of each epoch of a deep estimator.

    Parameters
    ----------
    history : dict of lists
        ``history_`` of the estimator: "loss", and "validation_loss" if there is one.

    best_iter : int, default=None
        Epoch (the first is 1) whose weights were kept, marked by a point.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn to.

    figure_ : matplotlib Figure
        Figure of the axes.

    lines_ : list of matplotlib Line2D
        Training loss, and validation loss if there is one.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.neural_network import AutoEncoder
    >>> from sklearn_extra_ml.plotting import LossCurveDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> model = AutoEncoder(max_iter=5, early_stopping=True, random_state=0).fit(X)
    >>> len(LossCurveDisplay.from_estimator(model).lines_)
    2
    """

    def __init__(self, history, best_iter=None):
        self.history, self.best_iter = history, best_iter

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the loss of a fitted estimator.

        Parameters
        ----------
        estimator : AutoEncoder, AutoEncoderDetector, VAE, ...
            Fitted.

        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : LossCurveDisplay
        """
        check_is_fitted(estimator)
        valid = np.asarray(estimator.history_.get("validation_loss", []))
        best = int(np.nanargmin(valid)) + 1 if np.isfinite(valid).any() else None
        return cls(estimator.history_, best).plot(ax, **kwargs)

    def plot(self, ax=None, *, log=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.

        log : bool, default=None
            Logarithmic vertical axis; None: if every loss is positive.

        **kwargs : dict
            For ``Axes.plot``.

        Returns
        -------
        display : LossCurveDisplay
            With `ax_` and `figure_`.
        """
        self.ax_, self.figure_ = axes_and_figure(ax)
        self.lines_ = []
        names = {"loss": "training", "validation_loss": "validation"}
        for name, label in names.items():
            if name in self.history:
                loss = np.asarray(self.history[name])
                epochs = np.arange(1, len(loss) + 1)
                self.lines_ += self.ax_.plot(epochs, loss, **{"label": label} | kwargs)
        if self.best_iter is not None:
            best = self.history["validation_loss"][self.best_iter - 1]
            color = self.lines_[-1].get_color()
            self.ax_.plot(self.best_iter, best, "o", color=color, label="weights kept")
        drawn = np.concatenate([line.get_ydata() for line in self.lines_])
        if np.all(drawn > 0) if log is None else log:
            self.ax_.set_yscale("log")
        self.ax_.set(xlabel="epoch", ylabel="loss")
        if len(self.lines_) > 1:
            self.ax_.legend()
        return self


class ReconstructionDisplay:
    """Draw rows beside what an autoencoder restores of them.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        The rows.

    X_restored : ndarray of shape (n_rows, n_features)
        Their reconstructions.

    image_shape : tuple of (channels, height, width), default=None
        How a row becomes an image; None: rows are drawn as lines over the features.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Of shape (2, n_rows) for images: rows above, reconstructions below; (n_rows,) for lines.

    figure_ : matplotlib Figure
        Figure of the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_extra_ml.neural_network import AutoEncoder
    >>> from sklearn_extra_ml.plotting import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = AutoEncoder(max_iter=5, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(model, X[:6], image_shape=(1, 8, 8))
    >>> display.axes_.shape
    (2, 6)
    """

    def __init__(self, X, X_restored, image_shape=None):
        self.X, self.X_restored, self.image_shape = X, X_restored, image_shape

    @classmethod
    def from_estimator(cls, estimator, X, *, X_original=None, image_shape=None, **kwargs):
        """Draw what a fitted estimator's `predict` makes of rows.

        Parameters
        ----------
        estimator : AutoEncoder or VAE
            Fitted.

        X : array-like of shape (n_rows, n_features)
            Rows to restore: a handful.

        X_original : array-like of shape (n_rows, n_features), default=None
            What `X` was before it was corrupted: a third row of images shows it.

        image_shape : tuple of (channels, height, width), default=None
            None: the estimator's `image_shape`.

        **kwargs
            As in `plot`.

        Returns
        -------
        display : ReconstructionDisplay
        """
        check_is_fitted(estimator)
        restored = np.asarray(estimator.predict(X))
        shape = estimator.image_shape if image_shape is None else image_shape
        display = cls(check_array(X, ensure_all_finite="allow-nan"), restored, shape)
        display.X_original = None if X_original is None else check_array(X_original)
        return display.plot(**kwargs)

    X_original = None

    def plot(self, axes=None, *, cmap="gray_r"):
        """Draw the rows.

        Parameters
        ----------
        axes : array of matplotlib Axes, default=None
            As many as `axes_` says; None: a new figure.

        cmap : str or Colormap, default="gray_r"
            Of images with one channel.

        Returns
        -------
        display : ReconstructionDisplay
            With `axes_` and `figure_`.
        """
        n = len(self.X)
        rows = {"given": self.X, "restored": self.X_restored}
        if self.X_original is not None:
            rows = {"original": self.X_original} | rows
        if axes is None:
            plt = import_pyplot()
            n_lines = len(rows) if self.image_shape is not None else n
            size = (0.9 * n + 0.8, 0.95 * n_lines) if self.image_shape is not None else (6, 1.4 * n)
            columns = n if self.image_shape is not None else 1
            _, axes = plt.subplots(
                n_lines, columns, figsize=size, squeeze=False, layout="constrained"
            )
        axes = np.asarray(axes, dtype=object)
        if self.image_shape is None:
            self.axes_ = axes.ravel()
            self._plot_lines(rows)
        else:
            self.axes_ = axes.reshape(len(rows), n)
            self._plot_images(rows, cmap)
        self.figure_ = self.axes_.flat[0].figure
        return self

    def _plot_lines(self, rows):
        for i, ax in enumerate(self.axes_):
            for name, X in rows.items():
                ax.plot(X[i], label=name, linewidth=1.2)
        self.axes_[0].legend()
        self.axes_[-1].set_xlabel("feature")

    def _plot_images(self, rows, cmap):
        clean = self.X if self.X_original is None else self.X_original
        low, high = float(np.nanmin(clean)), float(np.nanmax(clean))
        for line, (name, X) in zip(self.axes_, rows.items(), strict=True):
            for ax, row in zip(line, X, strict=True):
                image = np.moveaxis(row.reshape(self.image_shape), 0, -1)
                if image.shape[-1] == 1:
                    ax.imshow(image[..., 0], cmap=cmap, vmin=low, vmax=high)
                    ax.set_facecolor(_MISSING)
                else:
                    ax.imshow(np.clip((image - low) / ((high - low) or 1.0), 0, 1))
                ax.set(xticks=[], yticks=[])
            line[0].set_ylabel(name)


class LatentSpaceDisplay:
    """Scatter the rows by two numbers of their code.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_components)
        Codes.

    y : ndarray of shape (n_rows,), default=None
        Label or number of each row, for its colour.

    names : sequence of str, default=None
        Of the components.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn to.

    figure_ : matplotlib Figure
        Figure of the axes.

    scatter_ : list of matplotlib PathCollection
        One for each label, or one.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_extra_ml.neural_network import AutoEncoder
    >>> from sklearn_extra_ml.plotting import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = AutoEncoder(max_iter=5, random_state=0).fit(X)
    >>> len(LatentSpaceDisplay.from_estimator(model, X, y).scatter_)
    10
    """

    def __init__(self, Z, y=None, names=None):
        self.Z, self.y, self.names = Z, y, names

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **kwargs):
        """Draw the codes that a fitted estimator's `transform` gives.

        Parameters
        ----------
        estimator : AutoEncoder or VAE
            Fitted, with two components or more.

        X : array-like of shape (n_rows, n_features)
            Rows.

        y : array-like of shape (n_rows,), default=None
            Label or number of each row.

        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        check_is_fitted(estimator)
        Z = np.asarray(estimator.transform(X))
        if y is not None:
            y = column_or_1d(y)
            check_consistent_length(Z, y)
        return cls(Z, y, list(estimator.get_feature_names_out())).plot(ax, **kwargs)

    def plot(self, ax=None, *, components=(0, 1), **kwargs):
        """Draw the codes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.

        components : tuple of two int, default=(0, 1)
            Which numbers of the code.

        **kwargs : dict
            For ``Axes.scatter``.

        Returns
        -------
        display : LatentSpaceDisplay
            With `ax_` and `figure_`.

        Raises
        ------
        ValueError
            When the code has no such components.
        """
        i, j = components
        if max(i, j) >= self.Z.shape[1]:
            raise ValueError(
                f"`components`={tuple(components)} of a code of {self.Z.shape[1]}. Allowed: two of 0 "
                f"to {self.Z.shape[1] - 1}. Fit with `n_components` of 2 or more."
            )
        self.ax_, self.figure_ = axes_and_figure(ax)
        style = {"s": 10, "linewidths": 0} | kwargs
        labels = None if self.y is None else np.unique(self.y)
        continuous = labels is not None and labels.dtype.kind == "f" and len(labels) > 20
        if labels is None or continuous:
            color = {} if labels is None else {"c": self.y}
            self.scatter_ = [self.ax_.scatter(self.Z[:, i], self.Z[:, j], **color | style)]
            if continuous:
                self.figure_.colorbar(self.scatter_[0], ax=self.ax_)
        else:
            cmap = import_pyplot().get_cmap("tab10" if len(labels) <= 10 else "tab20")
            self.scatter_ = []
            for number, label in enumerate(labels):
                rows = self.y == label
                own = {"color": cmap(number % cmap.N), "label": str(label)}
                self.scatter_.append(
                    self.ax_.scatter(self.Z[rows, i], self.Z[rows, j], **own | style)
                )
            if len(labels) <= 20:
                self.ax_.legend(markerscale=2, fontsize="small")
        names = self.names or [f"component {n}" for n in range(self.Z.shape[1])]
        self.ax_.set(xlabel=names[i], ylabel=names[j])
        return self
