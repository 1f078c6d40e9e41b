"""RANSAC of linear models, one trial after the other, in plain numpy."""

import numpy as np
from scipy.linalg import lstsq

KAPPA = 2.5758293035489004**2 / 2


def fit_sample(X, y, weights=None):
    """Coefficients and intercept of least squares on a sample, minimum norm."""
    w = np.ones(len(X)) if weights is None else weights
    x_mean, y_mean = np.average(X, axis=0, weights=w), np.average(y, axis=0, weights=w)
    root = np.sqrt(w).reshape(-1, 1)
    target = (y - y_mean) * (root if y.ndim > 1 else root[:, 0])
    coef = lstsq((X - x_mean) * root, target, cond=1e-6)[0]
    return coef, y_mean - x_mean @ coef


def losses(X, y, coef, intercept, squared=False):
    r = y - X @ coef - intercept
    part = r**2 if squared else np.abs(r)
    return part if part.ndim == 1 else part.sum(axis=1)


def gains(loss, threshold, scoring, squared=False):
    """What each row adds to the score."""
    if scoring == "inliers":
        return (loss <= threshold).astype(float)
    u = loss / threshold if squared else (loss / threshold) ** 2
    if scoring == "msac":
        return np.maximum(1 - u, 0)
    floor = np.logaddexp(0, KAPPA * (1 - 8))
    top = np.logaddexp(0, KAPPA) - floor
    return np.where(u < 8, (np.logaddexp(0, KAPPA * (1 - u)) - floor) / top, 0)


def trials_needed(share, size, probability):
    return np.ceil(np.log(1 - probability) / np.log(1 - share**size))


def ransac(X, y, samples, threshold, scoring, max_trials, probability=0.99, squared=False):
    """Run the given samples in turn; return the best mask, the trials run, and the history."""
    best, best_mask, history, limit = -np.inf, None, [], max_trials
    for n, sample in enumerate(samples[:max_trials], start=1):
        loss = losses(X, y, *fit_sample(X[sample], y[sample]), squared)
        if scoring == "lmeds":
            score = -np.median(loss)
        else:
            score = gains(loss, threshold, scoring, squared).sum()
        if score > best and (scoring == "lmeds" or score > 0):
            best, best_mask = score, loss <= threshold
            share = best_mask.mean()
            if 0 < share < 1:
                limit = min(limit, trials_needed(share, samples.shape[1], probability))
        history.append(best)
        if n >= limit:
            break
    return best_mask, n, np.array(history)


def least_squares_within(X, y, coef, intercept, threshold, weights=None):
    """One step of the local optimisation: least squares on the rows within the threshold."""
    mask = losses(X, y, coef, intercept) <= threshold
    return fit_sample(X[mask], y[mask], None if weights is None else weights[mask])
