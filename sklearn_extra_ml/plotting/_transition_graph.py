"""The transitions of a Markov chain as a graph."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._core._networkx import import_networkx
from ._matplotlib import axes_and_figure, import_pyplot

_RADIUS = 0.3  # of the largest node, where the circle that nodes stand on has radius 1


class TransitionGraphDisplay:
    """Draw the states of a Markov chain as nodes and the transitions between them as arrows.

    The area of a node is the long-run share of time in its state, the width of an arrow the
    probability of the transition, written beside it.

    Parameters
    ----------
    transmat : ndarray of shape (n_states, n_states)
        Probability of going from state i to state j.

    shares : ndarray of shape (n_states,)
        Long-run share of time in each state.

    state_names : sequence of str, default=None
        Names of the states; their numbers when None.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the graph.

    figure_ : matplotlib Figure
        Figure of the axes.

    nodes_ : list of matplotlib Circle
        One for each state.

    arrows_ : dict
        matplotlib FancyArrowPatch of each drawn transition (i, j).

    See Also
    --------
    sklearn_extra_ml.hmm.GaussianHMM : An estimator of chains.
    StateSequenceDisplay : The states in time.

    Examples
    --------
    >>> from sklearn_extra_ml.hmm import PoissonHMM
    >>> from sklearn_extra_ml.plotting import TransitionGraphDisplay
    >>> model = PoissonHMM.from_parameters([1, 0], [[0.9, 0.1], [0.3, 0.7]], [[1.0], [9.0]])
    >>> display = TransitionGraphDisplay.from_estimator(model, state_names=["calm", "busy"])
    >>> display.to_pandas().round(2)
          calm  busy
    calm   0.9   0.1
    busy   0.3   0.7
    """

    def __init__(self, transmat, shares, state_names=None):
        self.transmat, self.shares, self.state_names = transmat, shares, state_names

    @classmethod
    def from_estimator(cls, estimator, *, state_names=None, ax=None, **kwargs):
        """Draw the chain of a fitted hidden Markov model.

        Parameters
        ----------
        estimator : GaussianHMM, CategoricalHMM or PoissonHMM
            Fitted.

        state_names : sequence of str, default=None
            Names of the states.

        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : TransitionGraphDisplay
        """
        check_is_fitted(estimator)
        transmat = np.asarray(estimator.transmat_, float)
        display = cls(transmat, estimator.stationary_distribution_, state_names)
        return display.plot(ax, **kwargs)

    def _names(self):
        K = len(self.transmat)
        return [str(k) for k in range(K)] if self.state_names is None else list(self.state_names)

    def plot(self, ax=None, *, min_probability=0.005, arrow_kwargs=None, node_kwargs=None):
        """Draw the graph.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.

        min_probability : float, default=0.005
            Transitions less likely than this are left out.

        arrow_kwargs : dict, default=None
            For ``matplotlib.patches.FancyArrowPatch``.

        node_kwargs : dict, default=None
            For ``matplotlib.patches.Circle``.

        Returns
        -------
        display : TransitionGraphDisplay
            With `ax_` and `figure_`.
        """
        plt = import_pyplot()
        from matplotlib.patches import Circle
        from matplotlib.patheffects import withStroke

        self.ax_, self.figure_ = axes_and_figure(ax)
        K, ax, names = len(self.transmat), self.ax_, self._names()
        angle = np.pi / 2 - 2 * np.pi * np.arange(K) / K if K > 2 else np.array([np.pi, 0])[:K]
        place = np.column_stack([np.cos(angle), np.sin(angle)]) * (K > 1)
        largest = _RADIUS * min(1.0, 4 / max(K, 1))
        radius = largest * np.sqrt(np.maximum(self.shares / np.max(self.shares), 0.12))
        palette = plt.get_cmap("tab10")
        self.nodes_, self.arrows_ = [], {}
        for i in range(K):
            for j in range(K):
                if self.transmat[i, j] >= max(min_probability, 1e-300):
                    self.arrows_[i, j] = self._arrow(i, j, place, angle, radius, arrow_kwargs)
        for k in range(K):
            style = {"facecolor": palette(k % 10), "edgecolor": "white", "zorder": 3}
            node = Circle(place[k], radius[k], **style | (node_kwargs or {}))
            self.nodes_.append(ax.add_patch(node))
            text = f"{names[k]}\n{self.shares[k]:.0%}"
            halo = [withStroke(linewidth=2.5, foreground="white")]  # legible on and beside the node
            style = {"ha": "center", "va": "center", "fontsize": 9, "path_effects": halo}
            ax.text(*place[k], text, zorder=4, **style)
        around = 1.8 * radius[:, None] + 0.25  # loops and what is written beside them
        low, high = (place - around).min(axis=0), (place + around).max(axis=0)
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        ax.set_aspect("equal")
        ax.axis("off")
        return self

    def _arrow(self, i, j, place, angle, radius, arrow_kwargs):
        """An arrow and the probability beside it."""
        from matplotlib.patches import FancyArrowPatch

        probability = self.transmat[i, j]
        outward = np.array([np.cos(angle[i]), np.sin(angle[i])])
        if i == j:  # a loop away from the middle
            side = np.array([-outward[1], outward[0]])
            begin = place[i] + radius[i] * (0.75 * outward + 0.65 * side)
            end = place[i] + radius[i] * (0.75 * outward - 0.65 * side)
            bend, at = -1.6, place[i] + (1.79 * radius[i] + 0.1) * outward
        else:
            way = place[j] - place[i]
            way = way / np.linalg.norm(way)
            side = np.array([way[1], -way[0]])
            begin = place[i] + radius[i] * (0.95 * way - 0.3 * side)
            end = place[j] - (radius[j] + 0.02) * (0.97 * way + 0.25 * side)
            bend = -0.18
            at = 0.62 * begin + 0.38 * end - 0.19 * np.linalg.norm(end - begin) * side
        style = {
            "arrowstyle": "-|>",
            "mutation_scale": 8 + 6 * probability,
            "linewidth": 0.6 + 3.4 * probability,
            "color": "0.35",
            "shrinkA": 0,
            "shrinkB": 0,
            "connectionstyle": f"arc3,rad={bend}",
        }
        patch = FancyArrowPatch(tuple(begin), tuple(end), **style | (arrow_kwargs or {}))
        self.ax_.add_patch(patch)
        digits = f"{probability:.2g}" if probability < 0.995 else f"{probability:.3f}"
        self.ax_.text(*at, digits, ha="center", va="center", fontsize=8, color="0.2")
        return patch

    def to_pandas(self):
        """Return the transition matrix as a frame, states named.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_states, n_states)
        """
        import pandas as pd

        return pd.DataFrame(self.transmat, index=self._names(), columns=self._names())

    def to_networkx(self):
        """Return the graph.

        Returns
        -------
        graph : networkx.DiGraph
            Nodes by number, with `name` and `share`; edges of positive probability, with `weight`.
        """
        graph = import_networkx().DiGraph()
        for k, name in enumerate(self._names()):
            graph.add_node(k, name=name, share=float(self.shares[k]))
        for i, j in zip(*np.nonzero(self.transmat), strict=True):
            graph.add_edge(int(i), int(j), weight=float(self.transmat[i, j]))
        return graph
