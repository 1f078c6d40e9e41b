"""What a state emits: components of two verbs, *accumulate* and *maximise*.

Every class answers to the same names, and that is all the rest of the family knows of it:

=====================  ===========================================================================
``log_density(data)``  (n, K) log-density of each row in each state; -inf for impossible
``weigh(data)``        the same, and what regularisation adds to it in EM: then the objective that EM
                       reports is the one that its M-step maximises
``log_prior``          what a prior of the parameters adds to the log-likelihood, or 0: the same
``accumulate``         statistics of rows with weights (n, K) in the states
``mass(statistics)``   (K,) weight that each state received
``maximise``           the most likely emission; a state without weight keeps what it had
``relocate``           the same, but one state sits on one row
``sample``             one row for each state drawn
``n_parameters``       free parameters
=====================  ===========================================================================

In EM, `weigh` of some rows comes before `accumulate` of the same rows. Statistics are sums over rows, so
those of parts add up to those of the whole. Mixtures are in `_mixture_emission`.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from .._core._gaussian import COVARIANCES
from .._core._validation import bad_value
from .._native import _hmm_emissions as kernels

__all__ = [
    "CategoricalEmission",
    "Counts",
    "GaussianEmission",
    "MultinomialEmission",
    "PoissonEmission",
]


class GaussianEmission:
    """A Gaussian in each state, of one of the covariance parametrisations of `_core._gaussian`.

    `reg_covar` is added to every variance when maximising. That maximises the likelihood of the
    rows blurred by noise of this variance: E log N(x + e) = log N(x) - reg_covar / 2 * trace of the
    precision. The second term belongs into the objective.
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

    def weigh(self, data, n_threads, out):
        self.log_density(data, n_threads, out)
        if self.reg_covar:
            out -= 0.5 * self.reg_covar * self.gaussian.precision_traces()
        return out

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

    weigh = log_density

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
    """Counts (n, d), not negative, and the part of each row's log-density that all states share."""

    X: np.ndarray
    base: np.ndarray

    @classmethod
    def of(cls, X, *, known_totals=False):
        """Minus the sum of log x!, and with `known_totals` the logarithm of the total's factorial."""
        X64 = X.astype(np.float64)
        base = -gammaln(X64 + 1).sum(axis=1)
        return cls(X, base + gammaln(X64.sum(axis=1) + 1) if known_totals else base)

    def __len__(self):
        return len(self.X)


class _CountEmission:
    """Log-density ``base + constant + x log(factor)`` of counts x; `table` is (K, d), not negative."""

    log_prior = 0.0

    def __init__(self, table, constant):
        self.table = np.ascontiguousarray(table, np.float64)
        with np.errstate(divide="ignore"):
            self._log_table = np.ascontiguousarray(np.log(self.table).T)
        self._constant = constant

    def log_density(self, data, n_threads, out=None):
        out = np.empty((len(data.X), len(self.table))) if out is None else out
        kernels.poisson_log_density(
            data.X, data.base, self._log_table, self._constant, out, n_threads
        )
        return out

    weigh = log_density

    def accumulate(self, data, posteriors, n_threads):
        sums = np.zeros((1 + data.X.shape[1], posteriors.shape[1]))
        kernels.weighted_sums(data.X, posteriors, sums, n_threads)
        return sums

    @staticmethod
    def mass(statistics):
        return statistics[0]


class PoissonEmission(_CountEmission):
    """Independent Poisson counts: a rate (K, d) for each state and column."""

    def __init__(self, rates):
        super().__init__(rates, -np.sum(rates, axis=1, dtype=np.float64))

    def maximise(self, statistics):
        rates = self.table.copy()
        total = statistics[0][:, None]
        np.divide(statistics[1:].T, total, out=rates, where=total > 0)
        return PoissonEmission(rates)

    def relocate(self, state, data, row):
        """The rate becomes the mean of the row and of all states."""
        rates = self.table.copy()
        rates[state] = 0.5 * (data.X[row] + rates.mean(axis=0))
        return PoissonEmission(rates)

    def sample(self, states, rng):
        return rng.poisson(self.table[states])

    @property
    def n_parameters(self):
        return self.table.size


class MultinomialEmission(_CountEmission):
    """Each of a row's trials falls into one of d categories: a probability (K, d) for each.

    `n_trials` is the number of trials of a row that is drawn; a given row has its own. `alpha` is added
    to each expected count.
    """

    def __init__(self, probabilities, n_trials, alpha=0.0):
        super().__init__(probabilities, np.zeros(len(probabilities)))
        self.n_trials, self.alpha = n_trials, alpha

    @property
    def log_prior(self):
        return self.alpha * float(self._log_table.sum()) if self.alpha > 0 else 0.0

    def maximise(self, statistics):
        probabilities = self.table.copy()
        counts = statistics[1:].T + self.alpha
        total = counts.sum(axis=1, keepdims=True)
        np.divide(counts, total, out=probabilities, where=total > 0)
        return MultinomialEmission(probabilities, self.n_trials, self.alpha)

    def relocate(self, state, data, row):
        """Half of the state's probability is the row's shares, half the mean of all states."""
        probabilities = self.table.copy()
        shares = data.X[row] / max(data.X[row].sum(), 1.0)
        probabilities[state] = shares + self.table.mean(axis=0)
        probabilities[state] /= probabilities[state].sum()
        return MultinomialEmission(probabilities, self.n_trials, self.alpha)

    def sample(self, states, rng):
        if self.n_trials is None:
            raise bad_value(
                "n_trials",
                None,
                "leaves open how many trials a row has that is drawn, as nothing was fitted",
                "integers from 1 on",
                "Set it.",
            )
        rows = np.empty((len(states), self.table.shape[1]), np.int64)
        for state, probabilities in enumerate(self.table):
            own = np.flatnonzero(states == state)
            shares = probabilities / probabilities.sum()
            rows[own] = rng.multinomial(self.n_trials, shares, size=len(own))
        return rows

    @property
    def n_parameters(self):
        return self.table.size - len(self.table)
