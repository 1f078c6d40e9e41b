"""What a model says about sequences: posteriors, likelihoods, the most likely path.

Pure functions of log-densities (n, K) and of a chain. The recursions are compiled
(`_native._hmm_smooth`, `_native._hmm_viterbi`); the essay about them heads ``sem_hmm.h``.
"""

from typing import NamedTuple

import numpy as np

from .._native._hmm_chain import tasks_at_once
from .._native._hmm_smooth import forward as forward_kernel
from .._native._hmm_smooth import smooth as smooth_kernel
from .._native._hmm_viterbi import viterbi as viterbi_kernel

__all__ = ["Posterior", "Workspace", "filtered", "likelihood", "smooth", "viterbi"]

_NO_ROWS = np.empty(0)


class Posterior(NamedTuple):
    """What smoothing finds.

    states : (n, K) probability of each state at each row given the whole sequence, times the
        sequence's weight
    starts : (K,) their sum over first rows
    pairs : (K, K) expected number of transitions
    log_likelihood : (n_sequences,) log p(sequence); -inf where no path explains it
    """

    states: np.ndarray
    starts: np.ndarray
    pairs: np.ndarray
    log_likelihood: np.ndarray


class Workspace:
    """Memory that the passes over one set of sequences use again and again."""

    def __init__(self, sequences, n_threads):
        self.sequences, self.n_threads = sequences, n_threads
        self.scratch = sequences.scratch(n_threads)
        self._store = self._posteriors = None

    @property
    def store(self):
        if self._store is None:
            self._store = self.sequences.store()
        return self._store

    @property
    def posteriors(self):
        if self._posteriors is None:
            self._posteriors = np.empty((self.sequences.n_rows, self.sequences.n_states))
        return self._posteriors


def smooth(log_density, initial, transitions, space, weights=None):
    """Run forward and backward over every sequence.

    Parameters
    ----------
    log_density : ndarray of shape (n, K)
        Of each row in each state; -inf for impossible.
    initial, transitions : InitialState, Transitions
    space : Workspace
        Its `posteriors` are written to, and returned.
    weights : ndarray of shape (n_sequences,), default=None
        How often each sequence counts; once when None.

    Returns
    -------
    Posterior
    """
    sequences, K = space.sequences, len(initial.probabilities)
    found = Posterior(
        space.posteriors, np.zeros(K), np.zeros((K, K)), np.empty(sequences.n_sequences)
    )
    smooth_kernel(
        log_density,
        sequences.offsets,
        _NO_ROWS if weights is None else weights,
        initial.probabilities,
        transitions.matrix,
        sequences.groups,
        sequences.singles,
        space.scratch,
        space.store,
        *found,
        space.n_threads,
    )
    return found


def _forward(log_density, initial, transitions, space, states, rows):
    sequences = space.sequences
    total = np.empty(sequences.n_sequences)
    forward_kernel(
        log_density,
        sequences.offsets,
        initial.probabilities,
        transitions.matrix,
        sequences.groups,
        sequences.singles,
        space.scratch,
        states,
        rows,
        total,
        space.n_threads,
    )
    return total


def filtered(log_density, initial, transitions, space):
    """Probability of each state at each row given the rows up to it, (n, K)."""
    states = np.empty_like(log_density)
    _forward(log_density, initial, transitions, space, states, _NO_ROWS)
    return states


def likelihood(log_density, initial, transitions, space, *, by_row=False):
    """Log-likelihood of each sequence, (n_sequences,), or log p(x_t | past) of each row, (n,)."""
    rows = np.empty(len(log_density)) if by_row else _NO_ROWS
    no_states = np.empty((0, log_density.shape[1]))
    total = _forward(log_density, initial, transitions, space, no_states, rows)
    return rows if by_row else total


def viterbi(log_density, initial, transitions, space):
    """Most likely path of each sequence, (n,) int32, and log p(path, sequence), (n_sequences,)."""
    sequences = space.sequences
    path, log_probability = np.empty(len(log_density), np.int32), np.empty(sequences.n_sequences)
    with np.errstate(divide="ignore"):
        log_start, log_matrix = np.log(initial.probabilities), np.log(transitions.matrix)
    viterbi_kernel(
        log_density,
        sequences.offsets,
        log_start,
        log_matrix,
        sequences.groups,
        sequences.singles,
        tasks_at_once(),
        space.scratch,
        path,
        log_probability,
        space.n_threads,
    )
    return path, log_probability
