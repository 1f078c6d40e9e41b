"""EM for hidden Markov models (Baum, Petrie, Soules, Weiss 1970): the problem that `_core._em` solves.

The objective is the log-likelihood of the sequences, each times its weight, as the emissions `weigh`
the rows, divided by the weighted number of rows: nats a row. Known states are imposed by making all
others impossible at their rows, so the likelihood is that of rows and known states together.
"""

from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._core._validation import warn
from ._chain import InitialState, Transitions
from ._inference import Posterior, Workspace, likelihood, smooth
from ._sequences import Sequences

__all__ = ["BaumWelch", "Model"]

EMPTY = 1e-3  # weight, in rows, below which a state counts as empty
VISITS = 0.1  # share of the probability that leads to a state put elsewhere


class Model(NamedTuple):
    """All that is learnt, as components."""

    initial: InitialState
    transitions: Transitions
    emission: object

    @property
    def n_parameters(self):
        """Free parameters of all three."""
        return sum(part.n_parameters for part in self)


class Expectations(NamedTuple):
    """Statistics of the chain and of the emissions."""

    posterior: Posterior
    emission: object


def _head(data, n_rows):
    """The first rows of an array, or of a tuple of arrays."""
    if isinstance(data, tuple):
        return type(data)(*(part[:n_rows] for part in data))
    return data[:n_rows]


class BaumWelch:
    """An `_core._em.EMProblem`.

    Parameters
    ----------
    data : what the emission's methods take, n rows
    sequences : Sequences
    weights : (n_sequences,) array, or None: ones
    states : (n,) integer array, -1 for unknown, or None
    gaps : (n,) boolean array of the rows that are missing, or None
        Their numbers in `data` are not looked at.
    n_threads : int
    """

    def __init__(self, data, sequences, *, weights=None, states=None, gaps=None, n_threads=1):
        self.data, self.sequences, self.weights = data, sequences, weights
        self.states, self.gaps, self.n_threads = states, gaps, n_threads
        self.known = None
        if states is not None and (states >= 0).any():
            rows = np.flatnonzero(states >= 0)
            self.known = rows, states[rows]
        rows = self.row_weights
        self.total_weight = float(sequences.n_rows if rows is None else rows.sum()) or 1.0
        self.space = Workspace(sequences, n_threads)
        self.log_density = np.empty((sequences.n_rows, sequences.n_states))
        self.n_relocations = 0

    @property
    def row_weights(self):
        """Weight of each row, (n,), 0 where it is missing; None: ones."""
        if self.gaps is None and self.weights is None:
            return None
        weights = np.ones(len(self.sequences.lengths)) if self.weights is None else self.weights
        rows = np.repeat(weights, self.sequences.lengths)
        if self.gaps is not None:
            rows[self.gaps] = 0.0
        return rows

    def fresh(self):
        """The same problem at the start of another run."""
        self.n_relocations = 0
        return self

    def part(self, n_rows):
        """The problem on the first sequences alone, about `n_rows` rows; one longer is cut."""
        if self.sequences.n_rows <= n_rows:
            return self
        lengths = self.sequences.lengths
        n_sequences = int(np.searchsorted(self.sequences.offsets, n_rows))
        lengths = lengths[:n_sequences].copy()
        lengths[-1] -= lengths.sum() - n_rows
        return BaumWelch(
            _head(self.data, n_rows),
            Sequences.of(lengths, self.sequences.n_states),
            weights=None if self.weights is None else self.weights[:n_sequences],
            states=None if self.states is None else self.states[:n_rows],
            gaps=None if self.gaps is None else self.gaps[:n_rows],
            n_threads=self.n_threads,
        )

    def _weigh(self, model):
        """Write the log-densities that EM works with."""
        out = self.log_density
        model.emission.weigh(self.data, self.n_threads, out)
        if self.gaps is not None:
            out[self.gaps] = 0.0
        if self.known is not None:
            rows, states = self.known
            kept = out[rows, states]
            out[rows] = -np.inf
            out[rows, states] = kept
        return out

    def _objective(self, log_likelihood, emission):
        """Log-likelihood of all sequences, and log-prior of the emission, by the weight of a row."""
        if self.weights is not None:
            counts = self.weights > 0  # 0 * -inf
            log_likelihood = log_likelihood[counts] * self.weights[counts]
        return float(log_likelihood.sum() + emission.log_prior) / self.total_weight

    def expect(self, model):
        """Objective, and the statistics for the next model."""
        density = self._weigh(model)
        found = smooth(density, model.initial, model.transitions, self.space, self.weights)
        if self.gaps is not None:
            found.states[self.gaps] = 0.0  # what is not there was not emitted
        emission = model.emission.accumulate(self.data, found.states, self.n_threads)
        objective = self._objective(found.log_likelihood, model.emission)
        return objective, Expectations(found, emission)

    def maximise(self, statistics, model):
        """The next model; an empty state is put on the row that is explained worst."""
        posterior, emission = statistics
        new = Model(
            model.initial.maximise(posterior.starts),
            model.transitions.maximise(posterior.pairs),
            model.emission.maximise(emission),
        )
        K = self.sequences.n_states
        mean_weight = self.total_weight / self.sequences.n_rows
        empty = np.flatnonzero(model.emission.mass(emission) < EMPTY * mean_weight)
        if len(empty) == 0 or K == 1 or self.n_relocations >= K:
            return new, False
        return self._relocate(new, empty[: K - self.n_relocations]), True

    def _relocate(self, model, empty):
        explained = self.log_density.max(axis=1)
        rows = self.row_weights
        if rows is not None:
            explained[rows == 0] = np.inf
        if self.known is not None:
            explained[self.known[0]] = np.inf
        worst = np.argpartition(explained, min(len(empty), len(explained)) - 1)
        worst = np.sort(worst[: len(empty)])
        for state, row in zip(empty, worst, strict=False):
            model = Model(
                model.initial.visit(state, VISITS),
                model.transitions.visit(state, VISITS),
                model.emission.relocate(state, self.data, row),
            )
        self.n_relocations += len(empty)
        warn(
            f"The states {empty.tolist()} explained no row and were put on rows that are explained "
            "worst. Lower `n_components`, or raise `n_init`.",
            ConvergenceWarning,
        )
        return model

    def evaluate(self, model):
        """The objective alone."""
        density = self._weigh(model)
        found = likelihood(density, model.initial, model.transitions, self.space)
        return self._objective(found, model.emission)
