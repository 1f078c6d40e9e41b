"""Fréchet distance of two samples, on features of a network where one is given (FID)."""

import numpy as np
from scipy.linalg import qr, svdvals
from sklearn.utils import check_array

from .._core._validation import HasMethods, validate_params


@validate_params(
    {
        "X": "no_validation",
        "Y": "no_validation",
        "feature_extractor": [callable, HasMethods("transform"), None],
    },
    prefer_skip_nested_validation=True,
)
def frechet_distance(X, Y, *, feature_extractor=None):
    r"""Squared Fréchet distance of two samples: FID, with features of your choice.

    .. math:: |\mu_X - \mu_Y|^2 + \operatorname{tr} \left(C_X + C_Y
              - 2 (C_X^{1/2} C_Y C_X^{1/2})^{1/2}\right)

    with the means :math:`\mu` and covariances :math:`C` of the features: the squared Wasserstein
    distance of two Gaussians. Where the features are those of a network that was trained on such
    rows, it follows what people see in images better than distances of pixels. The Fréchet
    inception distance (FID) is this number with the features of one particular network for photographs.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, ...)
        One sample: rows of features, or whatever `feature_extractor` takes.

    Y : array-like of shape (n_samples_Y, ...)
        The other.

    feature_extractor : callable or fitted transformer, default=None
        Its ``transform`` (or itself, if it has none) returns features, (n_samples, n_features), of a
        sample. None: the columns are the features.

    Returns
    -------
    distance : float
        At least 0, in units of the squared features; 0 for samples of equal mean and covariance.

    Raises
    ------
    ValueError
        For samples of one row, which have no covariance, features that are not two-dimensional or
        not finite, and different numbers of them.

    See Also
    --------
    energy_distance : Notices all differences, not those of mean and covariance only.
    sliced_wasserstein_distance : The same without the Gaussian.

    Notes
    -----
    Small samples look further apart than they are, the more the more features there are. Compare
    distances of equally many rows with the same features, and with the distance of two samples
    of real rows.

    Covariances are divided by n - 1 and never formed: with centred features :math:`A = QR`, hence
    :math:`C = R^\top R`, the trace of the square root is the sum of the singular values of
    :math:`R_X R_Y^\top`. No eigenvalue can come out negative or complex, with fewer rows than features
    neither. Cost: O(n n_features**2) time and a copy of the features.

    References
    ----------
    .. [1] D. C. Dowson and B. V. Landau (1982). The Fréchet distance between multivariate normal
       distributions. Journal of Multivariate Analysis 12.
    .. [2] M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler and S. Hochreiter (2017). GANs trained by a
       two time-scale update rule converge to a local Nash equilibrium. Equation 6.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_extra_ml.metrics import frechet_distance
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(5000, 3)), rng.normal(size=(5000, 3))
    >>> round(frechet_distance(X, Y + 2))  # three means moved by 2
    12
    >>> round(frechet_distance(X, 3 * Y))  # three standard deviations are 3 in place of 1
    12
    >>> features = PCA(1).fit(X)
    >>> frechet_distance(X, Y, feature_extractor=features) < 0.01
    True
    """
    mean_X, root_X = _moments(_features(X, "X", feature_extractor), "X")
    mean_Y, root_Y = _moments(_features(Y, "Y", feature_extractor), "Y")
    if len(mean_X) != len(mean_Y):
        raise ValueError(
            f"X has {len(mean_X)} features, but Y has {len(mean_Y)}. Allowed: the same features. "
            "Pass both samples with the same columns."
        )
    shift = mean_X - mean_Y
    total = np.vdot(root_X, root_X) + np.vdot(root_Y, root_Y)
    common = svdvals(root_X @ root_Y.T, check_finite=False).sum()
    return float(shift @ shift + max(0.0, total - 2 * common))


def _features(sample, name, extractor):
    if extractor is not None:
        sample = getattr(extractor, "transform", extractor)(sample)
        name = f"the features of {name}"
    return check_array(sample, dtype=np.float64, input_name=name)


def _moments(features, name):
    """Return the mean, and R with R'R the covariance, as few rows as columns at most."""
    n = len(features)
    if n < 2:
        raise ValueError(
            f"{name} has one row, hence no covariance. Allowed: at least 2 rows, and some times as many "
            "as features for a distance that means something. Pass more."
        )
    mean = features.mean(axis=0)
    centred = (features - mean) / np.sqrt(n - 1)
    (root,) = qr(centred, mode="r", overwrite_a=True, check_finite=False)
    return mean, root[: features.shape[1]]
