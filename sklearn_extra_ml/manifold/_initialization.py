"""Where the points start: along the principal components, at random, or where the user says.

Small: a standard deviation of 1e-4. t-SNE finds the coarse layout while all points still see each
other, and principal components give it the global order (D. Kobak and P. Berens, "The art of using
t-SNE for single-cell transcriptomics", Nature Communications 10, 2019).
"""

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.decomposition import PCA

from .._core._magnitudes import value_range
from .._core._threads import single_threaded_blas
from .._core._validation import bad_value

__all__ = ["initial_positions"]

_SCALE = 1e-4
_SAFE_EXPONENT = 30  # of 2: sums of squares of such numbers fit float32
_APART = 1e-2  # of the scale: how far apart equal points are put


def initial_positions(init, X, n_components, rng):
    """Return the first positions of validated rows, (n, n_components), float32.

    Parameters
    ----------
    init : {"pca", "random"} or array-like of shape (n, n_components)
    X : {ndarray, sparse matrix} of shape (n, n_features)
    n_components : int
    rng : RandomState

    Returns
    -------
    positions : ndarray of shape (n, n_components)
        No two rows are equal: forces could never part them.
    """
    if isinstance(init, str):
        make = _principal_components if init == "pca" else _random
        positions = make(X, n_components, rng)
    else:
        positions = np.array(init, dtype=np.float32)
        if positions.shape != (X.shape[0], n_components):
            raise ValueError(
                f"`init` has shape {positions.shape}. Allowed: "
                f"(n_samples, n_components) = {(X.shape[0], n_components)}. Pass one position "
                "for each row of X."
            )
        if not np.isfinite(positions).all():
            raise bad_value("init", init, "holds NaN or infinity", "finite numbers", "Remove them.")
    return _part_equal(positions, rng)


def _random(X, n_components, rng):
    return (_SCALE * rng.standard_normal(size=(X.shape[0], n_components))).astype(np.float32)


def _principal_components(X, n_components, rng):
    """The first components, the first scaled to `_SCALE`; random columns where there are none."""
    positions = _random(X, n_components, rng)
    n_found = min(n_components, *X.shape)
    if sparse.issparse(X) and n_found == min(X.shape):
        X = X.toarray()  # the sparse solver wants fewer components than columns; tiny anyway
    pca = PCA(n_components=n_found, random_state=rng)
    # One thread: the bits of the positions must not depend on how many there are.
    with single_threaded_blas(), config_context(transform_output="default"), _quiet():
        found = pca.fit_transform(_in_safe_units(X))
    deviation = np.std(found[:, 0], dtype=np.float64)
    if np.isfinite(deviation) and deviation > 0:
        positions[:, :n_found] = found / deviation * _SCALE
    return positions


def _in_safe_units(X):
    """`X`, times a power of two where sums of squares could leave the range of its dtype.

    Components do not know the unit, and powers of two change no other bit.
    """
    exponent = int(np.frexp(max(np.abs(value_range(X))))[1])
    if abs(exponent) <= _SAFE_EXPONENT:
        return X
    if sparse.issparse(X):
        X = X.copy()
        X.data = np.ldexp(X.data, -exponent)
        return X
    return np.ldexp(X, -exponent)


def _quiet():
    """Constant data have no explained variance to divide by; the random positions stay then."""
    return np.errstate(divide="ignore", invalid="ignore", over="ignore")


def _part_equal(positions, rng):
    """Move all but the first of equal points a little."""
    _, first = np.unique(positions, axis=0, return_index=True)
    if len(first) < len(positions):
        others = np.ones(len(positions), dtype=bool)
        others[first] = False
        apart = _APART * max(_SCALE, 1e-3 * float(np.abs(positions).max()))
        noise = rng.standard_normal(size=(int(others.sum()), positions.shape[1]))
        positions[others] += (apart * noise).astype(np.float32)
    return positions
