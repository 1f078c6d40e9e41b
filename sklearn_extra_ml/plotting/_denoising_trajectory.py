"""How samples of a diffusion model come out of the noise."""

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._core._validation import bad_value
from ._matplotlib import import_pyplot


class DenoisingTrajectoryDisplay:
    """Draw the way of :class:`~sklearn_extra_ml.neural_network.DiffusionModel` from noise to data.

    One panel for each of some noise levels, from left to right: the rows at that level, shrunk to
    the scale of the data, and for some of them an arrow to the clean row that the network takes them
    for. The last panel shows the sample, over rows of the data if they are given.

    Parameters
    ----------
    sigmas : ndarray of shape (n_levels,)
        Standard deviation of the noise in each state, falling.

    states : list of ndarray of shape (n_rows, 2)
        The rows at each level.

    denoised : list of ndarray of shape (n_rows, 2)
        What the network takes them for; one fewer than states.

    X : ndarray of shape (n_samples, 2), default=None
        Rows to compare the sample with.

    labels : tuple of two str, default=("feature 0", "feature 1")
        Names of the axes.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each panel.

    figure_ : matplotlib Figure
        Figure of the axes.

    points_ : list of matplotlib PathCollection
        The rows of each panel.

    arrows_ : list of matplotlib Quiver
        The arrows of each panel but the last.

    See Also
    --------
    SyntheticComparisonDisplay : Is the sample like the data?

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_extra_ml.neural_network import DiffusionModel
    >>> from sklearn_extra_ml.plotting import DenoisingTrajectoryDisplay
    >>> X, _ = make_moons(200, noise=0.1, random_state=0)
    >>> model = DiffusionModel(max_iter=50, random_state=0).fit(X)
    >>> display = DenoisingTrajectoryDisplay.from_estimator(model, X=X, n_panels=4)
    >>> len(display.axes_)
    4
    """

    def __init__(self, sigmas, states, denoised, X=None, labels=("feature 0", "feature 1")):
        self.sigmas, self.states, self.denoised = sigmas, states, denoised
        self.X, self.labels = X, labels

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        X=None,
        y=None,
        n_samples=500,
        features=(0, 1),
        n_panels=5,
        random_state=None,
        **kwargs,
    ):
        """Draw samples of a fitted model on their way.

        Parameters
        ----------
        estimator : DiffusionModel
            Fitted.

        X : array-like or frame of shape (n_rows, n_features), default=None
            Rows drawn behind the sample.

        y : label, number or array-like, default=None
            Contexts to draw for, as in `sample`.

        n_samples : int, default=500
            Number of rows to draw.

        features : tuple of two int or str, default=(0, 1)
            The two columns to show, numbers; positions or names of a frame.

        n_panels : int, default=5
            Number of panels, at least 2, at most one for each step and the sample.

        random_state : int, RandomState instance or None, default=None
            As in `sample`.

        **kwargs
            As in `plot`.

        Returns
        -------
        display : DenoisingTrajectoryDisplay

        Raises
        ------
        ValueError
            For fewer than 2 panels or more than there are states.
        """
        check_is_fitted(estimator)
        _, trajectory = estimator.sample(
            n_samples, y, random_state=random_state, return_trajectory=True
        )
        chosen = choose_levels(trajectory.sigmas, n_panels, "n_panels")
        points = [_two_columns(trajectory.states[i], features)[0] for i in chosen]
        denoised = [_two_columns(trajectory.denoised[i], features)[0] for i in chosen[:-1]]
        data, labels = None, _two_columns(trajectory.states[-1], features)[1]
        if X is not None:
            data, labels = _two_columns(X, features)
        display = cls(trajectory.sigmas[chosen], points, denoised, data, labels)
        return display.plot(**kwargs)

    def plot(self, axes=None, *, n_arrows=60, scatter_kwargs=None, arrow_kwargs=None):
        """Draw the panels.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            One for each panel; None: a new figure.

        n_arrows : int, default=60
            Number of arrows in a panel.

        scatter_kwargs, arrow_kwargs : dict, default=None
            For ``Axes.scatter`` and ``Axes.quiver``.

        Returns
        -------
        display : DenoisingTrajectoryDisplay
            With `axes_` and `figure_`.
        """
        n = len(self.states)
        if axes is None:
            _, axes = import_pyplot().subplots(
                1, n, figsize=(2.6 * n, 2.8), sharex=True, sharey=True, layout="constrained"
            )
        self.axes_ = np.ravel(np.asarray(axes, dtype=object))
        self.figure_ = self.axes_[0].figure
        self.points_, self.arrows_ = [], []
        style = {"s": 5, "color": "C0", "linewidths": 0} | (scatter_kwargs or {})
        arrow = {"color": "C1", "width": 0.004, "alpha": 0.8} | (arrow_kwargs or {})
        for i, (ax, rows) in enumerate(zip(self.axes_, self.states, strict=True)):
            if i == n - 1 and self.X is not None:
                ax.scatter(*self.X.T, s=5, color="0.75", linewidths=0, label="data")
            self.points_.append(ax.scatter(*rows.T, **style, label="sample"))
            if i < n - 1 and n_arrows:
                start, way = rows[:n_arrows], (self.denoised[i] - rows)[:n_arrows]
                self.arrows_.append(
                    ax.quiver(*start.T, *way.T, angles="xy", scale_units="xy", scale=1, **arrow)
                )
            last = "sample" if self.sigmas[i] == 0 else f"$\\sigma$ = {self.sigmas[i]:.2g}"
            ax.set(title=last, xlabel=self.labels[0])
        self.axes_[0].set_ylabel(self.labels[1])
        if self.X is not None:
            self.axes_[-1].legend(loc="upper right", markerscale=2)
        return self


def choose_levels(sigmas, n_panels, name):
    """Return the indices of `n_panels` of the falling `sigmas`, first and last among them.

    Most of the way is far from the data: levels are even in the share of noise, atan(sigma). Raises
    `ValueError` that names the parameter `name` for fewer than 2 or more than there are.
    """
    n_states = len(sigmas)
    if not 2 <= n_panels <= n_states:
        raise bad_value(
            name,
            n_panels,
            f"does not fit {n_states} states",
            f"2 to {n_states}",
            "Ask for fewer panels, or raise `n_sampling_steps`.",
        )
    share = np.arctan(sigmas)
    wanted = np.linspace(share[0], 0, n_panels)
    chosen = np.unique([np.abs(share - w).argmin() for w in wanted])
    for i in range(n_states - 1, -1, -1):  # levels that coincide make room for others
        if len(chosen) == n_panels:
            break
        chosen = np.union1d(chosen, [i])
    return chosen


def _two_columns(table, features):
    """Return two columns of a table as a float array, and their names."""
    if nw.dependencies.is_into_dataframe(table):
        frame = nw.from_native(table, eager_only=True)
        names = [f if isinstance(f, str) else frame.columns[f] for f in features]
        columns = [frame[name].cast(nw.Float64).to_numpy() for name in names]
        return np.stack(columns, axis=1), tuple(names)
    table = np.asarray(table)
    return table[:, list(features)].astype(np.float64), tuple(f"feature {f}" for f in features)
