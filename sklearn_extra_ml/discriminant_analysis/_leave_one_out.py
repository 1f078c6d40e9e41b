"""The choice of Friedman's two parameters by exact leave-one-out, without refitting.

The grid is judged by the weight of the rows that a model of the others would misclassify; equals
are told apart by the log-loss of the same predictions, then by more regularization. What makes this
cheap stands in ``_native/_leave_one_out.pyx``: one eigendecomposition for each lambda and class
serves all gammas and all rows.

With fewer rows than columns the rows are rotated into the space that they span first, which
neither the mixed scatter nor its shrinkage notices: the directions left out hold no variance, and
enter by their number alone.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.linalg import qr

from .._core._threads import threads_for_rows
from .._native._leave_one_out import BLOCK, leave_one_out

GRID = np.linspace(0.0, 1.0, 20)
ROWS_OF_SHORT_TASK = 2048  # up to here a lambda takes milliseconds, beyond it waits for signals


class Choice(NamedTuple):
    """The pair of the grid with the fewest errors.

    Attributes
    ----------
    reg_lambda, reg_gamma : float
    error : (n_lambda, n_gamma), leave-one-out error, inf where a covariance would be singular.
    """

    reg_lambda: float
    reg_gamma: float
    error: np.ndarray


def choose_regularization(
    X, codes, sample_weight, statistics, *, covariance, lambdas, gammas, priors, tol
):
    """Return the `Choice` among all pairs of `lambdas` and `gammas`; BLAS held to one thread.

    Rows of weight 0 and rows that are alone in their class are not judged: no model without them
    could know their class. A row of weight w > 1 stands for w copies, of which one is left out.
    """
    dense, pools = covariance in ("full", "tied"), covariance in ("tied", "tied_diag")
    seen = statistics.weights > 0
    weights, means, scatter = statistics.weights[seen], statistics.means[seen], statistics.scatter
    scatter = scatter if pools else scatter[seen]
    row_weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    removed = np.minimum(row_weights, 1.0)
    left = statistics.weights[codes] - removed
    judged = (removed > 0) & (left > 1e-9 * statistics.weights[codes])
    if not judged.any():
        raise ValueError(
            "Every class has only one sample, so none can be left out. Give `reg_lambda` and "
            "`reg_gamma` as numbers, or pass more rows."
        )
    codes = (np.cumsum(seen) - 1)[codes[judged]]
    X = X[judged].astype(np.float64)
    extra = 0
    if dense and np.count_nonzero(row_weights) < X.shape[1]:
        X, means, scatter, extra = _in_row_space(X, means, scatter, weights)
    # Gammas do not notice one factor for all columns; products of eigenvalues stay near 1 by it.
    d = X.shape[1] + extra
    pooled_trace = np.trace(scatter, axis1=-2, axis2=-1).sum() if dense else scatter.sum()
    scale = np.sqrt(pooled_trace / (weights.sum() * d)) if pooled_trace > 0 else 1.0
    data = _Data(
        np.ascontiguousarray(X / scale),
        np.ascontiguousarray(codes, np.int32),
        row_weights[judged],
        removed[judged],
        np.ascontiguousarray(means / scale),
        weights,
        np.empty(0) if priors is None else np.log(np.maximum(priors[seen], 1e-300)),
        extra,
    )
    if pools:
        lambdas = np.ones(1)  # one scatter for all is what lambda = 1 means
    if covariance == "spherical":
        gammas = np.ones(1)  # and no correlations and one variance what gamma = 1 means
        scatter = np.repeat(scatter[:, None] / X.shape[1], X.shape[1], axis=1)
    return _search(data, scatter / scale**2, lambdas, gammas, dense, pools, tol)


class _Data(NamedTuple):
    """Arguments of the kernel that do not depend on the parameters."""

    X: np.ndarray
    codes: np.ndarray
    row_weights: np.ndarray
    removed: np.ndarray
    means: np.ndarray
    class_weights: np.ndarray
    log_priors: np.ndarray
    extra: int


def _in_row_space(X, means, scatter, weights):
    """Return X, means and scatter in an orthonormal basis of the rows, and what was left out."""
    center = weights @ means / weights.sum()
    stacked = np.vstack([X - center, means - center])
    basis = qr(stacked.T, mode="economic", check_finite=False)[0]
    extra = X.shape[1] - basis.shape[1]
    return (X - center) @ basis, (means - center) @ basis, basis.T @ scatter @ basis, extra


def _search(data, scatter, lambdas, gammas, dense, pools, tol):
    """Judge all pairs: one lambda after the other, or several at a time where rows are few."""
    pooled = scatter if pools else scatter.sum(axis=0)
    n_threads = threads_for_rows(len(data.X) * len(gammas))
    side_by_side = 1 < n_threads and len(data.X) < ROWS_OF_SHORT_TASK

    def judge(reg_lambda):
        mixed = scatter[None] if pools else (1.0 - reg_lambda) * scatter + reg_lambda * pooled
        values, vectors = _decompose(mixed, dense)
        usable = _usable(values, gammas, data.extra, tol)
        error, loss = np.zeros((2, -(-len(data.X) // BLOCK), usable.sum()))
        if usable.any():
            threads = 1 if side_by_side else n_threads
            leave_one_out(*data, reg_lambda, gammas[usable], vectors, values, error, loss, threads)
        judged = np.full((2, len(gammas)), np.inf)
        judged[:, usable] = error.sum(axis=0), loss.sum(axis=0)
        return judged / data.row_weights.sum()

    if side_by_side:
        with ThreadPoolExecutor(n_threads) as pool:
            judged = np.array(list(pool.map(judge, lambdas)))
    else:
        judged = np.array([judge(reg_lambda) for reg_lambda in lambdas])
    errors, losses = judged[:, 0], judged[:, 1]
    if not np.isfinite(errors).any():
        raise ValueError(
            "Every pair of `reg_lambda` and `reg_gamma` to choose from gives a singular "
            "covariance. Set 'auto' for both, or drop constant columns."
        )
    best = _best(errors, losses)
    return Choice(float(lambdas[best[0]]), float(gammas[best[1]]), errors)


def _best(errors, losses):
    """The fewest errors; of equals the smallest loss; of equals the largest parameters."""
    fewest = errors <= errors.min() + 1e-12
    tied = np.where(fewest, losses, np.inf)
    candidates = np.argwhere(tied <= tied.min() * (1 + 1e-12))
    return tuple(candidates[-1])


def _decompose(mixed, dense):
    """Eigenvalues (K, d) and eigenvectors as rows (K, d, d); without correlations the diagonal."""
    if not dense:
        return np.ascontiguousarray(mixed), np.empty((0, 0, 0))
    values, vectors = np.linalg.eigh(mixed)
    return np.maximum(values, 0.0), np.ascontiguousarray(vectors.transpose(0, 2, 1))


def _usable(values, gammas, extra, tol):
    """Gammas for which the covariance of every class has full rank."""
    d = values.shape[1] + extra
    trace = values.sum(axis=1)
    base = gammas * (trace / d)[:, None]  # (K, n_gammas)
    lowest = 0.0 if extra else values.min(axis=1)
    highest = values.max(axis=1)
    smallest = (1.0 - gammas) * np.reshape(lowest, (-1, 1)) + base
    largest = (1.0 - gammas) * highest[:, None] + base
    return (smallest > tol * largest).all(axis=0)
