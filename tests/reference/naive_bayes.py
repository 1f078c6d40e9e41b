"""Naive Bayes as the textbook has it: one cell at a time, densities from scipy.stats.

Every function learns from (X, y, weight) and returns the joint log-densities of the rows of `query`,
(n_rows, n_classes). NaN cells are left out one by one, in learning and in prediction.
"""

import numpy as np
from scipy import stats


def log(x):
    with np.errstate(divide="ignore"):
        return np.log(x)


def log_prior(y, weight, classes, priors=None):
    if priors is not None:
        return log(np.asarray(priors, dtype=np.float64))
    mass = np.array([weight[y == c].sum() for c in classes])
    return log(mass / mass.sum())


def add_up(cell, X, classes, prior):
    """Joint log-densities, where cell(class number, column, value) is one cell's part."""
    joint = np.tile(prior, (len(X), 1))
    for i, row in enumerate(X):
        for c in range(len(classes)):
            for t, x in enumerate(row):
                if not np.isnan(x):
                    joint[i, c] += cell(c, t, x)
    return joint


def weighted_moments(x, w):
    """Weight, mean and variance of the cells that are not NaN."""
    seen = ~np.isnan(x) & (w > 0)
    if not seen.any():
        return 0.0, 0.0, 0.0
    x, w = np.asarray(x[seen], dtype=np.longdouble), np.asarray(w[seen], dtype=np.longdouble)
    mean = (w * x).sum() / w.sum()
    return float(w.sum()), float(mean), float((w * (x - mean) ** 2).sum() / w.sum())


def gaussian_parameters(X, y, weight, classes, var_smoothing=1e-9, per_feature=False):
    """Means and smoothed variances; a class without a value in a column gets the column's."""
    pooled = [weighted_moments(X[:, t], weight) for t in range(X.shape[1])]
    added = var_smoothing * np.array([p[2] for p in pooled])
    if not per_feature:
        added[:] = added.max()
    mean, var = np.empty((2, len(classes), X.shape[1]))
    for c, label in enumerate(classes):
        for t in range(X.shape[1]):
            own = weighted_moments(X[y == label, t], weight[y == label])
            mean[c, t], var[c, t] = (own if own[0] > 0 else pooled[t])[1:]
    return mean, var + added


def gaussian(X, y, weight, query, classes, priors=None, **smoothing):
    mean, var = gaussian_parameters(X, y, weight, classes, **smoothing)

    def cell(c, t, x):
        return stats.norm.logpdf(x, mean[c, t], np.sqrt(var[c, t]))

    return add_up(cell, query, classes, log_prior(y, weight, classes, priors))


def total(X, y, weight, classes):
    """Weighted sums by class and column."""
    return np.array([np.nansum(X[y == c] * weight[y == c][:, None], axis=0) for c in classes])


def multinomial(X, y, weight, query, classes, alpha=1.0):
    count = total(X, y, weight, classes) + alpha
    log_prob = log(count / count.sum(axis=1, keepdims=True))
    return add_up(
        lambda c, t, x: x * log_prob[c, t] if x else 0.0,
        query,
        classes,
        log_prior(y, weight, classes),
    )


def complement(X, y, weight, query, classes, alpha=1.0, norm=False):
    count = total(X, y, weight, classes)
    others = (
        np.array([np.delete(count, c, axis=0).sum(axis=0) for c in range(len(classes))]) + alpha
    )
    w = log(others / others.sum(axis=1, keepdims=True))
    w = w / w.sum(axis=1, keepdims=True) if norm else -w
    return add_up(lambda c, t, x: x * w[c, t], query, classes, np.zeros(len(classes)))


def bernoulli(X, y, weight, query, classes, alpha=1.0, threshold=0.0):
    def yes(rows):
        return np.where(np.isnan(rows), np.nan, rows > threshold)

    count = total(yes(X), y, weight, classes) + alpha
    rows = total(np.where(np.isnan(X), np.nan, 1.0), y, weight, classes) + 2 * alpha
    return add_up(
        lambda c, t, x: stats.bernoulli.logpmf(int(x), count[c, t] / rows[c, t]),
        yes(query),
        classes,
        log_prior(y, weight, classes),
    )


def categorical(X, y, weight, query, classes, alpha=1.0, unseen="smooth"):
    sizes = [int(np.nanmax(X[:, t])) + 1 for t in range(X.shape[1])]

    def cell(c, t, x):
        if x >= sizes[t] and unseen == "ignore":
            return 0.0
        own = y == classes[c]
        of_value = weight[own & (X[:, t] == x)].sum() + alpha
        everything = weight[own & ~np.isnan(X[:, t])].sum() + alpha * sizes[t]
        return log(of_value / everything)

    return add_up(cell, query, classes, log_prior(y, weight, classes))


def poisson(X, y, weight, query, classes, alpha=1.0):
    rate = shrunken_mean(X, y, weight, classes, alpha)
    return add_up(
        lambda c, t, x: stats.poisson.logpmf(x, rate[c, t]),
        query,
        classes,
        log_prior(y, weight, classes),
    )


def exponential(X, y, weight, query, classes, alpha=1.0):
    mean = shrunken_mean(X, y, weight, classes, alpha)
    return add_up(
        lambda c, t, x: stats.expon.logpdf(x, scale=mean[c, t]),
        query,
        classes,
        log_prior(y, weight, classes),
    )


def lognormal(X, y, weight, query, classes, var_smoothing=1e-9):
    smoothing = dict(var_smoothing=var_smoothing, per_feature=True)
    mean, var = gaussian_parameters(np.log(X), y, weight, classes, **smoothing)
    return add_up(
        lambda c, t, x: stats.lognorm.logpdf(x, np.sqrt(var[c, t]), scale=np.exp(mean[c, t])),
        query,
        classes,
        log_prior(y, weight, classes),
    )


def shrunken_mean(X, y, weight, classes, alpha):
    """Means of each class with `alpha` rows of the column's mean added."""
    seen = total(np.where(np.isnan(X), np.nan, 1.0), y, weight, classes)
    sums = total(X, y, weight, classes)
    overall = sums.sum(axis=0) / seen.sum(axis=0)
    return (sums + alpha * overall) / (seen + alpha)


def posterior(joint):
    """Normalised exponentials."""
    shifted = np.exp(joint - joint.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
