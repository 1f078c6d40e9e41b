"""The encoder of latent diffusion: a transformer that can go back, fitted beside the model."""

from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from .._torch._storage import storable

for _cls in (PCA, MinMaxScaler, StandardScaler, Pipeline, FrozenEstimator):
    storable(_cls)  # with the model


def fitted_encoder(encoder, X, y, seed):
    """Return `encoder` itself if it is fitted, else a fitted clone.

    ``seed()`` draws for those of its random states that are None.
    """
    for method in ("transform", "inverse_transform"):
        if isinstance(encoder, type) or not hasattr(encoder, method):
            raise TypeError(
                f"`encoder`={encoder!r} has no method {method!r}. Allowed: None, or an instance of a "
                "transformer with inverse_transform (PCA, AutoEncoder, VAE). Name another."
            )
    try:
        check_is_fitted(encoder)
        return encoder
    except NotFittedError:
        encoder = clone(encoder)
    free = {
        name: seed()
        for name, value in sorted(encoder.get_params().items())
        if name.rpartition("__")[2] == "random_state" and value is None
    }
    encoder.set_params(**free)
    with config_context(transform_output="default"):
        return encoder.fit(X, y) if get_tags(encoder).target_tags.required else encoder.fit(X)
