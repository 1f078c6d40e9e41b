"""Deep estimators: autoencoders, variational autoencoders; torch is imported by `fit`, not before."""

from ._autoencoder import AutoEncoder
from ._vae import VAE

__all__ = ["VAE", "AutoEncoder"]
