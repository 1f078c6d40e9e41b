"""Generated rows as a grid of images: by class, or on their way from noise to data."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .._core._validation import bad_value
from ._denoising_trajectory import choose_levels
from ._matplotlib import axes_and_figure, import_pyplot

_MISSING = (0.62, 0.79, 0.88, 1.0)  # pixels that are NaN
_GAP = 0.14  # between images, of their height


class SampleGridDisplay:
    """Draw rows as a grid of images in one axes.

    Make it with `from_estimator` (samples of a fitted model, by class), `from_samples` (rows that are at
    hand) or `from_trajectory` (how samples come out of the noise).

    Parameters
    ----------
    samples : list of ndarray of shape (n_images, n_features)
        The rows of each line of the grid; lines may differ in length.

    image_shape : tuple of (channels, height, width) or (height, width)
        How a row becomes an image, with 1 or 3 channels.

    row_labels : sequence of str, default=None
        One for each line.

    column_labels : sequence of str, default=None
        One for each column.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn to.

    figure_ : matplotlib Figure
        Figure of the axes.

    image_ : matplotlib AxesImage
        The grid: RGBA of one pixel for each pixel of the images and of the gaps between them.

    See Also
    --------
    ReconstructionDisplay : Rows beside what an autoencoder restores.
    DenoisingTrajectoryDisplay : From noise to data in two columns of a table.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_extra_ml.neural_network import VAE
    >>> from sklearn_extra_ml.plotting import SampleGridDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> vae = VAE(8, max_iter=20, random_state=0).fit(X, y)
    >>> display = SampleGridDisplay.from_estimator(vae, image_shape=(8, 8), n_samples=12)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()][:3]
    ['0', '1', '2']
    """

    def __init__(self, samples, image_shape, *, row_labels=None, column_labels=None):
        self.samples, self.image_shape = samples, image_shape
        self.row_labels, self.column_labels = row_labels, column_labels

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        y=None,
        n_samples=10,
        image_shape=None,
        n_columns=None,
        random_state=None,
        **kwargs,
    ):
        """Draw samples of a fitted model, a line or more for each context.

        Parameters
        ----------
        estimator : object with ``sample``
            Fitted: `DiffusionModel`, `DiffusionClassifier`, `VAE`, a mixture, a kernel density ...

        y : array-like of shape (n_contexts,) or (n_contexts, n_features), default=None
            Contexts to draw for, as `sample` takes them. None: every class of a model that has
            `classes_`, otherwise no context.

        n_samples : int, default=10
            Number of samples of each context, or in all without contexts.

        image_shape : tuple of (channels, height, width) or (height, width), default=None
            None: the estimator's `image_shape`.

        n_columns : int, default=None
            Images in a line. None: `n_samples` with contexts, at most 10 without.

        random_state : int, RandomState instance or None, default=None
            As in `sample`; None: its default.

        **kwargs
            As in `plot`.

        Returns
        -------
        display : SampleGridDisplay

        Raises
        ------
        ValueError
            For an image shape that does not fit the rows.
        """
        check_is_fitted(estimator)
        _check_count("n_samples", n_samples)
        if image_shape is None:
            image_shape = getattr(estimator, "image_shape", None)
        contexts = getattr(estimator, "classes_", None) if y is None else np.asarray(y)
        options = {} if random_state is None else {"random_state": random_state}
        if contexts is None:
            names, n = None, n_samples
            n_columns = min(10, n_samples) if n_columns is None else n_columns
        else:
            names, n = [_name(context) for context in contexts], n_samples * len(contexts)
            n_columns = n_samples if n_columns is None else n_columns
            options["y"] = np.repeat(contexts, n_samples, axis=0)
        drawn = estimator.sample(n, **options)
        drawn = _rows(drawn[0] if isinstance(drawn, tuple) else drawn, "the sample")
        groups = drawn.reshape(-1, n_samples, drawn.shape[1])
        return cls._from_groups(groups, names, image_shape, n_columns).plot(**kwargs)

    @classmethod
    def from_samples(cls, X, y=None, *, image_shape, n_columns=10, **kwargs):
        """Draw given rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; NaN where pixels are missing.

        y : array-like of shape (n_samples,), default=None
            Labels: the rows of each begin a line. None: rows follow each other.

        image_shape : tuple of (channels, height, width) or (height, width)
            How a row becomes an image.

        n_columns : int, default=10
            Images in a line.

        **kwargs
            As in `plot`.

        Returns
        -------
        display : SampleGridDisplay
        """
        X = _rows(X, "X")
        if y is None:
            groups, names = [X], None
        else:
            y = column_or_1d(y)
            check_consistent_length(X, y)
            labels = np.unique(y)
            groups, names = [X[y == label] for label in labels], [_name(v) for v in labels]
        return cls._from_groups(groups, names, image_shape, n_columns).plot(**kwargs)

    @classmethod
    def from_trajectory(cls, trajectory, *, image_shape, n_columns=8, row_labels=None, **kwargs):
        """Draw samples on their way from noise to data, a line for each.

        Parameters
        ----------
        trajectory : Trajectory
            From ``DiffusionModel.sample(..., return_trajectory=True)``.

        image_shape : tuple of (channels, height, width) or (height, width)
            How a row becomes an image.

        n_columns : int, default=8
            Number of noise levels, at least 2, at most one for each step and the sample.

        row_labels : sequence, default=None
            One for each sample.

        **kwargs
            As in `plot`.

        Returns
        -------
        display : SampleGridDisplay
        """
        chosen = choose_levels(trajectory.sigmas, n_columns, "n_columns")
        states = np.stack([_rows(trajectory.states[i], "the states") for i in chosen], axis=1)
        titles = [
            "sample" if sigma == 0 else f"$\\sigma$ = {sigma:.2g}"
            for sigma in np.asarray(trajectory.sigmas)[chosen]
        ]
        _check_shape(image_shape, states.shape[2])
        names = None if row_labels is None else [_name(label) for label in row_labels]
        display = cls(list(states), tuple(image_shape), row_labels=names, column_labels=titles)
        return display.plot(**kwargs)

    @classmethod
    def _from_groups(cls, groups, names, image_shape, n_columns):
        """Return the display of groups of rows, each beginning a line; not drawn."""
        _check_count("n_columns", n_columns)
        _check_shape(image_shape, groups[0].shape[1])
        lines, labels = [], []
        for number, group in enumerate(groups):
            starts = range(0, len(group), n_columns)
            lines += [group[start : start + n_columns] for start in starts]
            labels += ["" if start or names is None else names[number] for start in starts]
        return cls(lines, tuple(image_shape), row_labels=None if names is None else labels)

    def plot(self, ax=None, *, cmap="gray_r", vmin=None, vmax=None, **kwargs):
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.

        cmap : str or Colormap, default="gray_r"
            Of images with one channel.

        vmin, vmax : float, default=None
            Values of the lightest and darkest pixels (of black and full colour with 3 channels). None:
            the least and the greatest value of the rows.

        **kwargs : dict
            For ``Axes.imshow``.

        Returns
        -------
        display : SampleGridDisplay
            With `ax_`, `figure_` and `image_`.
        """
        lengths = [len(line) for line in self.samples]
        _check_shape(self.image_shape, self.samples[0].shape[1])
        height, width = self.image_shape[-2:]
        gap = max(1, round(_GAP * height))
        down, across = height + gap, width + gap
        canvas = np.zeros((down * len(lengths) - gap, across * max(lengths) - gap, 4))
        paint = self._colors(cmap, vmin, vmax)
        for i, line in enumerate(self.samples):
            for j, row in enumerate(line):
                top, left = i * down, j * across
                canvas[top : top + height, left : left + width] = paint(row)
        if ax is None:
            inches = 0.6 * max(lengths) + 0.6, 0.6 * height / width * len(lengths) + 0.4
            _, ax = import_pyplot().subplots(figsize=inches, layout="constrained")
        self.ax_, self.figure_ = axes_and_figure(ax)
        self.image_ = ax.imshow(canvas, **({"interpolation": "nearest"} | kwargs))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        if self.row_labels is not None:
            ax.set_yticks(down * np.arange(len(lengths)) + (height - 1) / 2, self.row_labels)
        if self.column_labels is not None:
            ax.set_xticks(across * np.arange(max(lengths)) + (width - 1) / 2, self.column_labels)
            ax.xaxis.tick_top()
            ax.tick_params(axis="x", labelsize="x-small")
        ax.tick_params(length=0)
        return self

    def _colors(self, cmap, vmin, vmax):
        """Return a function that makes the RGBA image of a row."""
        finite = np.concatenate([line[np.isfinite(line)] for line in self.samples])
        low = finite.min(initial=np.inf) if vmin is None else vmin
        high = finite.max(initial=-np.inf) if vmax is None else vmax
        scale = 1 / (high - low) if high > low else 0.0
        cmap = import_pyplot().get_cmap(cmap)
        shape = self.image_shape if len(self.image_shape) == 3 else (1, *self.image_shape)

        def paint(row):
            image = np.clip((np.moveaxis(row.reshape(shape), 0, -1) - low) * scale, 0, 1)
            missing = np.isnan(image).any(axis=-1)
            image = np.nan_to_num(image)
            if shape[0] == 1:
                rgba = cmap(image[..., 0])
            else:
                rgba = np.concatenate((image, np.ones_like(image[..., :1])), axis=-1)
            rgba[missing] = _MISSING
            return rgba

        return paint


def _rows(X, name):
    return check_array(X, dtype=np.float64, ensure_all_finite="allow-nan", input_name=name)


def _name(label):
    """Return the text of a label, or of the numbers of a context."""
    numbers = np.ravel(np.asarray(label))
    if numbers.dtype.kind == "f":
        return ", ".join(f"{number:.3g}" for number in numbers)
    return ", ".join(map(str, numbers))


def _check_count(name, value):
    if value < 1:
        raise bad_value(name, value, "is no number of images", "1 or more", "Raise it.")


def _check_shape(image_shape, n_features):
    size = 0 if image_shape is None else int(np.prod(image_shape))
    channels = 1 if image_shape is None or len(image_shape) == 2 else image_shape[0]
    if size != n_features or len(image_shape) not in (2, 3) or channels not in (1, 3):
        raise bad_value(
            "image_shape",
            image_shape,
            f"does not make images of {n_features} features",
            f"(height, width) or (channels, height, width) with 1 or 3 channels, {n_features} in all",
            "Pass the shape of the images.",
        )
