"""t-SNE by the book: dense matrices, float64, one line for each formula. Slow and clear."""

import numpy as np


def row_weights(sq_distances, perplexity):
    """Weights exp(-beta d^2) of each row with the given perplexity, beta by bisection."""
    out = np.empty_like(sq_distances, dtype=np.float64)
    for i, row in enumerate(np.asarray(sq_distances, dtype=np.float64)):
        low, high = 1e-20, 1e20
        for _ in range(500):
            beta = np.sqrt(low * high)
            p = np.exp(-beta * (row - row.min()))
            p /= p.sum()
            entropy = -np.sum(p[p > 0] * np.log(p[p > 0]))
            low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
        out[i] = p
    return out


def similarities(X, perplexity, k):
    """Symmetric similarities (n, n) of the `k` nearest neighbours of each row."""
    n = len(X)
    sq = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    np.fill_diagonal(sq, np.inf)
    P = np.zeros((n, n))
    nearest = np.argsort(sq, axis=1, kind="stable")[:, :k]
    weights = row_weights(np.take_along_axis(sq, nearest, axis=1), perplexity)
    np.put_along_axis(P, nearest, weights, axis=1)
    return (P + P.T) / (2 * n)


def forces(Y, dof):
    """Sum of w / u times the difference for each point, and the sum of w over all pairs."""
    Y = np.asarray(Y, dtype=np.float64)
    total, Z = np.zeros_like(Y), 0.0
    for start in range(0, len(Y), 500):
        difference = Y[start : start + 500, None] - Y[None]
        u = 1 + (difference**2).sum(axis=2) / dof
        w = u ** (-(dof + 1) / 2)
        Z += w.sum()
        total[start : start + 500] = (difference * (w / u)[..., None]).sum(axis=1)
    return total, Z - len(Y)


def kl_divergence(P, Y, dof=1.0):
    """Kullback-Leibler divergence of positions from similarities that sum to 1."""
    Y = np.asarray(Y, dtype=np.float64)
    u = 1 + ((Y[:, None] - Y[None]) ** 2).sum(axis=2) / dof
    w = u ** (-(dof + 1) / 2)
    np.fill_diagonal(w, 0)
    q = w / w.sum()
    some = P > 0
    return float(np.sum(P[some] * np.log(P[some] / q[some])))


def gradient(P, Y, exaggeration, dof):
    difference = Y[:, None] - Y[None]
    u = 1 + (difference**2).sum(axis=2) / dof
    w = u ** (-(dof + 1) / 2)
    np.fill_diagonal(w, 0)
    factor = (exaggeration * P - w / w.sum()) / u
    return 2 * (dof + 1) / dof * (factor[..., None] * difference).sum(axis=1)


def descend(P, Y, phases, dof=1.0, max_step=5.0):
    """Gradient descent; `phases` holds (last iteration, exaggeration, momentum, rate)."""
    Y = np.array(Y, dtype=np.float64)
    done = 0
    for end, exaggeration, momentum, rate in phases:
        step, gain = np.zeros_like(Y), np.ones_like(Y)
        for _ in range(end - done):
            g = gradient(P, Y, exaggeration, dof)
            gain = np.maximum(np.where(step * g < 0, gain + 0.2, gain * 0.8), 0.01)
            step = momentum * step - rate * gain * g
            norm = np.linalg.norm(step, axis=1, keepdims=True)
            step *= np.minimum(1.0, max_step / np.maximum(norm, 1e-300))
            Y = Y + step
        done = end
    return Y
