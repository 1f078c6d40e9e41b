"""Deep estimators: autoencoders, variational autoencoders; torch is imported by `fit`, not before."""

from ._autoencoder import AutoEncoder

__all__ = ["AutoEncoder"]
