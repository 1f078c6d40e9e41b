"""Seeding k-means: the public function, and the checks it shares with the estimator."""

from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array, check_random_state

from .._core._magnitudes import in_double
from .._core._rows import DenseRows, SparseRows
from .._core._seeding import greedy_kmeans_plusplus
from .._core._threads import effective_n_threads
from .._core._validation import Interval, bad_value, check_sample_weight, validate_params

__all__ = ["check_n_clusters", "kmeans_plusplus", "n_threads_for"]

# Multiply-adds below which more threads cost more than they give.
SERIAL_WORK = 2e6


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "sample_weight": ["array-like", None],
        "x_squared_norms": ["array-like", None],
        "random_state": ["random_state"],
        "n_local_trials": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def kmeans_plusplus(
    X,
    n_clusters,
    *,
    sample_weight=None,
    x_squared_norms=None,
    random_state=None,
    n_local_trials=None,
):
    """Choose rows to start k-means from by greedy k-means++.

    The first seed is drawn by weight. Each further one is the best of several candidates, drawn
    with probability proportional to weight times squared distance to the nearest seed so far.
    Rows of weight zero are never chosen, and neither the order of the rows nor a row repeated in
    place of a weight changes the seeds. Cost: one pass over the data for each seed.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows to choose from.
    n_clusters : int
        Number of seeds, 1 to n_samples.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row, not negative. None: ones.
    x_squared_norms : array-like of shape (n_samples,), default=None
        Taken for compatibility with scikit-learn and checked for its length. Distances are computed
        from differences here, which needs no norms.
    random_state : int, RandomState instance or None, default=None
        Determines the draws.
    n_local_trials : int, default=None
        Candidates for each seed. None: ``2 + int(log(n_clusters))``. 1 gives plain k-means++.

    Returns
    -------
    centers : ndarray of shape (n_clusters, n_features)
        The chosen rows.
    indices : ndarray of shape (n_clusters,)
        Their row numbers; of equal rows the first.

    Raises
    ------
    ValueError
        If `n_clusters` is larger than n_samples, the weights are negative or all zero, or squares
        of differences between rows leave the range of double precision.

    References
    ----------
    Arthur, D. and Vassilvitskii, S. "k-means++: the advantages of careful seeding". SODA 2007,
    section 5 (greedy).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.cluster import kmeans_plusplus
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> centers, indices = kmeans_plusplus(X, n_clusters=2, random_state=0)
    >>> sorted(centers[:, 0].tolist())
    [1.0, 10.0]
    """
    X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C")
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, X)
    check_n_clusters(n_clusters, X.shape[0])
    if x_squared_norms is not None:
        norms = check_array(x_squared_norms, dtype=X.dtype, ensure_2d=False)
        if norms.shape[0] != X.shape[0]:
            raise ValueError(
                f"The length of x_squared_norms {norms.shape[0]} should be equal to the length of "
                f"n_samples {X.shape[0]}."
            )

    def choose(X, check_range):
        weight = None if sample_weight is None else sample_weight.astype(X.dtype, copy=False)
        return greedy_kmeans_plusplus(
            SparseRows.of(X) if sp.issparse(X) else DenseRows.of(X),
            n_clusters,
            sample_weight=weight,
            rng=check_random_state(random_state),
            n_local_trials=n_local_trials,
            n_threads=n_threads_for(X.shape, n_clusters),
            check_range=check_range,
        )

    indices = choose(X, True)
    if indices is None:
        indices = choose(in_double(X), False)
    centers = X[indices]
    return centers.toarray() if sp.issparse(centers) else centers, indices


def check_n_clusters(n_clusters, n_samples):
    """Raise `ValueError` when there are more clusters than rows."""
    if n_clusters > n_samples:
        # scikit-learn's own words first: code may look for them.
        raise ValueError(
            f"n_samples={n_samples} should be >= n_clusters={n_clusters}. "
            + str(
                bad_value(
                    "n_clusters",
                    n_clusters,
                    f"is larger than n_samples={n_samples}",
                    f"1 to {n_samples}",
                    "Lower `n_clusters` or pass more rows.",
                )
            )
        )


def n_threads_for(shape, n_clusters):
    """Threads for passes over rows of this shape: one for little work."""
    work = float(shape[0]) * shape[1] * n_clusters
    return 1 if work < SERIAL_WORK else effective_n_threads()
