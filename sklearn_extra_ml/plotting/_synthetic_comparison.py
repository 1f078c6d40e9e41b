"""Real and synthetic rows side by side: the columns, and how they depend on each other."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._core._validation import bad_value
from ..metrics import column_shapes, column_trends
from ..metrics._synthetic_tables import read_columns
from ._matplotlib import import_pyplot

_N_BINS = 24
_N_LEVELS = 12  # bars of a column of categories


class SyntheticComparisonDisplay:
    """Compare a synthetic table with the real one.

    Above, the distribution of single columns, real and synthetic; below, the correlations of the
    numeric columns in both tables and the difference of the two.

    Parameters
    ----------
    real : array-like or frame of shape (n_real, n_features)
        Real rows.

    synthetic : array-like or frame of shape (n_synthetic, n_features)
        Synthetic rows, with the same columns.

    categorical_features : array-like of int or str, default=None
        Columns of numbers that are categories.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Of the columns, then of the three matrices.

    figure_ : matplotlib Figure
        Figure of the axes.

    shapes_, trends_ : TableSimilarity
        `column_shapes` and `column_trends` of the two tables.

    See Also
    --------
    sklearn_extra_ml.metrics.column_shapes : Similarity of single columns.
    sklearn_extra_ml.metrics.column_trends : Similarity of pairs of columns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_extra_ml.neural_network import DiffusionModel
    >>> from sklearn_extra_ml.plotting import SyntheticComparisonDisplay
    >>> X = load_iris(as_frame=True).data
    >>> model = DiffusionModel(max_iter=100, random_state=0).fit(X)
    >>> display = SyntheticComparisonDisplay.from_estimator(model, X)
    >>> display.shapes_.score > 0.7
    True
    """

    def __init__(self, real, synthetic, *, categorical_features=None):
        self.real, self.synthetic = real, synthetic
        self.categorical_features = categorical_features

    @classmethod
    def from_estimator(cls, estimator, X, *, y=None, random_state=None, **kwargs):
        """Draw as many rows as `X` has, and compare them with it.

        Parameters
        ----------
        estimator : object with ``sample``
            Fitted: `DiffusionModel`, for instance.

        X : array-like or frame of shape (n_samples, n_features)
            Real rows.

        y : label, number or array-like, default=None
            Contexts to draw for, as in `sample`.

        random_state : int, RandomState instance or None, default=None
            As in `sample`.

        **kwargs
            As in `plot`.

        Returns
        -------
        display : SyntheticComparisonDisplay
        """
        check_is_fitted(estimator)
        synthetic = estimator.sample(len(X), y=y, random_state=random_state)
        return cls(X, synthetic).plot(**kwargs)

    @classmethod
    def from_tables(cls, real, synthetic, *, categorical_features=None, **kwargs):
        """Compare two tables.

        Parameters
        ----------
        real, synthetic, categorical_features
            As in the class.

        **kwargs
            As in `plot`.

        Returns
        -------
        display : SyntheticComparisonDisplay
        """
        return cls(real, synthetic, categorical_features=categorical_features).plot(**kwargs)

    def plot(self, *, columns=None, max_columns=8, figsize=None):
        """Draw the comparison.

        Parameters
        ----------
        columns : sequence of int or str, default=None
            Columns whose distributions are drawn. None: those that are least alike.

        max_columns : int, default=8
            How many, without `columns`.

        figsize : tuple of two floats, default=None
            In inches.

        Returns
        -------
        display : SyntheticComparisonDisplay
            With `axes_` and `figure_`.

        Raises
        ------
        ValueError
            For tables with other columns, and columns that they do not have.
        """
        options = {"categorical_features": self.categorical_features}
        self.shapes_ = column_shapes(self.real, self.synthetic, **options)
        self.trends_ = column_trends(self.real, self.synthetic, **options)
        categorical = () if self.categorical_features is None else list(self.categorical_features)
        real = read_columns(self.real, "real", categorical)
        synthetic = read_columns(self.synthetic, "synthetic", categorical)
        chosen = self._choose(columns, max_columns)
        n_across = min(4, len(chosen))
        n_down = -(-len(chosen) // n_across)
        figsize = figsize or (9, 1.9 * n_down + 3.2)
        figure = import_pyplot().figure(figsize=figsize, layout="constrained")
        top, bottom = figure.subfigures(2, 1, height_ratios=(1.9 * n_down, 3.2))
        axes = np.ravel(top.subplots(n_down, n_across, squeeze=False))
        for ax in axes[len(chosen) :]:
            ax.remove()
        axes = axes[: len(chosen)]
        for ax, name in zip(axes, chosen, strict=True):
            draw = _draw_numbers if real[name].numeric else _draw_categories
            draw(ax, real[name].values, synthetic[name].values)
            ax.set_title(f"{name}  ({self.shapes_.parts[name]:.2f})", fontsize="small")
            ax.tick_params(labelsize="x-small")
        axes[0].legend(fontsize="x-small")
        top.suptitle(f"columns: similarity {self.shapes_.score:.3f}", fontsize="medium")
        matrices = self._draw_correlations(bottom, real, synthetic)
        self.axes_, self.figure_ = np.concatenate((axes, matrices)), figure
        return self

    def _choose(self, columns, max_columns):
        parts = self.shapes_.parts
        if columns is None:
            worst = sorted(parts, key=parts.get)[:max_columns]
            return [name for name in parts if name in worst]
        unknown = [name for name in columns if name not in parts]
        if unknown:
            raise bad_value(
                "columns",
                unknown[0],
                "is no column of the tables",
                ", ".join(map(repr, parts)),
                "Check its spelling.",
            )
        return list(columns)

    def _draw_correlations(self, figure, real, synthetic):
        names = [name for name in real if real[name].numeric]
        both = [_correlations(table, names) for table in (real, synthetic)]
        difference = both[1] - both[0]
        axes = figure.subplots(1, 3, sharex=True, sharey=True)
        titles = ("real", "synthetic", "difference")
        for ax, matrix, title in zip(axes, [*both, difference], titles, strict=True):
            image = ax.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
            ax.set_title(title, fontsize="small")
            ax.set(xticks=[], yticks=[])
        figure.colorbar(image, ax=axes, shrink=0.8)
        figure.suptitle(
            f"correlations: similarity of pairs {self.trends_.score:.3f}", fontsize="medium"
        )
        return axes


def _draw_numbers(ax, real, synthetic):
    real, synthetic = real[~np.isnan(real)], synthetic[~np.isnan(synthetic)]
    both = np.concatenate((real, synthetic))
    edges = np.histogram_bin_edges(both if len(both) else [0.0], bins=_N_BINS)
    ax.hist(real, edges, density=True, color="0.7", label="real")
    ax.hist(synthetic, edges, density=True, histtype="step", color="C1", lw=1.5, label="synthetic")
    ax.set_yticks([])


def _draw_categories(ax, real, synthetic):
    counts = {}
    for i, values in enumerate((real.tolist(), synthetic.tolist())):
        for value in values:
            counts.setdefault(value, [0, 0])[i] += 1 / len(values)
    levels = sorted(counts, key=lambda level: -counts[level][0])[:_N_LEVELS]
    at = np.arange(len(levels))
    ax.bar(at - 0.2, [counts[level][0] for level in levels], 0.4, color="0.7", label="real")
    ax.bar(at + 0.2, [counts[level][1] for level in levels], 0.4, color="C1", label="synthetic")
    ax.set_xticks(at, ["missing" if level is None else str(level) for level in levels])
    ax.set_yticks([])


def _correlations(table, names):
    """Return the correlation matrix, over the rows where all numbers are known."""
    if not names:
        return np.full((1, 1), np.nan)
    values = np.stack([table[name].values for name in names], axis=1)
    values = values[~np.isnan(values).any(axis=1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(values, rowvar=False).reshape(len(names), len(names))
