"""The Markov chain of a model: where it starts, where it goes. Components of two verbs.

*Accumulate* is done for both at once by the recursions (`_inference.smooth`), which add up expected
starts (K,) and expected transitions (K, K); *maximise* turns those into the next component.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import connected_components

from .._core._validation import bad_value
from .._native._hmm_chain import draw_states

__all__ = ["InitialState", "Transitions", "draw_paths", "stationary_distribution"]

_SUM_TOL = 1e-6  # how far given probabilities may be from adding up to 1


class InitialState(NamedTuple):
    """Probability of each state at the first row of a sequence, (K,)."""

    probabilities: np.ndarray

    @classmethod
    def checked(cls, probabilities, name="startprob_"):
        """From a caller's array."""
        return cls(_check_distribution(probabilities, 1, name))

    def maximise(self, starts):
        """The most likely component after these expected starts, (K,)."""
        total = starts.sum()
        return InitialState(starts / total) if total > 0 else self

    def visit(self, state, share):
        """The same, but `state` is given a share of the probability."""
        moved = (1 - share) * self.probabilities
        moved[state] += share
        return InitialState(moved)

    @property
    def n_parameters(self):
        """Free parameters."""
        return len(self.probabilities) - 1


class Transitions(NamedTuple):
    """Probability of each state after each state, (K, K), rows add up to 1."""

    matrix: np.ndarray

    @classmethod
    def checked(cls, matrix, name="transmat_"):
        """From a caller's array."""
        return cls(_check_distribution(matrix, 2, name))

    def maximise(self, pairs):
        """The most likely component after these expected transitions, (K, K).

        A state that is never left keeps the row it had.
        """
        total = pairs.sum(axis=1, keepdims=True)
        rows = np.divide(pairs, total, out=self.matrix.copy(), where=total > 0)
        return Transitions(rows)

    def visit(self, state, share):
        """The same, but every state goes to `state` with a share, and from there anywhere."""
        moved = (1 - share) * self.matrix
        moved[:, state] += share
        moved[state] = 1 / len(moved)
        return Transitions(moved)

    @property
    def n_parameters(self):
        """Free parameters."""
        return len(self.matrix) * (len(self.matrix) - 1)


def _check_distribution(values, ndim, name):
    values = np.ascontiguousarray(values, np.float64)
    square = values.ndim == ndim and len(set(values.shape)) == 1 and values.size
    if not square or not (values >= 0).all() or not np.isfinite(values).all():
        shape = "(n_components,)" if ndim == 1 else "(n_components, n_components)"
        raise bad_value(
            name, values, "is no array of probabilities", f"numbers from 0 to 1, shape {shape}", ""
        )
    total = values.sum(axis=-1)
    if (np.abs(total - 1) > _SUM_TOL).any():
        raise bad_value(
            name,
            values,
            f"adds up to {total}" if ndim == 1 else f"has rows that add up to {total}",
            "probabilities that add up to 1",
            "Divide by the sum.",
        )
    return values


def draw_paths(initial, transitions, n_sequences, length, rng):
    """Draw states, (n_sequences, length) int32."""
    states = np.empty((n_sequences, length), np.int32)
    draw_states(
        np.cumsum(initial.probabilities),
        np.cumsum(transitions.matrix, axis=1),
        rng.uniform(size=(n_sequences, length)),
        states,
    )
    return states


def stationary_distribution(initial, transitions):
    """Long-run share of time in each state, for a chain that starts as `initial`.

    Within each closed class of states by the method of Grassmann, Taksar and Heyman (1985), which
    subtracts nothing and so keeps rare transitions exact; classes are weighed by the probability of
    ending in them.
    """
    A, start = transitions.matrix, initial.probabilities
    n_classes, label = connected_components(A > 0, connection="strong")
    members = [np.flatnonzero(label == c) for c in range(n_classes)]
    closed = [m for m in members if not A[np.ix_(m, np.setdiff1d(np.arange(len(A)), m))].any()]
    shares = np.zeros(len(A))
    open_states = np.setdiff1d(np.arange(len(A)), np.concatenate(closed))
    # Expected visits to the transient states tell what flows from them into each closed class.
    within = A[np.ix_(open_states, open_states)]
    visits = np.linalg.solve(np.eye(len(open_states)) - within.T, start[open_states])
    for m in closed:
        weight = start[m].sum() + visits @ A[np.ix_(open_states, m)].sum(axis=1)
        shares[m] = weight * _gth(A[np.ix_(m, m)])
    return shares / shares.sum()


def _gth(A):
    """Stationary distribution of an irreducible chain."""
    A = A.copy()
    for k in range(len(A) - 1, 0, -1):
        A[:k, k] /= A[k, :k].sum()
        A[:k, :k] += np.outer(A[:k, k], A[k, :k])
    shares = np.ones(len(A))
    for k in range(1, len(A)):
        shares[k] = shares[:k] @ A[:k, k]
    return shares / shares.sum()
