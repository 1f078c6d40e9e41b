"""Distances between rows for any metric: one object per metric, blocks of rows at a time.

Two kinds of metric are told apart. *Embedded* ones become a plain distance of the kernels after a
map of the rows (scaling for ``seuclidean``, unit length for ``cosine``, points of the unit sphere for
``haversine``); they are direct differences, summed in float64 in feature order. All others are
scikit-learn's: `DistanceMetric` where it knows the name, `pairwise_distances` otherwise, callables too.

No function here holds more than one block of distances.
"""

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.metrics import DistanceMetric, pairwise_distances
from sklearn.neighbors import BallTree, KDTree

from .._native import _brute_force
from ._magnitudes import check_rows
from ._threads import threads_for_rows
from ._validation import bad_value, pairwise_metrics, warn

ALIASES = {
    "l2": "euclidean",
    "l1": "manhattan",
    "cityblock": "manhattan",
    "infinity": "chebyshev",
    "p": "minkowski",
}
KD_TREE_METRICS = frozenset(KDTree.valid_metrics)
BALL_TREE_METRICS = frozenset(BallTree.valid_metrics)
METRICS = frozenset(pairwise_metrics) | KD_TREE_METRICS | BALL_TREE_METRICS
# What scikit-learn measures between sparse rows.
SPARSE_METRICS = frozenset(
    ("euclidean", "l2", "manhattan", "l1", "cityblock", "cosine", "precomputed")
)
_CODES = {
    "euclidean": 0,
    "manhattan": 1,
    "chebyshev": 2,
    "minkowski": 3,
    "sqeuclidean": 4,
    "cosine": 5,
    "haversine": 6,
}


# Metrics that square differences (scikit-learn's mahalanobis too).
_SQUARES = frozenset(("euclidean", "sqeuclidean", "seuclidean", "mahalanobis"))

_PARAMETERS = dict.fromkeys(_CODES, frozenset()) | {
    "minkowski": frozenset(("p", "w")),
    "seuclidean": frozenset(("V",)),
}


class Metric:
    """A distance between rows, with what it had to learn from the data it was made for.

    Parameters
    ----------
    name : str or callable
        Any metric of `sklearn.metrics.pairwise_distances` or `sklearn.neighbors.BallTree`.

    params : dict or None
        Its parameters. ``V`` and ``VI`` default to the variance and the inverse covariance of `X`.

    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        The rows that the metric is for.

    n_jobs : int, default=None
        Threads of the kernels, as `effective_n_threads` takes it.

    Attributes
    ----------
    code : int or None
        The kernels' number of the metric; None when the metric is scikit-learn's.

    p : float
        Power of ``minkowski``.

    n_threads : int
        Threads of the kernels in this process; 1 for small data.
    """

    def __init__(self, name, params, X, n_jobs=None):
        params = dict(params or {})
        params.pop("max_distance", None)  # belongs to precomputed graphs
        self.name = ALIASES.get(name, name) if isinstance(name, str) else name
        self.params = params
        self.n_jobs, self._n_rows = n_jobs, X.shape[0]
        self.code, self.p, self._scale = None, 2.0, None
        check_magnitudes(self.name, params, X)
        if sparse.issparse(X) or callable(self.name):
            return
        if self.name in _PARAMETERS and set(params) - _PARAMETERS[self.name]:
            raise bad_value(
                "metric_params",
                params,
                f'has keys that metric="{self.name}" does not know',
                ", ".join(sorted(_PARAMETERS[self.name])) or "none",
                "Leave the others out.",
            )
        if self.name == "seuclidean":
            variance = np.asarray(params.get("V", np.var(X, axis=0, ddof=1, dtype=np.float64)))
            # A constant column adds nothing, instead of 0 / 0.
            self._scale = 1.0 / np.sqrt(np.where(variance > 0, variance, 1.0))
            self.code = _CODES["euclidean"]
        elif self.name == "mahalanobis":
            if not {"V", "VI"} & set(params):
                covariance = np.atleast_2d(np.cov(X, rowvar=False, dtype=np.float64))
                params["VI"] = np.linalg.pinv(covariance, hermitian=True)
        elif self.name == "minkowski":
            self._set_minkowski(float(params.get("p", 2.0)), params.get("w"))
        elif self.name == "cosine":
            self.code = _CODES["cosine"] if np.all(np.any(X != 0, axis=1)) else None
        elif self.name == "haversine":
            self.code = _CODES["haversine"] if X.shape[1] == 2 else None
            _warn_of_degrees(X)
        elif self.name in _CODES:
            self.code = _CODES[self.name]

    def _set_minkowski(self, p, weights):
        """Take the plain metric for p = 1, 2 and infinity; make weights a scale of the columns."""
        if not p > 0:
            raise ValueError(
                f"`metric_params`['p']={p!r} is not positive. Allowed: any number above 0. "
                "Use p=2 for the Euclidean distance."
            )
        special = {1.0: "manhattan", 2.0: "euclidean", np.inf: "chebyshev"}
        self.p = p
        self.code = _CODES[special.get(p, "minkowski")]
        if weights is not None:
            weights = np.asarray(weights, dtype=np.float64)
            self._scale = weights if p == np.inf else weights ** (1.0 / p)

    @property
    def n_threads(self):
        return threads_for_rows(self._n_rows, self.n_jobs)

    @property
    def tree_name(self):
        """The tree's name of the metric on `embed`-ed rows, or None when it has no tree."""
        if self.code is None or self.p < 1:  # below 1 the triangle inequality fails
            return None
        plain = ("euclidean", "manhattan", "chebyshev", "minkowski")
        return plain[self.code] if self.code < len(plain) else "euclidean"

    @property
    def is_power(self):
        """Whether distances are a power of the tree's: dividing them is then dividing the tree's."""
        return self.code != _CODES["haversine"]

    def from_tree(self, distances):
        """Turn distances of the tree between `embed`-ed rows into distances of the metric."""
        if self.code == _CODES["haversine"]:
            return 2.0 * np.arcsin(np.minimum(0.5 * np.asarray(distances), 1.0))
        if self.code in (_CODES["sqeuclidean"], _CODES["cosine"]):
            squares = np.square(distances)
            return squares * 0.5 if self.code == _CODES["cosine"] else squares
        return distances

    def to_tree(self, distances):
        """The inverse of `from_tree`."""
        if self.code == _CODES["haversine"]:
            return 2.0 * np.sin(np.minimum(0.5 * np.asarray(distances), 0.5 * np.pi))
        if self.code in (_CODES["sqeuclidean"], _CODES["cosine"]):
            return np.sqrt(distances * 2.0 if self.code == _CODES["cosine"] else distances)
        return distances

    def embed(self, X, keep_float32=False):
        """Return the rows as the kernels need them (C order), or `X` itself for other metrics.

        Float32 rows may stay so where nothing is computed on them.
        """
        if self.code is None:
            return X
        X = np.asarray(X)
        if self._scale is not None:
            return np.ascontiguousarray(X * self._scale, dtype=np.float64)
        if self.code == _CODES["cosine"]:
            X = X.astype(np.float64)
            # Dividing by the largest entry first keeps the squares from over- and underflowing.
            largest = np.max(np.abs(X), axis=1, keepdims=True)
            X /= np.where(largest > 0, largest, 1.0)
            norm = np.sqrt(np.einsum("ij,ij->i", X, X))
            X /= np.where(norm > 0, norm, 1.0)[:, None]
        elif self.code == _CODES["haversine"]:
            latitude, longitude = X.T.astype(np.float64)
            across = np.cos(latitude)
            X = np.column_stack(
                [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)]
            )
        return np.ascontiguousarray(X, dtype=X.dtype if keep_float32 else np.float64)

    def to(self, rows):
        """Return the `Target` that measures distances to `rows`, which are `embed`-ed."""
        return Target(self, rows)

    def between(self, queries, rows):
        """Distances from `queries` to `rows`, both `embed`-ed: (n_queries, n_rows)."""
        return Target(self, rows).distances_from(queries)


def check_magnitudes(metric, params, X, *others):
    """Raise `ValueError` where the metric's powers of differences between rows are no doubles.

    Rows of `others` are measured against those of `X`.
    """
    if callable(metric) or not X.shape[0]:
        return
    name, power = ALIASES.get(metric, metric), 2.0
    if name == "minkowski":
        power = float((params or {}).get("p", 2.0))
    elif name not in _SQUARES:
        return
    if power > 1 and np.isfinite(power):
        check_rows(X, *others, power=power)


def _warn_of_degrees(X):
    """Warn where angles of the haversine metric look like degrees, or like longitude first."""
    if X.shape[1] != 2:
        return
    latitude, longitude = np.abs(X).max(axis=0).astype(np.float64)
    if latitude > 2.0 or longitude > 7.0:  # pi / 2 and 2 pi, generously
        warn(
            'metric="haversine" takes latitude and longitude in radians, in this order, but X holds '
            f"latitudes up to {latitude:.4g} and longitudes up to {longitude:.4g}. Convert degrees "
            "by `np.radians`, and put the latitude first.",
        )


def warn_of_similarities(D):
    """Warn of a dense square matrix of distances whose diagonal holds the largest of each row."""
    if sparse.issparse(D):
        return
    own = np.diagonal(D)
    if len(own) > 1 and own.min() > 0 and np.all(own >= D.max(axis=1)):
        warn(
            "On the diagonal of the precomputed distances are the largest entries of their rows, as of "
            "similarities. Pass distances, such as 1 - similarity."
        )


class Target:
    """The rows that distances are measured to, packed once for many queries."""

    def __init__(self, metric, rows):
        self.metric = metric
        self.rows = rows
        self.n_rows = rows.shape[0]
        self._tiles = None
        if metric.code is not None:
            self._tiles = _brute_force.pack_tiles(_float64(rows))

    def distances_from(self, queries):
        """Distances from `queries` (`embed`-ed) to the rows, (n_queries, n_rows) float64."""
        metric = self.metric
        if metric.code is None:
            return self._distances_by_name(queries)
        out = np.empty((queries.shape[0], self.n_rows))
        _brute_force.pairwise(
            _float64(queries), self._tiles, metric.code, metric.p, metric.n_threads, out
        )
        if metric.code == _CODES["cosine"]:
            out[~np.any(queries, axis=1)] = 1.0  # a zero row has no direction
        return out

    def _distances_by_name(self, queries):
        name, params = self.metric.name, self.metric.params
        if sparse.issparse(self.rows) or name not in BALL_TREE_METRICS - {"pyfunc"}:
            if name == "sokalmichener":
                name = "rogerstanimoto"  # the same number under another name
            distances = pairwise_distances(queries, self.rows, metric=name, **params)
            return np.ascontiguousarray(distances, dtype=np.float64)
        measure = DistanceMetric.get_metric(name, **params)
        queries, rows = (np.ascontiguousarray(a, dtype=np.float64) for a in (queries, self.rows))
        return measure.pairwise(queries, rows)

    def kth_distances(self, queries, k):
        """Distance from each of `queries` to its k-th nearest row."""
        metric = self.metric
        out = np.empty(queries.shape[0])
        if metric.code is not None:
            _brute_force.kth_distances(
                _float64(queries),
                self._tiles,
                self.n_rows,
                k,
                metric.code,
                metric.p,
                metric.n_threads,
                out,
            )
            return out
        for start, distances in self.blocks(queries):
            distances.partition(k - 1, axis=1)
            out[start : start + len(distances)] = distances[:, k - 1]
        return out

    def blocks(self, queries):
        """Yield (first query, distances of a block of queries), each about 32 MiB."""
        step = block_rows(self.n_rows)
        for start in range(0, queries.shape[0], step):
            yield start, self.distances_from(queries[start : start + step])


def block_rows(n_rows):
    """Number of queries whose distances to `n_rows` rows take about 32 MiB."""
    return max(1, min(2048, 2**22 // max(1, n_rows)))


def _float64(rows):
    return np.ascontiguousarray(rows, dtype=np.float64)


def square_matrix_fits(n_rows):
    """Whether all distances among `n_rows` fit into scikit-learn's ``working_memory``."""
    return 8 * n_rows * n_rows <= get_config()["working_memory"] * 2**20


def square_matrix(metric, rows):
    """All distances among `rows` (`embed`-ed), each pair measured once and mirrored."""
    n = rows.shape[0]
    out = np.zeros((n, n))
    step = 256
    for start in range(0, n, step):
        stop = min(start + step, n)
        block = metric.between(rows[start:stop], rows[start:])
        inner = block[:, : stop - start]
        upper = np.triu(inner, 1)
        out[start:stop, start:stop] = upper + upper.T
        out[start:stop, stop:] = block[:, stop - start :]
        out[stop:, start:stop] = block[:, stop - start :].T
    return out


def lexicographic_order(X):
    """Indices that sort rows by content, first column first; equal rows keep their order.

    `X` is an array or a sparse matrix. For an array it costs one sort of the first column, and a
    sort of all columns for the rows that tie there.
    """
    if sparse.issparse(X):
        return np.array(sorted(range(X.shape[0]), key=_sparse_key(X)), dtype=np.intp)
    order = np.argsort(X[:, 0], kind="stable")
    if X.shape[1] == 1 or len(order) < 2:
        return order
    first = X[order, 0]
    same = first[1:] == first[:-1]
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] = same
    tied[:-1] |= same
    rows = np.sort(order[tied])
    order[tied] = rows[np.lexsort(X[rows].T[::-1])]
    return order


def _sparse_key(X):
    """A sort key for the rows of a sparse matrix that orders them as their dense rows.

    At the first column where two rows differ at most one entry is zero: a row is lower the earlier
    its negative entry comes, and the later its positive one.
    """
    X = sparse.csr_array(X, copy=True)
    X.sum_duplicates()
    X.eliminate_zeros()
    indptr, indices, data = X.indptr, X.indices.tolist(), X.data.tolist()

    def key(i):
        entries = range(indptr[i], indptr[i + 1])
        out = [
            (0, indices[e], data[e]) if data[e] < 0 else (2, -indices[e], data[e]) for e in entries
        ]
        return [*out, (1, 0, 0.0)]

    return key
