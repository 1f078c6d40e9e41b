"""Hidden Markov models by enumeration and by the textbook, to hold the fast ones against.

`enumerate_paths` sums over all K**T paths. `expectation` is Baum's recursion with logarithms, one
sequence and one row at a time (Rabiner 1989, section III); with the updates below it is EM as
hmmlearn runs it when its priors are switched off (compared once with hmmlearn 0.3.3).
"""

from itertools import product

import numpy as np
from scipy.special import gammaln, logsumexp, xlogy
from scipy.stats import multinomial, multivariate_normal


def _log(x):
    with np.errstate(divide="ignore"):
        return np.log(x)


def enumerate_paths(log_density, start, transmat):
    """Everything about one sequence, by adding up all its paths.

    Returns log-likelihood, posteriors (T, K), expected pairs (K, K), best path, its log-probability
    and log p(x_t | past) for every row.
    """
    T, K = log_density.shape
    log_start, log_transmat = _log(start), _log(transmat)
    paths = np.array(list(product(range(K), repeat=T)))
    joint = log_start[paths[:, 0]] + log_density[0, paths[:, 0]]
    prefixes = [logsumexp(log_start + log_density[0])]
    for t in range(1, T):
        joint = joint + log_transmat[paths[:, t - 1], paths[:, t]] + log_density[t, paths[:, t]]
        # each prefix stands once for every continuation
        prefixes.append(logsumexp(joint) - (T - 1 - t) * np.log(K))
    log_likelihood = logsumexp(joint)
    weight = np.exp(joint - log_likelihood)
    posteriors = np.array([[weight[paths[:, t] == k].sum() for k in range(K)] for t in range(T)])
    pairs = np.zeros((K, K))
    for t in range(1, T):
        np.add.at(pairs, (paths[:, t - 1], paths[:, t]), weight)
    best = int(np.argmax(joint))
    rows = np.diff(np.concatenate([[0.0], prefixes]))
    return log_likelihood, posteriors, pairs, paths[best], joint[best], rows


def expectation(log_density, start, transmat):
    """Log-likelihood, posteriors, expected pairs and filtered probabilities of one sequence."""
    T, K = log_density.shape
    log_start, log_transmat = _log(start), _log(transmat)
    alpha, beta = np.empty((T, K)), np.zeros((T, K))
    alpha[0] = log_start + log_density[0]
    for t in range(1, T):
        alpha[t] = logsumexp(alpha[t - 1][:, None] + log_transmat, axis=0) + log_density[t]
    for t in range(T - 2, -1, -1):
        beta[t] = logsumexp(log_transmat + log_density[t + 1] + beta[t + 1], axis=1)
    log_likelihood = logsumexp(alpha[-1])
    posteriors = np.exp(alpha + beta - log_likelihood)
    pairs = np.zeros((K, K))
    for t in range(1, T):
        pairs += np.exp(
            alpha[t - 1][:, None] + log_transmat + log_density[t] + beta[t] - log_likelihood
        )
    filtered = np.exp(alpha - logsumexp(alpha, axis=1, keepdims=True))
    return log_likelihood, posteriors, pairs, filtered


def viterbi(log_density, start, transmat):
    """Most likely path of one sequence and its log-probability."""
    T, K = log_density.shape
    log_transmat = _log(transmat)
    delta, back = _log(start) + log_density[0], np.zeros((T, K), int)
    for t in range(1, T):
        reach = delta[:, None] + log_transmat
        back[t] = reach.argmax(axis=0)
        delta = reach.max(axis=0) + log_density[t]
    path = [int(delta.argmax())]
    for t in range(T - 1, 0, -1):
        path.append(int(back[t, path[-1]]))
    return np.array(path[::-1]), delta.max()


# -------------------------------------------------------------------------------------- emissions


def gaussian_log_density(X, means, covars, covariance_type):
    """Log-density of each row in each state."""
    n_features = X.shape[1]
    full = {
        "full": lambda k: covars[k],
        "tied": lambda k: covars,
        "diag": lambda k: np.diag(covars[k]),
        "spherical": lambda k: covars[k] * np.eye(n_features),
    }[covariance_type]
    columns = [multivariate_normal(means[k], full(k)).logpdf(X) for k in range(len(means))]
    return np.column_stack([np.atleast_1d(c) for c in columns])


def gaussian_update(X, posteriors, covariance_type, reg_covar=0.0):
    """Weighted means and covariances."""
    n_features = X.shape[1]
    mass = posteriors.sum(axis=0)
    means = posteriors.T @ X / mass[:, None]
    scatter = np.array(
        [((X - m).T * p) @ (X - m) for m, p in zip(means, posteriors.T, strict=True)]
    )
    full = scatter / mass[:, None, None]
    if covariance_type == "full":
        return means, full + reg_covar * np.eye(n_features)
    if covariance_type == "tied":
        return means, scatter.sum(axis=0) / mass.sum() + reg_covar * np.eye(n_features)
    diag = np.array([np.diag(c) for c in full])
    if covariance_type == "diag":
        return means, diag + reg_covar
    return means, diag.mean(axis=1) + reg_covar


def gaussian_penalty(covars, n_means, n_features, covariance_type, reg_covar):
    """What `reg_covar` adds to the log-density of each state in EM: -reg/2 trace of the precision."""
    if covariance_type == "full":
        traces = [np.trace(np.linalg.inv(c)) for c in covars]
    elif covariance_type == "tied":
        traces = [np.trace(np.linalg.inv(covars))] * n_means
    elif covariance_type == "diag":
        traces = (1 / covars).sum(axis=1)
    else:
        traces = n_features / covars
    return -0.5 * reg_covar * np.asarray(traces)


def categorical_log_density(X, emissionprob):
    """`emissionprob`: (K, n_categories), one column of integers."""
    return _log(emissionprob)[:, X[:, 0].astype(int)].T


def categorical_update(X, posteriors, n_categories):
    counts = np.zeros((posteriors.shape[1], n_categories))
    for row, posterior in zip(X[:, 0].astype(int), posteriors, strict=True):
        counts[:, row] += posterior
    return counts / counts.sum(axis=1, keepdims=True)


def poisson_log_density(X, lambdas):
    return np.array(
        [[(xlogy(x, rate) - rate - gammaln(x + 1)).sum() for rate in lambdas] for x in X]
    )


def poisson_update(X, posteriors):
    return posteriors.T @ X / posteriors.sum(axis=0)[:, None]


def multinomial_log_density(X, probabilities):
    return np.array([[multinomial.logpmf(x, x.sum(), p) for p in probabilities] for x in X])


def multinomial_update(X, posteriors):
    counts = posteriors.T @ X
    return counts / counts.sum(axis=1, keepdims=True)


def _parts(X, weights, means, covars, covariance_type):
    """Logarithm of weight times density of each part of one state."""
    return _log(weights) + gaussian_log_density(X, means, covars, covariance_type)


def mixture_log_density(X, weights, means, covars, covariance_type):
    """`weights` (K, M), `means` (K, M, d), `covars` a stack of what a Gaussian of that type takes."""
    states = zip(weights, means, covars, strict=True)
    return np.column_stack([logsumexp(_parts(X, *s, covariance_type), axis=1) for s in states])


def mixture_update(X, posteriors, emission, covariance_type, reg_covar=0.0):
    """Each part as a Gaussian whose weights are its share of the state's posterior."""
    found = []
    for posterior, state in zip(posteriors.T, zip(*emission, strict=True), strict=True):
        parts = _parts(X, *state, covariance_type)
        own = posterior[:, None] * np.exp(parts - logsumexp(parts, axis=1, keepdims=True))
        means, covars = gaussian_update(X, own, covariance_type, reg_covar)
        found.append((own.sum(axis=0) / own.sum(), means, covars))
    return tuple(np.array(part) for part in zip(*found, strict=True))


# -------------------------------------------------------------------------------------------- EM


def run_em(X, lengths, start, transmat, emission, log_density, update, n_iter, weights=None):
    """`n_iter` iterations; the mean log-likelihood a row before each and after the last."""
    weights = np.ones(len(lengths)) if weights is None else weights
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    history = []
    for iteration in range(n_iter + 1):
        total, starts, pairs = 0.0, np.zeros_like(start), np.zeros_like(transmat)
        posteriors = np.empty((len(X), len(start)))
        for first, last, w in zip(offsets[:-1], offsets[1:], weights, strict=True):
            found = expectation(log_density(X[first:last], emission), start, transmat)
            total += w * found[0]
            posteriors[first:last] = w * found[1]
            starts += w * found[1][0]
            pairs += w * found[2]
        history.append(total / (weights * lengths).sum())
        if iteration < n_iter:
            start, transmat = starts / starts.sum(), pairs / pairs.sum(axis=1, keepdims=True)
            emission = update(X, posteriors, emission)
    return start, transmat, emission, history
