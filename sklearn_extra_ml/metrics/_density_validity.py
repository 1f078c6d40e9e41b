"""`dbcv_score`: is a clustering dense inside its clusters and sparse between them?"""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from .._core._density_validity import MatrixMeasure, RowsMeasure, density_validity
from .._core._distances import METRICS, Metric
from .._core._threads import threads_for_rows
from .._core._validation import Interval, StrOptions, bad_value, validate_params


@validate_params(
    {
        "X": ["array-like"],
        "labels": ["array-like"],
        "metric": [StrOptions(set(METRICS) | {"precomputed"}), callable],
        "metric_params": [dict, None],
        "n_features": [Interval(Real, 0, None, closed="neither"), None],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def dbcv_score(X, labels, *, metric="euclidean", metric_params=None, n_features=None, n_jobs=None):
    r"""Density-based clustering validity (DBCV) of a clustering.

    For each cluster the sparsest place inside it, :math:`\mathrm{DSC}`, is held against the densest
    place between it and any other cluster, :math:`\mathrm{DSPC}`; both are mutual reachability
    distances. The index is the mean of

    .. math:: \frac{\mathrm{DSPC}_i - \mathrm{DSC}_i}{\max(\mathrm{DSPC}_i, \mathrm{DSC}_i)}

    over clusters, weighted by their share of *all* rows, so noise lowers it. Unlike the silhouette
    it suits clusters of any shape. 1 is best, -1 worst.

    Not to be trusted where clusters touch or overlap (there is no thinner place between them), where
    noise was labelled as part of a cluster (one row can be the sparsest place), and between few large
    clusters and many small ones with noise between them, which it prefers. Compare clusterings of the
    same rows and columns.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), or (n_samples, n_samples)
        Rows, or their distances if ``metric="precomputed"``. Rows not finite must be noise.

    labels : array-like of shape (n_samples,)
        Integers; a negative one is noise.

    metric : str or callable, default="euclidean"
        Any metric that :class:`~sklearn_extra_ml.cluster.HDBSCAN` takes.

    metric_params : dict, default=None
        Parameters of the metric.

    n_features : float, default=None
        Dimension of the space that densities live in, the exponent of the core distances. None: the
        number of columns of `X`. Needed for precomputed distances.

    n_jobs : int, default=None
        Threads. None: what OpenMP would use. The score does not depend on it.

    Returns
    -------
    score : float
        In [-1, 1]. It is -1 without any cluster, and 0 with a single one: the index compares
        clusters. A cluster of one row counts as 0.

    Raises
    ------
    ValueError
        If labels and rows differ in number, a clustered row is not finite, `n_features` is missing
        for precomputed distances, or squared distances leave the range of double precision.

    Notes
    -----
    Cost: O(sum of squared cluster sizes + squared number of clustered rows) distances, O(n_samples)
    memory. Core distances are computed relative to the nearest neighbour, so they neither over- nor
    underflow in high dimension; equal rows have core distance 0. The score does not depend on the
    order of the rows.

    References
    ----------
    D. Moulavi, P. A. Jaskowiak, R. J. G. B. Campello, A. Zimek, J. Sander (2014). Density-Based
    Clustering Validation. Proceedings of the SIAM International Conference on Data Mining.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.metrics import dbcv_score
    >>> x = np.array([0, 1, 2, 3, 20, 21, 22, 23])[:, None]
    >>> float(round(dbcv_score(x, [0, 0, 0, 0, 1, 1, 1, 1]), 3))
    0.937
    >>> float(round(dbcv_score(x, [0, 1, 0, 1, 0, 1, 0, 1]), 3))
    -0.725
    """
    labels = column_or_1d(labels)
    if labels.dtype.kind not in "iu":
        labels = _integer_labels(labels)
    X = check_array(X, dtype=np.float64, ensure_all_finite=False, input_name="X")
    check_consistent_length(X, labels)
    clustered = labels >= 0
    if metric == "precomputed":
        if n_features is None:
            raise bad_value(
                "n_features",
                None,
                'is not given with metric="precomputed"',
                "any positive number",
                "Pass the dimension of the space that the distances were measured in.",
            )
        if X.shape[0] != X.shape[1]:
            raise ValueError(
                f"The precomputed distances have shape {X.shape}. Allowed: (n_samples, n_samples). "
                "Pass the distance of every row to every row."
            )
        X = np.maximum(X, X.T)
        if np.isnan(X[np.ix_(clustered, clustered)]).any():
            raise ValueError("Input X contains NaN among the clustered rows.")
        return density_validity(
            MatrixMeasure(X, threads_for_rows(len(X), n_jobs)), labels, n_features, len(X)
        )
    finite = np.isfinite(X).all(axis=1)
    if not finite[clustered].all():
        bad = int(np.flatnonzero(clustered & ~finite)[0])
        raise ValueError(
            f"Row {bad} of X contains NaN or infinity and has label {labels[bad]}. Allowed: finite "
            "rows in clusters. Give it a negative label or leave it out."
        )
    if not clustered.any():
        return -1.0
    X = X[finite]
    measure = RowsMeasure(Metric(metric, metric_params, X, n_jobs), X)
    return density_validity(measure, labels[finite], n_features or X.shape[1], len(labels))


def _integer_labels(labels):
    as_numbers = np.asarray(labels, dtype=np.float64)
    if not np.array_equal(as_numbers, np.round(as_numbers)):
        raise ValueError(
            "`labels` holds values that are not whole numbers. Allowed: integers, negative for "
            "noise. Number the clusters first."
        )
    return as_numbers.astype(np.intp)
