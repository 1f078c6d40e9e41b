"""Covariance matrices as factors: what densities need, also of matrices that are singular.

See "How the numbers are kept right" in `_gaussian`.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dtrtri


class Factors(NamedTuple):
    """z = (x - mean) W whitens, for each of K covariances.

    whiten: W' in row order, (K, d, d); log_dets: log |C| on the directions kept; ranks: how many
    those are; triangular: every W is upper triangular.
    """

    whiten: np.ndarray
    log_dets: np.ndarray
    ranks: np.ndarray
    triangular: bool


def factorise(covariances, floor_std, tol, singular):
    """Factorise covariances (K, d, d); `floor_std` (d,) stands in for deviations of 0."""
    K, d = covariances.shape[:2]
    std = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
    if (std >= floor_std).all():
        correlations = covariances / std[:, :, None] / std[:, None, :]
        try:
            chol = np.linalg.cholesky(correlations)
        except np.linalg.LinAlgError:
            chol = None
        if chol is not None:
            inverse = np.array([dtrtri(c, lower=1)[0] for c in chol])
            if (np.sum(inverse**2, axis=(1, 2)) * tol < 1.0).all():  # eigenvalues are above tol
                pivots = np.diagonal(chol, axis1=1, axis2=2)
                log_dets = 2.0 * (np.log(pivots) + np.log(std)).sum(axis=1)
                whiten = np.ascontiguousarray(inverse / std[:, None, :])
                return Factors(whiten, log_dets, np.full(K, d), True)
    each = [_by_eigenvalues(C, floor_std, tol, singular) for C in covariances]
    whiten, log_dets, ranks = (np.ascontiguousarray(part) for part in zip(*each, strict=True))
    return Factors(whiten, log_dets, ranks, False)


def _by_eigenvalues(covariance, floor_std, tol, singular):
    """The same for one covariance matrix that may be singular."""
    d = len(covariance)
    scale = np.maximum(np.sqrt(np.maximum(np.diag(covariance), 0.0)), floor_std)
    correlation = covariance / scale[:, None] / scale
    values, vectors = eigh(correlation, check_finite=False)
    kept = values > tol
    if singular == "floor":
        values, kept = np.maximum(values, tol), np.ones(d, bool)
    whiten = np.zeros((d, d))
    whiten[: kept.sum()] = vectors[:, kept].T / np.sqrt(values[kept])[:, None]
    log_det = np.log(values[kept]).sum() + _log_volume(vectors[:, kept], scale)
    return whiten / scale, float(log_det), int(kept.sum())


def _log_volume(basis, scale):
    """log det of D B in its own span: what scaling the axes back does to volume there."""
    if basis.shape[1] == len(basis):
        return 2.0 * np.log(scale).sum()
    r = np.linalg.qr(basis * scale[:, None], mode="r")
    return 2.0 * np.log(np.abs(np.diag(r))).sum()


def rounding_variance(means):
    """Variance, (..., d), that a constant column may show: its mean is a rounded sum of 256 rows."""
    return (256.0 * np.finfo(np.float64).eps * means) ** 2


def least_std(variances, means, tol):
    """Smallest standard deviation that counts, (d,), for variances (..., d) and means (K, d)."""
    largest = variances.reshape(-1, variances.shape[-1]).max(axis=0)
    rounding = rounding_variance(means).max(axis=0)
    largest = np.where(largest > rounding, largest, 0.0)
    overall = largest.max(initial=0.0)
    largest = np.where(largest > 0, largest, overall if overall > 0 else 1.0)
    return np.sqrt(np.maximum(largest * tol, rounding))
