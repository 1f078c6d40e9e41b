"""The states of a sequence in time, behind the series they explain."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._matplotlib import import_pyplot


class StateSequenceDisplay:
    """Draw a series with the state of each row behind it, and the probabilities of the states below.

    Parameters
    ----------
    states : ndarray of shape (n_rows,)
        State of each row.

    probabilities : ndarray of shape (n_rows, n_states)
        Probability of each state at each row.

    values : ndarray of shape (n_rows,) or None, default=None
        The series to draw above the states.

    time : ndarray of shape (n_rows,), default=None
        Where each row lies: numbers or ``datetime64``, rising. None: 0, 1, 2, ...

    state_names : sequence of str, default=None
        Names of the states; their numbers when None.

    labels : tuple of two str, default=("time", "value")
        Names of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes or ndarray of two Axes
        The axes drawn to.

    figure_ : matplotlib Figure
        Figure of the axes.

    line_ : matplotlib Line2D or None
        The series.

    spans_ : list of matplotlib PolyCollection
        The rows of each state; one collection for each state that occurs.

    areas_ : list of matplotlib PolyCollection
        The probabilities of each state, stacked; empty when they were not drawn.

    See Also
    --------
    sklearn_extra_ml.hmm.GaussianHMM : An estimator of states.
    TransitionGraphDisplay : How states follow each other.

    Examples
    --------
    >>> from sklearn_extra_ml.hmm import GaussianHMM
    >>> from sklearn_extra_ml.plotting import StateSequenceDisplay
    >>> model = GaussianHMM.from_parameters(
    ...     [0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]], [[0.0], [3.0]], [[1.0], [1.0]]
    ... )
    >>> X, _ = model.sample(100, random_state=0)
    >>> display = StateSequenceDisplay.from_estimator(model, X)
    >>> display.to_pandas().head(2)
       start  stop  state  n_rows  probability
    0      0    ...
    """

    def __init__(
        self,
        states,
        probabilities,
        values=None,
        time=None,
        state_names=None,
        labels=("time", "value"),
    ):
        self.states, self.probabilities = states, probabilities
        self.values, self.time = values, time
        self.state_names, self.labels = state_names, labels

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        values=None,
        time=None,
        groups=None,
        lengths=None,
        state_names=None,
        ax=None,
        **kwargs,
    ):
        """Draw the states of a fitted hidden Markov model.

        Parameters
        ----------
        estimator : GaussianHMM, CategoricalHMM, PoissonHMM, or a Pipeline that ends in one
            Fitted.

        X : array-like of shape (n_rows, n_features)
            The rows, in order.

        values : int, str or array-like of shape (n_rows,), default=None
            The series to draw: a column of X by position or name, or values of their own. None: the
            first column of X.

        time : array-like of shape (n_rows,), default=None
            Where each row lies: numbers or dates, rising.

        groups, lengths
            Boundaries of sequences, as in the estimator's ``predict``. All are drawn in a row.

        state_names : sequence of str, default=None
            Names of the states.

        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : StateSequenceDisplay
        """
        check_is_fitted(estimator)
        options = {"groups": groups, "lengths": lengths}
        options = {name: value for name, value in options.items() if value is not None}
        states = estimator.predict(X, **options)
        probabilities = np.asarray(estimator.predict_proba(X, **options))
        columns = [str(name) for name in getattr(X, "columns", [])]
        label = "value"
        if values is None or isinstance(values, int | np.integer):
            position = values or 0
            label = columns[position] if columns else f"feature {position}"
            values = np.asarray(X)[:, position].astype(float)
        elif isinstance(values, str):
            label, values = values, np.asarray(X[values])
        else:
            label, values = str(getattr(values, "name", None) or label), np.asarray(values)
        time = None if time is None else np.asarray(time)
        display = cls(states, probabilities, values, time, state_names, ("time", label))
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, line_kwargs=None, span_kwargs=None):
        """Draw the series and the states.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two, default=None
            Two: series and probabilities; one: the series only; None: a new figure with both.

        line_kwargs : dict, default=None
            For ``Axes.plot`` of the series.

        span_kwargs : dict, default=None
            For ``Axes.broken_barh`` of the states.

        Returns
        -------
        display : StateSequenceDisplay
            With `ax_` and `figure_`.
        """
        plt = import_pyplot()
        if ax is None:
            _, ax = plt.subplots(
                2, 1, figsize=(9, 4.5), height_ratios=(3, 1), sharex=True, layout="constrained"
            )
        axes = np.ravel(np.asarray(ax, dtype=object))
        self.ax_, self.figure_ = ax, axes[0].figure
        palette = plt.get_cmap("tab10")
        colors = [palette(k % 10) for k in range(self.probabilities.shape[1])]
        at, edges = self._positions()
        self._plot_states(axes[0], at, edges, colors, line_kwargs, span_kwargs)
        self.areas_ = self._plot_probabilities(axes[1], edges, colors) if len(axes) > 1 else []
        axes[-1].set_xlabel(self.labels[0])
        return self

    def _names(self):
        K = self.probabilities.shape[1]
        return [str(k) for k in range(K)] if self.state_names is None else list(self.state_names)

    def _positions(self):
        """Positions of the rows, and the edges between them, as matplotlib has them."""
        at = np.arange(len(self.states)) if self.time is None else np.asarray(self.time)
        if at.dtype.kind == "M":
            from matplotlib.dates import date2num

            at = date2num(at)
        step = at[-1] - at[-2] if len(at) > 1 else 1
        return at, np.append(at, at[-1] + step)

    def _plot_states(self, ax, at, edges, colors, line_kwargs, span_kwargs):
        self.line_ = None
        if self.values is not None:
            style = {"color": "0.15", "linewidth": 0.8} | (line_kwargs or {})
            (self.line_,) = ax.plot(at, self.values, **style)
            ax.set_ylabel(self.labels[1])
        if self.time is not None and np.asarray(self.time).dtype.kind == "M":
            ax.xaxis_date()
        first, last = self._runs()
        self.spans_ = []
        names = self._names()
        for k in np.unique(self.states):
            mine = self.states[first] == k
            begin = edges[first[mine]]
            self.spans_.append(
                ax.broken_barh(
                    np.column_stack([begin, edges[last[mine]] - begin]),
                    (0, 1),
                    transform=ax.get_xaxis_transform(),
                    **{"facecolor": colors[k], "alpha": 0.3, "linewidth": 0, "label": names[k]}
                    | (span_kwargs or {}),
                )
            )
        ax.set_xlim(edges[0], edges[-1])
        ax.legend(  # above the axes: nothing of the series is hidden
            handles=self.spans_,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=min(len(self.spans_), 8),
            frameon=False,
            borderaxespad=0.3,
        )

    def _plot_probabilities(self, ax, edges, colors):
        stacked = np.vstack([self.probabilities, self.probabilities[-1:]]).T
        areas = ax.stackplot(edges, stacked, colors=colors, step="post", linewidth=0, alpha=0.8)
        ax.set_ylim(0, 1)
        ax.set_ylabel("probability")
        return list(areas)

    def _runs(self):
        """First row of every run of one state, and the row after its last."""
        change = np.flatnonzero(np.diff(self.states)) + 1
        return np.append(0, change), np.append(change, len(self.states))

    def to_pandas(self):
        """Return a frame with one line for each stay in a state.

        Returns
        -------
        frame : pandas.DataFrame
            Columns start and stop (time of the first row, and of the first row after; the last stop
            is that of the last row when `time` is given), state, n_rows, and probability: the mean
            probability of the state over the stay.
        """
        import pandas as pd

        first, last = self._runs()
        state = self.states[first]
        own = self.probabilities[np.arange(len(self.states)), self.states]
        time = np.arange(len(self.states) + 1) if self.time is None else np.asarray(self.time)
        names = state if self.state_names is None else np.asarray(self.state_names)[state]
        return pd.DataFrame(
            {
                "start": time[first],
                "stop": time[np.minimum(last, len(time) - 1)],
                "state": names,
                "n_rows": last - first,
                "probability": np.add.reduceat(own, first) / (last - first),
            }
        )
