"""The last fit of a linear model from rows that lie packed already: no copy, one pass.

`LinearRegression.fit` copies the inliers, centres the copy and decomposes it. The packed rows of
the search are centred and in cache-sized blocks, and their QR factor R (`factor_rows`) has the
singular values and the least squares solution of the rows themselves, to rounding, whatever their
condition. The rest of the fit, minimum norm with a cut of small singular values, is then that of
scikit-learn, on R: a matrix of `n_features` rows.
"""

import numpy as np
from sklearn.linear_model import LinearRegression

from .._native._ransac_fit import factor_rows

_MOST_COLUMNS = 96  # beyond, LAPACK's blocked products are faster than a reflection at a time
# Squares outside lose digits to overflow and underflow: let LAPACK scale.
_SMALLEST, _LARGEST = 1e-140, 1e140


def fit_by_factor(estimator, engine, mask, y, n_fitted):
    """Fit a `LinearRegression` to the rows of `mask` (one for each distinct row); False if not here.

    Sets what its own ``fit`` would set, to rounding. `n_fitted` counts the given rows that the
    distinct ones stand for.
    """
    if type(estimator) is not LinearRegression or estimator.positive:
        return False
    if not 0 < engine.p <= engine.dof + engine.t <= _MOST_COLUMNS:
        return False
    n_columns = engine.dof + engine.t
    r = np.zeros((n_columns, n_columns))
    factor_rows(
        engine.blocks,
        engine.w,
        engine.n,
        engine.t,
        engine.intercept,
        engine.padded(mask),
        engine.n_threads if engine.p * n_fitted > 2**15 else 1,
        r,
    )
    diagonal = np.abs(r.diagonal()[: engine.dof])
    if not ((diagonal > _SMALLEST) & (diagonal < _LARGEST)).all() or not np.isfinite(r).all():
        return False  # a constant column among the inliers, or extreme values
    first = int(engine.intercept)
    size, dtype = engine.X.shape[1], engine.X.dtype
    # columns that are constant in all rows were not packed: their singular values are 0
    triangle = np.zeros((size, size))
    triangle[: engine.p, engine.columns] = r[first : engine.dof, first : engine.dof]
    targets = np.zeros((size, engine.t))
    targets[: engine.p] = r[first : engine.dof, engine.dof :]
    left, singular, right = np.linalg.svd(triangle)
    kept = singular > estimator.tol * singular[0]
    coef = right[kept].T @ ((left.T[kept] @ targets) / singular[kept, None])
    estimator.coef_ = (coef[:, 0] if y.ndim == 1 else coef.T).astype(dtype, order="C")
    estimator.rank_ = int(np.count_nonzero(kept))
    estimator.singular_ = singular[: min(n_fitted, size)].astype(dtype)
    estimator.n_features_in_ = size
    estimator.intercept_ = 0.0
    if engine.intercept:
        x_mean = engine.x_centre + r[0, first : engine.dof] / r[0, 0]
        y_mean = engine.y_centre + r[0, engine.dof :] / r[0, 0]
        intercept = (y_mean - coef[engine.columns].T @ x_mean).astype(dtype)
        estimator.intercept_ = intercept[0] if y.ndim == 1 else intercept
    return True
