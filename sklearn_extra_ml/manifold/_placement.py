"""New rows among fitted ones: each is moved alone, the fitted points stand still.

A new row starts at the median of its nearest fitted rows and descends on its own divergence, pulled
by its neighbours (a low perplexity: it belongs to few) and pushed by the potential of all fitted
points, which is computed once. P. G. Poličar, M. Stražar, B. Zupan, "Embedding to reference t-SNE
space addresses batch effects in single-cell classification", Machine Learning 112, 2023.
"""

import numpy as np
from scipy import sparse

from .._core._distinct_rows import row_hashes
from .._native import _tsne_gradient
from ._affinities import soa
from ._repulsion import FAR, padded

__all__ = ["equal_rows", "place"]

_EXAGGERATION = 1.5
_RATE = 0.1
_MOMENTUM = 0.8
_MAX_STEP = 0.25


def equal_rows(X_new, X, n_threads):
    """Return for each new row the first equal row of `X`, -1 where there is none."""
    known, asked = (row_hashes(rows, n_threads=n_threads) for rows in (X, X_new))
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known, asked, sorter=order)
    found = order[np.minimum(at, len(order) - 1)]
    same = known[found] == asked
    rows = np.flatnonzero(same)
    # A hash may collide; what is said to be equal is compared.
    if sparse.issparse(X):
        differ = abs(X[found[rows]] - X_new[rows]).sum(axis=1)
        same[rows] = np.asarray(differ).ravel() == 0
    else:
        same[rows] = (X[found[rows]] == X_new[rows]).all(axis=1)
    return np.where(same, found, -1)


def place(weights, rows, embedding, repulsion, *, dof, n_iter, n_threads):
    """Return positions of new rows.

    Parameters
    ----------
    weights : ndarray of shape (n_new, k), float32
        Similarities to fitted rows, each row summing to 1.
    rows : ndarray of shape (n_new, k)
        Those fitted rows.
    embedding : ndarray of shape (n, n_components), float32
        Where the fitted rows are.
    repulsion : object with `freeze` and `at`
    dof : float
    n_iter : int
    n_threads : int

    Returns
    -------
    positions : ndarray of shape (n_new, n_components), float32
        Each depends on its own weights and on the fitted points alone.
    """
    n_new, k = weights.shape
    n, dim = embedding.shape
    start = np.median(embedding[rows], axis=1).astype(np.float32)
    repulsion.freeze(soa(embedding, FAR), n)
    # One array of all points, because the kernel of the attraction takes one: the new ones come
    # first, and only they have edges and move.
    first = padded(n_new)
    points = np.full((dim, first + padded(n)), FAR, dtype=np.float32)
    points[:, :n_new], points[:, first : first + n] = start.T, embedding.T
    width = padded(k)
    target = np.zeros((n_new, width), dtype=np.int32)
    weight = np.zeros((n_new, width), dtype=np.float32)
    target[:, :k], weight[:, :k] = rows + first, weights
    graph = width * np.arange(n_new + 1, dtype=np.int64), target.ravel(), weight.ravel()
    pull, push, step = (np.zeros_like(points) for _ in range(3))
    gain, potential = np.ones_like(points), np.ones(points.shape[1], dtype=np.float32)
    rule = {
        "attraction": _EXAGGERATION,
        "repulsion": 1.0,
        "rate": _RATE,
        "momentum": _MOMENTUM,
        "max_step": _MAX_STEP,
    }
    tiny = np.finfo(np.float32).tiny
    for _ in range(n_iter):
        repulsion.at(points, n_new, push, potential)
        push[:, :n_new] /= np.maximum(potential[:n_new], tiny)
        _tsne_gradient.attraction(*graph, points, dof, n_threads, pull)
        _tsne_gradient.descend(points, pull, push, step, gain, n_new, rule, n_threads)
    return np.ascontiguousarray(points[:, :n_new].T)
