"""Expectation-maximisation, whatever the distribution: the loop, its stop, its history.

EM raises an objective by turns: *expect* computes the objective of a model and the statistics that
its posteriors give, *maximise* the model of highest objective given those statistics. Everything
that is added to the likelihood (a prior, a regularisation) belongs into the objective, so that what
is watched is what rises.

A. Dempster, N. Laird, D. Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.
"""

from typing import NamedTuple, Protocol

import numpy as np

__all__ = ["EMProblem", "EMRun", "best_run", "run_em"]

PATIENCE = 10  # iterations at an objective of -inf; starts that can recover do so in one or two


class EMProblem(Protocol):
    """What `run_em` needs of a problem."""

    def expect(self, model):
        """Return the objective of `model` and the statistics for the next one."""

    def maximise(self, statistics, model):
        """Return the next model, and whether something else than maximisation was done to it.

        After an intervention (an empty component put elsewhere) the objective may fall, and the
        run goes on.
        """

    def evaluate(self, model):
        """Return the objective of `model` alone."""


class EMRun(NamedTuple):
    """Where a run of EM ended.

    model : the last model
    history : (n_iter + 1,) objective of the start and after each iteration; the last is `model`'s
    n_iter : number of maximisations
    converged : the last gain was at most the tolerance; never after an objective of -inf
    """

    model: object
    history: np.ndarray
    n_iter: int
    converged: bool


def run_em(problem, model, *, max_iter, tol, watch=None):
    """Run EM from `model` until an iteration gains at most `tol`.

    Parameters
    ----------
    problem : EMProblem
    model : object
        The start.
    max_iter : int
    tol : float, not negative
        In units of the objective. 0: until it rises no more.
    watch : callable or None
        ``watch()`` before an iteration, ``watch(model)`` after it; a true answer to the latter ends
        the run.

    Returns
    -------
    EMRun
    """
    history, converged, intervened = [], False, False
    for _ in range(max_iter):
        objective, statistics = problem.expect(model)
        history.append(float(objective))
        converged = not intervened and _settled(history, tol)
        if converged or _hopeless(history):
            break
        if watch is not None:
            watch()
        model, intervened = problem.maximise(statistics, model)
        if watch is not None and watch(model):
            history.append(float(problem.evaluate(model)))
            break
    else:
        history.append(float(problem.evaluate(model)))
        converged = not intervened and _settled(history, tol)
    return EMRun(model, np.array(history), len(history) - 1, converged)


def _settled(history, tol):
    """Whether the last step gained at most `tol`; never from or to an objective of -inf."""
    return len(history) > 1 and -np.inf < history[-2] and history[-1] - history[-2] <= tol


def _hopeless(history):
    """Whether the data were impossible too often: zeros that forbid them never rise again."""
    return len(history) > PATIENCE and max(history[-PATIENCE:]) == -np.inf


def best_run(runs):
    """Return the run of highest objective, the first of equals; `runs` may be a generator."""
    best = None
    for run in runs:
        if best is None or run.history[-1] > best.history[-1]:
            best = run
    return best
