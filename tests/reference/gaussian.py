"""Gaussian components and discriminant analysis by the definitions, two passes, plain numpy."""

import numpy as np
from scipy.stats import multivariate_normal


def statistics(X, shares):
    """Weights (K,), means (K, d) and scatter (K, d, d) for responsibilities (n, K)."""
    X = np.asarray(X, np.float64)
    weights = shares.sum(axis=0)
    means = (shares.T @ X) / np.where(weights > 0, weights, 1.0)[:, None]
    scatter = np.stack(
        [(s[:, None] * (X - m)).T @ (X - m) for s, m in zip(shares.T, means, strict=True)]
    )
    return weights, means, scatter


REDUCED = {
    "full": lambda scatter: scatter,
    "tied": lambda scatter: scatter.sum(axis=0),
    "diag": lambda scatter: np.diagonal(scatter, axis1=1, axis2=2),
    "tied_diag": lambda scatter: np.diagonal(scatter.sum(axis=0)),
    "spherical": lambda scatter: np.trace(scatter, axis1=1, axis2=2),
}


def covariances(kind, weights, scatter):
    """Maximum likelihood, spread out to (K, d, d)."""
    K, d = scatter.shape[:2]
    if kind.startswith("tied"):
        found = np.repeat(scatter.sum(axis=0)[None] / weights.sum(), K, axis=0)
    else:
        found = scatter / weights[:, None, None]
    if kind.endswith("diag"):
        found = found * np.eye(d)
    if kind == "spherical":
        found = np.trace(found, axis1=1, axis2=2)[:, None, None] / d * np.eye(d)
    return found


def log_density(X, means, dense_covariances):
    """(n, K), by scipy."""
    columns = [
        multivariate_normal(m, C).logpdf(np.asarray(X, np.float64))
        for m, C in zip(means, dense_covariances, strict=True)
    ]
    return np.stack([np.reshape(c, -1) for c in columns], axis=1)


def regularized(kind, weights, scatter, reg_lambda, reg_gamma):
    """Friedman's covariances (1989, equations 15 to 18), spread out to (K, d, d)."""
    d = scatter.shape[1]
    if kind.startswith("tied"):
        reg_lambda = 1.0
    if kind != "full" and kind != "tied":
        scatter = scatter * np.eye(d)
    mixed = (1 - reg_lambda) * scatter + reg_lambda * scatter.sum(axis=0)
    mixed = mixed / ((1 - reg_lambda) * weights + reg_lambda * weights.sum())[:, None, None]
    mean_variance = np.trace(mixed, axis1=1, axis2=2)[:, None, None] / d
    if kind == "spherical":
        reg_gamma = 1.0
    return (1 - reg_gamma) * mixed + reg_gamma * mean_variance * np.eye(d)


def leave_one_out_error(kind, X, y, reg_lambda, reg_gamma):
    """Every row classified by a model of the others, each fitted anew."""
    wrong = 0
    for i in range(len(X)):
        others = np.arange(len(X)) != i
        shares = np.eye(y.max() + 1)[y[others]]
        weights, means, scatter = statistics(X[others], shares)
        found = regularized(kind, weights, scatter, reg_lambda, reg_gamma)
        scores = log_density(X[i : i + 1], means, found)[0] + np.log(weights / weights.sum())
        wrong += scores.argmax() != y[i]
    return wrong / len(X)
