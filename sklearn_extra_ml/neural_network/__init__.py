"""Deep estimators: autoencoders, variational autoencoders; torch is imported by `fit`, not before."""

from ._autoencoder import AutoEncoder
from ._diffusion import DiffusionModel
from ._diffusion_classifier import DiffusionClassifier
from ._vae import VAE

__all__ = ["VAE", "AutoEncoder", "DiffusionClassifier", "DiffusionModel"]
