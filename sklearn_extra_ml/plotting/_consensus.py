"""What RANSAC took for inliers, the model through them, and how the consensus grew."""

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_array, check_is_fitted

from ._matplotlib import import_pyplot

_N_LINE = 300  # points of the model's curve


class ConsensusDisplay:
    """Draw the consensus of :class:`~sklearn_extra_ml.linear_model.RANSACRegressor`.

    Left, the data: inliers, outliers, the model and the band of its threshold, along the feature
    when there is one, else targets against predictions. Right, the score of the best consensus
    after each trial.

    Parameters
    ----------
    x : ndarray of shape (n_samples,)
        Horizontal position of each row.

    y : ndarray of shape (n_samples,)
        Target of each row.

    inlier_mask : bool ndarray of shape (n_samples,)
        Which rows are inliers.

    line : tuple of two ndarrays
        Horizontal and vertical positions of the model's curve.

    threshold : float
        Largest residual of an inlier, in units of `y`; None draws no band.

    scores_history : ndarray of shape (n_trials,)
        Score of the best consensus after each trial.

    labels : tuple of two str, default=("feature", "target")
        Names of the axes of the data.

    Attributes
    ----------
    ax_ : matplotlib Axes or ndarray of two Axes
        The axes drawn to.

    figure_ : matplotlib Figure
        Figure of the axes.

    inliers_, outliers_ : matplotlib PathCollection
        The rows.

    line_ : matplotlib Line2D
        The model.

    band_ : matplotlib FillBetweenPolyCollection or None
        The rows' positions within the threshold.

    trials_ : matplotlib Line2D or None
        The consensus after each trial, when it was drawn.

    See Also
    --------
    sklearn_extra_ml.linear_model.RANSACRegressor : The estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.linear_model import RANSACRegressor
    >>> from sklearn_extra_ml.plotting import ConsensusDisplay
    >>> X = np.arange(20.0).reshape(-1, 1)
    >>> y = 2 * X[:, 0]
    >>> y[::5] = 30  # rows 0, 5, 10; row 15 is on the line
    >>> ransac = RANSACRegressor(random_state=0).fit(X, y)
    >>> display = ConsensusDisplay.from_estimator(ransac, X, y)
    >>> len(display.outliers_.get_offsets())
    3
    """

    def __init__(
        self, x, y, inlier_mask, line, threshold, scores_history, labels=("feature", "target")
    ):
        self.x, self.y, self.inlier_mask, self.line = x, y, inlier_mask, line
        self.threshold, self.scores_history, self.labels = threshold, scores_history, labels

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None, **kwargs):
        """Draw the consensus of a fitted estimator.

        Parameters
        ----------
        estimator : RANSACRegressor
            Fitted on `X` and `y`.

        X : array-like of shape (n_samples, n_features)
            The data it was fitted on.

        y : array-like of shape (n_samples,)
            The targets it was fitted on.

        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : ConsensusDisplay

        Raises
        ------
        ValueError
            When `y` has several columns, or `X` and `y` are not the data of the fit.
        """
        check_is_fitted(estimator)
        names = [str(name) for name in getattr(X, "columns", ["feature"])]
        target = str(getattr(y, "name", None) or "target")
        given = X
        X, y = check_array(X), check_array(y, ensure_2d=False)
        if y.ndim > 1 and y.shape[1] > 1:
            raise ValueError(
                f"y has {y.shape[1]} targets. Allowed: 1. Pass an estimator of one target."
            )
        y = y.reshape(-1)
        check_consistent_length(X, y)
        if len(X) != len(estimator.inlier_mask_):
            raise ValueError(
                f"X has {len(X)} rows, but the estimator was fitted on "
                f"{len(estimator.inlier_mask_)}. Pass the data of the fit."
            )
        if X.shape[1] == 1:
            at = np.linspace(X.min(), X.max(), _N_LINE)
            # a frame keeps the names that the estimator saw
            frame = type(given)({names[0]: at}) if hasattr(given, "columns") else at[:, None]
            x, line = X[:, 0], (at, np.ravel(estimator.predict(frame)))
            labels = (names[0], target)
        else:
            x = np.ravel(estimator.predict(given))
            ends = np.array([x.min(), x.max()])
            line, labels = (ends, ends), (f"predicted {target}", target)
        threshold = None if callable(estimator.loss) else estimator.threshold_
        if threshold is not None and estimator.loss == "squared_error":
            threshold = np.sqrt(threshold)
        display = cls(
            x, y, estimator.inlier_mask_, line, threshold, estimator.scores_history_, labels
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, inlier_kwargs=None, outlier_kwargs=None, line_kwargs=None):
        """Draw the data, and beside them the trials.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two, default=None
            Two: data and trials; one: the data only; None: a new figure with both.

        inlier_kwargs, outlier_kwargs : dict, default=None
            For ``Axes.scatter``.

        line_kwargs : dict, default=None
            For ``Axes.plot`` of the model.

        Returns
        -------
        display : ConsensusDisplay
            With `ax_` and `figure_`.
        """
        if ax is None:
            _, ax = import_pyplot().subplots(
                1, 2, figsize=(9, 4), width_ratios=(3, 2), layout="constrained"
            )
        axes = np.ravel(np.asarray(ax, dtype=object))
        self.ax_, self.figure_ = ax, axes[0].figure
        self._plot_data(axes[0], inlier_kwargs, outlier_kwargs, line_kwargs)
        self.trials_ = self._plot_trials(axes[1]) if len(axes) > 1 else None
        return self

    def _plot_data(self, ax, inlier_kwargs, outlier_kwargs, line_kwargs):
        mask = np.asarray(self.inlier_mask)
        n_in = int(mask.sum())
        base = {"s": 12, "linewidths": 0.8}
        self.outliers_ = ax.scatter(
            self.x[~mask],
            self.y[~mask],
            **base
            | {"c": "0.6", "marker": "x", "label": f"outliers ({len(mask) - n_in})"}
            | (outlier_kwargs or {}),
        )
        self.inliers_ = ax.scatter(
            self.x[mask],
            self.y[mask],
            **base | {"c": "C0", "label": f"inliers ({n_in})"} | (inlier_kwargs or {}),
        )
        at, value = self.line
        style = {"color": "C3", "linewidth": 1.5, "label": "model"} | (line_kwargs or {})
        (self.line_,) = ax.plot(at, value, **style)
        self.band_ = None
        if self.threshold is not None:
            low, high = value - self.threshold, value + self.threshold
            self.band_ = ax.fill_between(at, low, high, color=style["color"], alpha=0.15, lw=0)
        ax.set_xlabel(self.labels[0])
        ax.set_ylabel(self.labels[1])
        ax.legend()

    def _plot_trials(self, ax):
        history = np.asarray(self.scores_history)
        (line,) = ax.step(np.arange(1, len(history) + 1), history, where="post", color="C0")
        ax.set_xlabel("trial")
        ax.set_ylabel("score of the best consensus")
        ax.grid(alpha=0.3)
        if (history >= 0).any():  # sums of gains start at nothing
            ax.set_ylim(0, 1.05 * np.nanmax(history))
        return line
