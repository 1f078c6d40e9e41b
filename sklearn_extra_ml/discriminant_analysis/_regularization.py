"""From raw statistics of the classes to covariance estimates that hold up.

Three remedies for too few rows, all of which read the statistics and leave them as they are:

* *shrinkage* of each class covariance towards a multiple of the identity, by a given share, or by
  the share that Ledoit and Wolf (2004) or Chen et al. (2010, OAS) estimate. The estimated ones work
  on the correlation matrix (standardised columns), as scikit-learn's discriminant analysis does, so
  they do not depend on the units of the columns.
* *mixing* of class scatter with the pooled scatter by `reg_lambda`, and
* shrinkage of the result towards the identity by `reg_gamma` (Friedman 1989, equations 15 to 18).

Matrices are (..., d, d) and diagonals (..., d); ``dense`` tells which.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from .._core._gaussian_factors import rounding_variance
from .._core._threads import single_threaded_blas

BLOCK = 1024


# ---------------------------------------------------------------------------- fourth moments


class FourthMoments(NamedTuple):
    """What the estimate of Ledoit and Wolf needs beside the scatter; mergeable.

    Attributes
    ----------
    squares : (K, d, d), sum of w u_j^2 u_k^2, u the deviation from the class mean.
    mixed : (K, d, d), sum of w u_j^2 u_k.
    """

    squares: np.ndarray
    mixed: np.ndarray


def fourth_moments(X, codes, sample_weight, means):
    """Return the `FourthMoments` of the rows about `means` (K, d), in blocks of rows of a class."""
    K, d = means.shape
    squares, mixed = np.zeros((K, d, d)), np.zeros((K, d, d))
    with single_threaded_blas():
        for k in range(K):
            rows = np.flatnonzero(codes == k)
            for start in range(0, len(rows), BLOCK):
                block = rows[start : start + BLOCK]
                u = X[block].astype(np.float64) - means[k]
                u2 = u**2
                weighted = u2 if sample_weight is None else u2 * sample_weight[block, None]
                squares[k] += weighted.T @ u2
                mixed[k] += weighted.T @ u
    return FourthMoments(squares, mixed)


def _shifted(moments, statistics, step):
    """Return moments about points that lie `step` (K, d) before the class means.

    With v = u + e: the sums of v_j^2 v_k^2 and v_j^2 v_k, expanded; sums of u are zero.
    """
    S, n = statistics.scatter, statistics.weights[:, None, None]
    variances = np.diagonal(S, axis1=1, axis2=2)
    ej, ek = step[:, :, None], step[:, None, :]
    sj, sk = variances[:, :, None], variances[:, None, :]
    squares = (
        moments.squares
        + 2 * ek * moments.mixed
        + 2 * ej * moments.mixed.transpose(0, 2, 1)
        + ek**2 * sj
        + ej**2 * sk
        + 4 * ej * ek * S
        + n * ej**2 * ek**2
    )
    mixed = moments.mixed + ek * sj + 2 * ej * S + n * ej**2 * ek
    return FourthMoments(squares, mixed)


def merge_fourth_moments(first, first_statistics, second, second_statistics, means):
    """Return the moments of both about `means`, those of the merged statistics."""
    a = _shifted(first, first_statistics, first_statistics.means - means)
    b = _shifted(second, second_statistics, second_statistics.means - means)
    return FourthMoments(a.squares + b.squares, a.mixed + b.mixed)


# ---------------------------------------------------------------------------------- shrinkage


def clear_constant_columns(covariances, means, dense):
    """Set to 0, in place, what rounding of the mean left of constant columns."""
    noise = rounding_variance(means)
    if covariances.ndim == (2 if dense else 1):
        noise = noise.max(axis=0)
    if not dense:
        covariances[covariances <= noise] = 0.0
        return
    constant = np.diagonal(covariances, axis1=-2, axis2=-1) <= noise
    if not constant.any():
        return
    covariances[constant[..., :, None] | constant[..., None, :]] = 0.0


def mean_variance(covariances, dense):
    """Mean of the diagonal of each covariance."""
    diagonals = np.diagonal(covariances, axis1=-2, axis2=-1) if dense else covariances
    return diagonals.mean(axis=-1)


def shrink_to_identity(covariances, intensity, dense):
    """Return (1 - intensity) C + intensity * (mean variance) I; `intensity` may be one a class."""
    covariances = np.asarray(covariances)
    intensity = np.asarray(intensity, dtype=np.float64)
    target = np.expand_dims(intensity * mean_variance(covariances, dense), -1)
    if not dense:
        return np.expand_dims(1.0 - intensity, -1) * covariances + target
    shrunk = np.expand_dims(1.0 - intensity, (-2, -1)) * covariances
    i = np.arange(covariances.shape[-1])
    shrunk[..., i, i] += target
    return shrunk


def ledoit_wolf_intensity(correlation, std, squares, weight):
    """Share of the identity that is best in mean square for standardised data (2004)."""
    d = len(correlation)
    beta = np.sum(squares / (std[:, None] ** 2 * std**2)) / weight
    mean_square = np.sum(correlation**2)
    mu = np.trace(correlation) / d
    beta = (beta - mean_square) / (d * weight)
    delta = (mean_square - d * mu**2) / d
    beta = min(beta, delta)
    return beta / delta if beta > 0 else 0.0


def oas_intensity(correlation, weight):
    """The oracle approximating share for Gaussian data (Chen et al. 2010, equation 23)."""
    d = len(correlation)
    mu = np.trace(correlation) / d
    alpha = np.mean(correlation**2)
    spread = (weight + 1) * (alpha - mu**2 / d)
    return min((alpha + mu**2) / spread, 1.0) if spread > 0 else 1.0


def _shrink_estimated(covariance, weight, method, squares):
    """Return the covariance shrunk by an estimated share, and that share."""
    std = np.sqrt(np.diag(covariance))
    std = np.where(std > 0, std, 1.0)
    correlation = covariance / std[:, None] / std
    if method == "oas":
        intensity = oas_intensity(correlation, weight)
    else:
        intensity = ledoit_wolf_intensity(correlation, std, squares, weight)
    shrunk = shrink_to_identity(correlation, intensity, dense=True)
    return shrunk * std[:, None] * std, intensity


def shrink_classes(covariances, weights, shrinkage, moments, dense):
    """Return class covariances shrunk, (K, d, d) or (K, d), and the shares used, (K,)."""
    if not isinstance(shrinkage, str):
        intensity = np.full(len(weights), float(shrinkage))
        return shrink_to_identity(covariances, intensity, dense), intensity
    shrunk, intensity = covariances.copy(), np.zeros(len(weights))
    for k in np.flatnonzero(weights > 0):
        squares = None if moments is None else moments.squares[k]
        shrunk[k], intensity[k] = _shrink_estimated(covariances[k], weights[k], shrinkage, squares)
    return shrunk, intensity


# ------------------------------------------------------------------------------------ Friedman


def mix_with_pooled(covariances, weights, reg_lambda):
    """Return class covariances mixed with the pooled one.

    Friedman's equations 15 to 17: scatter and weights are mixed, so large classes are moved less. A
    class without weight takes the pooled covariance. May return what it was given.
    """
    if reg_lambda == 0 and weights.all():
        return covariances
    columns = (slice(None), *(None,) * (covariances.ndim - 1))
    scatter = covariances * weights[columns]
    pooled = scatter.sum(axis=0)
    total = weights.sum()
    own = (1.0 - reg_lambda) * weights
    mixed_weights = own + reg_lambda * total
    empty = mixed_weights == 0
    safe = np.where(empty, 1.0, mixed_weights)[columns]
    mixed = ((1.0 - reg_lambda) * scatter + reg_lambda * pooled) / safe
    mixed[empty] = pooled / total
    return mixed


# -------------------------------------------------------------------------------- degenerate classes


def fill_from_pooled(covariance, whitening, coloring, tol):
    """Return one class covariance matrix with the pooled variance where the class has none.

    `whitening` W (d, r) makes the pooled covariance P the identity on the r directions it has;
    `coloring` is P W, which leads back. In these coordinates eigenvalues of the class below `tol`
    become 1; what no class varies in stays without variance.
    """
    values, vectors = eigh(whitening.T @ covariance @ whitening, check_finite=False)
    back = coloring @ (vectors * np.sqrt(np.where(values > tol, values, 1.0)))
    return back @ back.T
