"""Standardised columns: an affine map with its inverse and the logarithm of its Jacobian."""

import numpy as np

from ._storage import storable


@storable
class Standardizer:
    """``(X - mean) / scale``, computed in float64 and returned as float32.

    Parameters
    ----------
    kind : {"global", "column", False}
        "column": each column gets mean 0 and variance 1 (a constant one is only centred).
        "global": columns are centred and share one scale, the root of their mean variance, so that
        distances keep their proportions. False: the identity.
    """

    def __init__(self, kind):
        self.kind = kind

    def fit(self, X):
        """Learn means and scales of a float array of shape (n, d)."""
        d = X.shape[1]
        self.mean, self.scale = np.zeros(d), np.ones(d)
        if self.kind is False:
            return self
        self.mean = X.mean(axis=0, dtype=np.float64)
        centered = X - self.mean
        var = np.einsum("ij,ij->j", centered, centered) / len(X)
        # rounding of a constant column is not a spread
        noise = (10 * np.finfo(X.dtype).eps * np.abs(self.mean)) ** 2
        var[var <= noise] = 0.0
        if self.kind == "global":
            var = np.full(d, var.mean())
        self.scale = np.where(var > 0, np.sqrt(var), 1.0)
        return self

    def transform(self, X):
        return ((X - self.mean) / self.scale).astype(np.float32)

    def inverse_transform(self, Z):
        return (np.asarray(Z, dtype=np.float64) * self.scale + self.mean).astype(np.float32)

    @property
    def log_jacobian(self):
        """log |det d transform / d X|: added to a log-density, it is one of the input space."""
        return -float(np.log(self.scale).sum())
