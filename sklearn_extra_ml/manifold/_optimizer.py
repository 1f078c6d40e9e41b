r"""Gradient descent of t-SNE: phases of exaggeration, momentum, gains, and when to stop.

The gradient at point i is :math:`2 \frac{\nu + 1}{\nu} \sum_j (a \, p_{ij} - q_{ij})
\frac{y_i - y_j}{u_{ij}}`, :math:`q = w / Z`, with `a` the exaggeration of the phase. The loop
knows a graph, something that repels, and a list of phases; points are float32, one row a
coordinate.

A. C. Belkina et al., "Automated optimized parameters for t-distributed stochastic neighbor
embedding improve visualization and analysis of large datasets", Nature Communications 10, 2019
(learning rate, stopping). R. A. Jacobs, "Increased rates of convergence through learning rate
adaptation", Neural Networks 1, 1988 (gains).
"""

from typing import NamedTuple

import numpy as np

from .._native import _tsne_gradient, _tsne_tree
from ._affinities import soa
from ._repulsion import FAR, ExactRepulsion

__all__ = ["CHECK", "Descent", "Phase", "descend", "kl_divergence"]

CHECK = 50  # iterations between two looks at the divergence
EXACT_KL = 20_000  # up to so many rows the final divergence is computed from all pairs
_LEAST_Z = 1e-30  # its inverse is a number of float32; reached where all points are far apart
_REORDER = 4096  # from so many rows on, points are sorted along a curve between phases


class Phase(NamedTuple):
    """A stretch of iterations with one exaggeration."""

    end: int  # number of the last iteration; where a phase stops early the next one has the rest
    exaggeration: float
    momentum: float
    rate: float
    patience: int  # iterations without a new lowest divergence
    tol: float  # relative fall of the divergence for each iteration below which the phase ends


class Descent(NamedTuple):
    """What a run of `descend` gives."""

    embedding: np.ndarray  # (n, n_components) float32, by row of the data
    n_iter: int
    history: list  # (iteration, divergence) every `CHECK` iterations
    kl: float


class _State:
    """Positions, renumbered together with the graph; last steps and gains of the phase."""

    def __init__(self, graph, positions):
        self.graph = graph
        self.y = soa(positions[graph.order], FAR)
        self.step, self.gain = np.empty_like(self.y), np.empty_like(self.y)
        self.attraction = np.zeros_like(self.y)
        self.repulsion = np.zeros_like(self.y)

    def start_anew(self):
        """Forget steps and gains: those of one exaggeration mislead the descent of another."""
        self.step[:], self.gain[:] = 0.0, 1.0

    def embedding(self):
        n = self.graph.n_rows
        out = np.empty((n, self.y.shape[0]), dtype=np.float32)
        out[self.graph.order] = self.y[:, :n].T
        return out

    def sort(self, n_threads):
        """Put points that are close beside each other: their graph then stays in the caches."""
        n, dim = self.graph.n_rows, self.y.shape[0]
        if n < _REORDER or dim > 3:
            return
        low = self.y[:, :n].min(axis=1).astype(np.float64)
        width = float((self.y[:, :n].max(axis=1) - low).max())
        codes, order = np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.int32)
        bits = _tsne_tree.curve_bits(dim, n, width)
        _tsne_tree.sort_on_curve(self.y, n, low, width, bits, n_threads, codes, order)
        self.graph.reorder(order, n_threads)
        self.y[:, :n] = self.y[:, order]


def descend(graph, positions, repulsion, phases, *, dof, max_step, min_grad_norm, n_threads, watch):
    """Run the phases from `positions` (n, n_components) on.

    Parameters
    ----------
    graph : Graph
        Its rows are put into another order.
    positions : ndarray of shape (n, n_components), float32
        By row of the data.
    repulsion : object with `forces(y, n, out)` and `normaliser(y, n)`
    phases : list of Phase
    dof : float
    max_step : float
        A point moves at most so far in one iteration.
    min_grad_norm : float
        A phase ends when the norm of its scaled gradient is at most this.
    n_threads : int
    watch : callable
        Called every `CHECK` iterations with (iteration, divergence, gradient norm, embedding
        getter); true ends the descent.

    Returns
    -------
    Descent
    """
    state = _State(graph, positions)
    n, entropy = graph.n_rows, graph.entropy()
    factor = 2.0 * (dof + 1.0) / dof
    done, history, stopped = 0, [], False
    for phase in phases:
        state.start_anew()
        best, best_at, previous = np.inf, done, None
        rule = {"rate": phase.rate, "momentum": phase.momentum, "max_step": max_step}
        rule["attraction"] = factor * phase.exaggeration
        while done < phase.end and not stopped:
            Z = max(repulsion.forces(state.y, n, state.repulsion), _LEAST_Z)
            edges = (state.graph.indptr, state.graph.target, state.graph.weight)
            _tsne_gradient.attraction(*edges, state.y, dof, n_threads, state.attraction)
            kl = None
            if (done + 1) % CHECK == 0:
                kl = entropy + _moving_part(edges, state.y, dof, Z, n_threads)
            rule["repulsion"] = factor / Z
            norm = _tsne_gradient.descend(
                state.y,
                state.attraction,
                state.repulsion,
                state.step,
                state.gain,
                n,
                rule,
                n_threads,
            )
            done += 1
            if kl is None:
                continue
            history.append((done, kl))
            stopped = bool(watch(done, kl, norm, state.embedding))
            if kl < best:
                best, best_at = kl, done
            elif done - best_at > phase.patience:
                break
            if norm <= min_grad_norm:
                break
            if previous is not None and 0 <= previous - kl < phase.tol * CHECK * kl:
                break
            previous = kl
        if stopped:
            break
        edges = None  # lets go of the arrays that are moved now
        state.sort(n_threads)
    kl = kl_divergence(state.graph, state.y, repulsion, dof, n_threads, entropy)
    return Descent(state.embedding(), done, history, kl)


def kl_divergence(graph, y, repulsion, dof, n_threads, entropy):
    """Return the divergence of positions; the normaliser is exact up to `EXACT_KL` rows."""
    n = graph.n_rows
    if n <= EXACT_KL:
        repulsion = ExactRepulsion(dof, n_threads)
    Z = max(repulsion.normaliser(y, n), np.finfo(np.float64).tiny)
    edges = (graph.indptr, graph.target, graph.weight)
    return entropy + _moving_part(edges, y, dof, Z, n_threads)


def _moving_part(edges, y, dof, Z, n_threads):
    """Minus the sum of p log q, with all p summing to 1."""
    logs = _tsne_gradient.graph_log(*edges, y, dof, n_threads)
    return 0.5 * (dof + 1.0) * np.log(2.0) * logs + float(np.log(Z))
