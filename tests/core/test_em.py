"""The loop of expectation-maximisation: when it stops, what it remembers."""

import numpy as np
import pytest

from sklearn_extra_ml._core._em import best_run, run_em


class Halving:
    """A problem whose objective is minus the model, and whose M-step halves the model."""

    def __init__(self, intervene_at=(), hopeless_until=0):
        self.intervene_at, self.hopeless_until, self.n_steps = intervene_at, hopeless_until, 0

    def evaluate(self, model):
        return -np.inf if self.n_steps < self.hopeless_until else -model

    def expect(self, model):
        return self.evaluate(model), model / 2

    def maximise(self, statistics, model):
        self.n_steps += 1
        intervened = self.n_steps in self.intervene_at
        return (10 * model if intervened else statistics), intervened


def test_run_ends_when_an_iteration_gains_no_more_than_the_tolerance():
    run = run_em(Halving(), 1.0, max_iter=50, tol=0.1)
    np.testing.assert_allclose(run.history, [-1, -0.5, -0.25, -0.125, -0.0625])
    assert run.converged and run.n_iter == 4
    assert run.model == 0.0625  # the model whose objective ends the history


def test_run_ends_after_max_iter_with_the_objective_of_its_model():
    run = run_em(Halving(), 1.0, max_iter=2, tol=0.1)
    np.testing.assert_allclose(run.history, [-1, -0.5, -0.25])
    assert not run.converged and run.n_iter == 2 and run.model == 0.25


def test_last_iteration_may_converge():
    run = run_em(Halving(), 1.0, max_iter=4, tol=0.1)
    assert run.converged and run.n_iter == 4


def test_tolerance_zero_runs_until_the_objective_rises_no_more():
    run = run_em(Halving(), 1.0, max_iter=5000, tol=0.0)
    assert run.converged and run.model == 0.0


def test_an_intervention_may_lower_the_objective_without_ending_the_run():
    run = run_em(Halving(intervene_at=(2,)), 1.0, max_iter=50, tol=0.1)
    assert run.history[2] < run.history[1]
    assert run.converged and run.history[-1] > -0.1
    last = run_em(Halving(intervene_at=(2,)), 1.0, max_iter=2, tol=0.1)
    assert not last.converged


def test_an_objective_of_minus_infinity_is_not_convergence():
    run = run_em(Halving(hopeless_until=3), 1.0, max_iter=50, tol=0.1)
    assert np.isneginf(run.history[:3]).all()
    assert run.converged and np.isfinite(run.history[-1])


def test_watch_sees_iterations_and_ends_the_run():
    seen = []

    def watch(model=None):
        seen.append(model)
        return model == 0.25

    run = run_em(Halving(), 1.0, max_iter=50, tol=0.0, watch=watch)
    assert seen == [None, 0.5, None, 0.25]
    assert run.n_iter == 2 and not run.converged
    np.testing.assert_allclose(run.history, [-1, -0.5, -0.25])


@pytest.mark.parametrize(("starts", "best"), [((3.0, 1.0, 2.0), 1), ((1.0, 1.0), 0)])
def test_best_run_is_the_first_of_highest_objective(starts, best):
    runs = [run_em(Halving(), s, max_iter=1, tol=0.0) for s in starts]
    assert best_run(iter(runs)) is runs[best]
