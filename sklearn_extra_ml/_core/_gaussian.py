"""Gaussian components under five covariance parametrisations: two verbs, one class for each.

What is shared
--------------
A discriminant classifier, a mixture and a hidden Markov model differ in how they give rows to
components, and in nothing else: the first knows the class of each row (*hard*), the others have a
weight of each row in each component (*soft*). From there on all do the same two things.

*accumulate* turns rows into `Statistics`: for each component the weight it received, the weighted
mean, and the scatter (sum of weighted squares about that mean). Statistics of parts *merge* into
those of the whole, exactly (Chan, Golub and LeVeque 1979), which is all that threads,
``partial_fit`` and a distributed engine need.

*maximise* turns statistics into a `...Gaussian`: the parameters of highest likelihood, from which
`log_density`, `sq_mahalanobis` and `sample` follow::

    family = COVARIANCES["full"]
    statistics = family.accumulate(X, responsibilities, n_threads=2)     # or codes, see there
    statistics = family.merge(statistics, family.accumulate(X_more, more))
    gaussian = family.maximise(statistics, reg_covar=1e-6)
    log_density = gaussian.log_density(X, n_threads=2)                   # (n, K)

Smoothing, priors and shrinkage act on statistics when they are read, never on what is stored.

==============  ====================  ====================  =====================================
name            `scatter`             `covariances`         maximum of the likelihood
==============  ====================  ====================  =====================================
``full``        (K, d, d)             (K, d, d)             scatter / weight
``tied``        (d, d), summed        (d, d)                scatter / total weight
``diag``        (K, d)                (K, d)                scatter / weight
``tied_diag``   (d,), summed          (d,)                  scatter / total weight
``spherical``   (K,), summed          (K,)                  scatter / (weight * d)
==============  ====================  ====================  =====================================

How the numbers are kept right
------------------------------
Scatter is taken about the mean of each block of rows and merged, never as E[x^2] - E[x]^2, and
always in double precision. Densities centre each row by the mean of the component before they
multiply. A covariance is factorised as D R D, with D the standard deviations, so units of columns
do not matter: R by Cholesky where its smallest eigenvalue is above `tol` (of a correlation matrix,
so 1 is average), else by eigenvalues, those below it either raised to it (``singular="floor"``: a
density in all directions) or left out (``singular="drop"``: the density on the subspace the
component lives in, with its pseudo-determinant).

Cost: `accumulate` O(n d^2) hard and O(n K d^2) soft for ``full`` and ``tied`` (O(n d), O(n K d) for
the others), one pass, memory for a few copies of the statistics and a block of rows a thread;
`log_density` O(n K d^2), ``tied`` O(n d (d + K)), the others O(n K d).

Chan, Golub, LeVeque (1979), Updating formulae and a pairwise algorithm for computing sample
variances.
"""

import numpy as np
from scipy import sparse
from scipy.linalg import eigh

from .._native import _gaussian_density as kernels
from ._gaussian_factors import factorise, least_std
from ._gaussian_statistics import Statistics, raw_statistics
from ._threads import single_threaded_blas

__all__ = [
    "COVARIANCES",
    "DiagonalGaussian",
    "FullGaussian",
    "SphericalGaussian",
    "TiedDiagonalGaussian",
    "TiedGaussian",
    "affine_map",
]

LOG_2PI = float(np.log(2.0 * np.pi))
EIGENVALUE_TOL = 1e-10  # of a correlation matrix; below it a direction counts as singular


def _as_rows(X):
    X = np.asarray(X)
    return np.ascontiguousarray(X, X.dtype if X.dtype in (np.float32, np.float64) else np.float64)


def affine_map(X, center, matrix, shift=None, *, n_threads=1):
    """Return (X - center) @ matrix + shift, (n, r) in float64, in blocks of rows."""
    X = _as_rows(X)
    out = np.empty((X.shape[0], matrix.shape[1]))
    shift = np.zeros(matrix.shape[1]) if shift is None else np.ascontiguousarray(shift)
    if out.size:
        with single_threaded_blas():
            kernels.affine_map(
                X,
                np.ascontiguousarray(center, np.float64),
                np.ascontiguousarray(matrix.T, np.float64),
                np.ascontiguousarray(shift, np.float64),
                out,
                n_threads,
            )
    return out


def _positive(weights):
    """The weights, 1 where they are 0: divisors of scatter that is 0 as well."""
    return np.where(weights > 0, weights, 1.0)


class _Gaussian:
    """K Gaussian components in d dimensions. What the five parametrisations share.

    Parameters
    ----------
    means : array of shape (K, d)
    covariances : array, of the shape that the table at the head of this module gives
    tol : float
        Eigenvalues of the correlation matrix (variances relative to the largest of the column over
        all components, for diagonal ones) that count as zero.
    singular : {"floor", "drop"}
        What becomes of them: raised to `tol`, or left out.

    Attributes
    ----------
    means, covariances : ndarray, as given, float64.
    log_dets : (K,), log of the (pseudo-)determinant of each covariance.
    ranks : (K,), number of directions kept.
    """

    kind = ""
    _full = False  # (d, d) scatter in the kernel
    _pooled = False  # one scatter for all components in the kernel

    def __init__(self, means, covariances, *, tol=EIGENVALUE_TOL, singular="floor"):
        self.means = np.ascontiguousarray(means, np.float64)
        self.covariances = np.ascontiguousarray(covariances, np.float64)
        with single_threaded_blas():
            self._factorise(tol, singular)

    # -- the two verbs, and merge

    @classmethod
    def accumulate(cls, X, assignment, *, n_components=None, sample_weight=None, n_threads=1):
        """Return the `Statistics` of the rows.

        Parameters
        ----------
        X : array of shape (n, d), float32 or float64, C-contiguous (else it is copied)
            Finite. Read only, block by block.
        assignment : integer array of shape (n,), or float array of shape (n, K)
            Hard: the component of each row, 0 to `n_components` - 1, negative for rows that belong
            to none. Soft: weight of each row in each component, not negative.
        n_components : int, default=None
            K for hard assignments; one more than the largest code when None.
        sample_weight : array of shape (n,), default=None
            Weights of the rows, not negative, multiplied in. Weight m equals m copies of the row.
        n_threads : int, default=1
            The result does not depend on it.
        """
        X = _as_rows(X)
        with single_threaded_blas():
            weights, means, scatter = raw_statistics(
                X, assignment, n_components, sample_weight, cls._pooled, cls._full, n_threads
            )
        return Statistics(weights, means, cls._reduce(scatter, X.shape[1]))

    @classmethod
    def zeros(cls, n_components, n_features):
        """Return the statistics of no rows at all."""
        size = n_features**2 if cls._full else n_features
        scatter = np.zeros((1 if cls._pooled else n_components, size))
        return Statistics(
            np.zeros(n_components),
            np.zeros((n_components, n_features)),
            cls._reduce(scatter, n_features),
        )

    @classmethod
    def merge(cls, first, second):
        """Return the statistics of the rows of both; neither is changed."""
        weights = first.weights + second.weights
        share = np.divide(second.weights, weights, out=np.zeros_like(weights), where=weights > 0)
        step = second.means - first.means
        empty = first.weights == 0
        means = np.where(empty[:, None], second.means, first.means + share[:, None] * step)
        between = cls._between(first.weights * share, step)
        return Statistics(weights, means, first.scatter + second.scatter + between)

    @classmethod
    def maximise(cls, statistics, *, reg_covar=0.0, fallback=None):
        """Return the Gaussian of highest likelihood.

        Parameters
        ----------
        statistics : Statistics
        reg_covar : float, default=0
            Added to every variance.
        fallback : Gaussian of the same kind, default=None
            Whose mean and covariance a component without weight takes. None: the mean and the
            covariance over all components.

        Raises
        ------
        ValueError
            If no component has any weight.
        """
        total = statistics.weights.sum()
        if not total > 0:
            raise ValueError("No component has any weight: there is nothing to estimate.")
        means, covariances = statistics.means.copy(), cls.estimate(statistics)
        empty = statistics.weights == 0
        if empty.any():
            if fallback is not None:
                means[empty] = fallback.means[empty]
            else:
                means[empty] = statistics.weights @ statistics.means / total
            cls._fill(covariances, empty, statistics, total, fallback)
        cls._regularise(covariances, reg_covar)
        return cls(means, covariances)

    # -- densities

    def log_density(self, X, *, constant=True, n_threads=1, out=None):
        """Log-density of each row under each component, (n, K) float64, in nats.

        Without `constant`, less its share of ``-0.5 * rank * log(2 pi)``. `out`, when given,
        receives it: (n, K) float64, C-contiguous.
        """
        shift = -0.5 * (self.log_dets + (self.ranks * LOG_2PI if constant else 0.0))
        return self._distances(X, np.full(len(shift), -0.5), shift, n_threads, out)

    def sq_mahalanobis(self, X, *, n_threads=1):
        """Squared Mahalanobis distance of each row to each mean, (n, K) float64."""
        K = len(self.means)
        return self._distances(X, np.ones(K), np.zeros(K), n_threads)

    def _distances(self, X, scale, shift, n_threads, out=None):
        X = _as_rows(X)
        out = np.empty((X.shape[0], len(self.means))) if out is None else out
        if out.size:
            with single_threaded_blas():
                self._run_distances(X, scale, shift, out, n_threads)
        return out

    def sample(self, components, random_state):
        """Draw one row for each entry of `components`, (n, d).

        `random_state` is a `RandomState` or a `Generator`; draws are one block of standard normal
        numbers, rows in order.
        """
        components = np.asarray(components)
        noise = random_state.standard_normal((len(components), self.means.shape[1]))
        rows = self.means[components]
        for k in np.unique(components):
            rows[components == k] += self._color(noise[components == k], k)
        return rows

    @property
    def n_components(self):
        """K."""
        return self.means.shape[0]

    @property
    def n_features(self):
        """The dimension d."""
        return self.means.shape[1]

    @property
    def n_parameters(self):
        """Number of free parameters, means and covariances."""
        return self.means.size + self._n_covariance_parameters()


class _DenseGaussian(_Gaussian):
    """(d, d) covariances."""

    _full = True

    def precision_traces(self):
        """Trace of the inverse of each covariance, as the density has it: (K,)."""
        return np.broadcast_to((self._whiten**2).sum(axis=(-2, -1)), len(self.means))

    @classmethod
    def _regularise(cls, covariances, reg_covar):
        d = covariances.shape[-1]
        covariances.reshape(-1, d * d)[:, :: d + 1] += reg_covar

    @staticmethod
    def _root(covariance):
        """A with A A' = C, for any positive semi-definite C."""
        values, vectors = eigh(covariance, check_finite=False)
        return vectors * np.sqrt(np.maximum(values, 0.0))


class FullGaussian(_DenseGaussian):
    """Every component has a covariance matrix of its own: `covariances` (K, d, d)."""

    kind = "full"

    @classmethod
    def _reduce(cls, scatter, d):
        return scatter.reshape(-1, d, d)

    @classmethod
    def _between(cls, factor, step):
        return factor[:, None, None] * step[:, :, None] * step[:, None, :]

    @classmethod
    def estimate(cls, statistics):
        """Covariances of highest likelihood; zeros for components without weight."""
        return statistics.scatter / _positive(statistics.weights)[:, None, None]

    @classmethod
    def _fill(cls, covariances, empty, statistics, total, fallback):
        pooled = statistics.scatter.sum(axis=0) / total
        covariances[empty] = pooled if fallback is None else fallback.covariances[empty]

    def _factorise(self, tol, singular):
        diagonals = np.diagonal(self.covariances, axis1=1, axis2=2)
        floor = least_std(np.maximum(diagonals, 0.0), self.means, tol)
        self._whiten, self.log_dets, self.ranks, self._triangular = factorise(
            self.covariances, floor, tol, singular
        )

    def _run_distances(self, X, scale, shift, out, n_threads):
        kernels.distances_full(
            X, self.means, self._whiten, self._triangular, scale, shift, out, n_threads
        )

    def _color(self, noise, k):
        return noise @ self._root(self.covariances[k]).T

    def _n_covariance_parameters(self):
        K, d = self.means.shape
        return K * d * (d + 1) // 2


class TiedGaussian(_DenseGaussian):
    """All components share one covariance matrix: `covariances` (d, d)."""

    kind = "tied"
    _pooled = True

    @classmethod
    def _reduce(cls, scatter, d):
        return scatter.reshape(d, d)

    @classmethod
    def _between(cls, factor, step):
        return (factor[:, None] * step).T @ step

    @classmethod
    def estimate(cls, statistics):
        """Covariance of highest likelihood."""
        return statistics.scatter / _positive(statistics.weights.sum())

    @classmethod
    def _fill(cls, covariances, empty, statistics, total, fallback):
        """Nothing to fill: the matrix is everyone's."""

    def _factorise(self, tol, singular):
        floor = least_std(np.maximum(np.diag(self.covariances), 0.0), self.means, tol)
        factors = factorise(self.covariances[None], floor, tol, singular)
        K = len(self.means)
        self._whiten, self._triangular = factors.whiten[0], factors.triangular
        self._center = self.means.mean(axis=0)
        self._white_means = np.ascontiguousarray((self.means - self._center) @ self._whiten.T)
        self.log_dets, self.ranks = np.repeat(factors.log_dets, K), np.repeat(factors.ranks, K)

    def _run_distances(self, X, scale, shift, out, n_threads):
        kernels.distances_tied(
            X,
            self._center,
            self._whiten,
            self._triangular,
            self._white_means,
            scale,
            shift,
            out,
            n_threads,
        )

    def _color(self, noise, k):
        return noise @ self._root(self.covariances).T

    def _n_covariance_parameters(self):
        d = self.means.shape[1]
        return d * (d + 1) // 2

    def whitening(self):
        """W (d, r) with W' C W = 1, a column for each direction kept (one of zeros for none)."""
        return self._whiten.T

    def linear_form(self, center):
        """A (d, K) and b (K,): (x - center) A + b is the log-density up to a term of x alone."""
        white = (self.means - center) @ self._whiten.T
        return self._whiten.T @ white.T, -0.5 * (white**2).sum(axis=1)


class _AxisGaussian(_Gaussian):
    """Covariances without correlations; `_spread` gives the variances, (K, d)."""

    def precision_traces(self):
        """Trace of the inverse of each covariance, as the density has it: (K,)."""
        return self._precisions.sum(axis=1)

    @classmethod
    def _regularise(cls, covariances, reg_covar):
        covariances += reg_covar

    def _factorise(self, tol, singular):
        variances = self._spread()
        floor = least_std(np.maximum(variances, 0.0), self.means, tol) ** 2
        kept = variances > floor
        if singular == "floor":
            variances, kept = np.maximum(variances, floor), np.ones_like(kept)
        safe = np.where(kept, variances, 1.0)
        self._precisions = np.where(kept, 1.0 / safe, 0.0)
        self.log_dets = np.log(safe).sum(axis=1)
        self.ranks = kept.sum(axis=1)

    def _run_distances(self, X, scale, shift, out, n_threads):
        kernels.distances_diag(X, self.means, self._precisions, scale, shift, out, n_threads)

    def _color(self, noise, k):
        return noise * np.sqrt(np.maximum(self._spread()[k], 0.0))

    def variances(self):
        """Variances of each component along each axis, (K, d)."""
        return np.array(self._spread())

    def _n_covariance_parameters(self):
        return self.covariances.size


class DiagonalGaussian(_AxisGaussian):
    """Every component has variances of its own: `covariances` (K, d)."""

    kind = "diag"

    @classmethod
    def _reduce(cls, scatter, d):
        return scatter

    @classmethod
    def _between(cls, factor, step):
        return factor[:, None] * step**2

    @classmethod
    def estimate(cls, statistics):
        """Covariances of highest likelihood; zeros for components without weight."""
        return statistics.scatter / _positive(statistics.weights)[:, None]

    @classmethod
    def _fill(cls, covariances, empty, statistics, total, fallback):
        pooled = statistics.scatter.sum(axis=0) / total
        covariances[empty] = pooled if fallback is None else fallback.covariances[empty]

    def _spread(self):
        return self.covariances


class TiedDiagonalGaussian(_AxisGaussian):
    """All components share their variances: `covariances` (d,)."""

    kind = "tied_diag"

    @classmethod
    def _reduce(cls, scatter, d):
        return scatter.sum(axis=0)

    @classmethod
    def _between(cls, factor, step):
        return factor @ step**2

    @classmethod
    def estimate(cls, statistics):
        """Covariance of highest likelihood."""
        return statistics.scatter / _positive(statistics.weights.sum())

    @classmethod
    def _fill(cls, covariances, empty, statistics, total, fallback):
        """Nothing to fill: the variances are everyone's."""

    def _spread(self):
        return np.broadcast_to(self.covariances, self.means.shape)

    def whitening(self):
        """As that of `TiedGaussian`, as a sparse matrix: d^2 numbers may not fit the memory."""
        return sparse.diags_array(np.sqrt(self._precisions[0]))

    def linear_form(self, center):
        """As that of `TiedGaussian`."""
        step = self.means - center
        linear = step * self._precisions[0]
        return linear.T, -0.5 * (linear * step).sum(axis=1)


class SphericalGaussian(_AxisGaussian):
    """Every component has one variance for all directions: `covariances` (K,)."""

    kind = "spherical"

    @classmethod
    def _reduce(cls, scatter, d):
        return scatter.sum(axis=1)

    @classmethod
    def _between(cls, factor, step):
        return factor * (step**2).sum(axis=1)

    @classmethod
    def estimate(cls, statistics):
        """Covariances of highest likelihood; zeros for components without weight."""
        return statistics.scatter / (_positive(statistics.weights) * statistics.means.shape[1])

    @classmethod
    def _fill(cls, covariances, empty, statistics, total, fallback):
        pooled = statistics.scatter.sum() / (total * statistics.means.shape[1])
        covariances[empty] = pooled if fallback is None else fallback.covariances[empty]

    def _spread(self):
        return np.broadcast_to(self.covariances[:, None], self.means.shape)


COVARIANCES = {
    family.kind: family
    for family in (
        FullGaussian,
        TiedGaussian,
        DiagonalGaussian,
        TiedDiagonalGaussian,
        SphericalGaussian,
    )
}
