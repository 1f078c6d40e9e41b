"""The exact denoiser of a Gaussian, by its eigenvectors, and the noise levels of Karras et al."""

import math

import numpy as np
import torch


def karras_sigmas(n_steps, sigma_min, sigma_max, rho=7.0):
    """Return `n_steps` levels from `sigma_max` to `sigma_min`, dense near the data, then 0.

    Karras et al. (2022), equation 5. One step: `sigma_max`, 0.
    """
    fraction = np.arange(n_steps) / max(n_steps - 1, 1)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return np.append((high + fraction * (low - high)) ** rho, 0.0)


class GaussianDenoiser:
    """Rows from N(mean, covariance): posterior means and probability flow in closed form."""

    def __init__(self, mean, covariance):
        self.mean, self.covariance = mean, covariance
        self.values, self.vectors = np.linalg.eigh(covariance)

    def _apply(self, x, factors):
        return self.mean + (x - self.mean) @ (self.vectors * factors) @ self.vectors.T

    def denoise(self, x, sigma):
        """E[row | row + sigma * noise = x]."""
        return self._apply(x, self.values / (self.values + sigma**2))

    def flow(self, x, sigma, following):
        """The probability flow from one level to another: each axis keeps its quantile."""
        return self._apply(x, np.sqrt((self.values + following**2) / (self.values + sigma**2)))

    def field_functions(self):
        """F of `_probability_flow`, and F with the trace of its Jacobian, on float64 tensors."""
        mean, vectors = torch.from_numpy(self.mean), torch.from_numpy(self.vectors)
        values = torch.from_numpy(self.values)

        def field(u, tau):
            x, sigma = u / math.cos(tau), math.tan(tau)
            shrink = values / (values + sigma**2)
            clean = mean + (x - mean) @ (vectors * shrink) @ vectors.T
            return (clean - math.cos(tau) * u) / math.sin(tau)

        def traced(u, tau, probes, weight):
            sigma = math.tan(tau)
            shrink = (values / (values + sigma**2)).sum()
            d = len(values)
            trace = (shrink / math.cos(tau) - d * math.cos(tau)) / math.sin(tau)
            return field(u, tau), trace.expand(len(u))

        return field, traced
