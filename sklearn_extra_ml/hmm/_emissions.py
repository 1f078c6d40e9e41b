"""What a state emits: components of two verbs, *accumulate* and *maximise*.

Every class answers to the same names, and that is all the rest of the family knows of it:

=====================  ===========================================================================
``log_density(data)``  (n, K) log-density of each row in each state; -inf for impossible
``penalty``            (K,) what regularisation adds to it in EM, or 0: then the objective that EM
                       reports is the one that its M-step maximises
``log_prior``          what a prior of the parameters adds to the log-likelihood, or 0: the same
``accumulate``         statistics of rows with weights (n, K) in the states
``mass(statistics)``   (K,) weight that each state received
``maximise``           the most likely emission; a state without weight keeps what it had
``relocate``           the same, but one state sits on one row
``sample``             one row for each state drawn
``n_parameters``       free parameters
=====================  ===========================================================================

Statistics are sums over rows, so those of parts add up to those of the whole.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from .._core._gaussian import COVARIANCES
from .._native import _hmm_emissions as kernels

__all__ = ["CategoricalEmission", "Counts", "GaussianEmission", "PoissonEmission"]


class GaussianEmission:
    """A Gaussian in each state, of one of the covariance parametrisations of `_core._gaussian`.

    `reg_covar` is added to every variance when maximising. That maximises the likelihood of the
    rows blurred by noise of this variance: E log N(x + e) = log N(x) - reg_covar / 2 * trace of the
    precision. The second term is the `penalty` that belongs into the objective.
    """

    log_prior = 0.0

    def __init__(self, gaussian, reg_covar=0.0):
        self.gaussian, self.reg_covar = gaussian, reg_covar

    @classmethod
    def of(cls, kind, means, covars, reg_covar=0.0):
        """From parameters; `kind`: "full", "tied", "diag" or "spherical"."""
        return cls(COVARIANCES[kind](means, covars), reg_covar)

    @property
    def _family(self):
        return type(self.gaussian)

    def log_density(self, data, n_threads, out=None):
        return self.gaussian.log_density(data, n_threads=n_threads, out=out)

    @property
    def penalty(self):
        if self.reg_covar == 0:
            return 0.0
        return -0.5 * self.reg_covar * self.gaussian.precision_traces()

    def accumulate(self, data, posteriors, n_threads):
        return self._family.accumulate(data, posteriors, n_threads=n_threads)

    @staticmethod
    def mass(statistics):
        return statistics.weights

    def maximise(self, statistics):
        gaussian = self._family.maximise(
            statistics, reg_covar=self.reg_covar, fallback=self.gaussian
        )
        return GaussianEmission(gaussian, self.reg_covar)

    def relocate(self, state, data, row):
        """Put the state's mean on a row, with the mean covariance of all states."""
        means, covars = self.gaussian.means.copy(), self.gaussian.covariances.copy()
        means[state] = data[row]
        if self._family.kind != "tied":
            covars[state] = covars.mean(axis=0)
        return GaussianEmission(self._family(means, covars), self.reg_covar)

    def sample(self, states, rng):
        return self.gaussian.sample(states, rng)

    @property
    def n_parameters(self):
        return self.gaussian.n_parameters


class CategoricalEmission:
    """Independent categorical columns: a probability for each state, column and category.

    `table` is (n_lines, K): the columns' categories one after another, `offsets` (d + 1,) says where
    each column begins. The data are integer codes (n, d) int32.
    """

    penalty = 0.0

    def __init__(self, table, offsets, alpha=0.0):
        self.table, self.offsets, self.alpha = np.ascontiguousarray(table), offsets, alpha
        with np.errstate(divide="ignore"):
            self._log_table = np.log(self.table)

    @property
    def log_prior(self):
        return self.alpha * float(self._log_table.sum()) if self.alpha > 0 else 0.0

    @classmethod
    def of(cls, probabilities, alpha=0.0):
        """From a list with one (K, n_categories) array for each column."""
        sizes = [p.shape[1] for p in probabilities]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        return cls(np.concatenate([p.T for p in probabilities]), offsets, alpha)

    @property
    def probabilities(self):
        """One (K, n_categories) array for each column."""
        ends = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [np.ascontiguousarray(self.table[first:last].T) for first, last in ends]

    def log_density(self, data, n_threads, out=None):
        out = np.empty((len(data), self.table.shape[1])) if out is None else out
        kernels.categorical_log_density(data, self.offsets, self._log_table, out, n_threads)
        return out

    def accumulate(self, data, posteriors, n_threads):
        counts = np.zeros_like(self.table)
        kernels.categorical_counts(data, self.offsets, posteriors, counts, n_threads)
        return counts

    def mass(self, statistics):
        return statistics[: self.offsets[1]].sum(axis=0)

    def maximise(self, statistics):
        table = self.table.copy()
        for first, last in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            counts = statistics[first:last] + self.alpha
            total = counts.sum(axis=0)
            np.divide(counts, total, out=table[first:last], where=total > 0)
        return CategoricalEmission(table, self.offsets, self.alpha)

    def relocate(self, state, data, row):
        """Half of the state's probability goes to the row's categories, half to those of all."""
        table = self.table.copy()
        table[:, state] = 0.5 * self.table.mean(axis=1)
        table[self.offsets[:-1] + data[row], state] += 0.5
        for first, last in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            table[first:last, state] /= table[first:last, state].sum()
        return CategoricalEmission(table, self.offsets, self.alpha)

    def sample(self, states, rng):
        columns = []
        uniform = rng.uniform(size=(len(states), len(self.offsets) - 1))
        for c, p in enumerate(self.probabilities):
            cumulative = np.cumsum(p, axis=1)
            cumulative[:, -1] = np.inf
            columns.append((uniform[:, c, None] >= cumulative[states]).sum(axis=1))
        return np.stack(columns, axis=1)

    @property
    def n_parameters(self):
        return self.table.size - self.table.shape[1] * (len(self.offsets) - 1)


class Counts(NamedTuple):
    """Counts (n, d), not negative, and minus the sum of log x! of each row."""

    X: np.ndarray
    base: np.ndarray

    @classmethod
    def of(cls, X):
        return cls(X, -gammaln(X.astype(np.float64) + 1).sum(axis=1))

    def __len__(self):
        return len(self.X)


class PoissonEmission:
    """Independent Poisson counts: a rate (K, d) for each state and column."""

    penalty = 0.0
    log_prior = 0.0

    def __init__(self, rates):
        self.rates = np.ascontiguousarray(rates, np.float64)
        with np.errstate(divide="ignore"):
            self._log_rates = np.ascontiguousarray(np.log(self.rates).T)
        self._constant = -self.rates.sum(axis=1)

    def log_density(self, data, n_threads, out=None):
        out = np.empty((len(data.X), len(self.rates))) if out is None else out
        kernels.poisson_log_density(
            data.X, data.base, self._log_rates, self._constant, out, n_threads
        )
        return out

    def accumulate(self, data, posteriors, n_threads):
        sums = np.zeros((1 + data.X.shape[1], posteriors.shape[1]))
        kernels.weighted_sums(data.X, posteriors, sums, n_threads)
        return sums

    @staticmethod
    def mass(statistics):
        return statistics[0]

    def maximise(self, statistics):
        rates = self.rates.copy()
        total = statistics[0][:, None]
        np.divide(statistics[1:].T, total, out=rates, where=total > 0)
        return PoissonEmission(rates)

    def relocate(self, state, data, row):
        """The rate becomes the mean of the row and of all states."""
        rates = self.rates.copy()
        rates[state] = 0.5 * (data.X[row] + rates.mean(axis=0))
        return PoissonEmission(rates)

    def sample(self, states, rng):
        return rng.poisson(self.rates[states])

    @property
    def n_parameters(self):
        return self.rates.size
