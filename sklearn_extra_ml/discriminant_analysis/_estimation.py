"""From the statistics of the classes to the model: covariances, densities, discriminant axes.

Statistics are read and left as they are, so that `partial_fit` may add to them. Friedman's mixing and
shrinking stand in `_regularization`.
"""

from typing import NamedTuple

import numpy as np

from .._core._gaussian import COVARIANCES
from ._regularization import (
    clear_constant_columns,
    fill_from_pooled,
    mix_with_pooled,
    shrink_classes,
    shrink_to_identity,
)

DENSE = ("full", "tied")
TIED = ("tied", "tied_diag")


def summary_family(covariance, shrinkage):
    """The parametrisation whose statistics are kept: shrinkage needs them for each class."""
    if shrinkage is None:
        return COVARIANCES[covariance]
    return COVARIANCES[covariance.removeprefix("tied_").replace("tied", "full")]


def _mean_over_classes(covariances, weights, priors):
    """Mean by the priors of the classes that have rows."""
    priors = np.where(weights > 0, priors, 0.0)
    return np.tensordot(priors / priors.sum(), covariances, axes=1)


def estimate_covariances(
    statistics, moments, priors, *, covariance, shrinkage, reg_lambda, reg_gamma
):
    """Return the covariances, regularised, and each class' share of `shrinkage` (None: no such)."""
    dense = covariance in DENSE
    family = summary_family(covariance, shrinkage)
    covariances, shares = family.estimate(statistics), None
    if family.kind != "spherical":
        clear_constant_columns(covariances, statistics.means, dense)
    if shrinkage is not None:
        covariances, shares = shrink_classes(
            covariances, statistics.weights, shrinkage, moments, dense
        )
    if family.kind != covariance:
        return _mean_over_classes(covariances, statistics.weights, priors), shares
    if covariance not in TIED:
        covariances = mix_with_pooled(covariances, statistics.weights, reg_lambda)
    if reg_gamma:
        covariances = shrink_to_identity(covariances, reg_gamma, dense)
    return covariances, shares


class Densities(NamedTuple):
    """The classes as Gaussians.

    gaussian : each class with its covariance, those without variance in a direction that others
        have filled from the mean of all
    within : each class with that mean, weighted by the priors
    ranks : (K,), directions of each class before they were filled
    """

    gaussian: object
    within: object
    ranks: np.ndarray


def class_densities(means, covariances, weights, priors, *, covariance, tol):
    """Return the `Densities` of covariances of the kind `covariance`."""
    options = {"tol": tol, "singular": "drop"}
    gaussian = COVARIANCES[covariance](means, covariances, **options)
    if covariance in TIED:
        return Densities(gaussian, gaussian, gaussian.ranks)
    dense = covariance in DENSE
    variances = covariances if dense else gaussian.variances()
    within = COVARIANCES["tied" if dense else "tied_diag"](
        means, _mean_over_classes(variances, weights, priors), **options
    )
    ranks = gaussian.ranks
    poor = np.flatnonzero(ranks < within.ranks[0])
    if len(poor) and covariance != "spherical":
        filled, pooled = covariances.copy(), within.covariances
        if dense:
            whitening = within.whitening()
            coloring = pooled @ whitening
            for k in poor:
                filled[k] = fill_from_pooled(covariances[k], whitening, coloring, tol)
        else:
            filled[poor] = np.where(filled[poor] > tol * pooled, filled[poor], pooled)
        gaussian = COVARIANCES[covariance](means, filled, **options)
    return Densities(gaussian, within, ranks)


class Axes(NamedTuple):
    """Where the class means differ most, in units of the spread within classes.

    center : (d,), mean of the means
    scalings : (d, n_axes), of (x - center); the largest entry of each is positive
    explained_variance_ratio : (n_axes,), shares of the variance between classes
    """

    center: np.ndarray
    scalings: np.ndarray
    explained_variance_ratio: np.ndarray


def discriminant_axes(means, priors, whitening, n_axes):
    """Whiten by the mean covariance, then rotate to where the class means differ most."""
    center = priors @ means
    spread = np.sqrt(priors)[:, None] * ((means - center) @ whitening)
    _, lengths, directions = np.linalg.svd(spread, full_matrices=False)
    n_missing = max(0, n_axes - len(directions))  # more axes than directions of variance
    lengths, directions = (
        np.pad(lengths, (0, n_missing)),
        np.pad(directions, ((0, n_missing), (0, 0))),
    )
    scalings = whitening @ directions[:n_axes].T
    flip = np.take_along_axis(scalings, np.abs(scalings).argmax(axis=0)[None], axis=0)[0] < 0
    between = lengths**2
    ratio = between[:n_axes] / max(between.sum(), 1e-300)
    return Axes(center, np.where(flip, -scalings, scalings), ratio)
