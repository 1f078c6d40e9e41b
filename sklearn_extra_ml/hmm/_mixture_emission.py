"""Emissions that are mixtures of Gaussians: the K states of M parts each are K * M Gaussians.

A part's share of a row, given the state, is needed twice in an iteration of EM: to add up the state's
density, and afterwards, times the posterior of the state, as the part's weight in the statistics. So
`weigh` keeps the shares, (n, K * M) numbers, for the `accumulate` that follows it; the memory is handed
on from model to model.
"""

import numpy as np

from .._core._gaussian import COVARIANCES
from .._native import _hmm_emissions as kernels

__all__ = ["MixtureEmission"]

BLOCK = 65_536  # rows whose parts are in memory at a time, outside EM


class MixtureEmission:
    """A mixture of Gaussians in each state; the verbs are those of `_emissions`.

    Parameters
    ----------
    weights : (K, M) array
        Shares of the parts of each state.
    gaussian : Gaussian of `_core._gaussian` with K * M components, the parts of a state together
    one_covariance : bool
        Whether the parts of a state share one covariance: "tied". Their Gaussians are then full.
    reg_covar : float
        As in `GaussianEmission`; the penalty is each part's own.
    """

    log_prior = 0.0

    def __init__(self, weights, gaussian, *, one_covariance=False, reg_covar=0.0):
        self.weights, self.gaussian = np.ascontiguousarray(weights, np.float64), gaussian
        self.one_covariance, self.reg_covar = one_covariance, reg_covar
        self._shares = None  # those of the rows that were weighed last
        with np.errstate(divide="ignore"):
            self._log_weights = np.log(self.weights).ravel()

    @classmethod
    def of(cls, kind, weights, means, covars, reg_covar=0.0):
        """From parameters, shaped as `GMMHMM` has them."""
        K, M, d = means.shape
        one_covariance = kind == "tied"
        if one_covariance:
            kind, covars = "full", np.broadcast_to(covars[:, None], (K, M, d, d))
        parts = covars.reshape(K * M, *covars.shape[2:])
        gaussian = COVARIANCES[kind](means.reshape(K * M, d), parts)
        return cls(weights, gaussian, one_covariance=one_covariance, reg_covar=reg_covar)

    @property
    def means(self):
        """(K, M, d)."""
        return self.gaussian.means.reshape(*self.weights.shape, -1)

    @property
    def covariances(self):
        """(K, M, ...), "tied" (K, d, d)."""
        covariances = self.gaussian.covariances
        parts = covariances.reshape(*self.weights.shape, *covariances.shape[1:])
        return parts[:, 0].copy() if self.one_covariance else parts

    def _like(self, weights, gaussian):
        return MixtureEmission(
            weights, gaussian, one_covariance=self.one_covariance, reg_covar=self.reg_covar
        )

    def log_density(self, data, n_threads, out=None):
        out = np.empty((len(data), len(self.weights))) if out is None else out
        for start in range(0, len(data), BLOCK):
            rows = slice(start, start + BLOCK)
            parts = self.gaussian.log_density(data[rows], n_threads=n_threads)
            kernels.mix(parts, self._log_weights, out[rows], n_threads)
        return out

    def weigh(self, data, n_threads, out):
        shape = (len(data), self.weights.size)
        if self._shares is None or self._shares.shape != shape:
            self._shares = np.empty(shape)
        self.gaussian.log_density(data, n_threads=n_threads, out=self._shares)
        log_weights = self._log_weights
        if self.reg_covar:
            log_weights = log_weights - 0.5 * self.reg_covar * self.gaussian.precision_traces()
        kernels.mix(self._shares, log_weights, out, n_threads)
        return out

    def accumulate(self, data, posteriors, n_threads):
        kernels.share_out(self._shares, posteriors, n_threads)
        return type(self.gaussian).accumulate(data, self._shares, n_threads=n_threads)

    def mass(self, statistics):
        return statistics.weights.reshape(self.weights.shape).sum(axis=1)

    def maximise(self, statistics):
        parts = statistics.weights.reshape(self.weights.shape)
        weights, mass = self.weights.copy(), parts.sum(axis=1, keepdims=True)
        np.divide(parts, mass, out=weights, where=mass > 0)
        if self.one_covariance:
            gaussian = self._maximise_together(statistics, mass)
        else:
            gaussian = type(self.gaussian).maximise(
                statistics, reg_covar=self.reg_covar, fallback=self.gaussian
            )
        new = self._like(weights, gaussian)
        new._shares, self._shares = self._shares, None
        return new

    def _maximise_together(self, statistics, mass):
        """Return the Gaussians of the parts with one covariance for each state."""
        (K, M), d = self.weights.shape, self.gaussian.n_features
        old, empty = self.gaussian, statistics.weights == 0
        means = np.where(empty[:, None], old.means, statistics.means)
        covariances = self.covariances
        scatter = statistics.scatter.reshape(K, M, d, d).sum(axis=1)
        mass = mass[:, :, None]
        np.divide(scatter, mass, out=covariances, where=mass > 0)
        covariances += self.reg_covar * np.eye(d)
        return type(old)(means, np.repeat(covariances, M, axis=0))

    def relocate(self, state, data, row):
        """Move the state's parts together until their mean is a row; covariances are the mean of all."""
        M = self.weights.shape[1]
        means, covars = self.gaussian.means.copy(), self.gaussian.covariances.copy()
        own = slice(state * M, (state + 1) * M)
        means[own] += data[row] - self.weights[state] @ means[own]
        covars[own] = covars.mean(axis=0)
        return self._like(self.weights, type(self.gaussian)(means, covars))

    def sample(self, states, rng):
        cumulative = np.cumsum(self.weights, axis=1)
        cumulative[:, -1] = np.inf
        uniform = rng.uniform(size=(len(states), 1))
        parts = (uniform >= cumulative[states]).sum(axis=1)
        return self.gaussian.sample(states * self.weights.shape[1] + parts, rng)

    @property
    def n_parameters(self):
        K, M = self.weights.shape
        gaussian = self.gaussian.n_parameters
        if self.one_covariance:
            d = self.gaussian.n_features
            gaussian -= K * (M - 1) * d * (d + 1) // 2
        return gaussian + K * (M - 1)
