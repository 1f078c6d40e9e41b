"""What HDBSCAN accepts: rows that can be measured, fitting parameters, proper distances."""

from functools import cached_property

import numpy as np
from scipy import sparse

from .._core._distances import BALL_TREE_METRICS, KD_TREE_METRICS
from .._core._validation import bad_value, check_sample_weight
from ._condensed_tree import SMALLEST_LEVEL
from ._row_weights import SLACK, summable


class MeasurableRows:
    """Which rows of the input can be measured.

    Attributes
    ----------
    infinite, missing : ndarray of shape (n_samples,)
        Masks of those with infinite and with missing entries; the latter win where both are.

    n_finite : int
        Number of the rows that can be measured and weigh something.

    idle : ndarray of shape (n_idle,)
        Indices of rows that could be measured, but weigh nothing: they are placed after the fit.
    """

    def __init__(self, infinite, missing, n_finite, idle=()):
        self.infinite, self.missing = infinite, missing
        self.n_finite, self.idle = n_finite, np.asarray(idle, dtype=np.intp)

    @cached_property
    def finite(self):
        """Indices of the `n_finite` rows."""
        taking_part = ~(self.infinite | self.missing)
        taking_part[self.idle] = False
        return np.flatnonzero(taking_part)

    def without(self, is_idle):
        """The same without the rows of the mask `is_idle`."""
        idle = self.finite[is_idle[self.finite]]
        return MeasurableRows(self.infinite, self.missing, self.n_finite - len(idle), idle)

    @property
    def all_finite(self):
        return self.n_finite == len(self.missing)

    @property
    def all_measurable(self):
        return self.n_finite + len(self.idle) == len(self.missing)

    @classmethod
    def all_of(cls, X):
        no_row = np.zeros(X.shape[0], dtype=bool)
        return cls(no_row, no_row, X.shape[0])

    @classmethod
    def of(cls, X):
        values = X.data if sparse.issparse(X) else X
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.sum(values)):  # cheap, and nearly always enough
                return cls.all_of(X)
        missing, infinite = _rows_with(np.isnan, X), _rows_with(np.isinf, X)
        infinite &= ~missing
        return cls(infinite, missing, X.shape[0] - int(np.sum(infinite | missing)))


def _rows_with(test, X):
    """Mask of the rows that have an entry for which `test` is true."""
    if not sparse.issparse(X):
        return test(X).any(axis=1)
    out = np.zeros(X.shape[0], dtype=bool)
    out[np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))[test(X.data)]] = True
    return out


def check_parameters(estimator, X, rows, weights=None):
    """Check what depends on the data; return the number of samples in a core distance.

    `weights` are those of all rows, or None.
    """
    name, size = "min_samples", estimator.min_samples
    if size is None:
        name, size = "min_cluster_size", estimator.min_cluster_size
    n = rows.n_finite
    if estimator.metric == "precomputed" and estimator.store_centers is not None:
        raise bad_value(
            "store_centers",
            estimator.store_centers,
            'needs rows, but metric="precomputed" gives distances',
            "None",
            "Compute centres from `labels_` and the rows.",
        )
    if n == 1:
        raise ValueError(
            "n_samples=1 while HDBSCAN requires more than one sample with finite entries. "
            "Allowed: 2 or more. Pass more rows."
        )
    if n == 0:
        raise ValueError(
            "No row of X (n_samples=0 left) has only finite entries. Allowed: 2 or more such rows. "
            "Fill in missing values or pass more rows."
        )
    if weights is not None and size * (1.0 - SLACK) > weights[rows.finite].sum():
        total = f"{weights[rows.finite].sum():g}"
        raise bad_value(
            name,
            size,
            f"is larger than the sum of `sample_weight`, {total}",
            f"{_least(name)} to that sum",
            f"Lower `{name}` or raise the weights.",
        )
    if weights is None and size > n:
        fix = f"Lower `{name}` or pass more rows."
        raise bad_value(name, size, f"is larger than n_samples={n}", f"{_least(name)} to {n}", fix)
    check_epsilons(estimator)
    check_algorithm(estimator.algorithm, estimator.metric, sparse.issparse(X))
    return size


def check_weights(weights):
    """Refuse a spanning tree all of whose edges are too short to be told from those of equal rows."""
    longest = np.max(weights, initial=0.0)
    if 0 < longest <= SMALLEST_LEVEL:
        raise ValueError(
            f"The longest distance that joins rows is {longest:g}. Allowed: more than "
            f"{SMALLEST_LEVEL:g}. Change the unit of X."
        )


def _least(name):
    return 2 if name == "min_cluster_size" else 1


def check_epsilons(estimator):
    """Refuse a largest distance of clusters below their smallest one."""
    if estimator.cluster_selection_epsilon_max < estimator.cluster_selection_epsilon:
        raise bad_value(
            "cluster_selection_epsilon_max",
            estimator.cluster_selection_epsilon_max,
            f"is below `cluster_selection_epsilon`={estimator.cluster_selection_epsilon}",
            f"{estimator.cluster_selection_epsilon} to infinity",
            "Raise it.",
        )


def read_weights(sample_weight, X, rows, metric):
    """Return summable weights of all rows (None where all are 1) and the rows that take part.

    Raises `ValueError` for weights that are negative, not finite or all zero, and for weights of
    zero with precomputed distances.
    """
    if sample_weight is None:
        return None, rows
    weights = check_sample_weight(sample_weight, X, keep_dtype=True)
    if not np.any(weights[rows.finite] > 0):
        raise ValueError(
            "`sample_weight` is zero for every row that can be measured. Allowed: numbers from 0, "
            "at least two of them positive. Leave `sample_weight` out to weigh all rows alike."
        )
    if np.all(weights == 1):
        return None, rows
    if metric == "precomputed" and np.any(weights == 0):
        raise ValueError(
            '`sample_weight` has zeros, and with metric="precomputed" such rows cannot be placed '
            "after the fit. Allowed: positive weights. Leave out their rows and columns."
        )
    return summable(weights), rows.without(weights == 0)


def check_algorithm(algorithm, metric, is_sparse):
    """Refuse a tree for what scikit-learn's tree of the name does not take."""
    trees = {"kd_tree": KD_TREE_METRICS, "ball_tree": BALL_TREE_METRICS}
    if algorithm not in trees:
        return
    if callable(metric) or metric not in trees[algorithm]:
        raise bad_value(
            "metric",
            metric,
            f'is not a valid metric for algorithm="{algorithm}"',
            ", ".join(sorted(trees[algorithm])),
            'Use algorithm="auto".',
        )
    if is_sparse:
        raise ValueError(
            f'Sparse data matrices do not support `algorithm`="{algorithm}". Allowed: "auto", '
            '"brute". Use one of them or pass a dense array.'
        )


def check_distance_matrix(D):
    """Raise `ValueError` unless `D` holds distances; return whether it is symmetric to the bit."""
    n = D.shape[0]
    if D.ndim != 2 or n != D.shape[1]:
        raise ValueError(
            f"The precomputed distance matrix is not square: its shape is {D.shape}. Allowed: "
            "(n_samples, n_samples). Pass the distance of every row to every row."
        )
    exact, step = True, max(1, 2**22 // max(1, n))
    for start in range(0, n, step):
        block, mirror = D[start : start + step], D[:, start : start + step].T
        if np.isnan(block).any():
            raise ValueError(
                "np.nan values found in precomputed-dense. Allowed: numbers from 0 to infinity. "
                "Write infinity for a distance that is not known."
            )
        if np.min(block) < 0:
            raise ValueError(_negative_distance(np.min(block)))
        if not np.array_equal(block, mirror):
            exact = False
            if not np.allclose(block, mirror, rtol=1e-7, atol=1e-9):
                raise ValueError(_asymmetric_distance())
    return exact


def check_sparse_graph(graph):
    """Return a checked copy of a sparse graph in CSR format without diagonal, caller's untouched.

    Raises `ValueError` for indices out of range (before anything converts or reads the graph),
    negative or non-finite weights and for asymmetry.
    """
    n_rows, n_columns = graph.shape
    if n_rows != n_columns:
        raise ValueError(
            f"The precomputed distance graph is not square: its shape is {graph.shape}. Allowed: "
            "(n_samples, n_samples). Pass one row and one column for each sample."
        )
    check_sparse_indices(graph)
    graph = sparse.csr_array(graph, dtype=np.float64, copy=True)
    graph.sum_duplicates()
    if np.isnan(graph.data).any():
        raise ValueError(
            "Input contains NaN: a stored distance of the precomputed graph is not a number. "
            "Allowed: numbers from 0 to infinity. Leave out edges that are not known."
        )
    if graph.nnz and graph.data.min() < 0:
        raise ValueError(_negative_distance(graph.data.min()))
    mirror = graph.T.tocsr()
    mirror.sort_indices()
    same_edges = np.array_equal(graph.indptr, mirror.indptr) and np.array_equal(
        graph.indices, mirror.indices
    )
    if not same_edges or not np.allclose(graph.data, mirror.data, rtol=1e-7, atol=1e-9):
        raise ValueError(_asymmetric_distance())
    graph.data = np.maximum(graph.data, mirror.data)
    return graph


def check_sparse_indices(X):
    """Raise `ValueError` when a sparse matrix has indices outside its shape."""
    if X.format in ("csr", "csc", "bsr"):
        try:
            type(X)((X.data, X.indices, X.indptr), shape=X.shape).check_format(full_check=True)
        except ValueError as error:
            raise ValueError(
                f"The sparse matrix is damaged: {error}. Allowed: indices from 0 to the length of "
                "the axis less 1. Build it again from its entries."
            ) from error
    elif X.format == "coo" and X.nnz:
        for axis, index in enumerate(X.coords):
            if index.min() < 0 or index.max() >= X.shape[axis]:
                raise ValueError(
                    f"The sparse matrix is damaged: axis {axis} has indices from {index.min()} to "
                    f"{index.max()}. Allowed: 0 to {X.shape[axis] - 1}. Build it again from its "
                    "entries."
                )


def _negative_distance(value):
    return (
        f"The precomputed distances contain {value:g}, which is negative. Allowed: 0 to infinity. "
        "Turn similarities into distances first."
    )


def _asymmetric_distance():
    return (
        "The precomputed distances are expected to be symmetric, however they appear to be "
        "asymmetric. Allowed: D[i, j] equal to D[j, i] for every pair. Pass `np.maximum(D, D.T)` "
        "if either direction will do (`graph.maximum(graph.T)` for a sparse graph)."
    )
