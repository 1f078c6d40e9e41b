"""Covariance matrices as factors: what densities need, also of matrices that are singular.

See "How the numbers are kept right" in `_gaussian`.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.lapack import dpotrf, dpstrf, dtrtri

AT_ONCE = 64  # columns of matrices that are factorised one by one


class Factors(NamedTuple):
    """z = (x - mean) W whitens, for each of K covariances.

    whiten: W' in row order, (K, r, d) with r the most directions that any of them keeps (1 at
    least; rows of zeros fill up the others); log_dets: log |C| on the directions kept; ranks: how
    many those are; triangular: every W is upper triangular, r is d.
    """

    whiten: np.ndarray
    log_dets: np.ndarray
    ranks: np.ndarray
    triangular: bool


def factorise(covariances, floor_std, tol, singular):
    """Factorise covariances (K, d, d); `floor_std` (d,) stands in for deviations of 0."""
    factors = _by_cholesky(covariances, floor_std, tol)
    if factors is not None:
        return factors
    each = [_by_eigenvalues(C, floor_std, tol, singular) for C in covariances]
    ranks = np.array([len(rows) for rows, _ in each])
    whiten = np.zeros((len(each), max(1, ranks.max()), covariances.shape[1]))
    for k, (rows, _) in enumerate(each):
        whiten[k, : len(rows)] = rows
    return Factors(whiten, np.array([log_det for _, log_det in each]), ranks, False)


def _by_cholesky(covariances, floor_std, tol):
    """The same where all covariances have full rank, None where one may not."""
    K, d = covariances.shape[:2]
    std = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
    if (std < floor_std).any() or _is_plainly_singular(covariances, std):
        return None
    whiten, log_dets = np.empty((K, d, d)), 2.0 * np.log(std).sum(axis=1)
    step = K if d < AT_ONCE else 1  # calls cost more than small matrices, memory than large ones
    for first in range(0, K, step):
        part = slice(first, first + step)
        matrices = np.divide(covariances[part], std[part, :, None], out=whiten[part])
        matrices /= std[part, None, :]
        if not _cholesky_in_place(matrices):
            return None
        log_dets[part] += 2.0 * np.log(np.diagonal(matrices, axis1=1, axis2=2)).sum(axis=1)
        for factor in matrices:
            dtrtri(factor.T, lower=0, overwrite_c=1)
        if not (np.einsum("kij,kij->k", matrices, matrices) * tol < 1.0).all():
            return None  # else all eigenvalues are above tol
        matrices /= std[part, None, :]
    return Factors(whiten, log_dets, np.full(K, d), True)


def _is_plainly_singular(covariances, std):
    """Whether an eighth of the columns of a large matrix are linearly dependent already."""
    d = covariances.shape[1]
    if d < AT_ONCE:
        return False
    part = slice(0, d // 8 + 1)
    blocks = covariances[:, part, part] / std[:, part, None] / std[:, None, part]
    return not _cholesky_in_place(np.ascontiguousarray(blocks))


def _cholesky_in_place(matrices):
    """Put the lower factor in place of each matrix (k, d, d); False where one is not positive."""
    if matrices.shape[1] < AT_ONCE:
        try:
            matrices[...] = np.linalg.cholesky(matrices)
        except np.linalg.LinAlgError:
            return False
        return True
    # What is lower triangular in C's order is upper triangular in Fortran's: no copy.
    return all(dpotrf(one.T, lower=0, overwrite_a=1)[1] == 0 for one in matrices)


def _by_eigenvalues(covariance, floor_std, tol, singular):
    """W' (rank, d) and log |C| of one covariance matrix that may be singular."""
    d = len(covariance)
    scale = np.maximum(np.sqrt(np.maximum(np.diag(covariance), 0.0)), floor_std)
    found = None
    if singular == "drop":
        found = _of_lowest_rank(covariance, scale) or _of_low_rank(_correlation(covariance, scale))
    if found is None:
        found = eigh(_correlation(covariance, scale), overwrite_a=True, check_finite=False)
    values, vectors = found
    kept = values > tol
    if singular == "floor":
        values, kept = np.maximum(values, tol), np.ones(d, bool)
    basis, values = vectors[:, kept], values[kept]
    log_det = np.log(values).sum() + _log_volume(basis, scale)
    return basis.T / np.sqrt(values)[:, None] / scale, float(log_det)


def _correlation(covariance, scale):
    correlation = covariance / scale[:, None]
    correlation /= scale
    return correlation


def _of_lowest_rank(covariance, scale):
    """As `_of_low_rank` of the correlations, None beyond a rank of d / 8.

    Looks at the pivots' columns alone, so it does not pay to write the correlations down.
    """
    d = len(covariance)
    root = np.empty((d // 8, d))
    residual = np.diag(covariance) / scale**2
    negligible = d * np.finfo(np.float64).eps * residual.max()
    for rank in range(len(root) + 1):
        pivot = int(residual.argmax())
        if residual[pivot] <= negligible:
            return _from_root(root[:rank].T) if rank else None
        if rank == len(root):
            return None
        row = np.divide(covariance[pivot], scale, out=root[rank])
        row /= scale[pivot]
        row -= root[:rank, pivot] @ root[:rank]
        row /= np.sqrt(residual[pivot])
        residual -= row * row
        residual[pivot] = 0.0
    return None


def _of_low_rank(correlation):
    """Eigenvalues and vectors but for those that are zero, None where few are; overwrites.

    A matrix of n rows' correlations has rank n - 1 at most. The Cholesky factor with pivots ends
    there, after d n^2 operations, and its small Gram matrix has the same eigenvalues: a hundredth
    of the time for 60 rows of 1000 columns, to the same rounding.
    """
    factor, pivots, rank, _ = dpstrf(correlation.T, lower=1, overwrite_a=1)
    if 4 * rank > 3 * len(correlation):
        return None
    root = np.empty((len(correlation), rank))
    root[pivots - 1] = np.tril(factor[:, :rank])
    return _from_root(root)


def _from_root(root):
    """Eigenvalues and vectors of root @ root.T, but for those that are zero."""
    values, vectors = eigh(root.T @ root, check_finite=False)
    values = np.maximum(values, np.finfo(np.float64).tiny)
    return values, root @ (vectors / np.sqrt(values))


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
