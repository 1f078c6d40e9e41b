"""How far two samples are apart, and how much of one the other covers. No torch, no n^2 memory."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist, pdist
from sklearn.utils import check_array, check_random_state

from .._core._magnitudes import check_rows
from .._core._spatial import SpatialIndex
from .._core._threads import threads_for_rows
from .._core._validation import Interval, bad_value, validate_params

_BLOCK = 1 << 20  # distances held at a time
_MEDIAN_ROWS = 1000


def _two_samples(X, Y):
    X = check_array(X, dtype=np.float64, input_name="X")
    Y = check_array(Y, dtype=np.float64, input_name="Y")
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but Y has {Y.shape[1]}. Allowed: the same columns. "
            "Pass both samples with the same columns."
        )
    check_rows(X, Y)
    return X, Y


def _mean_over_pairs(X, Y, function, metric):
    """Return the mean of ``function(distance)`` over all pairs, block by block."""
    n_block = max(1, _BLOCK // len(Y))
    sums = [
        function(cdist(X[start : start + n_block], Y, metric)).sum()
        for start in range(0, len(X), n_block)
    ]
    return float(np.sum(sums)) / len(X) / len(Y)


@validate_params({"X": ["array-like"], "Y": ["array-like"]}, prefer_skip_nested_validation=True)
def energy_distance(X, Y):
    r"""Energy distance between two samples.

    .. math:: \sqrt{2 E|x - y| - E|x - x'| - E|y - y'|}

    with Euclidean distances, over all pairs of rows. It is 0 for equal samples only, needs no
    tuning, and notices shifts, scales and missing modes. What few rows do hardly moves it: a group of
    5 % that is missing, one absurd row in thirty (see the example of the gallery).

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        One sample.

    Y : array-like of shape (n_samples_Y, n_features)
        The other.

    Returns
    -------
    distance : float
        At least 0, in units of the square root of the data. Two samples of one distribution are not
        at 0: compare with a pair of real samples of the same sizes.

    See Also
    --------
    coverage_score : Notices rare modes that are missing.
    distance_to_closest_record : Notices copies, which have an energy distance near 0.
    scipy.stats.energy_distance : The same for one feature, in O(n log n).

    Notes
    -----
    Cost: O((n_X + n_Y)**2 n_features) time, a few MiB of memory. Scale the columns first unless
    their units are comparable.

    References
    ----------
    G. J. Székely and M. L. Rizzo (2013). Energy statistics: a class of statistics based on distances.
    Journal of Statistical Planning and Inference 143.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.metrics import energy_distance
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(500, 2)), rng.normal(size=(500, 2))
    >>> round(energy_distance(X, Y), 2), round(energy_distance(X, Y + 1), 2)
    (0.11, 0.95)
    """
    X, Y = _two_samples(X, Y)

    def mean(A, B):
        return _mean_over_pairs(A, B, np.asarray, "euclidean")

    return float(np.sqrt(max(0.0, 2 * mean(X, Y) - mean(X, X) - mean(Y, Y))))


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "unbiased": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def rbf_mmd(X, Y, *, gamma=None, unbiased=True):
    r"""Squared maximum mean discrepancy of two samples under a Gaussian kernel.

    .. math:: E k(x, x') + E k(y, y') - 2 E k(x, y), \qquad k(x, y) = e^{-\gamma |x - y|^2}

    It notices differences about as wide as the kernel: a small `gamma` sees means, a large one near
    neighbours. Like :func:`energy_distance` it does not see what few rows do.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        One sample.

    Y : array-like of shape (n_samples_Y, n_features)
        The other.

    gamma : float, default=None
        Of the kernel. None: 1 / (2 m**2) with the median distance m between rows of both samples
        together (of the first 1,000 rows of each).

    unbiased : bool, default=True
        Leave out pairs of a row with itself: 0 is expected for equal distributions, and the estimate
        may be negative. False: at least 0.

    Returns
    -------
    mmd2 : float
        At most 2.

    See Also
    --------
    energy_distance : The same question without a width to choose.

    Notes
    -----
    Cost: O((n_X + n_Y)**2 n_features) time; up to 40 MiB of memory.

    References
    ----------
    A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola (2012). A kernel two-sample test.
    Journal of Machine Learning Research 13, lemma 6.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.metrics import rbf_mmd
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(500, 2)), rng.normal(size=(500, 2))
    >>> round(rbf_mmd(X, Y + 1), 2)
    0.23
    """
    X, Y = _two_samples(X, Y)
    if unbiased and min(len(X), len(Y)) < 2:
        raise ValueError(
            "A sample has one row. Allowed with `unbiased=True`: at least 2. Pass more rows, or set "
            "`unbiased=False`."
        )
    if gamma is None:
        both = np.concatenate((X[:_MEDIAN_ROWS], Y[:_MEDIAN_ROWS]))
        squares = pdist(both, "sqeuclidean")
        median = np.median(squares) if len(squares) else 0.0
        gamma = 0.5 / median if median > 0 else 1.0

    def kernel(squares):
        return np.exp(-gamma * squares)

    def within(A):
        mean, n = _mean_over_pairs(A, A, kernel, "sqeuclidean"), len(A)
        return (mean * n - 1) / (n - 1) if unbiased else mean

    return float(within(X) + within(Y) - 2 * _mean_over_pairs(X, Y, kernel, "sqeuclidean"))


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def sliced_wasserstein_distance(X, Y, *, n_projections=500, p=2, random_state=0):
    r"""Wasserstein distance of two samples, averaged over random directions.

    :math:`\left(E_\theta\, W_p^p(\theta^\top x, \theta^\top y)\right)^{1/p}` with directions
    :math:`\theta` uniform on the sphere. In one dimension optimal transport matches quantiles, so
    each direction costs two sorts. With squares (``p=2``) it notices few rows that lie far away. It
    hardly notices how columns depend on each other where most directions do not show it.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        One sample.

    Y : array-like of shape (n_samples_Y, n_features)
        The other; it may have another number of rows.

    n_projections : int, default=500
        Number of directions.

    p : float, default=2
        Order, at least 1.

    random_state : int, RandomState instance or None, default=0
        Draws the directions.

    Returns
    -------
    distance : float
        In units of the data.

    See Also
    --------
    frechet_distance : The same for Gaussians, without directions.

    Notes
    -----
    Cost: O(n_projections (n_X + n_Y) (log(n_X + n_Y) + n_features)) time.

    References
    ----------
    N. Bonneel, J. Rabin, G. Peyré, H. Pfister (2015). Sliced and Radon Wasserstein barycenters of
    measures. Journal of Mathematical Imaging and Vision 51.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.metrics import sliced_wasserstein_distance
    >>> X = np.random.default_rng(0).normal(size=(500, 1))
    >>> round(sliced_wasserstein_distance(X, X + 3), 6)
    3.0
    """
    X, Y = _two_samples(X, Y)
    directions = check_random_state(random_state).standard_normal((n_projections, X.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # quantile functions are steps: they are constant between the levels of both samples
    levels = np.union1d(np.arange(1, len(X)) / len(X), np.arange(1, len(Y)) / len(Y))
    edges = np.concatenate(([0.0], levels, [1.0]))
    weights, middles = np.diff(edges), (edges[:-1] + edges[1:]) / 2
    rows_x = np.minimum((middles * len(X)).astype(np.intp), len(X) - 1)
    rows_y = np.minimum((middles * len(Y)).astype(np.intp), len(Y) - 1)
    total, n_block = 0.0, max(1, _BLOCK // (len(X) + len(Y)))
    for start in range(0, n_projections, n_block):
        chosen = directions[start : start + n_block]
        on_x, on_y = np.sort(chosen @ X.T, axis=1), np.sort(chosen @ Y.T, axis=1)
        total += float((np.abs(on_x[:, rows_x] - on_y[:, rows_y]) ** p @ weights).sum())
    return float((total / n_projections) ** (1 / p))


def _neighbors_for_coverage(n_real, n_generated):
    """Return the smallest k at which equal distributions are expected to give 95 % coverage.

    All k nearest real rows come before any generated one with probability
    prod (n - 1 - i) / (n - 1 + m - i), whatever the distribution.
    """
    missed, k = 1.0, 0
    while k < n_real - 1 and 1 - missed < 0.95:
        missed *= (n_real - 1 - k) / (n_real - 1 + n_generated - k)
        k += 1
    return max(k, 1)


@validate_params(
    {
        "X_real": ["array-like"],
        "X_generated": ["array-like"],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def coverage_score(X_real, X_generated, *, n_neighbors=None, n_jobs=None):
    """Share of the real rows that have a generated row among their neighbours.

    A real row is covered when a generated one is as near to it as its `n_neighbors`-th nearest real
    row, or nearer. Low coverage means that modes are missing, that the spread is too small or too
    large, or that rows repeat each other. Not noticed are copies of training rows that come once each
    (see :func:`distance_to_closest_record`), nor a few rows where no real one is.

    Parameters
    ----------
    X_real : array-like of shape (n_real, n_features)
        Real rows, at least 2.

    X_generated : array-like of shape (n_generated, n_features)
        Generated rows.

    n_neighbors : int, default=None
        None: the smallest number for which rows of the same distribution are expected to cover 95 %;
        it depends on the two sizes only.

    n_jobs : int, default=None
        Threads. None: what OpenMP would use.

    Returns
    -------
    coverage : float
        In [0, 1]. By default rows of the same distribution are expected to have 0.95, not 1.

    See Also
    --------
    distance_to_closest_record : Whether rows were copied.

    References
    ----------
    M. F. Naeem, S. J. Oh, Y. Uh, Y. Choi, J. Yoo (2020). Reliable fidelity and diversity metrics for
    generative models. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.metrics import coverage_score
    >>> rng = np.random.default_rng(0)
    >>> real = rng.normal(size=(400, 2))
    >>> coverage_score(real, rng.normal(size=(400, 2))) > 0.9
    True
    >>> half = np.abs(rng.normal(size=(400, 2)))
    >>> coverage_score(real, half) < 0.6
    True
    """
    real, generated = _two_samples(X_real, X_generated)
    if len(real) < 2:
        raise ValueError("X_real has 1 row. Allowed: at least 2. Pass more rows.")
    k = _neighbors_for_coverage(len(real), len(generated)) if n_neighbors is None else n_neighbors
    if k >= len(real):
        raise bad_value(
            "n_neighbors",
            n_neighbors,
            f"is not below n_real={len(real)}",
            f"1 to {len(real) - 1}",
            "Lower it, or pass more rows.",
        )
    n_threads = threads_for_rows(len(real), n_jobs)
    radius = SpatialIndex(real, n_threads=n_threads).knn(k + 1).distances[:, k]
    nearest = SpatialIndex(generated, n_threads=n_threads).knn(1, real).distances[:, 0]
    # The article has "<", with which rows that many others equal could never be covered.
    return float(np.mean(nearest <= radius))


class ClosestRecords(NamedTuple):
    """Distances of generated rows to the nearest real ones."""

    to_train: np.ndarray  # (n_generated,): Euclidean distance to the nearest training row
    to_holdout: np.ndarray | None  # the same to rows that were not trained on; None without
    share_nearer_train: float  # share of rows nearer to a training row; ties count half


@validate_params(
    {
        "X_train": ["array-like"],
        "X_generated": ["array-like"],
        "X_holdout": ["array-like", None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def distance_to_closest_record(
    X_train, X_generated, *, X_holdout=None, random_state=0, n_jobs=None
):
    """Does a generator repeat its training rows?

    Parameters
    ----------
    X_train : array-like of shape (n_train, n_features)
        Rows that the generator was fitted on, scaled so that distances mean something.

    X_generated : array-like of shape (n_generated, n_features)
        Generated rows.

    X_holdout : array-like of shape (n_holdout, n_features), default=None
        Real rows that it was not fitted on.

    random_state : int, RandomState instance or None, default=0
        Draws the subset below.

    n_jobs : int, default=None
        Threads. None: what OpenMP would use.

    Returns
    -------
    records : ClosestRecords
        ``to_train``, ``to_holdout`` and ``share_nearer_train``: about 0.5 for a generator that
        learnt the distribution, 1 for one that repeats its training rows, NaN without holdout. The
        share compares equally many rows: a random subset of the larger of the two sets.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.metrics import distance_to_closest_record
    >>> rng = np.random.default_rng(0)
    >>> train, holdout = rng.normal(size=(300, 2)), rng.normal(size=(300, 2))
    >>> copies = train + 1e-3 * rng.normal(size=(300, 2))
    >>> records = distance_to_closest_record(train, copies, X_holdout=holdout)
    >>> records.share_nearer_train > 0.95
    True
    """
    train, generated = _two_samples(X_train, X_generated)
    n_threads = threads_for_rows(len(train), n_jobs)

    def nearest(rows):
        return SpatialIndex(rows, n_threads=n_threads).knn(1, generated).distances[:, 0]

    to_train = nearest(train)
    if X_holdout is None:
        return ClosestRecords(to_train, None, np.nan)
    holdout, _ = _two_samples(X_holdout, train)
    to_holdout = nearest(holdout)
    rng = check_random_state(random_state)
    n = min(len(train), len(holdout))
    a = to_train if len(train) == n else nearest(train[rng.permutation(len(train))[:n]])
    b = to_holdout if len(holdout) == n else nearest(holdout[rng.permutation(len(holdout))[:n]])
    share = float(np.mean(a < b) + 0.5 * np.mean(a == b))
    return ClosestRecords(to_train, to_holdout, share)
